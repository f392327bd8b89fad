/* Matching of paths: parameters, encodings, methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "engine/route.h"

static struct route_params params;
static char allow[64];
static struct cl_err err;

static const struct route *
match(const char *method, const char *path)
{
	err_clear(&err);
	return route_match(method, path, &params, allow, sizeof allow, &err);
}

static void
every_route_matches_its_own_path(void **state)
{
	for (int i = 0; i < ROUTE_COUNT; i++) {
		char path[256] = "";
		size_t n = 0;

		for (const char *p = route_table[i].path; *p != '\0'; p++) {
			if (*p == '{') {
				path[n++] = 'x';
				p = strchr(p, '}');
			} else {
				path[n++] = *p;
			}
		}
		path[n] = '\0';
		assert_ptr_equal(match(route_table[i].method, path), &route_table[i]);
	}
}

static void
parameters_are_decoded_once(void **state)
{
	const struct route *r = match("DELETE", "/v1/users/alice/keys/SHA256%3Aab%2Fcd%2B%2525");

	assert_non_null(r);
	assert_int_equal(r->id, ROUTE_KEY_RM);
	assert_int_equal(params.n, 2);
	assert_string_equal(params.name[0], "user");
	assert_string_equal(params.value[0], "alice");
	assert_string_equal(params.value[1], "SHA256:ab/cd+%25");
}

static void
malformed_parameters_are_not_found(void **state)
{
	static const char *const bad[] = {"/v1/projects/", "/v1/projects/%", "/v1/projects/%4",
	    "/v1/projects/%zz", "/v1/projects/a%00b", "/v1/projects/%ff", "/v1/projects/%c0%af",
	    "/v1/projects//", "/v1/projects/a/", "/v1//projects", "/v1/projects/a/b/c/d", "/",
	    "", "/v1", "/v1/", "v1/info", "/V1/info", "/v1/info/", "/v1/%69nfo", "/v1/../v1/info",
	    "/v1/projects/{project}/x"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		assert_null(match("GET", bad[i]));
		assert_int_equal(err.code, CL_NOT_FOUND);
	}
}

static void
a_long_parameter_is_not_found(void **state)
{
	char path[1024] = "/v1/projects/";

	memset(path + strlen(path), 'a', 600);
	assert_null(match("GET", path));
}

static void
other_methods_are_told_which_there_are(void **state)
{
	assert_null(match("PATCH", "/v1/users"));
	assert_string_equal(allow, "GET, POST");
	assert_int_equal(err.code, CL_USAGE);
	assert_null(match("POST", "/v1/nothing"));
	assert_string_equal(allow, "");
}

static void
no_two_routes_share_method_and_path(void **state)
{
	for (int i = 0; i < ROUTE_COUNT; i++)
		for (int k = i + 1; k < ROUTE_COUNT; k++)
			assert_false(strcmp(route_table[i].method, route_table[k].method) == 0 &&
			    strcmp(route_table[i].path, route_table[k].path) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_route_matches_its_own_path),
	    cmocka_unit_test(parameters_are_decoded_once),
	    cmocka_unit_test(malformed_parameters_are_not_found),
	    cmocka_unit_test(a_long_parameter_is_not_found),
	    cmocka_unit_test(other_methods_are_told_which_there_are),
	    cmocka_unit_test(no_two_routes_share_method_and_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
