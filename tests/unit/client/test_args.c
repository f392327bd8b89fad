/* Words of a line, and the check of words against a verb's usage string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/verb.h"
#include "engine/client/verb_args.h"

/* line's words joined by '|', or "!" for an open quote. */
static void words_are(const char *line, const char *want)
{
	cl_autofree char **words = NULL;
	int n = verb_args_split(line, &words);
	char got[256] = "";

	if (n < 0) {
		assert_string_equal("!", want);
		return;
	}
	for (int i = 0; i < n; i++) {
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s|", words[i]);
	}
	assert_null(words[n]);
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s", line, got);
}

static void splitting(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {{"", ""}, {"   ", ""}, {"a", "a|"}, {" a  b\tc ", "a|b|c|"}, {"a 'b c' d", "a|b c|d|"},
	    {"a \"b c\"", "a|b c|"}, {"''", "|"}, {"a '' b", "a||b|"}, {"a\\ b", "a b|"}, {"'a\\b'", "a\\b|"},
	    {"\"a\\\"b\"", "a\"b|"}, {"\"a\\nb\"", "a\\nb|"}, {"x'y'\"z\"", "xyz|"}, {"'open", "!"},
	    {"\"open", "!"}, {"a\\", "a\\|"}, {"재고 '화면 봐줘'", "재고|화면 봐줘|"}, {"$HOME `id`", "$HOME|`id`|"},
	    {"a;b|c", "a;b|c|"}};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		words_are(rows[i].line, rows[i].want);
}

static struct verb_ctx ctx;
static struct verb_args args;
static char **held;

/* Parse line against spec; "" or the error. */
static const char *parse(const char *spec, bool raw, const char *line)
{
	static struct cl_err err;
	bool help = false;
	int n;

	mem_free(held);
	mem_free(args.rest);
	n = verb_args_split(line, &held);
	memset(&ctx, 0, sizeof(ctx));
	ctx.wait = true;
	err_clear(&err);
	if (verb_args_parse(&args, spec, raw, n, held, &ctx, &help, &err) < 0) {
		assert_int_equal(err.code, CL_USAGE);
		return err.message;
	}
	return help ? "help" : "";
}

static void accepted_and_refused(void **state)
{
	static const struct {
		const char *spec, *line, *error;
	} rows[] = {
	    {"", "", ""},
	    {"", "x", "\"x\" is one word too many"},
	    {"", "--foo", "unknown option --foo"},
	    {"", "-x", "unknown option -x"},
	    {"NAME", "", "NAME is missing"},
	    {"NAME", "a b", "\"b\" is one word too many"},
	    {"[NAME]", "", ""},
	    {"NAME --stack ID [--description TEXT]", "shop --stack django", ""},
	    {"NAME --stack ID [--description TEXT]", "--stack=django shop --description 'a b'", ""},
	    {"NAME --stack ID [--description TEXT]", "shop", "--stack is missing"},
	    {"NAME --stack ID", "shop --stack", "--stack needs a value"},
	    {"NAME --stack ID", "shop --stack a --stack b", "--stack is given twice"},
	    {"[web=N] [was=N]", "was=4", ""},
	    {"[web=N] [was=N]", "was=x", "\"x\" is not a whole number"},
	    {"[web=N] [was=N]", "was=-1", "\"-1\" is not a whole number"},
	    {"[web=N] [was=N]", "was=", "\"\" is not a whole number"},
	    {"[web=N] [was=N]", "was=99999999999999999999", "\"99999999999999999999\" is not a whole number"},
	    {"[web=N] [was=N]", "db=1", "\"db=1\" is one word too many"},
	    {"[web=N] [was=N]", "was=1 was=2", "was is given twice"},
	    {"K=V...", "", "K=V is missing"},
	    {"K=V... [--secret]", "A=1 --secret B=2", ""},
	    {"[CMD...]", "", ""},
	    {"[-f|--follow]", "--follow", ""},
	    {"[-f|--follow]", "-f -f", ""},
	    {"[-f|--follow]", "--follow=1", "--follow takes no value"},
	    {"[-n|--tail N]", "--tail 100", ""},
	    {"[-n|--tail N]", "-n5", ""},
	    {"[-n|--tail N]", "-n x", "\"x\" is not a whole number"},
	    {"N", "12", ""},
	    {"N", "twelve", "\"twelve\" is not a whole number"},
	    {"", "--env prod", ""},
	    {"", "--env test", "--env is dev or prod, not \"test\""},
	    {"", "--timeout 5m", ""},
	    {"", "--timeout soon", "--timeout: \"soon\" is no duration like 60s, 5m or 1h"},
	    {"", "--timeout 0", "--timeout: \"0\" is no duration like 60s, 5m or 1h"},
	    {"", "-p", "-p needs a value"},
	    {"NAME", "--help", "help"},
	    {"[TEXT...]", "-- --help -x", ""},
	    {"[TEXT...]", "-", ""},
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		const char *got = parse(rows[i].spec, false, rows[i].line);

		if (strcmp(got, rows[i].error) != 0)
			fail_msg("[%s] %s: %s", rows[i].spec, rows[i].line, got);
	}
}

