/*
 * The entries and what wakes them.
 *
 *   kick (something else is wanted) ──► interrupt the pass that runs, start the next at once
 *   poke (the backend told of a change) ──► one more pass after the one that runs
 *   tick (every engine.reconcile_ms) ──► a pass where none ran lately: the round, which leaves half of the threads
 *                                        to those that somebody waits for
 *
 * One timer waits for the soonest of all that is due; what is due later than now is looked at in steps of
 * RECONCILE_STEP_MS, so that many entries wake the loop together.
 *
 * A watcher thread asks the backend whether it is there and then listens to it.
 */
#include "engine/reconcile.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/reconcile_internal.h"
#include "engine/stacks.h"
#include "engine/store_env.h"
#include "engine/store_project.h"

#define RECONCILE_STEP_MS 100
#define RECONCILE_ROUNDS 16 /* passes at once that nobody asked for; there are 32 threads */

struct reconcile_change {
	struct backend_change change;
	bool up, down;
	char why[512];
};

static int reconcile_load(struct engine *e, struct cl_err *err);
static void reconcile_tick_cb(uv_timer_t *t);
static void reconcile_due(struct reconcile *rc, int64_t at);
static bool reconcile_waits(const struct reconcile_entry *x);
static void reconcile_begin(struct reconcile_entry *x);
static void reconcile_watch(void *arg);
static void reconcile_watch_cb(void *arg, const struct backend_change *c);
static void reconcile_post_state(struct reconcile *rc, bool up, const char *why);
static void reconcile_change(struct engine *e, void *arg);
static void reconcile_poke(struct engine *e, const char *name);
static struct reconcile_entry *reconcile_of(const struct reconcile *rc, int64_t project);
static struct reconcile_entry *reconcile_of_next(const struct reconcile_entry *x);
static bool reconcile_stopped(void *arg);
static void reconcile_handle_closed_cb(uv_handle_t *h);
static void reconcile_sweep(struct engine *e, void *arg);
static void reconcile_swept(struct engine *e, void *arg);

int reconcile_open(struct engine *e, const struct reconcile_hooks *hooks, struct cl_err *err)
{
	struct reconcile *rc = mem_alloc(sizeof(*rc));

	rc->e = e;
	rc->hooks = *hooks;
	rc->reconcile_ms = (int)config_int("engine.reconcile_ms");
	rc->due_ms = INT64_MAX;
	if (stacks_open(e, err) != 0) {
		mem_free(rc);
		return -1;
	}
	e->reconcile = rc;
	(void)uv_timer_init(e->loop, &rc->tick);
	rc->tick.data = rc;
	rc->open_handles = 1;
	return 0;
}

int reconcile_start(struct engine *e, struct cl_err *err)
{
	struct reconcile *rc = e->reconcile;

	if (reconcile_load(e, err) != 0)
		return -1;
	reconcile_wake(e);
	/* before operations go on: the one-off containers of an engine that was killed */
	rc->running++;
	engine_work(e, reconcile_sweep, reconcile_swept, NULL);
	if (uv_thread_create(&rc->watcher, reconcile_watch, rc) != 0)
		return err_set(err, CL_FAILED, "reconcile: no thread to watch the backend");
	rc->watching = true;
	return 0;
}

void reconcile_stop(struct engine *e)
{
	struct reconcile *rc = e->reconcile;

	atomic_store(&rc->stop, true);
	if (rc->e->backend.ops->watch_wake != NULL)
		rc->e->backend.ops->watch_wake(&rc->e->backend);
	for (struct reconcile_entry *x = rc->entries; x != NULL; x = x->next)
		atomic_store(&x->interrupt, true);
	(void)uv_timer_stop(&rc->tick);
	uv_close((uv_handle_t *)&rc->tick, reconcile_handle_closed_cb);
	if (rc->watching)
		(void)uv_thread_join(&rc->watcher);
}

bool reconcile_working(const struct engine *e)
{
	return e->reconcile->running > 0 || e->reconcile->open_handles > 0;
}

