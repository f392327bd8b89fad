/*
 * The life of operations: few heavy ones at a time, cancelling in every state, lines and steps of
 * anyone's bytes, conflicts between kinds, and an engine that is begun anew in between.
 */
#include "base/utf8.h"
#include "engine/gc.h"
#include "tests/unit/engine/world.h"

static int64_t begin_op(struct world *w, int64_t project, const char *kind, const char *env)
{
	struct request r = { .project = project, .right = POLICY_OWNER };
	struct cl_err err = { 0 };
	int64_t op = 0;

	r.caller.id = w->user;
	(void)mem_copy_str(r.caller.name, sizeof(r.caller.name), "alice");
	if (op_begin(&w->e, &r, NULL, kind, project, env, NULL, &op, &err) != 0)
		fail_msg("%s", err.message);
	return op;
}

static struct store_op row_of(struct world *w, int64_t op)
{
	struct store_op row;

	assert_int_equal(store_op_get(w->e.store, op, &row, NULL), 0);
	return row;
}

static void expect_state(struct world *w, int64_t op, const char *state)
{
	struct store_op row = row_of(w, op);

	assert_string_equal(row.state, state);
	store_op_clear(&row);
}

static void turns(struct world *w, int n)
{
	for (int i = 0; i < n; i++)
		world_turn(w);
}

static int64_t events(struct world *w, const char *type, int64_t op)
{
	return store_number(w->e.store, 0, "SELECT count(*) FROM event WHERE type = ? AND op = ?", "si",
	    type, op);
}

static int64_t more_project(struct world *w, const char *name)
{
	int64_t id;

	assert_int_equal(store_project_add(w->e.store, w->user, name, "django", "", &id, NULL), 0);
	assert_int_equal(store_project_set_state(w->e.store, id, "ready", NULL), 0);
	return id;
}

/* -- beginning and ending -- */

static void an_operation_is_told_from_beginning_to_end(void **state)
{
	struct world *w = *state;
	int64_t op = world_op(w, ROUTE_DEV, "{\"action\":\"up\"}");
	struct store_op row;

	assert_string_equal(world_str(w, "state"), "queued");
	assert_string_equal(world_str(w, "by"), "alice");
	assert_true(json_is_null(json_object_get(w->reply.body, "env"))); /* inside it is "ide" */
	assert_true(json_is_null(json_object_get(w->reply.body, "finished")));
	world_until(w, op, "done");
	row = row_of(w, op);
	assert_int_equal(row.attempts, 1);
	assert_true(row.finished >= row.created);
	assert_int_equal(row.error, CL_OK);
	store_op_clear(&row);
	assert_int_equal(events(w, "op.started", op), 1);
	assert_int_equal(events(w, "op.done", op), 1);
	assert_true(events(w, "op.step", op) >= 1);
}

static void one_that_was_rolled_back_never_starts(void **state)
{
	struct world *w = *state;
	int64_t op;

	assert_int_equal(store_begin(w->e.store, NULL), 0);
	op = begin_op(w, w->project, "up", "ide");
	store_rollback(w->e.store);
	turns(w, 100);
	assert_null(op_find(&w->e, op));
	assert_int_equal(backend_sim_count(w->sim, "-dev"), 0);
	assert_int_equal(store_op_busy(w->e.store, w->project, "ide"), 0);
}

static void an_unknown_kind_fails_and_says_so(void **state)
{
	struct world *w = *state;
	int64_t op = begin_op(w, w->project, "dance", "prod");
	struct store_op row;

	world_until(w, op, "failed");
	row = row_of(w, op);
	assert_int_equal(row.error, CL_NOT_IMPLEMENTED);
	assert_non_null(strstr(row.message, "dance"));
	store_op_clear(&row);
	assert_int_equal(store_op_busy(w->e.store, w->project, "prod"), 0);
}

static void a_failure_keeps_code_message_and_hint(void **state)
{
	struct world *w = *state;
	int64_t op;
	json_t *error;

	world_script(w, "fail build app");
	op = world_op(w, ROUTE_SHIP, "{}");
	world_until(w, op, "failed");
	w->op_asked = op;
	assert_int_equal(world_call(w, ROUTE_OP_SHOW, "", NULL), 200);
	error = json_object_get(w->reply.body, "error");
	assert_true(json_is_object(error));
	assert_true(err_parse(json_string_value(json_object_get(error, "code"))) != CL_OK);
	assert_true(strlen(json_string_value(json_object_get(error, "message"))) > 5);
	assert_string_not_equal(world_str(w, "finished"), "");
}

