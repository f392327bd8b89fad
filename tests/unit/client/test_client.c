/* Calls, replies that are none, the event stream in any pieces and over any cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/client_sse.h"
#include "tests/unit/fake_call.h"

/* -- the parser of server-sent events -- */

static char seen[4096];

static void collect_cb(void *arg, const char *type, const char *id, const char *data)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "%s#%s<%s>", type, id, data);
}

static const char stream[] = ": hello\n\nevent: a\nid: 1\ndata: x\n\ndata:  two\r\ndata:lines\r\n\r\n"
			     "id: 2\n\nevent: gone\n\nnonsense\ndata\n\ndata: {\"재\":1}\rid: 3\r\rdata: cut";
static const char events[] = "a#1<x>message#1< two\nlines>message#2<>message#3<{\"재\":1}>";

static void any_pieces_give_the_same(void **state)
{
	struct client_sse s;

	for (size_t piece = 1; piece < sizeof(stream); piece++) {
		seen[0] = '\0';
		client_sse_init(&s, collect_cb, NULL);
		for (size_t at = 0; at < sizeof(stream) - 1; at += piece)
			client_sse_feed(&s, stream + at,
			    sizeof(stream) - 1 - at < piece ? sizeof(stream) - 1 - at : piece);
		assert_string_equal(seen, events);
		assert_string_equal(s.id, "3");
		client_sse_clear(&s);
	}
}

static void too_large_events_are_dropped(void **state)
{
	char *big = mem_alloc(CLIENT_SSE_MAX * 2);
	struct client_sse s;

	memset(big, 'x', CLIENT_SSE_MAX * 2);
	client_sse_init(&s, collect_cb, NULL);
	seen[0] = '\0';
	client_sse_feed(&s, "data: ", 6);
	client_sse_feed(&s, big, CLIENT_SSE_MAX * 2);
	client_sse_feed(&s, "\n\ndata: next\n\n", 14);
	assert_string_equal(seen, "message#<next>");
	assert_int_equal(s.dropped, 1);
	assert_true(s.line.cap <= CLIENT_SSE_MAX + 1 && s.data.cap <= CLIENT_SSE_MAX + 1);
	client_sse_clear(&s);
	mem_free(big);
}

/* -- a fake engine -- */

static struct fake fake;
static struct bridge bridge;
static int connections;

static void stream_events(int fd, const char *request)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	char last[32], text[256];

	fake_header(request, "Last-Event-ID: ", last, sizeof(last));
	fake_write(fd, head, strlen(head));
	connections++;
	/* Three connections of two events each, cut in the middle of a third. */
	snprintf(text, sizeof(text), "id: %ld\nevent: t\ndata: {\"n\":%ld}\n\nid: %ld\ndata: {\"n\":%ld}\n\n"
	    "data: {\"n\":", atol(last) + 1, atol(last) + 1, atol(last) + 2, atol(last) + 2);
	fake_write(fd, text, strlen(text));
}

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	char text[4096];

	if (strstr(request, "/v1/ok "))
		fake_reply(fd, 200, "{\"name\":\"재고\"}");
	else if (strstr(request, "/v1/echo "))
		fake_reply(fd, 201, body);
	else if (strstr(request, "/v1/denied "))
		fake_reply(fd, 403, "{\"error\":{\"code\":\"forbidden\",\"message\":\"x: no\",\"hint\":\"ask\"}}");
	else if (strstr(request, "/v1/odd "))
		fake_reply(fd, 500, "{\"error\":{\"code\":\"brand_new\",\"message\":\"y\",\"hint\":\"\"}}");
	else if (strstr(request, "/v1/html "))
		fake_reply(fd, 404, "<html>");
	else if (strstr(request, "/v1/broken "))
		fake_reply(fd, 200, "{\"a\":1,\"a\":2}");
	else if (strstr(request, "/v1/events"))
		stream_events(fd, request);
	else {
		snprintf(text, sizeof(text), "{\"error\":{\"code\":\"not_found\",\"message\":\"nothing\",\"hint\":\"\"}}");
		fake_reply(fd, 404, text);
	}
}

static int setup(void **state)
{
	connections = 0;
	fake_start(&fake, serve);
	bridge_start(&bridge, &fake);
	return 0;
}

static int teardown(void **state)
{
	bridge_stop(&bridge);
	fake_stop(&fake);
	return 0;
}

static void calls(void **state)
{
	static const struct {
		const char *path;
		enum cl_code code;
		const char *message;
	} rows[] = {{"/v1/denied", CL_FORBIDDEN, "x: no"}, {"/v1/odd", CL_FAILED, "y"},
	    {"/v1/html", CL_NOT_FOUND, "engine: HTTP status 404"},
	    {"/v1/broken", CL_FAILED, "engine: its reply is no JSON"}, {"/none", CL_NOT_FOUND, "nothing"}};
	json_t *reply;

	assert_int_equal(client_call(fake.path, "GET", "/v1/ok", NULL, &reply, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(reply, "name")), "재고");
	json_decref(reply);
	assert_int_equal(client_call(fake.path, "POST", "/v1/echo", json_pack("{s:s}", "k", "v"), &reply, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(reply, "k")), "v");
	json_decref(reply);
	assert_int_equal(client_call(fake.path, "GET", "/v1/ok", NULL, NULL, NULL), 0);
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = {0};

		assert_int_equal(client_call(fake.path, "GET", rows[i].path, NULL, &reply, &err), -1);
		assert_int_equal(err.code, rows[i].code);
		assert_string_equal(err.message, rows[i].message);
	}
}

