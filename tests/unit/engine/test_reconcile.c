/*
 * Store, operations, reconciling and the sim backend together, as the engine runs them: ship, scale,
 * faults, cancelling, and an engine that is cut off at many points and begun anew on the same store
 * and the same cluster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/backend_sim.h"
#include "engine/deploy.h"
#include "engine/event_hub.h"
#include "engine/image.h"
#include "engine/manifest.h"
#include "engine/op.h"
#include "engine/operate.h"
#include "engine/reconcile.h"
#include "engine/status.h"
#include "engine/store_env.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

#define WAIT_MS 20000

struct world {
	uv_loop_t loop;
	struct engine e;
	struct sim *sim;
	struct backend backend;
	char path[64];
	int64_t user, project;
};

static void begin(struct world *w)
{
	struct cl_err err = { 0 };

	memset(&w->e, 0, sizeof(w->e));
	assert_int_equal(uv_loop_init(&w->loop), 0);
	engine_open(&w->e, &w->loop);
	w->e.uid_base = 200000;
	w->e.gid_base = 300000;
	w->e.backend = w->backend;
	w->e.store = store_open(w->path, &err);
	assert_non_null(w->e.store);
	event_hub_open(&w->e);
	if (operate_open(&w->e, &err) != 0)
		fail_msg("%s", err.message);
}

/* The engine ends without writing anything more, as one that was killed. */
static void cut(struct world *w)
{
	w->e.stopping = true;
	operate_close(&w->e);
	event_hub_close(&w->e);
	store_close(w->e.store);
	engine_close(&w->e);
	while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
		;
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void turn(struct world *w)
{
	if (uv_run(&w->loop, UV_RUN_NOWAIT) != 0)
		(void)usleep(500);
}

/* Runs the loop until the operation is over; its final state into *out. */
static void finish(struct world *w, int64_t op, struct store_op *out)
{
	int64_t until = clock_ms() + WAIT_MS;

	memset(out, 0, sizeof(*out));
	for (;;) {
		struct cl_err err = { 0 };

		store_op_clear(out);
		assert_int_equal(store_op_get(w->e.store, op, out, &err), 0);
		if (strcmp(out->state, "queued") != 0 && strcmp(out->state, "running") != 0)
			return;
		if (clock_ms() > until)
			fail_msg("operation %s: still %s: %s", out->kind, out->state, out->step);
		turn(w);
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

static void script(struct world *w, const char *text)
{
	struct cl_err err = { 0 };

	assert_int_equal(backend_sim_script(w->sim, text, &err), 0);
}

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct cl_err err = { 0 };

	(void)snprintf(w->path, sizeof(w->path), "/tmp/cl-reconcile-%d.db", (int)getpid());
	(void)unlink(w->path);
	w->sim = backend_sim_new(&w->backend, "");
	begin(w);
	assert_int_equal(store_user_add(w->e.store, "alice", "developer", NULL, &w->user, &err), 0);
	assert_int_equal(store_project_add(w->e.store, w->user, "shop", "django", "", &w->project,
	    &err), 0);
	assert_int_equal(store_project_set_state(w->e.store, w->project, "ready", &err), 0);
	expect(w, simple(w, "image build", NULL), "done");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char extra[80];

	cut(w);
	(void)unlink(w->path);
	(void)snprintf(extra, sizeof(extra), "%s-wal", w->path);
	(void)unlink(extra);
	(void)snprintf(extra, sizeof(extra), "%s-shm", w->path);
	(void)unlink(extra);
	backend_sim_free(w->sim);
	mem_free(w);
	return 0;
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

		script(w, bad[i].script);
		finish(w, ship(w), &op);
		assert_string_equal(op.state, "failed");
		if (strstr(op.message, bad[i].says) == NULL)
			fail_msg("%s: %s", bad[i].script, op.message);
		store_op_clear(&op);
		script(w, "");
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

	script(w, "crash was");
	expect(w, ship(w), "failed");
	script(w, "");
	for (int i = 0; i < 4000 && backend_sim_count(w->sim, "p1-prod") > 0; i++)
		turn(w);
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
	script(w, "slow 5");
	a = ship(w);
	for (int i = 0; i < 10; i++)
		turn(w);
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
	int64_t until = clock_ms() + WAIT_MS;

	expect(w, ship(w), "done");
	expect(w, scale(w, "was", 2), "done");
	assert_int_equal(backend_sim_kill(w->sim, "was-2", 137), 0);
	while (!told(w, "was-2 exited 137, is replaced") || backend_sim_count(w->sim, "was") < 2) {
		assert_true(clock_ms() < until);
		turn(w);
	}
}

static void test_cancel(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	struct store_env row;
	int64_t op;

	expect(w, ship(w), "done");
	script(w, "unready -r2");
	op = ship(w);
	for (int i = 0; i < 4000 && backend_sim_count(w->sim, "-r2") == 0; i++)
		turn(w);
	assert_int_equal(op_cancel(&w->e, op, &err), 0);
	expect(w, op, "cancelled");
	script(w, "");
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
	script(w, "fail apply dev");
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
	int64_t op, until = clock_ms() + WAIT_MS;

	expect(w, ship(w), "done");
	script(w, "down");
	while (strcmp(w->e.backend_state, "down") != 0 && clock_ms() < until)
		turn(w);
	assert_string_equal(w->e.backend_state, "down");
	op = ship(w);
	for (int i = 0; i < 50; i++)
		turn(w);
	script(w, "");
	expect(w, op, "done");
	assert_string_equal(w->e.backend_state, "ready");
}

/* After whatever happened: one instance of each number of the serving release, nothing else. */
static void at_rest(struct world *w, int was)
{
	struct store_env row;
	char name[80];

	expect(w, scale(w, "web", 1), "done");
	env_row(w, &row);
	assert_int_equal(row.desired, row.serving);
	assert_int_equal(backend_sim_count(w->sim, "was"), was);
	assert_int_equal(backend_sim_routed(w->sim, row.slot, "was"), was);
	for (int n = 1; n <= was; n++) {
		manifest_name(name, sizeof(name), w->project, "prod", "was", n, row.serving);
		assert_int_equal(backend_sim_count(w->sim, name), 1);
	}
	assert_int_equal(backend_sim_count(w->sim, "web"), 1);
	assert_int_equal(backend_sim_count(w->sim, "op"), 0);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release"
	    " WHERE result = 'serving'", ""), 1);
}

