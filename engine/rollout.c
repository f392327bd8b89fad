/*
 * Looking gives a plan (plan.c); its steps run in order until one fails or something newer is wanted.
 *
 *        look ── plan ── step, step, step ──► OK
 *          ▲                │      │
 *          └── AGAIN ◄──────┘      └──► FAILED: the release (it is taken back),
 *                                       or one number of a tier (held for 1, 2, 4 .. 60 s)
 */
#include "engine/rollout.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"

#define ROLLOUT_HOLD_MAX_MS 60000
#define ROLLOUT_TAIL_LINES 40

static int rollout_prepare(struct rollout *r, struct plan_want *w);
static int rollout_look(struct rollout *r);
static int rollout_look_routes(struct rollout *r, struct buf routes[PLAN_TIERS]);
static void rollout_missed(struct rollout *r, const struct rollout_memory *before);
static int rollout_plan(struct rollout *r, struct plan *plan);
static void rollout_stale(const struct rollout *r, const struct buf *routes, char ***out, size_t *n);
static int rollout_step(struct rollout *r, const struct plan_step *s);
static int rollout_apply(struct rollout *r, const struct plan_step *s);
static int rollout_probe(struct rollout *r, const struct plan_step *s);
static int rollout_probe_once(struct rollout *r, const struct plan_step *s, struct cl_err *why);
static int rollout_add(struct rollout *r, const struct plan_step *s);
static int rollout_drain(struct rollout *r, const struct plan_step *s);
static int rollout_remove(struct rollout *r, const struct plan_step *s);
static int rollout_migrate(struct rollout *r);
static void rollout_blame(struct rollout *r, const struct plan_step *s);
static void rollout_note(struct rollout *r, enum rollout_fact fact, const struct plan_step *s,
    int exit_code, bool expected, const char *text);
static int rollout_manifest(struct rollout *r, enum plan_tier_id tier, int n, int release,
    struct backend_spec *spec);
static struct rollout_slot *rollout_slot(struct rollout_memory *m, enum plan_tier_id tier, int n);
static struct rollout_known *rollout_known(const struct rollout_memory *m, const char *name);
static bool rollout_line_in(const struct buf *b, const char *name);
static bool rollout_stop(const struct rollout *r);
static void rollout_tidy(struct rollout *r);

void rollout_run(struct rollout *r)
{
	struct plan plan = { 0 };
	size_t i = 0;
	int rc;

	r->result = ROLLOUT_OK;
	rc = rollout_look(r) != 0 ? -1 : rollout_plan(r, &plan);
	r->missed = false; /* this plan knows */
	for (; rc == 0 && i < plan.n; i++) {
		if (rollout_stop(r)) {
			r->result = ROLLOUT_AGAIN;
			break;
		}
		rc = rollout_step(r, &plan.steps[i]);
		if (rc == 1) {
			r->result = ROLLOUT_AGAIN;
			break;
		}
		if (rc != 0 && plan.steps[i].soft && r->err.code != CL_UNAVAILABLE) {
			err_clear(&r->err);
			rc = 0;
		}
	}
	if (rc < 0) {
		r->result = r->err.code == CL_UNAVAILABLE ? ROLLOUT_UNAVAILABLE : ROLLOUT_FAILED;
		if (r->result == ROLLOUT_FAILED && i < plan.n)
			rollout_blame(r, &plan.steps[i]);
	}
	if (r->result == ROLLOUT_OK && r->gone)
		rollout_tidy(r);
	plan_clear(&plan);
}

int rollout_explain(struct rollout *r, struct buf *out)
{
	struct plan plan = { 0 };

	if (rollout_look(r) != 0 || rollout_plan(r, &plan) != 0)
		return -1;
	plan_print(&plan, out);
	plan_clear(&plan);
	return 0;
}

void rollout_clear(struct rollout *r)
{
	release_clear(&r->wanted);
	release_clear(&r->old);
}

void rollout_clear_memory(struct rollout_memory *m)
{
	mem_free(m->slots);
	mem_free(m->known);
	memset(m, 0, sizeof(*m));
}

struct rollout_ring {
	char *out;
	size_t size;
};

