/* UTF-8 decoding and widths, and screen_safe() on everything that could drive a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/screen.h"
#include "base/utf8.h"

static void every_scalar_goes_round(void **state)
{
	uint32_t back;
	char b[4];
	size_t n;

	for (uint32_t cp = 0; cp <= 0x110000; cp++) {
		n = utf8_encode(cp, b);
		if ((cp >= 0xD800 && cp < 0xE000) || cp > 0x10FFFF) {
			assert_int_equal(n, 0);
			continue;
		}
		if (utf8_decode(b, n, &back) != n || back != cp)
			fail_msg("U+%04X comes back as U+%04X", cp, back);
		for (size_t cut = 1; cut < n; cut++)
			if (utf8_decode(b, cut, &back) != 1 || back != UTF8_BAD || utf8_whole(b, cut) != 0)
				fail_msg("U+%04X cut at %zu", cp, cut);
	}
}

static void bad_bytes_are_one_each(void **state)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
	    "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xe2\x28\xa1"};
	uint32_t cp;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &cp), 1);
		assert_int_equal(cp, UTF8_BAD);
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	}
	assert_true(utf8_valid("\xef\xbf\xbd", 3));
	assert_true(utf8_valid("a\0b", 3));
	assert_int_equal(utf8_whole("a\xec\x9e", 3), 1);
	assert_int_equal(utf8_whole("a\xec\x9e\xac", 4), 4);
	assert_int_equal(utf8_whole("a\x80\x80\x80\x80", 5), 5);
	assert_int_equal(utf8_whole("", 0), 0);
}

static void widths(void **state)
{
	static const struct {
		const char *text;
		int cells;
	} rows[] = {{"", 0}, {"abc", 3}, {"재고", 4}, {"e\xcc\x81", 1}, {"日本", 4}, {"한", 2},
	    {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 2} /* the same in Jamo */, {"é", 1},
	    {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", 2} /* woman, ZWJ, computer */,
	    {"\xf0\x9f\x87\xb0\xf0\x9f\x87\xb7", 2} /* flag */, {"\xe2\x9d\xa4\xef\xb8\x8f", 2}, {"─│", 2}};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		if (utf8_width(rows[i].text, strlen(rows[i].text)) != rows[i].cells)
			fail_msg("%s is %d cells", rows[i].text,
			    utf8_width(rows[i].text, strlen(rows[i].text)));
	assert_int_equal(utf8_cell_width('\n'), 0);
	assert_int_equal(utf8_cell_width(0x9b), 0);
	assert_int_equal(utf8_cell_width(0x301), 0);
}

static void fitting_never_splits(void **state)
{
	const char *s = "a재e\xcc\x81z";
	int used;

	assert_int_equal(utf8_fit(s, strlen(s), 0, &used), 0);
	assert_int_equal(utf8_fit(s, strlen(s), 1, &used), 1);
	assert_int_equal(utf8_fit(s, strlen(s), 2, &used), 1);
	assert_int_equal(used, 1);
	assert_int_equal(utf8_fit(s, strlen(s), 3, &used), 4);
	assert_int_equal(utf8_fit(s, strlen(s), 4, &used), 7);
	assert_int_equal(utf8_fit(s, strlen(s), 99, &used), 8);
	assert_int_equal(used, 5);
}

/* No byte of it can do anything on a terminal. */
static void assert_harmless(const char *s, size_t n)
{
	uint32_t cp;

	assert_true(utf8_valid(s, n));
	for (size_t i = 0; i < n;) {
		i += utf8_decode(s + i, n - i, &cp);
		if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || (cp >= 0x202A && cp <= 0x202E) ||
		    (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200E || cp == 0x200F || cp == 0x61C ||
		    cp == 0x2028 || cp == 0x2029)
			fail_msg("U+%04X came through", cp);
	}
}

static void screen_every_code_point(void **state)
{
	char src[4], dst[32];
	size_t n;

	for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
		n = utf8_encode(cp, src);
		assert_harmless(dst, screen_safe(dst, sizeof(dst), src, n, 0));
	}
	for (int b = 0; b < 256; b++) {
		src[0] = (char)b;
		assert_harmless(dst, screen_safe(dst, sizeof(dst), src, 1, 0));
	}
}

static void screen_forms(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {{"plain 재고 é", "plain 재고 é"}, {"\x1b[2J", "^[[2J"}, {"a\tb\nc", "a b^Jc"},
	    {"\x7f", "^?"}, {"\x01", "^A"}, {"\xc2\x9b" "31m", "\\x9b31m"}, {"\x9b" "31m", "\\x9b31m"},
	    {"\xe2\x80\xae" "txt.exe", "\\u{202e}txt.exe"}, {"\xe2\x80\xa8", "\\u{2028}"},
	    {"\xd8\x9c", "\\u{061c}"}, {"\xff\xfe", "\\xff\\xfe"}, {"\xf3\xa0\x81\x81", "\\u{e0041}"},
	    {"\xef\xbf\xbd", "\xef\xbf\xbd"}, {"\xef\xbb\xbf", "\\u{feff}"}, {"\xed\xa0\x80", "\\xed\\xa0\\x80"}};
	char dst[64];

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		cl_autofree char *heap = screen_safe_dup(rows[i].in, strlen(rows[i].in), 0);

		screen_safe(dst, sizeof(dst), rows[i].in, strlen(rows[i].in), 0);
		assert_string_equal(dst, rows[i].out);
		assert_string_equal(heap, rows[i].out);
	}
	assert_int_equal(screen_safe(dst, sizeof(dst), "a\0b", 3, 0), 4);
	assert_string_equal(dst, "a^@b");
	screen_safe(dst, sizeof(dst), "a\tb\nc", 5, SCREEN_KEEP_TAB | SCREEN_KEEP_NEWLINE);
	assert_string_equal(dst, "a\tb\nc");
}

static void screen_cuts_whole(void **state)
{
	const char *src = "a\x1b재\xff\xe2\x80\xae";
	char dst[64];
	size_t n;

	for (size_t size = 1; size < sizeof(dst); size++) {
		memset(dst, '#', sizeof(dst));
		n = screen_safe(dst, size, src, strlen(src), 0);
		assert_true(n < size);
		assert_int_equal(dst[n], 0);
		assert_harmless(dst, n);
		/* Cut at a whole escape: never "^" or "\x" alone at the end. */
		assert_true(n == 0 || n == 1 || n == 3 || n == 6 || n == 10 || n == 18);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_scalar_goes_round),
	    cmocka_unit_test(bad_bytes_are_one_each),
	    cmocka_unit_test(widths),
	    cmocka_unit_test(fitting_never_splits),
	    cmocka_unit_test(screen_every_code_point),
	    cmocka_unit_test(screen_forms),
	    cmocka_unit_test(screen_cuts_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
