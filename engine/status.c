/*
 * Status joins three sources: the store (what is wanted), the entries of reconcile (what was seen) and
 * a sample (what was measured).  Samples are taken on demand, and every 2 s while someone asks for them
 * and listens to the events of the project.
 */
#include "engine/status.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/manifest.h"
#include "engine/op.h"
#include "engine/plan.h"
#include "engine/reconcile.h"
#include "engine/store_env.h"
#include "engine/store_project.h"

#define STATUS_FEED_MS 2000
#define STATUS_LOOK_MS 250

#define STATUS_WANTED_MS 9000
#define STATUS_WANTED 64

struct status_feed {
	/* Measuring costs a look at the runtime, so only what was asked for lately is measured. */
	struct {
		int64_t project, at_ms;
	} wanted[STATUS_WANTED];
	uv_timer_t timer;
	int taking;
	bool closed;
	struct engine *e;
};

struct status_job {
	struct status_sample s;
	char env[8];
};

struct status_tier {
	struct engine *e;
	const struct status_sample *s;
	const char *tier;
	json_t *instances;
	int ready;
	double cpu;
	int64_t memory;
	bool cpu_known, memory_known;
	char image[256];
};

static bool status_first_look(const struct backend_list *l);
static void status_feed_cb(uv_timer_t *t);
static void status_feed_closed_cb(uv_handle_t *h);
static void status_feed_work(struct engine *e, void *arg);
static void status_feed_done(struct engine *e, void *arg);
static json_t *status_tiers(struct engine *e, const struct store_env *row,
    const struct status_sample *s);
static json_t *status_tier_json(struct engine *e, const struct store_env *row,
    enum plan_tier_id tier, const struct status_sample *s);
static void status_instance_cb(void *arg, const struct reconcile_seen *i);
static json_t *status_op(struct engine *e, int64_t project, const char *env);

void status_open(struct engine *e)
{
	struct status_feed *f = mem_alloc(sizeof(*f));

	f->e = e;
	f->timer.data = f;
	(void)uv_timer_init(e->loop, &f->timer); /* it runs while somebody wants figures */
	e->status = f;
}

void status_stop(struct engine *e)
{
	(void)uv_timer_stop(&e->status->timer);
	uv_close((uv_handle_t *)&e->status->timer, status_feed_closed_cb);
}

bool status_working(const struct engine *e)
{
	return e->status->taking > 0 || !e->status->closed;
}

void status_close(struct engine *e)
{
	mem_free(e->status);
	e->status = NULL;
}

const char *status_env(struct engine *e, int64_t project, const char *env)
{
	struct store_env row;

	if (env != NULL && env[0] != '\0')
		return strcmp(env, "prod") == 0 ? "prod" : "dev";
	if (store_env_get(e->store, project, "prod", &row, NULL) == 0 && row.serving > 0)
		return "prod";
	return "dev";
}

void status_prepare(struct engine *e, int64_t project, const char *env, struct status_sample *s)
{
	struct store_env row;

	memset(s, 0, sizeof(*s));
	s->project = project;
	s->route.project = project;
	s->route.slot = -1;
	(void)mem_copy_str(s->route.env, sizeof(s->route.env), env);
	if (store_env_get(e->store, project, env, &row, NULL) != 0)
		return;
	s->route.slot = row.serving > 0 ? row.slot : -1;
	(void)mem_copy_str(s->route.host, sizeof(s->route.host), row.host);
}

void status_measure(struct engine *e, struct status_sample *s)
{
	struct backend *b = &e->backend;
	struct cl_err err = { 0 };

	s->web.rps = s->was.rps = -1;
	s->ok = b->ops->observe(b, s->project, true, &s->list, &err) == 0;
	if (s->ok && status_first_look(&s->list)) { /* cpu is what was used since the last look */
		(void)nanosleep(&(struct timespec){ .tv_nsec = STATUS_LOOK_MS * 1000000L }, NULL);
		backend_list_clear(&s->list);
		s->ok = b->ops->observe(b, s->project, true, &s->list, &err) == 0;
	}
	if (!s->ok || s->route.slot < 0)
		return;
	if (b->ops->route_stats(b, &s->route, "web", &s->web, &err) != 0)
		s->web.rps = -1;
	if (b->ops->route_stats(b, &s->route, "was", &s->was, &err) != 0)
		s->was.rps = -1;
}

static bool status_first_look(const struct backend_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].state == BACKEND_RUNNING && l->items[i].cpu < 0)
			return true;
	return false;
}

