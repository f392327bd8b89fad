/*
 * Environments as a whole: see rollout_whole.h.  The cluster rolls out, heals and keeps the old release serving
 * until the new one answers; what is ours is to say what is wanted, to migrate before, to wait, and to tell.
 *
 *   db applied ─ ready ─ migrated ─ all applied ─ looked at ──► OK
 *                                                    │    └──► AGAIN (something newer is wanted)
 *                                                    └──► FAILED: the release (it is taken back)
 */
#include "engine/rollout_whole.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_MS 500
#define LOOK_SOON_MS 60          /* after news: what looks after a pod writes down a moment later that it is ready */
#define LOOK_STEP_MS 20
#define TAIL_LINES 20
#define PREPARE_MS 600000

struct lines {                   /* output on its way to the operation's log */
	struct rollout *r;
	char last[200];
};

static int apply(struct rollout *r);
static int disappear(struct rollout *r);
static int migrate(struct rollout *r, struct backend_env *e);
static int wait_for(struct rollout *r, const struct backend_env *e);
static void look_anyway(struct rollout *r, const struct backend_env *e);
static int nap(struct rollout *r, int ms);
static int failed(struct rollout *r, const struct backend_env_state *st, bool late);
static void learn(struct rollout *r, const struct backend_env *e, const struct backend_env_state *st);
static void tell(struct rollout *r, enum rollout_fact fact, const struct backend_instance *i);
static void step(struct rollout *r, const char *text);
static bool stop_cb(void *arg);
static void line_cb(void *arg, const char *line, size_t len);

void rollout_whole_run(struct rollout *r)
{
	int rc = r->gone || r->wanted.version == 0 ? disappear(r) : apply(r);

	r->result = rc == 0 ? ROLLOUT_OK : rc == 1 ? ROLLOUT_AGAIN :
	    r->err.code == CL_UNAVAILABLE ? ROLLOUT_UNAVAILABLE : ROLLOUT_FAILED;
	if (r->result == ROLLOUT_FAILED)
		r->release_failed = r->wanted.version > 0 && r->wanted.version != r->old.version;
}

int rollout_whole_env(struct manifest *m, const int want[PLAN_TIERS], struct backend_env *out,
    struct cl_err *err)
{
	memset(out, 0, sizeof(*out));
	out->project = m->project;
	(void)mem_copy_str(out->env, sizeof(out->env), m->env);
	(void)mem_copy_str(out->name, sizeof(out->name), m->name);
	(void)mem_copy_str(out->owner, sizeof(out->owner), m->owner);
	if (!m->release || m->release->version == 0)
		return 0;
	for (int t = PLAN_DB; t < PLAN_TIERS; t++) {
		struct backend_tier *tier = &out->tiers[out->ntiers];
		int rc;

		if (t == PLAN_DB && !m->db)
			continue;
		tier->want = want[t];
		rc = t == PLAN_DB ? manifest_db(m, &tier->spec, err) : t == PLAN_WAS ?
		    manifest_was(m, 1, &tier->spec, err) : manifest_web(m, 1, &tier->spec, err);
		if (rc != 0) {
			rollout_whole_clear(out);
			return -1;
		}
		out->ntiers++;
	}
	return 0;
}

void rollout_whole_clear(struct backend_env *e)
{
	for (size_t i = 0; i < e->ntiers; i++)
		manifest_clear(&e->tiers[i].spec);
	e->ntiers = 0;
}

int rollout_whole_wanted(struct rollout *r, struct backend_env *e, struct cl_err *err)
{
	(void)snprintf(r->db_host, sizeof(r->db_host), "%s-db", r->manifest.name);
	r->manifest.release = &r->wanted;
	r->manifest.db_host = r->db_host;
	if (rollout_whole_env(&r->manifest, r->want, e, err) != 0)
		return -1;
	for (size_t i = 0; i < e->ntiers; i++) {
		const struct rollout_load *by = &r->load[plan_tier_parse(e->tiers[i].spec.tier)];

		e->tiers[i].min = by->min;
		e->tiers[i].max = by->max;
		e->tiers[i].cpu = by->cpu;
	}
	e->route = &r->route;
	(void)mem_copy_str(e->target, sizeof(e->target), r->route.target);
	return mem_copy_str(e->host, sizeof(e->host), r->route.host);
}

