/*
 * Routes: engine/api/routes.def as a table, matched by method and path; handlers are bound to it by
 * the lists in route_bind.c (each route_*.c exports one list, its handlers are static).  A route
 * without handler answers CL_NOT_IMPLEMENTED.
 *
 * A handler runs on the loop's thread and must not block: no backend call, no file, no sleep.  It
 * returns 0 after filling the reply, or -1 with err, which becomes the reply.  By then the router has
 * read and checked: caller, path, body (by its schema), project and the right in it, policy.
 *
 * A route with an audit verb runs inside a transaction: the router begins it, calls the handler,
 * writes the audit row and commits; when the handler fails everything is rolled back and the failure
 * is audited.  Work that blocks goes to reply_work() (reply.h) or becomes an operation.
 */
#ifndef ENGINE_ROUTE_H
#define ENGINE_ROUTE_H

#include <stddef.h>
#include "base/err.h"

struct engine;
struct request;
struct reply;

enum route_id {
#define ROUTE(id, method, path, role, scope, verb, summary, body, reply) ROUTE_##id,
#include "engine/api/routes.def"
#undef ROUTE
	ROUTE_COUNT
};

enum route_role { ROUTE_ROLE_NONE, ROUTE_ROLE_USER, ROUTE_ROLE_TEACHER, ROUTE_ROLE_ADMIN };
enum route_scope {
	ROUTE_SCOPE_ANY, ROUTE_SCOPE_SELF, ROUTE_SCOPE_VIEW, ROUTE_SCOPE_EDIT, ROUTE_SCOPE_OPERATE,
	ROUTE_SCOPE_OWN
};

struct route {
	enum route_id id;
	const char *name;         /* "USER_ADD" */
	const char *method, *path;
	enum route_role role;
	enum route_scope scope;
	const char *verb;         /* of the audit row; "" = a read */
	const char *summary;
	const char *body, *reply; /* schemas; "" = none */
};
extern const struct route route_table[ROUTE_COUNT];

typedef int route_handler(struct engine *e, struct request *r, struct reply *p, struct cl_err *err);

struct route_bind {
	enum route_id id;
	route_handler *handler;   /* NULL ends a list */
};
route_handler *route_bind_find(enum route_id id); /* NULL = none yet */

#define ROUTE_PARAMS 4
#define ROUTE_PARAM_SIZE 256

struct route_params {
	int n;
	char name[ROUTE_PARAMS][16];               /* "project" */
	char value[ROUTE_PARAMS][ROUTE_PARAM_SIZE]; /* percent-decoded, no NUL, valid UTF-8 */
};

/* Percent-decoding of s[0..n) into out, NUL-terminated; -1 for nothing, bad escapes, NUL, bad UTF-8, and
 * what does not fit. */
int route_decode(const char *s, size_t n, char *out, size_t size);

/* Which route?  path without query.  NULL: err is CL_NOT_FOUND (no such path, or a parameter that is
 * malformed); *allow then lists methods that the path has ("GET, POST"), or is "". */
const struct route *route_match(const char *method, const char *path, struct route_params *out,
    char *allow, size_t allow_size, struct cl_err *err);

#endif
