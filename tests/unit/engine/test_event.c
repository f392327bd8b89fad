/*
 * Events as their readers get them: who may see what, replay from an id, rollbacks, slow readers and
 * those whose rights end.  The streams are this file's own: they keep what they are sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/event_hub.h"
#include "engine/store_event.h"
#include "engine/store_project.h"
#include "engine/store_user.h"
#include "engine/stream.h"

#define GOT_MAX 3000

/* -- a stream that remembers -- */

struct stream {
	int64_t ids[GOT_MAX];
	char types[GOT_MAX][24];
	char *last;       /* data of the last one */
	int n, resyncs, empty;
	size_t queued;    /* grows only when `slow` */
	bool slow, ended, closed;
	int room;         /* sends before it is cut; 0 = no end */
	void (*drain_cb)(void *arg);
	void *drain_arg;
	void (*closed_cb)(void *arg);
	void *closed_arg;
};

int stream_send(struct stream *t, const char *event, int64_t id, const char *data)
{
	if (t->ended || (t->room != 0 && t->n == t->room))
		return -1;
	if (event != NULL && strcmp(event, "resync") == 0) {
		t->resyncs++;
		return 0;
	}
	if (data == NULL) {
		t->empty++;
		return 0;
	}
	assert_true(t->n < GOT_MAX);
	t->ids[t->n] = id;
	(void)mem_copy_str(t->types[t->n++], sizeof(t->types[0]), event);
	mem_free(t->last);
	t->last = mem_strdup(data);
	if (t->slow)
		t->queued += strlen(data);
	return 0;
}

size_t stream_queued(const struct stream *t)
{
	return t->queued;
}

void stream_on_drain(struct stream *t, void (*drain_cb)(void *arg), void *arg)
{
	t->drain_cb = drain_cb;
	t->drain_arg = arg;
}

void stream_end(struct stream *t)
{
	t->ended = true;
}

void stream_on_close(struct stream *t, void (*closed_cb)(void *arg), void *arg)
{
	t->closed_cb = closed_cb;
	t->closed_arg = arg;
}

static void read_all(struct stream *t)
{
	t->queued = 0;
	t->drain_cb(t->drain_arg);
}

static void leave(struct stream *t)
{
	if (!t->closed && t->closed_cb != NULL)
		t->closed_cb(t->closed_arg);
	t->closed = true;
	mem_free(t->last);
	mem_free(t);
}

/* -- a world of three people and two projects -- */

static struct engine e;
static int64_t alice, bob, carol, shop, blog;

static int setup(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	e.store = store_open(":memory:", NULL);
	assert_non_null(e.store);
	assert_int_equal(store_user_add(e.store, "alice", "developer", NULL, &alice, NULL), 0);
	assert_int_equal(store_user_add(e.store, "bob", "developer", NULL, &bob, NULL), 0);
	assert_int_equal(store_user_add(e.store, "carol", "developer", NULL, &carol, NULL), 0);
	assert_int_equal(store_project_add(e.store, alice, "shop", "python", "", &shop, NULL), 0);
	assert_int_equal(store_project_add(e.store, bob, "blog", "python", "", &blog, NULL), 0);
	assert_int_equal(store_project_member_put(e.store, shop, bob, POLICY_VIEWER, NULL), 0);
	event_hub_open(&e);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (e.events != NULL)
		event_hub_close(&e);
	store_close(e.store);
	return 0;
}

static struct stream *listen_as(int64_t user, bool admin, int64_t project, int64_t op, int64_t since)
{
	struct stream *t = mem_alloc(sizeof(*t));
	struct event_hub_filter f = { user, admin, project, op, since };

	event_hub_subscribe(&e, t, &f);
	return t;
}

static void say(int64_t project, const char *text)
{
	event_publish(&e, EVENT_CHAT, project, NULL, "alice", NULL, "%s", text);
}

static void say_op(int64_t project, int64_t op)
{
	event_publish(&e, EVENT_OP_STEP, project, "prod", "alice", json_pack("{s:I, s:s, s:s}", "op",
	    (json_int_t)op, "kind", "ship", "step", "x"), "step");
}

/* -- who sees what -- */

