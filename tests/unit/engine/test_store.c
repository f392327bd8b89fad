/* The store: users, keys, projects, members, chat, events, audit, transactions, limits of the handle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/store.h"
#include "engine/store_audit.h"
#include "engine/store_chat.h"
#include "engine/store_event.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

static struct store *s;

static int
setup(void **state)
{
	s = store_open(":memory:", NULL);
	return s == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	store_close(s);
	return 0;
}

static int64_t
add_user(const char *name, const char *role)
{
	int64_t id = 0;

	assert_int_equal(store_user_add(s, name, role, NULL, &id, NULL), 0);
	return id;
}

static void
user_names_are_unique_and_ids_are_not_used_again(void **state)
{
	struct cl_err err = {0};
	int64_t first = add_user("alice", "developer"), second, third;

	assert_int_equal(store_user_add(s, "alice", "admin", NULL, &second, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "alice"));
	assert_int_equal(store_user_remove(s, first, NULL), 0);
	third = add_user("alice", "developer");
	assert_true(third > first);
}

static void
unknown_user_is_not_found(void **state)
{
	struct store_user u;
	struct cl_err err = {0};

	assert_int_equal(store_user_find(s, "nobody", &u, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	assert_int_equal(store_user_set_role(s, 77, "admin", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
}

static void
roles_outside_the_list_are_refused_by_the_schema(void **state)
{
	struct cl_err err = {0};
	int64_t id;

	assert_int_equal(store_user_add(s, "eve", "god", NULL, &id, &err), -1);
	assert_int_equal(store_user_count(s), 0);
}

static void
a_key_belongs_to_one_user(void **state)
{
	int64_t alice = add_user("alice", "developer"), bob = add_user("bob", "developer"), key, who;
	struct cl_err err = {0};

	assert_int_equal(
	    store_user_key_add(s, alice, "ssh-ed25519", "blob", 4, "SHA256:a/b", "c", &key, NULL), 0);
	assert_int_equal(
	    store_user_key_add(s, bob, "ssh-ed25519", "blob", 4, "SHA256:a/b", "c", &key, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_non_null(strstr(err.message, "another account"));
	err_clear(&err);
	assert_int_equal(
	    store_user_key_add(s, alice, "ssh-ed25519", "blob", 4, "SHA256:a/b", "c", &key, &err), -1);
	assert_non_null(strstr(err.message, "already"));
	assert_int_equal(store_user_key_owner(s, "blob", 4, &who, NULL), 0);
	assert_int_equal(who, alice);
	assert_int_equal(store_user_key_owner(s, "blo", 3, &who, NULL), -1);
	assert_int_equal(store_user_key_remove(s, bob, "SHA256:a/b", NULL), -1);
	assert_int_equal(store_user_key_remove(s, alice, "SHA256:a/b", NULL), 0);
}

static void
invitations_are_used_up_and_expire(void **state)
{
	struct cl_err err = {0};
	char role[16];

	assert_int_equal(store_user_invite_add(s, "h1", 2, "student", 2, INT64_MAX, "root", NULL), 0);
	assert_int_equal(store_user_invite_add(s, "h2", 2, "student", 2, 1, "root", NULL), 0);
	assert_int_equal(store_user_invite_use(s, "h1", 2, role, sizeof role, NULL), 0);
	assert_string_equal(role, "student");
	assert_int_equal(store_user_invite_use(s, "h1", 2, role, sizeof role, NULL), 0);
	assert_int_equal(store_user_invite_use(s, "h1", 2, role, sizeof role, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_int_equal(store_user_invite_use(s, "h2", 2, role, sizeof role, NULL), -1);
	assert_int_equal(store_user_invite_use(s, "h3", 2, role, sizeof role, NULL), -1);
}

static void
project_names_resolve_to_own_shared_and_dotted(void **state)
{
	int64_t alice = add_user("alice", "developer"), bob = add_user("bob", "developer");
	int64_t carol = add_user("carol", "developer"), a, b, c, id;
	struct cl_err err = {0};
	char number[24];

	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &a, NULL), 0);
	assert_int_equal(store_project_add(s, bob, "shop", "python", "", &b, NULL), 0);
	assert_int_equal(store_project_add(s, bob, "site", "python", "", &c, NULL), 0);
	assert_int_equal(store_project_add(s, bob, "site", "python", "", &id, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);

	assert_int_equal(store_project_resolve(s, alice, "shop", &id, NULL), 0);
	assert_int_equal(id, a);
	assert_int_equal(store_project_resolve(s, alice, "bob.shop", &id, NULL), 0);
	assert_int_equal(id, b);
	snprintf(number, sizeof number, "%lld", (long long)c);
	assert_int_equal(store_project_resolve(s, alice, number, &id, NULL), 0);
	assert_int_equal(id, c);
	assert_int_equal(store_project_resolve(s, carol, "shop", &id, NULL), -1);

	assert_int_equal(store_project_member_put(s, a, carol, POLICY_VIEWER, NULL), 0);
	assert_int_equal(store_project_resolve(s, carol, "shop", &id, NULL), 0);
	assert_int_equal(id, a);
	assert_int_equal(store_project_member_put(s, b, carol, POLICY_VIEWER, NULL), 0);
	err_clear(&err);
	assert_int_equal(store_project_resolve(s, carol, "shop", &id, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
}

static void
odd_project_references_are_not_found(void **state)
{
	static const char *const odd[] = {"", ".", "..", "a.", ".a", "0", "-1", "1e3", "12x", "Shop",
	    "99999999999999999999", "' OR 1=1 --", "a.b.c", "%", "shop;", "shop%00"};
	int64_t alice = add_user("alice", "developer"), id;

	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &id, NULL), 0);
	for (size_t i = 0; i < CL_COUNT(odd); i++) {
		struct cl_err err = {0};

		assert_int_equal(store_project_resolve(s, alice, odd[i], &id, &err), -1);
		assert_int_equal(err.code, CL_NOT_FOUND);
	}
}

static void
rights_come_from_owning_and_membership(void **state)
{
	int64_t alice = add_user("alice", "developer"), bob = add_user("bob", "developer"), p;

	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &p, NULL), 0);
	assert_int_equal(store_project_role(s, p, alice), POLICY_OWNER);
	assert_int_equal(store_project_role(s, p, bob), POLICY_NONE);
	assert_int_equal(store_project_role(s, p, 0), POLICY_NONE);
	assert_int_equal(store_project_member_put(s, p, bob, POLICY_EDITOR, NULL), 0);
	assert_int_equal(store_project_role(s, p, bob), POLICY_EDITOR);
	assert_int_equal(store_project_member_put(s, p, bob, POLICY_VIEWER, NULL), 0);
	assert_int_equal(store_project_role(s, p, bob), POLICY_VIEWER);
	assert_int_equal(store_project_member_remove(s, p, bob, NULL), 0);
	assert_int_equal(store_project_role(s, p, bob), POLICY_NONE);
	assert_int_equal(store_project_member_remove(s, p, bob, NULL), -1);
}

static void
a_user_with_projects_stays(void **state)
{
	int64_t alice = add_user("alice", "developer"), p;
	struct cl_err err = {0};

	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &p, NULL), 0);
	assert_int_equal(store_user_remove(s, alice, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_int_equal(store_project_remove(s, p, NULL), 0);
	assert_int_equal(store_user_remove(s, alice, NULL), 0);
}

static int
collect(void *arg, const struct store_message *m)
{
	char *out = arg;
	size_t n = strlen(out);

	snprintf(out + n, 200 - n, "%s;", m->text);
	return 0;
}

static void
chat_pages_are_oldest_first(void **state)
{
	int64_t alice = add_user("alice", "developer"), p, id[5];
	char out[200] = "", text[16];

	assert_int_equal(store_project_add(s, alice, "shop", "python", "", &p, NULL), 0);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof text, "m%d", i);
		assert_int_equal(store_chat_add(s, p, alice, "alice", text, 1000 + i, &id[i], NULL), 0);
	}
	assert_int_equal(store_chat_each(s, p, 0, 2, collect, out, NULL), 0);
	assert_string_equal(out, "m3;m4;");
	out[0] = '\0';
	assert_int_equal(store_chat_each(s, p, id[3], 2, collect, out, NULL), 0);
	assert_string_equal(out, "m1;m2;");
	out[0] = '\0';
	assert_int_equal(store_chat_each(s, p + 1, 0, 2, collect, out, NULL), 0);
	assert_string_equal(out, "");
}

static int
count_event(void *arg, const struct store_event *e)
{
	++*(int *)arg;
	return 0;
}

static void
events_replay_by_id_project_and_operation(void **state)
{
	struct store_event e = {.at = 1, .type = "chat.message", .project = 3, .env = "", .op = 9,
	    .actor = "a", .text = "t", .data = "{}"};
	int64_t first;
	int n = 0;

	assert_int_equal(store_event_add(s, &e, NULL), 0);
	first = e.id;
	e.project = 0;
	e.op = 0;
	assert_int_equal(store_event_add(s, &e, NULL), 0);
	assert_int_equal(store_event_each(s, 0, 0, 0, 10, count_event, &n, NULL), 0);
	assert_int_equal(n, 2);
	n = 0;
	store_event_each(s, first, 0, 0, 10, count_event, &n, NULL);
	assert_int_equal(n, 1);
	n = 0;
	store_event_each(s, 0, 3, 0, 10, count_event, &n, NULL);
	assert_int_equal(n, 1);
	n = 0;
	store_event_each(s, 0, 0, 9, 10, count_event, &n, NULL);
	assert_int_equal(n, 1);
	assert_int_equal(store_event_prune(s, 1, NULL), 0);
	n = 0;
	store_event_each(s, 0, 0, 0, 10, count_event, &n, NULL);
	assert_int_equal(n, 1);
}

static void
add_audit(const char *verb, const char *detail)
{
	struct store_audit a = {.name = "alice", .verb = verb, .object = "shop", .result = "ok",
	    .detail = detail};

	assert_int_equal(store_audit_add(s, &a, NULL), 0);
}

static void
audit_rows_cannot_be_changed_or_removed(void **state)
{
	struct cl_err err = {0};

	add_audit("scale", "was=4");
	add_audit("ship", "");
	assert_int_equal(store_audit_verify(s, NULL), 0);
	assert_int_equal(store_run(s, &err, "UPDATE audit SET detail = 'x'", ""), -1);
	assert_int_equal(store_run(s, NULL, "DELETE FROM audit", ""), -1);
	assert_int_equal(store_audit_verify(s, NULL), 0);
}

static void
a_forged_audit_row_is_found(void **state)
{
	struct cl_err err = {0};

	for (int i = 0; i < 4; i++)
		add_audit("scale", "was=4");
	/* Somebody with the file could drop the trigger; the chain still tells. */
	assert_true(store_run(s, NULL, "DROP TRIGGER audit_update", "") >= 0);
	assert_int_equal(store_run(s, NULL, "UPDATE audit SET detail = 'was=1' WHERE id = 2", ""), 1);
	assert_int_equal(store_audit_verify(s, &err), -1);
	assert_non_null(strstr(err.message, "row 2"));
}

