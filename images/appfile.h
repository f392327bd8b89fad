/*
 * What a project itself says about how it runs: Procfile and .codinglab.json in its workspace
 * (docs/STACKS.md).  Both are untrusted text; parsing is pure and bounded.
 */
#ifndef IMAGES_APPFILE_H
#define IMAGES_APPFILE_H

#include <stddef.h>
#include "base/err.h"
#include "images/stack.h"

#define APPFILE_MAX 65536 /* bytes of either file */

struct appfile {
	char **command[STACK_COMMANDS]; /* owned argv, NULL = not said */
	int port;                       /* 0 = not said */
	char health[128];               /* "" = not said */
	char containerfile[256];        /* the file's name, "-" = none is used, "" = not said */
};

void appfile_init(struct appfile *a);
void appfile_clear(struct appfile *a);
/* Add what the file says; a command said already is kept, so read .codinglab.json first. */
int appfile_add_json(struct appfile *a, const char *text, size_t len, struct cl_err *err);
int appfile_add_procfile(struct appfile *a, const char *text, size_t len, struct cl_err *err);
/* The project's own command, else the stack's, else NULL.  Borrowed from a or s. */
char *const *appfile_get(const struct appfile *a, const struct stack *s, enum stack_command command);

#endif
