/*
 * Images on their way into the repository and back (operations "image push" and, within others,
 * pulls).  A push is an operation of its own, begun in the transaction that made the image: it
 * waits for the roll-out to be over, goes on after a restart of the engine, and is tried again
 * while the registry is away.  One at a time: compressing takes all the cores there are.
 * On the loop's thread unless said otherwise.
 */
#ifndef ENGINE_STORED_H
#define ENGINE_STORED_H

#include <stdbool.h>
#include "base/err.h"
#include "engine/engine.h"
#include "engine/op.h"

/* Are releases (or images of stacks) pushed at all: options, and a registry that is there. */
bool stored_wants_releases(void);
bool stored_wants_stacks(void);
/* image ("app/p1:op3", a digest) into repository:tag; nothing where nothing is pushed. */
int stored_queue(struct engine *e, int64_t project, const char *by, const char *image,
    const char *repository, const char *tag, struct cl_err *err);
/* Images of stacks by their ids (an array, borrowed), as one operation. */
int stored_queue_stacks(struct engine *e, const char *by, json_t *ids, struct cl_err *err);
/* The payload of an operation for these ids: {"items": [{image, repository, tag}]}. */
json_t *stored_payload_stacks(json_t *ids);
int stored_run(struct op_live *o, struct cl_err *err); /* op_kind.run */

/* On a worker's thread: an image that a release needs, fetched from the repository when this
 * machine does not have it.  0 it is here; CL_PRECONDITION: it is nowhere. */
int stored_fetch(struct backend *b, int64_t project, const char *image,
    const struct backend_job *job, struct cl_err *err);

#endif