static void
a_removed_audit_row_is_found(void **state)
{
	for (int i = 0; i < 4; i++)
		add_audit("scale", "was=4");
	assert_true(store_run(s, NULL, "DROP TRIGGER audit_delete", "") >= 0);
	assert_int_equal(store_run(s, NULL, "DELETE FROM audit WHERE id = 3", ""), 1);
	assert_int_equal(store_audit_verify(s, NULL), -1);
}

static bool last_end;
static int ends;

static void
end_cb(void *arg, bool committed)
{
	last_end = committed;
	ends++;
}

static void
nested_transactions_end_together(void **state)
{
	ends = 0;
	store_notify(s, end_cb, NULL);
	assert_int_equal(store_begin(s, NULL), 0);
	add_user("alice", "developer");
	assert_int_equal(store_begin(s, NULL), 0);
	add_user("bob", "developer");
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(ends, 0);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(ends, 1);
	assert_true(last_end);
	assert_int_equal(store_user_count(s), 2);
}

static void
an_inner_rollback_undoes_the_outer(void **state)
{
	struct cl_err err = {0};

	ends = 0;
	store_notify(s, end_cb, NULL);
	assert_int_equal(store_begin(s, NULL), 0);
	add_user("alice", "developer");
	assert_int_equal(store_begin(s, NULL), 0);
	store_rollback(s);
	assert_int_equal(store_commit(s, &err), -1);
	assert_false(last_end);
	assert_false(store_busy(s));
	assert_int_equal(store_user_count(s), 0);
	add_user("bob", "developer"); /* and it works on */
}

