/*
 * Checked reading of small JSON files written by people: every field has a type and a range, and
 * what is wrong is said with the file and the field: "images/x/stack.json: port: must be 1..65535".
 */
#ifndef IMAGES_FIELD_H
#define IMAGES_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "base/err.h"

struct field_ctx {
	const char *file;   /* shown in errors */
	struct cl_err *err; /* may be NULL */
};

/* CL_USAGE "file: field: why"; -1 always. */
int field_fail(const struct field_ctx *c, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Only these fields (NULL-terminated) may be there. */
int field_check(const struct field_ctx *c, const char *at, const json_t *o,
    const char *const *known);
/* String of min..size-1 bytes, no control characters; absent is an error unless optional, where
 * out stays as it is.  null counts as "" where min is 0. */
int field_str(const struct field_ctx *c, const json_t *o, const char *field, bool optional,
    size_t min, char *out, size_t size);
int field_int(const struct field_ctx *c, const json_t *o, const char *field, bool optional,
    int64_t min, int64_t max, int64_t *out);
/* Array of 1..max strings -> NULL-terminated argv on the heap (field_free_argv). */
int field_argv(const struct field_ctx *c, const json_t *v, const char *field, size_t max,
    size_t word_max, char ***out);
void field_free_argv(char **argv);

#endif
