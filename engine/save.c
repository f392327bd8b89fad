/* Saves as operations; see save.h. */
#include "engine/save.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/manifest.h"
#include "engine/reconcile.h"
#include "engine/repository.h"
#include "engine/store_project.h"

#define SAVE_ATTEMPTS 3
#define SAVE_DEPTH 40       /* layers of a workspace; then one that holds everything */
#define SAVE_TIMEOUT_S 3600

struct save_job {
	struct store_save row;
	struct backend_save spec;
	struct backend_saved made;
	struct save_gone gone;       /* of saves rm */
	struct cl_err err;
};

static void save_work(struct op_live *o, void *arg);
static void save_done(struct op_live *o, void *arg);
static void save_lost(struct engine *e, int64_t id);
static void save_remove_work(struct op_live *o, void *arg);
static void save_remove_done(struct op_live *o, void *arg);
static int64_t save_of(const struct op_live *o);
static void save_summary(const struct store_save *row, char *out, size_t size);

int save_check_name(const char *name, struct cl_err *err)
{
	bool good = name[0] != '\0' && strlen(name) < STORE_SAVE_NAME;

	for (size_t i = 0; good && name[i] != '\0'; i++)
		good = isalnum((unsigned char)name[i]) || (i > 0 && strchr("._-", name[i]) != NULL);
	if (good)
		return 0;
	err_set(err, CL_USAGE, "save: that is no name for one");
	return err_hint(err, "Letters, digits, dot, dash and underscore, at most %d of them",
	    STORE_SAVE_NAME - 1);
}

