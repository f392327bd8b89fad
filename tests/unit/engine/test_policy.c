/* Policy: the whole table of routes against every kind of caller, and its default of no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "engine/policy.h"
#include "engine/route.h"

static const struct caller stranger = {.uid = 1000};
static const struct caller user = {.id = 5, .name = "alice", .role = POLICY_DEVELOPER, .uid = 200005};
static const struct caller student = {.id = 6, .name = "sam", .role = POLICY_STUDENT, .uid = 200006};
static const struct caller ops = {.id = 7, .name = "olga", .role = POLICY_OPS, .uid = 200007};
static const struct caller admin = {.id = 8, .name = "ada", .role = POLICY_ADMIN, .uid = 200008};
static const struct caller root = {.name = "root", .role = POLICY_ADMIN, .is_root = true};

static struct policy_object
project(enum policy_role right)
{
	struct policy_object o = {.has_project = true, .right = right, .has_user = true};

	return o;
}

static bool
is_op_route(int id)
{
	return id == ROUTE_OP_SHOW || id == ROUTE_OP_LOG || id == ROUTE_OP_CANCEL;
}

static void
strangers_get_only_what_needs_no_identity(void **state)
{
	struct policy_object o = project(POLICY_NONE);

	for (int i = 0; i < ROUTE_COUNT; i++) {
		enum policy_verdict v = policy_allowed(&stranger, i, &o);

		if (route_table[i].role == ROUTE_ROLE_NONE)
			assert_int_equal(v, POLICY_ALLOW);
		else
			assert_int_equal(v, POLICY_LOGIN);
	}
}

static void
admin_routes_are_closed_to_everyone_else(void **state)
{
	const struct caller *const who[] = {&user, &student, &ops};
	struct policy_object o = project(POLICY_OWNER);

	o.self = true;
	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (route_table[i].role != ROUTE_ROLE_ADMIN)
			continue;
		for (size_t k = 0; k < CL_COUNT(who); k++)
			assert_int_equal(policy_allowed(who[k], i, &o), POLICY_DENY);
		assert_int_equal(policy_allowed(&admin, i, &o), POLICY_ALLOW);
		assert_int_equal(policy_allowed(&root, i, &o), POLICY_ALLOW);
	}
}

static void
a_project_without_right_is_hidden_on_every_route(void **state)
{
	struct policy_object none = project(POLICY_NONE), absent = {0};

	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (route_table[i].scope < ROUTE_SCOPE_VIEW)
			continue;
		assert_int_equal(policy_allowed(&user, i, &none), POLICY_HIDE);
		/* ... and looks the same as one that is not there */
		assert_int_equal(policy_allowed(&user, i, &absent), POLICY_HIDE);
		assert_int_equal(policy_allowed(&admin, i, &absent), POLICY_HIDE);
	}
}

static void
each_scope_needs_its_right(void **state)
{
	static const enum policy_role least[] = {
	    [ROUTE_SCOPE_VIEW] = POLICY_VIEWER, [ROUTE_SCOPE_EDIT] = POLICY_EDITOR,
	    [ROUTE_SCOPE_OPERATE] = POLICY_OPERATOR, [ROUTE_SCOPE_OWN] = POLICY_OWNER};

	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (route_table[i].scope < ROUTE_SCOPE_VIEW)
			continue;
		for (int right = POLICY_VIEWER; right <= POLICY_OWNER; right++) {
			struct policy_object o = project((enum policy_role)right);
			enum policy_verdict want = (enum policy_role)right >= least[route_table[i].scope] ?
			    POLICY_ALLOW : POLICY_DENY;

			assert_int_equal(policy_allowed(&user, i, &o), want);
		}
	}
}

