/* The routes of environments: what they check, what they refuse and why, plans, variables, masks. */
#include "tests/unit/engine/world.h"

static int64_t count_ops(struct world *w)
{
	return store_number(w->e.store, 0, "SELECT count(*) FROM op WHERE kind <> 'image build'", "");
}

/* -- before anything is deployed -- */

static void nothing_deployed_is_said_as_such(void **state)
{
	struct world *w = *state;

	world_refused(w, ROUTE_PROMOTE, "", "{}", CL_PRECONDITION, "no release serves in dev");
	assert_non_null(strstr(w->err.hint, "deploy"));
	world_refused(w, ROUTE_ROLLBACK, "", "{}", CL_NOT_FOUND, "nothing is deployed");
	world_refused(w, ROUTE_SCALE, "", "{\"web\":2}", CL_NOT_FOUND, "nothing is deployed");
	assert_int_equal(world_call(w, ROUTE_RELEASES, "", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "releases")), 0);
	assert_int_equal(world_call(w, ROUTE_CONFIG_GET, "", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "config")), 0);
	assert_int_equal(world_call(w, ROUTE_STATUS, "", NULL), 200);
	assert_string_equal(world_str(w, "state"), "absent");
	assert_string_equal(world_str(w, "env"), "dev");
	assert_true(json_is_null(json_object_get(w->reply.body, "release")));
	assert_true(json_is_null(json_object_get(w->reply.body, "url")));
	assert_int_equal(world_call(w, ROUTE_LOGS, "", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "lines")), 0);
	world_refused(w, ROUTE_LOGS, "follow=1", NULL, CL_NOT_FOUND, "no instance");
	assert_int_equal(count_ops(w), 0);
}

static void other_environments_than_two_are_refused(void **state)
{
	static const char *const bad[] = { "test", "PROD", "ide", "dev ", "prod'--", "*" };
	static const enum route_id reads[] = { ROUTE_STATUS, ROUTE_RELEASES, ROUTE_LOGS,
		ROUTE_CONFIG_GET };
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		char query[64], body[96];

		(void)snprintf(query, sizeof(query), "env=%s", bad[i]);
		for (size_t k = 0; k < CL_COUNT(reads); k++)
			world_refused(w, reads[k], query, NULL, CL_USAGE, "env");
		(void)snprintf(body, sizeof(body), "{\"env\":\"%s\",\"web\":1,\"set\":{\"A\":\"1\"}}",
		    bad[i]);
		world_refused(w, ROUTE_DEPLOY, "", body, CL_USAGE, "env");
		world_refused(w, ROUTE_ROLLBACK, "", body, CL_USAGE, "env");
		world_refused(w, ROUTE_SCALE, "", body, CL_USAGE, "env");
		world_refused(w, ROUTE_CONFIG_SET, "", body, CL_USAGE, "env");
	}
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM env", ""), 0);
}

static void a_plan_changes_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_call(w, ROUTE_SHIP, "", "{\"dry_run\":true}"), 200);
	assert_int_equal(json_integer_value(json_object_get(w->reply.body, "id")), 0);
	assert_string_equal(world_str(w, "kind"), "ship");
	assert_string_equal(world_str(w, "state"), "done");
	assert_non_null(strstr(world_str(w, "step"), "prod: build the application"));
	assert_int_equal(world_call(w, ROUTE_DEPLOY, "", "{\"dry_run\":true}"), 200);
	assert_string_equal(world_str(w, "env"), "dev");
	assert_int_equal(count_ops(w), 0);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM env", ""), 0);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release", ""), 0);
}

static void a_project_that_is_not_ready_takes_no_work(void **state)
{
	static const char *const states[] = { "creating", "removing" };
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(states); i++) {
		assert_int_equal(store_project_set_state(w->e.store, w->project, states[i], NULL), 0);
		world_refused(w, ROUTE_SHIP, "", "{}", CL_CONFLICT, states[i]);
		world_refused(w, ROUTE_DEPLOY, "", "{}", CL_CONFLICT, states[i]);
		world_refused(w, ROUTE_SCALE, "", "{\"web\":1}", CL_CONFLICT, states[i]);
		world_refused(w, ROUTE_DEV, "", "{\"action\":\"up\"}", CL_CONFLICT, states[i]);
		world_refused(w, ROUTE_EXEC, "", "{\"shell\":true}", CL_CONFLICT, states[i]);
		world_refused(w, ROUTE_CONFIG_SET, "", "{\"set\":{\"A\":\"1\"}}", CL_CONFLICT, states[i]);
	}
	assert_int_equal(count_ops(w), 0);
}

