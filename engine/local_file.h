/* Building a project's own Containerfile with the runtime broker: step by step, as engine/broker/stage.h says.
 * Blocks; for workers. */
#ifndef ENGINE_LOCAL_FILE_H
#define ENGINE_LOCAL_FILE_H

#include "engine/backend.h"
#include "engine/local_link.h"

/* See build_file of struct backend_ops. */
int local_file_build(struct local_link *link, const struct backend_file *s, const struct backend_job *job,
    struct backend_file_made *out, struct cl_err *err);

#endif