static void rollout_tail_cb(void *arg, const char *line, size_t len)
{
	struct rollout_ring *t = arg;
	size_t used = strlen(t->out);

	if (len > 200)
		len = 200;
	while (used > 0 && used + len + 4 > t->size) { /* the newest lines count */
		char *next = strstr(t->out, " | ");

		if (next == NULL)
			return;
		used -= (size_t)(next + 3 - t->out);
		memmove(t->out, next + 3, used + 1);
	}
	(void)snprintf(t->out + used, t->size - used, "%s%.*s", used > 0 ? " | " : "", (int)len,
	    line);
}

/* A line that says what went wrong, in the words of most languages. */
static bool rollout_says_why(const char *line)
{
	static const char *const words[] = { "Error: ", "Exception: ", "error: ", "FATAL: ", "panic: ",
		"Fatal error", NULL };

	for (size_t i = 0; words[i] != NULL; i++)
		if (strstr(line, words[i]) != NULL)
			return true;
	return false;
}

struct rollout_output {
	struct rollout *r;
	char tail[300];      /* the last lines */
	char why[200];       /* the last that says what went wrong */
};

/* Every line goes to the operation's log; the telling ones are kept for the message. */
static void rollout_output_cb(void *arg, const char *line, size_t len)
{
	struct rollout_output *o = arg;
	struct rollout_ring ring = { o->tail, sizeof(o->tail) };
	char text[512];

	(void)snprintf(text, sizeof(text), "%.*s", (int)(len > 500 ? 500 : len), line);
	rollout_note(o->r, ROLLOUT_LINE, NULL, 0, true, text);
	rollout_tail_cb(&ring, line, len);
	if (rollout_says_why(text))
		(void)mem_copy_str(o->why, sizeof(o->why), text);
}

/* The log of an instance that failed, as the end of a message. */
static void rollout_log_end(struct rollout *r, const char *name, char *out, size_t size)
{
	struct rollout_output o = { .r = r };
	struct backend_job job = { .line = rollout_output_cb, .arg = &o, .timeout_s = 5 };
	struct cl_err err = { 0 };

	(void)r->backend->ops->logs(r->backend, name, ROLLOUT_TAIL_LINES, false, &job, &err);
	out[0] = '\0';
	if (o.why[0] != '\0')
		(void)snprintf(out, size, ". Its log says: %s", o.why);
	else if (o.tail[0] != '\0')
		(void)snprintf(out, size, ". Its log ends: %s", o.tail);
}

/* --- looking ---------------------------------------------------------------------------------- */

static int rollout_look(struct rollout *r)
{
	struct rollout_memory *m = r->memory, before = *m;
	struct buf routes[PLAN_TIERS];
	struct backend_list list = { 0 };
	int rc = r->backend->ops->observe(r->backend, r->manifest.project, false, &list, &r->err);

	for (int t = 0; t < PLAN_TIERS; t++)
		buf_init(&routes[t], 65536);
	if (rc == 0)
		rc = rollout_look_routes(r, routes);
	if (rc == 0) {
		m->known = mem_array(list.n + 1, sizeof(*m->known));
		m->nknown = 0;
	}
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		struct rollout_known *k = &m->known[m->nknown];
		const struct rollout_known *was;
		int tier = plan_tier_parse(list.items[i].tier);

		if (strcmp(list.items[i].env, r->manifest.env) != 0)
			continue;
		was = rollout_known(&before, list.items[i].name);
		k->seen = list.items[i];
		k->ours = tier >= 0;
		k->routed = tier >= 0 && rollout_line_in(&routes[tier], k->seen.name);
		if (was != NULL && was->seen.started_ms == k->seen.started_ms) {
			k->ready = was->ready;
			k->waiting_ms = was->waiting_ms;
		}
		k->ready = k->seen.state == BACKEND_RUNNING && (k->ready || k->routed);
		m->nknown++;
	}
	if (rc == 0) {
		rollout_missed(r, &before);
		mem_free(before.known);
	}
	for (int t = 0; t < PLAN_TIERS; t++)
		buf_clear(&routes[t]);
	backend_list_clear(&list);
	return rc;
}

