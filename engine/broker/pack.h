/* Tar files that we send to the container engine, made by libarchive from trees of our own. */
#ifndef ENGINE_BROKER_PACK_H
#define ENGINE_BROKER_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "engine/broker/spec.h"

/* passwd and group for a dev container. */
int pack_user(struct buf *out, const struct spec *s, struct cl_err *err);
/* A build context: the regular files of one folder (no links, no sub-folders named template),
 * owned by root. */
int pack_folder(struct buf *out, const char *dir, struct cl_err *err);

#endif
