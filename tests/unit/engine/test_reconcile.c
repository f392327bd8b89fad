/*
 * Store, operations, reconciling and the sim backend together, as the engine runs them: ship, scale,
 * faults, cancelling, and an engine that is cut off at many points and begun anew on the same store
 * and the same cluster.
 */
#include "engine/deploy.h"
#include "engine/manifest.h"
#include "engine/reconcile.h"
#include "engine/status.h"
#include "tests/unit/engine/world.h"
#include "engine/reconcile_internal.h"

/* Runs the loop until the operation is over; its final state into *out. */
static void finish(struct world *w, int64_t op, struct store_op *out)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	memset(out, 0, sizeof(*out));
	for (;;) {
		struct cl_err err = { 0 };

		store_op_clear(out);
		assert_int_equal(store_op_get(w->e.store, op, out, &err), 0);
		if (strcmp(out->state, "queued") != 0 && strcmp(out->state, "running") != 0)
			return;
		if (clock_ms() > until)
			fail_msg("operation %s: still %s: %s", out->kind, out->state, out->step);
		world_turn(w);
	}
}

static void expect(struct world *w, int64_t op, const char *state)
{
	struct store_op row;

	finish(w, op, &row);
	if (strcmp(row.state, state) != 0)
		fail_msg("%s is %s: %s", row.kind, row.state, row.message);
	store_op_clear(&row);
}

static struct request asking(struct world *w)
{
	struct request r = { .project = w->project, .right = POLICY_OWNER };

	r.caller.id = w->user;
	(void)mem_copy_str(r.caller.name, sizeof(r.caller.name), "alice");
	return r;
}

static int64_t newest(struct world *w)
{
	return store_number(w->e.store, 0, "SELECT max(id) FROM op", "");
}

static int64_t ship(struct world *w)
{
	struct request r = asking(w);
	struct cl_err err = { 0 };

	assert_int_equal(store_begin(w->e.store, &err), 0);
	if (deploy_begin_build(&w->e, &r, NULL, "ship", "prod", &err) != 0)
		fail_msg("%s", err.message);
	assert_int_equal(store_commit(w->e.store, &err), 0);
	return newest(w);
}

static int64_t scale(struct world *w, const char *tier, int n)
{
	struct request r = asking(w);
	struct cl_err err = { 0 };
	struct store_env row;
	int64_t op;

	assert_int_equal(store_begin(w->e.store, &err), 0);
	assert_int_equal(store_env_get(w->e.store, w->project, "prod", &row, &err), 0);
	assert_int_equal(store_env_set_want(w->e.store, row.id, tier, n, &err), 0);
	assert_int_equal(op_begin(&w->e, &r, NULL, "scale", w->project, "prod", NULL, &op, &err), 0);
	assert_int_equal(store_commit(w->e.store, &err), 0);
	return op;
}

static int64_t simple(struct world *w, const char *kind, const char *env)
{
	struct request r = asking(w);
	struct cl_err err = { 0 };
	int64_t op;

	assert_int_equal(op_begin(&w->e, &r, NULL, kind, strcmp(kind, "image build") == 0 ? 0 :
	    w->project, env, NULL, &op, &err), 0);
	return op;
}

static void env_row(struct world *w, struct store_env *row)
{
	struct cl_err err = { 0 };

	assert_int_equal(store_env_get(w->e.store, w->project, "prod", row, &err), 0);
}

static bool told(struct world *w, const char *text)
{
	return store_number(w->e.store, 0, "SELECT count(*) FROM event WHERE instr(text, ?) > 0", "s",
	    text) > 0;
}

static void test_ship(void **state)
{
	struct world *w = *state;
	struct store_env row;
	struct store_op op;

	finish(w, ship(w), &op);
	assert_string_equal(op.state, "done");
	assert_string_equal(op.result, "http://shop.alice.lab.localhost:8080/");
	store_op_clear(&op);
	env_row(w, &row);
	assert_int_equal(row.serving, 1);
	assert_string_equal(row.state, "serving");
	assert_int_equal(strlen(row.db_password), 48);
	assert_int_equal(backend_sim_routed(w->sim, row.slot, "was"), 1);
	assert_true(told(w, "release v1 serving at http://shop.alice.lab.localhost:8080/"));
	assert_int_equal(store_number(w->e.store, 0, "SELECT length(value) FROM variable"
	    " WHERE name = 'SECRET_KEY' AND secret = 1", ""), 64);
	/* the second supersedes the first */
	expect(w, ship(w), "done");
	env_row(w, &row);
	assert_int_equal(row.serving, 2);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release WHERE version = 1"
	    " AND result = 'superseded'", ""), 1);
	assert_int_equal(backend_sim_count(w->sim, "was"), 1);
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

