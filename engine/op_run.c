/*
 * What each kind of operation does.  run() is called once the row is committed, again after a restart
 * of the engine, and again after op_retry(): it looks where things stand and goes on from there.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/log.h"
#include "base/mem.h"
#include "engine/deploy.h"
#include "engine/event.h"
#include "engine/gc.h"
#include "engine/image.h"
#include "engine/import.h"
#include "engine/load.h"
#include "engine/manifest.h"
#include "engine/op.h"
#include "engine/reconcile.h"
#include "engine/save.h"
#include "engine/store_env.h"
#include "engine/store_project.h"
#include "engine/stored.h"

#define OP_REMOVE_LOOKS 240 /* half a second each */
#define OP_REMOVE_POLL_MS 100

struct op_removal {
	struct store_project project;
	struct backend_route routes[2];
	int nroutes;
	struct save_gone *saves;
	size_t nsaves;
	struct cl_err err;
};

static int op_run_scale(struct op_live *o, struct cl_err *err);
static int op_run_dev(struct op_live *o, struct cl_err *err);
static int op_run_restart(struct op_live *o, struct cl_err *err);
static int op_run_remove(struct op_live *o, struct cl_err *err);
static int op_remove_route_cb(void *arg, const struct store_env *row);
static int op_remove_save_cb(void *arg, const struct store_save *row);
static void op_remove_free(struct op_removal *r);
static void op_remove_work(struct op_live *o, void *arg);
static int op_remove_containers(struct backend *b, int64_t project, struct cl_err *err);
static int op_remove_envs(struct backend *b, struct op_removal *r);
static int op_remove_rest(struct backend *b, struct op_removal *r, uint32_t uid);
static void op_remove_done(struct op_live *o, void *arg);

const struct op_kind op_table[] = {
	{ "deploy", true, deploy_run, deploy_cancel },
	{ "ship", true, deploy_run, deploy_cancel },
	{ "promote", false, deploy_run, deploy_cancel },
	{ "rollback", false, deploy_run, deploy_cancel },
	{ "config set", false, deploy_run, deploy_cancel },
	{ "config rotate-db", false, deploy_run, deploy_cancel },
	{ "scale", false, op_run_scale, NULL },
	{ "autoscale", false, op_run_scale, NULL },
	{ "up", false, op_run_dev, NULL },
	{ "stop", false, op_run_dev, NULL },
	{ "restart", false, op_run_restart, NULL },
	{ "image build", true, image_run, NULL },
	{ "project import", true, import_run, import_cancel },
	{ "save", true, save_run, NULL },
	{ "saves rm", false, save_run_remove, NULL },
	{ "load", true, load_run, NULL },
	{ "image push", false, stored_run, NULL },
	{ "image gc", false, gc_run, NULL },
	{ "image rm", false, gc_run_remove, NULL },
	{ "project rm", false, op_run_remove, NULL },
	{ NULL, false, NULL, NULL },
};

/* What is wanted was written with the operation. */
static int op_run_scale(struct op_live *o, struct cl_err *err)
{
	(void)err;
	op_settle(o, reconcile_kick(o->e, o->project, o->env), "scaling");
	return 0;
}

static int op_run_dev(struct op_live *o, struct cl_err *err)
{
	(void)err;
	op_settle(o, reconcile_kick(o->e, o->project, "ide"), "dev container");
	return 0;
}

static int op_run_restart(struct op_live *o, struct cl_err *err)
{
	reconcile_restart_dev(o->e, o->project);
	return op_run_dev(o, err);
}

/* --- project rm ------------------------------------------------------------------------------- */

static int op_run_remove(struct op_live *o, struct cl_err *err)
{
	struct engine *e = o->e;
	struct op_removal *r;

	if (!reconcile_forget(e, o->project) || !op_clear_project(e, o->project, o->id)) {
		op_retry(o, OP_REMOVE_POLL_MS, "waiting for what is at work on it");
		return 0;
	}
	r = mem_alloc(sizeof(*r));
	if (store_project_get(e->store, o->project, &r->project, err) != 0 ||
	    store_env_each(e->store, o->project, op_remove_route_cb, r, err) != 0 ||
	    store_save_each(e->store, o->project, op_remove_save_cb, r, err) != 0) {
		op_remove_free(r);
		if (err->code != CL_NOT_FOUND)
			return -1;
		op_done(e, o->id, ""); /* a killed engine had come to the end but for this */
		return 0;
	}
	op_step(e, o->id, "removing containers, volumes and files");
	op_work(o, op_remove_work, op_remove_done, r);
	return 0;
}

static int op_remove_route_cb(void *arg, const struct store_env *row)
{
	struct op_removal *r = arg;
	struct backend_route *route;

	if (r->nroutes == 2 || row->slot < 0)
		return 0;
	route = &r->routes[r->nroutes++];
	route->project = row->project;
	route->slot = row->slot;
	(void)mem_copy_str(route->env, sizeof(route->env), row->name);
	(void)mem_copy_str(route->host, sizeof(route->host), row->host);
	(void)mem_copy_str(route->target, sizeof(route->target), row->target);
	return 0;
}

