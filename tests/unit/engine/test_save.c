/* Saves: their rows, and the operations on the sim backend, with faults. */
#include "tests/unit/engine/world.h"

#include "engine/backend_sim.h"
#include "engine/store_backup.h"
#include "engine/store_save.h"

static struct store_save row_of(struct world *w, const char *name)
{
	struct store_save row;

	assert_int_equal(store_save_find(w->e.store, w->project, name, &row, NULL), 0);
	return row;
}

static int saves(struct world *w)
{
	return (int)store_number(w->e.store, -1, "SELECT count(*) FROM save", "");
}

static void a_save_becomes_ready_and_the_nearest(void **state)
{
	struct world *w = *state;
	struct store_save first, second, near;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\",\"message\":\"m\"}");
	world_done(w, ROUTE_SAVE_NEW, "{}");
	first = row_of(w, "a");
	assert_string_equal(first.state, "ready");
	assert_string_equal(first.message, "m");
	assert_string_equal(first.by, "alice");
	assert_int_equal(first.files, 3);
	assert_int_equal(first.depth, 0);
	second = row_of(w, "save-2");
	assert_int_equal(second.depth, 1);
	assert_int_equal(store_save_nearest(w->e.store, w->project, &near, NULL), 0);
	assert_int_equal(near.id, second.id);
	assert_true(store_save_image_used(w->e.store, first.work));
	assert_false(store_save_image_used(w->e.store, "sha256:x"));
}

static void names_and_numbers_have_limits(void **state)
{
	static const char *const bad[] = { ".a", "a/b", "a b", "-m", "\xc3\xa4" };
	struct world *w = *state;
	char body[64];

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		(void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", bad[i]);
		world_refused(w, ROUTE_SAVE_NEW, "", body, CL_USAGE, "no name");
	}
	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	world_refused(w, ROUTE_SAVE_NEW, "", "{\"name\":\"a\"}", CL_CONFLICT, "there is one");
	for (int i = 1; i < 20; i++)
		world_done(w, ROUTE_SAVE_NEW, "{}");
	world_refused(w, ROUTE_SAVE_NEW, "", "{}", CL_QUOTA, "20 saves");
}

static void what_fails_leaves_no_row(void **state)
{
	struct world *w = *state;

	backend_sim_script(w->sim, "fail save p 1", NULL);
	world_until(w, world_op(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}"), "failed");
	assert_int_equal(saves(w), 0);
	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
}

static void load_keeps_what_it_replaces(void **state)
{
	struct world *w = *state;
	struct store_save a;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	a = row_of(w, "a");
	world_refused(w, ROUTE_LOAD, "", "{\"save\":\"b\"}", CL_NOT_FOUND, "save b");
	for (int i = 0; i < 5; i++)
		world_done(w, ROUTE_LOAD, "{\"save\":\"a\"}");
	assert_int_equal(store_save_loaded(w->e.store, w->project), a.id);
	assert_int_equal(store_save_loads(w->e.store, w->project), 5);
	assert_int_equal(store_save_count(w->e.store, w->project, false), 1);
	/* three, and the one that the next load takes away */
	assert_in_range(store_save_count(w->e.store, w->project, true), 3, 4);
	world_done(w, ROUTE_DEV, "{\"action\":\"fresh\"}");
	assert_int_equal(store_save_loaded(w->e.store, w->project), 0);
}

static void a_failed_load_changes_nothing(void **state)
{
	static const char *const faults[] = { "fail load sha256 1", "fail swap p 1" };
	struct world *w = *state;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	for (size_t i = 0; i < CL_COUNT(faults); i++) {
		backend_sim_script(w->sim, faults[i], NULL);
		world_until(w, world_op(w, ROUTE_LOAD, "{\"save\":\"a\"}"), "failed");
		assert_int_equal(store_save_loaded(w->e.store, w->project), 0);
		assert_int_equal(store_number(w->e.store, -1,
		    "SELECT count(*) FROM save WHERE state <> 'ready'", ""), 0);
	}
	world_done(w, ROUTE_LOAD, "{\"save\":\"a\"}");
}

static void another_projects_save_becomes_its_own(void **state)
{
	struct world *w = *state;
	int64_t other, stranger, theirs;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	assert_int_equal(store_project_add(w->e.store, w->user, "copy", "django", "", &other, NULL), 0);
	assert_int_equal(store_project_set_state(w->e.store, other, "ready", NULL), 0);
	w->project_asked = other;
	world_done(w, ROUTE_LOAD, "{\"save\":\"a\",\"from\":\"shop\"}");
	assert_int_equal(store_number(w->e.store, 0, "SELECT count(*) FROM save WHERE project = ? AND name = 'a'"
	    " AND state = 'ready'", "i", other), 1);
	world_done(w, ROUTE_LOAD, "{\"save\":\"a\",\"from\":\"shop\"}"); /* under another name now */
	assert_int_equal(store_project_add(w->e.store, w->user, "java", "python", "", &other, NULL), 0);
	assert_int_equal(store_project_set_state(w->e.store, other, "ready", NULL), 0);
	w->project_asked = other;
	world_refused(w, ROUTE_LOAD, "", "{\"save\":\"a\",\"from\":\"shop\"}", CL_PRECONDITION, "stack");
	assert_int_equal(store_user_add(w->e.store, "bob", "developer", NULL, &stranger, NULL), 0);
	assert_int_equal(store_project_add(w->e.store, stranger, "secret", "django", "", &theirs, NULL), 0);
	assert_int_equal(store_project_set_state(w->e.store, theirs, "ready", NULL), 0);
	world_refused(w, ROUTE_LOAD, "", "{\"save\":\"a\",\"from\":\"bob.secret\"}", CL_NOT_FOUND, "no such project");
	assert_int_equal(store_project_member_put(w->e.store, theirs, w->user, POLICY_VIEWER, NULL), 0);
	world_refused(w, ROUTE_LOAD, "", "{\"save\":\"a\",\"from\":\"bob.secret\"}", CL_FORBIDDEN, "not yours");
}

static void a_removed_save_is_forgotten(void **state)
{
	struct world *w = *state;
	struct store_save a, near;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"b\"}");
	a = row_of(w, "b");
	assert_int_equal(store_save_remove(w->e.store, a.id, NULL), 0);
	assert_int_equal(store_save_nearest(w->e.store, w->project, &near, NULL), 0);
	assert_string_equal(near.name, "a");
	assert_false(store_save_shares(w->e.store, &near, "sha256:x"));
}

static void a_copy_of_the_store_has_everything(void **state)
{
	struct world *w = *state;
	struct cl_err err = { 0 };
	char copy[120];
	struct store *s;

	world_done(w, ROUTE_SAVE_NEW, "{\"name\":\"a\"}");
	(void)snprintf(copy, sizeof(copy), "%s.copy", w->path);
	assert_int_equal(store_backup_copy(w->path, copy, &err), 0);
	s = store_open(copy, &err);
	assert_non_null(s);
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM save", ""), 1);
	store_close(s);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(store_backup_copy("/nowhere/x.db", copy, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_int_equal(access(copy, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_save_becomes_ready_and_the_nearest), WORLD_TEST(names_and_numbers_have_limits),
		WORLD_TEST(what_fails_leaves_no_row), WORLD_TEST(load_keeps_what_it_replaces),
		WORLD_TEST(a_failed_load_changes_nothing), WORLD_TEST(another_projects_save_becomes_its_own),
		WORLD_TEST(a_removed_save_is_forgotten), WORLD_TEST(a_copy_of_the_store_has_everything),
	};

	if (world_config(CL_SOURCE) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
