/* The bases: the table that comes with the platform fits its stacks; broken ones are refused by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "images/bases.h"

#define ROW(id, more) "{\"id\":\"" id "\",\"title\":\"T\",\"family\":\"debian\",\"suite\":\"s\"," \
	"\"components\":\"main\"," more "\"stacks\":[\"*\"]}"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cl-bases-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	cl_autofree char *path = mem_printf("%s/bases.json", dir);

	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static int load(struct bases *b, const char *rows, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/bases.json", dir);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	(void)fprintf(f, "{\"bases\":[%s]}", rows);
	(void)fclose(f);
	memset(err, 0, sizeof(*err));
	return bases_load(b, dir, err);
}

static void ours(struct bases *b, struct stack_set *set)
{
	struct cl_err err = { 0 };

	assert_int_equal(bases_load(b, CL_SOURCE "/images", &err), 0);
	assert_int_equal(stack_load(set, CL_SOURCE "/images", &err), 0);
}

static void every_row_names_stacks_that_are_there_with_their_parents(void **state)
{
	struct cl_err err = { 0 };
	struct stack_set set;
	struct bases b;

	(void)state;
	ours(&b, &set);
	for (size_t i = 0; i < b.n; i++)
		if (bases_check(&b.items[i], &set, &err) != 0)
			fail_msg("%s", err.message);
	assert_non_null(bases_find(&b, "debian-13", &err));
	assert_null(bases_find(&b, "fedora", &err));
	assert_int_equal(err.code, CL_USAGE);
	assert_non_null(strstr(err.hint, "debian-13, debian-12, ubuntu-24.04, rocky-9"));
	stack_clear(&set);
	bases_clear(&b);
}

static void a_base_refuses_what_it_does_not_name(void **state)
{
	struct cl_err err = { 0 };
	struct stack_set set;
	struct bases b;

	(void)state;
	ours(&b, &set);
	bases_apply(bases_find(&b, "debian-12", &err), &set);
	assert_null(stack_find(&set, "python")->refused);
	assert_non_null(stack_find_new(&set, "python", &err));
	assert_null(stack_find_new(&set, "php", &err));
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_non_null(strstr(err.message, "php: it does not build on Debian 12 (bookworm): "));
	assert_non_null(strstr(err.hint, "It has python. The operator may choose another base"));
	memset(&err, 0, sizeof(err));
	assert_null(stack_find_choice(&set, "nosuch", &err)); /* only what can be had is proposed */
	assert_null(strstr(err.hint, "php"));
	assert_non_null(strstr(err.hint, "python"));
	assert_non_null(stack_find_choice(&set, "php", &err)); /* a project that has it goes on */
	bases_apply(bases_find(&b, "debian-13", &err), &set);
	assert_non_null(stack_find_new(&set, "php", &err));
	bases_apply(bases_find(&b, "rocky-9", &err), &set);
	assert_null(stack_find(&set, "tools")->refused);
	assert_non_null(stack_find(&set, "build")->refused);
	stack_clear(&set);
	bases_clear(&b);
}

static void an_added_stack_builds_where_its_parents_do(void **state)
{
	struct cl_err err = { 0 };
	struct stack_set set;
	struct stack *django = NULL;
	struct bases b;

	(void)state;
	ours(&b, &set);
	for (size_t i = 0; i < set.n; i++)
		if (strcmp(set.items[i].id, "django") == 0)
			django = &set.items[i];
	django->added = true;
	bases_apply(bases_find(&b, "ubuntu-24.04", &err), &set);
	assert_null(django->refused); /* it is FROM python */
	bases_apply(bases_find(&b, "rocky-9", &err), &set);
	assert_non_null(django->refused);
	stack_clear(&set);
	bases_clear(&b);
}

static void broken_tables_are_refused_by_field(void **state)
{
	static const struct { const char *rows, *says; } bad[] = {
	    {"", "bases: must be a list"},
	    {ROW("a-1", "") "," ROW("a-1", ""), "id: a-1 is there twice"},
	    {ROW("fedora", ""), "id: fedora"}, {ROW("../a-1", ""), "id: ../a-1"},
	    {ROW("a-1", "\"keyring\":\"/x;id\","), "a-1: suite, components and keyring"},
	    {ROW("a-1", "\"colour\":\"red\","), "colour: no such field"},
	    {"{\"id\":\"a-1\",\"title\":\"T\",\"family\":\"slack\",\"suite\":\"s\",\"components\":\"main\","
	     "\"stacks\":[\"*\"]}", "family: slack"},
	    {"{\"id\":\"a-1\",\"title\":\"T\",\"family\":\"rpm\",\"suite\":\"s\",\"components\":\"main\"}", "stacks"},
	};
	struct cl_err err;
	struct bases b;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		assert_int_equal(load(&b, bad[i].rows, &err), -1);
		if (strstr(err.message, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].says, err.message);
	}
	assert_int_equal(load(&b, ROW("a-1", ""), &err), 0);
	bases_clear(&b);
}

static void a_mirror_is_a_url_without_a_password(void **state)
{
	static const char *const good[] = {"http://mirror.example/ubuntu", "https://10.0.0.1:8080/x,http://b/y"};
	static const char *const bad[] = {"ftp://a/b", "file:///srv/mirror", "http://", "http://a b", "a", "http://a/,b",
	    "http://x/$(id)", "https://u:p@a/b", "http://a/b,http://u@c/d", "http://a/\nDeb x"};
	struct base own = {.title = "T", .own_apt = true}, other = {.title = "T"};
	struct cl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(good); i++)
		assert_int_equal(bases_check_mirror(&other, good[i], NULL), 0);
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (bases_check_mirror(&other, bad[i], NULL) == 0)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(bases_check_mirror(&own, "", NULL), 0);
	assert_int_equal(bases_check_mirror(&other, "", &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_non_null(strstr(err.hint, "images.from"));
}

static void a_shell_reads_the_row(void **state)
{
	struct base b = {.id = "a-1", .family = "debian", .suite = "s", .components = "main universe",
	    .keyring = "/k.gpg"};
	struct cl_err err = { 0 };
	char text[512] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(bases_print(&b, "http://m/x", "", f, &err), 0);
	(void)fclose(f);
	assert_string_equal(text, "BASE=a-1\nFAMILY=debian\nSUITE=s\nCOMPONENTS='main universe'\n"
	    "MIRROR=http://m/x\nKEYRING='/k.gpg'\n");
	f = fmemopen(text, sizeof(text), "w");
	assert_int_equal(bases_print(&b, "", "keys'; id", f, &err), -1);
	assert_int_equal(bases_print(&b, "", "/keys'; id", f, NULL), -1);
	(void)fclose(f);
	assert_non_null(strstr(err.message, "images.keyring"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(every_row_names_stacks_that_are_there_with_their_parents), T(a_base_refuses_what_it_does_not_name),
	    T(an_added_stack_builds_where_its_parents_do), T(broken_tables_are_refused_by_field),
	    T(a_mirror_is_a_url_without_a_password), T(a_shell_reads_the_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
