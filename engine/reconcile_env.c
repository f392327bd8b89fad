/*
 * Passes over deployed environments: the snapshot that a pass works on, and what is written down
 * when it ends.  A release serves when its pass came to the end; it is taken back when it is to blame
 * for the end of its pass, and the one before goes on serving.
 */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/reconcile.h"
#include "engine/reconcile_internal.h"
#include "engine/rollout_login.h"
#include "engine/snapshot.h"
#include "engine/store_env.h"
#include "engine/store_project.h"

#define RECONCILE_PAUSE_MAX_MS 30000

struct env_pass {
	struct reconcile_entry *x;
	struct snapshot s;
};

struct env_note {
	struct reconcile_entry *x;
	int64_t op;
	int version;
	struct rollout_note n;
};

static int env_snapshot(struct env_pass *p, struct cl_err *err);
static void env_work(struct engine *e, void *arg);
static void env_done(struct engine *e, void *arg);
static int env_write(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err);
static int env_serve(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err);
static int env_take_back(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err);
static int env_state(struct engine *e, const struct env_pass *p, const struct store_env *row,
    struct cl_err *err);
static void env_items(struct reconcile_entry *x);
static bool env_complete(const struct env_pass *p);
static int64_t env_pause(const struct env_pass *p);
static void env_note_cb(void *arg, const struct rollout_note *n);
static void env_note(struct engine *e, void *arg);
static void env_note_item(struct reconcile_entry *x, const struct rollout_note *n, const char *tier,
    int number);

bool reconcile_env_start(struct reconcile_entry *x)
{
	struct env_pass *p = mem_alloc(sizeof(*p));
	struct cl_err err = { 0 };

	p->x = x;
	if (env_snapshot(p, &err) != 0) {
		if (err.code != CL_NOT_FOUND)
			log_error("reconcile p%lld-%s: %s", (long long)x->project, x->env, err.message);
		snapshot_clear(&p->s);
		mem_free(p);
		return false;
	}
	engine_work(x->e, env_work, NULL, p);
	return true;
}

static int env_snapshot(struct env_pass *p, struct cl_err *err)
{
	struct reconcile_entry *x = p->x;
	struct rollout *r = &p->s.r;

	if (snapshot_take(x->e, x->project, x->env, &p->s, err) != 0)
		return -1;
	r->poll_ms = x->e->reconcile->reconcile_ms < 200 ? x->e->reconcile->reconcile_ms : 200;
	r->interrupt = &x->interrupt;
	r->news = &x->news;
	r->memory = &x->memory;
	r->note = env_note_cb;
	r->arg = p;
	return 0;
}

static void env_work(struct engine *e, void *arg)
{
	struct env_pass *p = arg;

	rollout_login_run(&p->s.r);
	engine_post(e, env_done, p); /* behind the notes */
}

/* --- what a pass found ------------------------------------------------------------------------ */

static void env_done(struct engine *e, void *arg)
{
	struct env_pass *p = arg;
	struct reconcile_entry *x = p->x;
	struct cl_err err = { 0 };
	struct store_env row;
	int64_t pause;

	x->fails = p->s.r.result == ROLLOUT_OK ? 0 :
	    p->s.r.result == ROLLOUT_AGAIN ? x->fails : x->fails + 1;
	env_items(x);
	pause = env_pause(p);
	/* an engine that stops writes nothing more: the next one looks for itself */
	if (!e->stopping && store_begin(e->store, &err) == 0) {
		if (store_env_get(e->store, x->project, x->env, &row, &err) == 0 &&
		    env_write(e, p, &row, &err) == 0)
			(void)store_commit(e->store, &err);
		else
			store_rollback(e->store);
	}
	if (err.code != CL_OK && err.code != CL_NOT_FOUND)
		log_error("reconcile p%lld-%s: %s", (long long)x->project, x->env, err.message);
	reconcile_entry_done(x, pause);
	snapshot_clear(&p->s);
	mem_free(p);
}

static int env_write(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err)
{
	const struct rollout *r = &p->s.r;
	bool current = row->desired == r->wanted.version;

	if (r->result == ROLLOUT_AGAIN)
		return 0;
	if (r->result == ROLLOUT_UNAVAILABLE) {
		e->reconcile->hooks.waits(e, p->x->project, p->x->env, r->err.message);
		return 0;
	}
	if (r->result == ROLLOUT_FAILED && r->release_failed)
		return current ? env_take_back(e, p, row, err) : 0;
	if (r->result == ROLLOUT_FAILED) {
		log_warn("p%lld-%s: %s", (long long)p->x->project, p->x->env, r->err.message);
		e->reconcile->hooks.settled(e, p->x->project, p->x->env, p->x->passing, &r->err, "");
		return store_env_set_state(e->store, row->id, row->serving > 0 ? "degraded" : "failed",
		    r->err.message, err);
	}
	if (current && row->desired > 0 && row->serving != row->desired)
		return env_serve(e, p, row, err);
	return env_state(e, p, row, err);
}

