/* Who is stopped for the room that his files take, who is not, and what he is told. */
#include "engine/disk.h"
#include "tests/unit/engine/world.h"

#define MB (INT64_C(1) << 20)

static struct {
	int64_t used[8], left; /* by project */
	int looks, fails;
} told;

static int fake_used(struct backend *b, int64_t project, const char *container, int64_t *used,
    int64_t *left, struct cl_err *err)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "p%lld-dev", (long long)project);
	assert_string_equal(container, name);
	told.looks++;
	if (told.fails > 0 && told.fails--)
		return err_set(err, CL_UNAVAILABLE, "runtime broker: not there");
	*used = told.used[project];
	*left = told.left;
	return 0;
}

/* --- the judgement ---------------------------------------------------------------------------- */

static void growth_beyond_the_limit_is_over(void **state)
{
	struct disk_look l = { .limit = 100 * MB, .reserve = 10 * MB, .before = 90 * MB,
		.used = 101 * MB, .left = 1000 * MB };

	assert_int_equal(disk_judge(&l), DISK_OVER);
	l.used = 100 * MB; /* the whole of it may be used */
	assert_int_equal(disk_judge(&l), DISK_FINE);
	l.limit = 0;
	l.used = 100000 * MB;
	assert_int_equal(disk_judge(&l), DISK_FINE);
}

static void who_cleans_up_beyond_the_limit_goes_on(void **state)
{
	struct disk_look l = { .limit = 100 * MB, .before = 500 * MB, .used = 400 * MB };

	assert_int_equal(disk_judge(&l), DISK_FINE);
	l.used = l.before + MB / 2; /* a shell's history */
	assert_int_equal(disk_judge(&l), DISK_FINE);
	l.before = -1; /* nobody knows whether it grows */
	assert_int_equal(disk_judge(&l), DISK_FINE);
}

static void a_nearly_full_disk_stops_who_fills_it(void **state)
{
	struct disk_look l = { .limit = 10000 * MB, .reserve = 1000 * MB, .before = 100 * MB,
		.used = 200 * MB, .left = 900 * MB };

	assert_int_equal(disk_judge(&l), DISK_FILLS);
	l.used = 110 * MB; /* he writes, but it is not he who fills it */
	assert_int_equal(disk_judge(&l), DISK_FINE);
	l.used = 200 * MB;
	l.left = 1000 * MB;
	assert_int_equal(disk_judge(&l), DISK_FINE);
	l.left = 0;
	l.reserve = 0;
	assert_int_equal(disk_judge(&l), DISK_FINE);
}

static void measuring_takes_a_twentieth_of_the_time(void **state)
{
	assert_int_equal(disk_pause_ms(100, false), 1900);
	assert_int_equal(disk_pause_ms(0, false), 0);
	assert_int_equal(disk_pause_ms(100, true), 0);
	assert_int_equal(disk_pause_ms(INT64_MAX, false), 30000); /* and a slow disk is still looked at */
}

static void while_nobody_writes_little_is_measured(void **state)
{
	assert_int_equal(disk_pace(5000 * MB, 5000 * MB, 1000 * MB), DISK_RESTS);
	assert_int_equal(disk_pace(4997 * MB, 5000 * MB, 1000 * MB), DISK_RESTS);
	assert_int_equal(disk_pace(9000 * MB, 5000 * MB, 1000 * MB), DISK_RESTS); /* somebody cleaned up */
	assert_int_equal(disk_pace(4990 * MB, 5000 * MB, 1000 * MB), DISK_MEASURES);
	assert_int_equal(disk_pace(4400 * MB, 5000 * MB, 1000 * MB), DISK_HURRIES);
	assert_int_equal(disk_pace(999 * MB, 999 * MB, 1000 * MB), DISK_HURRIES);
	assert_int_equal(disk_pace(0, 0, 0), DISK_RESTS);
	assert_int_equal(disk_pace(INT64_MAX, INT64_MAX, 1000 * MB), DISK_RESTS); /* it cannot be asked */
}

/* --- the whole -------------------------------------------------------------------------------- */

static struct store_project project_of(struct world *w)
{
	struct store_project p;

	assert_int_equal(store_project_get(w->e.store, w->project, &p, NULL), 0);
	return p;
}

