/*
 * Building images, the part on worker threads: several at a time, each after its parent.  What is in
 * the store as its recipe says is left alone, so a build that was cut goes on where it stopped.
 */
#ifndef ENGINE_IMAGE_BUILD_H
#define ENGINE_IMAGE_BUILD_H

#include <stdbool.h>
#include "engine/op.h"
#include "images/stack.h"

enum image_state {
	IMAGE_UNKNOWN,  /* the backend has not been asked yet */
	IMAGE_ABSENT, IMAGE_QUEUED, IMAGE_BUILDING, IMAGE_READY, IMAGE_FAILED,
};

/* From a worker: this image is now so. */
typedef void image_build_tell_cb(struct op_live *o, const char *id, enum image_state state,
    const char *reason);

struct image_job {
	const struct stack_set *stacks; /* taken, for steps */
	struct stack_step *steps;       /* owned; parents first */
	int n;
	bool force;                     /* also what is there, of the ids that were named */
	struct backend_images there;    /* filled here; backend_images_clear() */
	json_t *built;                  /* ids of what was built here */
	struct cl_err err;              /* the first that went wrong */
	image_build_tell_cb *tell;
};

/* op_work's work; arg is the image_job. */
void image_build_work(struct op_live *o, void *arg);

#endif
