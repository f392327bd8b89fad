/* Search over pieces and windows: across every edge, both ways, within budgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "editor/search.h"

static struct text *
of(const char *s)
{
	return text_new(source_new_mem(mem_strdup(s), strlen(s)));
}

static enum search_result
look(struct text *t, const char *pattern, unsigned flags, size_t from, bool back,
    struct search_scan *scan)
{
	struct search *s = search_new(pattern, strlen(pattern), flags, NULL);
	enum search_result r;

	assert_non_null(s);
	*scan = (struct search_scan){ .pos = from, .back = back, .limit = back ? 0 : SIZE_MAX };
	while ((r = search_step(s, t, scan, 1, NULL)) == SEARCH_MORE)
		;
	search_free(s);
	return r;
}

static void
literal_and_case(void **state)
{
	struct text *t = of("Apple apple a.ple APPLE");
	struct search_scan m;

	assert_int_equal(look(t, "apple", 0, 0, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 0);
	assert_int_equal(look(t, "apple", SEARCH_CASE, 0, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 6);
	assert_int_equal(look(t, "APP", 0, 0, false, &m), SEARCH_FOUND); /* a capital: case counts */
	assert_int_equal(m.start, 18);
	assert_int_equal(look(t, "a.ple", 0, 0, false, &m), SEARCH_FOUND); /* '.' is a dot */
	assert_int_equal(m.start, 12);
	assert_int_equal(look(t, "pear", 0, 0, false, &m), SEARCH_NONE);
	text_free(t);
}

