/* Routes of a project's members. */
#include <string.h>

#include "base/mem.h"
#include "engine/auth.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/event_hub.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/store_project.h"

#define MEMBERS_MAX 500

struct listing {
	struct engine *e;
	int64_t project;
	json_t *list;
};

static int
list_cb(void *arg, const struct store_member *m)
{
	struct listing *l = arg;

	json_array_append_new(l->list,
	    json_pack("{s:s, s:s, s:b}", "user", m->name, "role", policy_role_text(m->role), "online",
	    event_hub_present(l->e, l->project, m->user)));
	return 0;
}

static int
member_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct listing l = {.e = e, .project = r->project, .list = json_array()};
	int rc = store_project_member_each(e->store, r->project, list_cb, &l, err);

	reply_json(p, 200, json_pack("{s:o}", "members", l.list));
	return rc;
}

static void
tell(struct engine *e, const struct request *r, const char *user, const char *role)
{
	event_publish(e, EVENT_PROJECT_MEMBERS, r->project, NULL, r->caller.name,
	    json_pack("{s:s, s:s?}", "user", user, "role", role), "%s %s %s%s%s", r->caller.name,
	    role == NULL ? "removed" : "made", user, role == NULL ? "" : " ", role == NULL ? "" : role);
}

/* A session holds the project's group until it ends; it must not outlive the right to it. */
static void
cut_off(struct engine *e, int64_t user, enum policy_role before, enum policy_role now)
{
	if (before >= POLICY_EDITOR && now < POLICY_EDITOR)
		auth_revoke(e, user, "your rights in a project have changed", "");
	if (now < before)
		event_hub_drop(e, user);
}

static int
member_put(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_param(r, "user"), *text = request_str(r, "role");
	enum policy_role role = policy_role_parse(text), before;
	struct store_project project;

	if (role < POLICY_VIEWER || role > POLICY_OPERATOR)
		return err_set(err, CL_USAGE, "role: must be operator, editor or viewer");
	request_detail(r, "%s %s", name, text);
	if (store_project_get(e->store, r->project, &project, err) < 0)
		return -1;
	if (project.owner == r->user)
		return err_set(err, CL_CONFLICT, "member %s: is the owner", name);
	before = store_project_role(e->store, r->project, r->user);
	if (before == POLICY_NONE && project.members >= MEMBERS_MAX)
		return err_set(err, CL_QUOTA, "project %s: has %d members", project.name, project.members);
	if (store_project_member_put(e->store, r->project, r->user, role, err) < 0)
		return -1;
	tell(e, r, name, text);
	cut_off(e, r->user, before, role);
	reply_json(p, 200, json_pack("{s:s, s:s}", "user", name, "role", text));
	return 0;
}

static int
member_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_param(r, "user");
	enum policy_role before = store_project_role(e->store, r->project, r->user);

	if (before == POLICY_OWNER)
		return err_set(err, CL_CONFLICT, "member %s: is the owner", name);
	if (before == POLICY_NONE)
		return err_set(err, CL_NOT_FOUND, "member %s: is not a member", name);
	tell(e, r, name, NULL); /* while it still may hear it */
	if (store_project_member_remove(e->store, r->project, r->user, err) < 0)
		return -1;
	cut_off(e, r->user, before, POLICY_NONE);
	reply_done(p);
	return 0;
}

const struct route_bind route_member_binds[] = {
    {ROUTE_MEMBER_LS, member_ls},
    {ROUTE_MEMBER_PUT, member_put},
    {ROUTE_MEMBER_RM, member_rm},
    {0, NULL},
};
