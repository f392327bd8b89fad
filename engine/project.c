/* Projects: JSON, URL, removal; see project.h. */
#include "engine/project.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/disk.h"
#include "engine/engine.h"
#include "engine/op.h"
#include "engine/request.h"
#include "engine/store_user.h"
#include "images/stack.h"

struct leftover {
	int64_t project;
	uid_t uid;
	struct cl_err err;
};

void
project_url(struct engine *e, int64_t project, char *out, size_t size)
{
	struct store_row *r = store_query(e->store,
	    "SELECT host FROM env WHERE project = ? AND serving IS NOT NULL AND serving > 0"
	    " AND host <> '' ORDER BY name = 'prod' DESC LIMIT 1", "i", project);
	int64_t port = config_int("edge.port");

	out[0] = '\0';
	if (store_next(r)) {
		if (port == 80)
			snprintf(out, size, "http://%s/", store_str(r, 0));
		else
			snprintf(out, size, "http://%s:%" PRId64 "/", store_str(r, 0), port);
	}
	store_end(r, NULL);
}

json_t *
project_json(struct engine *e, const struct store_project *p, enum policy_role right)
{
	char at[32], url[600], work[600];
	int64_t used = disk_used(e, p->id);
	json_t *o;

	clock_iso(p->created, at, sizeof at);
	project_url(e, p->id, url, sizeof url);
	o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:i, s:o}", "id", (json_int_t)p->id,
	    "name", p->name, "owner", p->owner_name, "stack", p->stack, "db", p->db, "description", p->description,
	    "role", policy_role_text(right), "created", at, "dev", p->dev_state,
	    "dev_reason", p->dev_reason, "disk", used < 0 ? json_null() : json_integer(used), "members", p->members,
	    "running", url[0] != '\0' ? json_string(url) : json_null());
	if (right >= POLICY_EDITOR) {
		snprintf(work, sizeof work, "%s/projects/%" PRId64 "/work", config_str("state.dir"), p->id);
		json_object_set_new(o, "workspace", json_string(work));
	}
	return o;
}

int
project_remove(struct engine *e, struct request *r, struct reply *p,
    const struct store_project *project, struct cl_err *err)
{
	if (strcmp(project->state, "removing") == 0)
		return err_set(err, CL_CONFLICT, "project %s: it is being removed", project->name);
	if (store_project_set_state(e->store, project->id, "removing", err) < 0)
		return -1;
	return op_begin(e, r, p, "project rm", project->id, NULL, NULL, NULL, err);
}

int
project_check_room(struct engine *e, const struct request *r, const char *name,
    struct cl_err *err)
{
	int max = store_user_quota_projects(e->store, r->caller.id);
	int64_t id;

	if (r->caller.is_root) {
		err_set(err, CL_PRECONDITION, "project %s: root has no account to own it", name);
		return err_hint(err, "log in as a user");
	}
	if (store_project_find(e->store, r->caller.id, name, &id, NULL) == 0)
		return err_set(err, CL_CONFLICT, "project %s: you have one of that name", name);
	if (store_project_count(e->store, r->caller.id) < max)
		return 0;
	err_set(err, CL_QUOTA, "project %s: you have %d, more are not allowed", name, max);
	return err_hint(err, "remove one, or ask an admin for more");
}

int
project_set_stack(struct engine *e, int64_t id, const struct stack_set *set,
    const struct stack *stack, const char *db, struct cl_err *err)
{
	const struct stack *service = NULL;

	if (stack->ndbs > 0 || db[0] != '\0') {
		service = stack_find_db(set, stack, db, err);
		if (service == NULL)
			return -1;
	}
	if (store_project_set_stack(e->store, id, stack->id, err) < 0)
		return -1;
	return store_project_set_db(e->store, id, service != NULL ? service->id : "", err);
}

/* -- leftovers -- */

static void
sweep_work_cb(struct engine *e, void *arg)
{
	struct leftover *l = arg;

	e->backend.ops->workspace_remove(&e->backend, l->project, l->uid, &l->err);
}

static void
sweep_done_cb(struct engine *e, void *arg)
{
	struct leftover *l = arg;

	if (l->err.code != CL_OK)
		log_warn("workspace of project %" PRId64 ": %s", l->project, l->err.message);
	mem_free(l);
}

void
project_discard(struct engine *e, int64_t id)
{
	struct leftover *l = mem_alloc(sizeof *l);
	struct store_project p;
	struct cl_err err = {0};

	if (store_project_get(e->store, id, &p, &err) < 0 ||
	    store_project_remove(e->store, id, &err) < 0) {
		log_error("project %" PRId64 ": %s", id, err.message);
		mem_free(l);
		return;
	}
	l->project = id;
	l->uid = engine_uid(e, p.owner);
	engine_work(e, sweep_work_cb, sweep_done_cb, l);
}

void
project_sweep(struct engine *e)
{
	int64_t id, last = 0;

	/* an import that was cut off goes on */
	while ((id = store_number(e->store, 0, "SELECT id FROM project WHERE state = 'creating' AND id > ?"
	    " AND id NOT IN (SELECT project FROM op WHERE kind = 'project import' AND project IS NOT NULL"
	    " AND state IN ('queued', 'running')) ORDER BY id LIMIT 1", "i", last)) != 0) {
		log_info("project %" PRId64 ": its making was cut off, it is removed", id);
		project_discard(e, id);
		last = id;
	}
}
