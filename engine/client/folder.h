/*
 * The plain files of a folder, or of a tar made of one, as the body of a request:
 * [{"path": "template/main.py", "exec": true, "data": BASE64}].  Neither is trusted: links, devices,
 * paths that lead elsewhere, too many and too large files are refused by name.
 */
#ifndef ENGINE_CLIENT_FOLDER_H
#define ENGINE_CLIENT_FOLDER_H

#include <jansson.h>
#include <stddef.h>
#include "base/err.h"

#define FOLDER_FILES 500
#define FOLDER_FILE_MAX (1 << 20)
#define FOLDER_MAX (4 << 20)   /* bytes of all files */
#define FOLDER_TAR_MAX (8 << 20)

/* NULL with err. */
json_t *folder_read(const char *dir, struct cl_err *err);
/* data may be compressed by gzip.  Paths lose the folder that all of them are in, if there is one. */
json_t *folder_untar(const char *data, size_t n, struct cl_err *err);

#endif
