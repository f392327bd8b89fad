/*
 * Bringing a save back, the operation "load":
 *
 *   handler      phase 0, a worker                     phase 1, a worker         loop, reconcile
 *   rows   ──►   [images of another project's save]
 *                undo save of what is there now  ──►   dev container removed ──► loaded = save
 *                files of the save made beside         files swapped             container anew
 *
 * The phase is stored in between: a killed engine begins phase 0 again (nothing was touched yet) or
 * goes on with phase 1 (each step of which may be repeated).
 */
#ifndef ENGINE_LOAD_H
#define ENGINE_LOAD_H

#include "base/err.h"
#include "engine/engine.h"
#include "engine/op.h"

/* In a handler: save `name` of project `from` into r's project. */
int load_begin(struct engine *e, struct request *r, struct reply *p, int64_t from, const char *name,
    struct cl_err *err);
/* A row of op_table. */
int load_run(struct op_live *o, struct cl_err *err);

#endif
