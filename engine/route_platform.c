/* Routes of the platform itself: info, this interface, events, the caller, the audit trail. */
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/account.h"
#include "engine/engine.h"
#include "engine/event_hub.h"
#include "engine/openapi.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/store_audit.h"
#include "engine/store_project.h"
#include "engine/stream.h"

#ifndef CL_VERSION
#define CL_VERSION "0.1.0"
#endif

static int
info(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	reply_json(p, 200, json_pack("{s:s, s:s, s:s, s:s?, s:s, s:I, s:i, s:i}",
	    "version", CL_VERSION, "backend", e->backend.ops->name, "backend_state", e->backend_state,
	    "backend_error", e->backend_error[0] != '\0' ? e->backend_error : NULL, "domain",
	    config_str("edge.domain"), "edge_port", (json_int_t)config_int("edge.port"), "users",
	    store_user_count(e->store), "projects", store_project_count(e->store, 0)));
	return 0;
}

static int
openapi(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	/* Always the same, and long to make: printed once, or whoever asks often holds up the others. */
	static json_t *doc;
	static char *text;

	if (doc == NULL) {
		doc = openapi_json(CL_VERSION);
		text = json_dumps(doc, JSON_COMPACT);
	}
	reply_json(p, 200, json_incref(doc));
	reply_text(p, text);
	return 0;
}

static int
whoami(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_user u;

	if (r->caller.is_root) {
		reply_json(p, 200, json_pack("{s:i, s:s, s:s, s:I}", "id", 0, "name", "root", "role",
		    "admin", "uid", (json_int_t)r->caller.uid));
		return 0;
	}
	if (store_user_get(e->store, r->caller.id, &u, err) < 0)
		return -1;
	reply_json(p, 200, account_json(e, &u, true));
	return 0;
}

static int
audit_cb(void *arg, const struct store_audit *a)
{
	char at[32];

	clock_iso(a->at, at, sizeof at);
	json_array_append_new(arg, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "id",
	    (json_int_t)a->id, "at", at, "user", a->name, "verb", a->verb, "object", a->object, "result",
	    a->result, "detail", a->detail));
	return 0;
}

static int
audit(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	int64_t limit;
	json_t *list;
	int rc;

	if (request_query_int(r, "limit", 1, 1000, 100, &limit, err) < 0)
		return -1;
	list = json_array();
	rc = store_audit_each(e->store, request_query(r, "user"), request_query(r, "verb"), (int)limit,
	    audit_cb, list, err);
	reply_json(p, 200, json_pack("{s:o}", "audit", list));
	return rc;
}

static int
events(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *project = request_query(r, "project");
	struct event_hub_filter f = {.user = r->caller.id, .admin = r->caller.role == POLICY_ADMIN};

	if (request_query_int(r, "op", 1, INT64_MAX, 0, &f.op, err) < 0 ||
	    request_query_int(r, "since", 0, INT64_MAX, -1, &f.since, err) < 0 ||
	    request_query_bool(r, "presence", &f.presence, err) < 0)
		return -1;
	if (r->last_event > 0)
		f.since = r->last_event;
	if (project != NULL) {
		if (store_project_resolve(e->store, r->caller.id, project, &f.project, err) < 0)
			return -1;
		if (!f.admin && store_project_role(e->store, f.project, r->caller.id) < POLICY_VIEWER)
			return err_set(err, CL_NOT_FOUND, "project: there is no such project");
	}
	event_hub_subscribe(e, reply_stream(p), &f);
	return 0;
}

const struct route_bind route_platform_binds[] = {
    {ROUTE_INFO, info},
    {ROUTE_OPENAPI, openapi},
    {ROUTE_WHOAMI, whoami},
    {ROUTE_AUDIT, audit},
    {ROUTE_EVENTS, events},
    {0, NULL},
};
