/*
 * Stacks that are added and removed on disk: one that is whole is known at once; whatever is wrong
 * with it is said by file and field and leaves the disk as it was, also where another stood before.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <sodium.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/stacks.h"
#include "engine/stacks_put.h"

static char dir[64];
static struct cl_err err;

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/cl-put-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("CODINGLAB_STATE", dir, 1);
	setenv("CODINGLAB_IMAGES_DIR", CL_SOURCE "/images", 1);
	assert_int_equal(config_load("/dev/null", NULL, NULL, NULL), 0);
	err_clear(&err);
	cl_autofree char *where = stacks_dir();

	return mkdir(where, 0755);
}

static int teardown(void **state)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line); /* our own temporary folder */
}

static json_t *file(const char *path, const char *text, size_t n, bool exec)
{
	size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
	cl_autofree char *data = mem_alloc(size);

	sodium_bin2base64(data, size, (const unsigned char *)text, n, sodium_base64_VARIANT_ORIGINAL);
	return json_pack("{s:s, s:b, s:s}", "path", path, "exec", (int)exec, "data", data);
}

static json_t *text_file(const char *path, const char *text)
{
	return file(path, text, strlen(text), false);
}

/* A whole stack of this id, upon python; more goes into its stack.json. */
static json_t *stack_of(const char *id, const char *more)
{
	cl_autofree char *json = mem_printf("{\"id\":\"%s\",\"title\":\"T\",\"kind\":\"language\",\"summary\":\"\","
	    "\"parent\":\"python\",\"images\":{\"dev\":{\"id\":\"%s\",\"file\":\"Containerfile\",\"parent\":\"python\"},"
	    "\"run\":{\"id\":\"%s-run\",\"file\":\"Containerfile.run\",\"parent\":\"python-run\"}},"
	    "\"commands\":{\"run\":[\"a\"],\"serve\":[\"b\"]},\"port\":8000,\"health\":\"/\"%s}", id, id, id, more);
	json_t *list = json_array();

	json_array_append_new(list, text_file("stack.json", json));
	json_array_append_new(list, text_file("Containerfile", "FROM localhost/codinglab/python\n"));
	json_array_append_new(list, text_file("Containerfile.run", "FROM localhost/codinglab/python-run\n"));
	return list;
}

/* Add these files (stolen) to what is known; the error is left in err. */
static bool add(json_t *files, bool force, char id[NAME_SIZE])
{
	struct stacks_put p = {.now = stacks_read(NULL, NULL, NULL, NULL), .files = files, .force = force};
	bool ok;

	err_clear(&err);
	ok = stacks_put_add(&p, &err) == 0;
	if (ok && !stack_find(p.made, p.id))
		fail_msg("%s was added and is not known", p.id);
	if (id)
		memcpy(id, p.id, sizeof(p.id));
	stacks_give(p.made);
	stacks_give(p.now);
	json_decref(files);
	return ok;
}

static void added(json_t *files, bool force)
{
	if (!add(files, force, NULL))
		fail_msg("%s", err.message);
}

/* Everything beneath the folder of stacks, sorted: nothing is left behind by what failed. */
static void disk_is(const char *want)
{
	cl_autofree char *where = stacks_dir();
	struct dirent **names;
	char got[512] = "";
	int n = scandir(where, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ", names[i]->d_name);
		mem_free(names[i]);
	}
	mem_free(names);
	assert_string_equal(got, want);
}

static void refused(json_t *files, bool force, enum cl_code code, const char *why)
{
	if (add(files, force, NULL))
		fail_msg("taken, though \"%s\"", why);
	if (err.code != code || !strstr(err.message, why))
		fail_msg("\"%s\" (%d) instead of \"%s\"", err.message, err.code, why);
}

static char *on_disk(const char *path)
{
	cl_autofree char *where = stacks_dir();
	cl_autoclose int root = path_root(where, NULL);
	size_t n;

	return path_read(root, path, 1 << 20, &n, NULL);
}

