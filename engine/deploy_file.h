/*
 * A project's own Containerfile (or Dockerfile): found in its workspace, and built instead of what the stack would
 * build (docs/STACKS.md).  Blocks; for workers.
 */
#ifndef ENGINE_DEPLOY_FILE_H
#define ENGINE_DEPLOY_FILE_H

#include "base/buf.h"
#include "engine/backend.h"
#include "engine/stacks.h"
#include "images/appfile.h"

#define DEPLOY_FILE_HEALTH "/" /* where .codinglab.json does not say */

struct deploy_file {
	char name[256]; /* "" = the project has none */
	struct buf text;
	int port;       /* that the built image exposes, 0 = it does not say */
};

/* Looks for the file that .codinglab.json names, else Containerfile, else Dockerfile. */
int deploy_file_find(struct deploy_file *f, struct backend *be, int64_t project, uint32_t uid,
    const struct appfile *app, struct cl_err *err);
void deploy_file_clear(struct deploy_file *f);
/* spec: id, project, op and memory of the build. */
int deploy_file_build(struct deploy_file *f, struct backend *be, const struct stack_set *stacks,
    const struct backend_build *spec, const struct backend_job *job, char *digest, size_t size,
    struct cl_err *err);

#endif