/* The engine is cut off at many points of a ship and of a scale; each ends, the app never stops. */
static void test_cut_anywhere(void **state)
{
	struct world *w = *state;

	expect(w, ship(w), "done");
	for (int point = 0; point < 40; point++) {
		int was = 1 + point % 4;
		int64_t a = ship(w), b;
		struct store_op op;

		script(w, point % 2 ? "slow 2" : "");
		for (int i = 0; i < point; i++)
			turn(w);
		b = scale(w, "was", was);
		for (int i = 0; i < point / 3; i++)
			turn(w);
		cut(w);
		begin(w);
		finish(w, a, &op);
		if (strcmp(op.state, "done") != 0 && op.message[0] == '\0')
			fail_msg("ship %s without a reason", op.state);
		store_op_clear(&op);
		expect(w, b, "done");
		at_rest(w, was);
	}
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_ship), T(test_bad_ship_keeps_serving), T(test_first_ship_fails),
		T(test_conflict), T(test_scale_while_shipping), T(test_killed_instance),
		T(test_cancel), T(test_dev_container), T(test_remove_project), T(test_status),
		T(test_backend_down), T(test_cut_anywhere),
	};
	int argc = 1;
	char *argv[] = { (char *)"test", NULL };
	struct cl_err err = { 0 };

	(void)setenv("CODINGLAB_IMAGES_DIR", CL_SOURCE "/images", 1);
	(void)setenv("CODINGLAB_ENGINE_RECONCILE_MS", "50", 1);
	(void)setenv("CODINGLAB_CONF", "/dev/null", 1);
	if (config_load(NULL, &argc, argv, &err) != 0) {
		err_print(&err);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
