/*
 * engine/api/schemas.def as a table, and the check of a JSON value against one of its schemas.
 */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include <jansson.h>
#include "base/err.h"

enum schema_flag { SCHEMA_REQ, SCHEMA_OPT, SCHEMA_NUL };

struct schema_field {
	const char *name;
	const char *type;      /* "STR", "LIST_User", ... */
	enum schema_flag flag;
	double min, max;
	const char *help;
};

struct schema {
	const char *name;
	const struct schema_field *fields;
	int nfields;
};

const struct schema *schema_find(const char *name); /* NULL if there is none */
const struct schema *schema_at(int i);              /* NULL past the last */

/* 0, or -1 with CL_USAGE that names the field. */
int schema_check(const char *name, const json_t *value, struct cl_err *err);

/* Strict JSON: UTF-8, no duplicate names, no leftovers, at most 32 levels, no NUL. NULL on failure. */
json_t *schema_parse(const char *text, size_t n, struct cl_err *err);

#endif