static void until_dev(struct world *w, const char *want)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	for (;;) {
		struct store_project p = project_of(w);

		if (strcmp(p.dev_state, want) == 0)
			return;
		if (clock_ms() > until)
			fail_msg("the dev container is %s, not %s", p.dev_state, want);
		world_turn(w);
	}
}

static void looks(struct world *w, int n)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	for (int end = told.looks + n; told.looks < end;) {
		if (clock_ms() > until)
			fail_msg("nobody measures");
		world_turn(w);
	}
	/* what was seen is judged on the loop */
	for (int i = 0; i < 20; i++)
		world_turn(w);
}

static void a_filler_is_stopped_told_and_may_clean_up(void **state)
{
	struct world *w = *state;
	struct store_project p;

	told.left = INT64_C(1) << 40;
	told.used[w->project] = 50 * MB;
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	looks(w, 2);
	assert_int_equal(disk_used(&w->e, w->project), 50 * MB);
	assert_string_equal(project_of(w).dev_state, "running");
	told.used[w->project] = 20000 * MB;
	until_dev(w, "stopped");
	p = project_of(w);
	assert_false(p.dev_want);
	assert_non_null(strstr(p.dev_reason, "20000 MB of the 10240 MB"));
	assert_non_null(strstr(p.dev_reason, "Start it again"));
	/* what it still wrote until its end is not the next one's fault; that runs while it does not grow */
	told.used[w->project] += 300 * MB;
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	looks(w, 3);
	p = project_of(w);
	assert_string_equal(p.dev_state, "running");
	assert_string_equal(p.dev_reason, "");
	told.used[w->project] = 15000 * MB;
	looks(w, 2);
	assert_string_equal(project_of(w).dev_state, "running");
	told.used[w->project] = 15100 * MB;
	until_dev(w, "stopped");
}

static void the_disk_that_fills_stops_its_filler(void **state)
{
	struct world *w = *state;

	told.left = 500 * MB;
	told.used[w->project] = 50 * MB;
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	looks(w, 2);
	assert_string_equal(project_of(w).dev_state, "running");
	told.used[w->project] = 250 * MB;
	until_dev(w, "stopped");
	assert_non_null(strstr(project_of(w).dev_reason, "it wrote 200 MB while the lab has only 500 MB"));
}

static void what_cannot_be_measured_is_not_judged(void **state)
{
	struct world *w = *state;

	told.left = INT64_C(1) << 40;
	told.used[w->project] = 50 * MB;
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	looks(w, 1);
	told.fails = 1;
	told.used[w->project] = 20000 * MB; /* grown while nobody could look: the next look is the first */
	looks(w, 2);
	assert_string_equal(project_of(w).dev_state, "running");
	told.used[w->project] = 20010 * MB;
	until_dev(w, "stopped");
}

static void a_stopped_container_is_left_alone(void **state)
{
	struct world *w = *state;
	int before;

	told.left = INT64_C(1) << 40;
	world_done(w, ROUTE_DEV, "{\"action\":\"up\"}");
	looks(w, 1);
	world_done(w, ROUTE_DEV, "{\"action\":\"stop\"}");
	until_dev(w, "stopped");
	before = told.looks;
	for (int64_t until = clock_ms() + 1500; clock_ms() < until;)
		world_turn(w);
	assert_true(told.looks <= before + 1); /* one may have been on its way */
	assert_string_equal(project_of(w).dev_reason, "");
}

static int setup(void **state)
{
	static struct backend_ops ops; /* the sim, and one that can measure */
	struct world *w;

	memset(&told, 0, sizeof(told));
	if (world_setup(state) != 0)
		return -1;
	w = *state;
	world_cut(w);
	ops = *w->backend.ops;
	ops.disk_used = fake_used;
	w->backend.ops = &ops;
	world_begin(w);
	return 0;
}

#define W(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_beyond_the_limit_is_over),
		cmocka_unit_test(who_cleans_up_beyond_the_limit_goes_on),
		cmocka_unit_test(a_nearly_full_disk_stops_who_fills_it),
		cmocka_unit_test(measuring_takes_a_twentieth_of_the_time),
		cmocka_unit_test(while_nobody_writes_little_is_measured),
		W(a_filler_is_stopped_told_and_may_clean_up),
		W(the_disk_that_fills_stops_its_filler),
		W(what_cannot_be_measured_is_not_judged),
		W(a_stopped_container_is_left_alone),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
