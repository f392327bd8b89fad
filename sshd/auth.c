/*
 * The link to the engine: see auth.h.  Questions are kept encoded until their answer came, in the
 * order asked; `sent` says which of them this connection has carried already.
 */
#include "sshd/auth.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/auth_proto.h"

#define AUTH_NOTES 256      /* audit rows kept while the engine is away */
#define AUTH_REPLY_ID (-1)
#define AUTH_REPLY_MS 5000  /* an answer that could not be sent by then is not waited for */
#define AUTH_PAUSE_MIN 100  /* ms */
#define AUTH_PAUSE_MAX 2000

struct question {
	struct question *next;
	int64_t id; /* 0: a note, AUTH_REPLY_ID: an answer */
	int64_t deadline;
	bool sent;
	auth_answer_cb *cb;
	void *arg;
	size_t len;
	uint8_t data[];
};

struct auth {
	char *path;
	uid_t peer;
	auth_revoke_cb *revoke;
	auth_serve_cb *serve;
	void *arg;
	int fd;
	bool full;    /* the socket took no more: wait for POLLOUT */
	bool told;    /* its absence is logged */
	int64_t retry_at, pause, last_id;
	int notes;
	struct question *first, **end;
};

static struct ipc_out auth_out;
static struct ipc_in auth_in;

struct auth *auth_new(const char *path, uid_t peer, auth_revoke_cb *revoke, void *arg)
{
	struct auth *a = mem_alloc(sizeof(*a));

	a->path = mem_strdup(path);
	a->peer = peer;
	a->revoke = revoke;
	a->arg = arg;
	a->fd = -1;
	a->pause = AUTH_PAUSE_MIN;
	a->end = &a->first;
	return a;
}

/* Unlink and free the question at *link. */
static void drop(struct auth *a, struct question **link)
{
	struct question *q = *link;

	*link = q->next;
	if (a->end == &q->next)
		a->end = link;
	if (q->id == 0)
		a->notes--;
	mem_wipe(q->data, q->len);
	mem_free(q);
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	while (a->first)
		drop(a, &a->first);
	if (a->fd >= 0)
		close(a->fd);
	mem_free(a->path);
	mem_free(a);
}

static void disconnect(struct auth *a, const char *why)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->full = false;
	a->retry_at = clock_ms() + a->pause;
	a->pause = a->pause * 2 > AUTH_PAUSE_MAX ? AUTH_PAUSE_MAX : a->pause * 2;
	for (struct question **link = &a->first; *link;) {
		if ((*link)->id == AUTH_REPLY_ID) {
			drop(a, link);
			continue;
		}
		(*link)->sent = false;
		link = &(*link)->next;
	}
	if (!a->told)
		log_warn("engine: %s; logins wait", why);
	a->told = true;
}

static void send_open(struct auth *a)
{
	struct question **link = &a->first;

	while (a->fd >= 0 && !a->full && *link) {
		struct question *q = *link;

		if (!q->sent) {
			if (send(a->fd, q->data, q->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
				if (errno == EAGAIN || errno == ENOBUFS)
					a->full = true;
				else
					disconnect(a, strerror(errno));
				return; /* which may have dropped q */
			}
			q->sent = true;
			if (q->id <= 0) {
				drop(a, link);
				continue;
			}
		}
		link = &q->next;
	}
}

static void connect_engine(struct auth *a)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	uid_t uid;

	if (mem_copy_str(sa.sun_path, sizeof(sa.sun_path), a->path) < 0)
		log_fatal("engine.auth_socket %s: the path is too long", a->path);
	a->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd < 0 || connect(a->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		disconnect(a, strerror(errno));
		return;
	}
	if (sock_peer(a->fd, &uid, NULL, NULL) < 0 || (uid != 0 && uid != a->peer)) {
		disconnect(a, "its socket belongs to another account");
		return;
	}
	if (a->told)
		log_info("engine: back");
	a->told = false;
	a->pause = AUTH_PAUSE_MIN;
	send_open(a);
}