static void values(void **state)
{
	assert_string_equal(parse("NAME --stack ID [-n|--tail N] [-f|--follow]", false,
	    "--tail=7 shop -f --stack 'a b'"), "");
	assert_string_equal(verb_args_get(&args, "NAME"), "shop");
	assert_string_equal(verb_args_get(&args, "--stack"), "a b");
	assert_int_equal(verb_args_int(&args, "-n", 1), 7);
	assert_true(verb_args_has(&args, "-f"));
	assert_int_equal(verb_args_int(&args, "-x", 5), 5);
	assert_null(verb_args_get(&args, "--follow"));
}

static void common_options(void **state)
{
	assert_string_equal(parse("", false, "--json -q -n -y --no-wait --timeout 1h -p bob.shop --env dev"), "");
	assert_true(ctx.json && ctx.quiet && ctx.dry_run && ctx.yes && !ctx.wait);
	assert_int_equal(ctx.timeout_s, 3600);
	assert_string_equal(ctx.project, "bob.shop");
	assert_string_equal(ctx.env, "dev");
	/* A row's own -n is not --dry-run. */
	assert_string_equal(parse("[-n|--tail N]", false, "-n 3 --dry-run"), "");
	assert_true(ctx.dry_run);
	assert_int_equal(verb_args_int(&args, "-n", 0), 3);
}

static void programs_keep_their_options(void **state)
{
	assert_string_equal(parse("[CMD...]", true, "--json ls -la --json -- x"), "");
	assert_true(ctx.json);
	assert_int_equal(args.nrest, 5);
	assert_string_equal(args.rest[1], "-la");
	assert_string_equal(args.rest[3], "--");
	assert_null(args.rest[5]);
	assert_string_equal(parse("[CMD...]", true, "-- -x"), "");
	assert_string_equal(args.rest[0], "-x");
	mem_free(args.rest);
	args.rest = NULL;
	mem_free(held);
	held = NULL;
}

static void durations(void **state)
{
	assert_int_equal(verb_args_seconds("60"), 60);
	assert_int_equal(verb_args_seconds("60s"), 60);
	assert_int_equal(verb_args_seconds("2m"), 120);
	assert_int_equal(verb_args_seconds("1h"), 3600);
	for (const char *const *bad = (const char *const[]){"", "s", "-1", "1d", "1 s", " 1", "999999h",
	    "99999999999999999999", NULL}; *bad; bad++)
		assert_int_equal(verb_args_seconds(*bad), -1);
}

static const char *row_of(const char *line)
{
	const struct verb *v = verb_find_line(line);

	return v ? v->name : "";
}

