/* Opening and saving: bytes go back as they came, changes on disk are noticed, nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "editor/file.h"

static char dir[64];
static int root;

static int
set_up(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/cl-file-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	root = path_root(dir, NULL);
	return root < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct cl_err err = { 0 };
	int tmp = path_root("/tmp", &err);

	path_remove(tmp, dir + 5, &err);
	close(tmp);
	close(root);
	return 0;
}

static void
put(const char *name, const void *data, size_t n)
{
	cl_autoclose int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	cl_autoclose int real = -1;
	char path[128];

	if (fd == -1) { /* root is a path descriptor */
		snprintf(path, sizeof path, "%s/%s", dir, name);
		real = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	}
	assert_int_equal(write(fd != -1 ? fd : real, data, n), n);
}

static void
expect(const char *name, const void *data, size_t n)
{
	size_t len;
	cl_autofree char *got = path_read(root, name, 1 << 20, &len, NULL);

	assert_non_null(got);
	assert_int_equal(len, n);
	assert_memory_equal(got, data, n);
}

static struct file *
edit(const char *name, const char *add)
{
	struct file *f = file_open(root, name, NULL);

	assert_non_null(f);
	text_step(f->text, TEXT_OTHER, 0);
	text_insert(f->text, text_len(f->text), add, strlen(add), NULL);
	return f;
}

static void
bytes_go_back_as_they_came(void **state)
{
	static const char *const texts[] = { "", "no newline", "a\r\nb\r\n", "\xff\xfe mixed\r\n\n\r",
		"\xef\xbb\xbf" "bom\n", "\xef\xbb\xbf", "\xed\xa0\x80 surrogate", "\x1b[31m\x07" };

	for (size_t i = 0; i < CL_COUNT(texts); i++) {
		char want[64];
		struct file *f;

		put("f", texts[i], strlen(texts[i]));
		f = edit("f", "!");
		assert_int_equal(f->bom, i == 4 || i == 5);
		assert_int_equal(f->crlf, i == 2 || i == 3);
		assert_int_equal(file_save(f, false, NULL, NULL), 0);
		snprintf(want, sizeof want, "%s!", texts[i]);
		expect("f", want, strlen(want));
		assert_false(text_modified(f->text));
		assert_int_equal(file_check(f), FILE_SAME);
		file_free(f);
	}
}

