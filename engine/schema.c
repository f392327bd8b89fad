/* Schemas of bodies and replies; see schema.h. */
#include "engine/schema.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"

#define DEPTH_MAX 32
#define WORD_MAX 32768 /* bytes of one string in a LIST_STR or KV */
#define SCHEMAS_MAX 128

#define SCHEMA(name) {#name, NULL, SCHEMA_REQ, 0, 0, NULL},
#define FIELD(name, type, flag, min, max, help) {#name, #type, SCHEMA_##flag, min, max, help},
#define END
static const struct schema_field rows[] = {
#include "engine/api/schemas.def"
};
#undef SCHEMA
#undef FIELD
#undef END

static struct schema list[SCHEMAS_MAX];
static int nlist;

static int check_object(const char *name, const json_t *value, const char *at, int depth,
    struct cl_err *err);

/* A row without type opens a schema; the rows after it are its fields. */
static void
index_rows(void)
{
	for (size_t i = 0; i < CL_COUNT(rows) && nlist < SCHEMAS_MAX; i++) {
		if (rows[i].type == NULL)
			list[nlist++] = (struct schema){rows[i].name, &rows[i + 1], 0};
		else
			list[nlist - 1].nfields++;
	}
}

const struct schema *
schema_at(int i)
{
	if (nlist == 0)
		index_rows();
	return i >= 0 && i < nlist ? &list[i] : NULL;
}

