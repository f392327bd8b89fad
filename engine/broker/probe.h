/* Is a container ready, by its image's own check? */
#ifndef ENGINE_BROKER_PROBE_H
#define ENGINE_BROKER_PROBE_H

#include "base/err.h"
#include "engine/broker/broker.h"

/* 0 when the shell command in the image's label codinglab.ready succeeds inside, or there is none
 * and the container runs; else -1, CL_PRECONDITION with the reason. */
int probe_run(const struct broker *b, const char *name, struct cl_err *err);

#endif
