/*
 * The plain files of a folder as the body of a request:
 * [{"path": "template/main.py", "exec": true, "data": BASE64}].  It is not trusted: links, devices,
 * too many and too large files are refused by name.  folder_tar.h gives the same of a tar.
 */
#ifndef ENGINE_CLIENT_FOLDER_H
#define ENGINE_CLIENT_FOLDER_H

#include <jansson.h>
#include <stddef.h>
#include "base/err.h"

#define FOLDER_FILES 500
#define FOLDER_FILE_MAX (1 << 20)
#define FOLDER_MAX (4 << 20)   /* bytes of all files */

/* NULL with err. */
json_t *folder_read(const char *dir, struct cl_err *err);

#endif