/* -- a release serves -- */

static void shipping_shows_in_every_answer(void **state)
{
	struct world *w = *state;
	json_t *release;

	world_done(w, ROUTE_SHIP, "{}");
	assert_int_equal(world_call(w, ROUTE_STATUS, "", NULL), 200);
	assert_string_equal(world_str(w, "env"), "prod"); /* what serves is what is meant */
	assert_string_equal(world_str(w, "state"), "serving");
	assert_string_equal(world_str(w, "url"), "http://shop.alice.lab.localhost:8080/");
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "tiers")), 3);
	release = json_object_get(w->reply.body, "release");
	assert_int_equal(json_integer_value(json_object_get(release, "version")), 1);
	assert_string_equal(json_string_value(json_object_get(release, "by")), "alice");
	assert_int_equal(world_call(w, ROUTE_STATUS, "env=dev", NULL), 200);
	assert_string_equal(world_str(w, "state"), "absent");
	assert_int_equal(world_call(w, ROUTE_RELEASES, "", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "releases")), 1);
	assert_int_equal(world_call(w, ROUTE_RELEASES, "env=dev", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "releases")), 0);
}

static void the_status_of_every_tier_adds_up(void **state)
{
	struct world *w = *state;
	json_t *tiers, *tier;
	size_t i;

	world_done(w, ROUTE_SHIP, "{}");
	world_done(w, ROUTE_SCALE, "{\"web\":2,\"was\":3}");
	assert_int_equal(world_call(w, ROUTE_STATUS, "", NULL), 200);
	tiers = json_object_get(w->reply.body, "tiers");
	json_array_foreach(tiers, i, tier) {
		static const int want[] = { 2, 3, 1 };
		static const char *const names[] = { "web", "was", "db" };
		json_t *instances = json_object_get(tier, "instances"), *one;
		size_t k;

		assert_string_equal(json_string_value(json_object_get(tier, "tier")), names[i]);
		assert_int_equal(json_integer_value(json_object_get(tier, "want")), want[i]);
		assert_int_equal(json_integer_value(json_object_get(tier, "ready")), want[i]);
		assert_int_equal(json_array_size(instances), want[i]);
		json_array_foreach(instances, k, one)
			assert_int_equal(json_integer_value(json_object_get(one, "n")), k + 1);
	}
}

static void a_backend_that_is_away_leaves_a_status_without_figures(void **state)
{
	struct world *w = *state;
	json_t *tier;

	world_done(w, ROUTE_SHIP, "{}");
	world_script(w, "down");
	assert_int_equal(world_call(w, ROUTE_STATUS, "", NULL), 200);
	tier = json_array_get(json_object_get(w->reply.body, "tiers"), 0);
	assert_true(json_is_null(json_object_get(tier, "cpu")));
	assert_true(json_is_null(json_object_get(tier, "rps")));
	world_refused(w, ROUTE_LOGS, "", NULL, CL_UNAVAILABLE, "");
}

static void scaling_names_a_tier_and_touches_no_other(void **state)
{
	struct world *w = *state;
	struct store_env row;

	world_done(w, ROUTE_SHIP, "{}");
	world_refused(w, ROUTE_SCALE, "", "{}", CL_USAGE, "names no tier");
	assert_non_null(strstr(w->err.hint, "web=2"));
	world_refused(w, ROUTE_SCALE, "", "{\"env\":\"dev\",\"web\":2}", CL_NOT_FOUND, "dev");
	assert_int_equal(world_call(w, ROUTE_SCALE, "", "{\"was\":4,\"dry_run\":true}"), 200);
	assert_non_null(strstr(world_str(w, "step"), "was 1 to 4"));
	row = world_env(w, "prod");
	assert_int_equal(row.want[1], 1);
	world_done(w, ROUTE_SCALE, "{\"was\":4}");
	row = world_env(w, "prod");
	assert_int_equal(row.want[1], 4);
	assert_int_equal(row.want[2], 1);
	assert_int_equal(backend_sim_count(w->sim, "prod-was"), 4);
	assert_int_equal(backend_sim_count(w->sim, "prod-web"), 1);
	world_done(w, ROUTE_SCALE, "{\"was\":0}");
	assert_int_equal(backend_sim_count(w->sim, "prod-was"), 0);
}

