/*
 * The storage of our own registry (registry.dir), a file tree that codinglab-registry owns and the
 * registry serves.  Pushes share a lock, cleaning up has it alone: the registry's own garbage
 * collection must not run beside a push, and only we have the password to push.
 *
 *   dir/gate   taken for a moment by a push, kept by who waits for the lock alone: no starving
 *   dir/lock   shared by pushes, exclusive for cleaning up
 *
 * With an operator's own registry all of this does nothing.
 */
#ifndef ENGINE_BROKER_REGISTRY_STORE_H
#define ENGINE_BROKER_REGISTRY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

/* A descriptor that holds the shared lock; -1 when there is nothing to lock; -2 with err.  Waits,
 * saying so in a line. */
int registry_store_share(const struct broker *b, struct line *out, struct cl_err *err);
/* After a push that failed: if no other is at work, remove what was cut off: unfinished uploads
 * (they may be what fills the disk) and files that were created but never written. */
void registry_store_tidy(const struct broker *b, int lock);
/* The same at the broker's start: a machine that lost power leaves such files too. */
void registry_store_mend(const struct broker *b);
/* Is its disk full? */
bool registry_store_full(const struct broker *b);
/* Tidy, then the registry's own garbage collection: what no tag reaches goes.  dry: only lines. */
int registry_store_collect(const struct broker *b, bool dry, struct line *out, int timeout_s,
    int64_t *freed, struct cl_err *err);

#endif