void status_clear(struct status_sample *s)
{
	backend_list_clear(&s->list);
}

json_t *status_json(struct engine *e, int64_t project, const char *env,
    const struct status_sample *s, struct cl_err *err)
{
	struct store_project p;
	struct store_env row;
	struct cl_err none = { 0 };
	char url[300];

	if (store_project_get(e->store, project, &p, err) != 0)
		return NULL;
	if (store_env_get(e->store, project, env, &row, &none) != 0)
		return json_pack("{s:s, s:s, s:s, s:n, s:s, s:n, s:o, s:n, s:[]}", "project", p.name,
		    "owner", p.owner_name, "env", env, "url", "state", "absent", "release", "op",
		    status_op(e, project, env), "target", "tiers");
	manifest_url(url, sizeof(url), row.host, (int)config_int("edge.port"));
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s?, s:o}", "project", p.name, "owner",
	    p.owner_name, "env", env, "url", row.serving > 0 ? json_string(url) : json_null(),
	    "state", row.state, "release", row.serving > 0 ? status_release_json(e, project, env,
	    row.serving) : json_null(), "op", status_op(e, project, env), "target", row.target[0] ?
	    row.target : NULL, "tiers",
	    status_tiers(e, &row, s));
}

json_t *status_release_json(struct engine *e, int64_t project, const char *env, int version)
{
	struct store_release r;
	char at[32];

	if (store_env_release_get(e->store, project, env, version, &r, NULL, NULL) != 0)
		return json_null();
	clock_iso(r.at, at, sizeof(at));
	return json_pack("{s:i, s:s, s:o, s:s, s:s, s:s, s:o}", "version", r.version, "env", r.env,
	    "digest", r.digest[0] != '\0' ? json_string(r.digest) : json_null(), "by", r.by, "at",
	    at, "result", r.result, "reason", r.reason[0] != '\0' ? json_string(r.reason) :
	    json_null());
}

static json_t *status_tiers(struct engine *e, const struct store_env *row,
    const struct status_sample *s)
{
	static const enum plan_tier_id order[] = { PLAN_WEB, PLAN_WAS, PLAN_DB };
	json_t *list = json_array();

	for (size_t i = 0; i < CL_COUNT(order); i++)
		if (order[i] != PLAN_DB || row->want[PLAN_DB] > 0)
			json_array_append_new(list, status_tier_json(e, row, order[i], s));
	return list;
}

static json_t *status_tier_json(struct engine *e, const struct store_env *row,
    enum plan_tier_id tier, const struct status_sample *s)
{
	struct status_tier t = { .e = e, .s = s, .tier = plan_tier_name(tier),
		.instances = json_array() };
	double rps = s == NULL || !s->ok ? -1 : tier == PLAN_WEB ? s->web.rps :
	    tier == PLAN_WAS ? s->was.rps : -1;
	const struct store_env_auto *by = &row->load[tier];
	int want;

	reconcile_each_seen(e, row->project, row->name, status_instance_cb, &t);
	want = by->max > 0 ? (int)json_array_size(t.instances) : row->want[tier];
	return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "tier", t.tier, "want",
	    row->desired > 0 ? want : 0, "ready", t.ready, "image", t.image[0] != '\0' ?
	    json_string(t.image) : json_null(), "cpu", t.cpu_known ? json_real(t.cpu) : json_null(),
	    "memory", t.memory_known ? json_integer(t.memory) : json_null(), "rps", rps >= 0 ?
	    json_real(rps) : json_null(), "autoscale", by->max > 0 ? json_pack("{s:i, s:i, s:i}", "min",
	    by->min, "max", by->max, "cpu", by->cpu) : json_null(), "instances", t.instances);
}

