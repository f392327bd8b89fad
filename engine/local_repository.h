/* The runtime broker's verbs about images: which there are, push, pull, cleaning up.  Block; for workers. */
#ifndef ENGINE_LOCAL_REPOSITORY_H
#define ENGINE_LOCAL_REPOSITORY_H

#include "engine/backend.h"
#include "engine/local_link.h"

/* See the calls of struct backend_ops that they serve. */
int local_repository_images(struct local_link *l, struct backend_images *out, struct cl_err *err);
int local_repository_push(struct local_link *l, const char *image, const char *repository,
    const char *tag, const struct backend_job *job, char *digest, size_t size, struct cl_err *err);
int local_repository_pull(struct local_link *l, const char *repository, const char *digest,
    const char *id, const char *tag, const struct backend_job *job, char *image, size_t size,
    struct cl_err *err);
int local_repository_prune(struct local_link *l, bool dry, int min_age_s,
    const struct backend_job *job, int64_t *count, int64_t *bytes, struct cl_err *err);
int local_repository_collect(struct local_link *l, bool dry, const struct backend_job *job,
    int64_t *freed, struct cl_err *err);

#endif
