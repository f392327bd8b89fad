/* Images of the platform: built from images/<folder>, listed, removed. */
#ifndef ENGINE_BROKER_IMAGE_H
#define ENGINE_BROKER_IMAGE_H

#include <stddef.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

/* Build images/<folder>/<file> as id; "base" first takes in the file system at images.rootfs. */
int image_build(const struct broker *b, const char *folder, const char *file, const char *id,
    struct line *out, int timeout_s, char *digest, size_t size, struct cl_err *err);
int image_list(const struct broker *b, int sock, struct cl_err *err); /* BROKER_IMAGE... */
/* By id, "id:tag" or digest; one that a container uses is CL_CONFLICT. */
int image_remove(const struct broker *b, const char *id, struct cl_err *err);

#endif
