/* What goes when images are cleaned up, and what never does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "engine/gc_plan.h"

static struct gc_plan plan;

static void local(const char *id, const char *tag, const char *digest, int containers)
{
	struct backend_image *m;

	plan.local.items = mem_resize(plan.local.items, plan.local.n + 1, sizeof(*m));
	m = &plan.local.items[plan.local.n++];
	memset(m, 0, sizeof(*m));
	mem_copy_str(m->id, sizeof(m->id), id);
	mem_copy_str(m->tag, sizeof(m->tag), tag);
	mem_copy_str(m->digest, sizeof(m->digest), digest);
	m->containers = containers;
}

static void stored(const char *repository, const char *tag, const char *digest, const char *image)
{
	struct backend_stored *s;

	plan.stored.items = mem_resize(plan.stored.items, plan.stored.n + 1, sizeof(*s));
	s = &plan.stored.items[plan.stored.n++];
	memset(s, 0, sizeof(*s));
	mem_copy_str(s->repository, sizeof(s->repository), repository);
	mem_copy_str(s->tag, sizeof(s->tag), tag);
	mem_copy_str(s->digest, sizeof(s->digest), digest);
	mem_copy_str(s->image, sizeof(s->image), image);
}

/* "1.1" = the first and third go. */
static void goes(const bool *have, size_t n, const char *want)
{
	assert_int_equal(n, strlen(want));
	for (size_t i = 0; i < n; i++)
		if (have[i] != (want[i] == '1'))
			fail_msg("number %zu %s", i, have[i] ? "goes" : "stays");
}

static int clear(void **state)
{
	gc_plan_clear(&plan);
	plan.newest_op = 50;
	return 0;
}

static void releases_that_nothing_needs_go(void **state)
{
	gc_plan_need(&plan, "sha256:b");
	local("app/p1", "op1", "sha256:a", 0);
	local("app/p1", "op2", "sha256:b", 0);   /* a release's */
	local("app/p1", "op3", "sha256:c", 1);   /* a container's */
	local("app/p1", "", "sha256:d", 0);      /* lost its name */
	local("app/p2", "op4", "sha256:e", 0);   /* of a project that is gone */
	gc_plan_decide(&plan);
	goes(plan.local_goes, plan.local.n, "1..11");
}

static void other_images_stay(void **state)
{
	local("python", "latest", "sha256:a", 0);
	local("save/p1-s1", "latest", "sha256:b", 0);
	local("work/p1-s1", "latest", "sha256:c", 0);
	local("application", "op1", "sha256:d", 0);
	stored("save/p1", "s1", "sha256:1", "sha256:b");
	stored("work/p1", "s1", "sha256:2", "sha256:c");
	stored("elsewhere", "x", "sha256:3", "sha256:d");
	gc_plan_decide(&plan);
	goes(plan.local_goes, plan.local.n, "....");
	goes(plan.stored_goes, plan.stored.n, "...");
}

static void what_is_under_way_stays(void **state)
{
	gc_plan_open(&plan, 31);
	local("app/p1", "op31", "sha256:a", 0);  /* built, its row not written yet */
	local("app/p1", "op51", "sha256:b", 0);  /* began after the clean-up */
	local("app/p1", "op30", "sha256:c", 0);
	local("app/p1", "op31x", "sha256:d", 0); /* no operation's */
	local("app/p1", "op", "sha256:e", 0);
	local("app/p1", "op-51", "sha256:f", 0);
	stored("app/p1", "op31", "sha256:1", "sha256:a");
	stored("app/p1", "op51", "sha256:2", "sha256:b");
	stored("app/p1", "op30", "sha256:3", "sha256:c");
	gc_plan_decide(&plan);
	goes(plan.local_goes, plan.local.n, "..1111");
	goes(plan.stored_goes, plan.stored.n, "..1");
}

static void a_manifest_stays_for_any_of_its_tags(void **state)
{
	gc_plan_need(&plan, "sha256:b");
	gc_plan_open(&plan, 7);
	stored("app/p1", "op1", "sha256:1", "sha256:a");
	stored("app/p1", "op7", "sha256:1", "sha256:a"); /* the same manifest, under way */
	stored("app/p2", "op1", "sha256:1", "sha256:a"); /* in another repository it may go */
	stored("app/p1", "op2", "sha256:2", "sha256:b");
	stored("app/p1", "op3", "sha256:3", "sha256:c");
	gc_plan_decide(&plan);
	goes(plan.stored_goes, plan.stored.n, "..1.1");
}

static void stacks_in_the_repository(void **state)
{
	stored("stack/python", "latest", "sha256:1", "sha256:a");
	stored("stack/cobol", "latest", "sha256:2", "sha256:b");
	gc_plan_decide(&plan);
	goes(plan.stored_goes, plan.stored.n, ".."); /* no stack is known: that is no reason */
	gc_plan_stack(&plan, "python");
	gc_plan_decide(&plan);
	goes(plan.stored_goes, plan.stored.n, ".1");
	local("cobol", "latest", "sha256:b", 2);
	gc_plan_decide(&plan);
	goes(plan.stored_goes, plan.stored.n, "..");
}

static void one_image_by_its_name(void **state)
{
	const char *used;

	gc_plan_need(&plan, "sha256:b");
	local("app/p1", "op1", "sha256:a", 0);
	local("app/p1", "op2", "sha256:b", 0);
	local("app/p10", "op1", "sha256:c", 0);
	local("python", "latest", "sha256:d", 0);
	stored("app/p1", "op1", "sha256:1", "sha256:a");
	stored("stack/python", "latest", "sha256:2", "sha256:d");
	assert_int_equal(gc_plan_pick(&plan, "app/p1:op1", &used), 2);
	assert_null(used);
	goes(plan.local_goes, plan.local.n, "1...");
	goes(plan.stored_goes, plan.stored.n, "1.");
	assert_int_equal(gc_plan_pick(&plan, "app/p1", &used), 3);
	assert_string_equal(used, "sha256:b");
	assert_int_equal(gc_plan_pick(&plan, "sha256:c", &used), 1);
	assert_null(used);
	assert_int_equal(gc_plan_pick(&plan, "python", &used), 2);
	goes(plan.stored_goes, plan.stored.n, ".1");
	assert_int_equal(gc_plan_pick(&plan, "app/p1:op9", &used), 0);
	assert_int_equal(gc_plan_pick(&plan, "", &used), 0);
	local("app/p3", "op60", "sha256:f", 0);
	assert_int_equal(gc_plan_pick(&plan, "app/p3", &used), 1);
	assert_string_equal(used, "sha256:f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(releases_that_nothing_needs_go, clear, clear),
		cmocka_unit_test_setup_teardown(other_images_stay, clear, clear),
		cmocka_unit_test_setup_teardown(what_is_under_way_stays, clear, clear),
		cmocka_unit_test_setup_teardown(a_manifest_stays_for_any_of_its_tags, clear, clear),
		cmocka_unit_test_setup_teardown(stacks_in_the_repository, clear, clear),
		cmocka_unit_test_setup_teardown(one_image_by_its_name, clear, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
