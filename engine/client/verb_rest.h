/* How verbs ask the engine: one call with its error said, paths of the project at hand, long
 * operations followed to their end. */
#ifndef ENGINE_CLIENT_VERB_REST_H
#define ENGINE_CLIENT_VERB_REST_H

#include <jansson.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/client/verb_args.h"
#include "engine/client/verb_ctx.h"

/* Call; body is stolen, path is borrowed.  Returns the exit status after saying what went wrong,
 * 0 with *reply (may be NULL). */
int verb_rest_call(struct verb_ctx *ctx, const char *method, const char *path, json_t *body,
    json_t **reply);
/* GET path and with --json print it, *reply then is NULL. */
int verb_rest_get(struct verb_ctx *ctx, const char *path, json_t **reply);
/* One column of a list: its head and the field of each object.  true is "yes"; before a value
 * stands the prefix, if there is one. */
struct verb_rest_column {
	const char *head, *key, *prefix;
};
/* GET path and print the objects of its list `key` as a table (with --json: the reply itself);
 * columns end with a NULL head, `none` is said where there is no object.  The exit status. */
int verb_rest_list(struct verb_ctx *ctx, const char *path, const char *key,
    const struct verb_rest_column *columns, const char *none);
/* A call whose news is one line: the reply with --json, the text without, nothing with -q.
 * `reply` is stolen, but may still be named in the arguments.  Returns 0. */
int verb_rest_said(struct verb_ctx *ctx, json_t *reply, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* DELETE path and say what was removed.  The exit status. */
int verb_rest_remove(struct verb_ctx *ctx, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "/v1/projects/shop" and suffix, "?env=" added when an environment is named and env is true. */
char *verb_rest_project(const struct verb_ctx *ctx, const char *suffix, bool env);
/* "/v1/users/NAME" and suffix, the name escaped. */
char *verb_rest_path(const char *prefix, const char *name, const char *suffix);
/* Set o.env when an environment is named. */
void verb_rest_env(const struct verb_ctx *ctx, json_t *o);

/* {"ids": [the words of "ID..."]}, {} without any; the caller's. */
json_t *verb_rest_ids(const struct verb_args *args);

/* Start something long and follow it (unless --no-wait or --dry-run): its steps and log on stderr,
 * its result (a URL) alone on stdout. */
int verb_rest_op(struct verb_ctx *ctx, const char *method, const char *path, json_t *body);
/* Follow an operation that is under way. */
int verb_rest_follow(struct verb_ctx *ctx, int64_t op);

/* A yes or, where `name` is given, that name typed in.  0, or the exit status to end with. */
int verb_rest_confirm(struct verb_ctx *ctx, const char *what, const char *name);
/* One line of at most size - 1 bytes from stdin, its end cut off; -1 at the end of file. */
int verb_rest_line(struct verb_ctx *ctx, char *line, size_t size);
/* All of stdin up to max bytes; NULL past it.  The caller frees.  n may be NULL. */
char *verb_rest_stdin(struct verb_ctx *ctx, size_t max, size_t *n);

#endif
