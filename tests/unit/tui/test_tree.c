/* The model of the file tree: order, merging what changed on disk, paths, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/tree_internal.h"

/* "d/" is a folder. */
static struct tree_list
list_of(const char *const *names, size_t n)
{
	struct tree_list l = { mem_array(n + 1, sizeof(struct tree_entry)), n, false };

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]);
		bool dir = names[i][len - 1] == '/';

		l.entries[i] = (struct tree_entry){ mem_strndup(names[i], dir ? len - 1 : len),
			dir ? TREE_DIR : TREE_FILE };
	}
	return l;
}

static void
merge(struct tree_node *n, const char *const *names, size_t count,
    void (*gone)(void *, struct tree_node *), void *arg)
{
	struct tree_list l = list_of(names, count);

	tree_node_merge(n, &l, gone, arg);
	tree_list_clear(&l);
}

#define MERGE(n, gone, arg, ...) \
	merge(n, (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), gone, arg)

static void
names_come_in_natural_order(void **state)
{
	static const char *const sorted[] = { "a/", "b10/", "2", "10", "A1", "a2", "a02x", "a10", "b",
		"B10", "c", "\xed\x95\x9c" };
	struct tree_list l = list_of(sorted, CL_COUNT(sorted));

	for (size_t i = 0; i < l.n; i++) {
		for (size_t k = 0; k < l.n; k++) {
			int r = tree_list_compare(&l.entries[i], &l.entries[k]);

			assert_true(i == k ? r == 0 : i < k ? r < 0 : r > 0);
		}
	}
	tree_list_clear(&l);
}

static int left;

static void
left_cb(void *arg, struct tree_node *n)
{
	assert_string_equal(n->name, arg);
	left++;
}

static void
what_stays_stays_open(void **state)
{
	struct tree_node *root = tree_node_new(NULL, "", TREE_DIR), *b;
	char gone[] = "a";

	MERGE(root, NULL, NULL, "a/", "b/", "x");
	b = tree_node_kid(root, "b");
	b->open = true;
	MERGE(b, NULL, NULL, "inner");
	MERGE(root, left_cb, gone, "b/", "c/", "w", "x");
	assert_int_equal(left, 1);
	assert_ptr_equal(tree_node_kid(root, "b"), b);
	assert_true(b->open && b->nkids == 1);
	assert_int_equal(root->nkids, 4);
	assert_null(tree_node_kid(root, "a"));
	tree_node_free(root);
}

static void
a_file_that_became_a_folder_is_another(void **state)
{
	struct tree_node *root = tree_node_new(NULL, "", TREE_DIR);

	MERGE(root, NULL, NULL, "a", "b");
	MERGE(root, NULL, NULL, "b/", "a");
	assert_int_equal(tree_node_kid(root, "b")->kind, TREE_DIR);
	assert_int_equal(root->nkids, 2);
	MERGE(root, NULL, NULL, "a");
	assert_int_equal(root->nkids, 1);
	tree_node_free(root);
}

static void
rows_are_what_is_open(void **state)
{
	struct tree_node *root = tree_node_new(NULL, "", TREE_DIR), **rows;
	struct tree_node *d;
	char path[64];
	size_t n;

	n = tree_rows_make(root, false, &rows);
	assert_int_equal(n, 0);
	mem_free(rows);
	MERGE(root, NULL, NULL, "d/", ".git", "z");
	d = tree_node_kid(root, "d");
	MERGE(d, NULL, NULL, "e/", "f");
	n = tree_rows_make(root, false, &rows);
	assert_int_equal(n, 2); /* not open yet */
	mem_free(rows);
	d->open = true;
	n = tree_rows_make(root, true, &rows);
	assert_int_equal(n, 5);
	assert_string_equal(rows[2]->name, "f");
	assert_int_equal(rows[2]->depth, 1);
	assert_true(tree_node_path(rows[2], path, sizeof path));
	assert_string_equal(path, "d/f");
	assert_false(tree_node_path(rows[2], path, 3));
	assert_true(tree_node_path(root, path, sizeof path));
	assert_string_equal(path, "");
	mem_free(rows);
	tree_node_free(root);
}

static void
nesting_without_end_needs_no_stack(void **state)
{
	struct tree_node *root = tree_node_new(NULL, "", TREE_DIR), *n = root, **rows;
	char path[TREE_PATH_MAX];
	size_t count;

	root->open = true;
	for (int i = 0; i < 20000; i++) {
		MERGE(n, NULL, NULL, "d/");
		n = n->kids[0];
		n->open = true;
	}
	count = tree_rows_make(root, true, &rows);
	assert_in_range(count, 2000, 20000);
	assert_false(tree_node_path(n, path, sizeof path)); /* too deep to be named */
	mem_free(rows);
	tree_node_free(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_in_natural_order),
		cmocka_unit_test(what_stays_stays_open),
		cmocka_unit_test(a_file_that_became_a_folder_is_another),
		cmocka_unit_test(rows_are_what_is_open),
		cmocka_unit_test(nesting_without_end_needs_no_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
