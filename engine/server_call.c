/*
 * Calls from programs of ours: messages on a socket of their own; see server_internal.h and
 * engine/api/call_proto.h.  What a message says is checked like the head of an HTTP request, by
 * the same gate; one that is no message of ours ends its connection.
 *
 * A connection ends in steps, since the router may hold it meanwhile: finish() lets go of the
 * descriptor, closed_cb() then tells the router and frees it.
 */
#include "engine/server_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/api/call_proto.h"
#include "engine/engine.h"
#include "engine/server.h"

#define PIECES 16 /* messages to one peer in one turn */
#define LOOK_MS 1000

/* The loop's thread alone uses them. */
static struct ipc_in in;
static struct ipc_out out;

static void call_cb(uv_poll_t *h, int status, int events);
static void stalls_cb(uv_timer_t *h);

static void
closed_cb(uv_handle_t *h)
{
	struct server_conn *c = h->data;
	void (*cb)(void *arg) = c->close_cb;

	c->close_cb = NULL;
	server_gone(c);
	if (cb != NULL)
		cb(c->close_arg);
	server_free_conn(c);
}

static void
finish(struct server_conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_poll_stop(&c->poll);
	close(c->fd);
	uv_close((uv_handle_t *)&c->poll, closed_cb);
}

/* What the peer has to do in time, ms; 0 = nothing. */
static int64_t
patience(const struct server_conn *c)
{
	if (c->closing || c->via != &server_call)
		return 0;
	switch (c->state) {
	case CONN_HEAD:
		return SERVER_HEAD_MS;
	case CONN_REQUEST:
		return SERVER_PIECE_S * 1000;
	case CONN_REPLY:
		return c->out.len > 0 || c->ending ? SERVER_STALL_S * 1000 : 0;
	default:
		return 0;
	}
}

static void
mind(struct server_conn *c)
{
	uv_timer_t *t = &c->server->stalls;

	c->since = clock_ms();
	if (!uv_is_active((uv_handle_t *)t))
		uv_timer_start(t, stalls_cb, LOOK_MS, LOOK_MS);
}

static void
stalls_cb(uv_timer_t *h)
{
	struct server *s = h->data;
	int waiting = 0;

	for (struct server_conn *c = s->conns; c != NULL; c = c->next) {
		int64_t ms = patience(c);

		if (ms > 0 && clock_ms() - c->since > ms)
			finish(c);
		else
			waiting += ms > 0;
	}
	if (waiting == 0)
		uv_timer_stop(h);
}

static void
listen_for(struct server_conn *c, int events)
{
	events |= UV_READABLE | UV_DISCONNECT;
	if (!c->closing && events != c->events) /* each start costs two calls */
		uv_poll_start(&c->poll, events, call_cb);
	c->events = events;
}

/* -- the request -- */

int
server_call_head(struct ipc_in *m, struct gate *g, const void **first, size_t *n)
{
	char method[sizeof g->method], target[GATE_TARGET_MAX + 1], idem[sizeof g->idem];
	char last_event[sizeof g->last_event];
	int64_t length;

	ipc_get_str(m, method, sizeof method);
	ipc_get_str(m, target, sizeof target);
	ipc_get_str(m, idem, sizeof idem);
	ipc_get_str(m, last_event, sizeof last_event);
	length = ipc_get_range(m, 0, INT32_MAX);
	*first = ipc_get_bytes(m, n, IPC_DATA_MAX);
	if (ipc_end(m) < 0 || m->type != CALL_BEGIN || (int64_t)*n > length)
		return -1;
	/* What the gate refuses has a reason in it, and gets an answer. */
	gate_fill(g, method, target, idem, last_event, length);
	return 0;
}

/* 0, or -1 when it is to end. */
static int
add_body(struct server_conn *c, const void *data, size_t n)
{
	bool whole;

	if (!server_body_add(c, data, n, &whole))
		return -1;
	mind(c);
	if (whole)
		server_hand_over(c);
	return 0;
}

