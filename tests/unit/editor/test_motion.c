/* Cursor motions, rows and columns: Hangul, emoji, TABs, CR LF, lines that are far too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "editor/glyph.h"
#include "editor/motion.h"
#include "editor/row.h"

static struct text *
of(const char *s)
{
	return text_new(source_new_mem(mem_strdup(s), strlen(s)));
}

/* Forward through the text, the steps have these lengths; backward meets the same places. */
static void
steps(const char *s, const size_t *want, size_t n)
{
	struct text *t = of(s);
	size_t pos = 0;

	for (size_t i = 0; i < n; i++) {
		size_t next = motion_next(t, pos);

		assert_int_equal(next - pos, want[i]);
		assert_int_equal(motion_prev(t, next), pos);
		pos = next;
	}
	assert_int_equal(pos, text_len(t));
	assert_int_equal(motion_next(t, pos), pos);
	text_free(t);
}

static void
one_step_is_what_a_reader_sees_as_one(void **state)
{
	steps("ab", (size_t[]){ 1, 1 }, 2);
	steps("\xed\x95\x9c\xea\xb8\x80", (size_t[]){ 3, 3 }, 2);                /* composed */
	steps("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xabx", (size_t[]){ 9, 1 }, 2);   /* decomposed */
	steps("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbbz", (size_t[]){ 11, 1 }, 2); /* ZWJ */
	steps("e\xcc\x81x", (size_t[]){ 3, 1 }, 2);
	steps("a\r\nb\n", (size_t[]){ 1, 2, 1, 1 }, 4);
	steps("\xff\xfe" "a", (size_t[]){ 1, 1, 1 }, 3);                         /* not UTF-8 */
}

static void
glyphs_have_widths_and_harmless_text(void **state)
{
	struct glyph g;

	glyph_read(&g, "\t", 1, 3, 8);
	assert_int_equal(g.kind, GLYPH_TAB);
	assert_int_equal(g.width, 5);
	glyph_read(&g, "\x1b[", 2, 0, 8);
	assert_int_equal(g.kind, GLYPH_ESCAPE);
	assert_string_equal(g.text, "^[");
	assert_int_equal(g.width, 2);
	glyph_read(&g, "\xff", 1, 0, 8);
	assert_string_equal(g.text, "\\xff");
	assert_int_equal(g.width, 4);
	glyph_read(&g, "\xe2\x80\xae", 3, 0, 8);
	assert_string_equal(g.text, "\\u{202e}");
	glyph_read(&g, "\xed\x95\x9c", 3, 0, 8);
	assert_int_equal(g.kind, GLYPH_CHAR);
	assert_int_equal(g.width, 2);
	glyph_read(&g, "\r\n", 2, 0, 8);
	assert_int_equal(g.kind, GLYPH_NEWLINE);
	assert_int_equal(g.len, 2);
	glyph_read(&g, "\rx", 2, 0, 8);
	assert_string_equal(g.text, "^M");
	glyph_read(&g, "\xcc\x81", 2, 0, 8); /* a mark with nothing under it still takes a cell */
	assert_int_equal(g.width, 1);
}

static void
columns_and_back(void **state)
{
	struct text *t = of("\ta\xed\x95\x9cz\n12345678\n");

	assert_int_equal(row_column(t, 0, 4), 0);
	assert_int_equal(row_column(t, 1, 4), 4);
	assert_int_equal(row_column(t, 2, 4), 5);
	assert_int_equal(row_column(t, 5, 4), 7);
	assert_int_equal(row_at_column(t, 0, 6, 4), 2); /* inside the wide one: before it */
	assert_int_equal(row_at_column(t, 0, 7, 4), 5);
	assert_int_equal(row_at_column(t, 0, 99, 4), 6);
	assert_int_equal(motion_rows(t, 5, 1, 7, 4), 14);
	assert_int_equal(motion_rows(t, 14, -1, 7, 4), 5);
	assert_int_equal(motion_rows(t, 14, -9, 7, 4), 0);
	assert_int_equal(motion_rows(t, 14, 9, 7, 4), text_len(t));
	text_free(t);
}

static void
words(void **state)
{
	struct text *t = of("foo_bar = baz(1)\n  next");
	size_t a, b;

	assert_int_equal(motion_word_next(t, 0), 8);
	assert_int_equal(motion_word_next(t, 8), 10);
	assert_int_equal(motion_word_next(t, 10), 13);
	assert_int_equal(motion_word_next(t, 16), 17);
	assert_int_equal(motion_word_prev(t, 8), 0);
	assert_int_equal(motion_word_prev(t, 13), 10);
	assert_int_equal(motion_word_prev(t, 23), 19);
	motion_word(t, 2, &a, &b);
	assert_int_equal(a, 0);
	assert_int_equal(b, 7);
	assert_int_equal(motion_row_start(t, 22), 19); /* first to the text, then to the margin */
	assert_int_equal(motion_row_start(t, 19), 17);
	text_free(t);
}

static void
rows_are_lines(void **state)
{
	struct text *t = of("one\r\n\nthree");

	assert_int_equal(row_start(t, 2), 0);
	assert_int_equal(row_end(t, 2), 3);
	assert_int_equal(row_next(t, 0), 5);
	assert_int_equal(row_end(t, 5), 5);
	assert_int_equal(row_next(t, 5), 6);
	assert_int_equal(row_prev(t, 6), 5);
	assert_true(row_is_last(t, 7));
	assert_int_equal(row_next(t, 7), text_len(t));
	text_free(t);
}

static void
a_line_without_end_is_cut_into_rows(void **state)
{
	size_t len = ROW_MAX * 5 + 77, pos = 0, rows = 0;
	char *s = mem_alloc(len + 1);
	struct text *t;

	for (size_t i = 0; i < len; i++)
		s[i] = "\xed\x95\x9c"[i % 3];
	memcpy(s + 30, "\n", 1);
	t = text_new(source_new_mem(s, len));
	while (!row_is_last(t, pos)) {
		size_t next = row_next(t, pos);

		assert_true(next > pos && next - pos <= ROW_BYTES_MAX);
		assert_int_equal(row_start(t, next), next);
		assert_int_equal(row_start(t, next - 1), pos);
		assert_int_equal(row_prev(t, next), pos);
		assert_int_equal(row_is_line(t, next), next == 31);
		pos = next;
		rows++;
	}
	assert_in_range(rows, 4, 6);
	text_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_step_is_what_a_reader_sees_as_one),
		cmocka_unit_test(glyphs_have_widths_and_harmless_text),
		cmocka_unit_test(columns_and_back),
		cmocka_unit_test(words),
		cmocka_unit_test(rows_are_lines),
		cmocka_unit_test(a_line_without_end_is_cut_into_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
