/*
 * The stacks: what docs/STACKS.md calls a folder of images/, loaded from its stack.json and checked.
 * Loading is all or nothing; an error names the file and the field.  After loading a set is
 * read-only and may be used from any thread.
 */
#ifndef IMAGES_STACK_H
#define IMAGES_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "images/stack_file.h"

#define STACK_MAX 200 /* in a set */

struct stack_set {
	struct stack *items; /* sorted by id */
	size_t n;
};

/* One step of building images: parents come before what is FROM them. */
struct stack_step {
	const struct stack *stack;
	const struct stack_image *image;
};

/* Load dir/<id>/stack.json of every folder that has one.  stack_clear() in any case. */
int stack_load(struct stack_set *set, const char *dir, struct cl_err *err);
/* Add dir/<id> to a set that was loaded, if it fits in: its id and its images are new, what it names
 * is there.  -1 leaves the set as it was.  Pointers into the set are void afterwards. */
int stack_add(struct stack_set *set, const char *dir, const char *id, struct cl_err *err);
void stack_clear(struct stack_set *set);
/* NULL when there is none of that id. */
const struct stack *stack_find(const struct stack_set *set, const char *id);
/* As stack_find(), but only what a project may choose: a language or a framework. */
const struct stack *stack_find_choice(const struct stack_set *set, const char *id, struct cl_err *err);
/* As stack_find_choice(), for what is begun anew: CL_PRECONDITION where the lab's base refuses it. */
const struct stack *stack_find_new(const struct stack_set *set, const char *id, struct cl_err *err);
/* CL_PRECONDITION with the reason when the lab's base refuses this stack. */
int stack_check_base(const struct stack_set *set, const struct stack *s, struct cl_err *err);
/* The database service of this id for a project of stack s; "" = its default.  NULL with CL_USAGE
 * when the stack does not know it, or has none. */
const struct stack *stack_find_db(const struct stack_set *set, const struct stack *s,
    const char *id, struct cl_err *err);
/* The service that is the database of a project of stack s which asked for id; "" = asked for
 * nothing.  NULL = it has none, or the service is gone. */
const struct stack *stack_db(const struct stack_set *set, const struct stack *s, const char *id);
/* Which image is that; false when no stack has it. */
bool stack_find_image(const struct stack_set *set, const char *image, struct stack_step *out);
/*
 * The images to build for these ids (stacks or images; n = 0: all), each once, parents first.
 * *steps is on the heap, the caller frees it; returns how many, or -1 for an unknown id.
 */
int stack_order(const struct stack_set *set, const char *const *ids, size_t n,
    struct stack_step **steps, struct cl_err *err);
const char *stack_kind_name(enum stack_kind kind);
const char *stack_command_name(enum stack_command command);

#endif
