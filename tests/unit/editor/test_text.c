/* The piece chain: edits, undo steps, marks, spans, against what a user would expect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "editor/text.h"

static struct text *
of(const char *s)
{
	return text_new(source_new_mem(mem_strdup(s), strlen(s)));
}

static void
expect(struct text *t, const char *want)
{
	size_t n;
	char *got = text_take(t, 0, text_len(t), &n);

	assert_int_equal(n, strlen(want));
	assert_string_equal(got, want);
	mem_free(got);
}

static void
type(struct text *t, size_t pos, const char *s, int64_t now)
{
	for (; *s != '\0'; s++, pos++) {
		text_step(t, TEXT_TYPE, now++);
		assert_int_equal(text_insert(t, pos, s, 1, NULL), 0);
	}
}

static void
empty_text(void **state)
{
	struct text *t = of("");
	const char *p;
	size_t pos = 0;

	expect(t, "");
	assert_int_equal(text_span(t, 0, &p), 0);
	assert_int_equal(text_span_back(t, 0, &p), 0);
	assert_false(text_undo(t, &pos));
	assert_false(text_redo(t, &pos));
	assert_false(text_modified(t));
	assert_int_equal(text_insert(t, 0, "x", 1, NULL), 0);
	expect(t, "x");
	assert_int_equal(text_delete(t, 0, 1, NULL), 0);
	expect(t, "");
	text_free(t);
}

static void
insert_and_delete_everywhere(void **state)
{
	struct text *t = of("one three\n");

	assert_int_equal(text_insert(t, 4, "two ", 4, NULL), 0);
	expect(t, "one two three\n");
	assert_int_equal(text_insert(t, 0, "0 ", 2, NULL), 0);
	assert_int_equal(text_insert(t, text_len(t), "end", 3, NULL), 0);
	expect(t, "0 one two three\nend");
	assert_int_equal(text_delete(t, 1, 9, NULL), 0); /* over three pieces */
	expect(t, "0three\nend");
	assert_int_equal(text_delete(t, 0, text_len(t), NULL), 0);
	expect(t, "");
	text_free(t);
}

static void
out_of_range_changes_nothing(void **state)
{
	struct cl_err err = { 0 };
	struct text *t = of("abc");

	assert_int_equal(text_insert(t, 4, "x", 1, &err), -1);
	assert_int_equal(err.code, CL_USAGE);
	assert_int_equal(text_delete(t, 2, 2, NULL), -1);
	assert_int_equal(text_delete(t, 4, 0, NULL), -1);
	assert_int_equal(text_delete(t, 1, SIZE_MAX, NULL), -1);
	expect(t, "abc");
	assert_false(text_modified(t));
	text_free(t);
}

static void
typing_is_one_step(void **state)
{
	struct text *t = of("");
	size_t pos;

	type(t, 0, "hello", 100);
	assert_true(text_undo(t, &pos));
	expect(t, "");
	assert_int_equal(pos, 0);
	assert_true(text_redo(t, &pos));
	expect(t, "hello");
	assert_int_equal(pos, 5);
	text_free(t);
}

/* Reading elsewhere between two keys, as drawing does, must not lead edits or reading astray. */
static void
typing_and_reading_take_turns(void **state)
{
	struct text *t = of("0123456789");
	char c[16], want[40] = "01234";

	for (int i = 0; i < 20; i++) {
		text_step(t, TEXT_TYPE, i);
		assert_int_equal(text_insert(t, 5 + (size_t)i, "x", 1, NULL), 0);
		assert_int_equal(text_copy(t, text_len(t) - 1, c, 4), 1);
		assert_int_equal(c[0], '9');
		assert_int_equal(text_copy(t, 2, c, 2), 2);
		want[5 + i] = 'x';
	}
	memcpy(want + 25, "56789", 6);
	expect(t, want);
	text_free(t);
}

static void
a_pause_or_a_jump_starts_a_step(void **state)
{
	struct text *t = of("");
	size_t pos;

	type(t, 0, "one", 0);
	type(t, 3, "two", 5000);
	type(t, 0, "x", 5010); /* elsewhere */
	assert_true(text_undo(t, &pos));
	expect(t, "onetwo");
	assert_true(text_undo(t, &pos));
	expect(t, "one");
	assert_true(text_undo(t, &pos));
	expect(t, "");
	assert_false(text_undo(t, &pos));
	text_free(t);
}

