/* Calls as messages, against an engine that says what the test wants: whole, cut, garbage, too much, too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/call_proto.h"
#include "engine/client/client.h"
#include "engine/client/client_wire.h"

static struct ipc_in in;   /* the engine's */
static struct ipc_out out;

/* -- the engine -- */

static struct {
	char dir[32], path[48], own[64];
	int fd, conn;
	pthread_t thread;
	void (*serve)(void);
	volatile bool stop;
	char method[8], target[64], last[24];
	char *body;            /* as much as was announced, unless deaf */
	size_t length;
	bool deaf;             /* it does not read the body */
	bool fds;              /* descriptors came */
} engine;

static void reply(int status, uint32_t length, const char *data, size_t n)
{
	ipc_begin(&out, CALL_REPLY);
	ipc_put_u32(&out, (uint32_t)status);
	ipc_put_u32(&out, length);
	ipc_put_str(&out, "");
	ipc_put_bytes(&out, data, n);
	ipc_send(engine.conn, &out);
}

static void data(const char *bytes, size_t n)
{
	ipc_begin(&out, CALL_DATA);
	ipc_put_bytes(&out, bytes, n);
	ipc_send(engine.conn, &out);
}

static bool read_call(void)
{
	char idem[130];
	size_t n, at = 0;
	const void *bytes;

	if (ipc_recv(engine.conn, &in) != 1)
		return false;
	assert_int_equal(in.type, CALL_BEGIN);
	ipc_get_str(&in, engine.method, sizeof(engine.method));
	ipc_get_str(&in, engine.target, sizeof(engine.target));
	ipc_get_str(&in, idem, sizeof(idem));
	ipc_get_str(&in, engine.last, sizeof(engine.last));
	engine.length = ipc_get_u32(&in);
	mem_free(engine.body);
	engine.body = mem_alloc(engine.length + 1);
	for (;;) {
		bytes = ipc_get_bytes(&in, &n, IPC_DATA_MAX);
		assert_int_equal(ipc_end(&in), 0);
		assert_true(at + n <= engine.length);
		memcpy(engine.body + at, bytes, n);
		at += n;
		if (engine.deaf || at == engine.length)
			return true;
		if (ipc_recv(engine.conn, &in) != 1)
			return false;
		assert_int_equal(in.type, CALL_BODY);
	}
}

static void *serve_all(void *arg)
{
	struct pollfd p = {.fd = engine.fd, .events = POLLIN};

	while (!engine.stop) {
		if (poll(&p, 1, 20) <= 0)
			continue;
		engine.conn = accept4(engine.fd, NULL, NULL, SOCK_CLOEXEC);
		if (engine.conn < 0)
			continue;
		if (read_call())
			engine.serve();
		close(engine.conn);
	}
	return NULL;
}

static void start(void (*serve)(void))
{
	struct cl_err err = {0};

	memset(&engine, 0, sizeof(engine));
	snprintf(engine.dir, sizeof(engine.dir), "/tmp/cl-wire-XXXXXX");
	assert_non_null(mkdtemp(engine.dir));
	snprintf(engine.path, sizeof(engine.path), "%s/s", engine.dir);
	snprintf(engine.own, sizeof(engine.own), "%s" CALL_SUFFIX, engine.path);
	engine.serve = serve;
	engine.fd = sock_listen(engine.own, SOCK_SEQPACKET, 0600, &err);
	assert_true(engine.fd >= 0);
	pthread_create(&engine.thread, NULL, serve_all, NULL);
}

static void stop(void)
{
	engine.stop = true;
	pthread_join(engine.thread, NULL);
	close(engine.fd);
	unlink(engine.own);
	rmdir(engine.dir);
	mem_free(engine.body);
	engine.body = NULL;
}

/* -- calls -- */

static char big[1 << 20];

static int run(const char *body, struct client_wire_reply *r, struct cl_err *err)
{
	struct client_wire_request q = {.method = "POST", .target = "/v1/x?y=1", .last_event = "7", .body = body,
	    .timeout_ms = 20000};

	memset(err, 0, sizeof(*err));
	return client_wire_run(engine.path, &q, r, err);
}

