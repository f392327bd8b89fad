/* The table of texts: whole, without doubles, with the same conversions on both sides. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "tui/keymap.h"
#include "tui/text.h"

static const struct text_row *row_of(const char *en)
{
	for (const struct text_row *r = text_table; r->en; r++)
		if (strcmp(r->en, en) == 0)
			return r;
	return NULL;
}

/* The conversions of a format, one after another: "%s %5d %%" -> "s d ". */
static void conversions(const char *s, char *out)
{
	for (; (s = strchr(s, '%')); s++) {
		s += 1 + strspn(s + 1, "0123456789.-*");
		if (*s == 'z' || *s == 'l')
			*out++ = *s++;
		if (*s != '%')
			*out++ = *s;
	}
	*out = 0;
}

static void every_row_is_translated(void **state)
{
	for (const struct text_row *r = text_table; r->en; r++) {
		char en[64], ko[64];

		if (!r->ko || !r->ko[0])
			fail_msg("\"%s\" has no Korean text", r->en);
		assert_true(utf8_valid(r->ko, strlen(r->ko)));
		conversions(r->en, en);
		conversions(r->ko, ko);
		if (strcmp(en, ko) != 0)
			fail_msg("\"%s\" and \"%s\" print different things", r->en, r->ko);
		if (row_of(r->en) != r)
			fail_msg("\"%s\" has two rows", r->en);
	}
}

static void every_note_of_a_key_has_a_row(void **state)
{
	for (const struct keymap_row *k = keymap_table; k->context; k++)
		if (!row_of(k->note))
			fail_msg("the note \"%s\" is not in the table", k->note);
}

/* A button answers to the same key in every language. */
static void buttons_keep_their_keys(void **state)
{
	for (const struct text_row *r = text_table; r->en; r++) {
		const char *en = strchr(r->en, '&'), *ko = strchr(r->ko, '&');

		if (!en && !ko)
			continue;
		assert_non_null(en);
		if (!ko || tolower((unsigned char)en[1]) != tolower((unsigned char)ko[1]))
			fail_msg("\"%s\" and \"%s\" answer to different keys", r->en, r->ko);
	}
}

/* Headings of tables stand in columns of a fixed width. */
static void headings_fit_their_columns(void **state)
{
	static const struct {
		const char *en;
		int cells;
	} heads[] = { { "want", 6 }, { "ready", 6 },  { "cpu", 6 },   { "memory", 8 }, { " req/s", 7 },
		      { "image", 8 }, { "STACK", 10 }, { "DEV", 9 }, { "running", 9 }, { "failed", 9 } };

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const struct text_row *r = row_of(heads[i].en);
		assert_non_null(r);
		if (utf8_width(r->ko, strlen(r->ko)) > heads[i].cells)
			fail_msg("\"%s\" is wider than its column", r->ko);
	}
}

static void the_language_is_chosen(void **state)
{
	assert_string_equal(text_lang(), "en");
	assert_string_equal(text_of("Help"), "Help");
	assert_false(text_use("en"));
	assert_true(text_use("ko_KR.UTF-8"));
	assert_string_equal(text_lang(), "ko");
	assert_string_equal(text_of("Help"), "\ub3c4\uc6c0\ub9d0");
	assert_string_equal(text_of("no such text"), "no such text");
	assert_string_equal(text_of(""), "");
	assert_true(text_use("fr"));
	assert_string_equal(text_of("Help"), "Help");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_translated),
		cmocka_unit_test(every_note_of_a_key_has_a_row),
		cmocka_unit_test(buttons_keep_their_keys),
		cmocka_unit_test(headings_fit_their_columns),
		cmocka_unit_test(the_language_is_chosen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
