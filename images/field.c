/*
 * The checks that stack.json and .codinglab.json share.  jansson has parsed the text strictly
 * (UTF-8, no duplicate keys, nothing after the value); here types, ranges and bytes are checked.
 */
#include "images/field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

static bool field_plain(const char *s, size_t n);

int field_fail(const struct field_ctx *c, const char *field, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(c->err, CL_USAGE, "%s: %s: %s", c->file, field, why);
}

int field_check(const struct field_ctx *c, const char *at, const json_t *o,
    const char *const *known)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return field_fail(c, at, "must be an object");
	json_object_foreach((json_t *)(uintptr_t)o, key, v) {
		size_t i;

		for (i = 0; known[i] != NULL; i++)
			if (strcmp(known[i], key) == 0)
				break;
		if (known[i] == NULL)
			return field_fail(c, key, "no such field in %s", at);
	}
	return 0;
}

int field_str(const struct field_ctx *c, const json_t *o, const char *field, bool optional,
    size_t min, char *out, size_t size)
{
	const json_t *v = json_object_get(o, field);
	size_t n;

	if (v == NULL && optional)
		return 0;
	if (v == NULL)
		return field_fail(c, field, "is missing");
	if (json_is_null(v) && min == 0) {
		out[0] = '\0';
		return 0;
	}
	if (!json_is_string(v))
		return field_fail(c, field, "must be a string");
	n = json_string_length(v);
	if (n < min || n >= size)
		return field_fail(c, field, "must have %zu to %zu bytes", min, size - 1);
	if (!field_plain(json_string_value(v), n))
		return field_fail(c, field, "must not hold control characters");
	return mem_copy_str(out, size, json_string_value(v));
}

int field_int(const struct field_ctx *c, const json_t *o, const char *field, bool optional,
    int64_t min, int64_t max, int64_t *out)
{
	const json_t *v = json_object_get(o, field);
	int64_t n;

	if (v == NULL && optional)
		return 0;
	if (v == NULL)
		return field_fail(c, field, "is missing");
	n = json_is_integer(v) ? (int64_t)json_integer_value(v) : min - 1;
	if (n < min || n > max)
		return field_fail(c, field, "must be a number from %lld to %lld", (long long)min,
		    (long long)max);
	*out = n;
	return 0;
}

int field_argv(const struct field_ctx *c, const json_t *v, const char *field, size_t max,
    size_t word_max, char ***out)
{
	size_t i, n = json_array_size(v);
	char **argv;

	if (!json_is_array(v) || n < 1 || n > max)
		return field_fail(c, field, "must be a list of 1 to %zu strings", max);
	argv = mem_array(n + 1, sizeof(*argv));
	for (i = 0; i < n; i++) {
		const json_t *w = json_array_get(v, i);

		if (!json_is_string(w) || json_string_length(w) > word_max ||
		    strlen(json_string_value(w)) != json_string_length(w)) {
			field_free_argv(argv);
			return field_fail(c, field, "entry %zu must be a string of at most %zu "
			    "bytes", i + 1, word_max);
		}
		argv[i] = mem_strdup(json_string_value(w));
	}
	if (argv[0][0] == '\0') {
		field_free_argv(argv);
		return field_fail(c, field, "the program's name is empty");
	}
	*out = argv;
	return 0;
}

void field_free_argv(char **argv)
{
	if (argv == NULL)
		return;
	for (size_t i = 0; argv[i] != NULL; i++)
		mem_free(argv[i]);
	mem_free(argv);
}

static bool field_plain(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}
