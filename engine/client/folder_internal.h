/* The list of files that a folder and a tar fill. */
#ifndef ENGINE_CLIENT_FOLDER_INTERNAL_H
#define ENGINE_CLIENT_FOLDER_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

struct folder_list {
	json_t *files;
	size_t total; /* bytes */
};

/* -1 with err past a ceiling. */
int folder_internal_add(struct folder_list *l, const char *path, bool exec, const char *data,
    size_t n, struct cl_err *err);
/* Always -1, with err naming path as far as it can be shown. */
int folder_internal_refuse(struct cl_err *err, const char *path, const char *why);
/* The list, or NULL when rc says that it is not whole. */
json_t *folder_internal_end(struct folder_list *l, int rc);

#endif
