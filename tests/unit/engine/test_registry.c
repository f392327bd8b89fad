/* Learning package registries from what stacks' commands print. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/registry.h"

static char dir[64];
static const char *const *says; /* lines of the command, NULL-terminated */
static int status, runs;
static struct backend_spec asked;
static bool over;

static int run(struct backend *b, const struct backend_spec *spec, const struct backend_job *job,
    int *out, struct cl_err *err)
{
	runs++;
	asked = *spec;
	for (size_t i = 0; says[i]; i++)
		job->line(job->arg, says[i], strlen(says[i]));
	*out = status;
	return 0;
}

static bool is_over(void *arg)
{
	return over;
}

static const struct backend_ops ops = {.name = "test", .run = run};
static struct backend backend = {.ops = &ops};
static char python[] = "python3";
static char *command[] = {python, NULL};
static char **commands[] = {command};
static struct stack stack = {.id = "python", .dev = {.id = "python"}, .registries = commands,
    .nregistries = 1};
static struct stack_set set = {&stack, 1};
static struct backend_image image = {.id = "python", .digest = "sha256:aa"};
static struct backend_images there = {&image, 1};

static int begin(void **state)
{
	char program[] = "test", *argv[] = {program, NULL}, path[96];
	struct cl_err err = {0};
	int argc = 1;

	mem_copy_str(dir, sizeof(dir), "/tmp/cl-registry-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/registries", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	setenv("CODINGLAB_PROXY_DIR", dir, 1);
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
	status = runs = 0;
	over = false;
	mem_copy_str(image.digest, sizeof(image.digest), "sha256:aa");
	return 0;
}

static int remove_cb(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int end(void **state)
{
	return nftw(dir, remove_cb, 8, FTW_DEPTH | FTW_PHYS);
}

static void learn(void)
{
	registry_learn(&backend, &set, &there, is_over, NULL);
}

/* The stack's file, "" when it is not there. */
static const char *file(void)
{
	static char text[4096];
	cl_autofree char *path = mem_printf("%s/registries/python", dir);
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static void test_hosts_of_the_urls(void **state)
{
	static const char *const lines[] = {"https://index.example/simple https://files.example:8443/", "",
	    "http://Other.Example,direct|https://third.example/a?b#c", NULL};

	says = lines;
	learn();
	assert_string_equal(file(), "# sha256:aa\nindex.example\nfiles.example\nother.example\nthird.example\n");
	/* in a container without network and rights, as nobody */
	assert_string_equal(asked.name, "op-registries-python");
	assert_string_equal(asked.network, "");
	assert_true(asked.uid >= 1000);
	assert_int_equal(asked.project, 0);
}

static void test_what_is_no_host_is_left_out(void **state)
{
	static const char *const lines[] = {"https://127.0.0.1/ https://[::1]/ https://localhost/ ftp://a.example",
	    "https://", "https://a b.example", "https://x/\r\nevil.example", "just words", NULL};

	says = lines;
	learn();
	assert_string_equal(file(), "# sha256:aa\n");
}

static void test_asked_once_for_an_image(void **state)
{
	static const char *const one[] = {"https://one.example", NULL}, *const two[] = {"https://two.example", NULL};

	says = one;
	learn();
	says = two;
	learn();
	assert_int_equal(runs, 1);
	assert_non_null(strstr(file(), "one.example"));
	mem_copy_str(image.digest, sizeof(image.digest), "sha256:bb");
	learn();
	assert_int_equal(runs, 2);
	assert_string_equal(file(), "# sha256:bb\ntwo.example\n");
}

static void test_a_failure_changes_nothing(void **state)
{
	static const char *const lines[] = {"https://one.example", NULL};

	says = lines;
	status = 1;
	learn();
	assert_string_equal(file(), "");
	status = 0;
	learn();
	assert_non_null(strstr(file(), "one.example"));
}

static void test_only_images_that_are_there(void **state)
{
	static const char *const lines[] = {"https://one.example", NULL};

	says = lines;
	over = true;
	learn();
	over = false;
	mem_copy_str(image.id, sizeof(image.id), "django");
	learn();
	mem_copy_str(image.id, sizeof(image.id), "python");
	assert_int_equal(runs, 0);
	assert_string_equal(file(), "");
}

/* Builds of a lab that has just been started wait for this. */
static void test_missing_until_learned(void **state)
{
	static const char *const lines[] = {"https://one.example", NULL};
	struct stack without = {.id = "python", .dev = {.id = "python"}};
	char program[] = "test", open[] = "--build-network=open", *argv[] = {program, open, NULL};
	struct cl_err err = {0};
	int argc = 2;

	says = lines;
	assert_true(registry_is_missing(&stack));
	assert_false(registry_is_missing(&without));
	status = 1;
	learn();
	assert_true(registry_is_missing(&stack));
	status = 0;
	learn();
	assert_false(registry_is_missing(&stack));
	mem_copy_str(image.digest, sizeof(image.digest), "sha256:bb"); /* those of the image before serve meanwhile */
	assert_false(registry_is_missing(&stack));
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
	stack.id[0] = 'P';
	assert_false(registry_is_missing(&stack)); /* nothing is refused: nothing to wait for */
	stack.id[0] = 'p';
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_hosts_of_the_urls, begin, end),
	    cmocka_unit_test_setup_teardown(test_what_is_no_host_is_left_out, begin, end),
	    cmocka_unit_test_setup_teardown(test_asked_once_for_an_image, begin, end),
	    cmocka_unit_test_setup_teardown(test_a_failure_changes_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(test_only_images_that_are_there, begin, end),
	    cmocka_unit_test_setup_teardown(test_missing_until_learned, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