void reconcile_close(struct engine *e)
{
	struct reconcile *rc = e->reconcile;

	if (rc->running > 0)
		log_warn("reconcile: %d passes did not end in time", rc->running);
	while (rc->entries != NULL && rc->running == 0) {
		struct reconcile_entry *x = rc->entries;

		rc->entries = x->next;
		rollout_clear_memory(&x->memory);
		mem_free(x->items);
		mem_free(x);
	}
	hash_clear(&rc->by_project);
	stacks_close(e);
	mem_free(rc);
	e->reconcile = NULL;
}

void reconcile_restart_dev(struct engine *e, int64_t project)
{
	reconcile_entry_find(e, project, "ide", true)->restart = true;
}

void reconcile_renew_dev(struct engine *e, int64_t project)
{
	reconcile_entry_find(e, project, "ide", true)->renew = true;
}

bool reconcile_hold_dev(struct engine *e, int64_t project, bool hold)
{
	struct reconcile_entry *x = reconcile_entry_find(e, project, "ide", true);

	x->held = hold;
	if (hold && x->running)
		atomic_store(&x->interrupt, true);
	else if (!hold)
		reconcile_due(e->reconcile, x->wake_ms);
	return !x->running;
}

bool reconcile_dev_held(struct engine *e, int64_t project)
{
	const struct reconcile_entry *x = reconcile_entry_find(e, project, "ide", false);

	return x != NULL && x->held;
}

uint64_t reconcile_kick(struct engine *e, int64_t project, const char *env)
{
	struct reconcile_entry *x = reconcile_entry_find(e, project, env, true);

	x->kicked++;
	x->wake_ms = 0;
	for (size_t i = 0; !x->running && i < x->memory.nslots; i++)
		x->memory.slots[i].hold_ms = 0; /* a person asked: try again now */
	atomic_store(&x->interrupt, true);
	reconcile_wake(e);
	return x->kicked;
}

void reconcile_wake(struct engine *e)
{
	reconcile_due(e->reconcile, 0);
}

bool reconcile_forget(struct engine *e, int64_t project)
{
	struct reconcile *rc = e->reconcile;
	bool idle = true;

	for (struct reconcile_entry *x = reconcile_of(rc, project); x != NULL; x = reconcile_of_next(x)) {
		rc->envs -= !x->forgotten && strcmp(x->env, "ide") != 0;
		x->forgotten = true;
		atomic_store(&x->interrupt, true);
		idle = idle && !x->running;
	}
	return idle;
}

void reconcile_each_seen(struct engine *e, int64_t project, const char *env,
    void (*cb)(void *arg, const struct reconcile_seen *s), void *arg)
{
	const struct reconcile_entry *x = reconcile_entry_find(e, project, env, false);

	for (size_t i = 0; x != NULL && i < x->nitems; i++) {
		const struct reconcile_item *it = &x->items[i];
		struct reconcile_seen s = { .tier = it->tier, .container = it->container,
			.state = it->state, .n = it->n, .release = it->release,
			.restarts = it->restarts, .started_ms = it->started_ms };

		cb(arg, &s);
	}
}

bool reconcile_dev_running(struct engine *e, int64_t project)
{
	const struct reconcile_entry *x = reconcile_entry_find(e, project, "ide", false);

	return x != NULL && x->dev_running && !x->restart && !x->renew;
}

void reconcile_explain(struct engine *e, int64_t project, const char *env, const int want[3],
    bool new_release, struct buf *out)
{
	const struct reconcile_entry *x = reconcile_entry_find(e, project, env, false);
	struct plan_seen seen[3 * PLAN_N_MAX];
	struct plan_want w = { .project = project };
	struct plan plan;
	size_t n = 0;

	(void)mem_copy_str(w.env, sizeof(w.env), env);
	w.migrate = new_release;
	for (int t = 0; t < PLAN_TIERS; t++) {
		w.tiers[t].want = want[t];
		w.tiers[t].routed = t != PLAN_DB;
	}
	for (size_t i = 0; x != NULL && i < x->nitems && n < CL_COUNT(seen); i++) {
		const struct reconcile_item *it = &x->items[i];
		int t = plan_tier_parse(it->tier);

		if (t < 0)
			continue;
		if (it->release > w.tiers[t].release)
			w.tiers[t].release = it->release;
		seen[n] = (struct plan_seen){ .tier = (enum plan_tier_id)t, .n = it->n,
			.release = it->release, .state = BACKEND_RUNNING, .ready = true,
			.routed = t != PLAN_DB };
		(void)mem_copy_str(seen[n++].name, sizeof(seen[0].name), it->container);
	}
	w.tiers[PLAN_WAS].release += new_release;
	plan_make(&w, seen, n, &plan);
	plan_print(&plan, out);
	plan_clear(&plan);
}

