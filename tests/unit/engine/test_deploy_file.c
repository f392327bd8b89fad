/* Which file of a project is built instead of its stack, what the backend is asked for then, and what is said of its failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/deploy_file.h"

/* A workspace of two files at most, and the last request to build. */
static struct {
	const char *name, *text;
} files[2];
static enum cl_code unreadable; /* what reading says instead */
static struct backend_file asked;
static char wanted[8][64], asked_for[128];
static size_t nwanted;
static int port, builds;

static int workspace_read(struct backend *b, int64_t project, uint32_t uid, const char *name, size_t max, struct buf *out,
    struct cl_err *err)
{
	assert_int_equal(project, 7);
	assert_int_equal(uid, 1234);
	snprintf(asked_for + strlen(asked_for), sizeof(asked_for) - strlen(asked_for), "%s ", name);
	if (unreadable)
		return err_set(err, unreadable, "%s: cannot be read", name);
	for (size_t i = 0; i < CL_COUNT(files); i++)
		if (files[i].name && strcmp(files[i].name, name) == 0)
			return buf_add_str(out, files[i].text);
	return err_set(err, CL_NOT_FOUND, "%s: is not there", name);
}

static int build_file(struct backend *b, const struct backend_file *spec, const struct backend_job *job,
    struct backend_file_made *out, struct cl_err *err)
{
	asked = *spec;
	builds++;
	for (nwanted = 0; spec->images[nwanted]; nwanted++)
		mem_copy_str(wanted[nwanted], sizeof(wanted[0]), spec->images[nwanted]);
	assert_int_equal(strlen(spec->text), spec->len);
	if (port < 0)
		return err_set(err, CL_FAILED, "line 3: it failed");
	out->port = port;
	mem_copy_str(out->digest, sizeof(out->digest), "sha256:aa");
	return 0;
}

static const struct backend_ops ops = {.name = "test", .workspace_read = workspace_read, .build_file = build_file};
static struct backend backend = {.ops = &ops};
static struct deploy_file file;
static struct appfile app;
static struct cl_err err;

static void load(void)
{
	char program[] = "test", *argv[] = {program, NULL};
	int argc = 1;

	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
}

static int setup(void **state)
{
	unsetenv("CODINGLAB_BUILD_FROM");
	load();
	memset(files, 0, sizeof(files));
	memset(&asked, 0, sizeof(asked));
	memset(&err, 0, sizeof(err));
	asked_for[0] = '\0';
	unreadable = CL_OK;
	port = builds = 0;
	appfile_init(&app);
	return 0;
}

static int teardown(void **state)
{
	deploy_file_clear(&file);
	appfile_clear(&app);
	return 0;
}

static void has(const char *name, const char *text)
{
	size_t i = files[0].name != NULL;

	files[i].name = name;
	files[i].text = text;
}

static int find(void)
{
	return deploy_file_find(&file, &backend, 7, 1234, &app, &err);
}

static void found(const char *name, const char *text)
{
	assert_int_equal(find(), 0);
	assert_string_equal(file.name, name);
	assert_string_equal(file.text.data, text);
}

static void test_a_project_without_one(void **state)
{
	has("main.py", "print()");
	assert_int_equal(find(), 0);
	assert_string_equal(file.name, "");
	assert_string_equal(asked_for, "Containerfile Dockerfile ");
	assert_int_equal(err.code, CL_OK);
}

static void test_a_containerfile_comes_before_a_dockerfile(void **state)
{
	has("Dockerfile", "FROM base");
	found("Dockerfile", "FROM base");
	deploy_file_clear(&file);
	has("Containerfile", "FROM python");
	found("Containerfile", "FROM python");
}

static void test_the_one_that_the_project_names(void **state)
{
	has("Containerfile", "FROM python");
	has("deploy/prod.file", "FROM base");
	mem_copy_str(app.containerfile, sizeof(app.containerfile), "deploy/prod.file");
	found("deploy/prod.file", "FROM base");
	assert_string_equal(asked_for, "deploy/prod.file ");
}