static int rollout_look_routes(struct rollout *r, struct buf routes[PLAN_TIERS])
{
	for (int t = PLAN_WAS; t < PLAN_TIERS; t++)
		if (r->backend->ops->route_list(r->backend, &r->route,
		    plan_tier_name((enum plan_tier_id)t), &routes[t], &r->err) != 0)
			return -1;
	return 0;
}

/* Containers that were ready and have ended or vanished since: tell, and count. */
static void rollout_missed(struct rollout *r, const struct rollout_memory *before)
{
	for (size_t i = 0; i < before->nknown; i++) {
		const struct rollout_known *was = &before->known[i];
		const struct rollout_known *now = rollout_known(r->memory, was->seen.name);
		struct plan_step s = { 0 };

		if (!was->ours || !was->ready || (now != NULL && now->seen.state == BACKEND_RUNNING &&
		    now->seen.started_ms == was->seen.started_ms))
			continue;
		s.tier = (enum plan_tier_id)plan_tier_parse(was->seen.tier);
		s.n = was->seen.n;
		s.release = was->seen.release;
		r->missed = true;
		rollout_slot(r->memory, s.tier, s.n)->restarts++;
		rollout_note(r, ROLLOUT_GONE, &s, now != NULL && now->seen.state == BACKEND_EXITED ?
		    now->seen.exit_code : -1, false, "");
	}
}

/* --- planning --------------------------------------------------------------------------------- */

static int rollout_prepare(struct rollout *r, struct plan_want *w)
{
	struct backend_spec spec;
	bool on = r->wanted.version > 0 && !r->gone;

	memset(w, 0, sizeof(*w));
	w->project = r->manifest.project;
	(void)mem_copy_str(w->env, sizeof(w->env), r->manifest.env);
	w->route = on && !r->memory->route_set;
	w->migrate = on && !r->wanted.migrated;
	w->tiers[PLAN_DB].want = on && r->manifest.db != NULL ? r->want[PLAN_DB] : 0;
	w->tiers[PLAN_WAS].want = on ? r->want[PLAN_WAS] : 0;
	w->tiers[PLAN_WAS].release = r->wanted.version;
	w->tiers[PLAN_WAS].old = r->old.version != r->wanted.version ? r->old.version : 0;
	w->tiers[PLAN_WAS].routed = w->tiers[PLAN_WEB].routed = true;
	w->tiers[PLAN_WEB].want = on ? r->want[PLAN_WEB] : 0;
	r->port[PLAN_DB] = r->manifest.db != NULL ? r->manifest.db->port : 0;
	r->port[PLAN_WAS] = r->wanted.port;
	r->port[PLAN_WEB] = r->manifest.web->port;
	if (rollout_manifest(r, PLAN_WEB, 1, 0, &spec) != 0)
		return -1;
	w->tiers[PLAN_WEB].release = spec.release;
	manifest_clear(&spec);
	return 0;
}

static int rollout_plan(struct rollout *r, struct plan *plan)
{
	struct rollout_memory *m = r->memory;
	struct plan_seen *seen = mem_array(m->nknown + 1, sizeof(*seen));
	struct buf routes[PLAN_TIERS];
	char **stale[PLAN_TIERS] = { NULL };
	int64_t now = clock_ms();
	struct plan_want w;
	size_t n = 0;
	int rc = rollout_prepare(r, &w);

	for (int t = 0; t < PLAN_TIERS; t++)
		buf_init(&routes[t], 65536);
	if (rc == 0)
		rc = rollout_look_routes(r, routes);
	for (int t = 0; rc == 0 && t < PLAN_TIERS; t++) {
		rollout_stale(r, &routes[t], &stale[t], &w.nstale[t]);
		w.stale_routes[t] = (const char *const *)stale[t];
	}
	for (size_t i = 0; i < m->nknown && rc == 0; i++) {
		const struct rollout_known *k = &m->known[i];
		int tier = plan_tier_parse(k->seen.tier);

		if (tier < 0)
			continue;
		seen[n] = (struct plan_seen){ .tier = (enum plan_tier_id)tier, .n = k->seen.n,
			.release = k->seen.release, .state = k->seen.state, .routed = k->routed,
			.ready = k->ready };
		(void)mem_copy_str(seen[n++].name, sizeof(seen[0].name), k->seen.name);
	}
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].n <= PLAN_N_MAX)
			w.tiers[m->slots[i].tier].hold[m->slots[i].n] = m->slots[i].hold_ms > now;
	if (rc == 0)
		plan_make(&w, seen, n, plan);
	for (int t = 0; t < PLAN_TIERS; t++) {
		for (size_t i = 0; i < w.nstale[t] && stale[t] != NULL; i++)
			mem_free(stale[t][i]);
		mem_free(stale[t]);
		buf_clear(&routes[t]);
	}
	mem_free(seen);
	return rc;
}

