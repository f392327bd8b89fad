/* Routes about further clusters. */
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/route.h"
#include "engine/store_target.h"
#include "engine/target.h"

struct target_work {
	char name[NAME_SIZE];
	char server[1024];
	char *kubeconfig;        /* of one that is added */
};

static json_t *target_json(const struct store_target *t)
{
	char at[32];

	clock_iso(t->at, at, sizeof(at));
	return json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", t->name, "server", t->server, "by", t->by, "at",
	    at, "environments", t->environments);
}

static void target_ls_cb(void *arg, const struct store_target *t)
{
	json_array_append_new(arg, target_json(t));
}

static int target_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	json_t *list = json_array();

	if (store_target_each(e->store, target_ls_cb, list, err) != 0) {
		json_decref(list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "targets", list));
	return 0;
}

static void target_free(struct target_work *w)
{
	if (w->kubeconfig)
		mem_wipe(w->kubeconfig, strlen(w->kubeconfig));
	mem_free(w->kubeconfig);
	mem_free(w);
}

/* --- adding ----------------------------------------------------------------------------------- */

static int add_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct target_work *w = arg;

	return e->backend.ops->target_add(&e->backend, w->name, w->kubeconfig, true, w->server,
	    sizeof(w->server), err);
}

static int add_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	struct target_work *w = arg;
	struct store_target t = { w->name, w->kubeconfig, w->server, r->caller.name, clock_unix_ms(), 0 };
	bool added = err->code == CL_OK;

	if (added && store_target_add(e->store, &t, err) != 0)
		e->backend.ops->target_drop(&e->backend, w->name);
	if (err->code == CL_OK) {
		request_detail(r, "%s", w->server);
		reply_json(p, 200, target_json(&t));
	}
	target_free(w);
	return err->code == CL_OK ? 0 : -1;
}

static int target_add(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct target_work *w;

	if (target_supported(e, err) != 0)
		return -1;
	if (store_target_have(e->store, request_str(r, "name")))
		return err_set(err, CL_CONFLICT, "target %s: there is one already", request_str(r, "name"));
	w = mem_alloc(sizeof(*w));
	(void)mem_copy_str(w->name, sizeof(w->name), request_str(r, "name"));
	w->kubeconfig = mem_strdup(request_str(r, "kubeconfig"));
	reply_work(p, add_work_cb, add_then_cb, w);
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

static int rm_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	e->backend.ops->target_drop(&e->backend, ((struct target_work *)arg)->name);
	return 0;
}

static int rm_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	target_free(arg);
	reply_done(p);
	return 0;
}

static int target_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct target_work *w;

	if (target_supported(e, err) != 0 ||
	    store_target_remove(e->store, request_param(r, "target"), err) != 0)
		return -1;
	w = mem_alloc(sizeof(*w));
	(void)mem_copy_str(w->name, sizeof(w->name), request_param(r, "target"));
	reply_work(p, rm_work_cb, rm_then_cb, w);
	return 0;
}

const struct route_bind route_target_binds[] = {
	{ ROUTE_TARGET_LS, target_ls },
	{ ROUTE_TARGET_ADD, target_add },
	{ ROUTE_TARGET_RM, target_rm },
	{ 0, NULL },
};
