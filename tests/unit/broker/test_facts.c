/* What is read out of an image and written onto it as labels; and recipes' hashes. */
#include <fcntl.h>
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

#include "base/buf.h"
#include "base/mem.h"
#include "engine/broker/image_facts.h"
#include "engine/broker/recipe.h"

static char dir[64];
static struct broker b;

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	char path[256];

	snprintf(dir, sizeof(dir), "/tmp/cl-facts-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	memset(&b, 0, sizeof(b));
	snprintf(b.place.images, sizeof(b.place.images), "%s", dir);
	snprintf(b.place.rootfs, sizeof(b.place.rootfs), "%s/rootfs.tar", dir);
	snprintf(path, sizeof(path), "%s/one", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/base", dir);
	mkdir(path, 0755);
	put("one/Containerfile", "FROM localhost/codinglab/base\nRUN true\n");
	put("one/Containerfile.run", "FROM localhost/codinglab/base\nRUN true\n");
	put("base/Containerfile", "FROM localhost/codinglab/rootfs\n");
	return 0;
}

static int teardown(void **state)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line); /* our own temporary folder */
}

static void hash_of(const char *folder, const char *file, char out[65])
{
	struct cl_err err = {0};
	struct recipe r;

	if (recipe_load(&r, &b, folder, file, &err) < 0)
		fail_msg("%s", err.message);
	memcpy(out, r.hash, 65);
	recipe_clear(&r);
}

static void a_hash_changes_with_what_the_image_is_made_of(void **state)
{
	char a[65], c[65];

	hash_of("one", "Containerfile", a);
	hash_of("one", "Containerfile", c);
	assert_string_equal(a, c);
	hash_of("one", "Containerfile.run", c);
	assert_string_not_equal(a, c); /* the same text, another image */
	put("one/file", "x");
	hash_of("one", "Containerfile", c);
	assert_string_not_equal(a, c);
	hash_of("base", "Containerfile", a);
	put("rootfs.tar", "another");
	hash_of("base", "Containerfile", c);
	assert_string_not_equal(a, c);
}

static json_t *labels_of(const char *folder, const char *file, const char *parent)
{
	char hash[65];

	hash_of("one", "Containerfile", hash);
	return json_pack("{s:s, s:s, s:s, s:s}", RECIPE_LABEL, hash, RECIPE_FOLDER, folder, RECIPE_FILE, file,
	    RECIPE_PARENT_DIGEST, parent);
}

static void an_image_is_current_until_recipe_or_parent_changes(void **state)
{
	static const char *const hostile[] = {"../one", "one/../one", "/etc", "", "One", "."};
	json_t *labels = labels_of("one", "Containerfile", "sha256:aa");

	assert_true(recipe_is_current(&b, labels, "sha256:aa"));
	assert_false(recipe_is_current(&b, labels, "sha256:bb"));
	put("one/more", "y");
	assert_false(recipe_is_current(&b, labels, "sha256:aa"));
	json_decref(labels);
	for (size_t i = 0; i < CL_COUNT(hostile); i++) {
		labels = labels_of(hostile[i], "Containerfile", "");
		assert_false(recipe_is_current(&b, labels, ""));
		json_decref(labels);
	}
	labels = labels_of("one", "../Containerfile", "");
	assert_false(recipe_is_current(&b, labels, ""));
	json_decref(labels);
	labels = json_object(); /* built before there were such labels */
	assert_false(recipe_is_current(&b, labels, ""));
	json_decref(labels);
}