static void
erasing_is_its_own_step(void **state)
{
	struct text *t = of("abcdef");
	size_t pos;

	type(t, 6, "gh", 0);
	for (size_t i = 8; i > 4; i--) { /* Backspace */
		text_step(t, TEXT_ERASE, 10);
		text_delete(t, i - 1, 1, NULL);
	}
	expect(t, "abcd");
	assert_true(text_undo(t, &pos));
	expect(t, "abcdefgh");
	assert_int_equal(pos, 8);
	text_step(t, TEXT_ERASE, 20);
	text_delete(t, 0, 1, NULL); /* Delete, twice */
	text_step(t, TEXT_ERASE, 21);
	text_delete(t, 0, 1, NULL);
	assert_true(text_undo(t, &pos));
	expect(t, "abcdefgh");
	text_free(t);
}

static void
a_paste_is_one_step_of_its_own(void **state)
{
	struct text *t = of("");
	size_t pos;

	type(t, 0, "a", 0);
	text_step(t, TEXT_OTHER, 1);
	text_insert(t, 1, "PASTE", 5, NULL);
	type(t, 6, "b", 2);
	assert_true(text_undo(t, &pos));
	expect(t, "aPASTE");
	assert_true(text_undo(t, &pos));
	expect(t, "a");
	text_free(t);
}

static void
edits_of_one_action_undo_together(void **state)
{
	struct text *t = of("a\nb\nc\n");
	size_t pos;

	text_step(t, TEXT_OTHER, 0); /* indent three lines */
	text_insert(t, 4, "\t", 1, NULL);
	text_insert(t, 2, "\t", 1, NULL);
	text_insert(t, 0, "\t", 1, NULL);
	expect(t, "\ta\n\tb\n\tc\n");
	assert_true(text_undo(t, &pos));
	expect(t, "a\nb\nc\n");
	assert_false(text_modified(t));
	text_free(t);
}

static void
a_new_edit_forgets_redo(void **state)
{
	struct text *t = of("");
	size_t pos;

	type(t, 0, "abc", 0);
	text_undo(t, &pos);
	type(t, 0, "z", 10);
	assert_false(text_redo(t, &pos));
	expect(t, "z");
	text_free(t);
}

static void
saved_state_follows_undo(void **state)
{
	struct text *t = of("x");
	size_t pos;

	type(t, 1, "y", 0);
	assert_true(text_modified(t));
	text_set_saved(t);
	assert_false(text_modified(t));
	type(t, 2, "z", 5); /* right where typing went on: must not hide in the saved step */
	assert_true(text_modified(t));
	text_undo(t, &pos);
	expect(t, "xy");
	assert_false(text_modified(t));
	text_undo(t, &pos);
	assert_true(text_modified(t));
	type(t, 1, "q", 10); /* the saved state can no longer be reached */
	text_undo(t, &pos);
	assert_true(text_modified(t));
	text_free(t);
}

static void
marks_move_with_the_text(void **state)
{
	struct text *t = of("0123456789");
	int before = text_mark_add(t, 5, false), after = text_mark_add(t, 5, true);
	size_t pos;

	text_insert(t, 5, "xx", 2, NULL);
	assert_int_equal(text_mark(t, before), 5);
	assert_int_equal(text_mark(t, after), 7);
	text_insert(t, 0, "y", 1, NULL);
	assert_int_equal(text_mark(t, before), 6);
	text_delete(t, 4, 4, NULL);
	assert_int_equal(text_mark(t, before), 4);
	assert_int_equal(text_mark(t, after), 4);
	text_delete(t, 0, 2, NULL);
	assert_int_equal(text_mark(t, before), 2);
	text_undo(t, &pos);
	assert_true(text_mark(t, before) <= text_len(t));
	text_mark_remove(t, before);
	assert_int_equal(text_mark_add(t, 999, false), before);
	assert_int_equal(text_mark(t, before), text_len(t));
	text_free(t);
}

static void
spans_cover_the_text_both_ways(void **state)
{
	struct text *t = of("aaaa");
	char back[16], fore[16];
	size_t n, pos, have = 0;
	const char *p;

	text_insert(t, 2, "bb", 2, NULL);
	text_insert(t, 0, "c", 1, NULL);
	for (pos = 0; (n = text_span(t, pos, &p)) > 0; pos += n)
		memcpy(fore + pos, p, n);
	assert_int_equal(pos, 7);
	assert_memory_equal(fore, "caabbaa", 7);
	for (pos = 7; (n = text_span_back(t, pos, &p)) > 0; pos -= n, have += n)
		memcpy(back + pos - n, p, n);
	assert_int_equal(have, 7);
	assert_memory_equal(back, "caabbaa", 7);
	assert_int_equal(text_copy(t, 3, back, 100), 4);
	text_free(t);
}

