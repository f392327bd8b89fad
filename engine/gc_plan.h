/*
 * What goes when images are cleaned up: a pure decision over what is there (locally and in the
 * repository) and what is needed.
 */
#ifndef ENGINE_GC_PLAN_H
#define ENGINE_GC_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "engine/backend.h"

struct gc_plan {
	struct backend_images local;        /* what there is; owned */
	struct backend_stored_list stored;
	bool *local_goes, *stored_goes;     /* the decision, as many */
	char **needed;                      /* digests of images; owned */
	size_t nneeded;
	char **stacks;                      /* ids of images of stacks; owned */
	size_t nstacks;
	int64_t newest_op;                  /* what later operations make is not ours to judge */
	int64_t *open_ops;                  /* operations that are not over; owned */
	size_t nopen;
};

void gc_plan_clear(struct gc_plan *p);
void gc_plan_need(struct gc_plan *p, const char *digest);
void gc_plan_stack(struct gc_plan *p, const char *id);
void gc_plan_open(struct gc_plan *p, int64_t op);
/* Fills the decision. */
void gc_plan_decide(struct gc_plan *p);
/* Does something need the image with this digest: a release, a container? */
bool gc_plan_needed(const struct gc_plan *p, const char *digest);
/* "opN" of an operation that is not over, or later than this one? */
bool gc_plan_under_way(const struct gc_plan *p, const char *tag);
/* Only one thing is to go, if nothing needs it.  id: "ID", "ID:TAG" or a digest.  How many are
 * meant by it; *used: one of them that is needed, or NULL. */
size_t gc_plan_pick(struct gc_plan *p, const char *id, const char **used);

#endif
