/*
 * The listener's side door; see auth.h.  Keys are looked up at once; a password is checked on a
 * worker thread, at the same cost whether the user exists or not, and the answer then goes to the
 * connection that asked, if it is still there.
 */
#include "engine/auth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/config.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/auth_proto.h"
#include "engine/engine.h"
#include "engine/password.h"
#include "engine/roll.h"
#include "engine/sshkey.h"
#include "engine/store_audit.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

#define PENDING_MAX 256     /* passwords to be checked; more are refused */
#define CHECKS_AT_ONCE 2    /* of them on worker threads, which others need too */
#define KEY_SIZE 16384
#define TEXT_SIZE 1024      /* user names as clients send them, addresses, details */

struct peer {
	struct auth *auth;
	struct peer *next;
	uv_poll_t poll;
	uint64_t serial;
	int fd;
};

struct auth {
	struct engine *engine;
	uv_poll_t listen;
	int fd;
	struct peer *peers;
	uint64_t serial;
	struct check *first, **last; /* passwords whose turn has not come */
	int pending, running;
};

struct check {                      /* one password under way */
	struct check *next;
	uint64_t peer;              /* serial of who asked */
	int64_t id;
	struct store_user user;
	char hash[PASSWORD_HASH_SIZE];
	char password[1025];
	size_t n;
	bool ok;
};

static void listen_cb(uv_poll_t *h, int status, int events);
static void peer_cb(uv_poll_t *h, int status, int events);

struct auth *
auth_open(struct engine *e, const char *path, struct cl_err *err)
{
	int fd = sock_listen(path, SOCK_SEQPACKET, 0600, err);
	struct auth *a;

	if (fd < 0)
		return NULL;
	a = mem_alloc(sizeof *a);
	a->engine = e;
	a->fd = fd;
	a->last = &a->first;
	uv_poll_init(e->loop, &a->listen, fd);
	a->listen.data = a;
	uv_poll_start(&a->listen, UV_READABLE, listen_cb);
	return a;
}

static void
peer_closed_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

