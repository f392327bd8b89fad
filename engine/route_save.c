/* Routes of saves: list, show, make, remove, load. */
#include <string.h>
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/load.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/save.h"
#include "engine/store_project.h"
#include "engine/store_save.h"

struct save_list {
	struct engine *e;
	json_t *list;
};

static int save_ls_cb(void *arg, const struct store_save *row)
{
	struct save_list *l = arg;

	json_array_append_new(l->list, save_json(l->e, row));
	return 0;
}

static int save_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct save_list l = { e, json_array() };

	if (store_save_each(e->store, r->project, save_ls_cb, &l, err) != 0) {
		json_decref(l.list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "saves", l.list));
	return 0;
}

static int save_show(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	cl_autofree char *diff = NULL;
	struct store_save row;
	json_t *j, *d;

	if (store_save_find(e->store, r->project, request_param(r, "save"), &row, err) != 0)
		return -1;
	diff = store_save_diff(e->store, row.id);
	j = save_json(e, &row);
	d = json_loads(diff, 0, NULL);
	json_object_set_new(j, "diff", d != NULL ? d : json_object());
	reply_json(p, 200, j);
	return 0;
}

static int save_new(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_str(r, "name"), *message = request_str(r, "message");

	if (name != NULL && save_check_name(name, err) != 0)
		return -1;
	return save_begin(e, r, p, name != NULL ? name : "", message != NULL ? message : "", err);
}

static int save_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	return save_begin_remove(e, r, p, request_param(r, "save"), err);
}

/* The files of a save are as good as those of its project: who may not read these has none. */
static int load_source(struct engine *e, const struct request *r, int64_t *from, struct cl_err *err)
{
	const char *text = request_str(r, "from");
	struct cl_err why = { 0 };
	enum policy_role right;

	*from = r->project;
	if (text == NULL)
		return 0;
	if (store_project_resolve(e->store, r->caller.id, text, from, &why) != 0)
		return err_set(err, why.code, "load: %s", why.message);
	right = policy_right(&r->caller, store_project_role(e->store, *from, r->caller.id));
	if (right < POLICY_VIEWER)
		return err_set(err, CL_NOT_FOUND, "load: project: there is no such project");
	if (right < POLICY_EDITOR) {
		err_set(err, CL_FORBIDDEN, "load: the files of project %s are not yours to read", text);
		return err_hint(err, "Its owner makes you an editor: project member add");
	}
	return 0;
}

static int load(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	int64_t from;

	if (load_source(e, r, &from, err) != 0)
		return -1;
	return load_begin(e, r, p, from, request_str(r, "save"), err);
}

const struct route_bind route_save_binds[] = {
	{ ROUTE_SAVE_LS, save_ls },
	{ ROUTE_SAVE_SHOW, save_show },
	{ ROUTE_SAVE_NEW, save_new },
	{ ROUTE_SAVE_RM, save_rm },
	{ ROUTE_LOAD, load },
	{ 0, NULL },
};