static void a_whole_stack_is_known_at_once(void **state)
{
	json_t *files = stack_of("mine", "");
	cl_autofree char *where = stacks_dir(), *path = mem_printf("%s/mine/template/bin/go", where);
	cl_autofree char *text = NULL;
	char id[NAME_SIZE];
	struct stat st;

	json_array_append_new(files, file("template/bin/go", "#!/bin/sh\n", 10, true));
	json_array_append_new(files, file("template/zero", "a\0b", 3, false));
	assert_true(add(files, false, id));
	assert_string_equal(id, "mine");
	disk_is("mine ");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	text = on_disk("mine/Containerfile");
	assert_string_equal(text, "FROM localhost/codinglab/python\n");
}

static void another_of_that_name_needs_force(void **state)
{
	cl_autofree char *text = NULL;
	json_t *files;

	added(stack_of("mine", ""), false);
	refused(stack_of("mine", ""), false, CL_CONFLICT, "stack mine: there is one of that name");
	assert_non_null(strstr(err.hint, "--force"));
	files = stack_of("mine", "");
	json_array_append_new(files, text_file("note", "second"));
	added(files, true);
	text = on_disk("mine/note");
	assert_string_equal(text, "second");
	/* one that fails leaves the second as it is */
	refused(stack_of("mine", ",\"nonsense\":1"), true, CL_USAGE, "nonsense");
	mem_free(text);
	text = on_disk("mine/note");
	assert_string_equal(text, "second");
	disk_is("mine ");
}

static void those_of_the_platform_are_never_replaced(void **state)
{
	refused(stack_of("django", ""), false, CL_FORBIDDEN, "it came with the platform");
	refused(stack_of("django", ""), true, CL_FORBIDDEN, "it came with the platform");
	refused(stack_of("web", ""), true, CL_FORBIDDEN, "it came with the platform");
	disk_is("");
}

static void what_is_wrong_is_said_by_file_and_field(void **state)
{
	static const struct {
		const char *more, *why;
	} rows[] = {
	    {",\"port\":1", "stack.json: "}, {",\"env\":7", "stack.json: env"},
	    {",\"db\":\"oracle\"", "oracle"}, {",\"versions\":{\"x\":7}", "stack.json: versions"},
	    {",\"commands\":{}", "stack.json: "},
	};
	json_t *files;

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		refused(stack_of("mine", rows[i].more), false, CL_USAGE, rows[i].why);
		if (strstr(err.message, dir))
			fail_msg("a path of this machine: %s", err.message);
		disk_is("");
	}
	files = stack_of("mine", "");
	json_array_remove(files, 2);
	refused(files, false, CL_USAGE, "Containerfile.run is not in the folder");
	files = stack_of("mine", "");
	json_array_remove(files, 0);
	refused(files, false, CL_USAGE, "stack.json is missing");
	files = json_array();
	json_array_append_new(files, text_file("stack.json", "{\"id\":\"../x\"}"));
	refused(files, false, CL_USAGE, "id: must be");
	files = json_array();
	json_array_append_new(files, text_file("stack.json", "{\n\"id\": }"));
	refused(files, false, CL_USAGE, "stack.json: line 2");
	disk_is("");
}

static void paths_of_strangers_stay_in_the_folder(void **state)
{
	static const char *const bad[] = {"../evil", "/etc/evil", "a/../../evil", "a//b", "./a", "a/.", "a/", "..",
	    "a\\b", "a\nb", "a\x7f", "1/2/3/4/5/6/7/8/9"};
	json_t *files;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		files = stack_of("mine", "");
		json_array_append_new(files, text_file(bad[i], "x"));
		if (add(files, false, NULL))
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(err.code, CL_USAGE);
		disk_is("");
	}
	files = stack_of("mine", "");
	json_array_append_new(files, text_file("Containerfile", "twice"));
	refused(files, false, CL_USAGE, "stands there twice");
	files = stack_of("mine", "");
	json_array_append_new(files, text_file("Containerfile/x", "a file as a folder"));
	refused(files, false, CL_USAGE, "Containerfile");
	files = stack_of("mine", "");
	json_array_append_new(files, json_pack("{s:s, s:s}", "path", "x", "data", "no base64!"));
	refused(files, false, CL_USAGE, "x: data: is no base64");
	disk_is("");
}

