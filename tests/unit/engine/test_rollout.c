/* Passes over an environment against the sim backend: roll-outs, scaling, faults, interruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "engine/backend_sim.h"
#include "engine/rollout_login.h"

static struct stack app = { .id = "python", .dev = { .id = "python" }, .run = { .id = "python-run" },
	.port = 8000 };
static struct stack web = { .id = "web", .run = { .id = "web" }, .port = 8080, .uid = 10101,
	.health = "/-/healthz", .tmp = { "/tmp" }, .ntmp = 1 };
static struct stack db = { .id = "postgresql", .run = { .id = "postgresql" }, .port = 5432,
	.database = { "postgres", 5432 },
	.uid = 10103, .volume = "/var/lib/postgresql/data" };
static char *migrate[] = { (char *)"python3", (char *)"migrate.py", NULL };

struct world {
	struct backend backend;
	struct sim *sim;
	struct rollout_memory memory;
	struct rollout r;
	atomic_bool interrupt;
	char facts[4096];      /* "starting was-1 " ... */
	const char *user[2], *password; /* how the wanted and the old release enter the database; NULL = as ever */
};

static void note(void *arg, const struct rollout_note *n)
{
	static const char *const names[] = { "starting", "ready", "draining", "gone", "step", "line",
		"migrated" };
	struct world *w = arg;
	size_t len = strlen(w->facts);

	(void)snprintf(w->facts + len, sizeof(w->facts) - len, "%s%s %s;",
	    n->fact == ROLLOUT_GONE && !n->expected ? "lost-" : "", names[n->fact], n->instance);
}

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));

	w->sim = backend_sim_new(&w->backend, "");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	rollout_clear_memory(&w->memory);
	backend_sim_free(w->sim);
	mem_free(w);
	return 0;
}

static void version(struct release *r, int n)
{
	memset(r, 0, sizeof(*r));
	r->version = n;
	r->port = 8000;
	(void)snprintf(r->digest, sizeof(r->digest), "sha256:%d", n);
	(void)snprintf(r->health, sizeof(r->health), "/healthz");
	r->migrate = migrate;
	r->migrated = n == 0;
}

/* One pass: wanted and serving release, numbers of was and web. */
static enum rollout_result pass(struct world *w, int wanted, int serving, int nwas, int nweb)
{
	struct rollout *r = &w->r;

	memset(r, 0, sizeof(*r));
	w->facts[0] = '\0';
	r->backend = &w->backend;
	r->manifest = (struct manifest){ .project = 7, .name = "shop", .owner = "alice",
		.env = "prod", .stack = &app, .web = &web, .db = &db, .db_password = "x", .slot = 3 };
	version(&r->wanted, wanted);
	version(&r->old, serving);
	r->wanted.migrated = wanted == serving || w->user[0] != NULL;
	if (w->user[0] != NULL) {
		(void)snprintf(r->wanted.db_user, sizeof(r->wanted.db_user), "%s", w->user[0]);
		(void)snprintf(r->wanted.db_password, sizeof(r->wanted.db_password), "%s", w->password);
	}
	if (w->user[1] != NULL)
		(void)snprintf(r->old.db_user, sizeof(r->old.db_user), "%s", w->user[1]);
	r->route = (struct backend_route){ .project = 7, .env = "prod", .slot = 3,
		.host = "shop.alice.lab" };
	r->want[PLAN_DB] = 1;
	r->want[PLAN_WAS] = nwas;
	r->want[PLAN_WEB] = nweb;
	r->op = 5;
	r->health_timeout_ms = 100;
	r->drain_timeout_s = 1;
	r->poll_ms = 1;
	r->interrupt = &w->interrupt;
	r->memory = &w->memory;
	r->note = note;
	r->arg = w;
	rollout_login_run(r);
	r->wanted.migrate = r->old.migrate = NULL;
	return r->result;
}