/* -- heavy ones -- */

/* Builds that wait until they are let go, and are counted. */
static atomic_int building, most_building, hold;
static int (*sim_build)(struct backend *b, const struct backend_build *spec,
    const struct backend_job *job, char *digest, size_t size, struct cl_err *err);

static int slow_build(struct backend *b, const struct backend_build *spec,
    const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	int n = atomic_fetch_add(&building, 1) + 1;

	if (n > atomic_load(&most_building))
		atomic_store(&most_building, n);
	while (atomic_load(&hold) && !job->cancelled(job->arg))
		(void)usleep(1000);
	(void)usleep(5000);
	atomic_fetch_sub(&building, 1);
	return sim_build(b, spec, job, digest, size, err);
}

/* Ships that many projects; their builds are held. */
static void hold_builds(struct world *w, int64_t *ops, int n)
{
	static struct backend_ops held;
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	held = *w->backend.ops;
	sim_build = held.build;
	held.build = slow_build;
	w->e.backend.ops = &held;
	atomic_store(&hold, 1);
	atomic_store(&most_building, 0);
	for (int i = 0; i < n; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "app%d", i);
		w->project_asked = more_project(w, name);
		ops[i] = world_op(w, ROUTE_SHIP, "{}");
	}
	while (atomic_load(&building) < 2) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	w->project_asked = w->project;
}

static void only_two_builds_run_at_once(void **state)
{
	struct world *w = *state;
	int64_t ops[5];

	hold_builds(w, ops, 5);
	turns(w, 50);
	assert_int_equal(atomic_load(&building), 2);
	atomic_store(&hold, 0);
	for (int i = 0; i < 5; i++)
		world_until(w, ops[i], "done");
	assert_int_equal(atomic_load(&most_building), 2);
}

static void light_ones_pass_waiting_builds(void **state)
{
	struct world *w = *state;
	int64_t ops[4];

	hold_builds(w, ops, 4);
	world_until(w, world_op(w, ROUTE_DEV, "{\"action\":\"up\"}"), "done");
	assert_int_equal(atomic_load(&building), 2);
	atomic_store(&hold, 0);
	for (int i = 0; i < 4; i++)
		world_until(w, ops[i], "done");
}

/* -- cancelling -- */

static void a_queued_one_is_cancelled_before_it_does_anything(void **state)
{
	struct world *w = *state;
	int64_t ops[4];

	hold_builds(w, ops, 4);
	expect_state(w, ops[3], "queued");
	w->op_asked = ops[3];
	assert_int_equal(world_call(w, ROUTE_OP_CANCEL, "", NULL), 200);
	assert_string_equal(world_str(w, "state"), "cancelled");
	atomic_store(&hold, 0);
	for (int i = 0; i < 3; i++)
		world_until(w, ops[i], "done");
	expect_state(w, ops[3], "cancelled");
	assert_int_equal(events(w, "op.started", ops[3]), 0);
	assert_int_equal(events(w, "op.done", ops[3]), 1);
	assert_int_equal(backend_sim_count(w->sim, "p5-"), 0);
}

static void a_build_under_way_ends_when_it_is_cancelled(void **state)
{
	struct world *w = *state;
	int64_t ops[2];

	hold_builds(w, ops, 2);
	w->op_asked = ops[0];
	assert_int_equal(world_call(w, ROUTE_OP_CANCEL, "", NULL), 200);
	world_until(w, ops[0], "cancelled"); /* although the other is still held */
	expect_state(w, ops[1], "running");
	atomic_store(&hold, 0);
	world_until(w, ops[1], "done");
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM release"
	    " WHERE result = 'failed'", ""), 1);
}

