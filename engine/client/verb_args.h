/*
 * Arguments of a verb.  The usage string of its row is the specification:
 *
 *   NAME  [NAME]           a word, required or not      [--min N]       an option with a value
 *   NAME... [NAME...]      one or more, any number      [-f|--follow]   a switch, its spellings
 *   [web=N]                key and value                [-n|--tail N]   spellings and a value
 *   --stack ID             an option that is required
 *
 * A value called N is a whole number (0..1000000000).  Options and words may come in any order,
 * "--" ends the options.  Anything the string does not name is a usage error, and
 * so is a word that is not UTF-8, but for a FILE, FOLDER or SOURCE.
 */
#ifndef ENGINE_CLIENT_VERB_ARGS_H
#define ENGINE_CLIENT_VERB_ARGS_H

#include <stdbool.h>
#include "base/err.h"

#define VERB_ARGS_MAX 24 /* items of one specification */

struct verb_args {
	struct {
		char name[32];      /* "NAME", "web", "-f" (the first spelling) */
		const char *value;  /* borrowed from argv; "" for a switch; NULL = not given */
	} item[VERB_ARGS_MAX];
	int items;
	char **rest;                /* the words of "NAME...", borrowed from argv, NULL-terminated */
	int nrest;
};

struct verb_ctx;

/* What is an option: all; those before the first word (VERB_RAW); of those the --long ones. */
enum verb_args_raw { VERB_ARGS_PLAIN, VERB_ARGS_RAW, VERB_ARGS_SHORT };

/*
 * Parse argv[0..argc) against spec.  Options that every verb has (--json, -q, -n, -y, --wait, ...)
 * go into ctx unless spec names them itself; *help is set by --help. 
 */
int verb_args_parse(struct verb_args *a, const char *spec, enum verb_args_raw raw, int argc, char **argv,
    struct verb_ctx *ctx, bool *help, struct cl_err *err);

/* The value, or NULL when it was not given. */
const char *verb_args_get(const struct verb_args *a, const char *name);
bool verb_args_has(const struct verb_args *a, const char *name);
long verb_args_int(const struct verb_args *a, const char *name, long otherwise);
/* "60", "60s", "5m", "1h" in seconds; -1 if it is no duration. */
long verb_args_seconds(const char *text);

/*
 * Split a line as a POSIX shell splits words: quotes and backslashes, no expansion.  Returns the
 * count and a NULL-terminated array (one heap block, the caller frees), or -1 for an open quote.
 */
int verb_args_split(const char *line, char ***words);

#endif