struct reconcile_entry *reconcile_entry_find(struct engine *e, int64_t project, const char *env,
    bool make)
{
	struct reconcile *rc = e->reconcile;
	struct reconcile_entry *x;

	for (x = reconcile_of(rc, project); x != NULL; x = reconcile_of_next(x))
		if (strcmp(x->env, env) == 0)
			return x;
	if (!make)
		return NULL;
	x = mem_alloc(sizeof(*x));
	x->e = e;
	x->project = project;
	(void)mem_copy_str(x->env, sizeof(x->env), env);
	x->next = rc->entries;
	rc->entries = x;
	rc->envs += strcmp(env, "ide") != 0;
	hash_add(&rc->by_project, &x->by_project, hash_number((uint64_t)project));
	reconcile_wake(e);
	return x;
}

int64_t reconcile_round_ms(const struct reconcile *rc)
{
	int64_t spread = rc->envs * rc->e->backend.ops->round_ms;

	return spread > rc->reconcile_ms ? spread : rc->reconcile_ms;
}

struct reconcile_item *reconcile_entry_item(struct reconcile_entry *x, const char *tier, int n,
    int release, bool make)
{
	struct reconcile_item *it;

	for (size_t i = 0; i < x->nitems; i++)
		if (x->items[i].n == n && x->items[i].release == release &&
		    strcmp(x->items[i].tier, tier) == 0)
			return &x->items[i];
	if (!make)
		return NULL;
	x->items = mem_resize(x->items, x->nitems + 1, sizeof(*x->items));
	it = &x->items[x->nitems++];
	memset(it, 0, sizeof(*it));
	(void)mem_copy_str(it->tier, sizeof(it->tier), tier);
	it->n = n;
	it->release = release;
	return it;
}

void reconcile_entry_done(struct reconcile_entry *x, int64_t pause_ms)
{
	struct reconcile *rc = x->e->reconcile;
	bool others = x->round && rc->rounds >= RECONCILE_ROUNDS; /* waited for this one to end */

	x->running = false;
	rc->running--;
	rc->rounds -= x->round;
	x->round = false;
	if (x->again || x->kicked != x->passing)
		pause_ms = 0;
	x->again = false;
	x->wake_ms = pause_ms > 0 ? clock_ms() + pause_ms : 0;
	reconcile_due(rc, others ? 0 : x->wake_ms);
}

/* A project's entries; no two projects have one hash. */
static struct reconcile_entry *reconcile_of(const struct reconcile *rc, int64_t project)
{
	struct hash_node *n = hash_first(&rc->by_project, hash_number((uint64_t)project));

	return n != NULL ? HASH_OF(n, struct reconcile_entry, by_project) : NULL;
}

static struct reconcile_entry *reconcile_of_next(const struct reconcile_entry *x)
{
	struct hash_node *n = hash_next(&x->by_project);

	return n != NULL ? HASH_OF(n, struct reconcile_entry, by_project) : NULL;
}

static int reconcile_env_cb(void *arg, const struct store_env *row)
{
	reconcile_entry_find(arg, row->project, row->name, true)->wake_ms = 1; /* long ago; not asked for */
	return 0;
}

static int reconcile_project_cb(void *arg, const struct store_project *p)
{
	if (p->dev_want)
		(void)reconcile_entry_find(arg, p->id, "ide", true);
	return 0;
}

static int reconcile_load(struct engine *e, struct cl_err *err)
{
	if (store_env_each(e->store, 0, reconcile_env_cb, e, err) != 0)
		return -1;
	return store_project_each(e->store, 0, reconcile_project_cb, e, err);
}

