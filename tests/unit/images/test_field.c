/* Fields of stack.json and .codinglab.json: what is taken, and that what is wrong is said by file and field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "images/field.h"

static struct cl_err err;
static const struct field_ctx ctx = {.file = "x/stack.json", .err = &err};
static json_t *o;

static int setup(void **state)
{
	memset(&err, 0, sizeof(err));
	o = json_object();
	return 0;
}

static int teardown(void **state)
{
	json_decref(o);
	return 0;
}

static void load(const char *text)
{
	json_decref(o);
	o = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(o);
	memset(&err, 0, sizeof(err));
}

static void said(const char *message)
{
	assert_int_equal(err.code, CL_USAGE);
	assert_string_equal(err.message, message);
}

static void test_only_known_fields(void **state)
{
	static const char *const known[] = {"id", "port", NULL};

	load("{\"id\": \"a\", \"port\": 1}");
	assert_int_equal(field_check(&ctx, "the stack", o, known), 0);
	load("{}");
	assert_int_equal(field_check(&ctx, "the stack", o, known), 0);
	load("{\"id\": \"a\", \"prot\": 1}");
	assert_int_equal(field_check(&ctx, "images.dev", o, known), -1);
	said("x/stack.json: prot: no such field in images.dev");
	load("[\"id\"]");
	assert_int_equal(field_check(&ctx, "env", o, known), -1);
	said("x/stack.json: env: must be an object");
	assert_int_equal(field_check(&ctx, "env", NULL, known), -1);
}

static void test_a_string_that_is_not_there(void **state)
{
	char out[8] = "before";

	assert_int_equal(field_str(&ctx, o, "title", true, 1, out, sizeof(out)), 0);
	assert_string_equal(out, "before"); /* what it was stays the default */
	assert_int_equal(field_str(&ctx, o, "title", false, 1, out, sizeof(out)), -1);
	said("x/stack.json: title: is missing");
}

static void test_null_is_an_empty_string_where_one_may_be(void **state)
{
	char out[8] = "before";

	load("{\"db\": null}");
	assert_int_equal(field_str(&ctx, o, "db", false, 1, out, sizeof(out)), -1);
	said("x/stack.json: db: must be a string");
	assert_int_equal(field_str(&ctx, o, "db", false, 0, out, sizeof(out)), 0);
	assert_string_equal(out, "");
}

static void test_strings_have_a_length_in_bytes(void **state)
{
	char out[8] = "";

	load("{\"t\": \"1234567\"}");
	assert_int_equal(field_str(&ctx, o, "t", false, 1, out, sizeof(out)), 0);
	assert_string_equal(out, "1234567");
	load("{\"t\": \"12345678\"}");
	assert_int_equal(field_str(&ctx, o, "t", false, 1, out, sizeof(out)), -1);
	said("x/stack.json: t: must have 1 to 7 bytes");
	load("{\"t\": \"\"}");
	assert_int_equal(field_str(&ctx, o, "t", false, 1, out, sizeof(out)), -1);
	load("{\"t\": \"한글이\"}"); /* three letters, nine bytes */
	assert_int_equal(field_str(&ctx, o, "t", false, 1, out, sizeof(out)), -1);
	load("{\"t\": \"한글\"}");
	assert_int_equal(field_str(&ctx, o, "t", false, 1, out, sizeof(out)), 0);
	assert_string_equal(out, "한글");
}

/* What would move a terminal's cursor, or end a C string early. */
static void test_strings_are_plain(void **state)
{
	static const char *const bad[] = {"{\"t\": \"a\\nb\"}", "{\"t\": \"\\u001b[2J\"}", "{\"t\": \"a\\u0000b\"}",
	    "{\"t\": \"\\u007f\"}", "{\"t\": \"\\t\"}"};
	char out[32] = "before";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		load(bad[i]);
		assert_int_equal(field_str(&ctx, o, "t", false, 0, out, sizeof(out)), -1);
		said("x/stack.json: t: must not hold control characters");
	}
	assert_string_equal(out, "before");
}

static void test_numbers_have_a_range(void **state)
{
	static const char *const bad[] = {"{\"port\": 0}", "{\"port\": 65536}", "{\"port\": -1}", "{\"port\": 80.0}",
	    "{\"port\": \"80\"}", "{\"port\": true}", "{\"port\": null}", "{\"port\": 9223372036854775807}"};
	int64_t n = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		load(bad[i]);
		assert_int_equal(field_int(&ctx, o, "port", false, 1, 65535, &n), -1);
		said("x/stack.json: port: must be a number from 1 to 65535");
		assert_int_equal(n, 7);
	}
	load("{\"low\": 1, \"high\": 65535}");
	assert_int_equal(field_int(&ctx, o, "low", false, 1, 65535, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(field_int(&ctx, o, "high", false, 1, 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(field_int(&ctx, o, "none", true, 1, 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(field_int(&ctx, o, "none", false, 1, 65535, &n), -1);
	said("x/stack.json: none: is missing");
}

static int argv_of(const char *text, char ***argv)
{
	*argv = NULL;
	load(text);
	return field_argv(&ctx, o, "commands.run", 3, 8, argv);
}

static void test_a_command_is_a_list_of_words(void **state)
{
	char **argv;

	assert_int_equal(argv_of("[\"sh\", \"\", \"a b\\nc\"]", &argv), 0); /* blanks and lines belong to a word */
	assert_string_equal(argv[0], "sh");
	assert_string_equal(argv[1], "");
	assert_string_equal(argv[2], "a b\nc");
	assert_null(argv[3]);
	field_free_argv(argv);
	field_free_argv(NULL);
}

static void test_what_is_no_command(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
	    {"\"sh -c x\"", "must be a list of 1 to 3 strings"},
	    {"[]", "must be a list of 1 to 3 strings"},
	    {"{\"a\": \"sh\"}", "must be a list of 1 to 3 strings"},
	    {"[\"a\", \"b\", \"c\", \"d\"]", "must be a list of 1 to 3 strings"},
	    {"[\"a\", 1]", "entry 2 must be a string of at most 8 bytes"},
	    {"[\"a\", \"b\", \"123456789\"]", "entry 3 must be a string of at most 8 bytes"},
	    {"[\"a\\u0000b\"]", "entry 1 must be a string of at most 8 bytes"},
	    {"[\"\", \"b\"]", "the program's name is empty"},
	};
	char message[200], **argv;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(argv_of(bad[i].text, &argv), -1);
		snprintf(message, sizeof(message), "x/stack.json: commands.run: %s", bad[i].why);
		said(message);
		assert_null(argv);
	}
	assert_int_equal(field_argv(&ctx, NULL, "commands.run", 3, 8, &argv), -1);
}

static void test_who_wants_no_reason_gets_none(void **state)
{
	const struct field_ctx silent = {.file = "f"};
	int64_t n = 0;

	assert_int_equal(field_int(&silent, o, "port", false, 1, 2, &n), -1);
	assert_int_equal(field_fail(&silent, "port", "%s", "why"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_only_known_fields, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_string_that_is_not_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_null_is_an_empty_string_where_one_may_be, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_strings_have_a_length_in_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_strings_are_plain, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_numbers_have_a_range, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_command_is_a_list_of_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_is_no_command, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_who_wants_no_reason_gets_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
