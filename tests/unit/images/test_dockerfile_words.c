/* Words of a Containerfile's instructions: variables, quotes, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "images/dockerfile_words.h"
#include "images/field.h"

static struct dockerfile_vars near, far;
static const struct dockerfile_scope scope = {.first = &near, .second = &far};
static struct cl_err err;

static int setup(void **state)
{
	memset(&err, 0, sizeof(err));
	assert_int_equal(dockerfile_vars_set(&near, "A", "near"), 0);
	assert_int_equal(dockerfile_vars_set(&near, "EMPTY", ""), 0);
	assert_int_equal(dockerfile_vars_set(&far, "A", "far"), 0);
	assert_int_equal(dockerfile_vars_set(&far, "B", "two words"), 0);
	assert_int_equal(dockerfile_vars_set(&far, "EMPTY", "far"), 0);
	return 0;
}

static int teardown(void **state)
{
	dockerfile_vars_clear(&near);
	dockerfile_vars_clear(&far);
	return 0;
}

static void is(const char *text, const char *want)
{
	char *got = dockerfile_words_expand(text, &scope, 3, &err);

	if (!got)
		fail_msg("%s: %s", text, err.message);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s instead of %s", text, got, want);
	mem_free(got);
}

static void fails(const char *text, const char *why)
{
	memset(&err, 0, sizeof(err));
	assert_null(dockerfile_words_expand(text, &scope, 3, &err));
	assert_int_equal(err.code, CL_USAGE);
	assert_string_equal(err.message, why);
}

static void test_variables(void **state)
{
	is("$A", "near");
	is("x${A}y$A", "xnearynear");
	is("$Ab-$A-b", "-near-b"); /* the longest name counts */
	is("$NONE|${NONE}", "|");
	is("$EMPTY", ""); /* the nearer one is empty, it is there all the same */
	is("$B", "two words");
	is("100$ and $1 and $", "100$ and $1 and $");
	is("", "");
}

static void test_defaults_and_alternatives(void **state)
{
	is("${NONE:-other}", "other");
	is("${EMPTY:-other}", "other");
	is("${A:-other}", "near");
	is("before ${A:-other} after", "before near after");
	is("${NONE:-}", "");
	is("${A:+set}", "set");
	is("<${NONE:+set}>", "<>");
	is("<${EMPTY:+set}>", "<>");
	is("${NONE:-${ALSO:-${A}}}", "near");
	is("${NONE:-$B}", "two words");
	is("${NONE:-\"} $A\"}", "} near");
}

static void test_quotes_and_backslashes(void **state)
{
	is("'$A'", "$A");
	is("\"$A\"", "near");
	is("\"a\\\"b\\\\c\\$A\"", "a\"b\\c$A");
	is("\"\\n\"", "\\n"); /* only \" \\ and \$ are special between double quotes */
	is("'a\\'", "a\\");
	is("\\$A \\\\ \\x", "$A \\ x");
	is("a'b'\"c\"d", "abcd");
	is("end\\", "end\\");
}

static void test_what_is_refused(void **state)
{
	char nested[200] = "";

	fails("\"open", "Containerfile line 3: a quote has no end");
	fails("'open", "Containerfile line 3: a quote has no end");
	fails("${A", "Containerfile line 3: ${NAME}, ${NAME:-word} and ${NAME:+word} are known, no other form");
	fails("${A#near}", "Containerfile line 3: ${NAME}, ${NAME:-word} and ${NAME:+word} are known, no other form");
	fails("${A:?no}", "Containerfile line 3: ${NAME}, ${NAME:-word} and ${NAME:+word} are known, no other form");
	fails("${}", "Containerfile line 3: a ${ has no name");
	fails("${1}", "Containerfile line 3: a ${ has no name");
	fails("${NONE:-x", "Containerfile line 3: a ${ has no }");
	for (size_t i = 0; i < 12; i++)
		memcpy(nested + 5 * i, "${N:-", 6);
	fails(nested, "Containerfile line 3: variables are nested too deep");
}

