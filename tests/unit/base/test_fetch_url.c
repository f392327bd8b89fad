/* The parts of a URL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fetch_url.h"
#include "base/mem.h"

static void test_parts(void **state)
{
	struct fetch_url u;

	assert_int_equal(fetch_url_read("https://index.example/simple", &u, NULL), 0);
	assert_string_equal(u.scheme, "https");
	assert_string_equal(u.host, "index.example");
	assert_int_equal(u.port, 443);
	assert_string_equal(u.user, "");
	assert_int_equal(fetch_url_read("http://me:a%3Ab@h.example:8080", &u, NULL), 0);
	assert_int_equal(u.port, 8080);
	assert_string_equal(u.user, "me");
	assert_string_equal(u.password, "a:b");
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"", "words", "https://", "http://a:b:c/", "/path", "http://u:a%0ab@h/"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = {0};
		struct fetch_url u;

		if (fetch_url_read(bad[i], &u, &err) == 0)
			fail_msg("\"%s\" was taken as host \"%s\"", bad[i], u.host);
		assert_int_equal(err.code, CL_USAGE);
	}
}

static void test_too_long_is_refused(void **state)
{
	cl_autofree char *text = mem_alloc(2000);
	struct fetch_url u;

	memset(text, 'a', 1990);
	memcpy(text, "https://", 8);
	assert_int_equal(fetch_url_read(text, &u, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_what_is_none),
	    cmocka_unit_test(test_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
