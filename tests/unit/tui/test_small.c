/* Sparklines, fuzzy matching, quoting and splitting, the models of home and operations. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "tui/command.h"
#include "tui/fuzzy.h"
#include "tui/home_model.h"
#include "tui/ops_model.h"
#include "tui/quote.h"
#include "tui/spark.h"

static void sparks_scale_and_shift(void **state)
{
	struct spark s = { .n = 0 };
	char out[64];

	spark_text(&s, 3, 0, out, sizeof(out));
	assert_string_equal(out, "   ");
	spark_add(&s, 0);
	spark_add(&s, 100);
	spark_text(&s, 3, 100, out, sizeof(out));
	assert_string_equal(out, " \u2581\u2588");
	spark_add(&s, NAN);
	spark_add(&s, -5);
	spark_text(&s, 2, 0, out, sizeof(out));
	assert_string_equal(out, "\u2581\u2581");
	for (int i = 0; i < 100; i++)
		spark_add(&s, i);
	assert_int_equal(s.n, SPARK_MAX);
	assert_true(s.v[SPARK_MAX - 1] == 99);
}

static void fuzzy_prefers_runs_and_words(void **state)
{
	assert_int_equal(fuzzy_score("", "anything"), 0);
	assert_int_equal(fuzzy_score("xyz", "abc"), -1);
	assert_int_equal(fuzzy_score("ba", "ab"), -1);
	assert_true(fuzzy_score("sca", "scale") > fuzzy_score("sca", "stack-a"));
	assert_true(fuzzy_score("pc", "project create") > fuzzy_score("pc", "topic"));
	assert_true(fuzzy_score("SHIP", "ship") > 0);
	assert_true(fuzzy_has_words("SCALE tier", "scale a tier while it serves"));
	assert_true(fuzzy_has_words("serv", "scale a tier while it serves"));
	assert_false(fuzzy_has_words("hide tree", "what is applied to the cluster, as kubectl takes it"));
	assert_false(fuzzy_has_words("serves tier it x", "scale a tier while it serves"));
}

static void words_are_split_as_a_shell_does(void **state)
{
	int argc;
	char **argv = command_split("  scale was=4  'a b' \"c\\\"d\" e\\ f '' ", &argc);

	assert_int_equal(argc, 6);
	assert_string_equal(argv[1], "was=4");
	assert_string_equal(argv[2], "a b");
	assert_string_equal(argv[3], "c\"d");
	assert_string_equal(argv[4], "e f");
	assert_string_equal(argv[5], "");
	assert_null(argv[6]);
	mem_free(argv);
	assert_null(command_split("say 'open", &argc));
	argv = command_split("", &argc);
	assert_int_equal(argc, 0);
	mem_free(argv);
	argv = command_split("a b c d e f g h i", &argc); /* as many words as letters allow */
	assert_int_equal(argc, 9);
	mem_free(argv);
}

static void quoting_survives_splitting(void **state)
{
	static const char *const texts[] = { "plain", "it's", "''", "a\\b \"c\" $x `y`", "", "--json" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *q = quote_word(texts[i]);
		int argc;
		char **argv = command_split(q, &argc);
		assert_int_equal(argc, 1);
		assert_string_equal(argv[0], texts[i]);
		mem_free(argv);
		mem_free(q);
	}
}

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void own_projects_come_first_and_the_choice_stays(void **state)
{
	struct home_model m = { 0 };
	json_t *o = parse("{\"projects\":[{\"id\":1,\"name\":\"zoo\",\"owner\":\"alice\"},"
			  "{\"id\":2,\"name\":\"abc\",\"owner\":\"bob\",\"running\":null},"
			  "{\"id\":3,\"name\":\"mid\",\"owner\":\"alice\"}]}");

	assert_null(home_model_chosen(&m));
	home_model_projects(&m, o, "alice");
	json_decref(o);
	assert_string_equal(m.projects[0].name, "mid");
	assert_string_equal(m.projects[2].name, "abc");
	home_model_choose_name(&m, "alice", "zoo");
	assert_string_equal(home_model_chosen(&m)->name, "zoo");
	o = parse("{\"projects\":[{\"id\":1,\"name\":\"zoo\",\"owner\":\"alice\"},"
		  "{\"id\":9,\"name\":\"aaa\",\"owner\":\"alice\"}]}");
	home_model_projects(&m, o, "alice");
	json_decref(o);
	assert_string_equal(home_model_chosen(&m)->name, "zoo");
	home_model_choose(&m, 500);
	assert_int_equal(m.chosen, 1);
	home_model_choose(&m, -3);
	assert_int_equal(m.chosen, 0);
	home_model_clear(&m);
}