/* Twenty bytes that would be megabytes: a variable of all that one may hold, named again and again. */
static void test_a_word_has_an_end(void **state)
{
	char big[8193], *both;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(dockerfile_vars_set(&near, "BIG", big), 0);
	both = dockerfile_words_expand("$BIG${BIG}", &scope, 3, &err);
	assert_non_null(both);
	assert_int_equal(strlen(both), DOCKERFILE_WORD);
	mem_free(both);
	fails("$BIG$BIG.", "Containerfile line 3: too long");
	fails("$BIG$BIG$BIG", "Containerfile line 3: too long");
	fails("\"$BIG$BIG.\"", "Containerfile line 3: too long");
}

static void test_cut_at_blanks_outside_of_quotes(void **state)
{
	char **w = dockerfile_words_split("  a\t'b c'  $B \"\" d\\ e ", &scope, 1, 3, &err);

	assert_non_null(w);
	assert_int_equal(dockerfile_words_count(w), 5);
	assert_string_equal(w[0], "a");
	assert_string_equal(w[1], "b c");
	assert_string_equal(w[2], "two words"); /* a value is one word */
	assert_string_equal(w[3], "");
	assert_string_equal(w[4], "d e");
	field_free_argv(w);
}

static void test_too_few_and_too_many(void **state)
{
	char many[200] = "";
	char **w;

	assert_null(dockerfile_words_split("one", &scope, 2, 9, &err));
	assert_string_equal(err.message, "Containerfile line 9: something is missing");
	w = dockerfile_words_split(" \t", &scope, 0, 9, NULL);
	assert_non_null(w);
	assert_int_equal(dockerfile_words_count(w), 0);
	field_free_argv(w);
	for (size_t i = 0; i < DOCKERFILE_WORDS; i++)
		memcpy(many + 2 * i, "w ", 3);
	w = dockerfile_words_split(many, &scope, 1, 9, NULL);
	assert_int_equal(dockerfile_words_count(w), DOCKERFILE_WORDS);
	field_free_argv(w);
	memcpy(many + 2 * (size_t)DOCKERFILE_WORDS, "w", 2);
	memset(&err, 0, sizeof(err));
	assert_null(dockerfile_words_split(many, &scope, 1, 9, &err));
	assert_string_equal(err.message, "Containerfile line 9: too many words");
	memset(&err, 0, sizeof(err));
	assert_null(dockerfile_words_split("a 'b", &scope, 1, 9, &err)); /* the first reason is the one that is said */
	assert_string_equal(err.message, "Containerfile line 9: a quote has no end");
}

static void test_arrays(void **state)
{
	static const char *const none[] = {"sh -c x", "[\"a\"", "['a']", "[\"a\", 1]", "[\"a\\u0000b\"]", "{\"a\": 1}", "",
	    "[\"a\"] more"};
	char **w = dockerfile_words_json(" [\"sh\", \"-c\", \"a $A b\"] ");

	assert_int_equal(dockerfile_words_count(w), 3);
	assert_string_equal(w[2], "a $A b"); /* a program's words are not filled in */
	field_free_argv(w);
	w = dockerfile_words_json("[]");
	assert_non_null(w);
	assert_int_equal(dockerfile_words_count(w), 0);
	field_free_argv(w);
	for (size_t i = 0; i < CL_COUNT(none); i++)
		assert_null(dockerfile_words_json(none[i]));
}

static void test_copies(void **state)
{
	char a[] = "a", b[] = "b", *words[] = {a, b, NULL};
	char **copy = dockerfile_words_dup(words);

	a[0] = 'x';
	assert_int_equal(dockerfile_words_count(copy), 2);
	assert_string_equal(copy[0], "a");
	assert_string_equal(copy[1], "b");
	field_free_argv(copy);
	assert_null(dockerfile_words_dup(NULL));
	assert_int_equal(dockerfile_words_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_variables, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_defaults_and_alternatives, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_quotes_and_backslashes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_word_has_an_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_at_blanks_outside_of_quotes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_too_few_and_too_many, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