/* The tick comes at that moment (clock_ms()), or sooner for another's sake. */
static void reconcile_due(struct reconcile *rc, int64_t at)
{
	int64_t now = clock_ms();

	if (at > now && at < INT64_MAX - RECONCILE_STEP_MS)
		at += RECONCILE_STEP_MS - at % RECONCILE_STEP_MS;
	if (rc->e->stopping || at >= rc->due_ms)
		return;
	rc->due_ms = at;
	uv_update_time(rc->e->loop); /* its clock stands while callbacks run */
	(void)uv_timer_start(&rc->tick, reconcile_tick_cb, at > now ? (uint64_t)(at - now) : 0, 0);
}

static bool reconcile_waits(const struct reconcile_entry *x)
{
	return !x->running && !x->forgotten && !x->held;
}

static void reconcile_tick_cb(uv_timer_t *t)
{
	struct reconcile *rc = t->data;
	int64_t now = clock_ms(), next;

	rc->due_ms = INT64_MAX;
	if (rc->e->stopping)
		return;
	next = rc->hooks.tick(rc->e);
	for (struct reconcile_entry *x = rc->entries; x != NULL; x = x->next) {
		bool later = x->wake_ms != 0 && rc->rounds >= RECONCILE_ROUNDS; /* woken when one of these ends */

		if (reconcile_waits(x) && x->wake_ms <= now && !later)
			reconcile_begin(x);
		if (reconcile_waits(x) && x->wake_ms < next && !(later && x->wake_ms <= now))
			next = x->wake_ms;
	}
	reconcile_due(rc, next);
}

static void reconcile_begin(struct reconcile_entry *x)
{
	bool ide = strcmp(x->env, "ide") == 0;

	x->passing = x->kicked;
	x->running = true;
	x->round = x->wake_ms != 0;
	x->e->reconcile->rounds += x->round;
	atomic_store(&x->interrupt, false);
	x->e->reconcile->running++;
	if (ide ? reconcile_dev_start(x) : reconcile_env_start(x))
		return;
	reconcile_entry_done(x, x->e->reconcile->reconcile_ms);
}

/* --- the backend's own news ------------------------------------------------------------------- */

static bool reconcile_stopped(void *arg)
{
	struct reconcile *rc = arg;

	return atomic_load(&rc->stop);
}

static void reconcile_watch(void *arg)
{
	struct reconcile *rc = arg;
	struct backend *b = &rc->e->backend;

	if (b->ops->watch_begin != NULL)
		b->ops->watch_begin(b, reconcile_watch_cb, reconcile_stopped, rc);
	while (!reconcile_stopped(rc)) {
		struct cl_err err = { 0 };

		if (b->ops->ping(b, &err) == 0) {
			reconcile_post_state(rc, true, "");
			if (b->ops->watch(b, reconcile_watch_cb, reconcile_stopped, rc, &err) == 0)
				continue;
		}
		reconcile_post_state(rc, false, err.message);
		for (int i = 0; i < 20 && !reconcile_stopped(rc); i++)
			uv_sleep(50);
	}
	if (b->ops->watch_end != NULL)
		b->ops->watch_end(b);
}

static void reconcile_watch_cb(void *arg, const struct backend_change *c)
{
	struct reconcile *rc = arg;
	struct reconcile_change *n;

	if (reconcile_stopped(rc) || strcmp(c->what, "start") == 0)
		return;
	n = mem_alloc(sizeof(*n));
	n->change = *c;
	engine_post(rc->e, reconcile_change, n);
}

static void reconcile_post_state(struct reconcile *rc, bool up, const char *why)
{
	struct reconcile_change *n = mem_alloc(sizeof(*n));

	n->up = up;
	n->down = !up;
	(void)mem_copy_str(n->why, sizeof(n->why), why);
	engine_post(rc->e, reconcile_change, n);
}

