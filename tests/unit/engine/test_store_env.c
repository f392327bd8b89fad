/*
 * The store of environments, variables and releases: what the schema refuses, what hangs on what, and
 * what each walk gives in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/store_env.h"
#include "engine/store_project.h"
#include "engine/store_target.h"
#include "engine/store_user.h"

static struct store *s;
static int64_t alice, shop;

static int setup(void **state)
{
	(void)state;
	s = store_open(":memory:", NULL);
	assert_non_null(s);
	assert_int_equal(store_user_add(s, "alice", "developer", NULL, &alice, NULL), 0);
	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &shop, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

static struct store_env make(const char *name)
{
	struct store_env e;
	char host[64];

	(void)snprintf(host, sizeof(host), "%s.shop.alice", name);
	assert_int_equal(store_env_ensure(s, shop, name, host, 16, "pw", &e, NULL), 0);
	return e;
}

static int count(const char *table)
{
	if (strcmp(table, "env") == 0)
		return (int)store_number(s, -1, "SELECT count(*) FROM env", "");
	if (strcmp(table, "tier") == 0)
		return (int)store_number(s, -1, "SELECT count(*) FROM tier", "");
	if (strcmp(table, "variable") == 0)
		return (int)store_number(s, -1, "SELECT count(*) FROM variable", "");
	return (int)store_number(s, -1, "SELECT count(*) FROM release", "");
}

/* -- environments -- */

