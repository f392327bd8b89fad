/*
 * The rest of the store: operations and their logs, audit walks, chat and event pages, members, keys,
 * quotas; what the schema refuses and what a removal takes along.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/store_audit.h"
#include "engine/store_chat.h"
#include "engine/store_event.h"
#include "engine/store_op.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

static struct store *s;
static int64_t alice, bob, carol, shop;

static int64_t user(const char *name, const char *role)
{
	int64_t id;

	assert_int_equal(store_user_add(s, name, role, NULL, &id, NULL), 0);
	return id;
}

static int setup(void **state)
{
	(void)state;
	s = store_open(":memory:", NULL);
	assert_non_null(s);
	alice = user("alice", "developer");
	bob = user("bob", "student");
	carol = user("carol", "admin");
	assert_int_equal(store_project_add(s, alice, "shop", "python", "toys", &shop, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

struct text {
	char s[1024];
	int n, stop;
};

static int say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int say(struct text *t, const char *fmt, ...)
{
	size_t at = strlen(t->s);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->s + at, sizeof(t->s) - at, fmt, ap);
	va_end(ap);
	return ++t->n == t->stop ? 9 : 0;
}

/* -- operations -- */

static int64_t op(int64_t project, const char *kind, const char *env, int64_t who)
{
	struct store_op o = { .project = project, .user = who };

	(void)mem_copy_str(o.kind, sizeof(o.kind), kind);
	(void)mem_copy_str(o.env, sizeof(o.env), env);
	(void)mem_copy_str(o.by, sizeof(o.by), "alice");
	assert_int_equal(store_op_add(s, &o, "", NULL), 0);
	assert_string_equal(o.state, "queued");
	return o.id;
}

static void an_operation_is_read_as_it_was_written(void **state)
{
	struct store_op o = { .kind = "ship", .project = shop, .env = "prod", .user = alice,
		.by = "alice", .payload = mem_strdup("{\"version\":3}") }, got;

	(void)state;
	assert_int_equal(store_op_add(s, &o, "key-1", NULL), 0);
	assert_int_equal(store_op_get(s, o.id, &got, NULL), 0);
	assert_string_equal(got.kind, "ship");
	assert_string_equal(got.env, "prod");
	assert_string_equal(got.payload, "{\"version\":3}");
	assert_int_equal(got.project, shop);
	assert_int_equal(got.user, alice);
	assert_int_equal(got.created, o.created);
	assert_int_equal(got.finished, 0);
	assert_int_equal(got.error, CL_OK);
	assert_false(got.cancel);
	store_op_clear(&got);
	assert_null(got.payload);
	store_op_clear(&got); /* twice is fine */
	store_op_clear(&o);
}