static void
too_much_is_refused(void **state)
{
	struct cl_err err = { 0 };
	struct text *t = of("x");

	text_limit(t, 10);
	assert_int_equal(text_insert(t, 0, "0123456789", 10, NULL), 0);
	assert_int_equal(text_insert(t, 0, "a", 1, &err), -1);
	assert_int_equal(err.code, CL_TOO_LARGE);
	expect(t, "0123456789x");
	text_free(t);
}

static size_t heard_pos, heard_del, heard_ins, heard;

static void
hear_cb(void *arg, size_t pos, size_t del, size_t ins)
{
	heard_pos = pos;
	heard_del = del;
	heard_ins = ins;
	heard++;
	assert_ptr_equal(arg, &heard);
}

static void
listeners_hear_undo_too(void **state)
{
	struct text *t = of("abc");
	size_t pos;

	text_listen(t, hear_cb, &heard);
	text_delete(t, 1, 1, NULL);
	assert_int_equal(heard_pos, 1);
	assert_int_equal(heard_del, 1);
	text_undo(t, &pos);
	assert_int_equal(heard_ins, 1);
	assert_int_equal(heard_del, 0);
	assert_int_equal(heard, 2);
	text_unlisten(t, hear_cb, &heard);
	text_redo(t, &pos);
	assert_int_equal(heard, 2);
	text_free(t);
}

/* A long session of random edits against a plain string, with the history walked at the end. */
static void
random_edits_agree_with_a_string(void **state)
{
	static char model[20000], first[20000];
	size_t len = 500, first_len = 500, pos, n;
	struct text *t;

	srandom(7);
	for (size_t i = 0; i < len; i++)
		first[i] = model[i] = (char)('a' + random() % 26);
	t = text_new(source_new_mem(mem_dup(model, len), len));
	for (int i = 0; i < 3000; i++) {
		pos = (size_t)random() % (len + 1);
		text_step(t, random() % 2 == 0 ? TEXT_TYPE : TEXT_ERASE, i * 400);
		if (random() % 2 == 0 && len < sizeof model - 20) {
			n = (size_t)random() % 12;
			memmove(model + pos + n, model + pos, len - pos);
			memset(model + pos, 'A' + i % 26, n);
			text_insert(t, pos, model + pos, n, NULL);
			len += n;
		} else {
			n = (size_t)random() % (len - pos + 1) % 12;
			memmove(model + pos, model + pos + n, len - pos - n);
			text_delete(t, pos, n, NULL);
			len -= n;
		}
	}
	assert_int_equal(text_len(t), len);
	char *got = text_take(t, 0, len, &n);
	assert_memory_equal(got, model, len);
	mem_free(got);
	while (text_undo(t, &pos))
		;
	got = text_take(t, 0, text_len(t), &n);
	assert_int_equal(n, first_len);
	assert_memory_equal(got, first, n);
	mem_free(got);
	while (text_redo(t, &pos))
		;
	got = text_take(t, 0, text_len(t), &n);
	assert_int_equal(n, len);
	assert_memory_equal(got, model, n);
	mem_free(got);
	text_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_text),
		cmocka_unit_test(insert_and_delete_everywhere),
		cmocka_unit_test(out_of_range_changes_nothing),
		cmocka_unit_test(typing_is_one_step),
		cmocka_unit_test(typing_and_reading_take_turns),
		cmocka_unit_test(a_pause_or_a_jump_starts_a_step),
		cmocka_unit_test(erasing_is_its_own_step),
		cmocka_unit_test(a_paste_is_one_step_of_its_own),
		cmocka_unit_test(edits_of_one_action_undo_together),
		cmocka_unit_test(a_new_edit_forgets_redo),
		cmocka_unit_test(saved_state_follows_undo),
		cmocka_unit_test(marks_move_with_the_text),
		cmocka_unit_test(spans_cover_the_text_both_ways),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(listeners_hear_undo_too),
		cmocka_unit_test(random_edits_agree_with_a_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