static bool before(const char *text, const char *a, const char *b)
{
	const char *x = strstr(text, a), *y = strstr(text, b);

	return x != NULL && y != NULL && x < y;
}

static void test_first_release(void **state)
{
	struct world *w = *state;
	char *trace;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 2);
	assert_int_equal(backend_sim_routed(w->sim, 3, "web"), 1);
	assert_int_equal(backend_sim_count(w->sim, "-db-"), 1);
	assert_true(w->r.wanted.migrated);
	trace = backend_sim_trace(w->sim);
	assert_true(before(trace, "apply p7-prod-db-1-r0", "run op5-migrate"));
	assert_true(before(trace, "run op5-migrate", "apply p7-prod-was-1-r1"));
	assert_true(before(trace, "route shop.alice.lab", "add p7-prod-was-1-r1"));
	mem_free(trace);
	assert_true(before(w->facts, "ready db-1", "ready was-1"));
	/* nothing is left to do */
	backend_sim_forget(w->sim);
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_string_equal(w->facts, "");
}

static void test_rolling(void **state)
{
	struct world *w = *state;
	char *trace;

	assert_int_equal(pass(w, 1, 0, 3, 2), ROLLOUT_OK);
	backend_sim_forget(w->sim);
	assert_int_equal(pass(w, 2, 1, 3, 2), ROLLOUT_OK);
	assert_int_equal(backend_sim_count(w->sim, "-r1"), 0);
	assert_int_equal(backend_sim_count(w->sim, "-r2"), 3);
	assert_int_equal(backend_sim_outages(w->sim), 0);
	trace = backend_sim_trace(w->sim);
	assert_null(strstr(trace, "web"));
	assert_null(strstr(trace, "-db-"));
	assert_true(before(trace, "add p7-prod-was-3-r2", "drain p7-prod-was-3-r1"));
	assert_true(before(trace, "drain p7-prod-was-1-r1", "remove p7-prod-was-1-r1"));
	mem_free(trace);
}

static void test_scale(void **state)
{
	struct world *w = *state;
	char *trace;

	assert_int_equal(pass(w, 1, 0, 1, 1), ROLLOUT_OK);
	backend_sim_forget(w->sim);
	assert_int_equal(pass(w, 1, 1, 4, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 4);
	assert_int_equal(pass(w, 1, 1, 1, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 1);
	assert_int_equal(backend_sim_outages(w->sim), 0);
	trace = backend_sim_trace(w->sim);
	assert_null(strstr(trace, "web"));
	assert_true(before(trace, "drain p7-prod-was-4-r1", "drain p7-prod-was-2-r1"));
	mem_free(trace);
}

/* A release that never gets ready, crashes or cannot migrate leaves the old one serving. */
static void bad_release(struct world *w, const char *script, const char *says)
{
	struct cl_err err = { 0 };

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	backend_sim_forget(w->sim);
	assert_int_equal(backend_sim_script(w->sim, script, &err), 0);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_FAILED);
	assert_true(w->r.release_failed);
	if (strstr(w->r.err.message, says) == NULL)
		fail_msg("said: %s", w->r.err.message);
	/* taken back */
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_count(w->sim, "-r2"), 0);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 2);
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

static void test_unready(void **state)
{
	bad_release(*state, "unready -r2", "was-1: not ready");
}

static void test_crash(void **state)
{
	struct world *w = *state;

	bad_release(w, "crash was-2-r2", "ended with status 3");
}

static void test_migration_fails(void **state)
{
	bad_release(*state, "job 1", "migration: ended with status 1: job output");
}

static void test_apply_fails(void **state)
{
	bad_release(*state, "fail apply was-2-r2", "scripted to fail");
}

