/*
 * What verbs print.  Every text goes through screen_safe() here; a line is a line, whatever a
 * stranger put into it.  JSON and a program's own bytes pass as they are.
 */
#ifndef ENGINE_CLIENT_VERB_OUT_H
#define ENGINE_CLIENT_VERB_OUT_H

#include <jansson.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/client/verb_ctx.h"

#define VERB_OUT_COLS 8

/* One line on stdout (LF is added). */
void verb_out_line(struct verb_ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* One line on stderr, not with -q. */
void verb_out_note(struct verb_ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Without LF, for questions. */
void verb_out_ask(struct verb_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Text of ours with newlines (help), as it is. */
void verb_out_text(struct verb_ctx *ctx, const char *text);
/* json is borrowed; one line when compact (streams), else indented. */
void verb_out_json(struct verb_ctx *ctx, const json_t *json, bool compact);
/* "codinglab: WHAT: WHY. HINT" or the JSON form, on stderr; returns the exit status. */
int verb_out_error(struct verb_ctx *ctx, const struct cl_err *err);

/* A table: heads, then rows of as many strings (copied). */
struct verb_out_table {
	const char *heads[VERB_OUT_COLS];
	int cols, rows, cap;
	char **cells;
};
void verb_out_heads(struct verb_out_table *t, ...) __attribute__((sentinel));
void verb_out_row(struct verb_out_table *t, ...) __attribute__((sentinel));
void verb_out_cells(struct verb_out_table *t, const char *const *cells); /* one of each column */
/* Print and free; heads are left out with -q, `none` is said on stderr when there are no rows. */
void verb_out_table(struct verb_ctx *ctx, struct verb_out_table *t, const char *none);

/* Fields of JSON objects: "" or 0 where they are absent or null. */
const char *verb_out_str(const json_t *o, const char *key);
int64_t verb_out_int(const json_t *o, const char *key);
/* "14 MB" */
void verb_out_size(char *out, size_t size, int64_t bytes);

#endif
