/* Procfile and .codinglab.json: what a project says of itself, by anyone's hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "images/appfile.h"

static int json(struct appfile *a, const char *text, struct cl_err *err)
{
	return appfile_add_json(a, text, strlen(text), err);
}

static int procfile(struct appfile *a, const char *text, struct cl_err *err)
{
	return appfile_add_procfile(a, text, strlen(text), err);
}

static void test_json(void **state)
{
	struct appfile a;
	struct cl_err err = { 0 };

	(void)state;
	appfile_init(&a);
	assert_int_equal(json(&a, "{\"run\":[\"python3\",\"x.py\"],\"serve\":\"gunicorn a:b\","
	    "\"port\":81,\"health\":\"/up\"}", &err), 0);
	assert_string_equal(a.command[STACK_RUN][1], "x.py");
	assert_null(a.command[STACK_RUN][2]);
	assert_string_equal(a.command[STACK_SERVE][0], "sh");
	assert_string_equal(a.command[STACK_SERVE][2], "gunicorn a:b");
	assert_int_equal(a.port, 81);
	assert_string_equal(a.health, "/up");
	appfile_clear(&a);
}

static void test_repl_and_debug(void **state)
{
	struct appfile a;
	struct cl_err err = { 0 };

	(void)state;
	appfile_init(&a);
	assert_int_equal(json(&a, "{\"repl\":\"ipython\",\"debug\":[\"gdb\",\"./a\"],\"lsp\":[\"l\"]}",
	    &err), 0);
	assert_string_equal(a.command[STACK_REPL][2], "ipython");
	assert_string_equal(a.command[STACK_DEBUG][1], "./a");
	assert_string_equal(a.command[STACK_LSP][0], "l");
	/* a Procfile's processes are other platforms' too: no debugger of ours hides there */
	assert_int_equal(procfile(&a, "debug: x\nrepl: y", &err), 0);
	assert_string_equal(a.command[STACK_DEBUG][0], "gdb");
	appfile_clear(&a);
}

static void test_procfile(void **state)
{
	struct appfile a;
	struct cl_err err = { 0 };

	(void)state;
	appfile_init(&a);
	assert_int_equal(procfile(&a, "# c\n\n  web:  gunicorn x:y \r\nrelease: ./migrate\nworker: w\n"
	    "serve: second\ntest:t", &err), 0);
	assert_string_equal(a.command[STACK_SERVE][2], "gunicorn x:y");
	assert_string_equal(a.command[STACK_MIGRATE][2], "./migrate");
	assert_string_equal(a.command[STACK_TEST][2], "t");
	assert_null(a.command[STACK_RUN]);
	appfile_clear(&a);
}

static void test_json_wins(void **state)
{
	struct appfile a;
	struct stack s;
	struct cl_err err = { 0 };
	char *stack_run[] = { (char *)"stack", NULL };

	(void)state;
	memset(&s, 0, sizeof(s));
	s.command[STACK_TEST] = stack_run;
	appfile_init(&a);
	assert_int_equal(json(&a, "{\"serve\":[\"mine\"]}", &err), 0);
	assert_int_equal(procfile(&a, "web: theirs\nrun: r", &err), 0);
	assert_string_equal(appfile_get(&a, &s, STACK_SERVE)[0], "mine");
	assert_string_equal(appfile_get(&a, &s, STACK_RUN)[2], "r");
	assert_string_equal(appfile_get(&a, &s, STACK_TEST)[0], "stack");
	assert_null(appfile_get(&a, &s, STACK_BUILD));
	appfile_clear(&a);
}

static void test_refused(void **state)
{
	static const char *const bad[] = { "", "[1]", "{\"rum\":[\"a\"]}", "{\"run\":[]}",
		"{\"run\":[1]}", "{\"run\":{}}", "{\"run\":\"\"}", "{\"run\":[\"a\\u0000b\"]}",
		"{\"port\":0}", "{\"port\":\"80\"}", "{\"port\":70000}", "{\"health\":\"up\"}",
		"{\"health\":\"/a\\nb\"}", "{\"port\":1,\"port\":2}", "{\"run\":[\"\"]}" };
	struct cl_err err = { 0 };
	struct appfile a;
	char *long_text;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		appfile_init(&a);
		err_clear(&err);
		if (json(&a, bad[i], &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(err.message, ".codinglab.json"));
		appfile_clear(&a);
	}
	appfile_init(&a);
	err_clear(&err);
	assert_int_equal(procfile(&a, "just words\n", &err), -1);
	assert_int_equal(procfile(&a, ": x\n", NULL), -1);
	assert_int_equal(procfile(&a, "web:\n", NULL), -1);
	assert_int_equal(procfile(&a, "web: \xff\n", NULL), -1);
	assert_int_equal(appfile_add_procfile(&a, "web: a\0b", 8, NULL), -1);
	long_text = mem_alloc(APPFILE_MAX + 2);
	memset(long_text, 'a', APPFILE_MAX + 1);
	err_clear(&err);
	assert_int_equal(procfile(&a, long_text, &err), -1);
	assert_int_equal(err.code, CL_TOO_LARGE);
	assert_int_equal(json(&a, long_text, NULL), -1);
	mem_free(long_text);
	appfile_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_repl_and_debug),
		cmocka_unit_test(test_procfile),
		cmocka_unit_test(test_json_wins),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
