/* Tar files that we send to the container engine, made by libarchive from trees of our own. */
#ifndef ENGINE_BROKER_PACK_H
#define ENGINE_BROKER_PACK_H

#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/broker/spec.h"

/* passwd and group for a dev container. */
int pack_user(struct buf *out, const struct spec *s, struct cl_err *err);
/* Something that a build context has besides the recipe's folder: a file with this text, or (text
 * NULL) the folder dir of the host as a folder of that name. */
struct pack_item {
	const char *name;
	const char *text;
	const char *dir;
};
/* One file. */
int pack_text(struct buf *out, const char *name, const char *text, struct cl_err *err);

#define PACK_MIB 64u /* what a context may hold; the caller's buf has this ceiling */

/* A build context: the regular files of a recipe's folder (NULL = none) with its sub-folders (no links, nothing
 * whose name begins with a dot at its top), then `more`; owned by root, in a fixed order. */
int pack_folder(struct buf *out, const char *dir, const struct pack_item *more, size_t n,
    struct cl_err *err);

#define PACK_STAMP 32
/* The same walk without reading a file: a hash of names, sizes, modes, inodes and times, which is
 * another one after every change but those made within the clock's tick of *newest, the time of the
 * last change of any of them. */
int pack_stamp(const char *dir, const struct pack_item *more, size_t n, unsigned char stamp[PACK_STAMP],
    struct timespec *newest, struct cl_err *err);

#endif