static void ceilings(void **state)
{
	cl_autofree char *big = mem_alloc(STACKS_PUT_FILE_MAX + 1);
	json_t *files = stack_of("mine", "");
	char name[32];

	json_array_append_new(files, file("big", big, STACKS_PUT_FILE_MAX + 1, false));
	refused(files, false, CL_TOO_LARGE, "big: larger than 1 MiB");
	files = stack_of("mine", "");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "big%d", i);
		json_array_append_new(files, file(name, big, STACKS_PUT_FILE_MAX - 1000, false));
	}
	refused(files, false, CL_TOO_LARGE, "more than 4 MiB");
	disk_is("");
}

static bool removes(const char *id)
{
	struct stacks_put p = {.now = stacks_read(NULL, NULL, NULL, NULL)};
	bool ok;

	mem_copy_str(p.id, sizeof(p.id), id);
	err_clear(&err);
	ok = stacks_put_remove(&p, &err) == 0;
	if (ok && stack_find(p.made, id))
		fail_msg("%s is known still", id);
	stacks_give(p.made);
	stacks_give(p.now);
	return ok;
}

static void removal_may_be_taken_back_until_the_folders_are_swept(void **state)
{
	struct stacks_put p = {.now = NULL};

	added(stack_of("mine", ""), false);
	assert_true(removes("mine"));
	disk_is(".old ");
	mem_copy_str(p.id, sizeof(p.id), "mine");
	assert_int_equal(stacks_put_take_back(&p, &err), 0);
	assert_true(removes("mine"));
	stacks_put_sweep();
	disk_is("");
	assert_int_equal(stacks_put_take_back(&p, &err), -1);
	assert_false(removes("mine"));
	assert_false(removes("never-there"));
}

/* One that stands on another holds it. */
static void what_others_stand_on_stays(void **state)
{
	cl_autofree char *json = mem_strdup("{\"id\":\"child\",\"title\":\"T\",\"kind\":\"framework\",\"summary\":\"\","
	    "\"parent\":\"mine\",\"images\":{\"dev\":{\"id\":\"child\",\"file\":\"Containerfile\",\"parent\":\"mine\"},"
	    "\"run\":{\"id\":\"child-run\",\"file\":\"Containerfile\",\"parent\":\"mine-run\"}},"
	    "\"commands\":{\"run\":[\"a\"],\"serve\":[\"b\"]},\"port\":8000,\"health\":\"/\"}");
	json_t *files = json_array();

	added(stack_of("mine", ""), false);
	json_array_append_new(files, text_file("stack.json", json));
	json_array_append_new(files, text_file("Containerfile", "FROM localhost/codinglab/mine\n"));
	added(files, false);
	assert_false(removes("mine"));
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "stack child needs it"));
	disk_is("child mine ");
	added(stack_of("mine", ""), true); /* it may be replaced by one that serves as well */
	assert_true(removes("child"));
	assert_true(removes("mine"));
}

/* What a kill left behind is no stack, and goes. */
static void leavings_of_a_kill_are_no_stacks(void **state)
{
	cl_autofree char *where = stacks_dir(), *left = mem_printf("%s/.new", where);
	cl_autofree char *deep = mem_printf("%s/half", left);
	const struct stack_set *set;

	assert_int_equal(mkdir(left, 0755), 0);
	assert_int_equal(mkdir(deep, 0755), 0);
	set = stacks_read(NULL, NULL, NULL, &err);
	assert_non_null(set);
	assert_null(stack_find(set, "half"));
	stacks_give(set);
	added(stack_of("mine", ""), false);
	disk_is("mine ");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_whole_stack_is_known_at_once), T(another_of_that_name_needs_force),
	    T(those_of_the_platform_are_never_replaced), T(what_is_wrong_is_said_by_file_and_field),
	    T(paths_of_strangers_stay_in_the_folder), T(ceilings),
	    T(removal_may_be_taken_back_until_the_folders_are_swept), T(what_others_stand_on_stays),
	    T(leavings_of_a_kill_are_no_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