static int apply(struct rollout *r)
{
	struct lines out = { .r = r };
	struct backend_job job = { .line = line_cb, .cancelled = stop_cb, .arg = &out, .timeout_s = 1800 };
	struct backend_env e;
	int rc = 0;

	if (rollout_whole_wanted(r, &e, &r->err) != 0)
		return -1;
	if (!r->wanted.migrated)
		rc = migrate(r, &e);
	if (rc == 0)
		rc = r->backend->ops->env_apply(r->backend, &e, &job, &r->err);
	if (rc != 0 && r->interrupt && atomic_load(r->interrupt))
		rc = 1;
	if (rc == 0) {
		r->memory->route_set = true;
		rc = wait_for(r, &e);
	}
	if (rc == 0 && r->backend->ops->env_ready != NULL)
		rc = r->backend->ops->env_ready(r->backend, &e, &r->err);
	if (rc == -1 && r->err.code == CL_UNAVAILABLE)
		look_anyway(r, &e);
	rollout_whole_clear(&e);
	return rc;
}

/* What it takes to apply it is away: what runs is seen all the same. */
static void look_anyway(struct rollout *r, const struct backend_env *e)
{
	struct backend_env_state st;
	struct cl_err ignored = { 0 };

	if (r->backend->ops->env_look(r->backend, e, &st, &ignored) != 0)
		return;
	learn(r, e, &st);
	backend_list_clear(&st.list);
}