static int env_serve(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err)
{
	char url[300];

	manifest_url(url, sizeof(url), row->host, (int)config_int("edge.port"));
	if (store_env_set_release(e->store, row->id, row->desired, row->desired, err) != 0 ||
	    store_env_release_serve(e->store, row->project, row->name, row->desired, err) != 0 ||
	    store_env_set_state(e->store, row->id, "serving", "", err) != 0)
		return -1;
	event_publish(e, EVENT_RELEASE_SERVING, row->project, row->name, "",
	    json_pack("{s:i, s:s}", "version", row->desired, "url", url),
	    "release v%d serving at %s", row->desired, url);
	e->reconcile->hooks.settled(e, row->project, row->name, p->x->passing, NULL, url);
	return 0;
}

static int env_take_back(struct engine *e, struct env_pass *p, const struct store_env *row,
    struct cl_err *err)
{
	const struct cl_err *why = &p->s.r.err;

	if (store_env_release_set(e->store, row->project, row->name, row->desired, "failed",
	    why->message, NULL, NULL, err) != 0 ||
	    store_env_set_release(e->store, row->id, row->serving, row->serving, err) != 0 ||
	    store_env_set_state(e->store, row->id, row->serving > 0 ? "serving" : "failed",
	    row->serving > 0 ? "" : why->message, err) != 0)
		return -1;
	event_publish(e, EVENT_RELEASE_FAILED, row->project, row->name, "",
	    json_pack("{s:i, s:s}", "version", row->desired, "reason", why->message),
	    "release v%d failed: %.400s%s", row->desired, why->message,
	    row->serving > 0 ? " (the release before goes on serving)" : "");
	e->reconcile->hooks.failed(e, p->s.op, why);
	(void)reconcile_kick(e, row->project, row->name);
	return 0;
}

static int env_state(struct engine *e, const struct env_pass *p, const struct store_env *row,
    struct cl_err *err)
{
	const char *state = row->desired == 0 ? (strcmp(row->state, "failed") == 0 ? "failed" :
	    "absent") : env_complete(p) ? "serving" : "degraded";
	char url[300];

	manifest_url(url, sizeof(url), row->host, (int)config_int("edge.port"));
	if (strcmp(state, row->state) != 0 && store_env_set_state(e->store, row->id, state,
	    strcmp(state, "degraded") == 0 ? row->reason : "", err) != 0)
		return -1;
	if (env_complete(p))
		e->reconcile->hooks.settled(e, row->project, row->name, p->x->passing, NULL,
		    row->serving > 0 ? url : "");
	return 0;
}

/* Is every wanted number there and ready? */
static bool env_complete(const struct env_pass *p)
{
	const struct rollout *r = &p->s.r;

	for (int t = 0; t < PLAN_TIERS; t++) {
		int ready = 0;
		int want = r->wanted.version == 0 ? 0 :
		    t == PLAN_DB && r->manifest.db == NULL ? 0 :
		    r->load[t].max > 0 ? r->load[t].min : r->want[t];

		for (size_t i = 0; i < p->x->memory.nknown; i++) {
			const struct rollout_known *k = &p->x->memory.known[i];

			if (k->ours && k->ready && plan_tier_parse(k->seen.tier) == t)
				ready++;
		}
		if (ready < want)
			return false;
	}
	return true;
}

/* The memory is ours again: what is shown is made anew from it. */
static void env_items(struct reconcile_entry *x)
{
	x->nitems = 0;
	for (size_t i = 0; i < x->memory.nknown; i++) {
		const struct rollout_known *k = &x->memory.known[i];
		struct reconcile_item *it;

		if (!k->ours)
			continue;
		it = reconcile_entry_item(x, k->seen.tier, k->seen.n, k->seen.release, true);
		(void)mem_copy_str(it->container, sizeof(it->container), k->seen.name);
		(void)mem_copy_str(it->state, sizeof(it->state), k->ready ? "ready" :
		    k->seen.state == BACKEND_EXITED ? "failed" : "starting");
		it->started_ms = k->seen.started_ms;
		for (size_t s = 0; s < x->memory.nslots; s++)
			if (x->memory.slots[s].n == k->seen.n &&
			    (int)x->memory.slots[s].tier == plan_tier_parse(k->seen.tier))
				it->restarts = x->memory.slots[s].restarts;
	}
}

/* How long until the next look: the usual round, soon and then less often after failures, sooner when something is held back. */
static int64_t env_pause(const struct env_pass *p)
{
	const struct reconcile *rc = p->x->e->reconcile;
	bool well = p->s.r.result == ROLLOUT_OK;
	int64_t pause = well ? reconcile_round_ms(rc) : reconcile_pause_ms(rc->reconcile_ms, true), now = clock_ms();

	if (p->s.r.result == ROLLOUT_AGAIN || (p->s.r.result == ROLLOUT_FAILED && p->x->fails < 2))
		return 0;
	if (!well)
		for (int i = 1; i < p->x->fails && pause < RECONCILE_PAUSE_MAX_MS; i++)
			pause *= 2;
	for (size_t i = 0; i < p->x->memory.nslots; i++) {
		int64_t left = p->x->memory.slots[i].hold_ms - now;

		if (left > 0 && left < pause)
			pause = left;
	}
	return well || pause < RECONCILE_PAUSE_MAX_MS ? pause : RECONCILE_PAUSE_MAX_MS;
}