static void a_projects_events_reach_its_people_alone(void **state)
{
	struct stream *a = listen_as(alice, false, 0, 0, -1), *b = listen_as(bob, false, 0, 0, -1);
	struct stream *c = listen_as(carol, false, 0, 0, -1), *admin = listen_as(carol, true, 0, 0, -1);

	(void)state;
	say(shop, "one");
	say(blog, "two");
	say(0, "for all");
	assert_int_equal(a->n, 2);
	assert_int_equal(b->n, 3);
	assert_int_equal(c->n, 1);
	assert_int_equal(admin->n, 3);
	leave(a);
	leave(b);
	leave(c);
	leave(admin);
}

static void filters_are_narrower_never_wider(void **state)
{
	static const struct {
		int who, project, op, sees; /* 0 alice 1 bob 2 carol; project 1 shop 2 blog; op */
	} rows[] = {
		{ 0, 0, 0, 4 }, { 0, 1, 0, 3 }, { 0, 2, 0, 0 }, { 0, 0, 9, 1 }, { 0, 1, 9, 1 },
		{ 0, 0, 8, 0 }, { 1, 1, 0, 3 }, { 1, 2, 0, 2 }, { 1, 2, 8, 1 }, { 2, 1, 0, 0 },
		{ 2, 2, 8, 0 }, { 2, 0, 0, 1 },
	};
	int64_t people[] = { alice, bob, carol }, projects[] = { 0, shop, blog };
	struct stream *t[CL_COUNT(rows)];

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		t[i] = listen_as(people[rows[i].who], false, projects[rows[i].project], rows[i].op, -1);
	say(shop, "a");
	say(shop, "b");
	say_op(shop, 9);
	say(blog, "c");
	say_op(blog, 8);
	say(0, "d");
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		if (t[i]->n != rows[i].sees)
			fail_msg("row %zu: %d events, not %d", i, t[i]->n, rows[i].sees);
		leave(t[i]);
	}
}

static void a_new_member_sees_from_then_on_a_former_one_no_more(void **state)
{
	struct stream *c = listen_as(carol, false, 0, 0, -1), *b = listen_as(bob, false, shop, 0, -1);

	(void)state;
	say(shop, "before");
	assert_int_equal(store_project_member_put(e.store, shop, carol, POLICY_VIEWER, NULL), 0);
	assert_int_equal(store_project_member_remove(e.store, shop, bob, NULL), 0);
	say(shop, "after");
	assert_int_equal(c->n, 1);
	assert_int_equal(b->n, 1);
	leave(b);
	leave(c);
}

static void an_event_is_whole_json(void **state)
{
	struct stream *a = listen_as(alice, false, 0, 0, -1);
	json_t *o;

	(void)state;
	event_publish(&e, EVENT_SCALED, shop, "prod", "alice", json_pack("{s:i}", "web", 2),
	    "%s \"scaled\"\n\x1b[2J", "alice");
	o = json_loads(a->last, 0, NULL);
	assert_non_null(o);
	assert_int_equal(json_integer_value(json_object_get(o, "id")), a->ids[0]);
	assert_int_equal(json_integer_value(json_object_get(o, "project")), shop);
	assert_string_equal(json_string_value(json_object_get(o, "type")), event_text(EVENT_SCALED));
	assert_string_equal(json_string_value(json_object_get(o, "env")), "prod");
	assert_string_equal(json_string_value(json_object_get(o, "actor")), "alice");
	assert_string_equal(json_string_value(json_object_get(o, "text")), "alice \"scaled\"\n\x1b[2J");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "data"), "web")), 2);
	assert_null(strchr(a->last, '\n')); /* no line of its own in the stream */
	json_decref(o);
	say(0, "x");
	o = json_loads(a->last, 0, NULL);
	assert_true(json_is_null(json_object_get(o, "project")));
	assert_true(json_is_null(json_object_get(o, "env")));
	assert_true(json_is_object(json_object_get(o, "data")));
	json_decref(o);
	leave(a);
}

static void long_and_broken_texts_become_valid_ones(void **state)
{
	struct stream *a = listen_as(alice, false, 0, 0, -1);
	char text[4000];
	json_t *o;

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xed\x95\x9c", 3);
	text[sizeof(text) - 1] = '\0';
	text[3999 / 3 * 3] = '\0';
	say(shop, text);
	o = json_loads(a->last, 0, NULL); /* cut inside a letter would not be JSON */
	assert_non_null(o);
	assert_in_range(json_string_length(json_object_get(o, "text")), 1000, 1024);
	assert_int_equal(json_string_length(json_object_get(o, "text")) % 3, 0);
	json_decref(o);
	say(shop, "bad \xff\xfe bytes");
	assert_int_equal(a->n, 2);
	o = json_loads(a->last, 0, NULL);
	assert_non_null(o);
	json_decref(o);
	leave(a);
}

