/* Taking in the base's root file system, a tar made by images/base-rootfs. */
#ifndef ENGINE_BROKER_IMAGE_IMPORT_H
#define ENGINE_BROKER_IMAGE_IMPORT_H

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/line.h"

/* Import it as image "rootfs" unless the very same file is there already. */
int image_import_rootfs(const struct broker *b, struct line *out, struct cl_err *err);

#endif