static void a_new_environment_wants_nothing_and_serves_nothing(void **state)
{
	struct store_env e = make("prod");

	(void)state;
	assert_true(e.id > 0);
	assert_int_equal(e.project, shop);
	assert_string_equal(e.name, "prod");
	assert_string_equal(e.host, "prod.shop.alice");
	assert_string_equal(e.state, "absent");
	assert_string_equal(e.reason, "");
	assert_string_equal(e.db_password, "pw");
	assert_int_equal(e.desired, 0);
	assert_int_equal(e.serving, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(e.want[i], 0);
}

static void an_absent_environment_says_how_to_make_it(void **state)
{
	struct store_env e;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(store_env_get(s, shop, "prod", &e, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_non_null(strstr(err.message, "prod"));
	assert_non_null(strstr(err.hint, "ship"));
}

static void only_dev_and_prod_exist(void **state)
{
	static const char *const bad[] = { "", "Prod", "test", "ide", "job", "prod ", "dev\n", "*" };
	struct store_env e;

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = { 0 };
		char host[32];

		(void)snprintf(host, sizeof(host), "h%zu", i);
		assert_int_equal(store_env_ensure(s, shop, bad[i], host, 9, "p", &e, &err), -1);
		assert_int_not_equal(err.code, CL_OK);
	}
	assert_int_equal(count("env"), 0);
}

static void an_environment_needs_its_project(void **state)
{
	struct store_env e;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(store_env_ensure(s, shop + 7, "dev", "h", 9, "p", &e, &err), -1);
	assert_int_not_equal(err.code, CL_OK);
	assert_int_equal(count("env"), 0);
}

static void no_slot_at_all_is_a_quota(void **state)
{
	struct store_env e;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(store_env_ensure(s, shop, "dev", "h", 0, "p", &e, &err), -1);
	assert_int_equal(err.code, CL_QUOTA);
	assert_non_null(strstr(err.hint, "edge.slots"));
}

static void the_lowest_free_slot_is_taken(void **state)
{
	int64_t p[5];
	struct store_env e;
	char name[16];

	(void)state;
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(store_project_add(s, alice, name, "python", "", &p[i], NULL), 0);
		assert_int_equal(store_env_ensure(s, p[i], "dev", name, 5, "p", &e, NULL), 0);
		assert_int_equal(e.slot, i);
	}
	assert_int_equal(store_project_remove(s, p[1], NULL), 0);
	assert_int_equal(store_project_remove(s, p[3], NULL), 0);
	assert_int_equal(store_env_ensure(s, shop, "dev", "x", 5, "p", &e, NULL), 0);
	assert_int_equal(e.slot, 1);
	assert_int_equal(store_env_ensure(s, shop, "prod", "y", 5, "p", &e, NULL), 0);
	assert_int_equal(e.slot, 3);
	assert_int_equal(store_env_ensure(s, p[0], "prod", "z", 5, "p", &e, NULL), -1);
}

static void wants_have_a_range_and_known_tiers(void **state)
{
	static const struct {
		const char *tier;
		int want, rc;
	} rows[] = {
		{ "web", 0, 0 }, { "web", 99, 0 }, { "was", 1, 0 }, { "db", 1, 0 }, { "was", 100, -1 },
		{ "was", -1, -1 }, { "cache", 1, -1 }, { "", 1, -1 }, { "WEB", 1, -1 },
	};
	struct store_env e = make("prod");

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		assert_int_equal(store_env_set_want(s, e.id, rows[i].tier, rows[i].want, NULL),
		    rows[i].rc);
	assert_int_equal(store_env_get(s, shop, "prod", &e, NULL), 0);
	assert_int_equal(e.want[0], 1);  /* db */
	assert_int_equal(e.want[1], 1);  /* was */
	assert_int_equal(e.want[2], 99); /* web */
	assert_int_equal(store_env_set_want(s, e.id + 50, "web", 1, NULL), -1);
	assert_int_equal(count("tier"), 3);
}

static void state_and_release_are_kept_apart_for_each_environment(void **state)
{
	struct store_env dev = make("dev"), prod = make("prod");

	(void)state;
	assert_int_equal(store_env_set_state(s, prod.id, "failed", "it does not start", NULL), 0);
	assert_int_equal(store_env_set_release(s, prod.id, 4, 3, NULL), 0);
	assert_int_equal(store_env_get(s, shop, "prod", &prod, NULL), 0);
	assert_int_equal(store_env_get(s, shop, "dev", &dev, NULL), 0);
	assert_string_equal(prod.state, "failed");
	assert_string_equal(prod.reason, "it does not start");
	assert_int_equal(prod.desired, 4);
	assert_int_equal(prod.serving, 3);
	assert_string_equal(dev.state, "absent");
	assert_int_equal(dev.desired, 0);
	assert_int_equal(store_env_set_release(s, prod.id, 0, 0, NULL), 0);
	assert_int_equal(store_env_get(s, shop, "prod", &prod, NULL), 0);
	assert_int_equal(prod.desired, 0);
	assert_int_equal(prod.serving, 0);
}

static void a_long_reason_is_cut_not_refused(void **state)
{
	struct store_env e = make("prod");
	char reason[2000];

	(void)state;
	memset(reason, 'x', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	assert_int_equal(store_env_set_state(s, e.id, "failed", reason, NULL), 0);
	assert_int_equal(store_env_get(s, shop, "prod", &e, NULL), 0);
	assert_int_equal(strlen(e.reason), sizeof(e.reason) - 1);
}

struct seen {
	int n, stop;
	char text[256];
};

static int env_cb(void *arg, const struct store_env *e)
{
	struct seen *w = arg;
	size_t at = strlen(w->text);

	(void)snprintf(w->text + at, sizeof(w->text) - at, "%s;", e->host);
	return ++w->n == w->stop ? 7 : 0;
}

static void walks_give_one_project_or_all_and_stop_when_told(void **state)
{
	struct seen w = { 0 };
	struct store_env e;
	int64_t other;

	(void)state;
	make("dev");
	make("prod");
	assert_int_equal(store_project_add(s, alice, "other", "python", "", &other, NULL), 0);
	assert_int_equal(store_env_ensure(s, other, "dev", "o", 9, "p", &e, NULL), 0);
	assert_int_equal(store_env_each(s, 0, env_cb, &w, NULL), 0);
	assert_string_equal(w.text, "dev.shop.alice;prod.shop.alice;o;");
	w = (struct seen){ 0 };
	assert_int_equal(store_env_each(s, other, env_cb, &w, NULL), 0);
	assert_string_equal(w.text, "o;");
	w = (struct seen){ .stop = 2 };
	assert_int_equal(store_env_each(s, 0, env_cb, &w, NULL), 7);
	assert_int_equal(w.n, 2);
	w = (struct seen){ 0 };
	assert_int_equal(store_env_each(s, other + 1, env_cb, &w, NULL), 0);
	assert_int_equal(w.n, 0);
}

static void everything_goes_with_the_project(void **state)
{
	struct store_env e = make("prod");
	int version;

	(void)state;
	assert_int_equal(store_env_set_want(s, e.id, "web", 2, NULL), 0);
	assert_int_equal(store_env_set_var(s, e.id, "A", "1", false, NULL), 0);
	assert_int_equal(store_env_release_add(s, shop, "prod", "alice", 1, &version, NULL), 0);
	assert_int_equal(store_project_remove(s, shop, NULL), 0);
	assert_int_equal(count("env"), 0);
	assert_int_equal(count("tier"), 0);
	assert_int_equal(count("variable"), 0);
	assert_int_equal(count("release"), 0);
}

/* -- variables -- */

static int var_cb(void *arg, const char *name, const char *value, bool secret)
{
	struct seen *w = arg;
	size_t at = strlen(w->text);

	(void)snprintf(w->text + at, sizeof(w->text) - at, "%s=%s%s;", name, value, secret ? "!" : "");
	return ++w->n == w->stop ? 3 : 0;
}

static void expect_vars(int64_t env, const char *wanted)
{
	struct seen w = { 0 };

	assert_int_equal(store_env_each_var(s, env, var_cb, &w, NULL), 0);
	assert_string_equal(w.text, wanted);
}

static void variables_are_set_changed_and_unset(void **state)
{
	struct store_env e = make("prod");

	(void)state;
	assert_int_equal(store_env_set_var(s, e.id, "B", "2", false, NULL), 0);
	assert_int_equal(store_env_set_var(s, e.id, "A", "1", false, NULL), 0);
	expect_vars(e.id, "A=1;B=2;");
	assert_int_equal(store_env_set_var(s, e.id, "A", "3", false, NULL), 0);
	expect_vars(e.id, "A=3;B=2;");
	assert_int_equal(store_env_set_var(s, e.id, "A", NULL, false, NULL), 0);
	expect_vars(e.id, "B=2;");
	assert_int_equal(store_env_set_var(s, e.id, "A", NULL, false, NULL), 0); /* once more is fine */
	assert_int_equal(store_env_set_var(s, e.id, "B", "", false, NULL), 0);
	expect_vars(e.id, "B=;"); /* empty is a value */
}

static void a_secret_stays_secret_when_it_is_set_plainly_later(void **state)
{
	struct store_env e = make("prod");

	(void)state;
	assert_int_equal(store_env_set_var(s, e.id, "KEY", "a", true, NULL), 0);
	assert_int_equal(store_env_set_var(s, e.id, "KEY", "b", false, NULL), 0);
	expect_vars(e.id, "KEY=b!;");
	assert_int_equal(store_env_set_var(s, e.id, "PLAIN", "a", false, NULL), 0);
	assert_int_equal(store_env_set_var(s, e.id, "PLAIN", "b", true, NULL), 0);
	expect_vars(e.id, "KEY=b!;PLAIN=b!;");
	/* taken away and made anew it is another variable */
	assert_int_equal(store_env_set_var(s, e.id, "KEY", NULL, false, NULL), 0);
	assert_int_equal(store_env_set_var(s, e.id, "KEY", "c", false, NULL), 0);
	expect_vars(e.id, "KEY=c;PLAIN=b!;");
}

static void variables_belong_to_one_environment(void **state)
{
	struct store_env dev = make("dev"), prod = make("prod");
	struct seen w = { .stop = 1 };

	(void)state;
	assert_int_equal(store_env_set_var(s, dev.id, "A", "dev", false, NULL), 0);
	assert_int_equal(store_env_set_var(s, prod.id, "A", "prod", false, NULL), 0);
	assert_int_equal(store_env_set_var(s, prod.id, "B", "prod", false, NULL), 0);
	expect_vars(dev.id, "A=dev;");
	assert_int_equal(store_env_each_var(s, prod.id, var_cb, &w, NULL), 3);
	assert_int_equal(w.n, 1);
	assert_int_equal(store_env_set_var(s, prod.id + 99, "A", "x", false, NULL), -1);
}

static void a_walk_over_variables_may_change_them(void **state)
{
	struct store_env e = make("prod");

	(void)state;
	for (int i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "V%d", i);
		assert_int_equal(store_env_set_var(s, e.id, name, "\xed\x95\x9c\n\"'", i % 2 == 1, NULL),
		    0);
	}
	expect_vars(e.id, "V0=\xed\x95\x9c\n\"';V1=\xed\x95\x9c\n\"'!;V2=\xed\x95\x9c\n\"';"
	    "V3=\xed\x95\x9c\n\"'!;V4=\xed\x95\x9c\n\"';");
}

/* -- releases -- */

static int release(const char *env, const char *result, const char *digest)
{
	int version;

	assert_int_equal(store_env_release_add(s, shop, env, "alice", 5, &version, NULL), 0);
	if (result != NULL)
		assert_int_equal(store_env_release_set(s, shop, env, version, result, NULL, digest, NULL,
		    NULL), 0);
	return version;
}

static void a_release_begins_as_building(void **state)
{
	struct store_release row;
	int v = release("prod", NULL, NULL);

	(void)state;
	assert_int_equal(v, 1);
	assert_int_equal(store_env_release_get(s, shop, "prod", 1, &row, NULL, NULL), 0);
	assert_string_equal(row.result, "building");
	assert_string_equal(row.by, "alice");
	assert_string_equal(row.digest, "");
	assert_string_equal(row.reason, "");
	assert_int_equal(row.op, 5);
	assert_true(row.at > 1600000000000);
}

static void numbers_go_on_after_a_failure(void **state)
{
	(void)state;
	assert_int_equal(release("prod", "failed", NULL), 1);
	assert_int_equal(release("prod", "serving", "d"), 2);
	assert_int_equal(release("dev", NULL, NULL), 1);
	assert_int_equal(release("prod", NULL, NULL), 3);
}

static void a_digest_set_once_survives_later_states(void **state)
{
	struct store_release row;
	int v = release("prod", "rolling", "sha256:abc");

	(void)state;
	assert_int_equal(store_env_release_set(s, shop, "prod", v, "failed", "no answer", NULL, NULL,
	    NULL), 0);
	assert_int_equal(store_env_release_get(s, shop, "prod", v, &row, NULL, NULL), 0);
	assert_string_equal(row.digest, "sha256:abc");
	assert_string_equal(row.reason, "no answer");
	assert_int_equal(store_env_release_set(s, shop, "prod", v, "serving", NULL, NULL, NULL, NULL),
	    0);
	assert_int_equal(store_env_release_get(s, shop, "prod", v, &row, NULL, NULL), 0);
	assert_string_equal(row.reason, "");
}

static void results_and_places_outside_the_lists_are_refused(void **state)
{
	int v = release("prod", NULL, NULL);

	(void)state;
	assert_int_equal(store_env_release_set(s, shop, "prod", v, "fine", NULL, NULL, NULL, NULL), -1);
	assert_int_equal(store_env_release_add(s, shop, "test", "alice", 1, &v, NULL), -1);
	assert_int_equal(store_env_release_add(s, shop + 9, "prod", "alice", 1, &v, NULL), -1);
	assert_int_equal(count("release"), 1);
}

static void one_release_serves_in_each_environment(void **state)
{
	struct store_release row;

	(void)state;
	for (int i = 0; i < 3; i++)
		release("prod", "rolling", "d");
	release("dev", "rolling", "d");
	assert_int_equal(store_env_release_serve(s, shop, "dev", 1, NULL), 0);
	for (int v = 1; v <= 3; v++)
		assert_int_equal(store_env_release_serve(s, shop, "prod", v, NULL), 0);
	assert_int_equal(store_env_release_serve(s, shop, "prod", 3, NULL), 0); /* again: the same */
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM release WHERE env = 'prod'"
	    " AND result = 'serving'", ""), 1);
	assert_int_equal(store_env_release_get(s, shop, "prod", 3, &row, NULL, NULL), 0);
	assert_string_equal(row.result, "serving");
	assert_int_equal(store_env_release_get(s, shop, "dev", 1, &row, NULL, NULL), 0);
	assert_string_equal(row.result, "serving");
}