const struct schema *
schema_find(const char *name)
{
	const struct schema *s;

	for (int i = 0; (s = schema_at(i)) != NULL; i++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static int
check_string(const struct schema_field *f, const json_t *v, const char *at, struct cl_err *err)
{
	size_t n = json_string_length(v);

	if (!json_is_string(v))
		return err_set(err, CL_USAGE, "%s: must be a string", at);
	if (strcmp(f->type, "NAME") == 0 && !name_valid(json_string_value(v))) {
		err_set(err, CL_USAGE, "%s: must be a name", at);
		return err_hint(err, "lower-case letters, digits and '-', starting with a letter, at most 31");
	}
	if (strcmp(f->type, "TIME") == 0)
		return 0;
	if ((double)n < f->min || (double)n > f->max)
		return err_set(err, CL_USAGE, "%s: must be %.0f to %.0f bytes long", at, f->min, f->max);
	return 0;
}

static int
check_number(const struct schema_field *f, const json_t *v, const char *at, struct cl_err *err)
{
	bool whole = strcmp(f->type, "INT") == 0;
	double x;

	if (whole ? !json_is_integer(v) : !json_is_number(v))
		return err_set(err, CL_USAGE, "%s: must be a %s", at, whole ? "whole number" : "number");
	x = json_number_value(v);
	if (!isfinite(x) || x < f->min || x > f->max)
		return err_set(err, CL_USAGE, "%s: must be from %.0f to %.0f", at, f->min, f->max);
	return 0;
}

static int
check_list(const struct schema_field *f, const json_t *v, const char *at, int depth,
    struct cl_err *err)
{
	const char *of = f->type + strlen("LIST_");
	const struct schema_field word = {"", "STR", SCHEMA_REQ, 0, WORD_MAX, ""};
	char where[256];
	const json_t *item;
	size_t i;

	if (!json_is_array(v))
		return err_set(err, CL_USAGE, "%s: must be a list", at);
	if ((double)json_array_size(v) < f->min || (double)json_array_size(v) > f->max)
		return err_set(err, CL_USAGE, "%s: must have %.0f to %.0f entries", at, f->min, f->max);
	json_array_foreach (v, i, item) {
		snprintf(where, sizeof where, "%.200s[%zu]", at, i);
		if (strcmp(of, "STR") == 0 ? check_string(&word, item, where, err) < 0 :
		                             check_object(of, item, where, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* An object of strings or nulls */
static int
check_map(const struct schema_field *f, const json_t *v, const char *at, struct cl_err *err)
{
	const char *name;
	json_t *item;

	if (!json_is_object(v))
		return err_set(err, CL_USAGE, "%s: must be an object", at);
	if ((double)json_object_size(v) > f->max)
		return err_set(err, CL_USAGE, "%s: must have at most %.0f entries", at, f->max);
	json_object_foreach ((json_t *)v, name, item) {
		if (name[0] == '\0' || strlen(name) > 128)
			return err_set(err, CL_USAGE, "%s: a name must be 1 to 128 bytes long", at);
		if (!json_is_null(item) &&
		    (!json_is_string(item) || json_string_length(item) > WORD_MAX))
			return err_set(err, CL_USAGE, "%s.%s: must be a string or null", at, name);
	}
	return 0;
}

static int
check_value(const struct schema_field *f, const json_t *v, const char *at, int depth,
    struct cl_err *err)
{
	if (json_is_null(v)) {
		if (f->flag == SCHEMA_NUL)
			return 0;
		return err_set(err, CL_USAGE, "%s: must not be null", at);
	}
	if (strcmp(f->type, "STR") == 0 || strcmp(f->type, "NAME") == 0 ||
	    strcmp(f->type, "TIME") == 0)
		return check_string(f, v, at, err);
	if (strcmp(f->type, "INT") == 0 || strcmp(f->type, "NUM") == 0)
		return check_number(f, v, at, err);
	if (strcmp(f->type, "BOOL") == 0)
		return json_is_boolean(v) ? 0 : err_set(err, CL_USAGE, "%s: must be true or false", at);
	if (strcmp(f->type, "OBJ_KV") == 0)
		return check_map(f, v, at, err);
	if (strcmp(f->type, "OBJ_ANY") == 0)
		return json_is_object(v) ? 0 : err_set(err, CL_USAGE, "%s: must be an object", at);
	if (strncmp(f->type, "LIST_", 5) == 0)
		return check_list(f, v, at, depth, err);
	return check_object(f->type + strlen("OBJ_"), v, at, depth + 1, err);
}

static const struct schema_field *
find_field(const struct schema *s, const char *name)
{
	for (int i = 0; i < s->nfields; i++)
		if (strcmp(s->fields[i].name, name) == 0)
			return &s->fields[i];
	return NULL;
}

static int
check_object(const char *name, const json_t *value, const char *at, int depth, struct cl_err *err)
{
	const struct schema *s = schema_find(name);
	const struct schema_field *f;
	const char *key, *dot = at[0] == '\0' ? "" : ".";
	char where[256];
	json_t *item;

	if (s == NULL || depth > DEPTH_MAX)
		return err_set(err, CL_FAILED, "schema %s: unknown or too deep", name);
	if (!json_is_object(value))
		return err_set(err, CL_USAGE, "%s: must be an object", at[0] == '\0' ? "body" : at);
	json_object_foreach ((json_t *)value, key, item) {
		snprintf(where, sizeof where, "%.100s%s%.100s", at, dot, key);
		if ((f = find_field(s, key)) == NULL)
			return err_set(err, CL_USAGE, "%s: there is no such field", where);
		if (check_value(f, item, where, depth, err) < 0)
			return -1;
	}
	for (int i = 0; i < s->nfields; i++)
		if (s->fields[i].flag == SCHEMA_REQ && json_object_get(value, s->fields[i].name) == NULL)
			return err_set(err, CL_USAGE, "%.100s%s%s: is missing", at, dot, s->fields[i].name);
	return 0;
}

int
schema_check(const char *name, const json_t *value, struct cl_err *err)
{
	return check_object(name, value, "", 0, err);
}

static bool
too_deep(const json_t *v, int left)
{
	const char *key;
	json_t *item;
	size_t i;

	if (left <= 0)
		return true;
	if (json_is_array(v)) {
		json_array_foreach (v, i, item)
			if (too_deep(item, left - 1))
				return true;
	} else if (json_is_object(v)) {
		json_object_foreach ((json_t *)v, key, item)
			if (too_deep(item, left - 1))
				return true;
	}
	return false;
}

json_t *
schema_parse(const char *text, size_t n, struct cl_err *err)
{
	json_error_t why;
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);

	if (v == NULL) {
		err_set(err, CL_USAGE, "body: not JSON: %s at byte %d", why.text, why.position);
		return NULL;
	}
	if (too_deep(v, DEPTH_MAX)) {
		json_decref(v);
		err_set(err, CL_USAGE, "body: more than %d levels deep", DEPTH_MAX);
		return NULL;
	}
	return v;
}