static void test_killed_is_replaced(void **state)
{
	struct world *w = *state;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_kill(w->sim, "was-2", 137), 0);
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_non_null(strstr(w->facts, "lost-gone was-2"));
	assert_non_null(strstr(w->facts, "ready was-2"));
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 2);
	assert_int_equal(backend_sim_vanish(w->sim, "web-1"), 0);
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_non_null(strstr(w->facts, "lost-gone web-1"));
	assert_int_equal(backend_sim_routed(w->sim, 3, "web"), 1);
	assert_int_equal(backend_sim_kill(w->sim, "-db-", 1), 0);
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_count(w->sim, "-db-"), 1);
}

/* One that always crashes is held back for longer and longer; the others serve. */
static void test_crash_loop(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	int64_t hold = 0;

	assert_int_equal(pass(w, 1, 0, 1, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_script(w->sim, "crash was-2", &err), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_FAILED);
		assert_false(w->r.release_failed);
		for (size_t s = 0; s < w->memory.nslots; s++)
			if (w->memory.slots[s].n == 2 && w->memory.slots[s].tier == PLAN_WAS) {
				assert_true(w->memory.slots[s].hold_ms - clock_ms() > hold);
				hold = w->memory.slots[s].hold_ms - clock_ms();
			}
		backend_sim_forget(w->sim);
		assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK); /* held: no attempt */
		assert_null(strstr(w->facts, "starting"));
		for (size_t s = 0; s < w->memory.nslots; s++)
			w->memory.slots[s].hold_ms = 0;
	}
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 1);
	assert_int_equal(backend_sim_script(w->sim, "", &err), 0);
	assert_int_equal(pass(w, 1, 1, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 2);
}

static void test_interrupt(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };

	assert_int_equal(backend_sim_script(w->sim, "unready was", &err), 0);
	atomic_store(&w->interrupt, true);
	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_AGAIN);
	atomic_store(&w->interrupt, false);
	assert_int_equal(backend_sim_script(w->sim, "", &err), 0);
	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
}

static void test_down(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };

	assert_int_equal(pass(w, 1, 0, 1, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_script(w->sim, "down", &err), 0);
	assert_int_equal(pass(w, 2, 1, 1, 1), ROLLOUT_UNAVAILABLE);
	assert_false(w->r.release_failed);
	assert_true(w->r.err.hint[0] != '\0');
	assert_int_equal(backend_sim_script(w->sim, "", &err), 0);
	assert_int_equal(pass(w, 2, 1, 1, 1), ROLLOUT_OK);
}

static void test_gone(void **state)
{
	struct world *w = *state;
	struct rollout r;
	char *trace;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	r = w->r;
	r.gone = true;
	version(&r.wanted, 1);
	rollout_run(&r);
	assert_int_equal(r.result, ROLLOUT_OK);
	assert_int_equal(backend_sim_count(w->sim, "p7-"), 0);
	trace = backend_sim_trace(w->sim);
	assert_non_null(strstr(trace, "unroute shop.alice.lab"));
	assert_non_null(strstr(trace, "network-rm p7-prod"));
	mem_free(trace);
}

/* Cut off after each step of a roll-out: the next passes come to the same end, without an outage. */
static void test_every_cut(void **state)
{
	struct world *w = *state;
	static const char *const cuts[] = { "fail apply was-1-r2 1", "fail apply was-3-r2 1",
		"fail add was-1-r2 1", "fail add was-3-r2 1", "fail drain was-3-r1 1",
		"fail drain was-1-r1 1", "fail remove was-3-r1 1", "fail remove was-1-r1 1",
		"fail run migrate 1" };

	for (size_t i = 0; i < CL_COUNT(cuts); i++) {
		struct cl_err err = { 0 };

		assert_int_equal(pass(w, 1, 1, 3, 1), ROLLOUT_OK);
		backend_sim_forget(w->sim);
		assert_int_equal(backend_sim_script(w->sim, cuts[i], &err), 0);
		assert_int_equal(pass(w, 2, 1, 3, 1), ROLLOUT_FAILED);
		rollout_clear_memory(&w->memory); /* as a new engine */
		assert_int_equal(pass(w, 2, 1, 3, 1), ROLLOUT_OK);
		assert_int_equal(backend_sim_count(w->sim, "was"), 3);
		assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 3);
		assert_int_equal(backend_sim_outages(w->sim), 0);
	}
}