static void going_back_skips_what_never_served(void **state)
{
	(void)state;
	release("prod", "superseded", "d1"); /* 1 */
	release("prod", "failed", "d2");     /* 2 */
	release("prod", "superseded", NULL); /* 3: nothing to run */
	release("prod", "rolling", "d4");    /* 4 */
	release("prod", "serving", "d5");    /* 5 */
	assert_int_equal(store_env_release_before(s, shop, "prod", 5), 1);
	assert_int_equal(store_env_release_before(s, shop, "prod", 6), 5);
	assert_int_equal(store_env_release_before(s, shop, "prod", 1), 0);
	assert_int_equal(store_env_release_before(s, shop, "dev", 6), 0);
	assert_int_equal(store_env_release_before(s, shop + 1, "prod", 6), 0);
}

static void an_image_is_used_while_a_release_may_come_back_to_it(void **state)
{
	static const struct {
		const char *result, *digest;
		bool used;
	} rows[] = {
		{ "serving", "a", true }, { "rolling", "b", true }, { "superseded", "c", true },
		{ "failed", "d", false }, { "building", "e", false },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		release("prod", rows[i].result, rows[i].digest);
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		assert_int_equal(store_env_digest_used(s, rows[i].digest), rows[i].used);
	assert_false(store_env_digest_used(s, ""));
	assert_false(store_env_digest_used(s, "zzz"));
}

static int release_cb(void *arg, const struct store_release *r)
{
	struct seen *w = arg;
	size_t at = strlen(w->text);

	(void)snprintf(w->text + at, sizeof(w->text) - at, "%s%d ", r->env, r->version);
	return ++w->n == w->stop ? 4 : 0;
}

static void releases_are_listed_newest_first(void **state)
{
	struct seen w = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		release("prod", NULL, NULL);
	release("dev", NULL, NULL);
	assert_true(store_run(s, NULL, "UPDATE release SET at = version + (env = 'dev') * 10", "") > 0);
	assert_int_equal(store_env_release_each(s, shop, "", 10, release_cb, &w, NULL), 0);
	assert_string_equal(w.text, "dev1 prod3 prod2 prod1 ");
	w = (struct seen){ 0 };
	assert_int_equal(store_env_release_each(s, shop, "prod", 2, release_cb, &w, NULL), 0);
	assert_string_equal(w.text, "prod3 prod2 ");
	w = (struct seen){ .stop = 1 };
	assert_int_equal(store_env_release_each(s, shop, "", 10, release_cb, &w, NULL), 4);
	assert_int_equal(w.n, 1);
}

static void a_damaged_snapshot_is_an_error_not_a_release(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "null", "{\"port\":\"x\"}" };
	int v = release("prod", NULL, NULL);

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = { 0 };
		struct release r;

		assert_int_equal(store_env_release_set(s, shop, "prod", v, "rolling", NULL, "d", bad[i],
		    NULL), 0);
		release_init(&r);
		if (store_env_release_get(s, shop, "prod", v, NULL, &r, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_int_not_equal(err.code, CL_OK);
		release_clear(&r);
	}
}

static void an_unknown_release_is_not_found(void **state)
{
	struct store_release row;
	static const int bad[] = { 0, -1, 2, 1000000000 };

	(void)state;
	release("prod", NULL, NULL);
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = { 0 };

		assert_int_equal(store_env_release_get(s, shop, "prod", bad[i], &row, NULL, &err), -1);
		assert_int_equal(err.code, CL_NOT_FOUND);
		assert_non_null(strstr(err.message, "prod"));
	}
}