static void a_waiting_rollout_is_taken_back(void **state)
{
	struct world *w = *state;
	int64_t op, until = clock_ms() + WORLD_WAIT_MS;

	world_done(w, ROUTE_SHIP, "{}");
	world_script(w, "unready -r2");
	op = world_op(w, ROUTE_SHIP, "{}");
	while (backend_sim_count(w->sim, "-r2") == 0) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	w->op_asked = op;
	assert_int_equal(world_call(w, ROUTE_OP_CANCEL, "", NULL), 200);
	expect_state(w, op, "cancelled");
	while (backend_sim_count(w->sim, "-r2") > 0) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	assert_int_equal(world_env(w, "prod").serving, 1);
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

static void what_is_over_cannot_be_cancelled(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	int64_t op = world_op(w, ROUTE_DEV, "{\"action\":\"up\"}");

	world_until(w, op, "done");
	w->op_asked = op;
	world_refused(w, ROUTE_OP_CANCEL, "", NULL, CL_PRECONDITION, "over");
	expect_state(w, op, "done");
	assert_int_equal(op_cancel(&w->e, 987654, &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	err_clear(&err);
	assert_int_equal(op_cancel(&w->e, 0, &err), -1);
}

static void a_removal_is_not_stopped_halfway(void **state)
{
	struct world *w = *state;
	int64_t op, until = clock_ms() + WORLD_WAIT_MS;
	struct op_live *o;

	world_done(w, ROUTE_SHIP, "{}");
	op = begin_op(w, w->project, "project rm", NULL);
	while ((o = op_find(&w->e, op)) == NULL || !o->started) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	w->op_asked = op;
	world_refused(w, ROUTE_OP_CANCEL, "", NULL, CL_PRECONDITION, "halfway");
	world_until(w, op, "done");
	assert_int_equal(backend_sim_count(w->sim, ""), 0);
	assert_int_equal(store_number(w->e.store, -1, "SELECT count(*) FROM project", ""), 0);
	expect_state(w, op, "done"); /* the row outlives the project */
}

static void removing_ends_what_waits_for_the_project(void **state)
{
	struct world *w = *state;
	int64_t ship, rm;

	world_done(w, ROUTE_SHIP, "{}");
	world_script(w, "unready -r2");
	ship = world_op(w, ROUTE_SHIP, "{}");
	turns(w, 100);
	rm = begin_op(w, w->project, "project rm", NULL);
	world_until(w, rm, "done");
	expect_state(w, ship, "cancelled");
	assert_int_equal(backend_sim_count(w->sim, "prod"), 0);
}

/* -- conflicts -- */

static void who_excludes_whom(void **state)
{
	static const struct {
		const char *running, *env, *asked;
		bool conflict;
	} rows[] = {
		{ "ship", "prod", "prod", true }, { "ship", "prod", "dev", false },
		{ "deploy", "dev", "dev", true }, { "promote", "prod", "prod", true },
		{ "rollback", "prod", "prod", true }, { "config set", "dev", "dev", true },
		{ "config rotate-db", "prod", "prod", true },
		{ "scale", "prod", "prod", false }, { "up", "ide", "prod", false },
		{ "restart", "ide", "ide", false }, { "project rm", "", "prod", true },
		{ "project rm", "", "dev", true },
	};
	struct world *w = *state;

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct store_op o = { .project = w->project };
		struct cl_err err = { 0 };
		int rc;

		(void)mem_copy_str(o.kind, sizeof(o.kind), rows[i].running);
		(void)mem_copy_str(o.env, sizeof(o.env), rows[i].env);
		(void)mem_copy_str(o.by, sizeof(o.by), "bob");
		assert_int_equal(store_op_add(w->e.store, &o, "", NULL), 0);
		rc = op_check(&w->e, w->project, rows[i].asked, &err);
		if ((rc != 0) != rows[i].conflict)
			fail_msg("%s in %s, then %s: %s", rows[i].running, rows[i].env, rows[i].asked,
			    err.message);
		if (rc != 0) {
			char id[24];

			(void)snprintf(id, sizeof(id), "cancel %lld", (long long)o.id);
			assert_int_equal(err.code, CL_CONFLICT);
			assert_non_null(strstr(err.message, "by bob"));
			assert_non_null(strstr(err.hint, id));
		}
		assert_int_equal(op_check(&w->e, w->project + 1, rows[i].asked, NULL), 0);
		assert_int_equal(store_op_finish(w->e.store, o.id, "done", NULL, NULL, NULL), 0);
		assert_int_equal(op_check(&w->e, w->project, rows[i].asked, NULL), 0);
	}
}

/* -- lines and steps -- */

static void lines_are_made_valid_and_bounded(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} rows[] = {
		{ "plain\n", 6, "plain" }, { "crlf\r\n", 6, "crlf" }, { "", 0, "" },
		{ "a\0b", 3, "a\xef\xbf\xbd" "b" }, { "\xff\xfe", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\x95\x9c", 3, "\xed\x95\x9c" }, { "\xed\x95", 2, NULL },
	};
	struct world *w = *state;
	int64_t op, until = clock_ms() + WORLD_WAIT_MS;
	struct op_live *o;
	char big[9000], tail[4096];

	world_done(w, ROUTE_SHIP, "{}");
	world_script(w, "unready -r2");
	op = world_op(w, ROUTE_SHIP, "{}");
	while ((o = op_find(&w->e, op)) == NULL || !o->settling) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		op_line_cb(o, rows[i].bytes, rows[i].len);
		turns(w, 3);
		if (rows[i].text != NULL && store_number(w->e.store, 0, "SELECT count(*) FROM op_log"
		    " WHERE op = ? AND text = ?", "is", op, rows[i].text) != 1)
			fail_msg("row %zu is not in the log", i);
	}
	memset(big, 'x', sizeof(big));
	op_line_cb(o, big, sizeof(big));
	turns(w, 3);
	assert_int_equal(store_number(w->e.store, 0, "SELECT max(length(text)) FROM op_log", ""), 2000);
	store_op_log_tail(w->e.store, op, 20, tail, sizeof(tail));
	assert_true(utf8_valid(tail, utf8_whole(tail, strlen(tail))));
	op_line(&w->e, 0, "nobody's");
	op_line(&w->e, 99999, "nobody's");
	op_step(&w->e, 99999, "nobody's");
	assert_int_equal(store_number(w->e.store, 0,
	    "SELECT count(*) FROM op_log WHERE text LIKE 'nobody%'", ""), 0);
	w->op_asked = op;
	assert_int_equal(world_call(w, ROUTE_OP_CANCEL, "", NULL), 200);
}

static void the_log_is_read_on_from_a_number(void **state)
{
	static const char *const bad[] = { "since=-1", "since=x", "since=1.5" };
	struct world *w = *state;
	int64_t op = world_op(w, ROUTE_SHIP, "{}"), n;
	char query[32];

	world_until(w, op, "done");
	w->op_asked = op;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		world_refused(w, ROUTE_OP_LOG, bad[i], NULL, CL_USAGE, "since");
	assert_int_equal(world_call(w, ROUTE_OP_LOG, "", NULL), 200);
	n = (int64_t)json_array_size(json_object_get(w->reply.body, "lines"));
	assert_true(n >= 1);
	(void)snprintf(query, sizeof(query), "since=%lld", (long long)n - 1);
	assert_int_equal(world_call(w, ROUTE_OP_LOG, query, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "lines")), 1);
	(void)snprintf(query, sizeof(query), "since=%lld", (long long)n);
	assert_int_equal(world_call(w, ROUTE_OP_LOG, query, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "lines")), 0);
}