/* --- another password of the database ---------------------------------------------------------- */

static void another(struct world *w, const char *wanted, const char *old)
{
	w->user[0] = wanted;
	w->user[1] = old;
	w->password = "n3xt";
}

static void test_login(void **state)
{
	struct world *w = *state;
	char *trace;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	backend_sim_forget(w->sim);
	another(w, "app2", NULL);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_outages(w->sim), 0);
	trace = backend_sim_trace(w->sim);
	assert_true(before(trace, "run op5-login-let", "apply p7-prod-was-1-r2"));
	assert_true(before(trace, "remove p7-prod-was-1-r1", "run op5-login-keep"));
	assert_null(strstr(trace, "-db-")); /* it is not begun anew */
	mem_free(trace);
	/* as long as it is not written down that it serves, all of it may be asked again */
	backend_sim_forget(w->sim);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_OK);
	trace = backend_sim_trace(w->sim);
	assert_true(before(trace, "run op5-login-let", "run op5-login-keep"));
	assert_null(strstr(trace, "apply"));
	mem_free(trace);
	/* and then no more; nor by a later release that enters in the same way */
	backend_sim_forget(w->sim);
	another(w, "app2", "app2");
	assert_int_equal(pass(w, 2, 2, 2, 1), ROLLOUT_OK);
	assert_int_equal(pass(w, 3, 2, 2, 1), ROLLOUT_OK);
	trace = backend_sim_trace(w->sim);
	assert_null(strstr(trace, "login"));
	mem_free(trace);
}

/* A database that takes no other password: nothing is replaced, the old release goes on. */
static void test_login_refused(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	char *trace;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_script(w->sim, "job 3", &err), 0);
	backend_sim_forget(w->sim);
	another(w, "app2", NULL);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_FAILED);
	assert_true(w->r.release_failed);
	assert_string_equal(w->r.err.message, "database password: ended with status 3: job output");
	trace = backend_sim_trace(w->sim);
	assert_null(strstr(trace, "apply"));
	mem_free(trace);
	assert_int_equal(backend_sim_routed(w->sim, 3, "was"), 2);
}

/* A new instance that does not get ready: the old password was never ended. */
static void test_login_of_a_bad_release(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	char *trace;

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_script(w->sim, "unready -r2", &err), 0);
	another(w, "app2", NULL);
	backend_sim_forget(w->sim);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_FAILED);
	assert_true(w->r.release_failed);
	trace = backend_sim_trace(w->sim);
	assert_non_null(strstr(trace, "run op5-login-let"));
	assert_null(strstr(trace, "login-keep"));
	mem_free(trace);
}

/* Ending the old one fails: no fault of the release, which stays, and it is tried again. */
static void test_login_kept_later(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };

	assert_int_equal(pass(w, 1, 0, 2, 1), ROLLOUT_OK);
	assert_int_equal(backend_sim_script(w->sim, "fail run login-keep 1", &err), 0);
	another(w, "app2", NULL);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_UNAVAILABLE);
	assert_false(w->r.release_failed);
	assert_non_null(strstr(w->r.err.message, "the old password still holds"));
	assert_int_equal(backend_sim_count(w->sim, "-r2"), 2);
	assert_int_equal(pass(w, 2, 1, 2, 1), ROLLOUT_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_first_release), T(test_rolling), T(test_scale), T(test_unready),
		T(test_crash), T(test_migration_fails), T(test_apply_fails),
		T(test_killed_is_replaced), T(test_crash_loop), T(test_interrupt), T(test_down),
		T(test_gone), T(test_every_cut), T(test_login), T(test_login_refused),
		T(test_login_of_a_bad_release), T(test_login_kept_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
