/*
 * The engine is cut off, as by kill -9, at 200 seeded points of builds, roll-outs, scalings, restarts and removals, and
 * begun anew on the same store and the same cluster: whatever was accepted ends, nothing is left over or
 * there twice, and what served goes on serving.
 */
#include "engine/manifest.h"
#include "tests/unit/engine/world.h"

#define POINTS 200

/* Numbers that a seed decides (Numerical Recipes' linear congruence). */
static uint32_t dice(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 16) % sides;
}

static void turns(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		world_turn(w);
}

/* Runs until the operation is over: done, or with the reason. */
static void ends(struct world *w, int64_t op)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;
	struct store_op row;

	for (;;) {
		assert_int_equal(store_op_get(w->e.store, op, &row, NULL), 0);
		if (strcmp(row.state, "queued") != 0 && strcmp(row.state, "running") != 0)
			break;
		if (clock_ms() > until)
			fail_msg("%s is still %s: %s", row.kind, row.state, row.step);
		store_op_clear(&row);
		world_turn(w);
	}
	if (strcmp(row.state, "done") != 0 && row.message[0] == '\0')
		fail_msg("%s is %s without a reason", row.kind, row.state);
	store_op_clear(&row);
}

/* One instance of each number of the serving release, nothing else. */
static void at_rest(struct world *w, int was)
{
	struct store_env row;
	char name[80];

	world_done(w, ROUTE_SCALE, "{\"web\":1}");
	row = world_env(w, "prod");
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

/* A second project, made, begun to be shipped and removed around the cut: nothing of it stays. */
static void comes_and_goes(struct world *w, uint32_t *seed)
{
	int64_t first = w->project, op;
	char part[24];

	assert_true(world_call(w, ROUTE_PROJECT_CREATE, "", "{\"name\":\"brief\",\"stack\":\"python\"}") <
	    300);
	w->project = w->project_asked = json_integer_value(json_object_get(w->reply.body, "id"));
	(void)snprintf(part, sizeof(part), "p%lld-", (long long)w->project);
	op = world_op(w, ROUTE_SHIP, "{}");
	turns(w, dice(seed, 40));
	world_cut(w);
	world_begin(w);
	ends(w, op);
	op = world_op(w, ROUTE_PROJECT_RM, NULL);
	turns(w, dice(seed, 20));
	world_cut(w);
	world_begin(w);
	world_until(w, op, "done");
	assert_int_equal(backend_sim_count(w->sim, part), 0);
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM project WHERE name = 'brief'", ""), 0);
	w->project = w->project_asked = first;
}

static void test_cut_anywhere(void **state)
{
	struct world *w = *state;
	char want[32];

	world_done(w, ROUTE_SHIP, "{}");
	for (uint32_t point = 0; point < POINTS; point++) {
		uint32_t seed = point;
		int was = 1 + (int)dice(&seed, 4);
		int64_t a, b;

		if (point % 8 == 7)
			comes_and_goes(w, &seed);
		world_script(w, dice(&seed, 2) ? "slow 2" : "");
		a = point % 3 == 2 ? world_op(w, ROUTE_DEV, "{\"action\":\"restart\"}") :
		    world_op(w, ROUTE_SHIP, "{}");
		turns(w, dice(&seed, 60));
		(void)snprintf(want, sizeof(want), "{\"was\":%d}", was);
		b = world_op(w, ROUTE_SCALE, want);
		turns(w, dice(&seed, 20));
		world_cut(w);
		world_begin(w);
		ends(w, a);
		world_until(w, b, "done");
		at_rest(w, was);
	}
	assert_int_equal(backend_sim_outages(w->sim), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {WORLD_TEST(test_cut_anywhere)};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