int save_begin(struct engine *e, struct request *r, struct reply *p, const char *name,
    const char *message, struct cl_err *err)
{
	struct store_save row = { .project = r->project };
	struct store_project project;
	int max = (int)config_int("saves.max");
	int64_t op = 0;

	if (store_project_get(e->store, r->project, &project, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	if (op_check(e, r->project, "ide", err) != 0)
		return -1;
	if (store_save_count(e->store, r->project, false) >= max) {
		err_set(err, CL_QUOTA, "save: project %s has %d saves, more are not kept",
		    project.name, max);
		return err_hint(err, "saves rm NAME removes one; an admin may raise saves.max");
	}
	(void)mem_copy_str(row.name, sizeof(row.name), name);
	(void)mem_copy_str(row.message, sizeof(row.message), message);
	(void)mem_copy_str(row.by, sizeof(row.by), r->caller.name);
	(void)mem_copy_str(row.stack, sizeof(row.stack), project.stack);
	if (store_save_add(e->store, &row, err) != 0)
		return -1;
	request_detail(r, "%s", row.name);
	return op_begin(e, r, p, "save", r->project, "ide", json_pack("{s:I}", "save",
	    (json_int_t)row.id), &op, err);
}

void save_name(char *out, size_t size, int64_t project, int64_t save)
{
	(void)snprintf(out, size, "p%lld-s%lld", (long long)project, (long long)save);
}

int save_spec(struct engine *e, const struct store_save *row, int64_t op, struct backend_save *out,
    struct cl_err *err)
{
	struct store_save before, loaded;
	struct store_project project;
	struct backend_spec dev;

	memset(out, 0, sizeof(*out));
	if (store_project_get(e->store, row->project, &project, err) != 0 ||
	    reconcile_dev_spec(e, row->project, &dev, err) != 0)
		return -1;
	out->project = row->project;
	out->op = op;
	out->uid = engine_uid(e, project.owner);
	out->gid = engine_gid(e, row->project);
	save_name(out->name, sizeof(out->name), row->project, row->id);
	(void)mem_copy_str(out->container, sizeof(out->container), dev.name);
	(void)mem_copy_str(out->image, sizeof(out->image), dev.image);
	(void)mem_copy_str(out->base, sizeof(out->base), dev.image);
	if (store_save_get(e->store, store_save_loaded(e->store, row->project), &loaded, NULL) == 0)
		(void)mem_copy_str(out->base, sizeof(out->base), loaded.base);
	if (store_save_nearest(e->store, row->project, &before, NULL) == 0 &&
	    before.depth < SAVE_DEPTH)
		(void)mem_copy_str(out->parent, sizeof(out->parent), before.work);
	out->max_bytes = config_int("saves.size_mb") << 20;
	out->max_files = config_int("saves.files");
	manifest_clear(&dev);
	return 0;
}

int save_run(struct op_live *o, struct cl_err *err)
{
	struct engine *e = o->e;
	struct save_job *j = mem_alloc(sizeof(*j));

	if (store_save_get(e->store, save_of(o), &j->row, err) != 0) {
		mem_free(j);
		return -1;
	}
	if (strcmp(j->row.state, "ready") == 0) { /* a killed engine had come to the end but for this */
		mem_free(j);
		op_done(e, o->id, "");
		return 0;
	}
	if (o->attempts > SAVE_ATTEMPTS)
		(void)err_set(err, CL_FAILED, "save: the engine was restarted during it %d times",
		    SAVE_ATTEMPTS);
	if (err->code != CL_OK || save_spec(e, &j->row, o->id, &j->spec, err) != 0) {
		save_lost(e, j->row.id);
		mem_free(j);
		return -1;
	}
	op_step(e, o->id, "reading the files");
	op_work(o, save_work, save_done, j);
	return 0;
}

static void save_work(struct op_live *o, void *arg)
{
	struct save_job *j = arg;
	struct backend *b = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = SAVE_TIMEOUT_S };

	if (b->ops->save(b, &j->spec, &job, &j->made, &j->err) == 0)
		save_push(b, &j->row, &job);
}

static void save_done(struct op_live *o, void *arg)
{
	struct save_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };
	char text[300];

	if (e->stopping) { /* the next engine does it anew */
		;
	} else if (j->err.code == CL_UNAVAILABLE && o->attempts < SAVE_ATTEMPTS) {
		op_retry(o, 3000, "waiting for the container runtime");
	} else if (store_begin(e->store, &err) != 0) {
		op_failed(e, o->id, &err);
	} else {
		if (j->err.code == CL_OK && save_store(e, &j->row, &j->made, &j->err) == 0) {
			save_summary(&j->row, text, sizeof(text));
			op_done(e, o->id, text);
		} else {
			save_lost(e, j->row.id);
			op_failed(e, o->id, &j->err);
		}
		if (store_commit(e->store, &err) != 0)
			log_error("save %lld: %s", (long long)j->row.id, err.message);
	}
	mem_free(j->made.report);
	mem_free(j);
}

static void save_lost(struct engine *e, int64_t id)
{
	struct cl_err err = { 0 };

	if (store_save_remove(e->store, id, &err) != 0)
		log_error("save %lld: %s", (long long)id, err.message);
}

int save_store(struct engine *e, struct store_save *row, const struct backend_saved *made,
    struct cl_err *err)
{
	json_t *j = json_loads(made->report, 0, NULL);
	struct store_save loaded, before;
	const char *tree, *image;
	cl_autofree char *diff = NULL;
	int rc;

	if (json_unpack(j, "{s:s, s:s, s:I, s:I, s:I}", "tree", &tree, "image", &image, "files",
	    &row->files, "bytes", &row->bytes, "written", &row->written) != 0) {
		json_decref(j);
		return err_set(err, CL_FAILED, "save: its report is malformed");
	}
	(void)mem_copy_str(row->tree, sizeof(row->tree), tree);
	(void)mem_copy_str(row->dev, sizeof(row->dev), made->dev);
	(void)mem_copy_str(row->work, sizeof(row->work), made->work);
	(void)mem_copy_str(row->base, sizeof(row->base), image);
	if (store_save_get(e->store, store_save_loaded(e->store, row->project), &loaded, NULL) == 0)
		(void)mem_copy_str(row->base, sizeof(row->base), loaded.base);
	if (!json_is_true(json_object_get(j, "whole")) &&
	    store_save_nearest(e->store, row->project, &before, NULL) == 0)
		row->depth = before.depth + !json_is_true(json_object_get(j, "same"));
	diff = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	rc = store_save_ready(e->store, row, diff, err);
	if (rc == 0)
		rc = store_save_stored(e->store, row, err);
	if (rc == 0)
		event_publish(e, EVENT_SAVED, row->project, NULL, row->by, json_pack("{s:I, s:s}",
		    "save", (json_int_t)row->id, "name", row->name), "%s saved as %s",
		    row->by[0] != '\0' ? row->by : "root", row->name);
	return rc;
}

