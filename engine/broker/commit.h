/* A container's file system as a new image of the platform's. */
#ifndef ENGINE_BROKER_COMMIT_H
#define ENGINE_BROKER_COMMIT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/broker/broker.h"

/* What the image's configuration is to say besides: instructions as a recipe has them. */
struct commit {
	struct buf changes; /* of the URL's query */
};
void commit_begin(struct commit *c);
void commit_add(struct commit *c, const char *instruction);              /* "WORKDIR /app" */
void commit_label(struct commit *c, const char *name, const char *value);
/* Commit container (its short name) as id:tag (tag NULL = latest) with the labels codinglab.image and
 * codinglab.parent; the digest out.  Frees c in any case. */
int commit_run(const struct broker *b, struct commit *c, const char *container, const char *id,
    const char *tag, const char *parent, char *digest, size_t size, struct cl_err *err);

#endif