static void every_type_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_COUNT; i++) {
		assert_true(strlen(event_text((enum event_type)i)) > 2);
		assert_true(strspn(event_text((enum event_type)i), "abcdefghijklmnopqrstuvwxyz._") ==
		    strlen(event_text((enum event_type)i)));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(event_text((enum event_type)i),
			    event_text((enum event_type)k));
	}
}

/* -- transactions -- */

static void events_go_out_with_the_commit(void **state)
{
	struct stream *a = listen_as(alice, false, 0, 0, -1);

	(void)state;
	assert_int_equal(store_begin(e.store, NULL), 0);
	say(shop, "one");
	say(shop, "two");
	assert_int_equal(a->n, 0);
	assert_int_equal(store_commit(e.store, NULL), 0);
	assert_int_equal(a->n, 2);
	assert_true(a->ids[0] < a->ids[1]);
	leave(a);
}

static void a_rollback_takes_them_back(void **state)
{
	struct stream *a = listen_as(alice, false, 0, 0, -1);

	(void)state;
	assert_int_equal(store_begin(e.store, NULL), 0);
	say(shop, "never");
	store_rollback(e.store);
	assert_int_equal(a->n, 0);
	assert_int_equal(store_event_newest(e.store), 0);
	say(shop, "real");
	assert_int_equal(a->n, 1);
	leave(a);
}

static void the_last_word_reaches_those_it_removes(void **state)
{
	struct stream *b = listen_as(bob, false, shop, 0, -1), *a = listen_as(alice, false, 0, 0, -1);

	(void)state;
	assert_int_equal(store_begin(e.store, NULL), 0);
	say(shop, "bob leaves");
	event_hub_drop(&e, bob);
	assert_false(b->ended);
	assert_int_equal(store_commit(e.store, NULL), 0);
	assert_int_equal(b->n, 1);
	assert_true(b->ended);
	assert_false(a->ended);
	leave(a);
	leave(b);
}

static void a_rollback_lets_them_stay(void **state)
{
	struct stream *b = listen_as(bob, false, shop, 0, -1);

	(void)state;
	assert_int_equal(store_begin(e.store, NULL), 0);
	event_hub_drop(&e, bob);
	store_rollback(e.store);
	assert_false(b->ended);
	say(shop, "still here");
	assert_int_equal(b->n, 1);
	event_hub_drop(&e, bob); /* outside of a transaction: at once */
	assert_true(b->ended);
	leave(b);
}

static void root_is_not_dropped_with_user_zero(void **state)
{
	struct stream *root = listen_as(0, true, 0, 0, -1);

	(void)state;
	event_hub_drop(&e, 0);
	assert_false(root->ended);
	leave(root);
}

/* -- replay -- */

static void a_return_gets_what_it_missed_then_what_comes(void **state)
{
	struct stream *a;
	int64_t first;

	(void)state;
	say(shop, "1");
	first = store_event_newest(e.store);
	say(shop, "2");
	say(blog, "not hers");
	say(shop, "3");
	a = listen_as(alice, false, 0, 0, first);
	assert_int_equal(a->n, 2);
	assert_int_equal(a->ids[0], first + 1);
	assert_int_equal(a->ids[1], first + 3);
	assert_int_equal(a->resyncs, 0);
	say(shop, "4");
	assert_int_equal(a->n, 3);
	leave(a);
}

static void from_now_on_gives_the_place_to_come_back_to(void **state)
{
	struct stream *fresh = listen_as(alice, false, 0, 0, -1), *later;

	(void)state;
	assert_int_equal(fresh->empty, 0); /* nothing has happened yet */
	say(shop, "1");
	later = listen_as(alice, false, 0, 0, -1);
	assert_int_equal(later->n, 0);
	assert_int_equal(later->empty, 1);
	leave(fresh);
	leave(later);
}