bool save_differs(const struct backend_saved *made, const struct store_save *before)
{
	json_t *j = json_loads(made->report, 0, NULL);
	bool same = before != NULL && json_is_true(json_object_get(j, "same")) &&
	    strcmp(made->dev, before->dev) == 0;

	json_decref(j);
	return !same;
}

static void save_summary(const struct store_save *row, char *out, size_t size)
{
	(void)snprintf(out, size, "%s: %lld files, %.1f MB, %.1f MB of it new", row->name,
	    (long long)row->files, (double)row->bytes / 1048576.0, (double)row->written / 1048576.0);
}

json_t *save_json(struct engine *e, const struct store_save *row)
{
	char at[32];

	clock_iso(row->at, at, sizeof(at));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I}",
	    "name", row->name, "message", row->message, "by", row->by, "at", at, "state", row->state,
	    "undo", row->undo, "loaded", store_save_loaded(e->store, row->project) == row->id,
	    "stack", row->stack, "base", row->base[0] != '\0' ? json_string(row->base) : json_null(),
	    "container", row->dev[0] != '\0' ? json_string(row->dev) : json_null(), "workspace",
	    row->work[0] != '\0' ? json_string(row->work) : json_null(), "tree",
	    row->tree[0] != '\0' ? json_string(row->tree) : json_null(), "files",
	    (json_int_t)row->files, "size", (json_int_t)row->bytes, "new", (json_int_t)row->written);
}

/* --- saves rm --------------------------------------------------------------------------------- */

int save_begin_remove(struct engine *e, struct request *r, struct reply *p, const char *name,
    struct cl_err *err)
{
	struct store_save row;

	if (store_save_find(e->store, r->project, name, &row, err) != 0 ||
	    op_check(e, r->project, "ide", err) != 0)
		return -1;
	if (store_save_loaded(e->store, r->project) == row.id) {
		err_set(err, CL_CONFLICT, "save %s: the dev container is made of it", name);
		return err_hint(err, "load another first, or: restart --fresh");
	}
	request_detail(r, "%s", row.name);
	return op_begin(e, r, p, "saves rm", r->project, "ide", json_pack("{s:I}", "save",
	    (json_int_t)row.id), NULL, err);
}

int save_run_remove(struct op_live *o, struct cl_err *err)
{
	struct save_job *j = mem_alloc(sizeof(*j));

	if (store_save_get(o->e->store, save_of(o), &j->row, err) != 0) {
		bool gone = err->code == CL_NOT_FOUND;

		mem_free(j);
		if (!gone)
			return -1;
		op_done(o->e, o->id, "");
		return 0;
	}
	save_forget(o->e, &j->row, &j->gone);
	op_work(o, save_remove_work, save_remove_done, j);
	return 0;
}

void save_forget(struct engine *e, const struct store_save *row, struct save_gone *out)
{
	out->row = *row;
	out->drop_dev = row->dev_stored[0] != '\0' &&
	    !store_save_shares(e->store, row, row->dev_stored);
	out->drop_work = row->work_stored[0] != '\0' &&
	    !store_save_shares(e->store, row, row->work_stored);
}

static int save_remove_image(struct backend *b, const struct store_save *row, const char *kind,
    struct cl_err *err)
{
	struct cl_err why = { 0 };
	char name[32], id[64];

	save_name(name, sizeof(name), row->project, row->id);
	(void)snprintf(id, sizeof(id), "%s/%s", kind, name);
	if (b->ops->image_remove(b, id, &why) == 0 || why.code == CL_NOT_FOUND)
		return 0;
	return err_set(err, why.code, "%s", why.message);
}

