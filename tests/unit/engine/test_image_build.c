/* Building images: parents first, only what is not there or not current, and what one failure leaves. */
#include "engine/image.h"
#include "tests/unit/engine/world.h"

/* How often the backend was asked to build this image. */
static int built(struct world *w, const char *id)
{
	cl_autofree char *trace = backend_sim_trace(w->sim);
	char line[80];
	int n = 0;

	(void)snprintf(line, sizeof(line), "image %s\n", id);
	for (const char *p = trace; (p = strstr(p, line)) != NULL; p++)
		n += p == trace || p[-1] == '\n';
	return n;
}

static bool before(struct world *w, const char *first, const char *then)
{
	cl_autofree char *trace = backend_sim_trace(w->sim);
	cl_autofree char *a = mem_printf("image %s\n", first);
	cl_autofree char *b = mem_printf("image %s\n", then);
	const char *at = strstr(trace, a), *later = strstr(trace, b);

	return at != NULL && later != NULL && at < later;
}

static int64_t build(struct world *w, const char *body)
{
	w->project_asked = 0;
	backend_sim_forget(w->sim);
	return world_op(w, ROUTE_IMAGE_BUILD, body);
}

static char *log_of(struct world *w, int64_t op)
{
	struct buf all;
	json_t *line;
	size_t i;

	w->op_asked = op;
	assert_int_equal(world_call(w, ROUTE_OP_LOG, "", NULL), 200);
	buf_init(&all, 1 << 20);
	json_array_foreach(json_object_get(w->reply.body, "lines"), i, line)
		(void)buf_printf(&all, "%s\n", json_string_value(json_object_get(line, "text")));
	return buf_take(&all, NULL);
}

static void what_is_there_is_left_alone(void **state)
{
	struct world *w = *state;

	world_until(w, build(w, "{}"), "done"); /* the world has built everything already */
	assert_int_equal(built(w, "base"), 0);
	assert_int_equal(built(w, "django"), 0);
	world_until(w, build(w, "{\"ids\":[\"django\"],\"force\":true}"), "done");
	assert_int_equal(built(w, "django"), 1);
	assert_int_equal(built(w, "django-run"), 1);
	assert_int_equal(built(w, "python"), 0);
	assert_int_equal(built(w, "base"), 0);
}

static void what_is_outdated_is_built_with_all_that_starts_from_it(void **state)
{
	struct world *w = *state;

	world_script(w, "fail outdated tools");
	world_until(w, build(w, "{}"), "done");
	assert_int_equal(built(w, "base"), 0);
	assert_int_equal(built(w, "postgresql"), 0);
	assert_int_equal(built(w, "tools"), 1);
	assert_int_equal(built(w, "python"), 1);
	assert_int_equal(built(w, "django"), 1);
	assert_true(before(w, "tools", "python"));
	assert_true(before(w, "python", "django"));
	assert_int_equal(built(w, "python-run"), 0); /* from base, which is as it was */
}

static void parents_come_first_each_once(void **state)
{
	struct world *w = *state;
	cl_autofree char *log = NULL;
	int64_t op;

	op = build(w, "{\"force\":true}");
	world_until(w, op, "done");
	assert_int_equal(built(w, "base"), 1);
	assert_true(before(w, "base", "tools"));
	assert_true(before(w, "base", "web"));
	assert_true(before(w, "python-run", "django-run"));
	assert_int_equal(built(w, "web"), 1);
	log = log_of(w, op);
	assert_non_null(strstr(log, "== base: building\n"));
	assert_non_null(strstr(log, "\n== django: built in "));
	assert_non_null(strstr(log, "\nweb: Containerfile\n")); /* a line of a build carries its name */
}

static void a_failure_stops_only_what_starts_from_it(void **state)
{
	struct world *w = *state;
	struct store_op row;
	int64_t op;

	world_script(w, "fail image python-run");
	op = build(w, "{\"force\":true}");
	world_until(w, op, "failed");
	assert_int_equal(store_op_get(w->e.store, op, &row, NULL), 0);
	assert_non_null(strstr(row.message, "python-run"));
	store_op_clear(&row);
	assert_int_equal(built(w, "django-run"), 0);
	assert_int_equal(built(w, "django"), 1);
	assert_int_equal(built(w, "postgresql"), 1);
	assert_int_equal(image_get(&w->e, "python-run"), IMAGE_FAILED);
	assert_int_equal(image_get(&w->e, "django"), IMAGE_READY);
	/* and it goes on where it stopped */
	world_script(w, "fail outdated -run");
	world_until(w, build(w, "{}"), "done");
	assert_int_equal(built(w, "python-run"), 1);
	assert_int_equal(built(w, "django-run"), 1);
	assert_int_equal(built(w, "django"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(what_is_there_is_left_alone),
		WORLD_TEST(what_is_outdated_is_built_with_all_that_starts_from_it),
		WORLD_TEST(parents_come_first_each_once),
		WORLD_TEST(a_failure_stops_only_what_starts_from_it),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
