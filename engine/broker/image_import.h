/* What the base image begins from: a root file system made by images/base-rootfs, or an image of the
 * operator's choice (images.from), which the container engine pulls. */
#ifndef ENGINE_BROKER_IMAGE_IMPORT_H
#define ENGINE_BROKER_IMAGE_IMPORT_H

#include <jansson.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

/* Import it as image "rootfs" unless the very same file is there already. */
int image_import_rootfs(const struct broker *b, struct line *out, struct cl_err *err);
/* Image "rootfs" as a recipe of two steps on images.from, and the script images/base-from that it
 * copies; both on the heap, the caller frees.  Fails when images.from is no name of an image. */
int image_import_recipe(const struct broker *b, char **recipe, char **script, struct cl_err *err);
/* Add codinglab.base, .base.digest and .base.from to the labels of the image that was built on it.
 * Fails when what it says of itself is not images.base. */
int image_import_labels(const struct broker *b, json_t *labels, struct cl_err *err);

#endif