static void echo(void)
{
	size_t at = 0, n;

	reply(200, (uint32_t)engine.length, engine.body, n = engine.length < 1000 ? engine.length : 1000);
	for (at = n; at < engine.length; at += n) {
		n = engine.length - at < 30000 ? engine.length - at : 30000;
		data(engine.body + at, n);
	}
}

static void bodies_of_any_length_come_back(void **state)
{
	static const size_t lengths[] = {0, 1, IPC_DATA_MAX - 1, IPC_DATA_MAX, IPC_DATA_MAX + 1, 3 * IPC_DATA_MAX, sizeof(big) - 1};
	struct client_wire_reply r;
	struct cl_err err;

	start(echo);
	for (size_t i = 0; i < CL_COUNT(lengths); i++) {
		memset(big, 'a' + (int)i, sizeof(big));
		big[lengths[i]] = '\0';
		assert_int_equal(run(big, &r, &err), 0);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.body.len, lengths[i]);
		assert_true(lengths[i] == 0 || memcmp(r.body.data, big, lengths[i]) == 0);
		buf_clear(&r.body);
	}
	assert_string_equal(engine.method, "POST");
	assert_string_equal(engine.target, "/v1/x?y=1");
	assert_string_equal(engine.last, "7");
	stop();
}

static void cut_at_once(void) { }
static void cut_in_the_middle(void) { reply(200, 10, "half ", 5); }
static void wrong_type(void) { ipc_begin(&out, 0x999); ipc_send(engine.conn, &out); }
static void data_first(void) { data("{}", 2); }
static void twice(void) { reply(200, 10, "{", 1); reply(200, 10, "{", 1); }
static void too_many_bytes(void) { reply(200, 1, "{", 1); reply(200, 1, "{}", 2); }
static void more_than_announced(void) { reply(200, 2, "{", 1); data("}}}", 3); }
static void strange_status(void) { reply(7, 2, "{}", 2); }
static void empty_data(void) { reply(200, 2, "", 0); data("", 0); }
static void cut_field(void) { ipc_begin(&out, CALL_REPLY); ipc_put_u32(&out, 200); ipc_send(engine.conn, &out); }
static void three_bytes(void) { send(engine.conn, "abc", 3, MSG_NOSIGNAL); }
static void huge(void) { reply(200, UINT32_MAX - 1, "x", 1); for (int i = 0; i < 600; i++) data(big, IPC_DATA_MAX); }

static void with_a_descriptor(void)
{
	ipc_begin(&out, CALL_REPLY);
	ipc_put_u32(&out, 200);
	ipc_put_u32(&out, 2);
	ipc_put_str(&out, "");
	ipc_put_bytes(&out, "{}", 2);
	ipc_put_fd(&out, 1);
	ipc_send(engine.conn, &out);
}

static void what_is_no_answer_is_an_error(void **state)
{
	static const struct {
		void (*serve)(void);
		enum cl_code code;
		const char *message;
	} rows[] = {
	    {cut_at_once, CL_UNAVAILABLE, "the engine closed the connection"},
	    {cut_in_the_middle, CL_UNAVAILABLE, "the engine closed the connection"},
	    {wrong_type, CL_FAILED, "the engine's answer is malformed"},
	    {data_first, CL_FAILED, "the engine's answer is malformed"},
	    {twice, CL_FAILED, "the engine's answer is malformed"},
	    {more_than_announced, CL_FAILED, "the engine's answer is malformed"},
	    {strange_status, CL_FAILED, "the engine's answer is malformed"},
	    {empty_data, CL_FAILED, "the engine's answer is malformed"},
	    {cut_field, CL_FAILED, "the engine's answer is malformed"},
	    {with_a_descriptor, CL_FAILED, "the engine's answer is malformed"},
	    {three_bytes, CL_UNAVAILABLE, NULL},
	    {huge, CL_TOO_LARGE, "the reply is larger than 16 MiB"},
	};
	struct client_wire_reply r;
	struct cl_err err;

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		start(rows[i].serve);
		assert_int_equal(run("{}", &r, &err), -1);
		assert_int_equal(err.code, rows[i].code);
		if (rows[i].message)
			assert_string_equal(err.message, rows[i].message);
		assert_null(r.body.data);
		stop();
	}
	start(too_many_bytes); /* the answer was whole before */
	assert_int_equal(run("{}", &r, &err), 0);
	assert_string_equal(r.body.data, "{");
	buf_clear(&r.body);
	stop();
}

