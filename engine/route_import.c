/*
 * Routes of import and export: uploads, projects from elsewhere, archives of projects, and the
 * stack of a project.  Bytes go between client and broker by a ticket, never through here.
 */
#include <string.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/export.h"
#include "engine/import.h"
#include "engine/op.h"
#include "engine/project.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/stacks.h"
#include "engine/store_backup.h"
#include "engine/store_env.h"
#include "engine/store_project.h"

#define TICKET_SIZE 129

struct transfer_job {
	struct backend_transfer spec;
	bool whole;                 /* an export with all that builds it */
	struct export export;       /* of such a one */
	struct appfile app;
	char *added;
	char ticket[TICKET_SIZE];
};

/* What the project says of itself; it may say nothing. */
static int read_own(struct engine *e, struct transfer_job *j, const char *name,
    int (*add)(struct appfile *a, const char *text, size_t len, struct cl_err *err),
    struct cl_err *err)
{
	struct cl_err why = {0};
	struct buf text;
	int rc;

	buf_init(&text, APPFILE_MAX);
	rc = e->backend.ops->workspace_read(&e->backend, j->spec.project, j->spec.uid, name,
	    APPFILE_MAX, &text, &why);
	if (rc == 0)
		rc = add(&j->app, text.data != NULL ? text.data : "", text.len, err);
	else if (why.code == CL_NOT_FOUND)
		rc = 0;
	else
		*err = why;
	buf_clear(&text);
	return rc;
}

static int gather(struct engine *e, struct transfer_job *j, struct cl_err *err)
{
	if (read_own(e, j, ".codinglab.json", appfile_add_json, err) != 0 ||
	    read_own(e, j, "Procfile", appfile_add_procfile, err) != 0)
		return -1;
	j->spec.extra = export_files(&j->export, err);
	return j->spec.extra != NULL ? 0 : -1;
}

static int upload_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct transfer_job *j = arg;

	if (j->whole && gather(e, j, err) != 0)
		return -1;
	return e->backend.ops->transfer(&e->backend, &j->spec, j->ticket, sizeof(j->ticket), err);
}

static int upload_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct transfer_job *j = arg;
	const char *socket = config_str("runtime.exec_socket");

	(void)e;
	(void)r;
	if (err->code == CL_OK)
		reply_json(p, 200, json_pack("{s:s, s:s}", "ticket", j->ticket, "socket", socket));
	mem_free(j->spec.extra);
	appfile_clear(&j->app);
	mem_free(j->added);
	if (j->export.stacks != NULL)
		stacks_give(j->export.stacks);
	mem_wipe(j, sizeof(*j));
	mem_free(j);
	return err->code == CL_OK ? 0 : -1;
}

/* The ticket is also what the upload is called afterwards. */
static int upload(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct transfer_job *j = mem_alloc(sizeof(*j));

	(void)e;
	(void)err;
	j->spec.peer_uid = r->caller.uid;
	reply_work(p, upload_work_cb, upload_then_cb, j);
	return 0;
}

/* The rest of both imports: the operation, and the URL's secret beside it. */
static int begin(struct engine *e, struct request *r, struct reply *p, int64_t project,
    json_t *payload, char *secret, struct cl_err *err)
{
	int64_t op = 0;

	if (request_has(r, "stack"))
		json_object_set_new(payload, "stack", json_string(request_str(r, "stack")));
	if (request_has(r, "db"))
		json_object_set_new(payload, "db", json_string(request_str(r, "db")));
	json_object_set_new(payload, "force", json_boolean(request_bool(r, "force")));
	if (op_begin(e, r, p, "project import", project, NULL, payload, &op, err) != 0) {
		mem_free(secret);
		return -1;
	}
	import_keep_secret(op, secret);
	return 0;
}

static int import_new(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_str(r, "name"), *about = request_str(r, "description");
	const char *stack = request_str(r, "stack");
	cl_autofree char *secret = NULL;
	json_t *payload;
	int64_t id;
	char *kept;

	mem_copy_str(r->object, sizeof r->object, name);
	if (stack != NULL && stack_find_new(stacks_now(e), stack, err) == NULL)
		return -1;
	if (project_check_room(e, r, name, err) < 0)
		return -1;
	payload = import_source(r, &secret, err);
	if (payload == NULL)
		return -1;
	if (store_project_add(e->store, r->caller.id, name, stack != NULL ? stack : "unknown",
	    about != NULL ? about : "", &id, err) != 0) {
		json_decref(payload);
		return -1;
	}
	kept = secret;
	secret = NULL;
	return begin(e, r, p, id, payload, kept, err);
}

static int check_idle(struct engine *e, struct request *r, struct cl_err *err)
{
	return op_check(e, r->project, "dev", err) == 0 && op_check(e, r->project, "prod", err) == 0
	    ? 0 : -1;
}

