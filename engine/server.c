/*
 * The engine's unix sockets: who may connect, how many, and what the router sees of a connection;
 * see server.h.  What comes and goes over a connection is its transport's (server_internal.h).
 */
#include "engine/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/call_proto.h"
#include "engine/engine.h"
#include "engine/server_internal.h"

#define CONNECTIONS_PER_UID 128

static void accept_cb(uv_poll_t *h, int status, int events);

/* -- opening and closing -- */

static int
bind_listener(struct server_listener *l, struct server *s, const char *path, int type,
    const struct server_transport *via, struct cl_err *err)
{
	l->server = s;
	l->via = via;
	return l->fd = sock_listen(path, type, 0666, err);
}

static void
start_listener(struct server_listener *l)
{
	uv_poll_init(l->server->engine->loop, &l->poll, l->fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, accept_cb);
}

static void
stop_listener(struct server_listener *l)
{
	uv_close((uv_handle_t *)&l->poll, NULL);
	close(l->fd);
}

struct server *
server_open(struct engine *e, const char *path, const struct server_handlers *h,
    struct cl_err *err)
{
	cl_autofree char *calls = mem_printf("%s" CALL_SUFFIX, path);
	struct server *s = mem_alloc(sizeof *s);

	s->engine = e;
	s->on = h;
	s->http.fd = s->call.fd = -1;
	if (bind_listener(&s->http, s, path, SOCK_STREAM, &server_http, err) < 0 ||
	    bind_listener(&s->call, s, calls, SOCK_SEQPACKET, &server_call, err) < 0 ||
	    server_http_start(s, err) < 0) {
		if (s->http.fd >= 0)
			close(s->http.fd);
		if (s->call.fd >= 0)
			close(s->call.fd);
		mem_free(s);
		return NULL;
	}
	server_call_start(s);
	start_listener(&s->http);
	start_listener(&s->call);
	return s;
}

void
server_stop(struct server *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	stop_listener(&s->http);
	stop_listener(&s->call);
	uv_close((uv_handle_t *)&s->heads, NULL);
	for (struct server_conn *c = s->conns; c != NULL; c = c->next)
		if (c->stream)
			server_end(c);
}

int
server_connections(const struct server *s)
{
	return s->nconns;
}

/* -- accepting -- */

static int
count_uid(const struct server *s, uid_t uid)
{
	int n = 0;

	for (const struct server_conn *c = s->conns; c != NULL; c = c->next)
		n += c->peer == uid;
	return n;
}

static void
accept_one(const struct server_listener *l, int fd)
{
	struct server *s = l->server;
	struct server_conn *c;
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (sock_peer(fd, &uid, &gid, &pid) < 0 || s->nconns >= SERVER_CONNECTIONS_MAX ||
	    (uid != 0 && count_uid(s, uid) >= CONNECTIONS_PER_UID)) {
		close(fd);
		return;
	}
	c = mem_alloc(sizeof *c);
	c->server = s;
	c->via = l->via;
	c->fd = fd;
	c->watched = -1;
	c->peer = uid;
	c->since = clock_ms();
	buf_init(&c->body, SERVER_BODY_MAX);
	buf_init(&c->out, 64 << 20);
	if ((c->next = s->conns) != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->nconns++;
	c->via->open(c);
}

static void
accept_cb(uv_poll_t *h, int status, int events)
{
	struct server_listener *l = h->data;

	for (int i = 0; i < 64; i++) {
		int fd = sock_accept(l->fd);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				log_warn("server: no descriptors left");
			return;
		}
		accept_one(l, fd);
	}
}

/* -- for the transports -- */

void
server_free_conn(struct server_conn *c)
{
	if (c->body.data != NULL)
		mem_wipe(c->body.data, c->body.cap); /* passwords come this way */
	buf_clear(&c->body);
	buf_clear(&c->out);
	mem_free(c);
}

void
server_gone(struct server_conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->server->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->server->nconns--;
	c->next = c->prev = NULL;
	c->server = NULL;
}

bool
server_head(struct server_conn *c)
{
	size_t n = c->gate.length > 0 ? (size_t)c->gate.length : 0;

	c->state = CONN_REQUEST;
	if (n > SERVER_BODY_MAX && n > c->server->on->body_max(c->server->engine, c)) {
		c->state = CONN_HANDLED;
		c->server->on->refuse(c, CL_TOO_LARGE, "body: more than is taken here");
		return false;
	}
	if (n > SERVER_BODY_MAX)
		buf_init(&c->body, n);
	return true;
}

bool
server_body_add(struct server_conn *c, const void *data, size_t n, bool *whole)
{
	size_t want = c->gate.length > 0 ? (size_t)c->gate.length : 0;

	*whole = false;
	if (n > want - c->body.len || buf_add(&c->body, data, n) < 0)
		return false;
	*whole = c->body.len == want;
	return true;
}

void
server_hand_over(struct server_conn *c)
{
	if (c->state != CONN_REQUEST)
		return;
	c->state = CONN_HANDLED;
	c->server->on->handle(c->server->engine, c);
}

/* -- for the router -- */

const struct gate *
server_gate(const struct server_conn *c)
{
	return &c->gate;
}

uid_t
server_peer(const struct server_conn *c)
{
	return c->peer;
}

const char *
server_body(const struct server_conn *c, size_t *n)
{
	*n = c->body.len;
	return c->body.data == NULL ? "" : c->body.data;
}

void
server_on_close(struct server_conn *c, void (*cb)(void *arg), void *arg)
{
	c->close_cb = cb;
	c->close_arg = arg;
}

static void
begin_reply(struct server_conn *c, int status, const char *type)
{
	if (c->state != CONN_HANDLED)
		log_fatal("server: a request was answered twice");
	c->state = CONN_REPLY;
	c->status = status;
	mem_copy_str(c->type, sizeof c->type, type);
}

void
server_answer(struct server_conn *c, int status, const char *type, const char *allow,
    const char *body, size_t n)
{
	begin_reply(c, status, type);
	if (allow != NULL)
		mem_copy_str(c->allow, sizeof c->allow, allow);
	buf_add(&c->out, body, n);
	c->length = c->out.len;
	c->ending = true;
	c->via->wake(c);
}

void
server_stream(struct server_conn *c, const char *type)
{
	c->stream = true;
	begin_reply(c, 200, type);
	c->via->wake(c);
	c->via->watch(c);
	if (c->server->stopping)
		server_end(c);
}

int
server_write(struct server_conn *c, const char *data, size_t n, bool force)
{
	if (!force && c->out.len + n > c->via->queue)
		return -1;
	if (buf_add(&c->out, data, n) < 0)
		return -1;
	c->via->wake(c);
	return 0;
}

size_t
server_queued(const struct server_conn *c)
{
	return c->out.len;
}

void
server_on_drain(struct server_conn *c, void (*cb)(void *arg), void *arg)
{
	c->drain_cb = cb;
	c->drain_arg = arg;
}

void
server_end(struct server_conn *c)
{
	c->ending = true;
	c->via->wake(c);
}

bool
server_beats(const struct server_conn *c)
{
	return c->via->beats;
}