static void refuse_unread(void)
{
	reply(413, 2, "{}", 2);
}

static void an_answer_before_the_body_is_read_counts(void **state)
{
	struct client_wire_reply r;
	struct cl_err err;

	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	start(refuse_unread);
	engine.deaf = true;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(run(big, &r, &err), 0);
		assert_int_equal(r.status, 413);
		buf_clear(&r.body);
	}
	stop();
}

static void nothing(void)
{
	struct pollfd p = {.fd = engine.conn, .events = POLLIN};

	poll(&p, 1, 10000); /* until the client goes */
}

static void time_and_patience_end(void **state)
{
	volatile int cancelled = 1;
	struct client_wire_request q = {.method = "GET", .target = "/", .timeout_ms = 50};
	struct client_wire_reply r;
	struct cl_err err = {0};

	start(nothing);
	assert_int_equal(client_wire_run(engine.path, &q, &r, &err), -1);
	assert_int_equal(err.code, CL_TIMEOUT);
	q.timeout_ms = 0;
	q.cancelled = &cancelled;
	err_clear(&err);
	assert_int_equal(client_wire_run(engine.path, &q, &r, &err), -1);
	assert_string_equal(err.message, "interrupted");
	stop();
}

/* -- streams -- */

static void stream(void)
{
	reply(200, CALL_STREAM, "one", 3);
	data("two", 3);
	data(big, IPC_DATA_MAX);
}

static void refused_stream(void)
{
	reply(403, 5, "no", 2);
	data("way", 3);
}

static struct {
	int heads, pieces, done, status;
	size_t got;
	size_t enough;        /* data_cb ends it at so many bytes */
	struct client_wire *cancel;
	enum cl_code code;
} seen;

static void head_cb(void *arg, int status)
{
	seen.heads++;
	seen.status = status;
}

static int data_cb(void *arg, const char *bytes, size_t n)
{
	assert_true(n > 0);
	seen.pieces++;
	seen.got += n;
	if (seen.cancel)
		client_wire_cancel(seen.cancel);
	return seen.enough && seen.got >= seen.enough;
}

static void done_cb(void *arg, const struct client_wire_reply *r, const struct cl_err *err)
{
	assert_true(err || r->status);
	seen.done++;
	seen.code = err ? err->code : CL_OK;
	if (!err && r->status == 403)
		assert_string_equal(r->body.data, "noway");
}

static const struct client_wire_request following = {.method = "GET", .target = "/s", .head_cb = head_cb, .data_cb = data_cb};

static void a_stream_is_given_in_pieces_and_ends(void **state)
{
	struct client_wire_reply r;
	struct cl_err err = {0};

	memset(&seen, 0, sizeof(seen));
	start(stream);
	assert_int_equal(client_wire_run(engine.path, &following, &r, &err), 0);
	assert_int_equal(seen.heads, 1);
	assert_int_equal(seen.pieces, 3);
	assert_int_equal(seen.got, 6 + IPC_DATA_MAX);
	assert_int_equal(r.body.len, 0);
	seen.got = 0;
	seen.enough = 6;
	assert_int_equal(client_wire_run(engine.path, &following, &r, &err), -1);
	assert_string_equal(err.message, "interrupted");
	assert_int_equal(seen.got, 6);
	engine.serve = refused_stream;
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(client_wire_run(engine.path, &following, &r, NULL), 0);
	assert_int_equal(r.status, 403);
	assert_string_equal(r.body.data, "noway"); /* no part of the stream */
	assert_int_equal(seen.heads + seen.pieces, 0);
	buf_clear(&r.body);
	stop();
}

static void on_loop(void (*serve)(void), int64_t timeout, bool cancel, size_t enough)
{
	struct client_wire_request q = following;
	uv_loop_t loop;
	struct client_wire *w;

	memset(&seen, 0, sizeof(seen));
	start(serve);
	uv_loop_init(&loop);
	q.timeout_ms = timeout;
	w = client_wire_start(&loop, engine.path, &q, done_cb, NULL);
	seen.cancel = cancel ? w : NULL;
	seen.enough = enough;
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	stop();
}

