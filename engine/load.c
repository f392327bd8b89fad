/* Bringing a save back; see load.h. */
#include "engine/load.h"

#include <stdio.h>
#include <string.h>
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/manifest.h"
#include "engine/reconcile.h"
#include "engine/save.h"
#include "engine/store_project.h"

#define LOAD_ATTEMPTS 3
#define LOAD_TIMEOUT_S 3600
#define LOAD_UNDOS 3        /* undo saves kept */
#define LOAD_STOP_S 2       /* for the programs of the container to end */

struct load_job {
	struct store_save save;      /* what is loaded, of this project */
	struct store_save from;      /* another project's, of which it is a copy; id 0 = none */
	struct store_save undo;      /* id 0 = none */
	struct store_save before;    /* what the workspace came from; id 0 = none */
	struct backend_save spec;    /* of undo */
	struct backend_saved made;
	struct backend_load load;
	bool needless;               /* undo holds nothing that `before` does not */
	char container[80];
	struct save_gone old_undo;   /* one too many; row.id 0 = none */
	struct cl_err err;
};

static int load_check(struct engine *e, const struct request *r, const struct store_save *save,
    struct store_project *project, struct cl_err *err);
static int load_copy_row(struct engine *e, const struct request *r, const struct store_save *from,
    int64_t *id, struct cl_err *err);
static int64_t load_id(const struct op_live *o, const char *name);
static int load_fill(struct op_live *o, struct load_job *j, struct cl_err *err);
static int load_undo_row(struct op_live *o, struct load_job *j, struct cl_err *err);
static int load_copy_images(struct backend *b, int64_t project, struct load_job *j,
    const struct backend_job *job);
static void load_prepare_work(struct op_live *o, void *arg);
static void load_prepare_done(struct op_live *o, void *arg);
static int load_prepared(struct op_live *o, struct load_job *j, struct cl_err *err);
static void load_lost(struct op_live *o);
static void load_swap_start(struct op_live *o, struct load_job *j);
static void load_swap_work(struct op_live *o, void *arg);
static void load_swap_done(struct op_live *o, void *arg);
static int load_swapped(struct op_live *o, struct load_job *j, struct cl_err *err);
static void load_free(struct load_job *j);

int load_begin(struct engine *e, struct request *r, struct reply *p, int64_t from, const char *name,
    struct cl_err *err)
{
	struct store_project project;
	struct store_save save;
	int64_t id;

	if (store_save_find(e->store, from, name, &save, err) != 0 ||
	    load_check(e, r, &save, &project, err) != 0 || op_check(e, r->project, "ide", err) != 0)
		return -1;
	id = save.id;
	if (from != r->project && load_copy_row(e, r, &save, &id, err) != 0)
		return -1;
	request_detail(r, "%s%s", save.name, from != r->project ? " of another project" : "");
	return op_begin(e, r, p, "load", r->project, "ide", json_pack("{s:I, s:I, s:i}", "save",
	    (json_int_t)id, "from", (json_int_t)(from != r->project ? save.id : 0), "phase", 0), NULL,
	    err);
}

