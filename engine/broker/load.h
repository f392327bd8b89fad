/*
 * Bringing a save's files back in two steps, so that a crash leaves either the old workspace or the
 * new one:
 *
 *   prepare   projects/N/new-OP/{work,home} is made beside, by a child that is the owner
 *   swap      work and new-OP/work change places in one rename; then the kept parts of the home one
 *             by one; then what was there goes.  Repeated after a crash it goes on where it was:
 *             new-OP/ready holds the number (inode) of the new workspace.
 */
#ifndef ENGINE_BROKER_LOAD_H
#define ENGINE_BROKER_LOAD_H

#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/broker.h"

struct load {
	int64_t project, op;
	uint32_t uid, gid;
	char work[128], dev[128]; /* digests; both images must be there */
	int64_t max_bytes;
};

int load_read(struct load *l, struct ipc_in *m, struct cl_err *err);
/* The images of a save as those of another, "pN-sM", of l's project. */
int load_copy(const struct broker *b, const struct load *l, const char *name, struct cl_err *err);
int load_prepare(const struct broker *b, const struct load *l, struct cl_err *err);
int load_swap(const struct broker *b, int64_t project, int64_t op, struct cl_err *err);
/* What was prepared and will not be needed, and what a call that was cut left. */
int load_drop(const struct broker *b, int64_t project, int64_t op, struct cl_err *err);

#endif