/* A cluster beside what this machine runs: its going and coming is told, what is known stays. */
static void reconcile_cluster(struct engine *e, const struct backend_change *c)
{
	bool back = strcmp(c->what, "back") == 0;
	const char *state = back ? "ready" : "degraded", *why = back ? "" : c->name;

	log_info("cluster: %s%s", back ? "it answers again" : "away: ", why);
	if (strcmp(e->backend_state, "down") != 0) {
		(void)mem_copy_str(e->backend_state, sizeof(e->backend_state), state);
		(void)mem_copy_str(e->backend_error, sizeof(e->backend_error), why);
	}
	event_publish(e, EVENT_BACKEND_STATE, 0, NULL, "", json_pack("{s:s, s:s}", "state", state, "reason",
	    why), "cluster: %s%s", back ? "it answers again" : "it does not answer: ", why);
	if (back)
		reconcile_poke(e, "");
}

static void reconcile_change(struct engine *e, void *arg)
{
	struct reconcile_change *n = arg;
	const char *state = n->up ? "ready" : "down";

	if (e->reconcile == NULL || e->stopping) {
		mem_free(n);
		return;
	}
	if (strcmp(n->change.what, "away") == 0 || strcmp(n->change.what, "back") == 0) {
		reconcile_cluster(e, &n->change);
	} else if (!n->up && !n->down) {
		reconcile_poke(e, strcmp(n->change.what, "resync") == 0 ? "" : n->change.name);
	} else if (strcmp(e->backend_state, state) != 0 || strcmp(e->backend_error, n->why) != 0) {
		log_info("backend %s: %s%s%s", e->backend.ops->name, state, n->down ? ": " : "", n->why);
		(void)mem_copy_str(e->backend_state, sizeof(e->backend_state), state);
		(void)mem_copy_str(e->backend_error, sizeof(e->backend_error), n->why);
		event_publish(e, EVENT_BACKEND_STATE, 0, NULL, "", json_pack("{s:s, s:s}", "state",
		    state, "reason", n->why), "container runtime: %s", n->up ? state : n->why);
		if (n->up) {
			reconcile_poke(e, "");
			e->reconcile->hooks.up(e);
		}
	}
	mem_free(n);
}

static void reconcile_poke_one(struct reconcile_entry *x)
{
	x->again = x->running;
	x->wake_ms = 0;
	atomic_store(&x->news, true);
}

/* "p12-prod-was-3-r7" or "p12-dev"; "" = everything. */
static void reconcile_poke(struct engine *e, const char *name)
{
	char *end = NULL;
	int64_t project = name[0] == 'p' ? strtoll(name + 1, &end, 10) : 0;
	char env[8] = "";

	if (end != NULL && *end == '-') {
		size_t n = strcspn(end + 1, "-");

		if (end[1 + n] == '\0')
			(void)mem_copy_str(env, sizeof(env), "ide");
		else if (n < sizeof(env))
			memcpy(env, end + 1, n);
	}
	if (name[0] != '\0') {
		struct reconcile_entry *x = reconcile_entry_find(e, project, env, false);

		if (x != NULL)
			reconcile_poke_one(x);
	}
	for (struct reconcile_entry *x = e->reconcile->entries; name[0] == '\0' && x != NULL; x = x->next) {
		reconcile_poke_one(x);
		if (!x->running)
			x->memory.route_set = false; /* the edge may be a new one */
	}
	reconcile_wake(e);
}

/* Builds and migrations that an engine left behind. */
static void reconcile_sweep(struct engine *e, void *arg)
{
	struct backend_list list = { 0 };
	struct cl_err err = { 0 };

	(void)arg;
	if (e->backend.ops->observe(&e->backend, 0, false, &list, &err) != 0)
		return;
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.items[i].env, "job") == 0)
			(void)e->backend.ops->remove(&e->backend, list.items[i].name, 0, &err);
	backend_list_clear(&list);
}

static void reconcile_swept(struct engine *e, void *arg)
{
	(void)arg;
	e->reconcile->running--;
	if (!e->stopping)
		e->reconcile->hooks.swept(e);
}

static void reconcile_handle_closed_cb(uv_handle_t *h)
{
	struct reconcile *rc = h->data;

	rc->open_handles--;
}