static void scaling_is_told_with_both_ends(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_SHIP, "{}");
	world_done(w, ROUTE_SCALE, "{\"web\":2,\"was\":2}");
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM event WHERE type = 'scaled'"
	    " AND text = 'alice scaled web 1 to 2, was 1 to 2' AND env = 'prod'", ""), 1);
	assert_int_equal(store_number(w->e.store, 0, "SELECT json_extract(data, '$.from.was')"
	    " FROM event WHERE type = 'scaled'", ""), 1);
}

static void a_bad_number_undoes_the_other_tier_too(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_SHIP, "{}");
	assert_true(world_call(w, ROUTE_SCALE, "", "{\"web\":5,\"was\":1000}") >= 400);
	assert_int_equal(world_env(w, "prod").want[2], 1);
}

static void promoting_takes_the_image_of_dev(void **state)
{
	struct world *w = *state;
	struct store_release dev, prod;

	world_done(w, ROUTE_DEPLOY, "{}");
	assert_int_equal(world_call(w, ROUTE_PROMOTE, "", "{\"dry_run\":true}"), 200);
	assert_non_null(strstr(world_str(w, "step"), "take the image of dev v1"));
	world_done(w, ROUTE_PROMOTE, "{}");
	assert_int_equal(store_env_release_get(w->e.store, w->project, "dev", 1, &dev, NULL, NULL), 0);
	assert_int_equal(store_env_release_get(w->e.store, w->project, "prod", 1, &prod, NULL, NULL),
	    0);
	assert_string_equal(dev.digest, prod.digest);
	assert_string_equal(prod.result, "serving");
}

static void going_back_has_rules(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_SHIP, "{}");
	world_refused(w, ROUTE_ROLLBACK, "", "{}", CL_PRECONDITION, "no release before");
	world_refused(w, ROUTE_ROLLBACK, "", "{\"version\":1}", CL_CONFLICT, "serves in prod already");
	world_refused(w, ROUTE_ROLLBACK, "", "{\"version\":9}", CL_NOT_FOUND, "v9");
	world_script(w, "fail build app");
	world_until(w, world_op(w, ROUTE_SHIP, "{}"), "failed");
	world_script(w, "");
	world_refused(w, ROUTE_ROLLBACK, "", "{\"version\":2}", CL_PRECONDITION, "never served");
	assert_non_null(strstr(w->err.hint, "releases"));
	world_done(w, ROUTE_SHIP, "{}");
	world_done(w, ROUTE_ROLLBACK, "{}"); /* past the one that failed */
	assert_int_equal(world_env(w, "prod").serving, 4);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(DISTINCT digest) FROM release"
	    " WHERE version IN (1, 4)", ""), 1);
}

static void one_change_at_a_time(void **state)
{
	struct world *w = *state;
	int64_t op;

	world_done(w, ROUTE_SHIP, "{}");
	world_script(w, "slow 20");
	op = world_op(w, ROUTE_SHIP, "{}");
	world_refused(w, ROUTE_SHIP, "", "{}", CL_CONFLICT, "ship by alice");
	assert_non_null(strstr(w->err.hint, "cancel"));
	world_refused(w, ROUTE_CONFIG_SET, "", "{\"set\":{\"A\":\"1\"}}", CL_CONFLICT, "ship");
	world_refused(w, ROUTE_DEPLOY, "", "{\"env\":\"prod\"}", CL_CONFLICT, "ship");
	assert_int_equal(world_call(w, ROUTE_DEPLOY, "", "{}"), 202); /* dev is another place */
	assert_int_equal(world_call(w, ROUTE_SCALE, "", "{\"was\":2}"), 202);
	world_script(w, "");
	world_until(w, op, "done");
}

/* -- variables -- */

static const char *shown(struct world *w, const char *env, const char *name)
{
	char query[32];
	json_t *list, *o;
	size_t i;

	(void)snprintf(query, sizeof(query), "env=%s", env);
	assert_int_equal(world_call(w, ROUTE_CONFIG_GET, query, NULL), 200);
	list = json_object_get(w->reply.body, "config");
	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0)
			return json_string_value(json_object_get(o, "value"));
	return NULL;
}

