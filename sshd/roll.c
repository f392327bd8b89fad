/* The roll of sessions: see roll.h. */
#include "sshd/roll.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/door.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/api/auth_proto.h"
#include "sshd/auth.h"
#include "sshd/session.h"

#define ROLL_MOST 4096 /* sessions being asked at one time */

enum roll_what { ROLL_LIST, ROLL_DOORS, ROLL_SESSION };

/* One session of which an answer, or the end, is awaited. */
struct ask {
	struct ask *next;
	enum roll_what what;
	int64_t id, deadline;
	struct session_name name;
	int fd; /* its socket; a pidfd for ROLL_SESSION */
	bool dead; /* to be swept */
};

struct calling { /* a ROLL that is being asked around */
	struct gateway *gateway;
	int64_t id;
};

static struct ask *asks;
static int count, waiting = -1; /* waiting: an epoll descriptor over all of them */
static struct ipc_out roll_out;
static struct ipc_in roll_in;

static bool still_open(int64_t id)
{
	for (const struct ask *a = asks; a; a = a->next)
		if (a->id == id && !a->dead)
			return true;
	return false;
}

static void say_done(struct gateway *g, int64_t id, uint32_t n, const struct cl_err *err)
{
	ipc_begin(&roll_out, AUTH_DONE);
	ipc_put_i64(&roll_out, id);
	ipc_put_u32(&roll_out, err == NULL);
	if (err)
		ipc_put_err(&roll_out, err);
	else
		ipc_put_u32(&roll_out, n);
	auth_reply(g->auth, &roll_out);
}

static void begin_row(const struct ask *a, bool answers)
{
	ipc_begin(&roll_out, AUTH_ROW);
	ipc_put_i64(&roll_out, a->id);
	ipc_put_u32(&roll_out, a->name.uid);
	ipc_put_str(&roll_out, a->name.owner);
	ipc_put_str(&roll_out, a->name.project);
	ipc_put_u32(&roll_out, answers);
}

static void say_silent(struct gateway *g, const struct ask *a)
{
	begin_row(a, false);
	ipc_put_i64(&roll_out, 0);
	ipc_put_i64(&roll_out, 0);
	ipc_put_u32(&roll_out, 0);
	auth_reply(g->auth, &roll_out);
}

static void pass_age(struct ipc_in *in)
{
	int64_t age = ipc_get_i64(in);

	if (age < 0 || age > DOOR_AGE_MAX)
		in->bad = true;
	ipc_put_i64(&roll_out, age);
}

/* Field by field, so that nothing but a well-formed answer goes on to the engine. */
static int pass_door(struct ipc_in *in)
{
	char user[NAME_SIZE], address[64];

	ipc_put_u32(&roll_out, (uint32_t)ipc_get_range(in, 1, DOOR_MOST));
	ipc_get_str(in, user, sizeof(user));
	ipc_put_str(&roll_out, user);
	ipc_put_u32(&roll_out, (uint32_t)ipc_get_range(in, DOOR_OWNER, DOOR_VIEW));
	ipc_get_str(in, address, sizeof(address));
	ipc_put_str(&roll_out, address);
	ipc_put_u32(&roll_out, (uint32_t)ipc_get_range(in, DOOR_ROWS_MIN, DOOR_ROWS_MAX));
	ipc_put_u32(&roll_out, (uint32_t)ipc_get_range(in, DOOR_COLS_MIN, DOOR_COLS_MAX));
	pass_age(in);
	pass_age(in);
	return name_valid(user) ? 0 : -1;
}

static void pass_list(struct gateway *g, const struct ask *a, struct ipc_in *in)
{
	uint32_t n;
	bool bad = false;

	begin_row(a, true);
	pass_age(in);
	pass_age(in);
	n = (uint32_t)ipc_get_range(in, 0, DOOR_MOST);
	ipc_put_u32(&roll_out, n);
	for (uint32_t i = 0; i < n && !bad && !in->bad; i++)
		bad = pass_door(in) < 0;
	if (ipc_end(in) < 0 || bad || in->type != DOOR_LISTED) {
		log_warn("session of uid %u: a malformed list of its doors", (unsigned)a->name.uid);
		say_silent(g, a);
		return;
	}
	auth_reply(g->auth, &roll_out);
}

static void pass_kicked(struct gateway *g, const struct ask *a, struct ipc_in *in)
{
	struct cl_err err = {0};
	uint32_t n = (uint32_t)ipc_get_range(in, 0, DOOR_MOST);

	if (ipc_end(in) < 0 || in->type != DOOR_KICKED)
		err_set(&err, CL_FAILED, "session: its answer makes no sense");
	else if (n == 0)
		err_set(&err, CL_NOT_FOUND, "session: there is no such door");
	say_done(g, a->id, n, err.code ? &err : NULL);
}

/* No answer came: what that means depends on what was asked. */
static void silent(struct gateway *g, struct ask *a)
{
	struct cl_err err = {0};

	if (a->what == ROLL_LIST) {
		say_silent(g, a);
	} else if (a->what == ROLL_DOORS) {
		err_set(&err, CL_UNAVAILABLE, "session: it does not answer");
		err_hint(&err, "kick the session itself");
		say_done(g, a->id, 0, &err);
	} else {
		log_warn("session of uid %u does not end by itself: killed", (unsigned)a->name.uid);
		pidfd_send_signal(a->fd, SIGKILL, NULL, 0);
		say_done(g, a->id, 1, NULL);
	}
}

static void finish(struct gateway *g, struct ask *a)
{
	a->dead = true;
	close(a->fd);
	if (a->what == ROLL_LIST && !still_open(a->id))
		say_done(g, a->id, 0, NULL);
}

