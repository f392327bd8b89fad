/* What routes about projects share: JSON, URL, removal. */
#ifndef ENGINE_PROJECT_H
#define ENGINE_PROJECT_H

#include <jansson.h>
#include <stddef.h>
#include "engine/store_project.h"

struct engine;
struct reply;
struct request;

/* Schema Project; right: the caller's in it. */
json_t *project_json(struct engine *e, const struct store_project *p, enum policy_role right);
/* Where a release of the project serves ("" = nowhere), production first. */
void project_url(struct engine *e, int64_t project, char *out, size_t size);
/* Marks it, starts the operation "project rm" and answers with it. */
int project_remove(struct engine *e, struct request *r, struct reply *p,
    const struct store_project *project, struct cl_err *err);
/* At start: projects whose making was cut off go. */
void project_sweep(struct engine *e);

#endif
