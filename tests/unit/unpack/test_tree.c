/* Names, links and limits of a tree that a stranger describes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/unpack/survey.h"
#include "engine/broker/unpack/tree.h"

struct world {
	char dir[64];
	struct tree t;
};

static int begin(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/test-tree-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->t.root = open(w->dir, O_RDONLY | O_DIRECTORY);
	w->t.max = (struct unpack_limits){1000, 20, 10};
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);

	path_remove(tmp, w->dir + 5, NULL);
	close(tmp);
	close(w->t.root);
	mem_free(w);
	return 0;
}

static void names(void **state)
{
	static const char *const rows[][2] = {{"a", "a"}, {"./a", "a"}, {"a/", "a"}, {"a//b/./c", "a/b/c"},
	    {".", ""}, {"./", ""}, {"", ""}, {"..a/b..", "..a/b.."}, {"a\nb", "a\nb"}};
	static const char *const bad[] = {"/", "/a", "..", "../a", "a/..", "a/../b", "./../a", "a/b/../../.."};
	char out[UNPACK_PATH], *deep, *wide;

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		assert_int_equal(tree_name(rows[i][0], out, NULL), 0);
		assert_string_equal(out, rows[i][1]);
	}
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		if (tree_name(bad[i], out, NULL) == 0)
			fail_msg("%s", bad[i]);
	deep = mem_alloc(2 * 100 + 1);
	for (int i = 0; i < 100; i++)
		memcpy(deep + 2 * i, "d/", 2);
	assert_int_equal(tree_name(deep, out, NULL), -1);
	wide = mem_alloc(300);
	memset(wide, 'x', 256);
	assert_int_equal(tree_name(wide, out, NULL), -1);
	wide[255] = '\0';
	assert_int_equal(tree_name(wide, out, NULL), 0);
	mem_free(deep);
	mem_free(wide);
}

static void links(void **state)
{
	static const struct {
		const char *name, *target;
		bool ok;
	} rows[] = {{"l", "a", true}, {"l", "./a/b", true}, {"d/l", "../a", true}, {"d/l", "..", true},
	    {"a/b/l", "../../x/y", true}, {"l", "/etc", false}, {"l", "..", false}, {"l", "../x", false},
	    {"d/l", "../../x", false}, {"l", "a/..", false}, {"l", "a/../../..", false}, {"l", "", false},
	    {"d/l", "../a/../..", false}, {"l", "..hidden", true}};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		if ((tree_link_check(rows[i].name, rows[i].target, NULL) == 0) != rows[i].ok)
			fail_msg("%s -> %s", rows[i].name, rows[i].target);
}

static void nothing_is_written_through_a_link(void **state)
{
	struct world *w = *state;
	struct cl_err err = {0};
	struct stat st;

	assert_int_equal(symlinkat("/tmp", w->t.root, "out"), 0);
	assert_int_equal(tree_file(&w->t, "out/test-tree-evil", false, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_int_equal(tree_folder(&w->t, "out/d/e", NULL), -1);
	assert_int_equal(tree_link(&w->t, "out/l", "x", NULL), -1);
	assert_int_equal(tree_file(&w->t, "out", false, NULL), -1);
	assert_int_equal(tree_copy(&w->t, "out/passwd", "copy", NULL), -1);
	assert_int_equal(stat("/tmp/test-tree-evil", &st), -1);
}

static void nothing_is_replaced(void **state)
{
	struct world *w = *state;
	int fd = tree_file(&w->t, "d/a", true, NULL);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_mode & 0100);
	close(fd);
	assert_int_equal(tree_file(&w->t, "d/a", false, NULL), -1);
	assert_int_equal(tree_folder(&w->t, "d/a", NULL), -1);
	assert_int_equal(tree_folder(&w->t, "d/a/b", NULL), -1);
	assert_int_equal(tree_folder(&w->t, "d", NULL), 0);
	assert_int_equal(tree_link(&w->t, "d/a", "b", NULL), -1);
}

static void limits_hold(void **state)
{
	struct world *w = *state;
	struct cl_err err = {0};
	char name[16];
	int i;

	assert_int_equal(tree_grow(&w->t, 1000, NULL), 0);
	assert_int_equal(tree_grow(&w->t, 1, &err), -1);
	assert_int_equal(err.code, CL_QUOTA);
	assert_int_equal(tree_grow(&w->t, -1, NULL), -1);
	assert_int_equal(tree_grow(&w->t, INT64_MAX, NULL), -1);
	for (i = 0; i < 30; i++) {
		int fd;

		snprintf(name, sizeof(name), "f%d", i);
		fd = tree_file(&w->t, name, false, NULL);
		if (fd < 0)
			break;
		close(fd);
	}
	assert_int_equal(i, 20);
}

static void a_copy_is_a_file_of_its_own(void **state)
{
	struct world *w = *state;
	int fd = tree_file(&w->t, "a", false, NULL);
	struct stat st;

	assert_int_equal(tree_write(&w->t, fd, "hello", 5, 0, NULL), 0);
	close(fd);
	assert_int_equal(tree_copy(&w->t, "a", "d/b", NULL), 0);
	assert_int_equal(fstatat(w->t.root, "d/b", &st, 0), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(tree_copy(&w->t, "gone", "c", NULL), -1);
	assert_int_equal(tree_copy(&w->t, "d", "c", NULL), -1);
}

static void a_walk_sees_what_should_not_be_there(void **state)
{
	struct world *w = *state;
	struct tree t = {.root = w->t.root, .max = {1000, 100, 1}};

	close(tree_file(&w->t, "d/a", false, NULL));
	assert_int_equal(tree_link(&w->t, "d/l", "a", NULL), 0);
	assert_int_equal(survey_walk(&t, NULL), 0);
	assert_int_equal(t.files, 3);
	assert_int_equal(mkfifoat(w->t.root, "pipe", 0600), 0);
	assert_int_equal(survey_walk(&t, NULL), -1);
	assert_int_equal(unlinkat(w->t.root, "pipe", 0), 0);
	assert_int_equal(symlinkat("../..", w->t.root, "up"), 0);
	assert_int_equal(survey_walk(&t, NULL), -1);
}

static void put(struct world *w, const char *name, const char *text)
{
	int fd = tree_file(&w->t, name, false, NULL);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void where_the_project_is(void **state)
{
	struct unpack_result *r = mem_alloc(sizeof(*r));
	struct world *w = *state;

	put(w, "repo-main/manage.py", "");
	assert_int_equal(survey_find(w->t.root, true, r, NULL), 0);
	assert_string_equal(r->root, "repo-main");
	assert_string_equal(r->top, "manage.py\n");
	memset(r, 0, sizeof(*r));
	assert_int_equal(survey_find(w->t.root, false, r, NULL), 0);
	assert_string_equal(r->root, "");
	put(w, "repo-main/" UNPACK_MARKER, "{\"format\": 1, \"stack\": \"go\"}");
	put(w, "repo-main/app/main.go", "");
	memset(r, 0, sizeof(*r));
	assert_int_equal(survey_find(w->t.root, true, r, NULL), 0);
	assert_string_equal(r->root, "repo-main/app");
	assert_string_equal(r->stack, "go");
	assert_string_equal(r->top, "main.go\n");
	mem_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(links),
	    cmocka_unit_test_setup_teardown(nothing_is_written_through_a_link, begin, end),
	    cmocka_unit_test_setup_teardown(nothing_is_replaced, begin, end),
	    cmocka_unit_test_setup_teardown(limits_hold, begin, end),
	    cmocka_unit_test_setup_teardown(a_copy_is_a_file_of_its_own, begin, end),
	    cmocka_unit_test_setup_teardown(a_walk_sees_what_should_not_be_there, begin, end),
	    cmocka_unit_test_setup_teardown(where_the_project_is, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