static void test_bad_ship_keeps_serving(void **state)
{
	static const struct {
		const char *script, *says;
	} bad[] = { { "fail build app", "SyntaxError" }, { "crash -r", "ended with status 3" },
		{ "job 2", "migration" } };
	struct world *w = *state;
	struct store_env row;

	expect(w, ship(w), "done");
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct store_op op;

		world_script(w, bad[i].script);
		finish(w, ship(w), &op);
		assert_string_equal(op.state, "failed");
		if (strstr(op.message, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].script, op.message);
		store_op_clear(&op);
		world_script(w, "");
		expect(w, scale(w, "web", 1), "done"); /* it comes to rest */
		env_row(w, &row);
		assert_int_equal(row.serving, 1);
		assert_int_equal(row.desired, 1);
		assert_int_equal(backend_sim_count(w->sim, "was-1-r1"), 1);
		assert_int_equal(backend_sim_count(w->sim, "was"), 1);
	}
	assert_int_equal(backend_sim_outages(w->sim), 0);
	assert_true(told(w, "the release before goes on serving"));
}

static void test_first_ship_fails(void **state)
{
	struct world *w = *state;
	struct store_env row;

	world_script(w, "crash was");
	expect(w, ship(w), "failed");
	world_script(w, "");
	for (int i = 0; i < 4000 && backend_sim_count(w->sim, "p1-prod") > 0; i++)
		world_turn(w);
	env_row(w, &row);
	assert_int_equal(row.serving, 0);
	assert_string_equal(row.state, "failed");
	expect(w, ship(w), "done");
}

static void test_conflict(void **state)
{
	struct world *w = *state;
	struct request r = asking(w);
	struct cl_err err = { 0 };
	int64_t first = ship(w);

	assert_int_equal(store_begin(w->e.store, NULL), 0);
	assert_int_equal(deploy_begin_build(&w->e, &r, NULL, "ship", "prod", &err), -1);
	store_rollback(w->e.store);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "ship"));
	expect(w, first, "done");
}