static void
the_handle_takes_no_attach_no_extension_no_giant_values(void **state)
{
	cl_autofree char *big = mem_alloc(9 << 20);
	struct cl_err err = {0};
	int64_t id;

	assert_int_equal(store_run(s, &err, "ATTACH ':memory:' AS other", ""), -1);
	assert_int_equal(store_run(s, NULL, "SELECT load_extension('x')", ""), -1);
	memset(big, 'x', (9 << 20) - 1);
	assert_int_equal(store_user_add(s, big, "developer", NULL, &id, NULL), -1);
	assert_int_equal(store_number(s, -1, "PRAGMA foreign_keys", ""), 1);
	assert_int_equal(store_number(s, -1, "PRAGMA synchronous", ""), 2);
	assert_int_equal(store_number(s, -1, "PRAGMA trusted_schema", ""), 0);
}

static void
injection_strings_are_only_text(void **state)
{
	static const char *const evil[] = {"'; DROP TABLE user; --", "\" OR \"\"=\"", "a' OR '1'='1",
	    "1; PRAGMA user_version=9", "%s%n", "\\', 1); --"};
	struct store_user u;
	int64_t id;

	for (size_t i = 0; i < CL_COUNT(evil); i++) {
		assert_int_equal(store_user_find(s, evil[i], &u, NULL), -1);
		assert_int_equal(store_user_add(s, evil[i], "developer", NULL, &id, NULL), 0);
		assert_int_equal(store_user_find(s, evil[i], &u, NULL), 0);
		assert_int_equal(u.id, id);
	}
	assert_int_equal(store_user_count(s), CL_COUNT(evil));
}

