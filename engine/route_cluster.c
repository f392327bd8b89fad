/* Routes about how load and a cluster see an environment: autoscale, manifest. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/op.h"
#include "engine/plan.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/rollout_whole.h"
#include "engine/route.h"
#include "engine/snapshot.h"
#include "engine/status.h"

struct counted {                 /* instances of a tier */
	const char *tier;
	int n;
};

struct manifest_work {
	struct snapshot s;
	bool secrets;
	json_t *objects;
};

/* --- autoscale -------------------------------------------------------------------------------- */

static int read_limits(struct engine *e, struct request *r, struct store_env_auto *by, struct cl_err *err)
{
	by->min = (int)request_int(r, "min", 1);
	by->max = (int)request_int(r, "max", by->min > 5 ? by->min : 5);
	by->cpu = (int)request_int(r, "cpu", 60);
	if (e->backend.ops->env_manifest == NULL) {
		err_set(err, CL_NOT_IMPLEMENTED, "autoscale: not implemented on backend %s",
		    e->backend.ops->name);
		return err_hint(err, "scale sets a number; a cluster (backend kube) scales by load");
	}
	if (by->min > by->max)
		return err_set(err, CL_USAGE, "autoscale: at least %d and at most %d cannot be", by->min,
		    by->max);
	return 0;
}

static void count_cb(void *arg, const struct reconcile_seen *i)
{
	struct counted *c = arg;

	c->n += strcmp(i->tier, c->tier) == 0;
}

/* Off: the number of instances that there are is the one that is wanted from now on. */
static int fix_number(struct engine *e, const struct store_env *row, enum plan_tier_id tier,
    struct cl_err *err)
{
	const char *name = plan_tier_name(tier);
	struct counted c = { name, 0 };
	int n;

	reconcile_each_seen(e, row->project, row->name, count_cb, &c);
	n = c.n;
	if (row->load[tier].max == 0)
		return err_set(err, CL_CONFLICT, "autoscale: the number of %s is fixed already", name);
	n = n < row->load[tier].min ? row->load[tier].min : n;
	return store_env_set_want(e->store, row->id, name, n > row->load[tier].max ?
	    row->load[tier].max : n, err);
}

static int autoscale(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *tier = request_str(r, "tier"), *env;
	struct store_env_auto by = { 0 };
	struct store_env row;
	bool off = request_bool(r, "off");
	char words[100];
	int id = plan_tier_parse(tier);

	if (request_env(r, &env, err) != 0)
		return -1;
	if (id != PLAN_WEB && id != PLAN_WAS)
		return err_set(err, CL_USAGE, "autoscale: \"%.20s\" is no tier to scale; web and was are", tier);
	if (store_env_get(e->store, r->project, status_env(e, r->project, env), &row, err) != 0 ||
	    (off ? fix_number(e, &row, id, err) : read_limits(e, r, &by, err)) != 0 ||
	    store_env_set_auto(e->store, row.id, tier, &by, err) != 0)
		return -1;
	if (off)
		(void)snprintf(words, sizeof(words), "fixed the number of %s", tier);
	else
		(void)snprintf(words, sizeof(words), "let load scale %s (%d to %d at %d %% cpu)", tier, by.min,
		    by.max, by.cpu);
	if (op_begin(e, r, p, "autoscale", r->project, row.name, NULL, NULL, err) != 0)
		return -1;
	request_detail(r, "%s %s", row.name, words);
	event_publish(e, EVENT_SCALED, r->project, row.name, r->caller.name, json_pack("{s:s, s:i, s:i}",
	    "tier", tier, "min", by.min, "max", by.max), "%s %s", r->caller.name, words);
	return 0;
}

/* --- manifest --------------------------------------------------------------------------------- */

static void manifest_free(struct manifest_work *w)
{
	snapshot_clear(&w->s);
	json_decref(w->objects);
	mem_free(w);
}

static int manifest_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct manifest_work *w = arg;
	struct backend_env env;
	int rc;

	if (rollout_whole_wanted(&w->s.r, &env, err) != 0)
		return -1;
	rc = e->backend.ops->env_manifest(&e->backend, &env, w->secrets, &w->objects, err);
	rollout_whole_clear(&env);
	return rc;
}

static int manifest_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct manifest_work *w = arg;

	if (err->code == CL_OK)
		reply_json(p, 200, json_pack("{s:{s:s, s:s, s:O}}", "manifest", "apiVersion", "v1", "kind",
		    "List", "items", w->objects));
	manifest_free(w);
	return err->code == CL_OK ? 0 : -1;
}

static int manifest(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct manifest_work *w;
	bool secrets = false;
	const char *env;

	if (request_query_env(r, &env, err) != 0 || request_query_bool(r, "secrets", &secrets, err) != 0)
		return -1;
	if (e->backend.ops->env_manifest == NULL) {
		err_set(err, CL_PRECONDITION, "manifest: backend %s applies none", e->backend.ops->name);
		return err_hint(err, "project export has manifests for a cluster of your own");
	}
	w = mem_alloc(sizeof(*w));
	w->secrets = secrets;
	env = status_env(e, r->project, env);
	if (snapshot_take(e, r->project, env, &w->s, err) != 0 || w->s.row.desired == 0) {
		if (err->code == CL_OK)
			err_set(err, CL_PRECONDITION, "manifest: nothing is deployed in %s", env);
		manifest_free(w);
		return -1;
	}
	if (secrets)
		request_detail(r, "%s with secrets", env);
	reply_work(p, manifest_work_cb, manifest_then_cb, w);
	return 0;
}

const struct route_bind route_cluster_binds[] = {
	{ ROUTE_AUTOSCALE, autoscale },
	{ ROUTE_MANIFEST, manifest },
	{ 0, NULL },
};