static void
backward(void **state)
{
	struct text *t = of("x12x34x");
	struct search_scan m;

	assert_int_equal(look(t, "x", 0, 7, true, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 6);
	assert_int_equal(look(t, "x", 0, 6, true, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 3);
	assert_int_equal(look(t, "x", 0, 0, true, &m), SEARCH_NONE);
	text_free(t);
}

static void
regex_anchors_and_groups(void **state)
{
	struct text *t = of("one 1\ntwo 22\nthree 333");
	struct search_scan m;

	assert_int_equal(look(t, "^t\\w+ (\\d+)$", SEARCH_REGEX, 0, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 6);
	assert_int_equal(m.end, 12);
	assert_int_equal(look(t, "\\d+$", SEARCH_REGEX, 13, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 19);
	assert_int_equal(look(t, "1\ntwo", SEARCH_REGEX, 0, false, &m), SEARCH_FOUND);
	assert_int_equal(look(t, "(?<=two )2", SEARCH_REGEX, 9, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 10);
	text_free(t);
}

static void
a_malformed_pattern_says_where(void **state)
{
	struct cl_err err = { 0 };

	assert_null(search_new("a(b", 3, SEARCH_REGEX, &err));
	assert_int_equal(err.code, CL_USAGE);
	assert_non_null(strstr(err.message, "at character 3"));
	assert_null(search_new("", 0, 0, NULL));
	assert_null(search_new("\xff", 1, 0, NULL));
}

/* A needle at every place, tiny windows, and the text in pieces of one byte: never missed. */
static void
no_edge_hides_a_match(void **state)
{
	struct search *lit = search_new("needle", 6, 0, NULL);
	struct search *re = search_new("ne+dl(e|a)", 10, SEARCH_REGEX, NULL);

	search_window(lit, 5);
	search_window(re, 7);
	for (size_t at = 0; at < 400; at += 7) {
		struct search_scan a = { .limit = SIZE_MAX }, b = { .limit = SIZE_MAX };
		struct text *t = of("");
		enum search_result r;

		for (size_t i = 0; i < 400; i++)
			text_insert(t, i / 2, "n", 1, NULL); /* prefixes that lead nowhere */
		for (size_t i = 0; i < 6; i++)
			text_insert(t, at + i, &"needle"[i], 1, NULL);
		while ((r = search_step(lit, t, &a, 9, NULL)) == SEARCH_MORE)
			;
		assert_int_equal(r, SEARCH_FOUND);
		assert_int_equal(a.start, at);
		while ((r = search_step(re, t, &b, 9, NULL)) == SEARCH_MORE)
			;
		assert_int_equal(r, SEARCH_FOUND);
		assert_int_equal(b.start, at);
		assert_int_equal(b.end, at + 6);
		text_free(t);
	}
	search_free(lit);
	search_free(re);
}

static void
invalid_bytes_and_hangul(void **state)
{
	struct text *t = of("\xff\xfe \xed\x95\x9c\xea\xb8\x80 \x80\x80\x80 \xed\x95\x9c\xea\xb8\x80");
	struct search_scan m;

	assert_int_equal(look(t, "\xea\xb8\x80", 0, 0, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 6);
	assert_int_equal(look(t, "\xea\xb8\x80", 0, m.end, false, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 17);
	assert_int_equal(look(t, "\xea\xb8\x80", 0, 8, false, &m), SEARCH_FOUND); /* from inside one */
	assert_int_equal(m.start, 17);
	assert_int_equal(look(t, "\xed\x95\x9c.", SEARCH_REGEX, 17, true, &m), SEARCH_FOUND);
	assert_int_equal(m.start, 14);
	text_free(t);
}

static void
a_large_text_is_searched_in_steps(void **state)
{
	size_t len = 3 << 20;
	char *s = mem_alloc(len);
	struct search *find = search_new("end", 3, 0, NULL);
	struct search_scan m = { .limit = SIZE_MAX };
	enum search_result r;
	struct text *t;
	int turns = 0;

	memset(s, '.', len);
	memcpy(s + len - 3, "end", 3);
	t = text_new(source_new_mem(s, len));
	while ((r = search_step(find, t, &m, 1 << 18, NULL)) == SEARCH_MORE)
		turns++;
	assert_int_equal(r, SEARCH_FOUND);
	assert_int_equal(m.start, len - 3);
	assert_in_range(turns, 5, 40);
	assert_int_equal(look(t, "nowhere", 0, len, true, &m), SEARCH_NONE);
	search_free(find);
	text_free(t);
}

static void
a_runaway_pattern_ends(void **state)
{
	char s[200];
	struct search *find = search_new("(a+)+$", 6, SEARCH_REGEX, NULL);
	struct search_scan m = { .limit = SIZE_MAX };
	struct cl_err err = { 0 };
	struct text *t;

	memset(s, 'a', sizeof s - 2);
	s[sizeof s - 2] = 'b';
	s[sizeof s - 1] = '\0';
	t = of(s);
	assert_int_equal(search_step(find, t, &m, SEARCH_BUDGET, &err), SEARCH_FAILED);
	assert_int_equal(err.code, CL_TOO_LARGE);
	search_free(find);
	text_free(t);
}

static void
replacements_expand(void **state)
{
	struct text *t = of("name=value");
	struct search *re = search_new("(\\w+)=(\\w+)", 11, SEARCH_REGEX, NULL);
	struct search *lit = search_new("name", 4, 0, NULL);
	struct search_scan m = { .limit = SIZE_MAX };
	struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(search_step(re, t, &m, SEARCH_BUDGET, NULL), SEARCH_FOUND);
	assert_int_equal(search_expand(re, t, &m, "$2:$1", 5, &out, NULL), 0);
	assert_string_equal(out.data, "value:name");
	buf_drop(&out, out.len);
	assert_int_equal(search_expand(re, t, &m, "$9", 2, &out, NULL), -1);
	m = (struct search_scan){ .limit = SIZE_MAX };
	assert_int_equal(search_step(lit, t, &m, SEARCH_BUDGET, NULL), SEARCH_FOUND);
	assert_int_equal(search_expand(lit, t, &m, "$1", 2, &out, NULL), 0);
	assert_string_equal(out.data, "$1");
	buf_clear(&out);
	search_free(re);
	search_free(lit);
	text_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_and_case),
		cmocka_unit_test(backward),
		cmocka_unit_test(regex_anchors_and_groups),
		cmocka_unit_test(a_malformed_pattern_says_where),
		cmocka_unit_test(no_edge_hides_a_match),
		cmocka_unit_test(invalid_bytes_and_hangul),
		cmocka_unit_test(a_large_text_is_searched_in_steps),
		cmocka_unit_test(a_runaway_pattern_ends),
		cmocka_unit_test(replacements_expand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