static int op_remove_save_cb(void *arg, const struct store_save *row)
{
	struct op_removal *r = arg;
	struct save_gone *g;

	r->saves = mem_resize(r->saves, r->nsaves + 1, sizeof(*r->saves));
	g = &r->saves[r->nsaves++];
	g->row = *row;
	/* all of the project's go: nobody shares anything */
	g->drop_dev = row->dev_stored[0] != '\0';
	g->drop_work = row->work_stored[0] != '\0';
	return 0;
}

static void op_remove_free(struct op_removal *r)
{
	mem_free(r->saves);
	mem_free(r);
}

static void op_remove_work(struct op_live *o, void *arg)
{
	struct op_removal *r = arg;
	struct backend *b = &o->e->backend;

	for (int i = 0; i < r->nroutes; i++)
		if (b->ops->route_unset(b, &r->routes[i], &r->err) != 0)
			return;
	if (op_remove_envs(b, r) != 0 || op_remove_containers(b, o->project, &r->err) != 0)
		return;
	(void)op_remove_rest(b, r, engine_uid(o->e, r->project.owner));
}

/* What runs as a whole (in a cluster), with its databases. */
static int op_remove_envs(struct backend *b, struct op_removal *r)
{
	static const char *const envs[] = { "dev", "prod" };

	for (size_t i = 0; b->ops->env_apply != NULL && i < CL_COUNT(envs); i++) {
		struct backend_env e = { .project = r->project.id };
		int rc = 1;

		(void)mem_copy_str(e.env, sizeof(e.env), envs[i]);
		(void)mem_copy_str(e.name, sizeof(e.name), r->project.name);
		(void)mem_copy_str(e.owner, sizeof(e.owner), r->project.owner_name);
		for (int k = 0; k < r->nroutes; k++)
			if (strcmp(r->routes[k].env, envs[i]) == 0) {
				e.route = &r->routes[k];
				(void)mem_copy_str(e.target, sizeof(e.target), r->routes[k].target);
			}
		for (int n = 0; rc == 1 && n < OP_REMOVE_LOOKS; n++) {
			rc = b->ops->env_remove(b, &e, true, &r->err);
			if (rc == 1)
				(void)nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
		}
		if (rc != 0)
			return rc < 0 ? -1 : err_set(&r->err, CL_UNAVAILABLE, "%s: its pods do not end",
			    envs[i]);
	}
	return 0;
}

static int op_remove_containers(struct backend *b, int64_t project, struct cl_err *err)
{
	struct backend_list list = { 0 };
	int rc = b->ops->observe(b, project, false, &list, err);

	for (size_t i = 0; i < list.n && rc == 0; i++)
		rc = b->ops->remove(b, list.items[i].name, 2, err);
	backend_list_clear(&list);
	return rc;
}

static int op_remove_rest(struct backend *b, struct op_removal *r, uint32_t uid)
{
	static const char *const envs[] = { "dev", "prod", "ide" };
	char name[64];

	for (size_t i = 0; i < CL_COUNT(envs); i++) {
		(void)snprintf(name, sizeof(name), "p%lld-%s-db", (long long)r->project.id, envs[i]);
		if (i < 2 && b->ops->volume_remove(b, name, &r->err) != 0)
			return -1;
		manifest_network(name, sizeof(name), r->project.id, envs[i]);
		if (b->ops->network_remove(b, name, &r->err) != 0)
			return -1;
	}
	(void)snprintf(name, sizeof(name), "app/p%lld", (long long)r->project.id);
	if (b->ops->image_remove(b, name, &r->err) != 0 && r->err.code != CL_NOT_FOUND)
		return -1;
	err_clear(&r->err);
	for (size_t i = 0; i < r->nsaves; i++)
		if (save_remove(b, &r->saves[i], &r->err) != 0)
			return -1;
	return b->ops->workspace_remove(b, r->project.id, uid, &r->err);
}

static void op_remove_done(struct op_live *o, void *arg)
{
	struct op_removal *r = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };

	if (e->stopping) {
		op_remove_free(r);
		return;
	}
	if (r->err.code == CL_UNAVAILABLE) {
		op_retry(o, 3000, "waiting for the container runtime");
	} else if (r->err.code != CL_OK) {
		(void)store_project_set_state(e->store, o->project, "ready", &err);
		op_failed(e, o->id, &r->err);
	} else if (store_begin(e->store, &err) == 0) {
		/* told before the row goes: its members are still known */
		event_publish(e, EVENT_PROJECT_REMOVED, o->project, NULL, o->by, json_pack(
		    "{s:s, s:s}", "name", r->project.name, "owner", r->project.owner_name),
		    "%s removed %s", o->by[0] != '\0' ? o->by : "root", r->project.name);
		if (store_project_remove(e->store, o->project, &err) != 0)
			op_failed(e, o->id, &err);
		else
			op_done(e, o->id, "");
		(void)store_commit(e->store, &err);
	}
	if (err.code != CL_OK)
		log_error("project %lld: %s", (long long)r->project.id, err.message);
	op_remove_free(r);
}
