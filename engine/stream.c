/*
 * Streams of server-sent events; see stream.h.  A stream is made by a handler, may be written to at
 * once, and is started by the router when it sends the headers; until then its bytes wait in `early`.
 */
#include "engine/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/reply_internal.h"
#include "engine/server.h"

#define HEARTBEAT_MS 15000

struct stream {
	uv_timer_t timer;
	struct server_conn *conn;
	struct buf early;
	bool ending;
	void (*closed_cb)(void *arg);
	void *closed_arg;
	void (*drain_cb)(void *arg);
	void *drain_arg;
};

static void
timer_closed_cb(uv_handle_t *h)
{
	struct stream *s = h->data;

	buf_clear(&s->early);
	mem_free(s);
}

static void
over(struct stream *s)
{
	void (*cb)(void *arg) = s->closed_cb;

	s->conn = NULL;
	s->ending = true;
	s->closed_cb = NULL;
	if (cb != NULL)
		cb(s->closed_arg);
	uv_close((uv_handle_t *)&s->timer, timer_closed_cb);
}

static void
conn_closed_cb(void *arg)
{
	over(arg);
}

static void
conn_drain_cb(void *arg)
{
	struct stream *s = arg;

	if (s->drain_cb != NULL && !s->ending)
		s->drain_cb(s->drain_arg);
}

static void
heartbeat_cb(uv_timer_t *h)
{
	struct stream *s = h->data;

	/* Only when nothing waits: a reader that does not read needs no more. */
	if (s->conn != NULL && !s->ending && server_queued(s->conn) == 0)
		server_write(s->conn, ":\n\n", 3, false);
}

struct stream *
stream_new(struct reply *p)
{
	struct stream *s = mem_alloc(sizeof *s);

	uv_timer_init(p->engine->loop, &s->timer);
	s->timer.data = s;
	buf_init(&s->early, SERVER_STREAM_MAX);
	return s;
}

void
stream_start(struct stream *s, struct server_conn *c)
{
	s->conn = c;
	server_on_close(c, conn_closed_cb, s);
	server_on_drain(c, conn_drain_cb, s);
	server_stream(c, "text/event-stream");
	server_write(c, ":\n\n", 3, true); /* the headers go out at once */
	if (s->early.len > 0)
		server_write(c, s->early.data, s->early.len, true);
	buf_clear(&s->early);
	if (server_beats(c))
		uv_timer_start(&s->timer, heartbeat_cb, HEARTBEAT_MS, HEARTBEAT_MS);
	if (s->ending)
		server_end(c);
}

void
stream_free(struct stream *s)
{
	over(s);
}

static void
format(struct buf *b, const char *event, int64_t id, const char *data)
{
	const char *end;

	if (id > 0)
		buf_printf(b, "id: %" PRId64 "\n", id);
	if (event != NULL && event[0] != '\0')
		buf_printf(b, "event: %s\n", event);
	for (; data != NULL; data = *end == '\0' ? NULL : end + 1) {
		end = data + strcspn(data, "\r\n");
		buf_add_str(b, "data: ");
		buf_add(b, data, (size_t)(end - data));
		buf_add_str(b, "\n");
	}
	buf_add_str(b, "\n");
}

static int
put(struct stream *s, const struct buf *b, bool force)
{
	if (b->full)
		return -1;
	if (s->conn != NULL)
		return server_write(s->conn, b->data, b->len, force);
	return buf_add(&s->early, b->data, b->len);
}

int
stream_send(struct stream *s, const char *event, int64_t id, const char *data)
{
	struct buf b;
	int rc;

	if (s->ending)
		return -1;
	buf_init(&b, SERVER_STREAM_MAX);
	format(&b, event, id, data);
	rc = put(s, &b, false);
	buf_clear(&b);
	if (rc == 0)
		return 0;
	/* Too slow: say so behind what is queued, then end; memory stays bounded. */
	buf_init(&b, SERVER_STREAM_MAX);
	format(&b, "resync", 0, "{}");
	put(s, &b, true);
	buf_clear(&b);
	stream_end(s);
	return -1;
}

size_t
stream_queued(const struct stream *s)
{
	return s->conn != NULL ? server_queued(s->conn) : s->early.len;
}

void
stream_on_drain(struct stream *s, void (*drain_cb)(void *arg), void *arg)
{
	s->drain_cb = drain_cb;
	s->drain_arg = arg;
}

void
stream_end(struct stream *s)
{
	if (s->ending)
		return;
	s->ending = true;
	if (s->conn != NULL)
		server_end(s->conn);
}

void
stream_on_close(struct stream *s, void (*closed_cb)(void *arg), void *arg)
{
	s->closed_cb = closed_cb;
	s->closed_arg = arg;
}