static int disappear(struct rollout *r)
{
	struct backend_env e;
	struct backend_env_state none = { 0 };
	int rc;

	r->manifest.release = NULL;
	(void)rollout_whole_env(&r->manifest, r->want, &e, &r->err);
	e.route = &r->route;
	(void)mem_copy_str(e.target, sizeof(e.target), r->route.target);
	while ((rc = r->backend->ops->env_remove(r->backend, &e, r->gone, &r->err)) == 1) {
		if (stop_cb(&(struct lines){ .r = r }))
			return 1;
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	if (rc != 0)
		return -1;
	learn(r, &e, &none);
	r->memory->route_set = false;
	return r->backend->ops->route_unset(r->backend, &r->route, &r->err);
}

/* The database alone, then the release's command beside it, to its end. */
static int migrate(struct rollout *r, struct backend_env *e)
{
	struct lines out = { .r = r };
	struct backend_job job = { .line = line_cb, .cancelled = stop_cb, .arg = &out, .timeout_s = 600 };
	size_t all = e->ntiers;
	struct backend_spec spec;
	int status = 0, rc = 0;

	if (r->wanted.migrate) {
		if (r->manifest.db) {
			e->ntiers = 1;
			rc = r->backend->ops->env_apply(r->backend, e, &job, &r->err);
			rc = rc == 0 ? wait_for(r, e) : rc;
			e->ntiers = all;
		}
		if (rc != 0)
			return rc;
		step(r, "migrating the database");
		if (manifest_migrate(&r->manifest, r->op, &spec, &r->err) != 0)
			return -1;
		rc = r->backend->ops->env_run(r->backend, e, &spec, &job, &status, &r->err);
		manifest_clear(&spec);
		if (rc != 0)
			return -1;
	}
	if (status != 0)
		return err_set(&r->err, CL_FAILED, "migration: ended with status %d%s%s", status,
		    out.last[0] ? ": " : "", out.last);
	r->wanted.migrated = true;
	tell(r, ROLLOUT_MIGRATED, NULL);
	return 0;
}

static int wait_for(struct rollout *r, const struct backend_env *e)
{
	int64_t until = clock_ms() + r->health_timeout_ms, end = clock_ms() + PREPARE_MS;
	char said[300] = "";
	int pause = LOOK_MS;

	for (;;) {
		struct backend_env_state st;
		bool late = clock_ms() > until, complete;
		int rc = 0;

		if (r->backend->ops->env_look(r->backend, e, &st, &r->err) != 0)
			return -1;
		learn(r, e, &st);
		complete = st.complete;
		if (st.preparing && clock_ms() < end) /* pulling an image takes what it takes */
			until = clock_ms() + r->health_timeout_ms;
		if (!complete && st.why[0] && strcmp(said, st.why) != 0)
			step(r, st.why);
		(void)mem_copy_str(said, sizeof(said), st.why);
		if (!complete && (st.failed || late))
			rc = failed(r, &st, late);
		backend_list_clear(&st.list);
		if (complete || rc != 0)
			return complete ? 0 : -1;
		if (r->interrupt && atomic_load(r->interrupt))
			return 1;
		pause = nap(r, pause);
	}
}

static void rest(int ms)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

/* Until the next look: LOOK_MS, or until the backend has news.  What these began is looked at soon once more and then less and
 * less often.  ms: how long at most; the same for the nap after this one. */
static int nap(struct rollout *r, int ms)
{
	for (int done = 0; done < ms; done += LOOK_STEP_MS) {
		rest(LOOK_STEP_MS);
		if (r->interrupt && atomic_load(r->interrupt))
			return ms;
		if (r->news && atomic_exchange(r->news, false)) {
			rest(LOOK_SOON_MS);
			return LOOK_SOON_MS * 2;
		}
	}
	return ms * 2 < LOOK_MS ? ms * 2 : LOOK_MS;
}

static int failed(struct rollout *r, const struct backend_env_state *st, bool late)
{
	struct lines out = { .r = r };
	struct backend_job job = { .line = line_cb, .arg = &out, .timeout_s = 5 };
	struct cl_err ignored = { 0 };

	if (st->blamed[0])
		(void)r->backend->ops->logs(r->backend, st->blamed, TAIL_LINES, false, &job, &ignored);
	err_set(&r->err, late && !st->failed ? CL_TIMEOUT : CL_FAILED, "%s%.280s%s%s",
	    late && !st->failed ? "not ready in time: " : "", st->why[0] ? st->why :
	    "the cluster does not say why", out.last[0] ? ". Its log ends: " : "", out.last);
	return err_hint(&r->err, "The end of its log is in the operation's log");
}

/* What came, became ready and went since the last look, and what is known from now on. */
static void learn(struct rollout *r, const struct backend_env *e, const struct backend_env_state *st)
{
	struct rollout_memory *m = r->memory;
	struct rollout_known *now = mem_array(st->list.n + 1, sizeof(*now));

	for (size_t i = 0; i < st->list.n; i++) {
		const struct backend_instance *b = &st->list.items[i];
		const struct rollout_known *was = NULL;

		for (size_t k = 0; k < m->nknown; k++)
			if (strcmp(m->known[k].seen.name, b->name) == 0)
				was = &m->known[k];
		now[i] = (struct rollout_known){ .seen = *b, .ours = true, .ready = b->ready,
			.routed = b->ready };
		if (!was)
			tell(r, ROLLOUT_STARTING, b);
		if (b->ready && (!was || !was->ready))
			tell(r, ROLLOUT_READY, b);
	}
	for (size_t k = 0; k < m->nknown; k++) {
		bool there = false;

		for (size_t i = 0; i < st->list.n; i++)
			there = there || strcmp(m->known[k].seen.name, st->list.items[i].name) == 0;
		if (!there)
			tell(r, ROLLOUT_GONE, &m->known[k].seen);
	}
	mem_free(m->known);
	m->known = now;
	m->nknown = st->list.n;
}

static void tell(struct rollout *r, enum rollout_fact fact, const struct backend_instance *i)
{
	struct rollout_note n = { .fact = fact, .exit_code = -1, .expected = true };

	if (!r->note)
		return;
	if (i) {
		(void)snprintf(n.instance, sizeof(n.instance), "%s-%d", i->tier, i->n);
		n.release = i->release;
	}
	r->note(r->arg, &n);
}

static void step(struct rollout *r, const char *text)
{
	struct rollout_note n = { .fact = ROLLOUT_STEP, .exit_code = -1, .expected = true };

	(void)mem_copy_str(n.text, sizeof(n.text), text);
	if (r->note)
		r->note(r->arg, &n);
}

static bool stop_cb(void *arg)
{
	const struct lines *l = arg;

	return l->r->interrupt && atomic_load(l->r->interrupt);
}

static void line_cb(void *arg, const char *line, size_t len)
{
	struct lines *l = arg;
	struct rollout_note n = { .fact = ROLLOUT_LINE, .exit_code = -1, .expected = true };

	(void)snprintf(n.text, sizeof(n.text), "%.*s", (int)(len > 500 ? 500 : len), line);
	(void)snprintf(l->last, sizeof(l->last), "%.*s", (int)(len > 199 ? 199 : len), line);
	if (l->r->note)
		l->r->note(l->r->arg, &n);
}
