/*
 * The users' own folders.  Folders are made and removed by the broker as root; everything inside
 * a workspace is done by a child that has become the user, beneath a directory descriptor, so a
 * link planted there leads nowhere.
 */
#ifndef ENGINE_BROKER_FILES_H
#define ENGINE_BROKER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

/* template: "django/template" beneath images.dir, or "". */
int files_create(const struct broker *b, int64_t project, uint32_t uid, uint32_t gid,
    const char *template, const struct spec_vars *subst, struct cl_err *err);
int files_remove(const struct broker *b, int64_t project, struct cl_err *err);
/* Send the file as BROKER_DATA on sock; more than max bytes is CL_TOO_LARGE. */
int files_read(const struct broker *b, int sock, int64_t project, uint32_t uid, const char *name,
    size_t max, struct cl_err *err);
/* Send bytes as BROKER_DATA. */
int files_send(int sock, const char *data, size_t len, struct cl_err *err);
int files_user(const struct broker *b, uint32_t uid, bool present, struct cl_err *err);

/* A folder for one build, owned by the user, empty; and its end. */
int files_build_begin(const struct broker *b, int64_t op, uint32_t uid, uint32_t gid,
    struct cl_err *err);
int files_build_end(const struct broker *b, int64_t op, struct cl_err *err);

/* Make dir when it is missing, and give it this owner and mode in any case. */
int files_folder(const char *dir, uid_t uid, gid_t gid, mode_t mode, struct cl_err *err);

/* Run fn in a child that has become uid:gid; its error comes back. */
int files_as(uint32_t uid, uint32_t gid, int (*fn)(void *arg, struct cl_err *err), void *arg,
    struct cl_err *err);

#endif