static void test_scale_while_shipping(void **state)
{
	struct world *w = *state;
	int64_t a, b;

	expect(w, ship(w), "done");
	world_script(w, "slow 5");
	a = ship(w);
	for (int i = 0; i < 10; i++)
		world_turn(w);
	b = scale(w, "was", 3);
	expect(w, b, "done");
	expect(w, a, "done");
	assert_int_equal(backend_sim_count(w->sim, "was"), 3);
	assert_int_equal(backend_sim_count(w->sim, "was-3-r2"), 1);
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

static void test_killed_instance(void **state)
{
	struct world *w = *state;
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	expect(w, ship(w), "done");
	expect(w, scale(w, "was", 2), "done");
	assert_int_equal(backend_sim_kill(w->sim, "was-2", 137), 0);
	while (!told(w, "was-2 exited 137, is replaced") || backend_sim_count(w->sim, "was") < 2) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
}

static void test_cancel(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	struct store_env row;
	int64_t op;

	expect(w, ship(w), "done");
	world_script(w, "unready -r2");
	op = ship(w);
	for (int i = 0; i < 4000 && backend_sim_count(w->sim, "-r2") == 0; i++)
		world_turn(w);
	assert_int_equal(op_cancel(&w->e, op, &err), 0);
	expect(w, op, "cancelled");
	world_script(w, "");
	expect(w, scale(w, "web", 1), "done");
	env_row(w, &row);
	assert_int_equal(row.serving, 1);
	assert_int_equal(backend_sim_count(w->sim, "-r2"), 0);
	assert_int_equal(op_cancel(&w->e, op, &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
}

static void test_dev_container(void **state)
{
	struct world *w = *state;
	struct store_project p;
	struct cl_err err = { 0 };

	assert_int_equal(store_project_set_dev(w->e.store, w->project, true, "absent", "", &err), 0);
	expect(w, simple(w, "up", "ide"), "done");
	assert_int_equal(backend_sim_count(w->sim, "p1-dev"), 1);
	assert_true(reconcile_dev_running(&w->e, w->project));
	expect(w, simple(w, "restart", "ide"), "done");
	assert_int_equal(store_project_get(w->e.store, w->project, &p, &err), 0);
	assert_string_equal(p.dev_state, "running");
	assert_int_equal(store_project_set_dev(w->e.store, w->project, false, "running", "", &err), 0);
	expect(w, simple(w, "stop", "ide"), "done");
	assert_int_equal(backend_sim_count(w->sim, "p1-dev"), 0);
	world_script(w, "fail apply dev");
	assert_int_equal(store_project_set_dev(w->e.store, w->project, true, "stopped", "", &err), 0);
	expect(w, simple(w, "up", "ide"), "failed");
	assert_int_equal(store_project_get(w->e.store, w->project, &p, &err), 0);
	assert_string_equal(p.dev_state, "failed");
	assert_non_null(strstr(p.dev_reason, "scripted"));
}

static void test_remove_project(void **state)
{
	struct world *w = *state;
	struct store_project p;
	struct cl_err err = { 0 };
	char *trace;

	expect(w, ship(w), "done");
	assert_int_equal(store_project_set_state(w->e.store, w->project, "removing", &err), 0);
	expect(w, simple(w, "project rm", ""), "done");
	assert_int_equal(store_project_get(w->e.store, w->project, &p, &err), -1);
	assert_int_equal(backend_sim_count(w->sim, "p1-"), 0);
	trace = backend_sim_trace(w->sim);
	assert_non_null(strstr(trace, "volume-rm p1-prod-db"));
	assert_non_null(strstr(trace, "workspace-rm p1"));
	assert_non_null(strstr(trace, "unroute shop.alice"));
	mem_free(trace);
}

static void test_status(void **state)
{
	struct world *w = *state;
	struct status_sample s;
	struct cl_err err = { 0 };
	json_t *o, *tiers;

	expect(w, ship(w), "done");
	expect(w, scale(w, "was", 2), "done");
	assert_string_equal(status_env(&w->e, w->project, ""), "prod");
	status_prepare(&w->e, w->project, "prod", &s);
	status_measure(&w->e, &s);
	o = status_json(&w->e, w->project, "prod", &s, &err);
	assert_non_null(o);
	tiers = json_object_get(o, "tiers");
	assert_int_equal(json_array_size(tiers), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(tiers, 1), "tier")), "was");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(tiers, 1), "ready")), 2);
	assert_true(json_real_value(json_object_get(json_array_get(tiers, 1), "cpu")) > 2.9);
	json_decref(o);
	status_clear(&s);
	o = status_json(&w->e, w->project, "dev", NULL, &err);
	assert_string_equal(json_string_value(json_object_get(o, "state")), "absent");
	json_decref(o);
}

static void test_backend_down(void **state)
{
	struct world *w = *state;
	int64_t op, until = clock_ms() + WORLD_WAIT_MS;

	expect(w, ship(w), "done");
	world_script(w, "down");
	while (strcmp(w->e.backend_state, "down") != 0 && clock_ms() < until)
		world_turn(w);
	assert_string_equal(w->e.backend_state, "down");
	op = ship(w);
	for (int i = 0; i < 50; i++)
		world_turn(w);
	world_script(w, "");
	expect(w, op, "done");
	assert_string_equal(w->e.backend_state, "ready");
}

#define WITHOUT_CLOCK_MS 25000

/* Nothing is looked at again by the clock for longer than a test waits: what happens from here on is for the
 * news alone. */
static void without_clock(struct world *w)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	w->e.reconcile->reconcile_ms = 3600000;
	while (clock_ms() < until) {
		bool rests = true;

		for (struct reconcile_entry *x = w->e.reconcile->entries; x != NULL; x = x->next)
			rests = rests && !x->running && x->wake_ms - clock_ms() > WITHOUT_CLOCK_MS;
		if (rests)
			return;
		world_turn(w);
	}
	fail_msg("passes go on");
}

