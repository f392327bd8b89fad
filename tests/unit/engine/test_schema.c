/* Bodies: strict JSON (battery G3) and the check against schemas.def. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/openapi.h"
#include "engine/route.h"
#include "engine/schema.h"

static enum cl_code
parse(const char *text)
{
	struct cl_err err = {0};
	json_t *v = schema_parse(text, strlen(text), &err);

	json_decref(v);
	return err.code;
}

static char message[512];

static int
check(const char *schema, const char *text)
{
	struct cl_err err = {0};
	json_t *v = schema_parse(text, strlen(text), &err);
	int rc = v == NULL ? -2 : schema_check(schema, v, &err);

	json_decref(v);
	mem_copy_str(message, sizeof message, err.message);
	if (rc == -1)
		assert_int_equal(err.code, CL_USAGE);
	return rc;
}

static void
bad_json_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "{", "{\"a\":1", "{\"a\":1}x", "{\"a\":1,\"a\":2}",
	    "{\"a\":1e999}", "{\"a\":99999999999999999999999}", "{\"a\":NaN}", "{\"a\":Infinity}",
	    "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\\ud800\"}", "{\"a\":\"\\u0000\"}", "{'a':1}",
	    "{\"a\":01}", "{\"a\":+1}", "{\"a\":\"\x80\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":1,}",
	    "\xef\xbb\xbf{}", "{\"a\":\"\n\"}", "// x\n{}"};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		if (parse(bad[i]) != CL_USAGE)
			print_error("accepted: %s\n", bad[i]);
		assert_int_equal(parse(bad[i]), CL_USAGE);
	}
	assert_int_equal(parse("{\"a\":\"\\ud83d\\ude00\"}"), CL_OK);
}

static void
depth_has_a_ceiling(void **state)
{
	size_t n = 100000;
	cl_autofree char *deep = mem_alloc(2 * n + 1);

	memset(deep, '[', n);
	memset(deep + n, ']', n);
	assert_int_equal(parse(deep), CL_USAGE);
	assert_int_equal(parse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
	    CL_USAGE);
	assert_int_equal(parse("[[[[1]]]]"), CL_OK);
}

static void
fields_are_checked_by_name_type_and_range(void **state)
{
	assert_int_equal(check("Scale", "{\"was\":4}"), 0);
	assert_int_equal(check("Scale", "{}"), 0);
	assert_int_equal(check("Scale", "{\"was\":21}"), -1);
	assert_non_null(strstr(message, "was"));
	assert_int_equal(check("Scale", "{\"was\":-1}"), -1);
	assert_int_equal(check("Scale", "{\"was\":\"4\"}"), -1);
	assert_int_equal(check("Scale", "{\"was\":4.0}"), -1);
	assert_int_equal(check("Scale", "{\"was\":null}"), -1);
	assert_int_equal(check("Scale", "{\"wsa\":4}"), -1);
	assert_non_null(strstr(message, "wsa"));
	assert_int_equal(check("Scale", "{\"dry_run\":1}"), -1);
	assert_int_equal(check("Scale", "[]"), -1);
	assert_int_not_equal(check("Scale", "null"), 0);
	assert_int_equal(check("Scale", "{\"env\":\"production\"}"), -1);
}

static void
required_fields_are_required(void **state)
{
	assert_int_equal(check("UserNew", "{}"), -1);
	assert_string_equal(message, "name: is missing");
	assert_int_equal(check("UserNew", "{\"name\":\"alice\"}"), 0);
}

static void
names_follow_the_rule(void **state)
{
	static const char *const bad[] = {"Alice", "-a", "a_b", "a b", "", "1a", "a'", "a\\\"", "a.b",
	    "a/b", "abcdefghijklmnopqrstuvwxyzabcdef", "caf\xc3\xa9", "a-"};
	char text[128];

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		snprintf(text, sizeof text, "{\"name\":\"%s\"}", bad[i]);
		assert_int_equal(check("UserNew", text), -1);
	}
}

static void
string_lengths_count_bytes(void **state)
{
	assert_int_equal(check("UserPassword", "{\"password\":\"1234567\"}"), -1);
	assert_int_equal(check("UserPassword", "{\"password\":\"12345678\"}"), 0);
	assert_int_equal(check("ChatNew", "{\"text\":\"\"}"), -1);
	assert_int_equal(check("ChatNew", "{\"text\":\"\xea\xb0\x80\"}"), 0);
}

static void
lists_and_maps_are_checked_inside(void **state)
{
	assert_int_equal(check("Exec", "{\"argv\":[\"ls\",\"-l\"],\"env\":{\"TERM\":\"xterm\"}}"), 0);
	assert_int_equal(check("Exec", "{\"argv\":[]}"), -1);
	assert_int_equal(check("Exec", "{\"argv\":[\"ls\",1]}"), -1);
	assert_non_null(strstr(message, "argv[1]"));
	assert_int_equal(check("Exec", "{\"argv\":{\"0\":\"ls\"}}"), -1);
	assert_int_equal(check("Exec", "{\"env\":{\"A\":1}}"), -1);
	assert_int_equal(check("Exec", "{\"env\":{\"\":\"x\"}}"), -1);
	assert_int_equal(check("ConfigSet", "{\"set\":{\"A\":null,\"B\":\"x\"}}"), 0);
}

static void
nested_schemas_are_checked(void **state)
{
	assert_int_equal(
	    check("Error", "{\"error\":{\"code\":\"usage\",\"message\":\"x\",\"hint\":\"\"}}"), 0);
	assert_int_equal(check("Error", "{\"error\":{\"code\":\"usage\",\"message\":\"x\"}}"), -1);
	assert_int_equal(check("UserList", "{\"users\":[{\"id\":1,\"name\":\"a\",\"role\":\"x\"}]}"), 0);
	assert_int_equal(check("UserList", "{\"users\":[{\"id\":1,\"name\":\"A\",\"role\":\"x\"}]}"), -1);
	assert_non_null(strstr(message, "users[0].name"));
}

static void
routes_name_schemas_that_exist(void **state)
{
	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (route_table[i].body[0] != '\0')
			assert_non_null(schema_find(route_table[i].body));
		if (route_table[i].reply[0] != '\0')
			assert_non_null(schema_find(route_table[i].reply));
	}
}

static void
fields_name_types_that_exist(void **state)
{
	static const char *const known[] = {"STR", "INT", "NUM", "BOOL", "TIME", "NAME", "OBJ_KV",
	    "OBJ_ANY", "LIST_STR"};
	const struct schema *s;

	for (int i = 0; (s = schema_at(i)) != NULL; i++) {
		for (int f = 0; f < s->nfields; f++) {
			const char *type = s->fields[f].type;
			bool found = false;

			for (size_t k = 0; k < CL_COUNT(known); k++)
				found = found || strcmp(type, known[k]) == 0;
			if (!found)
				assert_non_null(schema_find(strchr(type, '_') + 1));
		}
	}
}

static void
the_openapi_file_has_every_route(void **state)
{
	json_t *doc = openapi_json("1"), *paths = json_object_get(doc, "paths");
	size_t n = 0;
	const char *path, *method;
	json_t *item, *op;

	assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	json_object_foreach (paths, path, item)
		json_object_foreach (item, method, op) {
			assert_non_null(json_object_get(op, "operationId"));
			assert_non_null(json_object_get(op, "responses"));
			n++;
		}
	assert_int_equal(n, ROUTE_COUNT);
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bad_json_is_refused),
	    cmocka_unit_test(depth_has_a_ceiling),
	    cmocka_unit_test(fields_are_checked_by_name_type_and_range),
	    cmocka_unit_test(required_fields_are_required),
	    cmocka_unit_test(names_follow_the_rule),
	    cmocka_unit_test(string_lengths_count_bytes),
	    cmocka_unit_test(lists_and_maps_are_checked_inside),
	    cmocka_unit_test(nested_schemas_are_checked),
	    cmocka_unit_test(routes_name_schemas_that_exist),
	    cmocka_unit_test(fields_name_types_that_exist),
	    cmocka_unit_test(the_openapi_file_has_every_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