/* Names that the edge has and no container. */
static void rollout_stale(const struct rollout *r, const struct buf *routes, char ***out, size_t *n)
{
	const char *p = routes->len > 0 ? routes->data : "";

	*out = NULL;
	*n = 0;
	while (*p != '\0') {
		size_t len = strcspn(p, "\n");
		cl_autofree char *name = mem_strndup(p, len);

		if (len > 0 && rollout_known(r->memory, name) == NULL) {
			*out = mem_resize(*out, *n + 1, sizeof(**out));
			(*out)[(*n)++] = mem_strdup(name);
		}
		p += len + (p[len] == '\n');
	}
}

/* --- carrying out ----------------------------------------------------------------------------- */

/* 0 done, -1 failed, 1 interrupted. */
static int rollout_step(struct rollout *r, const struct plan_step *s)
{
	struct backend *b = r->backend;

	switch (s->kind) {
	case PLAN_ROUTE:
		if (b->ops->route_set(b, &r->route, &r->err) != 0)
			return -1;
		r->memory->route_set = true;
		return 0;
	case PLAN_APPLY:
		return rollout_apply(r, s);
	case PLAN_PROBE:
		return rollout_probe(r, s);
	case PLAN_MIGRATE:
		return rollout_migrate(r);
	case PLAN_ADD:
		return rollout_add(r, s);
	case PLAN_DRAIN:
	case PLAN_DROP:
		return rollout_drain(r, s);
	case PLAN_REMOVE:
		return rollout_remove(r, s);
	}
	return 0;
}

static int rollout_apply(struct rollout *r, const struct plan_step *s)
{
	struct backend_spec spec;
	int rc;

	if (rollout_manifest(r, s->tier, s->n, s->release, &spec) != 0)
		return -1;
	rollout_note(r, ROLLOUT_STARTING, s, 0, true, "");
	rc = r->backend->ops->apply(r->backend, &spec, &r->err);
	manifest_clear(&spec);
	return rc;
}

static int rollout_probe(struct rollout *r, const struct plan_step *s)
{
	struct rollout_known *k = rollout_known(r->memory, s->name);
	int64_t since = k != NULL && k->waiting_ms > 0 ? k->waiting_ms : clock_ms();

	for (;;) {
		struct cl_err why = { 0 };
		int rc = rollout_look(r) != 0 ? -1 : rollout_probe_once(r, s, &why);

		if (rc <= 0)
			return rc;
		k = rollout_known(r->memory, s->name);
		if (k != NULL)
			k->waiting_ms = since;
		if (rollout_stop(r) || r->missed)
			return 1;
		if (clock_ms() - since > r->health_timeout_ms) {
			char tail[330];

			rollout_log_end(r, s->name, tail, sizeof(tail));
			err_set(&r->err, CL_TIMEOUT, "%s-%d: not ready after %d s: %.100s%s",
			    plan_tier_name(s->tier), s->n, r->health_timeout_ms / 1000, why.message,
			    tail);
			return err_hint(&r->err, "See logs -t %s; the health path and port are in "
			    ".codinglab.json", plan_tier_name(s->tier));
		}
		(void)nanosleep(&(struct timespec){ .tv_sec = r->poll_ms / 1000,
		    .tv_nsec = r->poll_ms % 1000 * 1000000L }, NULL);
	}
}