static void a_key_begins_one_operation_for_each_user(void **state)
{
	struct store_op o = { .kind = "ship", .project = shop, .user = alice };
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(store_op_add(s, &o, "k", NULL), 0);
	assert_int_equal(store_op_add(s, &o, "k", &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	o.user = bob;
	assert_int_equal(store_op_add(s, &o, "k", NULL), 0);
	o.user = alice;
	assert_int_equal(store_op_add(s, &o, "", NULL), 0); /* without a key as often as one likes */
	assert_int_equal(store_op_add(s, &o, "", NULL), 0);
}

static void states_outside_the_list_are_refused(void **state)
{
	int64_t id = op(shop, "ship", "prod", alice);
	struct store_op got;

	(void)state;
	assert_int_equal(store_op_finish(s, id, "finished", NULL, NULL, NULL), -1);
	assert_int_equal(store_op_get(s, id, &got, NULL), 0);
	assert_string_equal(got.state, "queued");
	assert_int_equal(got.finished, 0);
	store_op_clear(&got);
}

static void errors_come_back_with_their_code(void **state)
{
	static const enum cl_code codes[] = { CL_USAGE, CL_NOT_FOUND, CL_CONFLICT, CL_QUOTA, CL_TIMEOUT,
		CL_UNAVAILABLE, CL_FAILED, CL_NOT_IMPLEMENTED, CL_TOO_LARGE, CL_FORBIDDEN };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(codes); i++) {
		int64_t id = op(shop, "ship", "prod", alice);
		struct cl_err why = { 0 };
		struct store_op got;

		(void)err_set(&why, codes[i], "it \"broke\"\n%zu", i);
		(void)err_hint(&why, "try again");
		assert_int_equal(store_op_finish(s, id, "failed", &why, NULL, NULL), 0);
		assert_int_equal(store_op_get(s, id, &got, NULL), 0);
		assert_int_equal(got.error, codes[i]);
		assert_string_equal(got.message, why.message);
		assert_string_equal(got.hint, "try again");
		assert_true(got.finished > 0);
		store_op_clear(&got);
	}
}

static void steps_payload_and_cancel_are_kept(void **state)
{
	int64_t id = op(shop, "ship", "prod", alice);
	struct store_op got;
	char step[3000];

	(void)state;
	memset(step, 's', sizeof(step) - 1);
	step[sizeof(step) - 1] = '\0';
	assert_int_equal(store_op_step(s, id, step, NULL), 0);
	assert_int_equal(store_op_payload(s, id, "{\"a\":[1]}", NULL), 0);
	assert_int_equal(store_op_cancel(s, id, NULL), 0);
	assert_int_equal(store_op_start(s, id, NULL), 0);
	assert_int_equal(store_op_start(s, id, NULL), 0);
	assert_int_equal(store_op_get(s, id, &got, NULL), 0);
	assert_int_equal(strlen(got.step), sizeof(got.step) - 1);
	assert_string_equal(got.payload, "{\"a\":[1]}");
	assert_true(got.cancel);
	assert_int_equal(got.attempts, 2);
	assert_string_equal(got.state, "running");
	store_op_clear(&got);
}

static int op_cb(void *arg, const struct store_op *o)
{
	return say(arg, "%s ", o->kind);
}

static void people_see_the_operations_of_their_projects(void **state)
{
	struct text t = { 0 };
	int64_t blog;

	(void)state;
	assert_int_equal(store_project_add(s, carol, "blog", "python", "", &blog, NULL), 0);
	(void)op(shop, "one", "prod", alice);
	(void)op(blog, "two", "prod", carol);
	(void)op(0, "three", "", bob);
	assert_int_equal(store_op_each(s, 0, 0, 10, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "three two one ");
	t = (struct text){ 0 };
	assert_int_equal(store_op_each(s, 0, alice, 10, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "one ");
	t = (struct text){ 0 };
	assert_int_equal(store_op_each(s, 0, bob, 10, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "three ");
	assert_int_equal(store_project_member_put(s, blog, bob, POLICY_VIEWER, NULL), 0);
	t = (struct text){ 0 };
	assert_int_equal(store_op_each(s, 0, bob, 10, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "three two ");
	t = (struct text){ 0 };
	assert_int_equal(store_op_each(s, blog, 0, 10, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "two ");
	t = (struct text){ .stop = 1 };
	assert_int_equal(store_op_each(s, 0, 0, 10, op_cb, &t, NULL), 9);
}

static void open_ones_are_given_oldest_first(void **state)
{
	struct text t = { 0 };
	int64_t done = op(shop, "done", "prod", alice), running;

	(void)state;
	(void)op(shop, "queued", "prod", alice);
	running = op(shop, "running", "dev", alice);
	assert_int_equal(store_op_start(s, running, NULL), 0);
	assert_int_equal(store_op_finish(s, done, "done", NULL, "ok", NULL), 0);
	assert_int_equal(store_op_each_open(s, op_cb, &t, NULL), 0);
	assert_string_equal(t.s, "queued running ");
}

static int line_cb(void *arg, int64_t seq, const char *text)
{
	return say(arg, "%lld:%s ", (long long)seq, text);
}

static void log_lines_have_numbers_and_an_end(void **state)
{
	int64_t id = op(shop, "ship", "prod", alice), other = op(shop, "ship", "dev", alice), seq;
	struct text t = { 0 };
	char tail[64];

	(void)state;
	store_op_log_tail(s, id, 5, tail, sizeof(tail));
	assert_string_equal(tail, "");
	for (int i = 1; i <= 4; i++) {
		char line[8];

		(void)snprintf(line, sizeof(line), "l%d", i);
		assert_int_equal(store_op_log(s, id, line, &seq, NULL), 0);
		assert_int_equal(seq, i);
	}
	assert_int_equal(store_op_log(s, other, "x", &seq, NULL), 0);
	assert_int_equal(seq, 1);
	assert_int_equal(store_op_log_each(s, id, 1, 2, line_cb, &t, NULL), 0);
	assert_string_equal(t.s, "2:l2 3:l3 ");
	t = (struct text){ .stop = 1 };
	assert_int_equal(store_op_log_each(s, id, 0, 9, line_cb, &t, NULL), 9);
	assert_int_equal(t.n, 1);
	assert_int_equal(store_op_log(s, 99999, "x", &seq, NULL), -1); /* nobody's */
}

static void a_log_stops_growing(void **state)
{
	int64_t id = op(shop, "ship", "prod", alice), seq;

	(void)state;
	assert_int_equal(store_begin(s, NULL), 0);
	for (int i = 1; i <= STORE_OP_LINES; i++)
		assert_int_equal(store_op_log(s, id, "line", &seq, NULL), 0);
	assert_int_equal(seq, STORE_OP_LINES);
	assert_int_equal(store_op_log(s, id, "one too many", &seq, NULL), 0);
	assert_int_equal(seq, 0);
	assert_int_equal(store_commit(s, NULL), 0);
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM op_log", ""), STORE_OP_LINES);
}

static void the_tail_fits_where_it_is_put(void **state)
{
	int64_t id = op(shop, "ship", "prod", alice), seq;
	char out[40];

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(store_op_log(s, id, "0123456789", &seq, NULL), 0);
	for (size_t size = 1; size <= sizeof(out); size++) {
		memset(out, '#', sizeof(out));
		store_op_log_tail(s, id, 5, out, size);
		assert_true(strlen(out) < size);
		for (size_t i = size; i < sizeof(out); i++)
			assert_int_equal(out[i], '#');
	}
}

/* -- audit -- */

static int audit_cb(void *arg, const struct store_audit *a)
{
	return say(arg, "%s/%s/%s ", a->name, a->verb, a->result);
}

static void audit(const char *name, const char *verb, const char *result)
{
	struct store_audit a = { .name = name, .verb = verb, .object = "o", .result = result,
		.detail = "" };

	assert_int_equal(store_audit_add(s, &a, NULL), 0);
}

static void audit_rows_are_found_by_name_and_verb(void **state)
{
	struct text t = { 0 };

	(void)state;
	audit("alice", "ship", "ok");
	audit("bob", "ship", "forbidden");
	audit("alice", "scale", "ok");
	assert_int_equal(store_audit_each(s, NULL, NULL, 10, audit_cb, &t, NULL), 0);
	assert_string_equal(t.s, "alice/scale/ok bob/ship/forbidden alice/ship/ok ");
	t = (struct text){ 0 };
	assert_int_equal(store_audit_each(s, "alice", NULL, 10, audit_cb, &t, NULL), 0);
	assert_string_equal(t.s, "alice/scale/ok alice/ship/ok ");
	t = (struct text){ 0 };
	assert_int_equal(store_audit_each(s, "alice", "ship", 10, audit_cb, &t, NULL), 0);
	assert_string_equal(t.s, "alice/ship/ok ");
	t = (struct text){ 0 };
	assert_int_equal(store_audit_each(s, NULL, "ship", 1, audit_cb, &t, NULL), 0);
	assert_string_equal(t.s, "bob/ship/forbidden ");
	t = (struct text){ 0 };
	assert_int_equal(store_audit_each(s, "al%", NULL, 10, audit_cb, &t, NULL), 0);
	assert_string_equal(t.s, "");
}

static int longest_cb(void *arg, const struct store_audit *a)
{
	struct store_audit *out = arg;

	out->id = (int64_t)strlen(a->detail);
	out->at = (int64_t)strlen(a->object);
	out->user = (int64_t)strlen(a->name);
	return 0;
}

static void long_audit_texts_are_cut_at_a_whole_letter(void **state)
{
	cl_autofree char *text = mem_alloc(9001);
	struct store_audit a = { .name = text, .verb = text, .object = text, .result = "ok",
		.detail = text }, got = { 0 };

	(void)state;
	for (size_t i = 0; i < 9000; i += 3)
		memcpy(text + i, "\xed\x95\x9c", 3);
	text[9000] = '\0';
	assert_int_equal(store_audit_add(s, &a, NULL), 0);
	assert_int_equal(store_audit_each(s, NULL, NULL, 1, longest_cb, &got, NULL), 0);
	assert_int_equal(got.id, 1023);
	assert_int_equal(got.at, 255);
	assert_int_equal(got.user, 30);
	assert_int_equal(store_audit_verify(s, NULL), 0); /* sealed as stored */
}

static void moved_bytes_between_fields_break_the_seal(void **state)
{
	(void)state;
	audit("alice", "ship", "ok");
	assert_true(store_run(s, NULL, "DROP TRIGGER audit_update", "") >= 0);
	assert_int_equal(store_run(s, NULL,
	    "UPDATE audit SET name = 'alic', verb = 'eship'", ""), 1);
	assert_int_equal(store_audit_verify(s, NULL), -1);
}

static void an_audit_row_at_the_end_may_not_be_forged(void **state)
{
	struct cl_err err = { 0 };

	(void)state;
	audit("alice", "ship", "ok");
	assert_true(store_run(s, NULL, "INSERT INTO audit (at, name, verb, object, result, detail, chain)"
	    " VALUES (1, 'eve', 'ship', 'o', 'ok', '', 'made up')", "") > 0);
	assert_int_equal(store_audit_verify(s, &err), -1);
	assert_non_null(strstr(err.message, "row 2"));
}

/* -- chat and events -- */

static int message_cb(void *arg, const struct store_message *m)
{
	return say(arg, "%s:%s ", m->user, m->text);
}

static void what_was_said_stays_when_its_author_goes(void **state)
{
	struct text t = { 0 };
	int64_t id;

	(void)state;
	assert_int_equal(store_chat_add(s, shop, bob, "bob", "\xec\x95\x88\xeb\x85\x95", 1, &id, NULL), 0);
	assert_int_equal(store_chat_add(s, shop, 0, "root", "hi", 2, &id, NULL), 0);
	assert_int_equal(store_chat_add(s, shop, 999, "ghost", "boo", 3, &id, NULL), -1);
	assert_int_equal(store_chat_add(s, shop + 9, bob, "bob", "nowhere", 3, &id, NULL), -1);
	assert_int_equal(store_user_remove(s, bob, NULL), 0);
	assert_int_equal(store_chat_each(s, shop, 0, 10, message_cb, &t, NULL), 0);
	assert_string_equal(t.s, "bob:\xec\x95\x88\xeb\x85\x95 root:hi ");
	t = (struct text){ .stop = 1 };
	assert_int_equal(store_chat_each(s, shop, 0, 10, message_cb, &t, NULL), 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(store_project_remove(s, shop, NULL), 0);
	assert_int_equal(store_number(s, -1, "SELECT count(*) FROM message", ""), 0);
}

static int event_cb(void *arg, const struct store_event *e)
{
	return say(arg, "%s/%s ", e->text, e->env);
}

static void the_newest_events_of_a_project_come_oldest_first(void **state)
{
	struct text t = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		char text[8];
		struct store_event e = { .at = i, .type = "scaled", .project = i % 2 == 0 ? shop : 0,
			.env = i == 4 ? "prod" : NULL, .actor = "a", .text = text, .data = "{}" };

		(void)snprintf(text, sizeof(text), "e%d", i);
		assert_int_equal(store_event_add(s, &e, NULL), 0);
		assert_int_equal(store_event_newest(s), e.id);
	}
	assert_int_equal(store_event_tail(s, shop, 2, event_cb, &t, NULL), 0);
	assert_string_equal(t.s, "e2/ e4/prod ");
	t = (struct text){ 0 };
	assert_int_equal(store_event_tail(s, shop, 0, event_cb, &t, NULL), 0);
	assert_int_equal(t.n, 0);
	t = (struct text){ 0 };
	assert_int_equal(store_event_tail(s, shop + 1, 5, event_cb, &t, NULL), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(store_event_prune(s, 0, NULL), 0);
	assert_int_equal(store_event_newest(s), 0);
}

static void event_ids_are_not_used_again_after_pruning(void **state)
{
	struct store_event e = { .at = 1, .type = "scaled", .actor = "a", .text = "t", .data = "{}" };
	int64_t first;

	(void)state;
	assert_int_equal(store_event_add(s, &e, NULL), 0);
	first = e.id;
	assert_int_equal(store_event_prune(s, 0, NULL), 0);
	assert_int_equal(store_event_add(s, &e, NULL), 0);
	assert_true(e.id > first); /* a reader's place stays meaningful */
}

/* -- people -- */

static int member_cb(void *arg, const struct store_member *m)
{
	return say(arg, "%s=%s ", m->name, policy_role_text(m->role));
}

static void members_come_with_the_owner_first(void **state)
{
	struct text t = { 0 };
	struct store_project p;

	(void)state;
	assert_int_equal(store_project_member_put(s, shop, carol, POLICY_OPERATOR, NULL), 0);
	assert_int_equal(store_project_member_put(s, shop, bob, POLICY_VIEWER, NULL), 0);
	assert_int_equal(store_project_member_each(s, shop, member_cb, &t, NULL), 0);
	assert_string_equal(t.s, "alice=owner bob=viewer carol=operator ");
	assert_int_equal(store_project_get(s, shop, &p, NULL), 0);
	assert_int_equal(p.members, 3);
	assert_int_equal(store_project_member_put(s, shop, bob, POLICY_OWNER, NULL), -1);
	assert_int_equal(store_project_member_put(s, shop, bob, POLICY_NONE, NULL), -1);
	assert_int_equal(store_project_member_put(s, shop, 999, POLICY_VIEWER, NULL), -1);
	assert_int_equal(store_project_member_put(s, 999, bob, POLICY_VIEWER, NULL), -1);
	assert_int_equal(store_user_remove(s, bob, NULL), 0); /* a membership holds nobody */
	assert_int_equal(store_project_role(s, shop, bob), POLICY_NONE);
}

static int project_cb(void *arg, const struct store_project *p)
{
	return say(arg, "%s.%s ", p->owner_name, p->name);
}

static void own_projects_come_before_shared_ones(void **state)
{
	struct text t = { 0 };
	int64_t id;

	(void)state;
	assert_int_equal(store_project_add(s, carol, "zoo", "python", "", &id, NULL), 0);
	assert_int_equal(store_project_add(s, carol, "art", "python", "", &id, NULL), 0);
	assert_int_equal(store_project_member_put(s, shop, carol, POLICY_VIEWER, NULL), 0);
	assert_int_equal(store_project_each(s, carol, project_cb, &t, NULL), 0);
	assert_string_equal(t.s, "carol.art carol.zoo alice.shop ");
	t = (struct text){ 0 };
	assert_int_equal(store_project_each(s, 0, project_cb, &t, NULL), 0);
	assert_string_equal(t.s, "alice.shop carol.art carol.zoo ");
	t = (struct text){ 0 };
	assert_int_equal(store_project_each(s, bob, project_cb, &t, NULL), 0);
	assert_string_equal(t.s, "");
	assert_int_equal(store_project_count(s, 0), 3);
	assert_int_equal(store_project_count(s, carol), 2);
	assert_int_equal(store_project_count(s, bob), 0);
}

static void project_states_are_a_list(void **state)
{
	static const char *const bad[] = { "", "Ready", "gone", "ready " };
	struct cl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		assert_int_equal(store_project_set_state(s, shop, bad[i], NULL), -1);
	assert_int_equal(store_project_set_state(s, 999, "ready", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	assert_int_equal(store_project_set_dev(s, 999, true, "running", "", &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	assert_int_equal(store_project_remove(s, 999, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
}

static int key_cb(void *arg, const struct store_key *k)
{
	return say(arg, "%s:%s ", k->type, k->comment);
}

static void keys_are_listed_in_the_order_they_came(void **state)
{
	struct text t = { 0 };
	struct store_user u;
	int64_t id, second;
	char which[24];

	(void)state;
	assert_int_equal(store_user_key_add(s, alice, "ssh-ed25519", "b1", 2, "SHA256:1", "lap", &id,
	    NULL), 0);
	assert_int_equal(store_user_key_add(s, alice, "ssh-rsa", "b2", 2, "SHA256:2", "", &second, NULL),
	    0);
	assert_int_equal(store_user_key_each(s, alice, key_cb, &t, NULL), 0);
	assert_string_equal(t.s, "ssh-ed25519:lap ssh-rsa: ");
	assert_int_equal(store_user_get(s, alice, &u, NULL), 0);
	assert_int_equal(u.keys, 2);
	(void)snprintf(which, sizeof(which), "%lld", (long long)second);
	assert_int_equal(store_user_key_remove(s, bob, which, NULL), -1); /* not his */
	assert_int_equal(store_user_key_remove(s, alice, which, NULL), 0);
	assert_int_equal(store_user_key_remove(s, alice, which, NULL), -1);
	assert_int_equal(store_user_remove(s, bob, NULL), 0);
	assert_int_equal(store_project_remove(s, shop, NULL), 0);
	assert_int_equal(store_user_remove(s, alice, NULL), 0);
	assert_int_equal(store_number(s, -1, "SELECT count(*) FROM key", ""), 0);
}

static void odd_names_of_keys_remove_nothing(void **state)
{
	static const char *const odd[] = { "", "0", "-1", "1 OR 1=1", " 1", "+1", "1x", "SHA256:",
		"SHA256:%", "99999999999999999999999" };
	int64_t id;

	(void)state;
	assert_int_equal(store_user_key_add(s, alice, "ssh-ed25519", "b", 1, "SHA256:1", "", &id, NULL),
	    0);
	for (size_t i = 0; i < CL_COUNT(odd); i++) {
		struct cl_err err = { 0 };

		assert_int_equal(store_user_key_remove(s, alice, odd[i], &err), -1);
		assert_int_equal(err.code, CL_NOT_FOUND);
		assert_non_null(strstr(err.hint, "key ls"));
	}
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM key", ""), 1);
}

static void admins_that_count_are_those_who_can_log_in(void **state)
{
	(void)state;
	assert_int_equal(store_user_admins(s), 1);
	assert_int_equal(store_user_set_role(s, bob, "admin", NULL), 0);
	assert_int_equal(store_user_admins(s), 2);
	assert_int_equal(store_run(s, NULL, "UPDATE user SET disabled = 1 WHERE name = 'bob'", ""), 1);
	assert_int_equal(store_user_admins(s), 1);
	assert_int_equal(store_user_set_role(s, carol, "boss", NULL), -1);
	assert_int_equal(store_user_admins(s), 1);
}

static void passwords_are_kept_and_taken_away(void **state)
{
	char hash[128] = "x";
	struct store_user u;

	(void)state;
	assert_int_equal(store_user_password(s, alice, hash, sizeof(hash), NULL), 0);
	assert_string_equal(hash, "");
	assert_int_equal(store_user_set_password(s, alice, "$argon2id$x", NULL), 0);
	assert_int_equal(store_user_password(s, alice, hash, sizeof(hash), NULL), 0);
	assert_string_equal(hash, "$argon2id$x");
	assert_int_equal(store_user_get(s, alice, &u, NULL), 0);
	assert_true(u.has_password);
	assert_int_equal(store_user_set_password(s, alice, NULL, NULL), 0);
	assert_int_equal(store_user_get(s, alice, &u, NULL), 0);
	assert_false(u.has_password);
	assert_int_equal(store_user_set_password(s, 999, "x", NULL), -1);
	assert_int_equal(store_user_password(s, 999, hash, sizeof(hash), NULL), 0);
	assert_string_equal(hash, ""); /* nobody has none: the same answer */
}

static void quotas_have_a_default_and_a_row(void **state)
{
	(void)state;
	assert_int_equal(store_user_quota_projects(s, alice), 50);
	assert_int_equal(store_run(s, NULL, "INSERT INTO quota VALUES (?, 2, 3, 4)", "i", alice), 1);
	assert_int_equal(store_user_quota_projects(s, alice), 2);
	assert_int_equal(store_user_quota_projects(s, bob), 50);
	assert_int_equal(store_run(s, NULL, "INSERT INTO quota VALUES (999, 2, 3, 4)", ""), -1);
}

static void an_invitation_is_unique_and_never_negative(void **state)
{
	struct cl_err err = { 0 };
	char role[16];

	(void)state;
	assert_int_equal(store_user_invite_add(s, "aa", 2, "student", 1, INT64_MAX, "r", NULL), 0);
	assert_int_equal(store_user_invite_add(s, "aa", 2, "admin", 1, INT64_MAX, "r", &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	assert_int_equal(store_user_invite_add(s, "bb", 2, "student", -1, INT64_MAX, "r", NULL), -1);
	assert_int_equal(store_user_invite_use(s, "a", 1, role, sizeof(role), NULL), -1);
	assert_string_equal(role, "");
	assert_int_equal(store_user_invite_use(s, "aa", 2, role, sizeof(role), NULL), 0);
	assert_int_equal(store_user_invite_use(s, "aa", 2, role, sizeof(role), NULL), -1);
	assert_int_equal(store_number(s, -1, "SELECT uses_left FROM invite", ""), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_operation_is_read_as_it_was_written),
		T(a_key_begins_one_operation_for_each_user),
		T(states_outside_the_list_are_refused),
		T(errors_come_back_with_their_code),
		T(steps_payload_and_cancel_are_kept),
		T(people_see_the_operations_of_their_projects),
		T(open_ones_are_given_oldest_first),
		T(log_lines_have_numbers_and_an_end),
		T(a_log_stops_growing),
		T(the_tail_fits_where_it_is_put),
		T(audit_rows_are_found_by_name_and_verb),
		T(long_audit_texts_are_cut_at_a_whole_letter),
		T(moved_bytes_between_fields_break_the_seal),
		T(an_audit_row_at_the_end_may_not_be_forged),
		T(what_was_said_stays_when_its_author_goes),
		T(the_newest_events_of_a_project_come_oldest_first),
		T(event_ids_are_not_used_again_after_pruning),
		T(members_come_with_the_owner_first),
		T(own_projects_come_before_shared_ones),
		T(project_states_are_a_list),
		T(keys_are_listed_in_the_order_they_came),
		T(odd_names_of_keys_remove_nothing),
		T(admins_that_count_are_those_who_can_log_in),
		T(passwords_are_kept_and_taken_away),
		T(quotas_have_a_default_and_a_row),
		T(an_invitation_is_unique_and_never_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
