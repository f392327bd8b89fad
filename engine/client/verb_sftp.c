/* Projects as folders of sftp: see verb_sftp.h. */
#include "engine/client/verb_sftp.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sock.h"
#include "engine/client/client.h"
#include "engine/client/sftp_packet.h"
#include "engine/client/sftp_tree.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"

#define SFTP_SERVERS 8       /* at once; the one that rests longest gives way */
#define SFTP_ASKED 1024      /* requests that a server has not answered */
#define SFTP_CHUNK 65536
#define SFTP_HELD (1u << 20) /* bytes for a server that it has not taken: no more is read from the client */
#define SFTP_BUF_MAX (SFTP_HELD + 2 * SFTP_PACKET_MAX + SFTP_CHUNK + 64)
#define SFTP_HELLO_MS 30000
#define SFTP_END_MS 5000     /* for what the client wrote last, once it is gone */

struct server {
	uint32_t number;         /* in front of its handles; never used again */
	int folder;
	struct client_exec x;
	struct buf in, out;      /* from it, to it */
	uint32_t asked[SFTP_ASKED];
	int nasked, handles;
	int64_t used;            /* clock_ms() */
	bool greeted, over;
};

struct sftp {
	struct verb_ctx *ctx;
	struct sftp_tree tree;
	struct server *servers[SFTP_SERVERS];
	uint32_t count;
	struct buf in, made;     /* from the client; a packet of ours */
	int64_t left;            /* when the client ended; 0: it is there */
	bool nonsense;
};

/* --- to the client --- */

static void send_made(struct sftp *s)
{
	if (s->made.len)
		s->ctx->out(s->ctx->arg, s->made.data, s->made.len, true);
	buf_drop(&s->made, s->made.len);
}

/* OpenSSH's clients do not show a server's reasons, so they go to stderr too. */
static void say(struct sftp *s, const char *why)
{
	verb_out_note(s->ctx, "codinglab: sftp: %s", why);
}

static void fail(struct sftp *s, uint32_t id, const char *why)
{
	sftp_packet_status(&s->made, id, SFTP_FAILURE, why);
	send_made(s);
}

/* --- servers --- */

static void end_server(struct sftp *s, struct server *v, const char *why)
{
	for (int i = 0; i < v->nasked; i++)
		fail(s, v->asked[i], why);
	if (v->nasked)
		say(s, why);
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i] == v)
			s->servers[i] = NULL;
	client_exec_close(&v->x);
	buf_clear(&v->in);
	buf_clear(&v->out);
	mem_free(v);
}

static bool rests(const struct server *v)
{
	return v->nasked == 0 && v->handles == 0 && v->out.len == 0;
}

/* A place for one more, or -1. */
static int free_place(struct sftp *s)
{
	int found = -1;

	for (int i = 0; i < SFTP_SERVERS; i++) {
		if (!s->servers[i])
			return i;
		if (rests(s->servers[i]) && (found < 0 || s->servers[i]->used < s->servers[found]->used))
			found = i;
	}
	if (found >= 0)
		end_server(s, s->servers[found], "");
	return found;
}

static void greet(struct server *v)
{
	size_t mark = sftp_packet_begin(&v->out, SFTP_INIT, 3);

	sftp_packet_end(&v->out, mark);
}

static int open_exec(struct sftp *s, const char *ref, struct client_exec *x, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("/v1/projects/%s/exec", ref);
	json_t *body = json_pack("{s:[s], s:b, s:{s:s}}", "argv", "/usr/lib/openssh/sftp-server", "tty", 0,
	    "env", "LANG", "C.UTF-8"), *reply = NULL;
	int rc = client_call(s->ctx->socket, "POST", path, body, &reply, err);

	if (rc == 0)
		rc = client_exec_open(x, verb_out_str(reply, "socket"), verb_out_str(reply, "ticket"), err);
	json_decref(reply);
	return rc;
}

static struct server *start(struct sftp *s, int folder, struct cl_err *err)
{
	int at = free_place(s);
	struct server *v;

	if (at < 0) {
		err_set(err, CL_QUOTA, "%d projects are in use at once", SFTP_SERVERS);
		return NULL;
	}
	v = mem_alloc(sizeof(*v));
	if (open_exec(s, s->tree.folders[folder].ref, &v->x, err) < 0) {
		mem_free(v);
		return NULL;
	}
	for (int i = 0; i < 3; i++)
		sock_nonblock(v->x.fds[i], 1);
	buf_init(&v->in, SFTP_BUF_MAX);
	buf_init(&v->out, SFTP_BUF_MAX);
	v->number = ++s->count;
	v->folder = folder;
	v->used = clock_ms();
	buf_add(&v->in, v->x.early, v->x.early_len);
	greet(v);
	return s->servers[at] = v;
}

