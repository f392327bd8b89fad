/* Cleaning up images as operations: see gc.h. */
#include "engine/gc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/gc_plan.h"
#include "engine/image.h"
#include "engine/reconcile.h"
#include "engine/repository.h"
#include "engine/store_image.h"

#define GC_S 3600
#define GC_YOUNG_S 3600 /* nameless images of the last hour: a build may be at work on them */

struct gc_job {
	struct gc_plan plan;
	bool dry, sweep;       /* sweep: all that nothing uses; else one image */
	char id[160];          /* of "image rm" */
	int64_t images, stored, nameless, bytes, freed;
	struct cl_err err;
};

static int gc_start(struct op_live *o, struct gc_job *j);
static void gc_look(struct op_live *o, void *arg);
static void gc_looked(struct op_live *o, void *arg);
static int gc_decide(struct op_live *o, struct gc_job *j, struct cl_err *err);
static int gc_mark(struct op_live *o, const struct gc_job *j, struct cl_err *err);
static void gc_remove(struct op_live *o, void *arg);
static int gc_remove_local(struct op_live *o, struct gc_job *j);
static int gc_remove_stored(struct op_live *o, struct gc_job *j);
static void gc_removed(struct op_live *o, void *arg);
static void gc_end(struct gc_job *j);
static int gc_kept_cb(void *arg, const struct store_image *i);
static void gc_stack_cb(void *arg, const char *id);
static int gc_open_cb(void *arg, const struct store_op *row);
static void gc_say(struct op_live *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void gc_size(int64_t bytes, char *out, size_t size);

int gc_begin(struct engine *e, struct request *r, struct reply *p, bool dry, struct cl_err *err)
{
	return op_begin(e, r, p, "image gc", 0, NULL, json_pack("{s:b}", "dry", dry), NULL, err);
}

int gc_when_due(struct engine *e, int64_t began, struct cl_err *err)
{
	int64_t hours = config_int("images.gc_hours");
	int64_t last = store_number(e->store, began, "SELECT created FROM op WHERE kind = 'image gc'"
	    " AND json_extract(payload, '$.dry') = 0 ORDER BY id DESC LIMIT 1", "");

	if (hours == 0 || clock_unix_ms() - last < hours * 3600 * 1000)
		return 0;
	if (store_begin(e->store, err) != 0)
		return -1;
	if (op_queue(e, "image gc", 0, "engine", json_pack("{s:b}", "dry", false), err) != 0) {
		store_rollback(e->store);
		return -1;
	}
	return store_commit(e->store, err);
}

int gc_begin_remove(struct engine *e, struct request *r, struct reply *p, const char *id,
    struct cl_err *err)
{
	request_detail(r, "%s", id);
	return op_begin(e, r, p, "image rm", 0, NULL, json_pack("{s:s}", "id", id), NULL, err);
}

int gc_run(struct op_live *o, struct cl_err *err)
{
	struct gc_job *j = mem_alloc(sizeof(*j));

	(void)err;
	j->sweep = true;
	j->dry = json_is_true(json_object_get(o->payload, "dry"));
	return gc_start(o, j);
}

int gc_run_remove(struct op_live *o, struct cl_err *err)
{
	const char *id = json_string_value(json_object_get(o->payload, "id"));
	struct gc_job *j = mem_alloc(sizeof(*j));

	(void)err;
	(void)mem_copy_str(j->id, sizeof(j->id), id != NULL ? id : "");
	return gc_start(o, j);
}

static int gc_start(struct op_live *o, struct gc_job *j)
{
	if (op_at_work(o->e, 0, "image gc", o) || op_at_work(o->e, 0, "image rm", o)) {
		mem_free(j);
		op_retry(o, 500, "waiting for another clean-up");
		return 0;
	}
	op_step(o->e, o->id, "looking at what is there");
	op_work(o, gc_look, gc_looked, j);
	return 0;
}

/* --- looking, deciding ------------------------------------------------------------------------ */

static void gc_look(struct op_live *o, void *arg)
{
	struct gc_job *j = arg;
	struct backend *be = &o->e->backend;

	if (be->ops->image_list(be, &j->plan.local, &j->err) == 0 && repository_have())
		(void)be->ops->stored_list(be, &j->plan.stored, &j->err);
}

static void gc_looked(struct op_live *o, void *arg)
{
	struct gc_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };

	if (e->stopping) {
		gc_end(j);
		return;
	}
	err = j->err;
	if (err.code == CL_OK && atomic_load(&o->cancel))
		(void)err_set(&err, CL_FAILED, "cancelled");
	if (err.code == CL_OK && store_begin(e->store, &err) == 0) {
		if (gc_decide(o, j, &err) != 0 || (!j->dry && gc_mark(o, j, &err) != 0))
			store_rollback(e->store);
		else
			(void)store_commit(e->store, &err);
	}
	if (err.code != CL_OK) {
		gc_end(j);
		op_failed(e, o->id, &err);
		return;
	}
	op_step(e, o->id, j->dry ? "listing what would go" : "removing");
	op_work(o, gc_remove, gc_removed, j);
}

