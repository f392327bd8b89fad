/*
 * The repository: images to and from an OCI registry, by the container engine's own push and pull
 * (the broker itself opens no connection but to the container engine).  The registry is ours
 * (registry.port, storage in registry.dir: registry_store.h) or the operator's (registry.url).
 *
 * A push sends layers first and the manifest with its tag last, so a tag is complete or absent.
 */
#ifndef ENGINE_BROKER_REGISTRY_H
#define ENGINE_BROKER_REGISTRY_H

#include <stddef.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

#define REGISTRY_DIGEST 72 /* "sha256:" and 64 hex digits */

/* Image (our id, "id:tag" or "sha256:...") as repository:tag.  digest: the manifest's. */
int registry_push(const struct broker *b, const char *image, const char *repository,
    const char *tag, struct line *out, int timeout_s, char digest[REGISTRY_DIGEST],
    struct cl_err *err);
/* repository@digest, named id:tag here ("" = latest).  image: "sha256:..." of the image. */
int registry_pull(const struct broker *b, const char *repository, const char *digest,
    const char *id, const char *tag, struct line *out, int timeout_s,
    char image[REGISTRY_DIGEST], struct cl_err *err);
/* What a killed push leaves in the container engine: its tag; with it the image, when somebody
 * removed that while it was pushed. */
void registry_push_clean(const struct broker *b, const char *image, const char *repository,
    const char *tag);

/* The container engine's words for a failed push or pull as one of ours: not there, refused,
 * unknown, or as they are. */
int registry_reason(const struct broker *b, const char *what, const char *words,
    struct cl_err *err);

#endif