static int
take_head(struct server_conn *c)
{
	const void *first;
	size_t n;

	if (server_call_head(&in, &c->gate, &first, &n) < 0)
		return -1;
	if (c->gate.reason != NULL) {
		log_info("server: call of uid %u refused: %s", (unsigned)c->peer, c->gate.reason);
		c->state = CONN_HANDLED;
		c->server->on->refuse(c, CL_USAGE, c->gate.reason);
		return 0;
	}
	return server_head(c) ? add_body(c, first, n) : 0;
}

static int
take_body(struct server_conn *c)
{
	size_t n;
	const void *data = ipc_get_bytes(&in, &n, IPC_DATA_MAX);

	if (ipc_end(&in) < 0 || in.type != CALL_BODY || n == 0)
		return -1;
	return add_body(c, data, n);
}

static void
readable(struct server_conn *c)
{
	int rc = ipc_recv(c->fd, &in);

	if (rc < 0 && errno == EAGAIN)
		return;
	if (rc == 1 && c->state == CONN_HEAD) {
		rc = take_head(c);
	} else if (rc == 1 && c->state == CONN_REQUEST) {
		rc = take_body(c);
	} else {
		if (rc == 1)
			ipc_close_fds(&in);
		finish(c); /* it has gone, or says more than its request */
		return;
	}
	if (rc < 0) {
		log_info("server: uid %u sent what is no call", (unsigned)c->peer);
		finish(c);
	}
}

/* -- the answer -- */

/* One message. 0, or -1 with errno. */
static int
write_piece(struct server_conn *c)
{
	size_t n = c->out.len < IPC_DATA_MAX ? c->out.len : IPC_DATA_MAX;

	ipc_begin(&out, c->headers_sent ? CALL_DATA : CALL_REPLY);
	if (!c->headers_sent) {
		ipc_put_u32(&out, (uint32_t)c->status);
		ipc_put_u32(&out, c->stream ? CALL_STREAM : (uint32_t)c->length);
		ipc_put_str(&out, c->allow);
	}
	ipc_put_bytes(&out, c->out.data, n);
	if (ipc_send(c->fd, &out) < 0)
		return -1;
	c->headers_sent = true;
	buf_drop(&c->out, n);
	mind(c);
	return 0;
}

/* As much as the peer takes. */
static void
write_out(struct server_conn *c)
{
	for (int i = 0; i < PIECES && (c->out.len > 0 || !c->headers_sent); i++) {
		if (write_piece(c) == 0)
			continue;
		if (errno == EAGAIN)
			break;
		finish(c);
		return;
	}
	if (c->out.len > 0 || !c->headers_sent)
		listen_for(c, UV_WRITABLE);
	else if (c->ending)
		finish(c);
	else
		listen_for(c, 0);
	c->writing = c->out.len > 0;
}

static void
call_cb(uv_poll_t *h, int status, int events)
{
	struct server_conn *c = h->data;

	if (status < 0)
		finish(c);
	if (!c->closing && (events & (UV_READABLE | UV_DISCONNECT)) != 0)
		readable(c);
	if (!c->closing && (events & UV_WRITABLE) != 0 && c->state == CONN_REPLY) {
		size_t had = c->out.len;

		write_out(c);
		if (had > 0 && c->out.len == 0 && !c->closing && c->drain_cb != NULL)
			c->drain_cb(c->drain_arg);
	}
}

/* -- for server.c -- */

static void
open_conn(struct server_conn *c)
{
	uv_poll_init(c->server->engine->loop, &c->poll, c->fd);
	c->poll.data = c;
	listen_for(c, 0);
	mind(c);
}

/* An answer goes at once; a stream when the loop comes round, since who writes it is told when it
 * has been taken. */
static void
wake(struct server_conn *c)
{
	if (c->closing)
		return;
	if (!c->writing)
		mind(c); /* later additions give no more time */
	c->writing = true;
	if (c->stream)
		listen_for(c, UV_WRITABLE);
	else if (c->ending)
		write_out(c);
}

static void
watch(struct server_conn *c)
{
	/* Its descriptor is always watched. */
}

void
server_call_start(struct server *s)
{
	uv_timer_init(s->engine->loop, &s->stalls);
	s->stalls.data = s;
}

/* Twice the queue: of messages the kernel keeps fewer bytes than of a stream. */
const struct server_transport server_call = {open_conn, wake, watch, false, 2 * SERVER_STREAM_MAX};
