/* The HTTP client against a server that behaves, misbehaves, streams and upgrades. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fetch.h"
#include "base/mem.h"
#include "base/sock.h"
#include "tests/unit/fake_http.h"

static struct fake fake;

static void serve_upgrade(int fd, const char *status)
{
	char text[128], c;

	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
	    "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly", status);
	fake_write(fd, text, strlen(text));
	while (recv(fd, &c, 1, 0) == 1)
		fake_write(fd, &c, 1);
}

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	static char big[100000];
	char c;

	if (strncmp(request, "GET /ok ", 8) == 0)
		fake_reply(fd, 200, "{\"a\":1}");
	else if (strncmp(request, "POST /echo ", 11) == 0)
		fake_reply(fd, 201, body);
	else if (strncmp(request, "GET /none ", 10) == 0)
		fake_reply(fd, 404, "{\"error\":{}}");
	else if (strncmp(request, "GET /big ", 9) == 0) {
		memset(big, 'x', sizeof(big) - 1);
		fake_reply(fd, 200, big);
	} else if (strncmp(request, "GET /silent ", 12) == 0)
		while (recv(fd, &c, 1, 0) == 1)
			;
	else if (strncmp(request, "GET /garbage ", 13) == 0)
		fake_write(fd, "not http at all\r\n\r\n", 19);
	else if (strncmp(request, "GET /cut ", 9) == 0)
		fake_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", 43);
	else if (strncmp(request, "POST /up101 ", 12) == 0)
		serve_upgrade(fd, "101 UPGRADED");
	else if (strncmp(request, "POST /up200 ", 12) == 0)
		serve_upgrade(fd, "200 OK");
	else if (strncmp(request, "POST /up409 ", 12) == 0)
		fake_reply(fd, 409, "container is not running");
}

static int setup(void **state)
{
	fake_start(&fake, serve);
	return 0;
}

static int teardown(void **state)
{
	fake_stop(&fake);
	return 0;
}

static struct fetch_request request(const char *method, const char *url)
{
	return (struct fetch_request){.method = method, .url = url, .unix_path = fake.path};
}

static void get_and_post(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct fetch_request get = request("GET", "http://x/ok"), post = request("POST", "http://x/echo");
	struct fetch_reply reply;

	assert_int_equal(fetch_run(&get, &reply, NULL), 0);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.body.data, "{\"a\":1}");
	assert_string_equal(reply.etag, "\"tag-1\"");
	buf_clear(&reply.body);
	post.headers = headers;
	post.body = "{\"b\":\"재고\"}";
	post.body_len = strlen(post.body);
	assert_int_equal(fetch_run(&post, &reply, NULL), 0);
	assert_int_equal(reply.status, 201);
	assert_string_equal(reply.body.data, "{\"b\":\"재고\"}");
	buf_clear(&reply.body);
	post.body = NULL;
	post.body_len = 0;
	assert_int_equal(fetch_run(&post, &reply, NULL), 0);
	assert_int_equal(reply.body.len, 0);
	buf_clear(&reply.body);
	get.url = "http://x/none";
	assert_int_equal(fetch_run(&get, &reply, NULL), 0);
	assert_int_equal(reply.status, 404);
	buf_clear(&reply.body);
}

/* Requests of all kinds by one handle: none sees anything of the one before. */
static void a_pool_carries_nothing_over(void **state)
{
	static const char *const headers[] = {"X-Secret: 1", NULL};
	static const char *const bad[] = {"http://x/big", "http://x/garbage", "http://x/cut"};
	struct fetch_pool *pool = fetch_pool_new(1);
	struct fetch_request get = request("GET", "http://x/ok"), post = request("POST", "http://x/echo");
	struct fetch_reply reply;

	get.pool = post.pool = pool;
	post.headers = headers;
	post.user = "somebody";
	post.password = "secret";
	post.body = "long body";
	post.body_len = strlen(post.body);
	for (size_t i = 0; i < 3; i++) {
		struct fetch_request worse = request("GET", bad[i]);

		worse.pool = pool;
		worse.max_reply = 1000;
		assert_int_equal(fetch_run(&worse, &reply, NULL), -1);
		assert_int_equal(fetch_run(&post, &reply, NULL), 0);
		assert_int_equal(reply.status, 201);
		assert_string_equal(reply.body.data, "long body");
		buf_clear(&reply.body);
		fake.log[0] = '\0';
		assert_int_equal(fetch_run(&get, &reply, NULL), 0);
		assert_string_equal(reply.body.data, "{\"a\":1}");
		assert_null(strstr(fake.log, "long body"));
		buf_clear(&reply.body);
	}
	fetch_pool_free(pool);
	fetch_pool_free(NULL);
}