static void seen_target(void *arg, const struct store_target *t)
{
	size_t n = strlen(arg);

	(void)snprintf((char *)arg + n, 200 - n, "%s=%s@%s by %s (%d) ", t->name, t->kubeconfig, t->server, t->by,
	    t->environments);
}

static void targets_are_kept_while_something_runs_there(void **state)
{
	struct store_target west = { "west", "text", "https://w", "ada", 1000, 0 };
	struct store_env e = make("prod");
	struct cl_err err = { 0 };
	char seen[200] = "";

	assert_string_equal(e.target, "");
	assert_int_equal(store_target_remove(s, "west", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_int_equal(store_target_add(s, &west, NULL), 0);
	err_clear(&err);
	assert_int_equal(store_target_add(s, &west, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_true(store_target_have(s, "west"));
	assert_false(store_target_have(s, "east"));
	assert_int_equal(store_env_set_target(s, e.id, "west", NULL), 0);
	e = make("prod");
	assert_string_equal(e.target, "west");
	err_clear(&err);
	assert_int_equal(store_target_remove(s, "west", &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "1 env"));
	assert_int_equal(store_target_each(s, seen_target, seen, NULL), 0);
	assert_string_equal(seen, "west=text@https://w by ada (1) ");
	assert_int_equal(store_env_set_target(s, e.id, "", NULL), 0);
	assert_int_equal(store_target_remove(s, "west", NULL), 0);
	assert_false(store_target_have(s, "west"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(targets_are_kept_while_something_runs_there),
		T(a_new_environment_wants_nothing_and_serves_nothing),
		T(an_absent_environment_says_how_to_make_it),
		T(only_dev_and_prod_exist),
		T(an_environment_needs_its_project),
		T(no_slot_at_all_is_a_quota),
		T(the_lowest_free_slot_is_taken),
		T(wants_have_a_range_and_known_tiers),
		T(state_and_release_are_kept_apart_for_each_environment),
		T(a_long_reason_is_cut_not_refused),
		T(walks_give_one_project_or_all_and_stop_when_told),
		T(everything_goes_with_the_project),
		T(variables_are_set_changed_and_unset),
		T(a_secret_stays_secret_when_it_is_set_plainly_later),
		T(variables_belong_to_one_environment),
		T(a_walk_over_variables_may_change_them),
		T(a_release_begins_as_building),
		T(numbers_go_on_after_a_failure),
		T(a_digest_set_once_survives_later_states),
		T(results_and_places_outside_the_lists_are_refused),
		T(one_release_serves_in_each_environment),
		T(going_back_skips_what_never_served),
		T(an_image_is_used_while_a_release_may_come_back_to_it),
		T(releases_are_listed_newest_first),
		T(a_damaged_snapshot_is_an_error_not_a_release),
		T(an_unknown_release_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
