/*
 * Verbs: one table (verb_table.c) whose rows `ssh host VERB`, the `codinglab` program, the palette
 * and the key bindings all run.  A handler gets parsed arguments, never argv, makes REST calls and
 * writes to the context's outputs; it is blocking, re-entrant and thread-safe, so the IDE runs it
 * on a worker thread.
 */
#ifndef ENGINE_CLIENT_VERB_H
#define ENGINE_CLIENT_VERB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/client/verb_ctx.h"

#define VERB_NO_CLI 1          /* only inside the IDE */
#define VERB_NO_IDE 2          /* needs a terminal or stdin of its own: run, enter, cat ... */
#define VERB_PROJECT 4         /* needs a project */
#define VERB_DANGER 8          /* asks for confirmation without -y */
#define VERB_DRY 32            /* knows --dry-run */
#define VERB_RAW 16            /* words after the first argument are a program's, options too */
#define VERB_RAW_SHORT 64      /* with VERB_RAW: so is -x as the first argument */

struct verb_args;

struct verb {
	const char *name;           /* "scale", "project create" */
	const char *args;           /* "[web=N] [was=N]": usage, and the spec that the parser checks */
	const char *help;           /* one line */
	const char *example;
	unsigned flags;
	/* Returns the exit status; NULL: not there yet, verb_run() answers CL_NOT_IMPLEMENTED. */
	int (*run)(struct verb_ctx *ctx, const struct verb_args *args);
};
extern const struct verb verb_table[]; /* ends with name NULL */

/* Other spellings that people know: "ps:scale" is "scale".  Ends with from NULL. */
struct verb_alias {
	const char *from, *to;
};
extern const struct verb_alias verb_table_aliases[];

/* Run words (options included); returns the exit status of CONTRACT (0, 1, 2 ... 128+n). */
int verb_run(struct verb_ctx *ctx, int argc, char **argv);
/* Split a line as a POSIX shell splits words (no expansion) and run it. */
int verb_run_line(struct verb_ctx *ctx, const char *line);
/* The row that a line begins with, or NULL. */
const struct verb *verb_find_line(const char *line);
/* Does the line's first word belong to the verbs ("user" does, alone or with a wrong second)? */
bool verb_known_word(const char *line);
/* The row that words begin with, *used words long; NULL if none.  Aliases are understood. */
const struct verb *verb_find(int argc, char **argv, int *used);

#endif
