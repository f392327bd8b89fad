/* What handlers ask of a request; see request.h. */
#include "engine/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
request_param(const struct request *r, const char *name)
{
	for (int i = 0; i < r->params.n; i++)
		if (strcmp(r->params.name[i], name) == 0)
			return r->params.value[i];
	return "";
}

const char *
request_query(const struct request *r, const char *name)
{
	return json_string_value(json_object_get(r->query, name));
}

int
request_query_int(const struct request *r, const char *name, int64_t min, int64_t max,
    int64_t fallback, int64_t *out, struct cl_err *err)
{
	const char *text = request_query(r, name);
	char *end;

	*out = fallback;
	if (text == NULL)
		return 0;
	errno = 0;
	*out = strtoll(text, &end, 10);
	if ((text[0] < '0' || text[0] > '9') || *end != '\0' || errno != 0 || *out < min || *out > max)
		return err_set(err, CL_USAGE, "?%s=: must be a whole number from %lld to %lld", name,
		    (long long)min, (long long)max);
	return 0;
}

int
request_query_bool(const struct request *r, const char *name, bool *out, struct cl_err *err)
{
	const char *text = request_query(r, name);

	*out = text != NULL && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
	if (text == NULL || *out || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
		return 0;
	return err_set(err, CL_USAGE, "?%s=: must be 1 or 0", name);
}

static int
check_env(const char *text, const char **out, struct cl_err *err)
{
	*out = text == NULL ? "" : text;
	if (text == NULL || strcmp(text, "dev") == 0 || strcmp(text, "prod") == 0)
		return 0;
	return err_set(err, CL_USAGE, "env: must be dev or prod");
}

int
request_query_env(const struct request *r, const char **out, struct cl_err *err)
{
	return check_env(request_query(r, "env"), out, err);
}

const char *
request_str(const struct request *r, const char *name)
{
	return json_string_value(json_object_get(r->body, name));
}

int64_t
request_int(const struct request *r, const char *name, int64_t fallback)
{
	const json_t *v = json_object_get(r->body, name);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool
request_bool(const struct request *r, const char *name)
{
	return json_is_true(json_object_get(r->body, name));
}

bool
request_has(const struct request *r, const char *name)
{
	const json_t *v = json_object_get(r->body, name);

	return v != NULL && !json_is_null(v);
}

int
request_env(const struct request *r, const char **out, struct cl_err *err)
{
	return check_env(request_str(r, "env"), out, err);
}

void
request_detail(struct request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->detail, sizeof r->detail, fmt, ap);
	va_end(ap);
}
