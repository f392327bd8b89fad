/* The sim backend itself, and the store of environments, releases and operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "engine/backend_sim.h"
#include "engine/store_env.h"
#include "engine/store_op.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

static struct backend_spec spec(const char *name)
{
	struct backend_spec s = { .project = 1, .env = "prod", .tier = "was", .n = 1 };

	(void)mem_copy_str(s.name, sizeof(s.name), name);
	return s;
}

static enum backend_state look(struct backend *b, const char *name)
{
	enum backend_state state = BACKEND_UNKNOWN;
	struct backend_list l;

	assert_int_equal(b->ops->observe(b, 1, true, &l, NULL), 0);
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.items[i].name, name) == 0)
			state = l.items[i].state;
	backend_list_clear(&l);
	return state;
}

static void test_life(void **state)
{
	struct backend b;
	struct sim *sim = backend_sim_new(&b, "slow 3");
	struct backend_spec s = spec("p1-prod-was-1-r1");
	struct backend_route r = { .project = 1, .slot = 2, .host = "h" };
	struct buf names;

	(void)state;
	buf_init(&names, 1000);
	assert_int_equal(b.ops->apply(&b, &s, NULL), 0);
	assert_int_equal(look(&b, s.name), BACKEND_STARTING);
	assert_int_equal(look(&b, s.name), BACKEND_STARTING);
	assert_int_equal(look(&b, s.name), BACKEND_RUNNING);
	assert_int_equal(b.ops->apply(&b, &s, NULL), 0); /* idempotent */
	assert_int_equal(backend_sim_count(sim, "was"), 1);
	assert_int_equal(b.ops->route_add(&b, &r, "was", s.name, "10.0.0.1", 80, NULL), 0);
	assert_int_equal(b.ops->route_add(&b, &r, "was", s.name, "10.0.0.1", 80, NULL), 0);
	assert_int_equal(b.ops->route_list(&b, &r, "was", &names, NULL), 0);
	assert_string_equal(names.data, "p1-prod-was-1-r1\n");
	assert_int_equal(backend_sim_outages(sim), 0);
	assert_int_equal(backend_sim_kill(sim, "was", 9), 0);
	assert_int_equal(look(&b, s.name), BACKEND_EXITED);
	assert_int_equal(backend_sim_outages(sim), 1);
	assert_int_equal(b.ops->remove(&b, s.name, 0, NULL), 0);
	assert_int_equal(b.ops->remove(&b, s.name, 0, NULL), 0);
	assert_int_equal(look(&b, s.name), BACKEND_UNKNOWN);
	buf_clear(&names);
	backend_sim_free(sim);
}