static struct server *of_folder(struct sftp *s, int folder, struct cl_err *err)
{
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i] && s->servers[i]->folder == folder && !s->servers[i]->over)
			return s->servers[i];
	return start(s, folder, err);
}

static struct server *of_number(struct sftp *s, uint32_t number)
{
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i] && s->servers[i]->number == number)
			return s->servers[i];
	return NULL;
}

static void write_server(struct server *v)
{
	ssize_t n;

	while (v->out.len > 0) {
		n = write(v->x.fds[0], v->out.data, v->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			v->over = true;
		if (n < 0)
			return;
		buf_drop(&v->out, (size_t)n);
	}
}

static void answered(struct server *v, uint32_t id)
{
	for (int i = 0; i < v->nasked; i++)
		if (v->asked[i] == id) {
			v->asked[i] = v->asked[--v->nasked];
			return;
		}
}

/* What the server says that is whole goes on to the client. */
static void pass_on(struct sftp *s, struct server *v)
{
	uint32_t id;
	long n;

	while ((n = sftp_packet_whole(&v->in)) > 0) {
		if (!v->greeted) {
			v->greeted = true; /* its VERSION; the client has ours */
		} else {
			v->handles += sftp_tree_answer(v->number, (const uint8_t *)v->in.data + 4, (size_t)n - 4,
			    &s->made, &id);
			answered(v, id);
			send_made(s);
		}
		buf_drop(&v->in, (size_t)n);
	}
	if (n < 0)
		v->over = true;
}

static void read_server(struct sftp *s, struct server *v)
{
	void *space = buf_space(&v->in, SFTP_CHUNK);
	ssize_t n = space ? read(v->x.fds[1], space, SFTP_CHUNK) : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		v->over = true;
		return;
	}
	buf_used(&v->in, (size_t)n);
	pass_on(s, v);
}

static void read_errors(struct sftp *s, struct server *v)
{
	char text[1024];
	ssize_t n = read(v->x.fds[2], text, sizeof(text));

	if (n > 0) {
		s->ctx->err(s->ctx->arg, text, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(v->x.fds[2]);
		v->x.fds[2] = -1;
	}
}

/* --- from the client --- */

static void to_server(struct sftp *s, struct sftp_step *step)
{
	struct cl_err err = {0};
	struct server *v = step->kind == SFTP_TO_FOLDER ? of_folder(s, step->folder, &err) :
	    of_number(s, step->server);
	cl_autofree char *packet = NULL;
	size_t len;

	packet = buf_take(&s->made, &len);
	if (!v && err.code) {
		fail(s, step->id, err.message);
		verb_out_error(s->ctx, &err);
		return;
	}
	if (!v || v->over) {
		fail(s, step->id, "its project's container has stopped since");
		return;
	}
	v->asked[v->nasked++] = step->id;
	v->handles -= step->closes && v->handles > 0;
	v->used = clock_ms();
	buf_add(&v->out, packet, len);
	write_server(v);
}

static void take(struct sftp *s, const uint8_t *packet, size_t n)
{
	struct sftp_step step;

	sftp_tree_ask(&s->tree, packet, n, &s->made, &step);
	if (step.kind == SFTP_NONSENSE) {
		s->nonsense = true;
	} else if (step.kind == SFTP_ANSWERED) {
		send_made(s);
		if (step.why[0])
			say(s, step.why);
	} else {
		to_server(s, &step);
	}
}

/* May more be asked?  Whatever the client sends goes to one server at most. */
static bool room(const struct sftp *s)
{
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i] && (s->servers[i]->out.len > SFTP_HELD || s->servers[i]->nasked == SFTP_ASKED))
			return false;
	return true;
}

static void take_all(struct sftp *s)
{
	long n = 0;

	while (!s->nonsense && room(s) && (n = sftp_packet_whole(&s->in)) > 0) {
		take(s, (const uint8_t *)s->in.data + 4, (size_t)n - 4);
		buf_drop(&s->in, (size_t)n);
	}
	if (n < 0)
		s->nonsense = true;
}

static void read_client(struct sftp *s)
{
	void *space = buf_space(&s->in, SFTP_CHUNK);
	ssize_t n = space ? read(s->ctx->in, space, SFTP_CHUNK) : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		s->left = clock_ms();
	else
		buf_used(&s->in, (size_t)n);
}

