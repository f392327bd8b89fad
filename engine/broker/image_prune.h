/*
 * Images without a name that builds of ours left: steps of builds that were cut, former versions
 * of a stack's image.  One that a named image stands on, or a container uses, is no such thing:
 * it costs nothing, and the next build starts from it.  Ours are known by the labels that every
 * step inherits from the base, so another's images on a shared container engine stay.
 */
#ifndef ENGINE_BROKER_IMAGE_PRUNE_H
#define ENGINE_BROKER_IMAGE_PRUNE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

/* {"sha256:...": how many containers, running or not, of any owner}; NULL with err. */
json_t *image_prune_used(const struct broker *b, struct cl_err *err);
/* Younger ones stay: a build may be at work on them.  dry: only lines.  bytes: what they add to
 * the image that they stand on. */
int image_prune_run(const struct broker *b, bool dry, int min_age_s, struct line *out, int64_t *count,
    int64_t *bytes, struct cl_err *err);

#endif
