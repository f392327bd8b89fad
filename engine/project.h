/* What routes about projects share: JSON, URL, removal. */
#ifndef ENGINE_PROJECT_H
#define ENGINE_PROJECT_H

#include <jansson.h>
#include <stddef.h>
#include "engine/store_project.h"

struct engine;
struct request;

/* Schema Project; right: the caller's in it. */
json_t *project_json(struct engine *e, const struct store_project *p, enum policy_role right);
/* Where a release of the project serves ("" = nowhere), production first. */
void project_url(struct engine *e, int64_t project, char *out, size_t size);
/* Marks it and starts the operation "project rm"; *op (may be NULL) gets its id. */
int project_remove(struct engine *e, struct request *r, const struct store_project *p,
    int64_t *op, struct cl_err *err);
/* At start: projects whose making was cut off go. */
void project_sweep(struct engine *e);

#endif
