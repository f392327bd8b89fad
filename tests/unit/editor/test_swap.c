/* The swap journal: replay after a death at any byte, two sessions, ceilings, cleaning up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "editor/swap.h"

static char dir[64];
static int root, swaps;

static int
set_up(void **state)
{
	char path[128];

	snprintf(dir, sizeof dir, "/tmp/cl-swap-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/swap", dir);
	mkdir(path, 0700);
	swaps = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/work", dir);
	mkdir(path, 0700);
	root = path_root(path, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	int tmp = path_root("/tmp", NULL);

	close(root);
	close(swaps);
	path_remove(tmp, dir + 5, NULL);
	close(tmp);
	return 0;
}

static void
put(const char *name, const char *s, size_t n)
{
	char path[160];
	int fd;

	snprintf(path, sizeof path, "%s/work/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, s, n), n);
	close(fd);
}

static int
journals(char *path, size_t size)
{
	char where[128];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(where, sizeof where, "%s/swap", dir);
	d = opendir(where);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, size, "%s/%s", where, e->d_name);
	}
	closedir(d);
	return n;
}

/* A session in another process edits the file and dies without a word. */
static void
session_dies(const char *name, void (*work)(struct file *f))
{
	pid_t pid = fork();

	if (pid == 0) {
		struct file *f = file_open(root, name, NULL);
		struct swap *s = swap_new(swaps, f);

		work(f);
		swap_write(s, NULL);
		_exit(0);
	}
	assert_true(pid > 0);
	waitpid(pid, NULL, 0);
}

static void
some_edits(struct file *f)
{
	size_t pos;

	for (const char *s = "hello "; *s != '\0'; s++) {
		text_step(f->text, TEXT_TYPE, 0);
		text_insert(f->text, 0, s, 1, NULL);
	}
	text_step(f->text, TEXT_OTHER, 0);
	text_delete(f->text, text_len(f->text) - 2, 2, NULL);
	text_step(f->text, TEXT_OTHER, 0);
	text_insert(f->text, 3, "\xed\x95\x9c\0x", 5, NULL);
	text_undo(f->text, &pos);
	text_redo(f->text, &pos);
}

static void
expect_after(const char *original, size_t n, void (*work)(struct file *f), struct file *got)
{
	struct text *t = text_new(source_new_mem(mem_dup(original, n), n));
	struct file f = { .text = t };
	size_t a, b;
	char *x, *y;

	work(&f);
	x = text_take(t, 0, SIZE_MAX, &a);
	y = text_take(got->text, 0, SIZE_MAX, &b);
	assert_int_equal(a, b);
	assert_memory_equal(x, y, a);
	mem_free(x);
	mem_free(y);
	text_free(t);
}

static void
edits_come_back_after_a_death(void **state)
{
	struct file *f;
	char path[300];
	size_t pos;

	put("f", "original text\n", 14);
	session_dies("f", some_edits);
	f = file_open(root, "f", NULL);
	assert_int_equal(swap_find(swaps, f), SWAP_DEAD);
	assert_int_equal(swap_recover(swaps, f, 0, NULL), 0);
	expect_after("original text\n", 14, some_edits, f);
	assert_true(text_undo(f->text, &pos)); /* one step back to what is on disk */
	assert_false(text_modified(f->text));
	swap_discard(swaps, f);
	assert_int_equal(swap_find(swaps, f), SWAP_NONE);
	assert_int_equal(journals(path, sizeof path), 0);
	file_free(f);
}

static void
small_texts_come_back_whatever_became_of_the_file(void **state)
{
	struct file *f;

	put("f", "original text\n", 14);
	session_dies("f", some_edits);
	put("f", "something else entirely", 23);
	f = file_open(root, "f", NULL);
	assert_int_equal(swap_recover(swaps, f, 0, NULL), 0);
	expect_after("original text\n", 14, some_edits, f);
	file_free(f);
}

/* Whatever length the journal was cut to, what comes back is a state that the text once had. */
static void
a_journal_cut_at_any_byte(void **state)
{
	char path[300], *whole;
	struct stat st;
	size_t n, last = 0;
	int fd;

	put("f", "original\n", 9);
	session_dies("f", some_edits);
	assert_int_equal(journals(path, sizeof path), 1);
	fd = open(path, O_RDWR);
	fstat(fd, &st);
	n = (size_t)st.st_size;
	whole = mem_alloc(n);
	assert_int_equal(pread(fd, whole, n, 0), n);
	close(fd);
	for (size_t cut = 0; cut <= n; cut++) {
		struct file *f = file_open(root, "f", NULL);

		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, whole, cut), cut);
		close(fd);
		if (swap_find(swaps, f) == SWAP_DEAD) {
			assert_int_equal(swap_recover(swaps, f, 0, NULL), 0);
			last = text_len(f->text);
		} else {
			assert_int_equal(swap_recover(swaps, f, 0, NULL), -1);
			assert_false(text_modified(f->text));
		}
		file_free(f);
	}
	assert_true(last > 0);
	/* A byte that turned over is noticed too. */
	for (size_t at = 0; at < n; at += 3) {
		struct file *f = file_open(root, "f", NULL);

		whole[at] ^= 0x40;
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, whole, n), n);
		close(fd);
		whole[at] ^= 0x40;
		if (swap_find(swaps, f) == SWAP_DEAD)
			swap_recover(swaps, f, 0, NULL);
		assert_true(text_len(f->text) < 100);
		file_free(f);
	}
	mem_free(whole);
}