static void names_and_values_of_variables_are_checked(void **state)
{
	static const struct {
		const char *body, *says;
	} bad[] = {
		{ "{\"set\":{}}", "names no variable" },
		{ "{\"set\":{\"\":\"1\"}}", "not a variable's name" },
		{ "{\"set\":{\"1A\":\"1\"}}", "1A" },
		{ "{\"set\":{\"A B\":\"1\"}}", "A B" },
		{ "{\"set\":{\"A=B\":\"1\"}}", "A=B" },
		{ "{\"set\":{\"\\ud55c\":\"1\"}}", "not a variable's name" },
		{ "{\"set\":{\"PORT\":\"1\"}}", "PORT" },
		{ "{\"set\":{\"HOME\":\"/\"}}", "HOME" },
		{ "{\"set\":{\"DATABASE_URL\":\"x\"}}", "platform" },
		{ "{\"set\":{\"LD_PRELOAD\":\"x\"}}", "platform" },
		{ "{\"set\":{\"CODINGLAB_X\":\"x\"}}", "platform" },
		{ "{\"set\":{\"GOOD\":\"1\",\"LD_LIBRARY_PATH\":null}}", "platform" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(bad); i++)
		world_refused(w, ROUTE_CONFIG_SET, "", bad[i].body, CL_USAGE, bad[i].says);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM variable", ""), 0);
	assert_int_equal(count_ops(w), 0);
}

static void a_value_that_is_too_large_is_refused(void **state)
{
	struct world *w = *state;
	cl_autofree char *big = mem_alloc(200000), *body = NULL;

	memset(big, 'x', 199999);
	body = mem_printf("{\"set\":{\"BIG\":\"%s\"}}", big);
	world_refused(w, ROUTE_CONFIG_SET, "", body, CL_USAGE, "BIG");
	assert_null(strstr(w->err.message, "xxxxxxxxxx")); /* the value is not repeated */
}

static void there_are_only_so_many_variables(void **state)
{
	struct world *w = *state;
	struct buf body;

	buf_init(&body, 1 << 20);
	(void)buf_add_str(&body, "{\"set\":{");
	for (int i = 0; i <= RELEASE_VARS_MAX; i++)
		(void)buf_printf(&body, "%s\"V%d\":\"1\"", i > 0 ? "," : "", i);
	(void)buf_add_str(&body, "}}");
	world_refused(w, ROUTE_CONFIG_SET, "", body.data, CL_QUOTA, "more than");
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM variable", ""), 0);
	buf_clear(&body);
}

static void secrets_are_masked_everywhere(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"TOKEN\":\"hunter2-s3cret\"},\"secret\":true}");
	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"MODE\":\"fast\"}}");
	assert_string_equal(shown(w, "dev", "TOKEN"), "***");
	assert_string_equal(shown(w, "dev", "MODE"), "fast");
	assert_string_equal(shown(w, "dev", "SECRET_KEY"), "***"); /* the stack's own */
	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"TOKEN\":\"other-s3cret\"}}");
	assert_string_equal(shown(w, "dev", "TOKEN"), "***"); /* once secret, always */
	world_done(w, ROUTE_DEPLOY, "{}");
	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"TOKEN\":\"third-s3cret\"}}");
	assert_int_equal(store_number(w->e.store, -1, "SELECT count(*) FROM event"
	    " WHERE instr(text, 's3cret') + instr(data, 's3cret') > 0", ""), 0);
	assert_int_equal(store_number(w->e.store, -1, "SELECT count(*) FROM op"
	    " WHERE instr(payload, 's3cret') + instr(step, 's3cret') > 0", ""), 0);
	assert_int_equal(store_number(w->e.store, -1, "SELECT count(*) FROM op_log"
	    " WHERE instr(text, 's3cret') > 0", ""), 0);
}

static void variables_are_set_and_unset_for_one_environment(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"A\":\"1\",\"B\":\"2\"}}");
	world_done(w, ROUTE_CONFIG_SET, "{\"env\":\"prod\",\"set\":{\"A\":\"9\"}}");
	assert_string_equal(shown(w, "dev", "A"), "1");
	assert_string_equal(shown(w, "prod", "A"), "9");
	assert_null(shown(w, "prod", "B"));
	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"A\":null,\"C\":\"\"}}");
	assert_null(shown(w, "dev", "A"));
	assert_string_equal(shown(w, "dev", "C"), "");
	assert_string_equal(shown(w, "dev", "B"), "2");
}

