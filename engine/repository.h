/*
 * The repository: an OCI registry spoken to over HTTP (base/fetch, jansson).  Reading and removing
 * only: pushing and pulling is the container engine's work (struct backend_ops image_push, image_pull).
 * Every call blocks: worker threads.  Where it is, and the account: options registry.*.
 *
 * What the registry answers is not believed: a manifest must hash to its digest, its config to the
 * digest that it names, sizes have a range, lists a ceiling.
 *
 *   stack/ID          images of stacks, tag "latest"
 *   app/pN            releases of project N, tag "opM" of the operation that built it
 *   save/pN           saves of project N
 */
#ifndef ENGINE_REPOSITORY_H
#define ENGINE_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "engine/backend.h"

#define REPOSITORY_TAGS_MAX 100000 /* of all repositories together */

bool repository_have(void); /* is there one at all? */
/* Everything with its tags.  A tag without a whole manifest is not listed.  CL_UNAVAILABLE when it
 * does not answer; the caller clears. */
int repository_list(struct backend_stored_list *out, struct cl_err *err);
/* One tag or digest ("sha256:..."); CL_NOT_FOUND when it is not there whole. */
int repository_get(const char *repository, const char *reference, struct backend_stored *out,
    struct cl_err *err);
/* After a push: is it there whole, with the digest that the pusher was told?  Its digest. */
int repository_check(const char *repository, const char *tag, const char *told, char *digest,
    size_t size, struct cl_err *err);
/* The manifest and every tag that names it; its space comes back by the next cleaning up.  One that
 * is not there is no error. */
int repository_remove(const char *repository, const char *digest, struct cl_err *err);

#endif