/* 0 ready, 1 not yet (why), -1 it is dead. */
static int rollout_probe_once(struct rollout *r, const struct plan_step *s, struct cl_err *why)
{
	struct rollout_known *k = rollout_known(r->memory, s->name);
	const char *path = s->tier == PLAN_WEB ? r->manifest.web->health :
	    s->tier == PLAN_WAS ? (s->release == r->wanted.version ? r->wanted.health :
	    r->old.health) : r->manifest.db->health;
	int port = s->tier == PLAN_WAS && s->release != r->wanted.version ? r->old.port :
	    r->port[s->tier];
	char tail[330];

	if (k == NULL) {
		err_set(&r->err, CL_FAILED, "%s-%d: its container disappeared while it started",
		    plan_tier_name(s->tier), s->n);
		return -1;
	}
	if (k->seen.state == BACKEND_EXITED) {
		rollout_log_end(r, s->name, tail, sizeof(tail));
		err_set(&r->err, CL_FAILED, "%s-%d: ended with status %d while starting%s",
		    plan_tier_name(s->tier), s->n, k->seen.exit_code, tail);
		return err_hint(&r->err, "The end of its log is in the operation's log");
	}
	if (k->seen.state != BACKEND_RUNNING) {
		err_set(why, CL_UNAVAILABLE, "it is still starting");
		return 1;
	}
	if (r->backend->ops->probe(r->backend, &k->seen, port, path, why) != 0)
		return 1;
	k->ready = true;
	k->waiting_ms = 0;
	if (s->tier == PLAN_DB)
		rollout_note(r, ROLLOUT_READY, s, 0, true, "");
	return 0;
}

static int rollout_add(struct rollout *r, const struct plan_step *s)
{
	const struct rollout_known *k = rollout_known(r->memory, s->name);
	int port = s->tier == PLAN_WAS && s->release != r->wanted.version ? r->old.port :
	    r->port[s->tier];

	if (k == NULL)
		return err_set(&r->err, CL_FAILED, "%s-%d: its container disappeared",
		    plan_tier_name(s->tier), s->n);
	if (r->backend->ops->route_add(r->backend, &r->route, plan_tier_name(s->tier), s->name,
	    k->seen.address, port, &r->err) != 0)
		return -1;
	rollout_slot(r->memory, s->tier, s->n)->fails = 0;
	rollout_note(r, ROLLOUT_READY, s, 0, true, "");
	return 0;
}

static int rollout_drain(struct rollout *r, const struct plan_step *s)
{
	bool live = s->kind == PLAN_DRAIN;

	if (live)
		rollout_note(r, ROLLOUT_DRAINING, s, 0, true, "");
	return r->backend->ops->route_drain(r->backend, &r->route, plan_tier_name(s->tier), s->name,
	    live ? r->drain_timeout_s : 0, &r->err);
}

static int rollout_remove(struct rollout *r, const struct plan_step *s)
{
	struct rollout_known *k = rollout_known(r->memory, s->name);
	struct rollout_slot *slot = rollout_slot(r->memory, s->tier, s->n);

	if (r->backend->ops->remove(r->backend, s->name, s->dead ? 0 : 10, &r->err) != 0)
		return -1;
	if (k != NULL)
		k->ours = false; /* the next look need not miss it */
	if (!s->dead) {
		slot->fails = 0;
		rollout_note(r, ROLLOUT_GONE, s, -1, true, "");
	}
	return 0;
}

static int rollout_migrate(struct rollout *r)
{
	struct rollout_output out = { .r = r };
	struct backend_job job = { .line = rollout_output_cb, .arg = &out, .timeout_s = 600 };
	struct backend_spec spec;
	int status = 0, rc;

	if (r->wanted.migrate != NULL) {
		rollout_note(r, ROLLOUT_STEP, NULL, 0, true, "migrating the database");
		r->manifest.release = &r->wanted;
		if (manifest_migrate(&r->manifest, r->op, &spec, &r->err) != 0)
			return -1;
		rc = r->backend->ops->run(r->backend, &spec, &job, &status, &r->err);
		manifest_clear(&spec);
		if (rc != 0)
			return -1;
	}
	if (status != 0) {
		err_set(&r->err, CL_FAILED, "migration: ended with status %d%s%s", status,
		    out.tail[0] != '\0' ? ": " : "", out.why[0] != '\0' ? out.why : out.tail);
		return err_hint(&r->err, "The whole output is in the operation's log");
	}
	r->wanted.migrated = true;
	rollout_note(r, ROLLOUT_MIGRATED, NULL, 0, true, "");
	return 0;
}