static void
self_routes_are_for_oneself_and_admins(void **state)
{
	struct policy_object self = {.has_user = true, .self = true}, other = {.has_user = true};
	struct policy_object nobody = {0};

	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (route_table[i].scope != ROUTE_SCOPE_SELF || route_table[i].role != ROUTE_ROLE_USER)
			continue;
		assert_int_equal(policy_allowed(&user, i, &self), POLICY_ALLOW);
		assert_int_equal(policy_allowed(&user, i, &other), POLICY_DENY);
		assert_int_equal(policy_allowed(&user, i, &nobody), POLICY_DENY);
		assert_int_equal(policy_allowed(&admin, i, &other), POLICY_ALLOW);
		assert_int_equal(policy_allowed(&root, i, &other), POLICY_ALLOW);
	}
}

static void
operations_are_seen_by_the_project_and_ended_by_their_maker(void **state)
{
	struct policy_object mine = {.has_op = true, .op_mine = true};
	struct policy_object members = {.has_op = true, .op_right = POLICY_VIEWER};
	struct policy_object foreign = {.has_op = true}, absent = {0};

	assert_int_equal(policy_allowed(&user, ROUTE_OP_SHOW, &mine), POLICY_ALLOW);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_SHOW, &members), POLICY_ALLOW);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_LOG, &foreign), POLICY_HIDE);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_SHOW, &absent), POLICY_HIDE);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_CANCEL, &mine), POLICY_ALLOW);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_CANCEL, &members), POLICY_DENY);
	assert_int_equal(policy_allowed(&user, ROUTE_OP_CANCEL, &foreign), POLICY_HIDE);
	assert_int_equal(policy_allowed(&admin, ROUTE_OP_CANCEL, &foreign), POLICY_ALLOW);
}

static void
what_is_not_in_the_table_is_denied(void **state)
{
	struct policy_object o = project(POLICY_OWNER);

	assert_int_equal(policy_allowed(&root, ROUTE_COUNT, &o), POLICY_DENY);
	assert_int_equal(policy_allowed(&root, -1, &o), POLICY_DENY);
}

static void
every_route_says_no_to_somebody_or_is_public_on_purpose(void **state)
{
	static const int open[] = {ROUTE_INFO, ROUTE_OPENAPI, ROUTE_REGISTER};
	struct policy_object o = {0};
	int n = 0;

	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (policy_allowed(&stranger, i, &o) != POLICY_ALLOW)
			continue;
		assert_true(n < (int)CL_COUNT(open));
		assert_int_equal(open[n], i);
		n++;
	}
	assert_int_equal(n, CL_COUNT(open));
	assert_false(is_op_route(ROUTE_INFO));
}

static void
changing_routes_have_an_audit_verb(void **state)
{
	for (int i = 0; i < ROUTE_COUNT; i++)
		if (strcmp(route_table[i].method, "GET") != 0)
			assert_true(route_table[i].verb[0] != '\0');
}

static void
names_of_roles_go_both_ways(void **state)
{
	for (int r = POLICY_VIEWER; r <= POLICY_OWNER; r++)
		assert_int_equal(policy_role_parse(policy_role_text((enum policy_role)r)), r);
	for (int r = POLICY_STUDENT; r <= POLICY_ADMIN; r++)
		assert_int_equal(policy_account_parse(policy_account_text((enum policy_account)r)), r);
	assert_int_equal(policy_role_parse("none"), POLICY_NONE);
	assert_int_equal(policy_role_parse("Owner"), POLICY_NONE);
	assert_int_equal(policy_account_parse("stranger"), POLICY_STRANGER);
	assert_int_equal(policy_account_parse(""), POLICY_STRANGER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strangers_get_only_what_needs_no_identity),
	    cmocka_unit_test(admin_routes_are_closed_to_everyone_else),
	    cmocka_unit_test(a_project_without_right_is_hidden_on_every_route),
	    cmocka_unit_test(each_scope_needs_its_right),
	    cmocka_unit_test(self_routes_are_for_oneself_and_admins),
	    cmocka_unit_test(operations_are_seen_by_the_project_and_ended_by_their_maker),
	    cmocka_unit_test(what_is_not_in_the_table_is_denied),
	    cmocka_unit_test(every_route_says_no_to_somebody_or_is_public_on_purpose),
	    cmocka_unit_test(changing_routes_have_an_audit_verb),
	    cmocka_unit_test(names_of_roles_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