static int load_check(struct engine *e, const struct request *r, const struct store_save *save,
    struct store_project *project, struct cl_err *err)
{
	if (store_project_get(e->store, r->project, project, err) != 0)
		return -1;
	if (strcmp(project->state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project->name, project->state);
	if (strcmp(save->state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "save %s: it is still being made", save->name);
	if (strcmp(save->stack, project->stack) == 0)
		return 0;
	err_set(err, CL_PRECONDITION, "load: save %s is of stack %s, project %s of %s", save->name,
	    save->stack, project->name, project->stack);
	return err_hint(err, "Load it into a project of the same stack: project create NAME --stack %s",
	    save->stack);
}

/* The save of another project becomes one of this: then it does not depend on that any more. */
static int load_copy_row(struct engine *e, const struct request *r, const struct store_save *from,
    int64_t *id, struct cl_err *err)
{
	struct store_save row = { .project = r->project };
	struct store_save same;
	int max = (int)config_int("saves.max");

	if (store_save_count(e->store, r->project, false) >= max) {
		err_set(err, CL_QUOTA, "load: the project has %d saves, more are not kept", max);
		return err_hint(err, "saves rm NAME removes one");
	}
	(void)mem_copy_str(row.name, sizeof(row.name), from->name);
	if (store_save_find(e->store, r->project, from->name, &same, NULL) == 0)
		row.name[0] = '\0';
	(void)mem_copy_str(row.message, sizeof(row.message), from->message);
	(void)mem_copy_str(row.by, sizeof(row.by), r->caller.name);
	(void)mem_copy_str(row.stack, sizeof(row.stack), from->stack);
	if (store_save_add(e->store, &row, err) != 0)
		return -1;
	*id = row.id;
	return 0;
}

int load_run(struct op_live *o, struct cl_err *err)
{
	struct load_job *j = mem_alloc(sizeof(*j));
	int phase = (int)load_id(o, "phase");

	if (load_fill(o, j, err) != 0) {
		load_free(j);
		return -1;
	}
	if (phase == 0 && o->attempts > LOAD_ATTEMPTS)
		(void)err_set(err, CL_FAILED, "load: the engine was restarted during it %d times",
		    LOAD_ATTEMPTS);
	if (phase == 0 && (err->code != CL_OK || load_undo_row(o, j, err) != 0)) {
		load_lost(o);
		load_free(j);
		return -1;
	}
	if (phase == 0) {
		op_step(o->e, o->id, "reading the save; what is there now is kept");
		op_work(o, load_prepare_work, load_prepare_done, j);
	} else {
		load_swap_start(o, j);
	}
	return 0;
}

static int64_t load_id(const struct op_live *o, const char *name)
{
	return json_integer_value(json_object_get(o->payload, name));
}

static int load_fill(struct op_live *o, struct load_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	struct store_project project;
	const struct store_save *images;
	struct backend_spec dev;

	if (store_save_get(e->store, load_id(o, "save"), &j->save, err) != 0 ||
	    store_project_get(e->store, o->project, &project, err) != 0 ||
	    reconcile_dev_spec(e, o->project, &dev, err) != 0)
		return -1;
	(void)mem_copy_str(j->container, sizeof(j->container), dev.name);
	manifest_clear(&dev);
	/* a source that was removed meanwhile is missed when its images are */
	if (load_id(o, "from") != 0 && strcmp(j->save.state, "ready") != 0 &&
	    store_save_get(e->store, load_id(o, "from"), &j->from, err) != 0)
		return -1;
	(void)store_save_nearest(e->store, o->project, &j->before, NULL);
	images = j->from.id != 0 ? &j->from : &j->save;
	j->load.project = o->project;
	j->load.op = o->id;
	j->load.uid = engine_uid(e, project.owner);
	j->load.gid = engine_gid(e, o->project);
	j->load.max_bytes = config_int("saves.size_mb") << 20;
	(void)mem_copy_str(j->load.dev, sizeof(j->load.dev), images->dev);
	(void)mem_copy_str(j->load.work, sizeof(j->load.work), images->work);
	return 0;
}

/* The row of the undo save; a repeated run finds that of the one before. */
static int load_undo_row(struct op_live *o, struct load_job *j, struct cl_err *err)
{
	struct engine *e = o->e;

	if (load_id(o, "undo") != 0 &&
	    store_save_get(e->store, load_id(o, "undo"), &j->undo, err) != 0)
		return -1;
	if (j->undo.id == 0) {
		j->undo.project = o->project;
		j->undo.undo = true;
		(void)mem_copy_str(j->undo.by, sizeof(j->undo.by), o->by);
		(void)mem_copy_str(j->undo.stack, sizeof(j->undo.stack), j->save.stack);
		(void)snprintf(j->undo.message, sizeof(j->undo.message), "before load %s",
		    j->save.name);
		if (store_save_add(e->store, &j->undo, err) != 0)
			return -1;
		json_object_set_new(o->payload, "undo", json_integer(j->undo.id));
		op_save(o);
	}
	return save_spec(e, &j->undo, o->id, &j->spec, err);
}

/* The images of another project's save get the names of this one's. */
static int load_copy_images(struct backend *b, int64_t project, struct load_job *j,
    const struct backend_job *job)
{
	struct cl_err why = { 0 };
	char name[32];

	if (j->from.id == 0)
		return 0;
	save_name(name, sizeof(name), project, j->save.id);
	if (b->ops->save_copy(b, &j->load, name, &why) != 0 &&
	    (save_pull(b, &j->from, job, &j->err) != 0 ||
	    b->ops->save_copy(b, &j->load, name, &j->err) != 0))
		return -1;
	save_push(b, &j->save, job);
	return 0;
}

static void load_prepare_work(struct op_live *o, void *arg)
{
	struct load_job *j = arg;
	struct backend *b = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = LOAD_TIMEOUT_S };
	struct save_gone gone = { 0 };
	struct cl_err why = { 0 };

	if (load_copy_images(b, o->project, j, &job) != 0)
		return;
	if (b->ops->save(b, &j->spec, &job, &j->made, &j->err) != 0)
		return;
	j->needless = !save_differs(&j->made, j->before.id != 0 ? &j->before : NULL);
	if (!j->needless) {
		save_push(b, &j->undo, &job);
	} else {
		gone.row = j->undo;
		if (save_remove(b, &gone, &j->err) != 0)
			return;
	}
	if (b->ops->load(b, &j->load, &job, &why) == 0)
		return;
	/* images that are not on this machine (any more): from the repository */
	if (why.code == CL_PRECONDITION && (j->from.id != 0 ? j->from : j->save).dev_stored[0] != '\0') {
		if (save_pull(b, j->from.id != 0 ? &j->from : &j->save, &job, &j->err) == 0)
			(void)b->ops->load(b, &j->load, &job, &j->err);
		return;
	}
	j->err = why;
}

static void load_prepare_done(struct op_live *o, void *arg)
{
	struct load_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };

