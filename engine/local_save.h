/* The saves' verbs of the runtime broker.  Block; for workers. */
#ifndef ENGINE_LOCAL_SAVE_H
#define ENGINE_LOCAL_SAVE_H

#include "engine/backend.h"
#include "engine/local_link.h"

/* See the calls of struct backend_ops that they serve. */
int local_save_make(struct local_link *link, const struct backend_save *s, const struct backend_job *job,
    struct backend_saved *out, struct cl_err *err);
int local_save_copy(struct local_link *link, const struct backend_load *l, const char *name,
    struct cl_err *err);
int local_save_load(struct local_link *link, const struct backend_load *l, const struct backend_job *job,
    struct cl_err *err);
int local_save_swap(struct local_link *link, int64_t project, int64_t op, struct cl_err *err);
int local_save_drop(struct local_link *link, int64_t project, int64_t op, struct cl_err *err);

#endif
