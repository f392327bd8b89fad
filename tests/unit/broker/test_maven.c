/*
 * images.maven_repositories as an operator writes it, read back as Maven's settings: the order, the
 * folders and their place in the image, plain HTTP only where the operator wrote it, and what is no
 * repository refused by its name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/broker/maven.h"

static void refused(const char *list, enum cl_code code, const char *word)
{
	struct cl_err err = {0};
	struct maven m;

	assert_int_equal(maven_init(&m, list, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, word) || !strstr(err.message, "images.maven_repositories"))
		fail_msg("\"%s\" does not say \"%s\"", err.message, word);
	err_clear(&err);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

static void test_none(void **state)
{
	struct cl_err err = {0};
	struct maven m;

	assert_int_equal(maven_init(&m, "", &err), 0);
	assert_int_equal(m.n, 1);
	assert_string_equal(m.items[0].name, "maven/settings.xml");
	/* Maven's own repositories stay as they are, its guard against plain HTTP too */
	assert_null(strstr(m.items[0].text, "<repository>"));
	assert_non_null(strstr(m.items[0].text, "<mirrorOf>external:http:*</mirrorOf>"));
	maven_clear(&m);
}

static void test_order_is_kept(void **state)
{
	struct cl_err err = {0};
	struct maven m;
	const char *b, *a, *c;

	assert_int_equal(maven_init(&m,
	    "https://b.example/maven, file:///tmp  https://a.example:8443/x?y=1", &err), 0);
	b = strstr(m.settings, "https://b.example/maven<");
	c = strstr(m.settings, "file:///usr/share/codinglab/maven/2<");
	a = strstr(m.settings, "https://a.example:8443/x?y=1<");
	assert_true(b && c && a && b < c && c < a);
	/* plugins come from the same places */
	assert_int_equal(count(m.settings, "<pluginRepository>"), 3);
	assert_int_equal(count(m.settings, "<repository>"), 3);
	/* only the folder travels, under the number of its place */
	assert_int_equal(m.n, 2);
	assert_string_equal(m.items[1].name, "maven/2");
	assert_string_equal(m.items[1].dir, "/tmp");
	assert_null(m.items[1].text);
	maven_clear(&m);
}

static void test_plain_http_only_where_it_was_written(void **state)
{
	struct cl_err err = {0};
	struct maven m;

	assert_int_equal(maven_init(&m, "https://a.example/m,http://b.example/m", &err), 0);
	assert_non_null(strstr(m.settings, "external:http:*,!codinglab-2</mirrorOf>"));
	maven_clear(&m);
}

static void test_what_is_no_repository(void **state)
{
	char many[1024], longer[700];
	size_t at = 0;

	refused("ftp://a.example/m", CL_USAGE, "ftp://a.example/m");
	refused("https://a.example/m,/var/lib", CL_USAGE, "/var/lib");
	refused("file://host/share", CL_USAGE, "file://host/share");
	refused("https://a.example/<url>", CL_USAGE, "a sign");
	refused("https://a.example/${env.HOME}", CL_USAGE, "a sign");
	refused("https://a.example/&lt;", CL_USAGE, "a sign");
	refused("file:///nonexistent/folder", CL_PRECONDITION, "/nonexistent/folder");
	refused("file:///etc/passwd", CL_PRECONDITION, "no such folder");
	for (int i = 0; i <= MAVEN_MAX; i++)
		at += (size_t)snprintf(many + at, sizeof(many) - at, "https://a.example,");
	refused(many, CL_USAGE, "at most 16");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer, "https://", 8);
	refused(longer, CL_USAGE, "at most");
}

static void test_which_recipes_take_it(void **state)
{
	assert_true(maven_is_wanted("FROM x\nCOPY maven/ /usr/share/codinglab/maven/\nRUN y\n"));
	assert_false(maven_is_wanted("FROM x\n# COPY maven/ there\nRUN install-packages maven\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none), cmocka_unit_test(test_order_is_kept),
	    cmocka_unit_test(test_plain_http_only_where_it_was_written),
	    cmocka_unit_test(test_what_is_no_repository), cmocka_unit_test(test_which_recipes_take_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