	if (j->err.code == CL_OK && atomic_load(&o->cancel))
		(void)err_set(&j->err, CL_FAILED, "cancelled");
	if (e->stopping) { /* the next engine does it anew */
		load_free(j);
		return;
	}
	if (j->err.code == CL_UNAVAILABLE && o->attempts < LOAD_ATTEMPTS) {
		op_retry(o, 3000, "waiting for the container runtime");
		load_free(j);
		return;
	}
	if (store_begin(e->store, &err) == 0) {
		if (j->err.code == CL_OK)
			(void)load_prepared(o, j, &j->err);
		if (j->err.code != CL_OK)
			load_lost(o);
		(void)store_commit(e->store, &err);
	}
	if (err.code != CL_OK || j->err.code != CL_OK) {
		op_failed(e, o->id, j->err.code != CL_OK ? &j->err : &err);
		load_free(j);
		return;
	}
	load_swap_start(o, j);
}

/* Everything is there: from here on it goes forward only. */
static int load_prepared(struct op_live *o, struct load_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	cl_autofree char *diff = NULL;

	if (j->needless ? store_save_remove(e->store, j->undo.id, err) != 0 :
	    save_store(e, &j->undo, &j->made, err) != 0)
		return -1;
	if (j->from.id != 0) {
		struct store_save copy = j->from;

		copy.id = j->save.id;
		copy.project = o->project;
		(void)mem_copy_str(copy.dev_stored, sizeof(copy.dev_stored), j->save.dev_stored);
		(void)mem_copy_str(copy.work_stored, sizeof(copy.work_stored), j->save.work_stored);
		diff = store_save_diff(e->store, j->from.id);
		if (store_save_ready(e->store, &copy, diff, err) != 0 ||
		    store_save_stored(e->store, &copy, err) != 0)
			return -1;
	}
	json_object_set_new(o->payload, "phase", json_integer(1));
	if (j->needless)
		json_object_set_new(o->payload, "undo", json_integer(0));
	op_save(o);
	return 0;
}