static void status_instance_cb(void *arg, const struct reconcile_seen *i)
{
	struct status_tier *t = arg;
	const struct backend_instance *m = NULL;
	char name[16], since[32];
	size_t n, at = 0;
	json_t *o;

	if (strcmp(i->tier, t->tier) != 0)
		return;
	for (size_t k = 0; t->s != NULL && k < t->s->list.n; k++)
		if (strcmp(t->s->list.items[k].name, i->container) == 0)
			m = &t->s->list.items[k];
	t->ready += strcmp(i->state, "ready") == 0;
	if (m != NULL && m->cpu >= 0) {
		t->cpu_known = true;
		t->cpu += m->cpu;
	}
	if (m != NULL && m->memory >= 0) {
		t->memory_known = true;
		t->memory += m->memory;
	}
	if (m != NULL)
		(void)mem_copy_str(t->image, sizeof(t->image), m->image);
	(void)snprintf(name, sizeof(name), "%.6s-%d", i->tier, i->n);
	clock_iso(i->started_ms, since, sizeof(since));
	o = json_pack("{s:s, s:i, s:s, s:i, s:i, s:o, s:o, s:o}", "name", name, "n", i->n, "state",
	    i->state, "release", strcmp(i->tier, "was") == 0 ? i->release : 0, "restarts",
	    i->restarts, "cpu", m != NULL && m->cpu >= 0 ? json_real(m->cpu) : json_null(),
	    "memory", m != NULL && m->memory >= 0 ? json_integer(m->memory) : json_null(), "since",
	    i->started_ms > 0 ? json_string(since) : json_null());
	n = json_array_size(t->instances);
	while (at < n && json_integer_value(json_object_get(json_array_get(t->instances, at), "n"))
	    <= i->n)
		at++;
	json_array_insert_new(t->instances, at, o);
}

static json_t *status_op(struct engine *e, int64_t project, const char *env)
{
	int64_t id = store_number(e->store, 0, "SELECT id FROM op WHERE project = ? AND env = ?"
	    " AND state IN ('queued', 'running') ORDER BY id LIMIT 1", "is", project, env);
	struct store_op row;
	json_t *j;

	if (id == 0 || store_op_get(e->store, id, &row, NULL) != 0)
		return json_null();
	j = op_json(&row);
	store_op_clear(&row);
	return j;
}

/* --- the feed --------------------------------------------------------------------------------- */

void status_wanted(struct engine *e, int64_t project)
{
	struct status_feed *f = e->status;
	size_t at = 0;

	if (f == NULL)
		return;
	for (size_t i = 0; i < STATUS_WANTED; i++) {
		if (f->wanted[i].project == project) {
			at = i;
			break;
		}
		if (f->wanted[i].at_ms < f->wanted[at].at_ms)
			at = i;
	}
	f->wanted[at].project = project;
	f->wanted[at].at_ms = clock_ms();
	if (!e->stopping && !uv_is_active((uv_handle_t *)&f->timer))
		(void)uv_timer_start(&f->timer, status_feed_cb, STATUS_FEED_MS, STATUS_FEED_MS);
}

static bool status_any_wanted(const struct status_feed *f)
{
	int64_t since = clock_ms() - STATUS_WANTED_MS;

	for (size_t i = 0; i < STATUS_WANTED; i++)
		if (f->wanted[i].project != 0 && f->wanted[i].at_ms > since)
			return true;
	return false;
}

static bool status_wanted_lately(const struct status_feed *f, int64_t project)
{
	for (size_t i = 0; i < STATUS_WANTED; i++)
		if (f->wanted[i].project == project)
			return clock_ms() - f->wanted[i].at_ms < STATUS_WANTED_MS;
	return false;
}

static int status_feed_env_cb(void *arg, const struct store_env *row)
{
	struct status_feed *f = arg;
	struct status_job *j;

	if (!status_wanted_lately(f, row->project) || !event_listened(f->e, row->project))
		return 0;
	j = mem_alloc(sizeof(*j));
	(void)mem_copy_str(j->env, sizeof(j->env), row->name);
	status_prepare(f->e, row->project, row->name, &j->s);
	f->taking++;
	engine_work(f->e, status_feed_work, NULL, j);
	return 0;
}

static void status_feed_cb(uv_timer_t *t)
{
	struct status_feed *f = t->data;

	if (!status_any_wanted(f))
		(void)uv_timer_stop(t);
	else if (f->taking == 0 && !f->e->stopping) /* a slow backend gets no second question on top */
		(void)store_env_each(f->e->store, 0, status_feed_env_cb, f, NULL);
}

static void status_feed_work(struct engine *e, void *arg)
{
	struct status_job *j = arg;

	status_measure(e, &j->s);
	engine_post(e, status_feed_done, j);
}

static void status_feed_done(struct engine *e, void *arg)
{
	struct status_job *j = arg;
	json_t *o;

	e->status->taking--;
	o = e->stopping ? NULL : status_json(e, j->s.project, j->env, &j->s, NULL);
	if (o != NULL)
		event_publish(e, EVENT_STATS, j->s.project, j->env, "", o, "%s", "stats");
	status_clear(&j->s);
	mem_free(j);
}

static void status_feed_closed_cb(uv_handle_t *h)
{
	struct status_feed *f = h->data;

	f->closed = true;
}