static int64_t queue(struct auth *a, const struct ipc_out *m, int64_t id, int64_t deadline,
    auth_answer_cb *cb, void *arg)
{
	struct question *q;

	if (m->bad)
		return 0;
	q = mem_alloc(sizeof(*q) + m->len);
	q->id = id;
	q->deadline = deadline;
	q->cb = cb;
	q->arg = arg;
	q->len = m->len;
	memcpy(q->data, m->data, m->len);
	*a->end = q;
	a->end = &q->next;
	if (id == 0)
		a->notes++;
	send_open(a);
	return id;
}

/* What is in auth_out, which may hold a password. */
static int64_t ask(struct auth *a, int64_t id, int64_t deadline, auth_answer_cb *cb, void *arg)
{
	id = queue(a, &auth_out, id, deadline, cb, arg);
	mem_wipe(auth_out.data, auth_out.len);
	return id;
}

void auth_serve(struct auth *a, auth_serve_cb *cb)
{
	a->serve = cb;
}

void auth_reply(struct auth *a, const struct ipc_out *m)
{
	if (a->fd >= 0)
		queue(a, m, AUTH_REPLY_ID, clock_ms() + AUTH_REPLY_MS, NULL, NULL);
}

int64_t auth_ask_key(struct auth *a, const char *user, const char *address, const char *key,
    bool is_signed, int64_t deadline, auth_answer_cb *cb, void *arg)
{
	ipc_begin(&auth_out, AUTH_KEY);
	ipc_put_i64(&auth_out, ++a->last_id);
	ipc_put_str(&auth_out, user);
	ipc_put_str(&auth_out, address);
	ipc_put_str(&auth_out, key);
	ipc_put_u32(&auth_out, is_signed);
	return ask(a, a->last_id, deadline, cb, arg);
}

int64_t auth_ask_password(struct auth *a, const char *user, const char *address, const void *password,
    size_t len, int64_t deadline, auth_answer_cb *cb, void *arg)
{
	ipc_begin(&auth_out, AUTH_PASSWORD);
	ipc_put_i64(&auth_out, ++a->last_id);
	ipc_put_str(&auth_out, user);
	ipc_put_str(&auth_out, address);
	ipc_put_bytes(&auth_out, password, len);
	return ask(a, a->last_id, deadline, cb, arg);
}

int64_t auth_ask_target(struct auth *a, int64_t user_id, const char *owner, const char *project,
    int64_t deadline, auth_answer_cb *cb, void *arg)
{
	ipc_begin(&auth_out, AUTH_TARGET);
	ipc_put_i64(&auth_out, ++a->last_id);
	ipc_put_i64(&auth_out, user_id);
	ipc_put_str(&auth_out, owner);
	ipc_put_str(&auth_out, project);
	return ask(a, a->last_id, deadline, cb, arg);
}

void auth_note(struct auth *a, int64_t user_id, const char *user, const char *address,
    const char *kind, const char *detail)
{
	log_info("%s: user %s, from %s: %s", kind, user, address, detail);
	if (a->notes >= AUTH_NOTES)
		return;
	ipc_begin(&auth_out, AUTH_NOTE);
	ipc_put_i64(&auth_out, 0);
	ipc_put_i64(&auth_out, user_id);
	ipc_put_str(&auth_out, user);
	ipc_put_str(&auth_out, address);
	ipc_put_str(&auth_out, kind);
	ipc_put_str(&auth_out, detail);
	ask(a, 0, INT64_MAX, NULL, NULL);
}

static struct question **find(struct auth *a, int64_t id)
{
	struct question **link = &a->first;

	while (*link && ((*link)->id != id || id <= 0))
		link = &(*link)->next;
	return link;
}

void auth_cancel(struct auth *a, int64_t id)
{
	struct question **link = find(a, id);

	if (*link)
		drop(a, link);
}

bool auth_busy(const struct auth *a)
{
	return a->first != NULL;
}