/* --- notes: from the worker to the loop ------------------------------------------------------- */

static void env_note_cb(void *arg, const struct rollout_note *n)
{
	const struct env_pass *p = arg;
	struct env_note *copy = mem_alloc(sizeof(*copy));

	copy->x = p->x;
	copy->op = p->s.row.serving != p->s.r.wanted.version ? p->s.op : 0;
	copy->version = p->s.r.wanted.version;
	copy->n = *n;
	engine_post(p->x->e, env_note, copy);
}

static void env_note_migrated(struct engine *e, const struct env_note *note)
{
	struct cl_err err = { 0 };
	struct store_release row;
	struct release r;

	release_init(&r);
	if (store_env_release_get(e->store, note->x->project, note->x->env, note->version, &row, &r,
	    &err) == 0) {
		cl_autofree char *text = NULL;

		r.migrated = true;
		text = release_print(&r);
		(void)store_env_release_set(e->store, note->x->project, note->x->env, note->version,
		    row.result, NULL, NULL, text, &err);
	}
	release_clear(&r);
	if (err.code != CL_OK)
		log_error("release v%d: %s", note->version, err.message);
}

static void env_note(struct engine *e, void *arg)
{
	static const struct {
		enum event_type event;
		const char *words;
	} facts[] = {
		[ROLLOUT_STARTING] = { EVENT_INSTANCE_STARTING, "starting" },
		[ROLLOUT_READY] = { EVENT_INSTANCE_READY, "ready" },
		[ROLLOUT_DRAINING] = { EVENT_INSTANCE_DRAINING, "draining" },
		[ROLLOUT_GONE] = { EVENT_INSTANCE_GONE, "removed" },
	};
	struct env_note *note = arg;
	const struct rollout_note *n = &note->n;
	char words[64];

	if (n->fact == ROLLOUT_LINE) {
		e->reconcile->hooks.line(e, note->op, n->text);
	} else if (n->fact == ROLLOUT_STEP) {
		e->reconcile->hooks.step(e, note->op, n->text);
	} else if (n->fact == ROLLOUT_MIGRATED) {
		env_note_migrated(e, note);
	} else {
		char tier[8];
		int number = 0;
		size_t dash = strcspn(n->instance, "-");

		(void)snprintf(tier, sizeof(tier), "%.*s", (int)(dash < 7 ? dash : 7), n->instance);
		(void)sscanf(n->instance + dash, "-%d", &number);
		(void)snprintf(words, sizeof(words), "%s", facts[n->fact].words);
		if (n->fact == ROLLOUT_GONE && !n->expected && n->exit_code >= 0)
			(void)snprintf(words, sizeof(words), "exited %d, is replaced", n->exit_code);
		else if (n->fact == ROLLOUT_GONE && !n->expected)
			(void)snprintf(words, sizeof(words), "disappeared, is replaced");
		env_note_item(note->x, n, tier, number);
		event_publish(e, facts[n->fact].event, note->x->project, note->x->env, "",
		    n->fact == ROLLOUT_GONE ? json_pack("{s:s, s:i, s:i, s:b}", "instance",
		    n->instance, "release", n->release, "exit", n->exit_code, "expected",
		    n->expected) : json_pack("{s:s, s:i}", "instance", n->instance, "release",
		    n->release), "%s %s", n->instance, words);
		if (note->op != 0 && n->fact != ROLLOUT_GONE) {
			char step[128];

			(void)snprintf(step, sizeof(step), "%s %s", n->instance, words);
			e->reconcile->hooks.step(e, note->op, step);
		}
	}
	mem_free(note);
}

/* What is shown while the pass still runs. */
static void env_note_item(struct reconcile_entry *x, const struct rollout_note *n, const char *tier,
    int number)
{
	struct reconcile_item *it;

	it = reconcile_entry_item(x, tier, number, n->release, n->fact == ROLLOUT_STARTING);
	if (it == NULL)
		return;
	if (n->fact == ROLLOUT_GONE) {
		*it = x->items[--x->nitems];
		return;
	}
	if (n->fact == ROLLOUT_STARTING) {
		manifest_name(it->container, sizeof(it->container), x->project, x->env, tier, number,
		    n->release);
		it->started_ms = clock_unix_ms();
	}
	(void)mem_copy_str(it->state, sizeof(it->state), n->fact == ROLLOUT_STARTING ? "starting" :
	    n->fact == ROLLOUT_READY ? "ready" : "draining");
}
