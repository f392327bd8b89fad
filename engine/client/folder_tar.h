/*
 * The plain files of a tar as the body of a request, as folder_read() gives them.  Apart from it
 * because of its library: archive readers bring a dozen others, which every live session would hold
 * in memory; so only the program that takes tars names this in verb_ctx.untar.
 */
#ifndef ENGINE_CLIENT_FOLDER_TAR_H
#define ENGINE_CLIENT_FOLDER_TAR_H

#include <jansson.h>
#include <stddef.h>
#include "base/err.h"

#define FOLDER_TAR_MAX (8 << 20) /* bytes of the tar */

/* data may be compressed by gzip and is not trusted.  Paths lose the folder that all of them are in,
 * if there is one.  NULL with err. */
json_t *folder_tar_read(const char *data, size_t n, struct cl_err *err);

#endif