static void the_list_of_operations_is_bounded_and_filtered(void **state)
{
	static const char *const bad[] = { "limit=0", "limit=1001", "limit=all" };
	struct world *w = *state;
	json_t *ops;

	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	world_done(w, ROUTE_DEV, "{\"action\":\"stop\"}");
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		world_refused(w, ROUTE_OP_LS, bad[i], NULL, CL_USAGE, "limit");
	world_refused(w, ROUTE_OP_LS, "project=nothing", NULL, CL_NOT_FOUND, "no such project");
	assert_int_equal(world_call(w, ROUTE_OP_LS, "project=shop", NULL), 200);
	ops = json_object_get(w->reply.body, "ops");
	assert_int_equal(json_array_size(ops), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(ops, 0), "kind")), "stop");
	assert_int_equal(world_call(w, ROUTE_OP_LS, "limit=1", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(w->reply.body, "ops")), 1);
}

/* -- a new engine -- */

static void a_new_engine_goes_on_where_the_old_one_was(void **state)
{
	struct world *w = *state;
	int64_t op;
	struct store_op row;

	world_script(w, "slow 10");
	op = world_op(w, ROUTE_SHIP, "{}");
	world_until(w, op, "running");
	world_cut(w);
	world_script(w, "");
	world_begin(w);
	world_until(w, op, "done");
	row = row_of(w, op);
	assert_in_range(row.attempts, 2, 3);
	store_op_clear(&row);
	assert_int_equal(events(w, "op.started", op), 1); /* told once */
	assert_int_equal(world_env(w, "prod").serving, 1);
}

