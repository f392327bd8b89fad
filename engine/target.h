/* Further clusters of a lab: what is known of them when the engine starts, and which one an environment takes. */
#ifndef ENGINE_TARGET_H
#define ENGINE_TARGET_H

#include <stdint.h>
#include "base/err.h"
#include "engine/engine.h"

/* CL_PRECONDITION where the backend knows no clusters. */
int target_supported(struct engine *e, struct cl_err *err);
/* Tell the backend of those in the store.  One that cannot be used is logged. */
void target_open(struct engine *e);
/* prod of this project is to run there (NULL: wherever it does).  An environment with its data does not move. */
int target_choose(struct engine *e, int64_t project, const char *target, struct cl_err *err);

#endif