static void
drop(struct peer *p)
{
	struct peer **at;

	for (at = &p->auth->peers; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	roll_lost();
	uv_poll_stop(&p->poll);
	close(p->fd);
	uv_close((uv_handle_t *)&p->poll, peer_closed_cb);
}

static void
free_check(struct check *c)
{
	mem_wipe(c, sizeof *c);
	mem_free(c);
}

static void
auth_closed_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

void
auth_close(struct auth *a)
{
	struct check *c;

	while (a->peers != NULL)
		drop(a->peers);
	while ((c = a->first) != NULL) {
		a->first = c->next;
		free_check(c);
	}
	uv_poll_stop(&a->listen);
	close(a->fd);
	uv_close((uv_handle_t *)&a->listen, auth_closed_cb);
}

static void
listen_cb(uv_poll_t *h, int status, int events)
{
	struct auth *a = h->data;
	struct peer *p;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int fd;

	while ((fd = sock_accept(a->fd)) >= 0) {
		if (sock_peer(fd, &uid, &gid, &pid) < 0 || uid != 0) {
			log_warn("auth: uid %u was turned away", (unsigned)uid);
			close(fd);
			continue;
		}
		p = mem_alloc(sizeof *p);
		p->auth = a;
		p->fd = fd;
		p->serial = ++a->serial;
		p->next = a->peers;
		a->peers = p;
		uv_poll_init(a->engine->loop, &p->poll, fd);
		p->poll.data = p;
		uv_poll_start(&p->poll, UV_READABLE | UV_DISCONNECT, peer_cb);
	}
}

/* A listener that does not take its answers is of no use: it will connect again. */
static int
say(struct peer *p, const struct ipc_out *m)
{
	if (ipc_send(p->fd, m) == 0)
		return 0;
	log_warn("auth: cannot answer the listener: %s", strerror(errno));
	return -1;
}

/* -- who is it -- */

static int
reply_user(struct peer *p, int64_t id, const struct store_user *u, const char *fingerprint)
{
	struct ipc_out m;

	ipc_begin(&m, AUTH_REPLY);
	ipc_put_i64(&m, id);
	ipc_put_u32(&m, u != NULL);
	if (u != NULL) {
		ipc_put_i64(&m, u->id);
		ipc_put_str(&m, u->name);
		ipc_put_u32(&m, engine_uid(p->auth->engine, u->id));
		ipc_put_u32(&m, engine_uid(p->auth->engine, u->id));
		ipc_put_str(&m, u->role);
		ipc_put_str(&m, fingerprint);
	}
	return say(p, &m);
}

static int
on_key(struct peer *p, struct ipc_in *in)
{
	static char key[KEY_SIZE];
	static struct sshkey k;
	struct store *s = p->auth->engine->store;
	char name[TEXT_SIZE], address[TEXT_SIZE];
	struct store_user u;
	int64_t id = ipc_get_i64(in), owner;
	bool ok;

	ipc_get_str(in, name, sizeof name);
	ipc_get_str(in, address, sizeof address);
	ipc_get_str(in, key, sizeof key);
	ipc_get_range(in, 0, 1);
	if (ipc_end(in) < 0)
		return -1;
	ok = sshkey_parse(&k, key, NULL) == 0 &&
	    store_user_key_owner(s, k.blob, k.len, &owner, NULL) == 0 &&
	    store_user_find(s, name, &u, NULL) == 0 && u.id == owner && !u.disabled;
	return reply_user(p, id, ok ? &u : NULL, k.fingerprint);
}

static void checked_cb(struct engine *e, void *arg);
static void check_cb(struct engine *e, void *arg);

static void
start_checks(struct auth *a)
{
	struct check *c;

	while (a->running < CHECKS_AT_ONCE && (c = a->first) != NULL) {
		if ((a->first = c->next) == NULL)
			a->last = &a->first;
		a->running++;
		engine_work(a->engine, check_cb, checked_cb, c);
	}
}

static void
check_cb(struct engine *e, void *arg)
{
	struct check *c = arg;

	c->ok = password_matches(c->hash, c->password, c->n);
	mem_wipe(c->password, sizeof c->password);
}

static void
checked_cb(struct engine *e, void *arg)
{
	struct check *c = arg;
	struct store_user now;

	if (e->auth != NULL) {
		e->auth->pending--;
		e->auth->running--;
		/* Removed or disabled in the meantime does not count. */
		c->ok = c->ok && store_user_get(e->store, c->user.id, &now, NULL) == 0 && !now.disabled;
		for (struct peer *p = e->auth->peers, *next; p != NULL; p = next) {
			next = p->next;
			if (p->serial == c->peer && reply_user(p, c->id, c->ok ? &c->user : NULL, "") < 0)
				drop(p);
		}
		start_checks(e->auth);
	}
	free_check(c);
}

static int
on_password(struct peer *p, struct ipc_in *in)
{
	struct store *s = p->auth->engine->store;
	struct check *c = mem_alloc(sizeof *c);
	char name[TEXT_SIZE], address[TEXT_SIZE];
	const void *password;

	c->id = ipc_get_i64(in);
	ipc_get_str(in, name, sizeof name);
	ipc_get_str(in, address, sizeof address);
	password = ipc_get_bytes(in, &c->n, sizeof c->password - 1);
	if (password != NULL && c->n < sizeof c->password)
		memcpy(c->password, password, c->n);
	if (ipc_end(in) < 0) {
		mem_free(c);
		return -1;
	}
	if (p->auth->pending >= PENDING_MAX) {
		int64_t id = c->id;

		log_warn("auth: too many passwords at once, one was refused");
		free_check(c);
		return reply_user(p, id, NULL, "");
	}
	if (store_user_find(s, name, &c->user, NULL) == 0 && !c->user.disabled)
		store_user_password(s, c->user.id, c->hash, sizeof c->hash, NULL);
	c->peer = p->serial;
	p->auth->pending++;
	*p->auth->last = c;
	p->auth->last = &c->next;
	start_checks(p->auth);
	return 0;
}

/* -- may they go there -- */

static int
refuse_target(struct peer *p, int64_t id, const struct cl_err *err)
{
	struct ipc_out m;

	ipc_begin(&m, AUTH_TARGET_REPLY);
	ipc_put_i64(&m, id);
	ipc_put_u32(&m, 0);
	ipc_put_err(&m, err);
	return say(p, &m);
}

static int
accept_target(struct peer *p, int64_t id, int64_t user, const struct store_project *project,
    bool files)
{
	const struct engine *e = p->auth->engine;
	char home[600], work[600] = "";
	struct ipc_out m;

	snprintf(home, sizeof home, "%s/users/%u", config_str("state.dir"), engine_uid(e, user));
	if (project->id != 0)
		snprintf(work, sizeof work, "%s/projects/%" PRId64 "/work", config_str("state.dir"),
		    project->id);
	ipc_begin(&m, AUTH_TARGET_REPLY);
	ipc_put_i64(&m, id);
	ipc_put_u32(&m, 1);
	ipc_put_i64(&m, project->id);
	ipc_put_str(&m, project->owner_name);
	ipc_put_str(&m, project->name);
	ipc_put_str(&m, home);
	ipc_put_str(&m, work);
	ipc_put_u32(&m, files ? 1 : 0);
	if (files)
		ipc_put_u32(&m, engine_gid(e, project->id));
	return say(p, &m);
}

static int
find_target(struct engine *e, int64_t user, const char *owner, const char *name,
    struct store_project *out, bool *files, struct cl_err *err)
{
	struct store_user u;
	enum policy_role right;
	char text[2 * NAME_SIZE + 2];
	int64_t id;

	if (store_user_get(e->store, user, &u, err) < 0 || u.disabled)
		return err_set(err, CL_FORBIDDEN, "this account is closed");
	mem_copy_str(out->owner_name, sizeof out->owner_name, u.name);
	if (name[0] == '\0')
		return 0;
	snprintf(text, sizeof text, "%s%s%s", owner, owner[0] != '\0' ? "." : "", name);
	if (store_project_resolve(e->store, user, text, &id, err) < 0 ||
	    store_project_get(e->store, id, out, err) < 0)
		return -1;
	right = store_project_role(e->store, id, user);
	if (right < POLICY_VIEWER && policy_account_parse(u.role) == POLICY_ADMIN)
		right = POLICY_VIEWER; /* an admin sees its state, the files are the members' */
	if (right < POLICY_VIEWER || strcmp(out->state, "creating") == 0)
		return err_set(err, CL_NOT_FOUND, "project: there is no such project");
	if (strcmp(out->state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is being removed", name);
	/* The group lets its holder write: a viewer does not get it. */
	*files = right >= POLICY_EDITOR;
	return 0;
}

static int
on_target(struct peer *p, struct ipc_in *in)
{
	struct store_project project = {0};
	struct cl_err err = {0};
	char owner[NAME_SIZE], name[NAME_SIZE];
	int64_t id = ipc_get_i64(in), user = ipc_get_i64(in);
	bool files = false;

	ipc_get_str(in, owner, sizeof owner);
	ipc_get_str(in, name, sizeof name);
	if (ipc_end(in) < 0)
		return -1;
	if (find_target(p->auth->engine, user, owner, name, &project, &files, &err) < 0) {
		if (err.code == CL_NOT_FOUND) {
			err_clear(&err);
			err_set(&err, CL_NOT_FOUND, "%s: there is no such project", name);
			err_hint(&err, "project ls shows yours");
		}
		return refuse_target(p, id, &err);
	}
	return accept_target(p, id, user, &project, files);
}

/* -- notes for the audit trail -- */

static int
on_note(struct peer *p, struct ipc_in *in)
{
	struct engine *e = p->auth->engine;
	char name[TEXT_SIZE], address[TEXT_SIZE], kind[32], text[TEXT_SIZE];
	struct store_user u = {0};
	struct cl_err err = {0};
	struct store_audit a = {.name = name, .verb = kind, .object = address, .result = "ok",
	    .detail = text};
	int64_t id = ipc_get_i64(in);
	struct ipc_out m;

	a.user = ipc_get_i64(in);
	ipc_get_str(in, name, sizeof name);
	ipc_get_str(in, address, sizeof address);
	ipc_get_str(in, kind, sizeof kind);
	ipc_get_str(in, text, sizeof text);
	if (ipc_end(in) < 0)
		return -1;
	if (strcmp(kind, "refused") == 0 || strcmp(kind, "penalty") == 0)
		a.result = err_text(CL_FORBIDDEN);
	if (a.user != 0 && store_user_get(e->store, a.user, &u, NULL) == 0)
		a.name = u.name;
	if (store_audit_add(e->store, &a, &err) < 0)
		log_error("%s", err.message);
	if (id == 0)
		return 0;
	ipc_begin(&m, AUTH_REPLY);
	ipc_put_i64(&m, id);
	ipc_put_u32(&m, 0);
	return say(p, &m);
}

static int
dispatch(struct peer *p, struct ipc_in *in)
{
	switch (in->type) {
	case AUTH_KEY:
		return on_key(p, in);
	case AUTH_PASSWORD:
		return on_password(p, in);
	case AUTH_TARGET:
		return on_target(p, in);
	case AUTH_NOTE:
		return on_note(p, in);
	case AUTH_ROW:
		return roll_row(p->auth->engine, in);
	case AUTH_DONE:
		return roll_done(in);
	default:
		ipc_close_fds(in);
		return -1;
	}
}

static void
peer_cb(uv_poll_t *h, int status, int events)
{
	static struct ipc_in in;
	struct peer *p = h->data;
	int n = 0;

	for (int i = 0; i < 32; i++) {
		if ((n = ipc_recv(p->fd, &in)) <= 0)
			break;
		if (dispatch(p, &in) < 0) {
			log_error("auth: a malformed message or a full socket, the listener is cut off");
			mem_wipe(in.data, sizeof in.data);
			drop(p);
			return;
		}
	}
	mem_wipe(in.data, sizeof in.data); /* passwords come this way */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(p);
}

void
auth_revoke(struct engine *e, int64_t user, const char *reason, const char *fingerprint)
{
	struct ipc_out m;

	if (e->auth == NULL || user == 0)
		return;
	ipc_begin(&m, AUTH_REVOKE);
	ipc_put_i64(&m, user);
	ipc_put_str(&m, reason);
	ipc_put_str(&m, fingerprint);
	for (struct peer *p = e->auth->peers, *next; p != NULL; p = next) {
		next = p->next;
		if (say(p, &m) < 0)
			drop(p);
	}
}

int
auth_tell(struct engine *e, const struct ipc_out *m, struct cl_err *err)
{
	struct peer *p = e->auth == NULL ? NULL : e->auth->peers;

	if (p != NULL && say(p, m) == 0)
		return 0;
	err_set(err, CL_UNAVAILABLE, "the gateway does not answer");
	return err_hint(err, "try again in a moment");
}