/* --- the loop --- */

static int poll_server(const struct server *v, struct pollfd *p)
{
	p[0] = (struct pollfd){.fd = v->x.fds[1], .events = POLLIN};
	p[1] = (struct pollfd){.fd = v->x.fds[2], .events = POLLIN};
	p[2] = (struct pollfd){.fd = v->out.len ? v->x.fds[0] : -1, .events = POLLOUT};
	return 3;
}

static void serve_servers(struct sftp *s, const struct pollfd *p)
{
	for (int i = 0; i < SFTP_SERVERS; i++, p += 3) {
		struct server *v = s->servers[i];

		if (!v)
			continue;
		if (p[0].revents)
			read_server(s, v);
		if (p[1].revents)
			read_errors(s, v);
		if (p[2].revents)
			write_server(v);
		if (!v->greeted && clock_ms() - v->used > SFTP_HELLO_MS)
			v->over = true;
		if (v->over)
			end_server(s, v, "the project's container has stopped, or its sftp-server");
	}
}

static void turn(struct sftp *s)
{
	struct pollfd p[1 + 3 * SFTP_SERVERS];

	for (size_t i = 0; i < CL_COUNT(p); i++)
		p[i].fd = -1;
	if (!s->left && room(s))
		p[0] = (struct pollfd){.fd = s->ctx->in, .events = POLLIN};
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i])
			poll_server(s->servers[i], p + 1 + 3 * i);
	if (poll(p, CL_COUNT(p), 1000) <= 0)
		memset(p, 0, sizeof(p)); /* it is only looked at the clock */
	if (p[0].revents)
		read_client(s);
	serve_servers(s, p + 1);
	take_all(s);
}

static bool unfinished(const struct sftp *s)
{
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i] && s->servers[i]->nasked)
			return true;
	return false;
}

static bool goes_on(const struct sftp *s)
{
	if (s->nonsense || (s->ctx->cancelled && *s->ctx->cancelled))
		return false;
	return !s->left || (unfinished(s) && clock_ms() - s->left < SFTP_END_MS);
}

/* --- the folders --- */

static int64_t seconds_of(const char *iso)
{
	struct tm tm = {0};
	const char *end = strptime(iso, "%Y-%m-%dT%H:%M:%S", &tm);

	return end ? (int64_t)timegm(&tm) : 0;
}

static bool fill(struct sftp_folder *f, const json_t *project, const char *me)
{
	const char *owner = verb_out_str(project, "owner"), *name = verb_out_str(project, "name");

	if (!name_valid(owner) || !name_valid(name))
		return false;
	snprintf(f->ref, sizeof(f->ref), "%s.%s", owner, name);
	snprintf(f->name, sizeof(f->name), "%s", strcmp(owner, me) == 0 ? name : f->ref);
	snprintf(f->owner, sizeof(f->owner), "%s", owner);
	f->made = seconds_of(verb_out_str(project, "created"));
	return true;
}

static int read_folders(struct sftp *s)
{
	json_t *me = NULL, *all = NULL, *list;
	int rc = verb_rest_call(s->ctx, "GET", "/v1/whoami", NULL, &me);

	if (rc == 0)
		rc = verb_rest_call(s->ctx, "GET", "/v1/projects", NULL, &all);
	if (rc == 0) {
		list = json_object_get(all, "projects");
		s->tree.folders = mem_array(json_array_size(list) + 1, sizeof(*s->tree.folders));
		for (size_t i = 0; i < json_array_size(list); i++)
			s->tree.n += fill(&s->tree.folders[s->tree.n], json_array_get(list, i),
			    verb_out_str(me, "name"));
	}
	json_decref(me);
	json_decref(all);
	return rc;
}

int verb_sftp_run(struct verb_ctx *ctx)
{
	struct sftp *s = mem_alloc(sizeof(*s));
	int rc;

	s->ctx = ctx;
	buf_init(&s->in, SFTP_BUF_MAX);
	buf_init(&s->made, 2 * SFTP_PACKET_MAX);
	rc = read_folders(s);
	while (rc == 0 && goes_on(s))
		turn(s);
	for (int i = 0; i < SFTP_SERVERS; i++)
		if (s->servers[i])
			end_server(s, s->servers[i], "over");
	if (s->nonsense)
		say(s, "the client sent nonsense");
	rc = rc ? rc : s->nonsense ? 1 : 0;
	buf_clear(&s->in);
	buf_clear(&s->made);
	mem_free(s->tree.folders);
	mem_free(s);
	return rc;
}
