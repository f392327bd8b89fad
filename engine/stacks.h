/*
 * The stacks that the engine knows: those of images.dir, which came with the platform, and those
 * that were added at run time, under ${state}/stacks.  A set is never changed: adding or removing
 * makes another, and the old one lives until the last job that took it gives it back.
 */
#ifndef ENGINE_STACKS_H
#define ENGINE_STACKS_H

#include "base/err.h"
#include "engine/engine.h"
#include "images/stack.h"

/* Sets e->stacks.  A broken stack of the platform is an error; one that was added is left out with
 * a line in the log, so that it cannot keep the engine from starting. */
int stacks_open(struct engine *e, struct cl_err *err);
void stacks_close(struct engine *e);

/* For the loop's thread, borrowed until control returns to the loop. */
const struct stack_set *stacks_now(const struct engine *e);
/* For a job: take on the loop's thread, give from any thread.  What was found in the set lives as
 * long.  NULL may be given. */
const struct stack_set *stacks_take(struct engine *e);
void stacks_give(const struct stack_set *set);

/* "${state}/stacks" */
char *stacks_dir(void);
/*
 * Read everything from disk, in place of what is known: as stacks_open(), but a broken added stack
 * whose id is `must` is an error.  extra is a further folder holding stack `must` (being added), or
 * NULL; without is left out, or NULL.  Any thread.  stacks_give() it, or stacks_swap() it in.
 */
const struct stack_set *stacks_read(const char *extra, const char *must, const char *without,
    struct cl_err *err);
/* The set (stolen) is what is known from now on.  Loop's thread. */
void stacks_swap(struct engine *e, const struct stack_set *set);

#endif
