/* Routes of operations and images. */
#include <string.h>
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/gc.h"
#include "engine/image.h"
#include "engine/image_view.h"
#include "engine/op.h"
#include "engine/reply.h"
#include "engine/repository.h"
#include "engine/request.h"
#include "engine/stacks.h"
#include "engine/store_project.h"
#include "engine/stored.h"

struct image_ready {
	struct engine *e;
	json_t *ids;
};

static int op_ls_cb(void *arg, const struct store_op *o)
{
	json_array_append_new(arg, op_json(o));
	return 0;
}

static int op_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_query(r, "project");
	bool all = r->caller.is_root || r->caller.role == POLICY_ADMIN;
	int64_t project = 0, limit;
	json_t *list;

	if (request_query_int(r, "limit", 1, 1000, 50, &limit, err) != 0)
		return -1;
	if (name != NULL) {
		if (store_project_resolve(e->store, r->caller.id, name, &project, err) != 0)
			return -1;
		if (policy_right(&r->caller, store_project_role(e->store, project, r->caller.id)) <
		    POLICY_VIEWER)
			return err_set(err, CL_NOT_FOUND, "project: there is no such project");
	}
	list = json_array();
	if (store_op_each(e->store, project, all || project != 0 ? 0 : r->caller.id, (int)limit,
	    op_ls_cb, list, err) != 0) {
		json_decref(list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "ops", list));
	return 0;
}

static int op_show(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_op row;

	if (store_op_get(e->store, r->op, &row, err) != 0)
		return -1;
	reply_json(p, 200, op_json(&row));
	store_op_clear(&row);
	return 0;
}

static int op_log_cb(void *arg, int64_t seq, const char *text)
{
	json_array_append_new(arg, json_pack("{s:I, s:s}", "seq", (json_int_t)seq, "text", text));
	return 0;
}

static int op_log(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	int64_t since;
	json_t *list;

	if (request_query_int(r, "since", 0, INT64_C(1000000000000000), 0, &since, err) != 0)
		return -1;
	list = json_array();
	if (store_op_log_each(e->store, r->op, since, 10000, op_log_cb, list, err) != 0) {
		json_decref(list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "lines", list));
	return 0;
}

static int op_cancel_route(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	if (op_cancel(e, r->op, err) != 0)
		return -1;
	if (op_show(e, r, p, err) != 0)
		return -1;
	return 0;
}

/* --- images ------------------------------------------------------------------------------- */

static int image_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	bool all = false;

	if (request_query_bool(r, "all", &all, err) != 0)
		return -1;
	if (all)
		return image_view_begin(e, r, p, err);
	reply_json(p, 200, image_json(e));
	return 0;
}

static void image_ready_cb(void *arg, const char *id)
{
	struct image_ready *l = arg;

	if (image_get(l->e, id) == IMAGE_READY)
		json_array_append_new(l->ids, json_string(id));
}

static int image_push(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const json_t *named = r->body != NULL ? json_object_get(r->body, "ids") : NULL;
	struct image_ready l = { e, json_array() };
	size_t i;
	json_t *id;
	int rc = 0;

	if (!repository_have()) {
		rc = err_set(err, CL_PRECONDITION, "image push: there is no repository");
		(void)err_hint(err, "./lab up starts one, or set registry.url");
	}
	json_array_foreach(named, i, id) {
		if (rc != 0)
			break;
		if (image_get(e, json_string_value(id)) != IMAGE_READY)
			rc = err_set(err, CL_NOT_FOUND, "image %s: it is not built", json_string_value(id));
		json_array_append(l.ids, id);
	}
	if (json_array_size(named) == 0)
		image_each(e, image_ready_cb, &l);
	if (rc == 0)
		rc = op_begin(e, r, p, "image push", 0, NULL, stored_payload_stacks(l.ids), NULL, err);
	json_decref(l.ids);
	return rc;
}

static int image_gc(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	return gc_begin(e, r, p, r->body != NULL && request_bool(r, "dry_run"), err);
}

/* "python", "app/p12:op3", "sha256:...": each part begins with a letter or a digit. */
static bool is_image_name(const char *id)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	bool begins = true;

	for (; *id != '\0'; id++) {
		if (strchr(begins ? first : "abcdefghijklmnopqrstuvwxyz0123456789._:/-", *id) == NULL)
			return false;
		begins = *id == '/' || *id == ':';
	}
	return !begins;
}

/* What no image can be called is refused here, not by an operation that fails later. */
static int image_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *id = request_str(r, "id");
	struct stack_step step;

	if (!is_image_name(id)) {
		err_set(err, CL_USAGE, "image: this is not the name of one");
		return err_hint(err, "`image ls` shows them: ID, ID:TAG or sha256:...");
	}
	if (strpbrk(id, "/:") == NULL && !stack_find_image(stacks_now(e), id, &step))
		return err_set(err, CL_NOT_FOUND, "image %s: there is none", id);
	return gc_begin_remove(e, r, p, id, err);
}

static int image_build(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const json_t *ids = r->body != NULL ? json_object_get(r->body, "ids") : NULL;

	return image_begin(e, r, p, ids, r->body != NULL && request_bool(r, "force"), err);
}

const struct route_bind route_op_binds[] = {
	{ ROUTE_OP_LS, op_ls },
	{ ROUTE_OP_SHOW, op_show },
	{ ROUTE_OP_LOG, op_log },
	{ ROUTE_OP_CANCEL, op_cancel_route },
	{ ROUTE_IMAGE_LS, image_ls },
	{ ROUTE_IMAGE_BUILD, image_build },
	{ ROUTE_IMAGE_PUSH, image_push },
	{ ROUTE_IMAGE_GC, image_gc },
	{ ROUTE_IMAGE_RM, image_rm },
	{ 0, NULL },
};
