/*
 * Saves as operations: "save" makes one, "saves rm" removes one; "load" (load.h) brings one back and
 * makes one of what it replaces.  The row is there from the beginning, as "saving", so that the names
 * of the images follow from it; what fails takes its row along.
 */
#ifndef ENGINE_SAVE_H
#define ENGINE_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "base/err.h"
#include "engine/backend.h"
#include "engine/engine.h"
#include "engine/op.h"
#include "engine/store_save.h"

/* In a handler: the row and the operation. */
int save_begin(struct engine *e, struct request *r, struct reply *p, const char *name,
    const char *message, struct cl_err *err);
int save_begin_remove(struct engine *e, struct request *r, struct reply *p, const char *name,
    struct cl_err *err);
/* Rows of op_table. */
int save_run(struct op_live *o, struct cl_err *err);
int save_run_remove(struct op_live *o, struct cl_err *err);

/* -- for load.c -- */

/* "p12-s34" */
void save_name(char *out, size_t size, int64_t project, int64_t save);
/* What the backend is asked for, from the store. */
int save_spec(struct engine *e, const struct store_save *row, int64_t op, struct backend_save *out,
    struct cl_err *err);
/* The row of what the backend made: digests, numbers, what changed; ready.  Tells everybody. */
int save_store(struct engine *e, struct store_save *row, const struct backend_saved *made,
    struct cl_err *err);
/* A save that goes: what is to be removed of it.  Filled on the loop, removed by workers; what is
 * not there is gone already. */
struct save_gone {
	struct store_save row;
	bool drop_dev, drop_work; /* nobody else has them in the repository */
};
void save_forget(struct engine *e, const struct store_save *row, struct save_gone *out);
int save_remove(struct backend *b, const struct save_gone *g, struct cl_err *err);
/* Both into the repository (repository "save/pN", tags "sM" and "sM-files"): fills dev_stored and
 * work_stored; what does not work is told as a line, the save is there anyway.  Workers only. */
void save_push(struct backend *b, struct store_save *row, const struct backend_job *job);
/* Both from the repository, when the row has them there.  Workers only. */
int save_pull(struct backend *b, const struct store_save *row, const struct backend_job *job,
    struct cl_err *err);
/* Is there something in the report that the save before (NULL = none) does not have? */
bool save_differs(const struct backend_saved *made, const struct store_save *before);
/* A usable name: [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
int save_check_name(const char *name, struct cl_err *err);
json_t *save_json(struct engine *e, const struct store_save *row);

#endif