static int gc_decide(struct op_live *o, struct gc_job *j, struct cl_err *err)
{
	struct engine *e = o->e;
	const char *used;

	j->plan.newest_op = o->id;
	if (store_image_each_kept(e->store, (int)config_int("images.keep"), gc_kept_cb, &j->plan,
	    err) != 0 || store_op_each_open(e->store, gc_open_cb, j, err) != 0)
		return -1;
	image_each(e, gc_stack_cb, &j->plan);
	if (j->sweep) {
		gc_plan_decide(&j->plan);
		return 0;
	}
	if (gc_plan_pick(&j->plan, j->id, &used) == 0)
		return err_set(err, CL_NOT_FOUND, "image %s: there is none", j->id);
	if (used == NULL)
		return 0;
	err_set(err, CL_CONFLICT, "image %s: it is used (%.19s)", j->id, used);
	return err_hint(err, "image ls says by what");
}

static void gc_stack_cb(void *arg, const char *id)
{
	gc_plan_stack(arg, id);
}

static int gc_kept_cb(void *arg, const struct store_image *i)
{
	gc_plan_need(arg, i->digest);
	return 0;
}

static int gc_open_cb(void *arg, const struct store_op *row)
{
	struct gc_job *j = arg;

	gc_plan_open(&j->plan, row->id);
	return 0;
}

/* A digest that has gone from everywhere is no longer one to go back to. */
static int gc_mark(struct op_live *o, const struct gc_job *j, struct cl_err *err)
{
	const struct gc_plan *p = &j->plan;

	for (size_t i = 0; i < p->local.n; i++)
		if (p->local_goes[i] && strncmp(p->local.items[i].id, "app/", 4) == 0 &&
		    store_image_gone_add(o->e->store, p->local.items[i].digest, err) != 0)
			return -1;
	for (size_t i = 0; i < p->stored.n; i++)
		if (p->stored_goes[i] && strncmp(p->stored.items[i].repository, "app/", 4) == 0 &&
		    store_image_gone_add(o->e->store, p->stored.items[i].image, err) != 0)
			return -1;
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

static void gc_remove(struct op_live *o, void *arg)
{
	struct gc_job *j = arg;
	struct backend *be = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = GC_S };

	if (gc_remove_local(o, j) != 0 || gc_remove_stored(o, j) != 0 || !j->sweep)
		return;
	if (be->ops->image_prune(be, j->dry, GC_YOUNG_S, &job, &j->nameless, &j->bytes,
	    &j->err) != 0)
		return;
	if (repository_have())
		(void)be->ops->stored_gc(be, j->dry, &job, &j->freed, &j->err);
}

static int gc_remove_local(struct op_live *o, struct gc_job *j)
{
	struct backend *be = &o->e->backend;

	for (size_t i = 0; i < j->plan.local.n; i++) {
		const struct backend_image *m = &j->plan.local.items[i];
		struct cl_err err = { 0 };
		char name[160];

		if (!j->plan.local_goes[i])
			continue;
		if (op_is_cancelled(o))
			return err_set(&j->err, CL_FAILED, "cancelled");
		(void)snprintf(name, sizeof(name), "%s:%s", m->id, m->tag);
		if (!j->dry && be->ops->image_remove(be, m->tag[0] != '\0' ? name : m->digest,
		    &err) != 0 && err.code != CL_NOT_FOUND) {
			if (err.code == CL_UNAVAILABLE || !j->sweep) {
				j->err = err;
				return -1;
			}
			gc_say(o, "kept %s: %s", name, err.message);
			continue;
		}
		gc_say(o, "%s %s %.19s", j->dry ? "would remove" : "removed", name, m->digest);
		j->images++;
	}
	return 0;
}

static int gc_remove_stored(struct op_live *o, struct gc_job *j)
{
	struct backend *be = &o->e->backend;

	for (size_t i = 0; i < j->plan.stored.n; i++) {
		const struct backend_stored *s = &j->plan.stored.items[i];

		if (!j->plan.stored_goes[i])
			continue;
		if (op_is_cancelled(o))
			return err_set(&j->err, CL_FAILED, "cancelled");
		if (!j->dry && be->ops->stored_remove(be, s->repository, s->digest, &j->err) != 0)
			return -1;
		gc_say(o, "%s %s:%s from the repository", j->dry ? "would remove" : "removed",
		    s->repository, s->tag);
		j->stored++;
	}
	return 0;
}

static void gc_removed(struct op_live *o, void *arg)
{
	struct gc_job *j = arg;
	struct engine *e = o->e;
	char result[200], size[2][32];

	gc_size(j->bytes, size[0], sizeof(size[0]));
	gc_size(j->freed, size[1], sizeof(size[1]));
	(void)snprintf(result, sizeof(result), "%s%" PRId64 " images, %" PRId64
	    " in the repository, %" PRId64 " steps of builds (%s); the repository is %s smaller",
	    j->dry ? "would remove " : "removed ", j->images, j->stored, j->nameless, size[0],
	    size[1]);
	if (!e->stopping && j->err.code == CL_UNAVAILABLE && o->attempts < 10)
		op_retry(o, 5000, j->err.message);
	else if (!e->stopping && j->err.code != CL_OK)
		op_failed(e, o->id, &j->err);
	else if (!e->stopping)
		op_done(e, o->id, j->sweep ? result : "");
	gc_end(j);
	image_refresh(e);
}

static void gc_end(struct gc_job *j)
{
	gc_plan_clear(&j->plan);
	mem_free(j);
}

static void gc_say(struct op_live *o, const char *fmt, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	op_line_cb(o, line, strlen(line));
}

static void gc_size(int64_t bytes, char *out, size_t size)
{
	(void)snprintf(out, size, "%.1f MB", (double)bytes / 1e6);
}