/* Rows that were made for it and are not ready go. */
static void load_lost(struct op_live *o)
{
	static const char *const names[] = { "undo", "save" };
	struct cl_err err = { 0 };
	struct store_save row;

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (store_save_get(o->e->store, load_id(o, names[i]), &row, NULL) == 0 &&
		    strcmp(row.state, "ready") != 0 &&
		    store_save_remove(o->e->store, row.id, &err) != 0)
			log_error("load %lld: %s", (long long)o->id, err.message);
}

static void load_swap_start(struct op_live *o, struct load_job *j)
{
	struct store_save old;

	/* nobody starts the container between its removal and the files' change of place */
	if (!reconcile_hold_dev(o->e, o->project, true)) {
		op_retry(o, 100, "waiting for the container");
		load_free(j);
		return;
	}
	if (store_save_get(o->e->store, store_save_old_undo(o->e->store, o->project, LOAD_UNDOS), &old,
	    NULL) == 0)
		save_forget(o->e, &old, &j->old_undo);
	op_step(o->e, o->id, "replacing container and files");
	op_work(o, load_swap_work, load_swap_done, j);
}

static void load_swap_work(struct op_live *o, void *arg)
{
	struct load_job *j = arg;
	struct backend *b = &o->e->backend;

	err_clear(&j->err);
	if (b->ops->remove(b, j->container, LOAD_STOP_S, &j->err) != 0 ||
	    b->ops->load_swap(b, o->project, o->id, &j->err) != 0) {
		if (j->err.code != CL_UNAVAILABLE)
			(void)b->ops->load_drop(b, o->project, o->id, NULL);
		return;
	}
	if (j->old_undo.row.id != 0 && save_remove(b, &j->old_undo, NULL) != 0)
		j->old_undo.row.id = 0; /* the next load tries again */
}

static void load_swap_done(struct op_live *o, void *arg)
{
	struct load_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };

	(void)reconcile_hold_dev(e, o->project, false);
	if (e->stopping) {
		load_free(j);
		return;
	}
	if (j->err.code == CL_UNAVAILABLE) {
		op_retry(o, 3000, "waiting for the container runtime");
		load_free(j);
		return;
	}
	if (j->err.code == CL_OK && store_begin(e->store, &j->err) == 0) {
		if (load_swapped(o, j, &err) != 0)
			op_failed(e, o->id, &err);
		(void)store_commit(e->store, &err);
	}
	if (j->err.code != CL_OK)
		op_failed(e, o->id, &j->err);
	load_free(j);
}

static int load_swapped(struct op_live *o, struct load_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	bool undo = load_id(o, "undo") != 0;

	if (store_save_set_loaded(e->store, o->project, j->save.id, err) != 0 ||
	    (j->old_undo.row.id != 0 &&
	    store_save_remove(e->store, j->old_undo.row.id, err) != 0))
		return -1;
	event_publish(e, EVENT_LOADED, o->project, NULL, o->by, json_pack("{s:I, s:s}", "save",
	    (json_int_t)j->save.id, "name", j->save.name), "%s loaded %s",
	    o->by[0] != '\0' ? o->by : "root", j->save.name);
	reconcile_renew_dev(e, o->project);
	op_settle(o, reconcile_kick(e, o->project, "ide"), undo ?
	    "making the container anew; what was there is an undo save" :
	    "making the container anew");
	return 0;
}

static void load_free(struct load_job *j)
{
	mem_free(j->made.report);
	mem_free(j);
}
