/* The gate in front of the HTTP server (battery G6): what passes can be read in one way only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/gate.h"

#define OK "GET /v1/info HTTP/1.1\r\nHost: x\r\n"

static struct gate g;

static enum gate_state
check(const char *text)
{
	return gate_check(text, strlen(text), &g);
}

static void
a_plain_request_passes(void **state)
{
	assert_int_equal(check(OK "\r\n"), GATE_OK);
	assert_string_equal(g.method, "GET");
	assert_string_equal(g.target, "/v1/info");
	assert_int_equal(g.length, -1);
	assert_int_equal(check("POST /v1/users?a=%2F HTTP/1.0\r\nContent-Length:  12 \r\n"
	                       "idempotency-KEY: k-1\r\nLast-Event-ID: 77\r\n\r\n{\"a\":\"b\"}"),
	    GATE_OK);
	assert_string_equal(g.target, "/v1/users?a=%2F");
	assert_int_equal(g.length, 12);
	assert_string_equal(g.idem, "k-1");
	assert_string_equal(g.last_event, "77");
}

static void
every_cut_of_a_head_asks_for_more(void **state)
{
	static const char text[] = OK "Accept: */*\r\n\r\n";

	for (size_t n = 0; n < sizeof text - 1; n++)
		assert_int_equal(gate_check(text, n, &g), GATE_MORE);
	assert_int_equal(gate_check(text, sizeof text - 1, &g), GATE_OK);
}

static void
whatever_could_mean_two_things_is_refused(void **state)
{
	static const char *const bad[] = {
	    OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    OK "Transfer-Encoding: identity\r\n\r\n",
	    OK "transfer-encoding:\tchunked\r\n\r\n",
	    OK "Transfer-Encoding : chunked\r\n\r\n",
	    OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
	    OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
	    OK "Content-Length: 5, 5\r\n\r\nabcde",
	    OK "Content-Length: 5 6\r\n\r\nabcde",
	    OK "Content-Length: +5\r\n\r\nabcde",
	    OK "Content-Length: -5\r\n\r\nabcde",
	    OK "Content-Length: 0x5\r\n\r\nabcde",
	    OK "Content-Length: 5abc\r\n\r\nabcde",
	    OK "Content-Length:\r\n\r\n",
	    OK "Content-Length: 99999999999999999999\r\n\r\n",
	    OK "X-Folded: a\r\n b\r\n\r\n",
	    OK " Content-Length: 5\r\n\r\nabcde",
	    OK "\tX: y\r\n\r\n",
	    OK "No-Colon\r\nContent-Length: 5\r\n\r\nabcde",
	    OK ": empty\r\n\r\n",
	    OK "Na me: x\r\n\r\n",
	    OK "Name\r: x\r\n\r\n",
	    OK "X: a\rb\r\n\r\n",
	    OK "X: a\nContent-Length: 5\r\n\r\n",
	    OK "X: a\001b\r\n\r\n",
	    OK "Upgrade: h2c\r\n\r\n",
	    OK "\n",
	    "GET /v1/info HTTP/1.1\nHost: x\n\n",
	    "GET  /v1/info HTTP/1.1\r\n\r\n",
	    "GET /v1/info  HTTP/1.1\r\n\r\n",
	    "GET /v1/info HTTP/1.1 \r\n\r\n",
	    "GET /v1/in fo HTTP/1.1\r\n\r\n",
	    "GET /v1/info HTTP/2.0\r\n\r\n",
	    "GET /v1/info HTTP/1.2\r\n\r\n",
	    "GET /v1/info\r\n\r\n",
	    "GET http://x/v1/info HTTP/1.1\r\n\r\n",
	    "GET * HTTP/1.1\r\n\r\n",
	    "GET /v1/% HTTP/1.1\r\n\r\n",
	    "GET /v1/%4 HTTP/1.1\r\n\r\n",
	    "GET /v1/%zz HTTP/1.1\r\n\r\n",
	    "GET /v1/info#x HTTP/1.1\r\n\r\n",
	    "GET /v1/\x80 HTTP/1.1\r\n\r\n",
	    "get /v1/info HTTP/1.1\r\n\r\n",
	    "BREW /v1/info HTTP/1.1\r\n\r\n",
	    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	    " GET /v1/info HTTP/1.1\r\n\r\n",
	    "\r\nGET /v1/info HTTP/1.1\r\n\r\n",
	    OK "\r\nGET /v1/whoami HTTP/1.1\r\n\r\n",
	    OK "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
	};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		if (check(bad[i]) != GATE_BAD)
			print_error("passed: %s\n", bad[i]);
		assert_int_equal(check(bad[i]), GATE_BAD);
		assert_non_null(g.reason);
	}
}