static void what_was_queued_starts_in_the_next_engine(void **state)
{
	struct world *w = *state;
	int64_t ops[4];

	for (int i = 0; i < 4; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "app%d", i);
		w->project_asked = more_project(w, name);
		ops[i] = world_op(w, ROUTE_SHIP, "{}");
	}
	world_cut(w);
	world_begin(w);
	for (int i = 0; i < 4; i++)
		world_until(w, ops[i], "done");
}

static void a_cancel_before_the_crash_holds_after_it(void **state)
{
	struct world *w = *state;
	int64_t op = world_op(w, ROUTE_SHIP, "{}");

	assert_int_equal(store_op_cancel(w->e.store, op, NULL), 0);
	world_cut(w);
	world_begin(w);
	world_until(w, op, "cancelled");
	assert_int_equal(store_op_busy(w->e.store, w->project, "prod"), 0);
	world_done(w, ROUTE_SHIP, "{}");
}

static void damaged_payloads_do_not_stop_the_engine(void **state)
{
	static const char *const bad[] = { "", "{", "[1]", "null", "{\"version\":\"x\"}" };
	struct world *w = *state;
	int64_t ops[CL_COUNT(bad)], until = clock_ms() + WORLD_WAIT_MS;

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "app%zu", i);
		w->project_asked = more_project(w, name);
		ops[i] = world_op(w, ROUTE_SHIP, "{}");
		assert_int_equal(store_op_payload(w->e.store, ops[i], bad[i], NULL), 0);
	}
	world_cut(w);
	world_begin(w);
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		while (op_find(&w->e, ops[i]) != NULL) {
			assert_true(clock_ms() < until);
			world_turn(w);
		}
	w->project_asked = w->project;
	world_done(w, ROUTE_SHIP, "{}");
}

/* -- images of stacks -- */

static void images_that_are_there_are_ready(void **state)
{
	struct world *w = *state;
	int64_t until = clock_ms() + WORLD_WAIT_MS;
	json_t *list, *o;
	size_t i;

	while (image_asking(&w->e)) {
		assert_true(clock_ms() < until);
		world_turn(w);
	}
	assert_int_equal(world_call(w, ROUTE_IMAGE_LS, "", NULL), 200);
	list = json_object_get(w->reply.body, "images");
	assert_true(json_array_size(list) >= 6);
	json_array_foreach(list, i, o) {
		assert_string_equal(json_string_value(json_object_get(o, "state")), "ready");
		assert_true(json_string_length(json_object_get(o, "id")) > 0);
	}
	assert_int_equal(image_get(&w->e, "no-such-image"), IMAGE_ABSENT);
}

static void only_known_images_are_built(void **state)
{
	struct world *w = *state;
	struct store_op row;
	int64_t op;

	w->project_asked = 0;
	world_refused(w, ROUTE_IMAGE_BUILD, "", "{\"ids\":[\"nothing\"]}", CL_NOT_FOUND, "nothing");
	world_refused(w, ROUTE_IMAGE_BUILD, "", "{\"ids\":[\"../../etc\"]}", CL_NOT_FOUND, "etc");
	world_script(w, "fail image python");
	op = world_op(w, ROUTE_IMAGE_BUILD, "{\"ids\":[\"python\"],\"force\":true}");
	world_until(w, op, "failed");
	row = row_of(w, op);
	assert_non_null(strstr(row.message, "python"));
	store_op_clear(&row);
	assert_int_equal(image_get(&w->e, "python"), IMAGE_FAILED);
	world_script(w, "");
	world_until(w, world_op(w, ROUTE_IMAGE_BUILD, "{\"ids\":[\"python\"],\"force\":true}"), "done");
	assert_int_equal(image_get(&w->e, "python"), IMAGE_READY);
}

