/*
 * Cleaning up images (operations "image gc" and "image rm").  Only what nothing uses goes:
 *
 *   kept     what a container is made of; what releases need (serving, wanted, under way, and
 *            images.keep that served, for rollback); images of stacks; saves; what belongs to an
 *            operation that is not over, or that began after this one
 *
 *   worker: look ──► loop: decide, mark releases ──► worker: remove, collect ──► done
 *
 * Deciding and marking is one transaction: from then on no release can be made of what goes, and
 * whatever began before is kept.  On the loop's thread.
 */
#ifndef ENGINE_GC_H
#define ENGINE_GC_H

#include <jansson.h>
#include "base/err.h"
#include "engine/engine.h"
#include "engine/op.h"
#include "engine/request.h"

int gc_begin(struct engine *e, struct request *r, struct reply *p, bool dry, struct cl_err *err);
int gc_run(struct op_live *o, struct cl_err *err);
/* One of the engine's own accord, when images.gc_hours have passed since the last that was no dry
 * run, or since `began` (Unix ms) if there was none.  0, also when none is due; -1: err. */
int gc_when_due(struct engine *e, int64_t began, struct cl_err *err);
/* id: "ID", "ID:TAG" or a digest, here and in the repository. */
int gc_begin_remove(struct engine *e, struct request *r, struct reply *p, const char *id,
    struct cl_err *err);
int gc_run_remove(struct op_live *o, struct cl_err *err);

#endif
