/*
 * The event stream, on a loop and blocking: see client.h.  One connection at a time; when it is
 * cut the next one begins after a pause that doubles, from the id that was seen last.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/client_internal.h"
#include "engine/client/client_sse.h"

#define EVENTS_PAUSE_MIN 250
#define EVENTS_PAUSE_MAX 5000

struct client_events {
	struct client *client;
	char *path;
	struct client_sse sse;
	client_event_cb *event;
	client_state_cb *state;
	void *arg;
	uv_timer_t timer;
	struct client_wire *request; /* NULL while pausing */
	unsigned pause_ms;
	bool up, closed;
};

static void connect_cb(uv_timer_t *t);

static void sse_cb(void *arg, const char *type, const char *id, const char *data)
{
	struct client_events *e = arg;
	json_t *json;

	if (e->closed)
		return;
	json = json_loads(data, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (json)
		e->event(e->arg, type, json);
	json_decref(json);
}

static void head_cb(void *arg, int status)
{
	struct client_events *e = arg;

	if (status < 200 || status >= 300 || e->closed)
		return;
	e->up = true;
	e->pause_ms = EVENTS_PAUSE_MIN;
	e->state(e->arg, true, NULL);
}

static int data_cb(void *arg, const char *data, size_t len)
{
	struct client_events *e = arg;

	if (!e->closed)
		client_sse_feed(&e->sse, data, len);
	return e->closed;
}

static void done_cb(void *arg, const struct client_wire_reply *reply, const struct cl_err *why)
{
	struct client_events *e = arg;
	struct cl_err err = {0};

	e->request = NULL;
	e->up = false;
	client_sse_reset(&e->sse);
	if (why)
		client_unreachable(e->client->socket, why, &err);
	else if (reply->status >= 300)
		json_decref(client_parse(reply, &err));
	else
		err_set(&err, CL_UNAVAILABLE, "engine: the event stream ended");
	uv_timer_start(&e->timer, connect_cb, e->pause_ms, 0);
	e->pause_ms = e->pause_ms * 2 < EVENTS_PAUSE_MAX ? e->pause_ms * 2 : EVENTS_PAUSE_MAX;
	e->state(e->arg, false, &err);
}

static void connect_cb(uv_timer_t *t)
{
	struct client_events *e = t->data;
	struct client_wire_request req = {.method = "GET", .target = e->path, .last_event = e->sse.id,
	    .head_cb = head_cb, .data_cb = data_cb, .arg = e};

	e->request = client_wire_start(e->client->loop, e->client->socket, &req, done_cb, e);
}

struct client_events *client_events_open(struct client *c, const char *query, int64_t since,
    client_event_cb *event, client_state_cb *state, void *arg)
{
	struct client_events *e = mem_alloc(sizeof(*e));

	e->client = c;
	e->path = mem_printf("/v1/events%s%s", query && *query ? "?" : "", query ? query : "");
	e->event = event;
	e->state = state;
	e->arg = arg;
	e->pause_ms = EVENTS_PAUSE_MIN;
	client_sse_init(&e->sse, sse_cb, e);
	if (since > 0)
		snprintf(e->sse.id, sizeof(e->sse.id), "%lld", (long long)since);
	uv_timer_init(c->loop, &e->timer);
	e->timer.data = e;
	uv_timer_start(&e->timer, connect_cb, 0, 0);
	return e;
}

static void closed_cb(uv_handle_t *h)
{
	struct client_events *e = h->data;

	client_sse_clear(&e->sse);
	mem_free(e->path);
	mem_free(e);
}

void client_events_close(struct client_events *e)
{
	if (!e || e->closed)
		return;
	e->closed = true;
	if (e->request)
		client_wire_cancel(e->request);
	uv_close((uv_handle_t *)&e->timer, closed_cb);
}

/* Blocking. */
struct follow {
	struct client_sse sse;
	client_follow_cb *event;
	void *arg;
	bool ended;
};

static void follow_sse_cb(void *arg, const char *type, const char *id, const char *data)
{
	struct follow *f = arg;
	json_t *json;

	if (f->ended)
		return;
	json = json_loads(data, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	if (json)
		f->ended = f->event(f->arg, type, json) != 0;
	json_decref(json);
}

static int follow_data_cb(void *arg, const char *data, size_t len)
{
	struct follow *f = arg;

	client_sse_feed(&f->sse, data, len);
	return f->ended;
}

/* One connection. 0 to try again, -1 with err when the engine refuses. */
static int follow_once(struct follow *f, const char *socket, const char *path, int64_t left,
    volatile int *cancelled, struct cl_err *err)
{
	struct client_wire_request req = {.method = "GET", .target = path, .last_event = f->sse.id,
	    .data_cb = follow_data_cb, .arg = f, .timeout_ms = left, .cancelled = cancelled};
	struct cl_err why = {0};
	struct client_wire_reply reply;
	json_t *json;

	client_sse_reset(&f->sse);
	if (client_wire_run(socket, &req, &reply, &why) < 0)
		return 0;
	json = reply.status < 300 ? json_null() : client_parse(&reply, err);
	buf_clear(&reply.body);
	if (!json && err->code != CL_UNAVAILABLE)
		return -1;
	if (!json)
		err_clear(err);
	json_decref(json);
	return 0;
}

int client_events_follow(const char *socket, const char *path, int64_t since, int64_t timeout_ms,
    volatile int *cancelled, client_follow_cb *event, void *arg, struct cl_err *err)
{
	struct follow f = {.event = event, .arg = arg};
	int64_t end = clock_ms() + timeout_ms, left = 0;
	unsigned pause = EVENTS_PAUSE_MIN;
	struct cl_err own = {0};
	int rc = 0;

	client_sse_init(&f.sse, follow_sse_cb, &f);
	if (since > 0)
		snprintf(f.sse.id, sizeof(f.sse.id), "%lld", (long long)since);
	while (rc == 0 && !f.ended && !(cancelled && *cancelled)) {
		left = timeout_ms ? end - clock_ms() : 0;
		if (timeout_ms && left <= 0) {
			rc = err_set(&own, CL_TIMEOUT, "events: %lld ms have passed", (long long)timeout_ms);
			break;
		}
		rc = follow_once(&f, socket, path, left, cancelled, &own);
		if (rc == 0 && !f.ended && !(cancelled && *cancelled)) {
			usleep(pause * 1000);
			pause = pause * 2 < EVENTS_PAUSE_MAX ? pause * 2 : EVENTS_PAUSE_MAX;
		}
	}
	client_sse_clear(&f.sse);
	if (rc < 0 && err && !err->code)
		*err = own;
	return rc;
}