static void
binary_is_shown_and_not_written(void **state)
{
	struct cl_err err = { 0 };
	struct file *f;

	put("b", "a\0b", 3);
	f = file_open(root, "b", NULL);
	assert_true(f->binary && f->readonly);
	assert_int_equal(text_len(f->text), 3);
	assert_int_equal(file_save(f, true, NULL, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	expect("b", "a\0b", 3);
	file_free(f);
}

static void
what_cannot_be_opened_says_why(void **state)
{
	struct cl_err err = { 0 };
	char path[128];

	assert_null(file_open(root, "absent", &err));
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	assert_null(file_open(root, "../etc/passwd", &err));
	assert_int_equal(err.code, CL_FORBIDDEN);
	err_clear(&err);
	snprintf(path, sizeof path, "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(file_open(root, "fifo", &err));
	assert_non_null(strstr(err.message, "not a regular file"));
	err_clear(&err);
	snprintf(path, sizeof path, "%s/huge", dir);
	put("huge", "x", 1);
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	assert_null(file_open(root, "huge", &err));
	assert_int_equal(err.code, CL_TOO_LARGE);
}

static void
a_change_on_disk_is_not_overwritten_unasked(void **state)
{
	enum file_state found = FILE_SAME;
	struct cl_err err = { 0 };
	struct file *f;

	put("f", "mine\n", 5);
	f = edit("f", "more\n");
	put("f", "their words\n", 12);
	assert_int_equal(file_check(f), FILE_CHANGED);
	assert_int_equal(file_save(f, false, &found, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_int_equal(found, FILE_CHANGED);
	expect("f", "their words\n", 12);
	assert_true(text_modified(f->text));
	assert_int_equal(file_save(f, true, NULL, NULL), 0);
	expect("f", "mine\nmore\n", 10);
	file_free(f);
}

static void
a_file_that_went_is_noticed(void **state)
{
	enum file_state found = FILE_SAME;
	struct file *f;

	put("f", "x", 1);
	f = edit("f", "y");
	path_remove(root, "f", NULL);
	assert_int_equal(file_check(f), FILE_GONE);
	assert_int_equal(file_save(f, false, &found, NULL), -1);
	assert_int_equal(found, FILE_GONE);
	assert_int_equal(file_save(f, true, NULL, NULL), 0);
	expect("f", "xy", 2);
	file_free(f);
}

static void
a_touch_is_no_change(void **state)
{
	struct file *f;

	put("f", "same", 4);
	f = edit("f", "!");
	usleep(20000);
	put("f", "same", 4);
	assert_int_equal(file_check(f), FILE_SAME);
	assert_int_equal(file_save(f, false, NULL, NULL), 0);
	file_free(f);
}

static void
reloading_can_be_undone(void **state)
{
	struct file *f;
	bool fresh;
	size_t pos, n;
	char *s;

	put("f", "first", 5);
	f = edit("f", " mine");
	put("f", "second", 6);
	assert_int_equal(file_reload(f, 100, &fresh, NULL), 0);
	assert_false(fresh);
	assert_false(text_modified(f->text));
	assert_int_equal(file_check(f), FILE_SAME);
	assert_true(text_undo(f->text, &pos));
	s = text_take(f->text, 0, SIZE_MAX, &n);
	assert_string_equal(s, "first mine");
	assert_true(text_modified(f->text));
	mem_free(s);
	file_free(f);
}

static void
a_large_file_stays_on_disk_and_is_saved_whole(void **state)
{
	size_t len = FILE_COPY_MAX + 12345, n;
	char *big = mem_alloc(len), path[128];
	struct cl_err err = { 0 };
	struct stat st;
	struct file *f;

	for (size_t i = 0; i < len; i++)
		big[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 23);
	put("big", big, len);
	f = file_open(root, "big", NULL);
	assert_true(source_on_disk(text_source(f->text)));
	text_insert(f->text, 5, "HELLO", 5, NULL);
	assert_int_equal(file_save(f, false, NULL, &err), 0);
	assert_int_equal(path_stat(root, "big", &st, NULL), 0);
	assert_int_equal(st.st_size, len + 5);
	text_insert(f->text, 0, "AGAIN", 5, NULL); /* the old inode is still what is read */
	assert_int_equal(file_save(f, false, NULL, &err), 0);
	char *back = path_read(root, "big", len + 100, &n, NULL);
	assert_int_equal(n, len + 10);
	assert_memory_equal(back, "AGAIN", 5);
	assert_memory_equal(back + 5, big, 5);
	assert_memory_equal(back + 15, big + 5, len - 5);
	mem_free(back);
	file_free(f);
	/* Truncated while it is open: the part never read is gone, and saving says so. */
	f = file_open(root, "big", NULL);
	snprintf(path, sizeof path, "%s/big", dir);
	assert_int_equal(truncate(path, 1000), 0);
	text_insert(f->text, 0, "x", 1, NULL);
	assert_int_equal(file_save(f, true, NULL, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "changed under us"));
	assert_int_equal(path_stat(root, "big", &st, NULL), 0);
	assert_int_equal(st.st_size, 1000);
	file_free(f);
	mem_free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_go_back_as_they_came, set_up, tear_down),
		cmocka_unit_test_setup_teardown(binary_is_shown_and_not_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_change_on_disk_is_not_overwritten_unasked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_went_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_touch_is_no_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reloading_can_be_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_large_file_stays_on_disk_and_is_saved_whole, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