/* What is remembered of a recipe must not outlive it, whatever the change looks like. */
static void what_is_remembered_ends_with_every_change(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	json_t *labels, *run;
	char path[256];

	put("one/file", "aaaa");
	mkdir((snprintf(path, sizeof(path), "%s/one/sub", dir), path), 0755);
	put("one/sub/deep", "x");
	snprintf(path, sizeof(path), "%s/one/file", dir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	labels = labels_of("one", "Containerfile", "");
	run = labels_of("one", "Containerfile.run", "");
	sleep(3); /* only what has been left alone for a while is remembered */
	for (int i = 0; i < 3; i++)
		assert_true(recipe_is_current(&b, labels, ""));
	assert_false(recipe_is_current(&b, run, "")); /* another file of it: its own hash */
	put("one/file", "bbbb"); /* as long, and as old as before */
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_false(recipe_is_current(&b, labels, ""));
	put("one/file", "aaaa");
	assert_true(recipe_is_current(&b, labels, ""));
	put("one/sub/deep", "y");
	assert_false(recipe_is_current(&b, labels, ""));
	put("one/sub/deep", "x");
	assert_true(recipe_is_current(&b, labels, ""));
	chmod(path, 0755);
	assert_false(recipe_is_current(&b, labels, ""));
	chmod(path, 0644);
	put("one/.hidden", "no part of it");
	assert_true(recipe_is_current(&b, labels, ""));
	unlink((snprintf(path, sizeof(path), "%s/one/sub/deep", dir), path));
	assert_false(recipe_is_current(&b, labels, ""));
	json_decref(labels);
	json_decref(run);
}

/* The script really runs, here, with words that a shell would like to read otherwise. */
static char *printed(const char *stack)
{
	json_t *j = json_loads(stack, 0, NULL);
	cl_autofree char *script = image_facts_script(j);
	struct buf out;
	char part[4096];
	size_t n;
	FILE *p;

	json_decref(j);
	put("script", script);
	snprintf(part, sizeof(part), "sh %s/script", dir);
	p = popen(part, "r");
	assert_non_null(p);
	buf_init(&out, 1 << 20);
	while ((n = fread(part, 1, sizeof(part), p)) > 0)
		buf_add(&out, part, n);
	assert_int_equal(pclose(p), 0);
	return buf_take(&out, NULL);
}

static void versions_are_asked_word_by_word(void **state)
{
	cl_autofree char *text = printed("{\"versions\":{"
	    "\"one\":[\"printf\",\"%s\\\\n\",\"it's $HOME `id` 1.2\"],"
	    "\"two\":[\"sh\",\"-c\",\"echo >&2; echo 3.4 >&2; exit 1\"],"
	    "\"none\":[\"/nonexistent/program\"],"
	    "\"bad name\":[\"echo\",\"never\"]}}");
	json_t *o = image_facts_read(text);

	assert_string_equal(json_string_value(json_object_get(o, "codinglab.version.one")), "it's  HOME  id  1.2");
	assert_string_equal(json_string_value(json_object_get(o, "codinglab.version.two")), "3.4");
	assert_null(strstr(text, "never"));
	assert_non_null(json_object_get(o, "codinglab.packages")); /* this is a Debian */
	json_decref(o);
}

static void what_an_image_says_becomes_labels_and_nothing_else(void **state)
{
	json_t *o = image_facts_read("p tini=0.19\np zlib1g=1:1.3\"\\$x`\nl egov.rte=absent\nl no equal sign\n"
	    "l EVIL KEY=1\nl k=a\"\nv java=openjdk 21\n\ngarbage\nv =x\n");
	cl_autofree char *recipe = image_facts_recipe("localhost/codinglab/egov", o);

	assert_string_equal(json_string_value(json_object_get(o, "codinglab.packages")),
	    "tini=0.19 zlib1g=1:1.3   x ");
	assert_string_equal(json_string_value(json_object_get(o, "codinglab.egov.rte")), "absent");
	assert_string_equal(json_string_value(json_object_get(o, "codinglab.version.java")), "openjdk 21");
	assert_int_equal(json_object_size(o), 4);
	assert_memory_equal(recipe, "FROM localhost/codinglab/egov\nLABEL codinglab.", 46);
	assert_non_null(strstr(recipe, "LABEL codinglab.k=\"a \"\n"));
	json_decref(o);
}

static void people_get_labels_without_the_list_of_packages(void **state)
{
	json_t *labels = json_pack("{s:s, s:s, s:s, s:i}", "codinglab.version.java", "21",
	    "codinglab.packages", " a=1  b=2 c=3 ", "maintainer", "x", "codinglab.number", 3);
	cl_autofree char *big = mem_alloc(IMAGE_FACTS_SHORT);
	cl_autofree char *text = image_facts_short(labels);

	assert_string_equal(text, "{\"packages\":\"3\",\"version.java\":\"21\"}");
	memset(big, 1, IMAGE_FACTS_SHORT - 1); /* written as \u0001 each */
	json_object_set_new(labels, "codinglab.big", json_string(big));
	mem_free(text);
	text = image_facts_short(labels);
	assert_string_equal(text, "{\"packages\":\"3\",\"version.java\":\"21\"}");
	mem_free(text);
	text = image_facts_short(NULL);
	assert_string_equal(text, "{}");
	json_decref(labels);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_hash_changes_with_what_the_image_is_made_of),
	    T(an_image_is_current_until_recipe_or_parent_changes), T(versions_are_asked_word_by_word),
	    T(what_is_remembered_ends_with_every_change),
	    T(what_an_image_says_becomes_labels_and_nothing_else),
	    T(people_get_labels_without_the_list_of_packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
