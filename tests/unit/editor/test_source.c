/* Original bytes on disk: tiny blocks and caches, files that change, shrink and come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "editor/lines.h"
#include "editor/text.h"

static const char TEXT[] = "one\ntwo\nthree\n\nfive is longer\nsix";
#define LEN (sizeof TEXT - 1)

static int
file_of(const char *s, size_t n)
{
	int fd = memfd_create("source", MFD_CLOEXEC);

	assert_int_equal(write(fd, s, n), n);
	return fd;
}

static void
every_block_and_cache_size_reads_the_same(void **state)
{
	for (size_t block = 1; block <= LEN + 1; block++) {
		for (size_t cache = 1; cache <= 3; cache++) {
			struct source *s = source_new_fd(file_of(TEXT, LEN), 0, LEN, block, cache);
			size_t at = 0, n, budget = SIZE_MAX;
			const char *p;

			for (; (n = source_get(s, at, &p)) > 0; at += n)
				assert_memory_equal(p, TEXT + at, n);
			assert_int_equal(at, LEN);
			for (; (n = source_get_back(s, at, &p)) > 0; at -= n)
				assert_memory_equal(p, TEXT + at - n, n);
			assert_int_equal(at, 0);
			assert_int_equal(source_newlines(s, 0, LEN, &budget), 5);
			assert_int_equal(source_newlines(s, 4, 10, &budget), 2);
			assert_int_equal(source_newline(s, 0, LEN, 2), 8);
			assert_int_equal(source_newline(s, 9, LEN - 9, 1), 14);
			source_free(s);
		}
	}
}

static void
bytes_before_the_text_are_skipped(void **state)
{
	struct source *s = source_new_fd(file_of(TEXT, LEN), 4, LEN - 4, 5, 2);
	const char *p;

	assert_true(source_get(s, 0, &p) > 2);
	assert_memory_equal(p, "two", 3);
	source_free(s);
}

static void
counting_keeps_to_its_budget(void **state)
{
	struct source *s = source_new_fd(file_of(TEXT, LEN), 0, LEN, 4, 2);
	size_t budget = 4;
	int turns = 0;
	int64_t n;

	while ((n = source_newlines(s, 0, LEN, &budget)) < 0) {
		assert_true(++turns < 20);
		budget = 4;
	}
	assert_int_equal(n, 5);
	assert_true(turns > 3);
	source_free(s);
}

static void
a_file_that_shrinks_is_noticed(void **state)
{
	int fd = file_of(TEXT, LEN);
	struct source *s = source_new_fd(fd, 0, LEN, 8, 1);
	const char *p;

	assert_true(source_get(s, 0, &p) > 0);
	assert_int_equal(ftruncate(fd, 4), 0);
	assert_true(source_changed(s));
	assert_true(source_get(s, 30, &p) > 0); /* never read, gone: shown as '?', no crash */
	assert_int_equal(p[0], '?');
	assert_true(source_lost(s));
	source_free(s);
}

static void
a_block_that_was_seen_cannot_change_silently(void **state)
{
	int fd = file_of(TEXT, LEN);
	struct source *s = source_new_fd(fd, 0, LEN, 8, 1);
	const char *p;

	source_get(s, 0, &p);
	source_get(s, 8, &p); /* one slot: block 0 is out of the cache now */
	assert_int_equal(pwrite(fd, "ONE", 3, 0), 3);
	source_get(s, 0, &p);
	assert_int_equal(p[0], '?');
	assert_true(source_lost(s));
	source_free(s);
}

static void
a_block_that_was_seen_comes_back_if_it_is_the_same(void **state)
{
	int fd = file_of(TEXT, LEN);
	struct source *s = source_new_fd(fd, 0, LEN, 8, 1);
	const char *p;

	source_get(s, 0, &p);
	source_get(s, 8, &p);
	assert_int_equal(pwrite(fd, "one", 3, 0), 3); /* another time, the same bytes */
	source_get(s, 0, &p);
	assert_memory_equal(p, "one\ntwo", 7);
	assert_false(source_lost(s));
	source_get(s, 24, &p); /* never seen before the change: may be anything */
	assert_true(source_lost(s));
	source_free(s);
}

/* Edits over a file on disk, with blocks of 3 bytes, against the same edits in memory. */
static void
editing_over_tiny_blocks(void **state)
{
	struct text *a = text_new(source_new_fd(file_of(TEXT, LEN), 0, LEN, 3, 2));
	struct text *b = text_new(source_new_mem(mem_dup(TEXT, LEN), LEN));

	for (size_t i = 0; i < 40; i++) {
		size_t pos = i * 7 % text_len(a), n, m, la, lb;
		char *x, *y;

		text_insert(a, pos, "ab\ncd", 5, NULL);
		text_insert(b, pos, "ab\ncd", 5, NULL);
		text_delete(a, i * 3 % (text_len(a) - 4), 4, NULL);
		text_delete(b, i * 3 % (text_len(b) - 4), 4, NULL);
		x = text_take(a, 0, SIZE_MAX, &n);
		y = text_take(b, 0, SIZE_MAX, &m);
		assert_int_equal(n, m);
		assert_memory_equal(x, y, n);
		mem_free(x);
		mem_free(y);
		assert_int_equal(lines_count(a, SIZE_MAX, &la), LINES_OK);
		assert_int_equal(lines_count(b, SIZE_MAX, &lb), LINES_OK);
		assert_int_equal(la, lb);
		for (size_t line = 0; line < la; line++) {
			assert_int_equal(lines_pos(a, line, SIZE_MAX, &n), LINES_OK);
			assert_int_equal(lines_pos(b, line, SIZE_MAX, &m), LINES_OK);
			assert_int_equal(n, m);
			assert_int_equal(lines_at(a, n, SIZE_MAX, &m), LINES_OK);
			assert_int_equal(m, line);
		}
		assert_int_equal(lines_pos(a, la, SIZE_MAX, &n), LINES_NONE);
	}
	text_free(a);
	text_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_and_cache_size_reads_the_same),
		cmocka_unit_test(bytes_before_the_text_are_skipped),
		cmocka_unit_test(counting_keeps_to_its_budget),
		cmocka_unit_test(a_file_that_shrinks_is_noticed),
		cmocka_unit_test(a_block_that_was_seen_cannot_change_silently),
		cmocka_unit_test(a_block_that_was_seen_comes_back_if_it_is_the_same),
		cmocka_unit_test(editing_over_tiny_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
