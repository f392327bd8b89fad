/* Images of the platform: built from images/<folder>, listed, removed. */
#ifndef ENGINE_BROKER_IMAGE_H
#define ENGINE_BROKER_IMAGE_H

#include <stddef.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/build_group.h"
#include "engine/broker/line.h"

/* images/<folder>/<file> as id. */
struct image_wish {
	char folder[64], file[64], id[64];
	char group[BUILD_GROUP_SIZE]; /* of its processes, where the container engine is lab's own */
	int timeout_s;
};

/* "base" first takes in the file system at images.rootfs.  Whoever kills the process that is in here,
 * or had an error from it, ends what is left by build_group_end(w->group). */
int image_build(const struct broker *b, const struct image_wish *w, struct line *out, char *digest,
    size_t size, struct cl_err *err);
int image_list(const struct broker *b, int sock, struct cl_err *err); /* BROKER_IMAGE... */
/* By id, "id:tag" or digest; one that a container uses is CL_CONFLICT. */
int image_remove(const struct broker *b, const char *id, struct cl_err *err);

#endif
