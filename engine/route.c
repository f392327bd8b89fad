/* The routes as a table, and matching; see route.h. */
#include "engine/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define NONE ROUTE_ROLE_NONE
#define USER ROUTE_ROLE_USER
#define TEACHER ROUTE_ROLE_TEACHER
#define ADMIN ROUTE_ROLE_ADMIN
#define ROUTE(id, method, path, role, scope, verb, summary, body, reply) \
	{ROUTE_##id, #id, #method, path, role, ROUTE_SCOPE_##scope, verb, summary, body, reply},
const struct route route_table[ROUTE_COUNT] = {
#include "engine/api/routes.def"
};
#undef ROUTE
#undef NONE
#undef USER
#undef TEACHER
#undef ADMIN

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int
route_decode(const char *s, size_t n, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -1;
			c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
			i += 2;
		}
		if (c == 0 || len + 1 >= size)
			return -1;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return len > 0 && utf8_valid(out, len) ? 0 : -1;
}

static int
add_param(struct route_params *p, const char *name, size_t n, const char *value, size_t len)
{
	if (p->n >= ROUTE_PARAMS || n >= sizeof p->name[0])
		return -1;
	memcpy(p->name[p->n], name, n);
	p->name[p->n][n] = '\0';
	if (route_decode(value, len, p->value[p->n], sizeof p->value[0]) < 0)
		return -1;
	p->n++;
	return 0;
}

/* Walks pattern and path segment by segment. */
static bool
matches(const char *pattern, const char *path, struct route_params *p)
{
	p->n = 0;
	while (*pattern == '/' && *path == '/') {
		size_t want = strcspn(++pattern, "/"), got = strcspn(++path, "/");

		if (pattern[0] == '{') {
			if (add_param(p, pattern + 1, want - 2, path, got) < 0)
				return false;
		} else if (want != got || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += got;
	}
	return *pattern == '\0' && *path == '\0';
}

static void
note_method(char *allow, size_t size, const char *method)
{
	size_t n = strlen(allow);

	snprintf(allow + n, size - n, "%s%s", n > 0 ? ", " : "", method);
}

const struct route *
route_match(const char *method, const char *path, struct route_params *out, char *allow,
    size_t allow_size, struct cl_err *err)
{
	struct route_params p;

	allow[0] = '\0';
	for (int i = 0; i < ROUTE_COUNT; i++) {
		if (!matches(route_table[i].path, path, &p))
			continue;
		if (strcmp(route_table[i].method, method) == 0) {
			*out = p;
			return &route_table[i];
		}
		note_method(allow, allow_size, route_table[i].method);
	}
	if (allow[0] != '\0')
		err_set(err, CL_USAGE, "%s: this path takes %s", method, allow);
	else
		err_set(err, CL_NOT_FOUND, "there is nothing at this path");
	err_hint(err, "GET /v1/openapi.json describes the interface");
	return NULL;
}
