/* What routes about projects share: JSON, URL, removal. */
#ifndef ENGINE_PROJECT_H
#define ENGINE_PROJECT_H

#include <jansson.h>
#include <stddef.h>
#include "engine/store_project.h"

struct engine;
struct stack;
struct stack_set;
struct reply;
struct request;

/* Schema Project; right: the caller's in it. */
json_t *project_json(struct engine *e, const struct store_project *p, enum policy_role right);
/* Where a release of the project serves ("" = nowhere), production first. */
void project_url(struct engine *e, int64_t project, char *out, size_t size);
/* Marks it, starts the operation "project rm" and answers with it. */
int project_remove(struct engine *e, struct request *r, struct reply *p,
    const struct store_project *project, struct cl_err *err);
/* May the caller make (or import) one more, of this name? */
int project_check_room(struct engine *e, const struct request *r, const char *name,
    struct cl_err *err);
/* The stack, with its database (db: its id, "" = the stack's own choice). */
int project_set_stack(struct engine *e, int64_t id, const struct stack_set *set,
    const struct stack *stack, const char *db, struct cl_err *err);
/* Row and workspace of a project that never became ready. */
void project_discard(struct engine *e, int64_t id);
/* At start: projects whose making was cut off go. */
void project_sweep(struct engine *e);

#endif