/* Whose fault is it?  While a release is being rolled out, the release's; else that number waits. */
static void rollout_blame(struct rollout *r, const struct plan_step *s)
{
	struct rollout_slot *slot = rollout_slot(r->memory, s->tier, s->n);
	struct cl_err ignored = { 0 };
	int64_t hold = 1000;

	r->release_failed = r->wanted.version != r->old.version && r->wanted.version > 0;
	if (r->release_failed || s->n == 0)
		return;
	for (int i = 0; i < slot->fails && hold < ROLLOUT_HOLD_MAX_MS; i++)
		hold *= 2;
	slot->fails++;
	slot->restarts++;
	slot->hold_ms = clock_ms() + (hold < ROLLOUT_HOLD_MAX_MS ? hold : ROLLOUT_HOLD_MAX_MS);
	if (s->kind == PLAN_PROBE && s->tier != PLAN_DB) /* started anew after the pause */
		(void)r->backend->ops->remove(r->backend, s->name, 2, &ignored);
}

/* The environment disappears: nothing of it answers any more. */
static void rollout_tidy(struct rollout *r)
{
	char name[64];

	r->memory->route_set = false;
	if (r->backend->ops->route_unset(r->backend, &r->route, &r->err) != 0)
		r->result = ROLLOUT_FAILED;
	manifest_network(name, sizeof(name), r->manifest.project, r->manifest.env);
	if (r->result == ROLLOUT_OK &&
	    r->backend->ops->network_remove(r->backend, name, &r->err) != 0)
		r->result = ROLLOUT_FAILED;
}

static void rollout_note(struct rollout *r, enum rollout_fact fact, const struct plan_step *s,
    int exit_code, bool expected, const char *text)
{
	struct rollout_note n = { .fact = fact, .exit_code = exit_code, .expected = expected };

	if (r->note == NULL)
		return;
	if (s != NULL) {
		(void)snprintf(n.instance, sizeof(n.instance), "%s-%d", plan_tier_name(s->tier),
		    s->n);
		n.release = s->release;
	}
	(void)mem_copy_str(n.text, sizeof(n.text), text);
	r->note(r->arg, &n);
}

static int rollout_manifest(struct rollout *r, enum plan_tier_id tier, int n, int release,
    struct backend_spec *spec)
{
	r->manifest.release = release == r->old.version && release != r->wanted.version ? &r->old :
	    &r->wanted;
	if (tier == PLAN_DB)
		return manifest_db(&r->manifest, spec, &r->err);
	if (tier == PLAN_WEB)
		return manifest_web(&r->manifest, n, spec, &r->err);
	return manifest_was(&r->manifest, n, spec, &r->err);
}

static struct rollout_slot *rollout_slot(struct rollout_memory *m, enum plan_tier_id tier, int n)
{
	for (size_t i = 0; i < m->nslots; i++)
		if (m->slots[i].tier == tier && m->slots[i].n == n)
			return &m->slots[i];
	m->slots = mem_resize(m->slots, m->nslots + 1, sizeof(*m->slots));
	m->slots[m->nslots] = (struct rollout_slot){ .tier = tier, .n = n };
	return &m->slots[m->nslots++];
}

static struct rollout_known *rollout_known(const struct rollout_memory *m, const char *name)
{
	for (size_t i = 0; i < m->nknown; i++)
		if (strcmp(m->known[i].seen.name, name) == 0)
			return &m->known[i];
	return NULL;
}

static bool rollout_line_in(const struct buf *b, const char *name)
{
	size_t n = strlen(name);
	const char *p = b->len > 0 ? b->data : NULL;

	while (p != NULL && (p = strstr(p, name)) != NULL) {
		if ((p == b->data || p[-1] == '\n') && (p[n] == '\n' || p[n] == '\0'))
			return true;
		p += n;
	}
	return false;
}

static bool rollout_stop(const struct rollout *r)
{
	return r->interrupt != NULL && atomic_load(r->interrupt);
}