static void odd_replies_harm_nothing(void **state)
{
	struct home_model h = { 0 };
	struct ops_model m = { .known = false };
	static const char *const odd[] = { "{}", "[]", "{\"projects\":5,\"stacks\":{},\"tiers\":7}",
		"{\"projects\":[1,null,{}],\"stacks\":[[]],\"images\":[{}],\"tiers\":[{},{\"tier\":5}]}" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_t *o = parse(odd[i]);
		home_model_projects(&h, o, "alice");
		home_model_stacks(&h, o);
		home_model_images(&h, o);
		ops_model_status(&m, o);
		ops_model_stats(&m, o, "");
		json_decref(o);
	}
	assert_int_equal(m.ntiers, 0);
	home_model_clear(&h);
}

static const char status[] =
    "{\"env\":\"prod\",\"state\":\"serving\",\"url\":\"http://x\",\"release\":{\"version\":7,"
    "\"digest\":\"sha256:9c41fe2aa\",\"by\":\"bob\",\"at\":\"2026-11-22T10:02:00Z\"},\"tiers\":["
    "{\"tier\":\"web\",\"want\":2,\"ready\":2,\"cpu\":4.0,\"memory\":14000000,\"rps\":null,"
    "\"instances\":[{\"name\":\"web-1\",\"state\":\"ready\",\"release\":7,\"restarts\":0}]},"
    "{\"tier\":\"db\",\"want\":1,\"ready\":1,\"cpu\":null,\"memory\":null}]}";

static void status_becomes_tiers(void **state)
{
	struct ops_model m = { .known = false };
	json_t *o = parse(status);

	ops_model_status(&m, o);
	assert_int_equal(m.ntiers, 2);
	assert_string_equal(m.release, "v7 9c41fe2 by bob 10:02");
	assert_int_equal(m.tiers[0].want, 2);
	assert_true(m.tiers[0].rps < 0);
	assert_int_equal(m.tiers[0].ninstances, 1);
	assert_int_equal(m.tiers[0].cpu_history.n, 1);
	assert_int_equal(m.tiers[1].cpu_history.n, 0);
	/* stats of another environment are not mixed in */
	ops_model_stats(&m, o, "dev");
	assert_int_equal(m.tiers[0].cpu_history.n, 1);
	ops_model_stats(&m, o, "prod");
	assert_int_equal(m.tiers[0].cpu_history.n, 2);
	json_decref(o);
}

static void images_are_named_by_owner_and_digest(void **state)
{
	struct ops_model m = { .known = false };
	json_t *o = parse("{\"project\":\"shop\",\"env\":\"dev\",\"tiers\":["
			  "{\"tier\":\"web\",\"image\":\"sha256:1f0c22aa\"},"
			  "{\"tier\":\"was\",\"image\":\"x/app@sha256:9c41fe2aa\"},"
			  "{\"tier\":\"db\",\"image\":\"sha256:77\"},"
			  "{\"tier\":\"odd\",\"image\":\"nothing\"},{\"tier\":\"none\"}]}");

	ops_model_status(&m, o);
	assert_string_equal(m.tiers[0].image, "web@1f0c\u2026");
	assert_string_equal(m.tiers[1].image, "shop@9c41\u2026");
	assert_string_equal(m.tiers[2].image, "pg@77\u2026");
	assert_string_equal(m.tiers[3].image, "nothing");
	assert_string_equal(m.tiers[4].image, "");
	json_decref(o);
}

static void asking_counts_from_what_was_asked(void **state)
{
	struct ops_model m = { .known = false };
	json_t *o = parse(status);

	ops_model_status(&m, o);
	assert_int_equal(ops_model_ask(&m, 1), 3);
	assert_int_equal(ops_model_ask(&m, 1), 4);
	assert_int_equal(ops_model_ask(&m, -1), 3);
	ops_model_choose(&m, 1);
	assert_int_equal(ops_model_ask(&m, 1), -1); /* the database */
	ops_model_choose(&m, 0);
	for (int i = 0; i < 50; i++)
		ops_model_ask(&m, 1);
	assert_int_equal(m.tiers[0].asked, 20);
	for (int i = 0; i < 50; i++)
		ops_model_ask(&m, -1);
	assert_int_equal(m.tiers[0].asked, 0);
	json_decref(o);
}

static void sizes_are_readable(void **state)
{
	char out[24];

	ops_model_size(-1, out, sizeof(out));
	assert_string_equal(out, "\u2014");
	ops_model_size(303400000, out, sizeof(out));
	assert_string_equal(out, "303 MB");
	ops_model_size(12300000000, out, sizeof(out));
	assert_string_equal(out, "12.3 GB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sparks_scale_and_shift),
		cmocka_unit_test(fuzzy_prefers_runs_and_words),
		cmocka_unit_test(words_are_split_as_a_shell_does),
		cmocka_unit_test(quoting_survives_splitting),
		cmocka_unit_test(own_projects_come_first_and_the_choice_stays),
		cmocka_unit_test(odd_replies_harm_nothing),
		cmocka_unit_test(status_becomes_tiers),
		cmocka_unit_test(images_are_named_by_owner_and_digest),
		cmocka_unit_test(asking_counts_from_what_was_asked),
		cmocka_unit_test(sizes_are_readable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