static void test_one_that_is_named_must_be_there(void **state)
{
	has("Containerfile", "FROM python");
	mem_copy_str(app.containerfile, sizeof(app.containerfile), "gone");
	assert_int_equal(find(), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_string_equal(err.message, ".codinglab.json: containerfile: there is no gone");
}

static void test_a_project_may_say_that_it_has_none(void **state)
{
	has("Dockerfile", "FROM base");
	mem_copy_str(app.containerfile, sizeof(app.containerfile), "-");
	assert_int_equal(find(), 0);
	assert_string_equal(file.name, "");
	assert_string_equal(asked_for, ""); /* not even looked for */
}

/* What cannot be read is not "none": the stack would be built in its place, and nobody would know. */
static void test_one_that_cannot_be_read_is_told(void **state)
{
	has("Containerfile", "FROM python");
	unreadable = CL_FORBIDDEN;
	assert_int_equal(find(), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_string_equal(file.name, "");
	memset(&err, 0, sizeof(err));
	unreadable = CL_TIMEOUT;
	mem_copy_str(app.containerfile, sizeof(app.containerfile), "it");
	assert_int_equal(find(), -1);
	assert_int_equal(err.code, CL_TIMEOUT);
}

static int build(char digest[128])
{
	static struct stack stacks[] = {
	    {.id = "python", .dev = {.id = "python"}, .run = {.id = "python-run"}},
	    {.id = "web", .run = {.id = "web"}},
	};
	static const struct stack_set set = {stacks, CL_COUNT(stacks)};
	const struct backend_build spec = {.id = "app/p7", .project = 7, .op = 31, .memory = 1 << 30};

	digest[0] = '\0';
	return deploy_file_build(&file, &backend, &set, &spec, NULL, digest, 128, &err);
}

static void test_it_is_built_from_images_of_the_lab(void **state)
{
	char digest[128];

	has("Containerfile", "FROM python\nEXPOSE 9000\n");
	port = 9000;
	assert_int_equal(find(), 0);
	assert_int_equal(build(digest), 0);
	assert_string_equal(digest, "sha256:aa");
	assert_int_equal(file.port, 9000);
	assert_string_equal(asked.id, "app/p7");
	assert_int_equal(asked.project, 7);
	assert_int_equal(asked.op, 31);
	assert_int_equal(asked.memory, 1 << 30);
	assert_false(asked.any);
	assert_int_equal(nwanted, 3); /* a service has no dev image */
	assert_string_equal(wanted[0], "python");
	assert_string_equal(wanted[1], "python-run");
	assert_string_equal(wanted[2], "web");
}

static void test_registries_only_where_the_operator_says_so(void **state)
{
	char digest[128];

	setenv("CODINGLAB_BUILD_FROM", "any", 1);
	load();
	has("Containerfile", "FROM registry.example/x");
	assert_int_equal(find(), 0);
	assert_int_equal(build(digest), 0);
	assert_true(asked.any);
}

static void test_a_build_that_fails(void **state)
{
	char digest[128];

	port = -1;
	has("Containerfile", "FROM python\nRUN false");
	assert_int_equal(find(), 0);
	assert_int_equal(build(digest), -1);
	assert_string_equal(err.message, "line 3: it failed");
	assert_string_equal(digest, "");
	assert_int_equal(file.port, 0);
	assert_int_equal(builds, 1);
}

static void test_an_empty_file_is_one(void **state)
{
	char digest[128];

	has("Containerfile", "");
	assert_int_equal(find(), 0);
	assert_string_equal(file.name, "Containerfile");
	assert_int_equal(build(digest), 0); /* the backend says what is missing in it */
	assert_int_equal(asked.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_project_without_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_containerfile_comes_before_a_dockerfile, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_one_that_the_project_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_that_is_named_must_be_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_project_may_say_that_it_has_none, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_that_cannot_be_read_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_is_built_from_images_of_the_lab, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_registries_only_where_the_operator_says_so, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_build_that_fails, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_an_empty_file_is_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