/* The callback may ask and cancel, so the question is gone before it runs. */
static void answered(struct auth *a, struct question **link, const struct auth_answer *answer)
{
	auth_answer_cb *cb = (*link)->cb;
	void *arg = (*link)->arg;

	drop(a, link);
	if (cb)
		cb(arg, answer);
}

static void get_target(struct ipc_in *in, struct auth_answer *answer)
{
	answer->project_id = ipc_get_i64(in);
	ipc_get_str(in, answer->owner, sizeof(answer->owner));
	ipc_get_str(in, answer->project, sizeof(answer->project));
	ipc_get_str(in, answer->home, sizeof(answer->home));
	ipc_get_str(in, answer->workspace, sizeof(answer->workspace));
	answer->ngroups = (size_t)ipc_get_range(in, 0, AUTH_GROUPS);
	for (size_t i = 0; i < answer->ngroups; i++)
		answer->groups[i] = ipc_get_u32(in);
}

int auth_decode(struct ipc_in *in, int64_t *id, struct auth_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	*id = ipc_get_i64(in);
	answer->ok = ipc_get_range(in, 0, 1) != 0;
	if (in->type == AUTH_REPLY && answer->ok) {
		answer->user_id = ipc_get_i64(in);
		ipc_get_str(in, answer->user, sizeof(answer->user));
		answer->uid = ipc_get_u32(in);
		answer->gid = ipc_get_u32(in);
		ipc_get_str(in, answer->role, sizeof(answer->role));
		ipc_get_str(in, answer->fingerprint, sizeof(answer->fingerprint));
	} else if (in->type == AUTH_TARGET_REPLY && answer->ok) {
		get_target(in, answer);
	} else if (in->type == AUTH_TARGET_REPLY) {
		ipc_get_err(in, &answer->err);
	} else if (in->type != AUTH_REPLY) {
		in->bad = true;
	}
	return ipc_end(in);
}

static int take(struct auth *a)
{
	struct auth_answer answer;
	struct question **link;
	char reason[256], fingerprint[128];
	int64_t id;

	if (auth_in.type == AUTH_REVOKE) {
		id = ipc_get_i64(&auth_in);
		ipc_get_str(&auth_in, reason, sizeof(reason));
		ipc_get_str(&auth_in, fingerprint, sizeof(fingerprint));
		if (ipc_end(&auth_in) < 0)
			return -1;
		a->revoke(a->arg, id, reason, fingerprint);
		return 0;
	}
	if (a->serve && (auth_in.type == AUTH_ROLL || auth_in.type == AUTH_KICK))
		return a->serve(a->arg, &auth_in);
	if (auth_decode(&auth_in, &id, &answer) < 0)
		return -1;
	link = find(a, id);
	if (*link)
		answered(a, link, &answer);
	return 0;
}

int auth_fd(const struct auth *a, short *events)
{
	*events = a->full ? POLLIN | POLLOUT : POLLIN;
	return a->fd;
}

void auth_ready(struct auth *a, short revents)
{
	if (revents & POLLOUT) {
		a->full = false;
		send_open(a);
	}
	while (a->fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR)) {
		int n = ipc_recv(a->fd, &auth_in);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			disconnect(a, n == 0 ? "closed its socket" : strerror(errno));
		else if (take(a) < 0)
			disconnect(a, "sent a malformed message");
	}
}

int auth_turn(struct auth *a, int64_t now)
{
	static const struct auth_answer nobody = {
	    .err = {CL_UNAVAILABLE, "the engine does not answer", "Try again in a moment"}};
	struct question **link = &a->first;

	if (a->fd < 0 && now >= a->retry_at)
		connect_engine(a);
	while (*link) {
		if ((*link)->deadline > now) {
			link = &(*link)->next;
			continue;
		}
		answered(a, link, &nobody);
		link = &a->first;
	}
	if (a->fd < 0)
		return a->retry_at > now ? (int)(a->retry_at - now) : 0;
	return a->first ? 500 : -1;
}