static void ids_from_the_future_and_the_pruned_past_resync(void **state)
{
	struct stream *t;

	(void)state;
	for (int i = 0; i < 20; i++)
		say(shop, "x");
	t = listen_as(alice, false, 0, 0, 1000);
	assert_int_equal(t->resyncs, 1);
	assert_int_equal(t->n, 0);
	say(shop, "live");
	assert_int_equal(t->n, 1);
	leave(t);
	assert_int_equal(store_event_prune(e.store, 5, NULL), 0);
	t = listen_as(alice, false, 0, 0, 3);
	assert_int_equal(t->resyncs, 1);
	assert_int_equal(t->n, 5);
	leave(t);
	t = listen_as(alice, false, 0, 0, store_event_newest(e.store) - 5);
	assert_int_equal(t->resyncs, 0); /* just what is kept */
	assert_int_equal(t->n, 5);
	leave(t);
}

static void a_long_past_comes_in_order_and_once(void **state)
{
	struct stream *t;

	(void)state;
	for (int i = 0; i < 950; i++)
		say(i % 3 == 0 ? blog : shop, "x");
	t = listen_as(alice, false, 0, 0, 0);
	assert_int_equal(t->n, 633);
	for (int i = 1; i < t->n; i++)
		assert_true(t->ids[i] > t->ids[i - 1]);
	say(shop, "live");
	assert_int_equal(t->n, 634);
	leave(t);
}

static void a_past_that_is_all_of_others_ends(void **state)
{
	struct stream *t;

	(void)state;
	for (int i = 0; i < 450; i++)
		say(blog, "x");
	t = listen_as(alice, false, 0, 0, 0);
	assert_int_equal(t->n, 0);
	say(shop, "mine");
	assert_int_equal(t->n, 1);
	leave(t);
}

static void replay_asks_for_rights_of_today(void **state)
{
	struct stream *t;

	(void)state;
	say(shop, "while bob was a member");
	assert_int_equal(store_project_member_remove(e.store, shop, bob, NULL), 0);
	t = listen_as(bob, false, 0, 0, 0);
	assert_int_equal(t->n, 0);
	leave(t);
	t = listen_as(bob, false, shop, 0, 0);
	assert_int_equal(t->n, 0);
	leave(t);
}

static void replay_of_one_operation(void **state)
{
	struct stream *t;

	(void)state;
	say_op(shop, 3);
	say(shop, "talk");
	say_op(shop, 4);
	say_op(shop, 3);
	t = listen_as(alice, false, 0, 3, 0);
	assert_int_equal(t->n, 2);
	assert_string_equal(t->types[0], event_text(EVENT_OP_STEP));
	leave(t);
	t = listen_as(carol, false, 0, 3, 0);
	assert_int_equal(t->n, 0);
	leave(t);
}

/* -- slow readers -- */

static struct stream *slow_reader(int64_t since)
{
	struct stream *t = mem_alloc(sizeof(*t));
	struct event_hub_filter f = { alice, false, 0, 0, since };

	t->slow = true;
	event_hub_subscribe(&e, t, &f);
	return t;
}

static void a_slow_reader_gets_the_past_as_it_reads(void **state)
{
	char text[900];
	struct stream *t;
	int rounds = 0, before;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 400; i++)
		say(shop, text);
	t = slow_reader(0);
	assert_true(t->n > 0 && t->n < 200); /* not everything is queued */
	assert_true(t->queued < 128 * 1024);
	before = t->n;
	say(shop, "live meanwhile");
	assert_int_equal(t->n, before); /* its turn comes in order */
	while (t->n < 401 && rounds++ < 100)
		read_all(t);
	assert_int_equal(t->n, 401);
	for (int i = 1; i < t->n; i++)
		assert_int_equal(t->ids[i], t->ids[i - 1] + 1);
	read_all(t);
	say(shop, "live now");
	assert_int_equal(t->n, 402);
	leave(t);
}

static void one_that_is_cut_does_not_hold_up_others(void **state)
{
	struct stream *cut = listen_as(alice, false, 0, 0, -1), *good = listen_as(bob, false, 0, 0, -1);

	(void)state;
	cut->room = 2;
	for (int i = 0; i < 10; i++)
		say(shop, "x");
	assert_int_equal(cut->n, 2);
	assert_int_equal(good->n, 10);
	leave(cut);
	say(shop, "x");
	assert_int_equal(good->n, 11);
	leave(good);
}