static void
nul_bytes_are_refused(void **state)
{
	static const char a[] = "GET /v1/info HTTP/1.1\r\nX: a\0b\r\n\r\n";
	static const char b[] = "GET /v1/\0info HTTP/1.1\r\n\r\n";
	static const char c[] = "GET\0 /v1/info HTTP/1.1\r\n\r\n";

	assert_int_equal(gate_check(a, sizeof a - 1, &g), GATE_BAD);
	assert_int_equal(gate_check(b, sizeof b - 1, &g), GATE_BAD);
	assert_int_equal(gate_check(c, sizeof c - 1, &g), GATE_BAD);
}

static void
heads_have_ceilings(void **state)
{
	static char text[GATE_HEAD_MAX + 4096];
	size_t n = (size_t)snprintf(text, sizeof text, "GET /v1/info HTTP/1.1\r\nX: ");

	memset(text + n, 'a', sizeof text - n);
	assert_int_equal(gate_check(text, GATE_HEAD_MAX - 1, &g), GATE_MORE);
	assert_int_equal(gate_check(text, GATE_HEAD_MAX, &g), GATE_BAD);

	n = (size_t)snprintf(text, sizeof text, "GET /v1/info HTTP/1.1\r\n");
	for (int i = 0; i < GATE_HEADERS_MAX + 1; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "X%d: y\r\n", i);
	n += (size_t)snprintf(text + n, sizeof text - n, "\r\n");
	assert_int_equal(gate_check(text, n, &g), GATE_BAD);

	n = (size_t)snprintf(text, sizeof text, "GET /");
	memset(text + n, 'a', GATE_TARGET_MAX);
	n += GATE_TARGET_MAX;
	n += (size_t)snprintf(text + n, sizeof text - n, " HTTP/1.1\r\n\r\n");
	assert_int_equal(gate_check(text, n, &g), GATE_BAD);
}

static void
a_key_that_is_too_long_shows_as_too_long(void **state)
{
	char text[600];
	size_t n = (size_t)snprintf(text, sizeof text, OK "Idempotency-Key: ");

	memset(text + n, 'k', 300);
	n += 300;
	n += (size_t)snprintf(text + n, sizeof text - n, "\r\n\r\n");
	assert_int_equal(gate_check(text, n, &g), GATE_OK);
	assert_int_equal(strlen(g.idem), sizeof g.idem - 1);
}

static void
parts_are_judged_like_a_head(void **state)
{
	static const struct {
		const char *method, *target, *idem, *last;
	} bad[] = {
	    {"FOO", "/", "", ""}, {"", "/", "", ""}, {"get", "/", "", ""}, {"GET", "", "", ""}, {"GET", "x", "", ""},
	    {"GET", "/a b", "", ""}, {"GET", "/\n", "", ""}, {"GET", "/%4", "", ""}, {"GET", "/%zz", "", ""},
	    {"GET", "/#", "", ""}, {"GET", "/\xc3\xa9", "", ""}, {"GET", "/", "a\nb", ""}, {"GET", "/", "", "1\r"},
	    {"GET", "/", "\x7f", ""},
	};
	char target[GATE_TARGET_MAX + 2];
	struct gate head;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(gate_fill(&g, bad[i].method, bad[i].target, bad[i].idem, bad[i].last, 0), GATE_BAD);
		assert_non_null(g.reason);
	}
	memset(target, 'x', sizeof target - 1);
	target[0] = '/';
	target[sizeof target - 1] = '\0';
	assert_int_equal(gate_fill(&g, "GET", target, "", "", 0), GATE_BAD);
	target[sizeof target - 2] = '\0';
	assert_int_equal(gate_fill(&g, "GET", target, "", "", 0), GATE_OK);
	assert_int_equal(gate_fill(&g, "POST", "/v1/x?y=%20", "key", "7", 12), GATE_OK);
	assert_int_equal(g.length, 12);
	assert_null(g.reason);
	assert_int_equal(gate_check("POST /v1/x?y=%20 HTTP/1.1\r\nContent-Length: 12\r\nIdempotency-Key: key\r\n"
	    "Last-Event-ID: 7\r\n\r\n", 94, &head), GATE_OK);
	assert_memory_equal(&g, &head, sizeof g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_plain_request_passes),
	    cmocka_unit_test(every_cut_of_a_head_asks_for_more),
	    cmocka_unit_test(whatever_could_mean_two_things_is_refused),
	    cmocka_unit_test(nul_bytes_are_refused),
	    cmocka_unit_test(heads_have_ceilings),
	    cmocka_unit_test(a_key_that_is_too_long_shows_as_too_long),
	    cmocka_unit_test(parts_are_judged_like_a_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
