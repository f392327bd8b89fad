/*
 * Adding and removing stacks on disk, under ${state}/stacks.  Both run on a worker thread: they make
 * the folder as it shall be, prove by reading everything anew that all stacks work with it, and leave
 * the new set for the loop to swap in.  What fails leaves the disk as it was.
 */
#ifndef ENGINE_STACKS_PUT_H
#define ENGINE_STACKS_PUT_H

#include <stdbool.h>
#include <jansson.h>
#include "base/err.h"
#include "base/name.h"
#include "images/stack.h"

#define STACKS_PUT_FILES 500            /* in one stack */
#define STACKS_PUT_FILE_MAX (1 << 20)   /* bytes of one of them */
#define STACKS_PUT_MAX (4 << 20)        /* bytes of all */
#define STACKS_PUT_BODY_MAX (6 << 20)   /* of the request, in base64 */
#define STACKS_PUT_DEPTH 8

struct stacks_put {
	const struct stack_set *now;  /* borrowed: what is known */
	const json_t *files;          /* borrowed: [{path, exec, data}] of the schema StackFile */
	bool force;                   /* may replace one that was added before */
	char id[NAME_SIZE];           /* found in its stack.json; for removal given */
	const struct stack_set *made; /* result: stacks_give() or stacks_swap() it */
};

int stacks_put_add(struct stacks_put *p, struct cl_err *err);
/* The folder is renamed away; then keep (it goes) or take back. */
int stacks_put_remove(struct stacks_put *p, struct cl_err *err);
int stacks_put_take_back(const struct stacks_put *p, struct cl_err *err);
/* Folders that a change left, whether it ended or was killed. */
void stacks_put_sweep(void);

#endif