static void leaving_in_any_order_leaves_nothing_behind(void **state)
{
	struct stream *t[6];
	static const int order[] = { 2, 0, 5, 1, 4, 3 };

	(void)state;
	for (int i = 0; i < 6; i++)
		t[i] = listen_as(alice, false, i % 2 == 0 ? shop : 0, 0, -1);
	assert_true(event_listened(&e, shop));
	assert_false(event_listened(&e, blog));
	for (int i = 0; i < 6; i++) {
		say(shop, "x");
		leave(t[order[i]]);
	}
	assert_false(event_listened(&e, shop));
	say(shop, "nobody");
}

static void statistics_are_sent_but_not_kept(void **state)
{
	struct stream *a = listen_as(alice, false, shop, 0, -1);
	int64_t newest;

	(void)state;
	say(shop, "1");
	newest = store_event_newest(e.store);
	event_publish(&e, EVENT_STATS, shop, "prod", "", json_object(), "stats");
	assert_int_equal(a->n, 2);
	assert_int_equal(store_event_newest(e.store), newest);
	leave(a);
}

static void streams_may_outlive_the_hub(void **state)
{
	struct stream *a = listen_as(alice, false, shop, 0, -1);

	(void)state;
	assert_int_equal(store_begin(e.store, NULL), 0);
	say(shop, "pending for ever");
	event_hub_close(&e);
	store_rollback(e.store);
	assert_false(event_listened(&e, shop));
	event_hub_drop(&e, alice);
	say(shop, "stored, sent to nobody");
	assert_int_equal(a->n, 0);
	assert_int_equal(store_event_newest(e.store), 1);
	read_all(a);
	leave(a);
}

static struct stream *come(int64_t user, int64_t project)
{
	struct stream *t = mem_alloc(sizeof(*t));
	struct event_hub_filter f = { .user = user, .project = project, .since = -1, .presence = true };

	event_hub_subscribe(&e, t, &f);
	return t;
}

static void those_in_a_project_know_how_many_they_are(void **state)
{
	struct stream *a = come(alice, shop), *again, *b, *home, *watcher;

	(void)state;
	assert_non_null(strstr(a->last, "\"online\":1"));
	assert_true(event_hub_present(&e, shop, alice));
	assert_false(event_hub_present(&e, shop, bob));
	/* watching is not being there, and is not told */
	watcher = listen_as(bob, false, shop, 0, -1);
	assert_false(event_hub_present(&e, shop, bob));
	assert_int_equal(a->n, 1);
	/* without a project nobody is anywhere */
	home = come(bob, 0);
	assert_int_equal(home->n, 0);
	b = come(bob, shop);
	assert_non_null(strstr(a->last, "\"online\":2"));
	assert_non_null(strstr(b->last, "\"online\":2"));
	assert_string_equal(b->types[0], "online");
	assert_int_equal(b->ids[0], 0);
	assert_int_equal(watcher->n, 0);
	/* a second session of the same person is no second person */
	again = come(alice, shop);
	assert_non_null(strstr(again->last, "\"online\":2"));
	leave(again);
	assert_non_null(strstr(b->last, "\"online\":2"));
	leave(a);
	assert_non_null(strstr(b->last, "\"online\":1"));
	assert_false(event_hub_present(&e, shop, alice));
	leave(b);
	leave(home);
	leave(watcher);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_projects_events_reach_its_people_alone),
		T(filters_are_narrower_never_wider),
		T(a_new_member_sees_from_then_on_a_former_one_no_more),
		T(an_event_is_whole_json),
		T(those_in_a_project_know_how_many_they_are),
		T(long_and_broken_texts_become_valid_ones),
		T(every_type_has_a_name_of_its_own),
		T(events_go_out_with_the_commit),
		T(a_rollback_takes_them_back),
		T(the_last_word_reaches_those_it_removes),
		T(a_rollback_lets_them_stay),
		T(root_is_not_dropped_with_user_zero),
		T(a_return_gets_what_it_missed_then_what_comes),
		T(from_now_on_gives_the_place_to_come_back_to),
		T(ids_from_the_future_and_the_pruned_past_resync),
		T(a_long_past_comes_in_order_and_once),
		T(a_past_that_is_all_of_others_ends),
		T(replay_asks_for_rights_of_today),
		T(replay_of_one_operation),
		T(a_slow_reader_gets_the_past_as_it_reads),
		T(one_that_is_cut_does_not_hold_up_others),
		T(leaving_in_any_order_leaves_nothing_behind),
		T(statistics_are_sent_but_not_kept),
		T(streams_may_outlive_the_hub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