static void the_same_on_a_loop(void **state)
{
	on_loop(stream, 0, false, 0);
	assert_int_equal(seen.done, 1);
	assert_int_equal(seen.code, CL_OK);
	assert_int_equal(seen.got, 6 + IPC_DATA_MAX);
	on_loop(stream, 0, false, 3);
	assert_int_equal(seen.code, CL_FAILED);
	assert_int_equal(seen.done, 1);
	on_loop(stream, 0, true, 0); /* cancelled from its own callback: nothing more comes */
	assert_int_equal(seen.done, 0);
	assert_int_equal(seen.pieces, 1);
	on_loop(refused_stream, 0, false, 0);
	assert_int_equal(seen.code, CL_OK);
	assert_int_equal(seen.heads, 0);
	on_loop(cut_at_once, 0, false, 0);
	assert_int_equal(seen.code, CL_UNAVAILABLE);
	on_loop(three_bytes, 0, false, 0);
	assert_int_equal(seen.code, CL_UNAVAILABLE);
	on_loop(nothing, 50, false, 0);
	assert_int_equal(seen.code, CL_TIMEOUT);
	assert_int_equal(seen.done, 1);
}

static void an_engine_with_a_full_queue_is_waited_for(void **state)
{
	int fds[2000], n = 0, first;
	struct client_wire_request q = {.method = "GET", .target = "/", .timeout_ms = 60};
	struct client_wire_reply r;
	struct cl_err err = {0};
	uv_loop_t loop;
	char dir[] = "/tmp/cl-full-XXXXXX";
	cl_autofree char *path = NULL, *own = NULL;

	assert_non_null(mkdtemp(dir));
	path = mem_printf("%s/s", dir);
	own = mem_printf("%s" CALL_SUFFIX, path);
	first = sock_listen(own, SOCK_SEQPACKET, 0600, &err);
	assert_true(first >= 0);
	assert_int_equal(listen(first, 3), 0);
	while (n < 2000 && (fds[n] = sock_dial(own, SOCK_SEQPACKET)) >= 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(client_wire_run(path, &q, &r, &err), -1);
	assert_int_equal(err.code, CL_TIMEOUT);
	memset(&seen, 0, sizeof(seen));
	uv_loop_init(&loop);
	client_wire_cancel(client_wire_start(&loop, path, &q, done_cb, NULL));
	client_wire_start(&loop, "/no/engine", &q, done_cb, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(seen.done, 1);
	assert_int_equal(seen.code, CL_UNAVAILABLE);
	assert_int_equal(uv_loop_close(&loop), 0);
	while (n > 0)
		close(fds[--n]);
	close(first);
	unlink(own);
	rmdir(dir);
}

/* -- threads: the buffers are shared -- */

static void *caller(void *arg)
{
	char body[3000];
	struct client_wire_request q = {.method = "POST", .target = "/", .body = body, .timeout_ms = 30000};

	memset(body, *(const char *)arg, sizeof(body));
	body[sizeof(body) - 1] = '\0';
	for (int i = 0; i < 40; i++) {
		struct client_wire_reply r;

		if (client_wire_run(engine.path, &q, &r, NULL) < 0 || r.body.len != sizeof(body) - 1 ||
		    strcmp(r.body.data, body) != 0)
			abort();
		buf_clear(&r.body);
	}
	return NULL;
}

static void threads_do_not_mix(void **state)
{
	pthread_t t[6];

	start(echo);
	for (size_t i = 0; i < CL_COUNT(t); i++)
		pthread_create(&t[i], NULL, caller, (void *)(uintptr_t)&"abcdef"[i]);
	for (size_t i = 0; i < CL_COUNT(t); i++)
		pthread_join(t[i], NULL);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies_of_any_length_come_back), cmocka_unit_test(what_is_no_answer_is_an_error),
	    cmocka_unit_test(an_answer_before_the_body_is_read_counts), cmocka_unit_test(time_and_patience_end),
	    cmocka_unit_test(a_stream_is_given_in_pieces_and_ends), cmocka_unit_test(the_same_on_a_loop),
	    cmocka_unit_test(an_engine_with_a_full_queue_is_waited_for), cmocka_unit_test(threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