static int import_into(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *stack = request_str(r, "stack");
	struct store_project project;
	json_t *payload;
	char *secret;

	if (store_project_get(e->store, r->project, &project, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	if (stack != NULL && stack_find_new(stacks_now(e), stack, err) == NULL)
		return -1;
	if (check_idle(e, r, err) != 0)
		return -1;
	payload = import_source(r, &secret, err);
	return payload != NULL ? begin(e, r, p, r->project, payload, secret, err) : -1;
}

/* -- export -- */

static int format(const char *text, struct cl_err *err)
{
	static const char *const known[] = {"tar.gz", "tar", "tar.xz", "tar.bz2", "tar.zst", "zip"};

	for (size_t i = 0; i < CL_COUNT(known); i++)
		if (strcmp(known[i], text) == 0)
			return 0;
	err_set(err, CL_USAGE, "export: there is no format \"%s\"", text);
	return err_hint(err, "tar.gz, tar.xz, tar.bz2, tar.zst, tar or zip");
}

/* An archive of a stack that is gone has the files alone. */
static void prepare_whole(struct engine *e, struct transfer_job *j,
    const struct store_project *project)
{
	struct export *x = &j->export;

	x->stacks = stacks_take(e);
	x->stack = stack_find(x->stacks, project->stack);
	x->web = stack_find(x->stacks, "web");
	x->db = x->stack != NULL ? stack_db(x->stacks, x->stack, project->db) : NULL;
	x->app = &j->app;
	x->images = config_str("images.dir");
	x->added = j->added = stacks_dir();
	mem_copy_str(x->name, sizeof(x->name), project->name);
	j->whole = x->stack != NULL && x->web != NULL;
}

static int export(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *text = request_str(r, "format");
	struct store_project project;
	struct transfer_job *j;

	text = text != NULL ? text : "tar.gz";
	if (format(text, err) != 0 || store_project_get(e->store, r->project, &project, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	j = mem_alloc(sizeof(*j));
	j->spec.is_export = true;
	j->spec.peer_uid = r->caller.uid;
	j->spec.project = project.id;
	j->spec.uid = engine_uid(e, project.owner);
	j->spec.gid = engine_gid(e, project.id);
	mem_copy_str(j->spec.format, sizeof(j->spec.format), text);
	mem_copy_str(j->spec.prefix, sizeof(j->spec.prefix), project.name);
	if (!request_bool(r, "plain"))
		prepare_whole(e, j, &project);
	request_detail(r, "%s", text);
	reply_work(p, upload_work_cb, upload_then_cb, j);
	return 0;
}

/* -- everything -- */

static int backup_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	cl_autofree char *from = mem_printf("%s/engine/codinglab.db", config_str("state.dir"));
	cl_autofree char *to = mem_printf("%s/engine/backup.db", config_str("state.dir"));

	if (store_backup_copy(from, to, err) != 0)
		return -1;
	return upload_work_cb(e, arg, err);
}

static int backup(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct transfer_job *j = mem_alloc(sizeof(*j));

	(void)e;
	(void)err;
	j->spec.is_backup = true;
	j->spec.peer_uid = r->caller.uid;
	reply_work(p, backup_work_cb, upload_then_cb, j);
	return 0;
}

/* -- the stack -- */

static int set_stack(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const struct stack *stack = stack_find_new(stacks_now(e), request_str(r, "stack"), err);
	struct store_project project;

	if (stack == NULL || store_project_get(e->store, r->project, &project, err) != 0 ||
	    check_idle(e, r, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	if (store_number(e->store, 0, "SELECT count(*) FROM env WHERE project = ?", "i",
	    project.id) != 0) {
		err_set(err, CL_CONFLICT, "project %s: it has releases of stack %s", project.name,
		    project.stack);
		return err_hint(err, "Export it and import it as another project");
	}
	request_detail(r, "%s to %s", project.stack, stack->id);
	if (project_set_stack(e, project.id, stacks_now(e), stack, "", err) != 0 ||
	    store_project_get(e->store, project.id, &project, err) != 0)
		return -1;
	if (project.dev_want) {
		reconcile_restart_dev(e, project.id);
		(void)reconcile_kick(e, project.id, "ide");
	}
	reply_json(p, 200, project_json(e, &project, r->right));
	return 0;
}

const struct route_bind route_import_binds[] = {
    {ROUTE_UPLOAD, upload},
    {ROUTE_BACKUP, backup},
    {ROUTE_PROJECT_IMPORT_NEW, import_new},
    {ROUTE_PROJECT_IMPORT, import_into},
    {ROUTE_PROJECT_EXPORT, export},
    {ROUTE_PROJECT_STACK, set_stack},
    {0, NULL},
};