/* A project's instances and a slot's routes, among many others'. */
static void test_many_projects(void **state)
{
	struct backend b;
	struct sim *sim = backend_sim_new(&b, "");
	struct backend_route r = { .slot = 7 };
	struct backend_list l;
	struct buf names;

	buf_init(&names, 1000);
	for (int p = 1; p <= 200; p++)
		for (int n = 1; n <= 3; n++) {
			struct backend_spec s = { .project = p, .env = "prod", .tier = "was", .n = n };
			struct backend_route to = { .project = p, .slot = p };

			(void)snprintf(s.name, sizeof(s.name), "p%d-prod-was-%d-r1", p, n);
			assert_int_equal(b.ops->apply(&b, &s, NULL), 0);
			assert_int_equal(b.ops->route_add(&b, &to, "was", s.name, "10.0.0.1", 80, NULL), 0);
		}
	assert_int_equal(b.ops->observe(&b, 7, false, &l, NULL), 0);
	assert_int_equal(l.n, 3);
	for (size_t i = 0; i < l.n; i++) {
		assert_int_equal(l.items[i].project, 7);
		assert_int_equal(l.items[i].n, i + 1);
	}
	backend_list_clear(&l);
	assert_int_equal(b.ops->observe(&b, 201, false, &l, NULL), 0);
	assert_int_equal(l.n, 0);
	backend_list_clear(&l);
	assert_int_equal(b.ops->remove(&b, "p7-prod-was-1-r1", 0, NULL), 0);
	assert_int_equal(b.ops->observe(&b, 7, false, &l, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.items[0].name, "p7-prod-was-2-r1");
	backend_list_clear(&l);
	assert_int_equal(b.ops->observe(&b, 0, false, &l, NULL), 0);
	assert_int_equal(l.n, 599);
	backend_list_clear(&l);
	assert_int_equal(b.ops->route_drain(&b, &r, "was", "p7-prod-was-2-r1", 0, NULL), 0);
	assert_int_equal(b.ops->route_list(&b, &r, "was", &names, NULL), 0);
	assert_string_equal(names.data, "p7-prod-was-1-r1\np7-prod-was-3-r1\n");
	assert_int_equal(b.ops->route_unset(&b, &r, NULL), 0);
	buf_drop(&names, names.len);
	assert_int_equal(b.ops->route_list(&b, &r, "was", &names, NULL), 0);
	assert_int_equal(names.len, 0);
	assert_int_equal(backend_sim_routed(sim, 8, "was"), 3);
	buf_clear(&names);
	backend_sim_free(sim);
}

static void test_faults(void **state)
{
	struct backend b;
	struct sim *sim = backend_sim_new(&b, "fail apply was 2; down");
	struct backend_spec s = spec("p1-prod-was-1-r1");
	struct cl_err err = { 0 };
	char ticket[80];

	(void)state;
	assert_int_equal(b.ops->ping(&b, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	err_clear(&err);
	assert_int_equal(backend_sim_script(sim, "fail apply was 2", &err), 0);
	assert_int_equal(b.ops->apply(&b, &s, &err), -1);
	assert_int_equal(b.ops->apply(&b, &s, NULL), -1);
	assert_int_equal(b.ops->apply(&b, &s, NULL), 0);
	err_clear(&err);
	assert_int_equal(b.ops->exec(&b, &(struct backend_exec){ 0 }, ticket, sizeof(ticket), &err), -1);
	assert_int_equal(err.code, CL_NOT_IMPLEMENTED);
	err_clear(&err);
	assert_int_equal(backend_sim_script(sim, "dance was", &err), -1);
	assert_int_equal(err.code, CL_USAGE);
	assert_non_null(strstr(err.message, "dance"));
	backend_sim_free(sim);
}

static void test_table(void **state)
{
	(void)state;
	assert_non_null(backend_find("sim"));
	assert_non_null(backend_find("local"));
	assert_null(backend_find("cloud"));
}

static struct store *store_new(int64_t *project)
{
	struct cl_err err = { 0 };
	struct store *s = store_open(":memory:", &err);
	int64_t user;

	assert_non_null(s);
	assert_int_equal(store_user_add(s, "alice", "developer", NULL, &user, &err), 0);
	assert_int_equal(store_project_add(s, user, "shop", "python", "", project, &err), 0);
	return s;
}

static void test_slots(void **state)
{
	int64_t project;
	struct store *s = store_new(&project);
	struct store_env a, b, c;
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(store_env_ensure(s, project, "dev", "shop-dev.alice", 2, "pw", &a, &err), 0);
	assert_int_equal(a.slot, 0);
	assert_int_equal(store_env_ensure(s, project, "prod", "shop.alice", 2, "pw2", &b, &err), 0);
	assert_int_equal(b.slot, 1);
	/* asked again: what is there */
	assert_int_equal(store_env_ensure(s, project, "prod", "other", 2, "pw3", &c, &err), 0);
	assert_int_equal(c.id, b.id);
	assert_string_equal(c.host, "shop.alice");
	assert_string_equal(c.db_password, "pw2");
	assert_int_equal(store_project_add(s, 1, "second", "python", "", &project, &err), 0);
	assert_int_equal(store_env_ensure(s, project, "prod", "x", 2, "p", &c, &err), -1);
	assert_int_equal(err.code, CL_QUOTA);
	err_clear(&err);
	assert_int_equal(store_env_ensure(s, project, "prod", "shop-dev.alice", 9, "p", &c, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	/* a slot that became free is taken again */
	assert_int_equal(store_project_remove(s, a.project, NULL), 0);
	assert_int_equal(store_env_ensure(s, project, "prod", "y", 2, "p", &c, NULL), 0);
	assert_int_equal(c.slot, 0);
	store_close(s);
}

static void test_releases(void **state)
{
	int64_t project;
	struct store *s = store_new(&project);
	struct store_release row;
	struct release r;
	int version;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(store_env_release_add(s, project, "prod", "alice", i, &version, NULL),
		    0);
		assert_int_equal(version, i);
		assert_int_equal(store_env_release_set(s, project, "prod", version, "rolling", NULL,
		    "sha256:1", "{\"port\":80,\"health\":\"/h\"}", NULL), 0);
		if (i != 2)
			assert_int_equal(store_env_release_serve(s, project, "prod", version, NULL), 0);
	}
	assert_int_equal(store_env_release_set(s, project, "prod", 2, "failed", "why", NULL, NULL,
	    NULL), 0);
	assert_int_equal(store_env_release_before(s, project, "prod", 3), 1);
	assert_int_equal(store_env_release_before(s, project, "prod", 1), 0);
	release_init(&r);
	assert_int_equal(store_env_release_get(s, project, "prod", 1, &row, &r, NULL), 0);
	assert_string_equal(row.result, "superseded");
	assert_string_equal(r.health, "/h");
	assert_int_equal(r.port, 80);
	release_clear(&r);
	assert_int_equal(store_env_release_get(s, project, "dev", 1, &row, NULL, NULL), -1);
	assert_int_equal(store_env_release_add(s, project, "dev", "alice", 9, &version, NULL), 0);
	assert_int_equal(version, 1);
	store_close(s);
}

static void test_ops(void **state)
{
	int64_t project, seq, busy;
	struct store *s = store_new(&project);
	struct store_op o = { .kind = "ship", .project = project, .env = "prod", .by = "alice" }, got;
	struct cl_err why = { 0 };
	char tail[64];

	(void)state;
	assert_int_equal(store_op_add(s, &o, "", NULL), 0);
	busy = store_op_busy(s, project, "prod");
	assert_int_equal(busy, o.id);
	assert_int_equal(store_op_busy(s, project, "dev"), 0);
	assert_int_equal(store_op_start(s, o.id, NULL), 0);
	for (int i = 1; i <= 3; i++) {
		char line[16];

		(void)snprintf(line, sizeof(line), "line %d", i);
		assert_int_equal(store_op_log(s, o.id, line, &seq, NULL), 0);
		assert_int_equal(seq, i);
	}
	store_op_log_tail(s, o.id, 2, tail, sizeof(tail));
	assert_string_equal(tail, "line 2\nline 3");
	store_op_log_tail(s, o.id, 3, tail, 10);
	assert_true(strlen(tail) < 10);
	(void)err_set(&why, CL_TIMEOUT, "it took too long");
	assert_int_equal(store_op_finish(s, o.id, "failed", &why, NULL, NULL), 0);
	assert_int_equal(store_op_busy(s, project, "prod"), 0);
	assert_int_equal(store_op_get(s, o.id, &got, NULL), 0);
	assert_int_equal(got.error, CL_TIMEOUT);
	assert_string_equal(got.message, "it took too long");
	assert_string_equal(got.state, "failed");
	assert_int_equal(got.attempts, 1);
	store_op_clear(&got);
	/* scaling excludes nobody */
	(void)mem_copy_str(o.kind, sizeof(o.kind), "scale");
	assert_int_equal(store_op_add(s, &o, "", NULL), 0);
	assert_int_equal(store_op_busy(s, project, "prod"), 0);
	assert_int_equal(store_op_get(s, 999, &got, &why), -1);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_many_projects),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_releases),
		cmocka_unit_test(test_ops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
