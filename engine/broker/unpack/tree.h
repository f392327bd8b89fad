/*
 * Making a tree beneath a directory descriptor from names that a stranger chose, within limits.
 * No name is resolved through a link, nothing is replaced, and whatever is not a file, a folder or
 * a link that stays inside is refused with the reason.
 */
#ifndef ENGINE_BROKER_UNPACK_TREE_H
#define ENGINE_BROKER_UNPACK_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "engine/broker/unpack/unpack.h"

struct tree {
	int root;                /* borrowed */
	struct unpack_limits max;
	int64_t bytes;
	int files;
	bool fresh;              /* the folder of the last name was there or is made */
};

/* A name out of an archive as we write it: "./" and doubled or trailing slashes go.  out is of
 * UNPACK_PATH bytes; "" is the root itself.  CL_FORBIDDEN for what leaves the root. */
int tree_name(const char *name, char *out, struct cl_err *err);
/* A link called name (as tree_name() gives it) may point there: relative, leading ".." at most as
 * deep as the link is, none after that.  So following any chain of such links stays inside. */
int tree_link_check(const char *name, const char *target, struct cl_err *err);

int tree_folder(struct tree *t, const char *name, struct cl_err *err); /* with its parents */
int tree_link(struct tree *t, const char *name, const char *target, struct cl_err *err);
/* A new file, open for writing; close it. */
int tree_file(struct tree *t, const char *name, bool executable, struct cl_err *err);
/* Bytes for a file at this place; past the limit CL_QUOTA. */
int tree_write(struct tree *t, int fd, const void *data, size_t n, int64_t at, struct cl_err *err);
/* Holes count as what they unpack to. */
int tree_grow(struct tree *t, int64_t bytes, struct cl_err *err);
/* The content of a file made earlier, as a file of its own. */
int tree_copy(struct tree *t, const char *from, const char *name, struct cl_err *err);
void tree_time(int fd, time_t when);

#endif
