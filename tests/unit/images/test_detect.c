/* Which stack a tree is taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "images/detect.h"

static const char *content;

static const char *read_cb(void *arg, const char *name)
{
	return content;
}

static const char *guess(const char *names, const char *text, char *file)
{
	const struct detect_row *r;

	content = text;
	r = detect_stack(names, read_cb, NULL, file);
	return r ? r->stack : "";
}

static void guesses(void **state)
{
	static const char *const rows[][4] = {
	    {"README\nmanage.py\n", "from django.core", "django", "manage.py"},
	    {"manage.py\n", "import flask", "python", "manage.py"},
	    {"pom.xml\nsrc\n", "<artifactId>spring-boot-starter", "spring", "pom.xml"},
	    {"pom.xml\n", "struts2-core", "struts", "pom.xml"},
	    {"pom.xml\n", "org.EgovFrame.rte", "egov", "pom.xml"},
	    {"pom.xml\n", "junit", "java", "pom.xml"},
	    {"Gemfile\nconfig.ru\n", "gem \"rails\", \"~> 7\"", "rails", "Gemfile"},
	    {"Gemfile\n", "gem 'sinatra'", "ruby", "Gemfile"},
	    {"artisan\ncomposer.json\n", "laravel/framework", "laravel", "artisan"},
	    {"composer.json\n", "{}", "php", "composer.json"},
	    {"package.json\n", "{\"dependencies\":{\"express\":\"5\"}}", "express", "package.json"},
	    {"package.json\n", "{}", "node", "package.json"},
	    {"go.mod\nmain.go\n", "module x", "go", "go.mod"},
	    {"CMakeLists.txt\nmain.c\n", "", "c", "CMakeLists.txt"},
	    {"Makefile\nmain.c\n", "", "c", "main.c"},
	    {"requirements.txt\n", "Django==5\n", "django", "requirements.txt"},
	    {"requirements.txt\n", "flask\n", "python", "requirements.txt"},
	    {"hello.rb\n", NULL, "ruby", "hello.rb"},
	    {"README\n.py\n", NULL, "", ""},
	    {"", NULL, "", ""},
	};
	char file[256];

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		assert_string_equal(guess(rows[i][0], rows[i][1], file), rows[i][2]);
		assert_string_equal(file, rows[i][3]);
	}
	assert_string_equal(guess("pom.xml", NULL, NULL), "java"); /* it cannot be read: still Java */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(guesses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