int save_remove(struct backend *b, const struct save_gone *g, struct cl_err *err)
{
	char repository[64];

	(void)snprintf(repository, sizeof(repository), "save/p%lld", (long long)g->row.project);
	if (g->drop_dev && b->ops->stored_remove(b, repository, g->row.dev_stored, err) != 0)
		return -1;
	if (g->drop_work && b->ops->stored_remove(b, repository, g->row.work_stored, err) != 0)
		return -1;
	return save_remove_image(b, &g->row, "save", err) != 0 ? -1 :
	    save_remove_image(b, &g->row, "work", err);
}

static int save_push_one(struct backend *b, const struct store_save *row, const char *kind,
    const char *suffix, const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	char name[32], id[64], repository[64], tag[64];

	save_name(name, sizeof(name), row->project, row->id);
	(void)snprintf(id, sizeof(id), "%s/%s", kind, name);
	(void)snprintf(repository, sizeof(repository), "save/p%lld", (long long)row->project);
	(void)snprintf(tag, sizeof(tag), "s%lld%s", (long long)row->id, suffix);
	return b->ops->image_push(b, id, repository, tag, job, digest, size, err);
}

void save_push(struct backend *b, struct store_save *row, const struct backend_job *job)
{
	struct cl_err err = { 0 };
	char text[700];

	if (!repository_have())
		return;
	if (save_push_one(b, row, "save", "", job, row->dev_stored, sizeof(row->dev_stored),
	    &err) == 0 && save_push_one(b, row, "work", "-files", job, row->work_stored,
	    sizeof(row->work_stored), &err) == 0)
		return;
	row->dev_stored[0] = row->work_stored[0] = '\0';
	(void)snprintf(text, sizeof(text), "not in the repository, on this machine only: %s",
	    err.message);
	job->line(job->arg, text, strlen(text));
}

static int save_pull_one(struct backend *b, const struct store_save *row, const char *kind,
    const char *stored, const char *want, const struct backend_job *job, struct cl_err *err)
{
	char name[32], id[64], repository[64], image[128];

	if (stored[0] == '\0')
		return err_set(err, CL_NOT_FOUND, "save %s: its images are neither here nor in the "
		    "repository", row->name);
	save_name(name, sizeof(name), row->project, row->id);
	(void)snprintf(id, sizeof(id), "%s/%s", kind, name);
	(void)snprintf(repository, sizeof(repository), "save/p%lld", (long long)row->project);
	if (b->ops->image_pull(b, repository, stored, id, "", job, image, sizeof(image), err) != 0)
		return -1;
	if (strcmp(image, want) != 0)
		return err_set(err, CL_FAILED, "save %s: the repository gave another image", row->name);
	return 0;
}

int save_pull(struct backend *b, const struct store_save *row, const struct backend_job *job,
    struct cl_err *err)
{
	if (save_pull_one(b, row, "save", row->dev_stored, row->dev, job, err) != 0)
		return -1;
	return save_pull_one(b, row, "work", row->work_stored, row->work, job, err);
}

static void save_remove_work(struct op_live *o, void *arg)
{
	struct save_job *j = arg;

	(void)save_remove(&o->e->backend, &j->gone, &j->err);
}

static void save_remove_done(struct op_live *o, void *arg)
{
	struct save_job *j = arg;
	struct engine *e = o->e;

	if (e->stopping) {
		;
	} else if (j->err.code == CL_UNAVAILABLE) {
		op_retry(o, 3000, "waiting for the container runtime");
	} else if (j->err.code != CL_OK ||
	    store_save_remove(e->store, j->row.id, &j->err) != 0) {
		op_failed(e, o->id, &j->err);
	} else {
		op_done(e, o->id, "");
	}
	mem_free(j);
}

static int64_t save_of(const struct op_live *o)
{
	return json_integer_value(json_object_get(o->payload, "save"));
}