static void no_engine_names_the_fix(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(client_call("/no/engine", "GET", "/v1/ok", NULL, NULL, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_string_equal(err.message, "engine: it does not answer at /no/engine");
	assert_string_equal(err.hint, "`./lab up` starts it");
}

static void escaping(void **state)
{
	cl_autofree char *a = client_escape("bob.shop-1"), *b = client_escape("a/b?c#d e%재");

	assert_string_equal(a, "bob.shop-1");
	assert_string_equal(b, "a%2Fb%3Fc%23d%20e%25%EC%9E%AC");
}

struct loop {
	uv_loop_t uv;
	struct client *client;
	struct client_events *events;
	int replies, errors, ups, downs, got;
	long last;
};

static void reply_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct loop *l = arg;

	assert_true(!reply == !!err);
	if (reply)
		l->replies++;
	else
		l->errors++;
}

static void never_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	fail_msg("a cancelled call came back");
}

static void calls_on_a_loop(void **state)
{
	struct loop l = {.got = 0};
	uint64_t id;

	uv_loop_init(&l.uv);
	l.client = client_new(&l.uv, fake.path);
	client_start(l.client, "GET", "/v1/ok", NULL, reply_cb, &l);
	client_start(l.client, "POST", "/v1/echo", json_pack("{s:i}", "a", 1), reply_cb, &l);
	client_start(l.client, "GET", "/v1/denied", NULL, reply_cb, &l);
	id = client_start(l.client, "GET", "/v1/ok", NULL, never_cb, &l);
	client_cancel(l.client, id);
	client_cancel(l.client, 999);
	while (l.replies + l.errors < 3 && uv_run(&l.uv, UV_RUN_ONCE))
		;
	assert_int_equal(l.replies, 2);
	assert_int_equal(l.errors, 1);
	client_start(l.client, "GET", "/v1/ok", NULL, never_cb, &l);
	client_free(l.client);
	uv_run(&l.uv, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&l.uv), 0);
}

static void event_cb(void *arg, const char *type, json_t *event)
{
	struct loop *l = arg;
	long n = (long)json_integer_value(json_object_get(event, "n"));

	assert_int_equal(n, l->last + 1);
	assert_string_equal(type, n % 2 ? "t" : "message");
	l->last = n;
	l->got++;
	if (l->got == 6) {
		client_events_close(l->events);
		client_free(l->client);
	}
}

static void state_cb(void *arg, bool up, const struct cl_err *why)
{
	struct loop *l = arg;

	if (up) {
		l->ups++;
	} else {
		assert_string_not_equal(why->message, "");
		l->downs++;
	}
}

static void a_cut_stream_goes_on(void **state)
{
	struct loop l = {.last = 40};

	uv_loop_init(&l.uv);
	l.client = client_new(&l.uv, fake.path);
	l.events = client_events_open(l.client, "project=shop", 40, event_cb, state_cb, &l);
	uv_run(&l.uv, UV_RUN_DEFAULT);
	assert_int_equal(l.last, 46);
	assert_int_equal(connections, 3);
	assert_int_equal(l.ups, 3);
	assert_int_equal(l.downs, 2);
	assert_int_equal(uv_loop_close(&l.uv), 0);
	assert_non_null(strstr(fake.log, "GET /v1/events?project=shop"));
}

static int follow_cb(void *arg, const char *type, json_t *event)
{
	long *last = arg;

	assert_int_equal(json_integer_value(json_object_get(event, "n")), *last + 1);
	return ++*last == 5;
}

static void following_blocks(void **state)
{
	volatile int cancelled = 1;
	struct cl_err err = {0};
	long last = 0;

	assert_int_equal(client_events_follow(fake.path, "/v1/events", 0, 0, NULL, follow_cb, &last, &err), 0);
	assert_int_equal(last, 5);
	assert_int_equal(client_events_follow(fake.path, "/v1/none", 0, 0, NULL, follow_cb, &last, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	assert_int_equal(client_events_follow("/no/engine", "/x", 0, 300, NULL, follow_cb, &last, &err), -1);
	assert_int_equal(err.code, CL_TIMEOUT);
	assert_int_equal(client_events_follow("/no/engine", "/x", 0, 0, &cancelled, follow_cb, &last, NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_pieces_give_the_same), cmocka_unit_test(too_large_events_are_dropped),
	    T(calls), T(no_engine_names_the_fix), T(escaping), T(calls_on_a_loop), T(a_cut_stream_goes_on),
	    T(following_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