static void test_a_change_is_taken_at_once(void **state)
{
	struct world *w = *state;
	int64_t until;
	int slot;

	expect(w, ship(w), "done");
	expect(w, scale(w, "was", 2), "done");
	slot = world_env(w, "prod").slot;
	without_clock(w);
	until = clock_ms() + WORLD_WAIT_MS;
	for (int i = 1; i <= 2; i++) { /* one that ends again and again is held back */
		assert_int_equal(backend_sim_kill(w->sim, i == 1 ? "was-1" : "was-2", 137), 0);
		while (backend_sim_count(w->sim, "was") > 1 && clock_ms() < until)
			world_turn(w);
		while (backend_sim_routed(w->sim, slot, "was") < 2) { /* it takes requests, before the other is killed */
			assert_true(clock_ms() < until);
			world_turn(w);
		}
	}
	assert_true(told(w, "was-2 exited 137, is replaced"));
	/* and a wish */
	without_clock(w);
	expect(w, scale(w, "was", 3), "done");
	expect(w, scale(w, "was", 1), "done");
}

static void start_dev(struct world *w)
{
	struct cl_err err = { 0 };

	assert_int_equal(store_project_set_dev(w->e.store, w->project, true, "absent", "", &err), 0);
	expect(w, simple(w, "up", "ide"), "done");
}

static void test_who_has_nothing_to_do_rests(void **state)
{
	struct world *w = *state;

	expect(w, ship(w), "done");
	start_dev(w);
	without_clock(w);
	for (int i = 0; i < 20; i++)
		world_turn(w);
	assert_true(w->e.reconcile->due_ms - clock_ms() > WITHOUT_CLOCK_MS);
	assert_false(uv_timer_get_due_in(&w->e.reconcile->tick) < WITHOUT_CLOCK_MS);
}

/* A dev container that was held is looked at when it is let go. */
static void test_let_go(void **state)
{
	struct world *w = *state;
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	start_dev(w);
	without_clock(w);
	while (!reconcile_hold_dev(&w->e, w->project, true))
		world_turn(w);
	assert_true(reconcile_dev_held(&w->e, w->project));
	assert_int_equal(backend_sim_kill(w->sim, "p1-dev", 137), 0);
	for (int i = 0; i < 200; i++)
		world_turn(w);
	assert_int_equal(backend_sim_count(w->sim, "p1-dev"), 0);
	(void)reconcile_hold_dev(&w->e, w->project, false);
	while (backend_sim_count(w->sim, "p1-dev") == 0) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
}

/* A backend that every look costs is asked less often about each, the more there are. */
static void test_rounds_are_spread(void **state)
{
	struct world *w = *state;
	struct reconcile *rc = w->e.reconcile;
	struct backend_ops slow = *w->e.backend.ops;
	int64_t envs = rc->envs;

	assert_int_equal(reconcile_round_ms(rc), rc->reconcile_ms);
	slow.round_ms = 250;
	w->e.backend.ops = &slow;
	for (int64_t p = 1000; p < 1040; p++) {
		(void)reconcile_entry_find(&w->e, p, "dev", true);
		(void)reconcile_entry_find(&w->e, p, "prod", true);
		(void)reconcile_entry_find(&w->e, p, "ide", true);
		assert_ptr_equal(reconcile_entry_find(&w->e, p, "prod", true), reconcile_entry_find(&w->e, p, "prod", false));
	}
	assert_null(reconcile_entry_find(&w->e, 1040, "prod", false));
	assert_int_equal(rc->envs, envs + 80);
	rc->reconcile_ms = 15000;
	assert_int_equal(reconcile_round_ms(rc), (envs + 80) * 250);
	rc->reconcile_ms = 60000;
	assert_int_equal(reconcile_round_ms(rc), 60000);
	for (int64_t p = 1000; p < 1040; p++)
		assert_true(reconcile_forget(&w->e, p));
	assert_true(reconcile_forget(&w->e, 1000)); /* no second time */
	assert_int_equal(rc->envs, envs);
	w->e.backend.ops = &backend_sim_ops;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_a_change_is_taken_at_once), WORLD_TEST(test_who_has_nothing_to_do_rests),
		WORLD_TEST(test_let_go),
		WORLD_TEST(test_ship), WORLD_TEST(test_bad_ship_keeps_serving),
		WORLD_TEST(test_first_ship_fails), WORLD_TEST(test_conflict),
		WORLD_TEST(test_scale_while_shipping), WORLD_TEST(test_killed_instance),
		WORLD_TEST(test_cancel), WORLD_TEST(test_dev_container),
		WORLD_TEST(test_remove_project), WORLD_TEST(test_status), WORLD_TEST(test_rounds_are_spread),
		WORLD_TEST(test_backend_down),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