static void stacks_say_whether_they_can_be_used(void **state)
{
	struct world *w = *state;
	json_t *list, *o;
	size_t i;

	assert_int_equal(world_call(w, ROUTE_STACK_LS, "", NULL), 200);
	list = json_object_get(w->reply.body, "stacks");
	assert_true(json_array_size(list) >= 2);
	json_array_foreach(list, i, o) {
		assert_true(json_is_true(json_object_get(o, "ready")));
		assert_string_not_equal(json_string_value(json_object_get(o, "kind")), "service");
		assert_true(json_array_size(json_object_get(o, "run")) > 0);
	}
}

#define DAY_MS (24 * 3600 * 1000LL)

static int64_t cleanups(struct world *w)
{
	return store_number(w->e.store, 0, "SELECT count(*) FROM op WHERE kind = 'image gc'", "");
}

/* images.gc_hours is a day: one that began `days` ago is what the engine looks at. */
static int64_t due(struct world *w, double days)
{
	struct cl_err err = { 0 };

	if (gc_when_due(&w->e, clock_unix_ms() - (int64_t)(days * DAY_MS), &err) != 0)
		fail_msg("%s", err.message);
	return cleanups(w);
}

static int64_t last_op(struct world *w)
{
	return store_number(w->e.store, 0, "SELECT max(id) FROM op", "");
}

static void images_are_cleaned_up_once_a_day(void **state)
{
	struct world *w = *state;
	struct store_op row;

	assert_int_equal(due(w, 0.9), 0);
	assert_int_equal(due(w, 1.1), 1);
	world_until(w, last_op(w), "done");
	row = row_of(w, last_op(w));
	assert_string_equal(row.by, "engine");
	assert_non_null(strstr(row.result, "removed 0 images"));
	store_op_clear(&row);
	assert_int_equal(due(w, 30), 1); /* the last one counts, also after a restart */
}

static void a_dry_run_is_no_clean_up(void **state)
{
	struct world *w = *state;

	assert_int_equal(due(w, 1.1), 1);
	world_until(w, last_op(w), "done");
	assert_true(store_run(w->e.store, NULL, "UPDATE op SET created = created - ?", "i",
	    (int64_t)(1.1 * DAY_MS)) > 0);
	world_until(w, world_op(w, ROUTE_IMAGE_GC, "{\"dry_run\":true}"), "done");
	assert_int_equal(due(w, 0), 3);
	assert_int_equal(due(w, 0), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(an_operation_is_told_from_beginning_to_end),
		WORLD_TEST(one_that_was_rolled_back_never_starts),
		WORLD_TEST(an_unknown_kind_fails_and_says_so),
		WORLD_TEST(a_failure_keeps_code_message_and_hint),
		WORLD_TEST(only_two_builds_run_at_once),
		WORLD_TEST(light_ones_pass_waiting_builds),
		WORLD_TEST(a_queued_one_is_cancelled_before_it_does_anything),
		WORLD_TEST(a_build_under_way_ends_when_it_is_cancelled),
		WORLD_TEST(a_waiting_rollout_is_taken_back),
		WORLD_TEST(what_is_over_cannot_be_cancelled),
		WORLD_TEST(a_removal_is_not_stopped_halfway),
		WORLD_TEST(removing_ends_what_waits_for_the_project),
		WORLD_TEST(who_excludes_whom),
		WORLD_TEST(lines_are_made_valid_and_bounded),
		WORLD_TEST(the_log_is_read_on_from_a_number),
		WORLD_TEST(the_list_of_operations_is_bounded_and_filtered),
		WORLD_TEST(a_new_engine_goes_on_where_the_old_one_was),
		WORLD_TEST(what_was_queued_starts_in_the_next_engine),
		WORLD_TEST(a_cancel_before_the_crash_holds_after_it),
		WORLD_TEST(damaged_payloads_do_not_stop_the_engine),
		WORLD_TEST(images_that_are_there_are_ready),
		WORLD_TEST(only_known_images_are_built),
		WORLD_TEST(stacks_say_whether_they_can_be_used),
		WORLD_TEST(images_are_cleaned_up_once_a_day),
		WORLD_TEST(a_dry_run_is_no_clean_up),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