static void sweep(void)
{
	for (struct ask **link = &asks; *link;) {
		struct ask *a = *link;

		if (!a->dead) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		count--;
		mem_free(a);
	}
}

/* Takes fd; the answer, or an end, will be heard. */
static struct ask *expect(int64_t id, enum roll_what what, const struct session_name *name, int fd,
    int wait_ms)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct ask *a = mem_alloc(sizeof(*a));

	if (waiting < 0 && (waiting = epoll_create1(EPOLL_CLOEXEC)) < 0)
		log_fatal("epoll: %s", strerror(errno));
	a->id = id;
	a->what = what;
	a->name = *name;
	a->fd = fd;
	a->deadline = clock_ms() + wait_ms;
	ev.data.ptr = a;
	if (epoll_ctl(waiting, EPOLL_CTL_ADD, fd, &ev) < 0)
		a->deadline = 0; /* as if it said nothing */
	a->next = asks;
	asks = a;
	count++;
	return a;
}

static void call_cb(void *arg, const struct session_name *name)
{
	struct calling *c = arg;
	int fd = count < ROLL_MOST ? session_dial(c->gateway, name) : -1;
	struct ask *a;

	if (fd < 0 && (errno == ECONNREFUSED || errno == ENOENT))
		return; /* it is gone */
	if (fd < 0) {
		a = &(struct ask){.id = c->id, .name = *name};
		say_silent(c->gateway, a);
		return;
	}
	a = expect(c->id, ROLL_LIST, name, fd, ROLL_WAIT_MS);
	ipc_begin(&roll_out, DOOR_LIST);
	if (ipc_send(fd, &roll_out) < 0)
		a->deadline = 0;
}

static int serve_roll(struct gateway *g, struct ipc_in *in)
{
	struct calling c = {g, ipc_get_i64(in)};
	uid_t uid = ipc_get_u32(in);

	if (ipc_end(in) < 0)
		return -1;
	session_each(g, uid, call_cb, &c);
	if (!still_open(c.id))
		say_done(g, c.id, 0, NULL);
	return 0;
}

static void kick_doors(struct gateway *g, int64_t id, const struct session_name *name, uint32_t door,
    const char *text)
{
	struct cl_err err = {0};
	int fd = session_dial(g, name);

	if (fd < 0) {
		err_set(&err, CL_NOT_FOUND, "session: there is no such session");
		say_done(g, id, 0, &err);
		return;
	}
	ipc_begin(&roll_out, DOOR_KICK);
	ipc_put_u32(&roll_out, door);
	ipc_put_str(&roll_out, text);
	if (ipc_send(fd, &roll_out) < 0)
		log_warn("session of uid %u: %s", (unsigned)name->uid, strerror(errno));
	expect(id, ROLL_DOORS, name, fd, ROLL_WAIT_MS);
}

/* Its doors are told by the session itself as it ends. */
static void kick_session(struct gateway *g, int64_t id, const struct session_name *name)
{
	struct cl_err err = {0};
	int fd = session_process(g, name);

	if (fd < 0 || pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0) {
		err_set(&err, CL_NOT_FOUND, "session: there is no such session");
		say_done(g, id, 0, &err);
		if (fd >= 0)
			close(fd);
		return;
	}
	log_info("session of uid %u is kicked", (unsigned)name->uid);
	expect(id, ROLL_SESSION, name, fd, ROLL_END_MS);
}

static int serve_kick(struct gateway *g, struct ipc_in *in)
{
	struct session_name name = {0};
	int64_t id = ipc_get_i64(in);
	uint32_t door;
	char text[256];
	bool doors;

	name.uid = ipc_get_u32(in);
	ipc_get_str(in, name.owner, sizeof(name.owner));
	ipc_get_str(in, name.project, sizeof(name.project));
	doors = ipc_get_range(in, 0, 1) != 0;
	door = (uint32_t)ipc_get_range(in, 0, DOOR_MOST);
	ipc_get_str(in, text, sizeof(text));
	if (ipc_end(in) < 0 || name.uid < g->uid_base ||
	    (name.project[0] && (!name_valid(name.owner) || !name_valid(name.project))))
		return -1;
	if (doors)
		kick_doors(g, id, &name, door, text);
	else
		kick_session(g, id, &name);
	return 0;
}

int roll_serve(void *arg, struct ipc_in *in)
{
	return in->type == AUTH_ROLL ? serve_roll(arg, in) : serve_kick(arg, in);
}

int roll_fd(void)
{
	return asks ? waiting : -1;
}

static void heard(struct gateway *g, struct ask *a)
{
	int n;

	if (a->what == ROLL_SESSION) {
		say_done(g, a->id, 1, NULL);
		finish(g, a);
		return;
	}
	n = ipc_recv(a->fd, &roll_in);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		silent(g, a);
	else if (a->what == ROLL_LIST)
		pass_list(g, a, &roll_in);
	else
		pass_kicked(g, a, &roll_in);
	finish(g, a);
}

void roll_ready(struct gateway *g)
{
	struct epoll_event ev[64];
	int n = epoll_wait(waiting, ev, (int)CL_COUNT(ev), 0);

	for (int i = 0; i < n; i++)
		heard(g, ev[i].data.ptr);
	sweep();
}

int roll_turn(struct gateway *g, int64_t now)
{
	int64_t next = INT64_MAX;

	for (struct ask *a = asks; a; a = a->next) {
		if (!a->dead && a->deadline <= now) {
			silent(g, a);
			finish(g, a);
		} else if (!a->dead && a->deadline < next) {
			next = a->deadline;
		}
	}
	sweep();
	return next == INT64_MAX ? -1 : (int)(next - now);
}
