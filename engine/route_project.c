/* Routes of projects: list, create, show, remove, past events. */
#include <string.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/event_hub.h"
#include "engine/project.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/stacks.h"
#include "engine/store_event.h"

struct listing {
	struct engine *engine;
	const struct caller *caller;
	json_t *list;
};

struct creation {
	int64_t id;
	uid_t uid;
	gid_t gid;
	char name[NAME_SIZE], owner[NAME_SIZE];
	const struct stack_set *stacks; /* taken, for stack */
	const struct stack *stack;
};

static int
list_cb(void *arg, const struct store_project *p)
{
	struct listing *l = arg;
	enum policy_role right = policy_right(l->caller,
	    store_project_role(l->engine->store, p->id, l->caller->id));

	if (strcmp(p->state, "creating") != 0)
		json_array_append_new(l->list, project_json(l->engine, p, right));
	return 0;
}

/* The caller's own and shared ones; root, who has none, sees all. */
static int
project_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct listing l = {e, &r->caller, json_array()};
	int rc = store_project_each(e->store, r->caller.id, list_cb, &l, err);

	reply_json(p, 200, json_pack("{s:o}", "projects", l.list));
	return rc;
}

static int
project_show(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_project project;

	if (store_project_get(e->store, r->project, &project, err) < 0)
		return -1;
	reply_json(p, 200, project_json(e, &project, r->right));
	return 0;
}

static int
create_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	const struct backend_ops *ops = e->backend.ops;
	struct creation *c = arg;
	const struct backend_kv subst[] = {
	    {(char *)"project", c->name},
	    {(char *)"owner", c->owner},
	    {(char *)"stack", (char *)c->stack->id},
	    {(char *)"title", (char *)c->stack->title},
	};

	if (ops->workspace_create(&e->backend, c->id, c->uid, c->gid, c->stack->template_dir, subst,
	    CL_COUNT(subst), err) == 0)
		return 0;
	ops->workspace_remove(&e->backend, c->id, c->uid, NULL); /* whatever there is of it */
	return -1;
}

static int
create_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct creation *c = arg;
	struct store_project project;
	int64_t id = c->id;

	stacks_give(c->stacks);
	mem_free(c);
	if (err->code != CL_OK) {
		store_project_remove(e->store, id, NULL);
		reply_keep(p);
		return -1;
	}
	if (store_project_set_state(e->store, id, "ready", err) < 0 ||
	    store_project_get(e->store, id, &project, err) < 0)
		return -1;
	event_publish(e, EVENT_PROJECT_CREATED, id, NULL, r->caller.name,
	    json_pack("{s:s, s:s}", "name", project.name, "owner", project.owner_name),
	    "%s created %s", r->caller.name, project.name);
	reply_json(p, 200, project_json(e, &project, POLICY_OWNER));
	return 0;
}

static int
project_create(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_str(r, "name"), *about = request_str(r, "description");
	const struct stack *stack = stack_find_new(stacks_now(e), request_str(r, "stack"), err);
	const struct stack *db = NULL;
	struct creation *c;
	int64_t id;

	mem_copy_str(r->object, sizeof r->object, name);
	if (stack == NULL)
		return -1;
	if (stack->ndbs > 0 || request_has(r, "db")) {
		db = stack_find_db(stacks_now(e), stack, request_has(r, "db") ?
		    request_str(r, "db") : "", err);
		if (db == NULL || stack_check_base(stacks_now(e), db, err) != 0)
			return -1;
	}
	request_detail(r, "stack %s%s%s", stack->id, db != NULL ? ", database " : "",
	    db != NULL ? db->id : "");
	if (project_check_room(e, r, name, err) < 0 ||
	    store_project_add(e->store, r->caller.id, name, stack->id, about == NULL ? "" : about, &id,
	        err) < 0 || (db != NULL && store_project_set_db(e->store, id, db->id, err) < 0))
		return -1;
	c = mem_alloc(sizeof *c);
	c->id = id;
	c->uid = engine_uid(e, r->caller.id);
	c->gid = engine_gid(e, id);
	c->stacks = stacks_take(e);
	c->stack = stack;
	mem_copy_str(c->name, sizeof c->name, name);
	mem_copy_str(c->owner, sizeof c->owner, r->caller.name);
	reply_work(p, create_work_cb, create_then_cb, c);
	return 0;
}

static int
project_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_project project;

	if (store_project_get(e->store, r->project, &project, err) < 0)
		return -1;
	return project_remove(e, r, p, &project, err);
}

static int
event_cb(void *arg, const struct store_event *e)
{
	json_array_append_new(arg, event_hub_json(e));
	return 0;
}

static int
project_events(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	int64_t limit;
	json_t *list;
	int rc;

	if (request_query_int(r, "limit", 1, 1000, 100, &limit, err) < 0)
		return -1;
	list = json_array();
	rc = store_event_tail(e->store, r->project, (int)limit, event_cb, list, err);
	reply_json(p, 200, json_pack("{s:o}", "events", list));
	return rc;
}

const struct route_bind route_project_binds[] = {
    {ROUTE_PROJECT_LS, project_ls},
    {ROUTE_PROJECT_CREATE, project_create},
    {ROUTE_PROJECT_SHOW, project_show},
    {ROUTE_PROJECT_RM, project_rm},
    {ROUTE_PROJECT_EVENTS, project_events},
    {0, NULL},
};