static void rows_are_found(void **state)
{
	static const struct {
		const char *line, *verb;
	} rows[] = {{"scale was=4", "scale"}, {"ps:scale web=2", "scale"}, {"apps:create shop", "project create"},
	    {"config:set A=1", "config set"}, {"config set A=1", "config set"}, {"project member add bob", "project member add"},
	    {"project", ""}, {"ls -la", ""}, {"", ""}, {"'open", ""}, {"Scale", ""}, {"op 3", "op"}, {"op ls", "op ls"},
	    {"scales", ""}, {"config:nonsense", ""}, {"scale:more", ""}, {"\"x:'\" y", ""}, {"':'", ""}, {"  run  ", "run"}};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		if (strcmp(row_of(rows[i].line), rows[i].verb) != 0)
			fail_msg("%s: %s", rows[i].line, row_of(rows[i].line));
	assert_true(verb_known_word("user ad"));
	assert_true(verb_known_word("user"));
	assert_false(verb_known_word("use"));
	assert_false(verb_known_word("users"));
	assert_false(verb_known_word(""));
}

/* The examples in the table are what its own parser accepts; names are unique. */
static void the_table_holds_together(void **state)
{
	for (const struct verb *v = verb_table; v->name; v++) {
		cl_autofree char *line = mem_strdup(v->example);
		char *at = strstr(line, v->name);

		assert_non_null(at);
		assert_string_not_equal(v->help, "");
		for (const struct verb *w = v + 1; w->name; w++)
			assert_string_not_equal(v->name, w->name);
		at += strlen(v->name);
		at[strcspn(at, "|>)")] = '\0';
		if (v->run && !strchr(at, '$') && parse(v->args, v->flags & VERB_RAW, at)[0])
			fail_msg("%s: %s", v->example, parse(v->args, v->flags & VERB_RAW, at));
	}
	for (const struct verb_alias *a = verb_table_aliases; a->from; a++) {
		assert_string_equal(row_of(a->from), a->to);
		assert_non_null(strchr(a->from, ':'));
	}
	mem_free(args.rest);
	args.rest = NULL;
	mem_free(held);
	held = NULL;
}

/* A wrong byte would be left out of the request, and another thing be done than was meant. */
static void words_are_utf8_but_for_names_of_files(void **state)
{
	static const char *const usage[][2] = {{"NAME", "caf\xe9"}, {"[--role ROLE]", "--role \xff"},
	    {"[--role ROLE]", "--role=\xff"}, {"[-m TEXT]", "-m\xc3"}, {"K...", "A \xe9"},
	    {"[was=N]", "was=\xe9"}, {"[CMD...]", "cat \xed\xa0\x80"}, {"[KEY...]", "ssh-rsa AAAA caf\xe9"}};
	static const char *const fine[][2] = {{"FILE", "caf\xe9.tar"}, {"FOLDER [--force]", "--force \xff"},
	    {"[SOURCE]", "./\xe9.zip"}, {"[--from SOURCE]", "--from=\xe9.zip"}, {"K...", "재고 \xf0\x9f\x98\x80"}};

	for (size_t i = 0; i < CL_COUNT(usage); i++) {
		const char *why = parse(usage[i][0], false, usage[i][1]);

		if (!strstr(why, "is not UTF-8"))
			fail_msg("%s: \"%s\"", usage[i][0], why);
		assert_true(utf8_valid(why, strlen(why)));
	}
	for (size_t i = 0; i < CL_COUNT(fine); i++)
		assert_string_equal(parse(fine[i][0], false, fine[i][1]), "");
	mem_free(args.rest);
	args.rest = NULL;
	mem_free(held);
	held = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splitting), cmocka_unit_test(accepted_and_refused), cmocka_unit_test(values),
	    cmocka_unit_test(common_options), cmocka_unit_test(programs_keep_their_options),
	    cmocka_unit_test(durations), cmocka_unit_test(rows_are_found),
	    cmocka_unit_test(the_table_holds_together),
	    cmocka_unit_test(words_are_utf8_but_for_names_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