static void
saving_removes_the_journal(void **state)
{
	char path[300];
	struct file *f;
	struct swap *s;

	put("f", "x", 1);
	f = file_open(root, "f", NULL);
	s = swap_new(swaps, f);
	assert_int_equal(journals(path, sizeof path), 0); /* nothing before the first edit */
	text_insert(f->text, 0, "y", 1, NULL);
	assert_true(swap_pending(s));
	assert_int_equal(swap_write(s, NULL), 0);
	assert_false(swap_pending(s));
	assert_int_equal(journals(path, sizeof path), 1);
	assert_int_equal(file_save(f, false, NULL, NULL), 0);
	swap_saved(s);
	assert_int_equal(journals(path, sizeof path), 0);
	text_insert(f->text, 0, "z", 1, NULL);
	swap_write(s, NULL);
	assert_int_equal(journals(path, sizeof path), 1);
	swap_free(s, false);
	assert_int_equal(journals(path, sizeof path), 0);
	file_free(f);
}

static void
two_sessions_have_a_journal_each(void **state)
{
	struct file *a, *b;
	struct swap *s, *r;
	char path[300];

	put("f", "text", 4);
	a = file_open(root, "f", NULL);
	b = file_open(root, "f", NULL);
	s = swap_new(swaps, a);
	text_insert(a->text, 0, "a", 1, NULL);
	swap_write(s, NULL);
	assert_int_equal(swap_find(swaps, b), SWAP_ALIVE);
	r = swap_new(swaps, b);
	text_insert(b->text, 0, "b", 1, NULL);
	swap_write(r, NULL);
	assert_int_equal(journals(path, sizeof path), 2);
	swap_free(s, true); /* left on disk, unlocked */
	assert_int_equal(swap_find(swaps, b), SWAP_DEAD);
	swap_free(r, false);
	file_free(a);
	file_free(b);
}

static void
large_type(struct file *f)
{
	text_step(f->text, TEXT_OTHER, 0);
	text_insert(f->text, SWAP_SNAPSHOT_MAX / 2, "in the middle", 13, NULL);
	text_delete(f->text, 10, 100, NULL);
}

static void
a_large_file_is_replayed_only_on_itself(void **state)
{
	size_t len = SWAP_SNAPSHOT_MAX + 1000;
	char *big = mem_alloc(len), path[300];
	struct cl_err err = { 0 };
	struct stat st;
	struct file *f;

	memset(big, 'b', len);
	put("f", big, len);
	session_dies("f", large_type);
	assert_int_equal(journals(path, sizeof path), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1, 1000); /* edits, not the text */
	f = file_open(root, "f", NULL);
	assert_int_equal(swap_recover(swaps, f, 0, NULL), 0);
	expect_after(big, len, large_type, f);
	file_free(f);
	put("f", big, len - 1);
	f = file_open(root, "f", NULL);
	assert_int_equal(swap_recover(swaps, f, 0, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_int_equal(text_len(f->text), len - 1);
	file_free(f);
	mem_free(big);
}

static void
a_journal_has_a_ceiling(void **state)
{
	size_t len = 900 << 10;
	char *chunk = mem_alloc(len), path[300];
	struct file *f;
	struct stat st;
	struct swap *s;

	memset(chunk, 'c', len);
	put("f", "x", 1);
	f = file_open(root, "f", NULL);
	s = swap_new(swaps, f);
	for (int i = 0; i < 60 && !swap_full(s); i++) {
		text_insert(f->text, 0, chunk, len, NULL);
		swap_write(s, NULL);
	}
	assert_true(swap_full(s));
	assert_int_equal(journals(path, sizeof path), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= (off_t)SWAP_MAX);
	swap_free(s, false);
	file_free(f);
	mem_free(chunk);
}

static int listed;

static void
list_cb(void *arg, const char *name)
{
	assert_string_equal(name, "f");
	listed++;
}

static void
dead_journals_are_listed_by_tree(void **state)
{
	int other = path_root("/tmp", NULL);

	put("f", "text", 4);
	session_dies("f", some_edits);
	swap_list(swaps, root, list_cb, NULL);
	assert_int_equal(listed, 1);
	swap_list(swaps, other, list_cb, NULL);
	assert_int_equal(listed, 1);
	close(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edits_come_back_after_a_death, set_up, tear_down),
		cmocka_unit_test_setup_teardown(small_texts_come_back_whatever_became_of_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_journal_cut_at_any_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(saving_removes_the_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_sessions_have_a_journal_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_large_file_is_replayed_only_on_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_journal_has_a_ceiling, set_up, tear_down),
		cmocka_unit_test_setup_teardown(dead_journals_are_listed_by_tree, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