static void new_variables_come_with_a_new_release(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_SHIP, "{}");
	world_done(w, ROUTE_CONFIG_SET, "{\"set\":{\"A\":\"1\"}}");
	assert_int_equal(world_env(w, "prod").serving, 2);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release WHERE version = 2"
	    " AND json_extract(config, '$.vars.A') = '1'", ""), 1);
	assert_int_equal(backend_sim_outages(w->sim), 0);
	/* going back brings the variables of that release, and leaves the wanted ones alone */
	world_done(w, ROUTE_ROLLBACK, "{\"version\":1}");
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release WHERE version = 3"
	    " AND json_extract(config, '$.vars.A') IS NULL", ""), 1);
	assert_string_equal(shown(w, "prod", "A"), "1");
}

/* -- logs -- */

static void logs_take_known_tiers_and_counts(void **state)
{
	static const struct {
		const char *query, *says;
	} bad[] = {
		{ "n=-1", "n" }, { "n=x", "n" }, { "n=10001", "n" }, { "n=", "n" }, { "n=1e3", "n" },
		{ "tier=cache", "tier" }, { "tier=", "tier" }, { "tier=WEB", "tier" },
		{ "follow=maybe", "follow" },
	};
	struct world *w = *state;
	json_t *lines;

	world_done(w, ROUTE_SHIP, "{}");
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		world_refused(w, ROUTE_LOGS, bad[i].query, NULL, CL_USAGE, bad[i].says);
	assert_int_equal(world_call(w, ROUTE_LOGS, "n=2", NULL), 200);
	lines = json_object_get(w->reply.body, "lines");
	assert_int_equal(json_array_size(lines), 6); /* web, was and db */
	assert_int_equal(world_call(w, ROUTE_LOGS, "tier=was&n=1", NULL), 200);
	lines = json_object_get(w->reply.body, "lines");
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "instance")),
	    "was-1");
	assert_int_equal(world_call(w, ROUTE_LOGS, "n=0", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "lines")), 0);
	assert_int_equal(world_call(w, ROUTE_LOGS, "tier=dev", NULL), 200); /* it never ran */
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "lines")), 0);
}

static void too_many_followers_are_turned_away(void **state)
{
	struct world *w = *state;
	struct stream *held[16];
	int n = 0;

	world_done(w, ROUTE_SHIP, "{}");
	while (n < 16 && world_call(w, ROUTE_LOGS, "follow=1&tier=was", NULL) < 400) {
		held[n++] = w->reply.stream;
		w->reply.stream = NULL;
	}
	assert_int_equal(n, 12);
	assert_int_equal(w->err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(w->err.hint, "later"));
	for (int i = 0; i < n; i++)
		stream_free(held[i]);
	for (int i = 0; i < 400; i++) /* their threads end and give the places back */
		world_turn(w);
	assert_true(world_call(w, ROUTE_LOGS, "follow=1&tier=was", NULL) < 400);
}

/* -- programs -- */