static void
a_walk_may_run_the_same_statement_inside(void **state)
{
	struct store_row *outer;
	int n = 0;

	add_user("alice", "developer");
	add_user("bob", "developer");
	for (int round = 0; round < 2; round++) {
		static const char sql[] = "SELECT name FROM user ORDER BY id";

		outer = store_query(s, sql, "");
		while (store_next(outer)) {
			struct store_row *inner = store_query(s, sql, "");

			while (store_next(inner))
				n++;
			assert_int_equal(store_end(inner, NULL), 0);
		}
		assert_int_equal(store_end(outer, NULL), 0);
	}
	assert_int_equal(n, 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(user_names_are_unique_and_ids_are_not_used_again),
	    TEST(unknown_user_is_not_found),
	    TEST(roles_outside_the_list_are_refused_by_the_schema),
	    TEST(a_key_belongs_to_one_user),
	    TEST(invitations_are_used_up_and_expire),
	    TEST(project_names_resolve_to_own_shared_and_dotted),
	    TEST(odd_project_references_are_not_found),
	    TEST(rights_come_from_owning_and_membership),
	    TEST(a_user_with_projects_stays),
	    TEST(chat_pages_are_oldest_first),
	    TEST(events_replay_by_id_project_and_operation),
	    TEST(audit_rows_cannot_be_changed_or_removed),
	    TEST(a_forged_audit_row_is_found),
	    TEST(a_removed_audit_row_is_found),
	    TEST(nested_transactions_end_together),
	    TEST(an_inner_rollback_undoes_the_outer),
	    TEST(the_handle_takes_no_attach_no_extension_no_giant_values),
	    TEST(injection_strings_are_only_text),
	    TEST(a_walk_may_run_the_same_statement_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