static void failures_have_codes(void **state)
{
	static const struct {
		const char *url;
		enum cl_code code;
	} rows[] = {{"http://x/big", CL_TOO_LARGE}, {"http://x/silent", CL_TIMEOUT},
	    {"http://x/garbage", CL_UNAVAILABLE}, {"http://x/cut", CL_UNAVAILABLE},
	    {"http://x/nothing", CL_UNAVAILABLE}, {"file:///etc/passwd", CL_UNAVAILABLE}};
	struct fetch_reply reply;

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct fetch_request r = request("GET", rows[i].url);
		struct cl_err err = {0};

		r.max_reply = 50000;
		r.timeout_ms = 300;
		assert_int_equal(fetch_run(&r, &reply, &err), -1);
		if (err.code != rows[i].code)
			fail_msg("%s: %s: %s", rows[i].url, err_text(err.code), err.message);
	}
	struct fetch_request r = request("GET", "http://x/ok");
	struct cl_err err = {0};

	r.unix_path = "/no/such/socket";
	assert_int_equal(fetch_run(&r, &reply, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.message, "/no/such/socket"));
}

static size_t parts_cb(void *arg, char *data, size_t size)
{
	int *left = arg;

	if (*left == -7)
		return (size_t)-1;
	if (*left == 0)
		return 0;
	(*left)--;
	memcpy(data, "part ", 5);
	return 5;
}

static void bodies_can_be_streamed(void **state)
{
	struct fetch_request r = request("POST", "http://x/echo");
	struct fetch_reply reply;
	int left = 3;

	r.read_cb = parts_cb;
	r.arg = &left;
	assert_int_equal(fetch_run(&r, &reply, NULL), 0);
	assert_non_null(strstr(reply.body.data, "part "));
	assert_int_equal(left, 0);
	buf_clear(&reply.body);
	left = -7;
	assert_int_equal(fetch_run(&r, &reply, NULL), -1);
}

static int count_cb(void *arg, const char *data, size_t len)
{
	size_t *sum = arg;

	*sum += len;
	return *sum > 60000;
}

static void replies_can_be_streamed(void **state)
{
	struct fetch_request r = request("GET", "http://x/ok");
	struct fetch_reply reply;
	size_t sum = 0;

	r.data_cb = count_cb;
	r.arg = &sum;
	assert_int_equal(fetch_run(&r, &reply, NULL), 0);
	assert_int_equal(sum, 7);
	assert_int_equal(reply.body.len, 0);
	buf_clear(&reply.body);
	r.url = "http://x/none"; /* an error's body is not part of the stream */
	assert_int_equal(fetch_run(&r, &reply, NULL), 0);
	assert_int_equal(sum, 7);
	assert_string_equal(reply.body.data, "{\"error\":{}}");
	buf_clear(&reply.body);
	r.url = "http://x/big";
	assert_int_equal(fetch_run(&r, &reply, NULL), -1);
}

static void upgrades_give_the_stream(void **state)
{
	static const char *const urls[] = {"http://x/up101", "http://x/up200"};
	static const char *const headers[] = {"Connection: Upgrade", "Upgrade: tcp", NULL};

	for (size_t i = 0; i < CL_COUNT(urls); i++) {
		struct fetch_request r = request("POST", urls[i]);
		struct cl_err err = {0};
		struct buf early;
		int status, fd;
		char text[16] = "";
		size_t at;

		buf_init(&early, 1 << 16);
		r.headers = headers;
		r.body = "{}";
		r.body_len = 2;
		fd = fetch_upgrade(&r, &early, &status, &err);
		assert_true(fd >= 0);
		sock_nonblock(fd, 0);
		assert_int_equal(status, i ? 200 : 101);
		at = early.len;
		if (at)
			memcpy(text, early.data, at);
		while (at < 5)
			at += (size_t)recv(fd, text + at, 5 - at, 0);
		assert_string_equal(text, "early");
		assert_int_equal(send(fd, "\0\xff\r\n", 4, 0), 4);
		for (at = 0; at < 4;)
			at += (size_t)recv(fd, text + at, 4 - at, 0);
		assert_memory_equal(text, "\0\xff\r\n", 4);
		close(fd);
		buf_clear(&early);
	}
}

static void refused_upgrades_say_why(void **state)
{
	struct fetch_request r = request("POST", "http://x/up409");
	struct cl_err err = {0};
	struct buf early;
	int status;

	buf_init(&early, 1 << 16);
	assert_int_equal(fetch_upgrade(&r, &early, &status, &err), -1);
	assert_int_equal(status, 409);
	assert_string_equal(err.message, "container is not running");
	err_clear(&err);
	r.unix_path = "/no/such/socket";
	assert_int_equal(fetch_upgrade(&r, &early, &status, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	buf_clear(&early);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(get_and_post), T(a_pool_carries_nothing_over), T(failures_have_codes), T(bodies_can_be_streamed),
	    T(replies_can_be_streamed), T(upgrades_give_the_stream), T(refused_upgrades_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