static void there_is_one_way_to_say_what_runs(void **state)
{
	static const struct {
		const char *body;
		enum cl_code code;
		const char *says;
	} bad[] = {
		{ "{}", CL_USAGE, "one of argv" },
		{ "{\"shell\":true,\"run\":true}", CL_USAGE, "one of argv" },
		{ "{\"shell\":true,\"command\":\"ls\"}", CL_USAGE, "one of argv" },
		{ "{\"argv\":[\"a\"],\"command\":\"ls\"}", CL_USAGE, "one of argv" },
		{ "{\"run\":false}", CL_USAGE, "one of argv" },
		{ "{\"argv\":[]}", CL_USAGE, "argv" },
		{ "{\"argv\":[\"\"]}", CL_USAGE, "name is empty" },
		{ "{\"argv\":[1]}", CL_USAGE, "entry 1" },
		{ "{\"argv\":\"ls\"}", CL_USAGE, "argv" },
		{ "{\"run\":true,\"tier\":\"was\"}", CL_USAGE, "dev container" },
		{ "{\"shell\":true,\"tier\":\"was\",\"environment\":\"test\"}", CL_USAGE, "environment" },
		{ "{\"shell\":true,\"tier\":\"was\"}", CL_NOT_FOUND, "was: there is none" },
		{ "{\"shell\":true,\"tier\":\"was\",\"n\":7}", CL_NOT_FOUND, "was-7" },
		{ "{\"shell\":true,\"tier\":\"../x\"}", CL_NOT_FOUND, "there is none" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(bad); i++)
		world_refused(w, ROUTE_EXEC, "", bad[i].body, bad[i].code, bad[i].says);
}

static void production_is_entered_by_operators_only(void **state)
{
	struct world *w = *state;

	world_done(w, ROUTE_SHIP, "{}");
	world_done(w, ROUTE_DEPLOY, "{}");
	w->right = POLICY_EDITOR;
	world_refused(w, ROUTE_EXEC, "", "{\"shell\":true,\"tier\":\"was\"}", CL_FORBIDDEN,
	    "production");
	world_refused(w, ROUTE_EXEC, "", "{\"shell\":true,\"tier\":\"was\",\"environment\":\"prod\"}",
	    CL_FORBIDDEN, "production");
	/* past the check: the sim backend runs nothing */
	world_refused(w, ROUTE_EXEC, "", "{\"shell\":true,\"tier\":\"was\",\"environment\":\"dev\"}",
	    CL_NOT_IMPLEMENTED, "sim");
	w->right = POLICY_OPERATOR;
	world_refused(w, ROUTE_EXEC, "", "{\"shell\":true,\"tier\":\"was\"}", CL_NOT_IMPLEMENTED, "sim");
	world_refused(w, ROUTE_EXEC, "", "{\"argv\":[\"ls\"],\"tier\":\"was\",\"n\":2}", CL_NOT_FOUND,
	    "was-2");
}

static void a_broken_run_command_is_said_before_anything_starts(void **state)
{
	struct world *w = *state;

	backend_sim_put_file(w->sim, w->project, ".codinglab.json", "{\"run\":");
	world_refused(w, ROUTE_EXEC, "", "{\"run\":true}", CL_USAGE, ".codinglab.json");
	assert_int_equal(backend_sim_count(w->sim, "-dev"), 0);
	backend_sim_put_file(w->sim, w->project, ".codinglab.json", "{\"port\":70000}");
	world_refused(w, ROUTE_EXEC, "", "{\"run\":true}", CL_USAGE, "port");
}

static void the_dev_container_has_three_actions(void **state)
{
	static const char *const bad[] = { "down", "UP", "", "start", "up " };
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		char body[64];

		(void)snprintf(body, sizeof(body), "{\"action\":\"%s\"}", bad[i]);
		world_refused(w, ROUTE_DEV, "", body, CL_USAGE, "up, stop, restart or fresh");
	}
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	assert_int_equal(backend_sim_count(w->sim, "-dev"), 1);
	world_done(w, ROUTE_DEV, "{\"action\":\"restart\"}");
	assert_int_equal(backend_sim_count(w->sim, "-dev"), 1);
	world_done(w, ROUTE_DEV, "{\"action\":\"stop\"}");
	assert_int_equal(backend_sim_count(w->sim, "-dev"), 0);
	assert_int_equal(store_number(w->e.store, -1, "SELECT dev_want FROM project", ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(nothing_deployed_is_said_as_such),
		WORLD_TEST(other_environments_than_two_are_refused),
		WORLD_TEST(a_plan_changes_nothing),
		WORLD_TEST(a_project_that_is_not_ready_takes_no_work),
		WORLD_TEST(shipping_shows_in_every_answer),
		WORLD_TEST(the_status_of_every_tier_adds_up),
		WORLD_TEST(a_backend_that_is_away_leaves_a_status_without_figures),
		WORLD_TEST(scaling_names_a_tier_and_touches_no_other),
		WORLD_TEST(scaling_is_told_with_both_ends),
		WORLD_TEST(a_bad_number_undoes_the_other_tier_too),
		WORLD_TEST(promoting_takes_the_image_of_dev),
		WORLD_TEST(going_back_has_rules),
		WORLD_TEST(one_change_at_a_time),
		WORLD_TEST(names_and_values_of_variables_are_checked),
		WORLD_TEST(a_value_that_is_too_large_is_refused),
		WORLD_TEST(there_are_only_so_many_variables),
		WORLD_TEST(secrets_are_masked_everywhere),
		WORLD_TEST(variables_are_set_and_unset_for_one_environment),
		WORLD_TEST(new_variables_come_with_a_new_release),
		WORLD_TEST(logs_take_known_tiers_and_counts),
		WORLD_TEST(too_many_followers_are_turned_away),
		WORLD_TEST(there_is_one_way_to_say_what_runs),
		WORLD_TEST(production_is_entered_by_operators_only),
		WORLD_TEST(a_broken_run_command_is_said_before_anything_starts),
		WORLD_TEST(the_dev_container_has_three_actions),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
