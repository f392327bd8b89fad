/*
 * The part of the engine that runs things: reconciling, operations, images, status; opened and closed
 * together.
 */
#ifndef ENGINE_OPERATE_H
#define ENGINE_OPERATE_H

#include "base/err.h"
#include "engine/engine.h"

/* After store, events and backend: loads the stacks, begins to watch the backend, continues the
 * operations of the store. */
int operate_open(struct engine *e, struct cl_err *err);
/* Nothing new is begun; waits some seconds for what works, then frees. */
void operate_close(struct engine *e);

#endif
