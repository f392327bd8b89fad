/* One REST request, as handlers see it.  Everything in it was checked; text is still untrusted. */
#ifndef ENGINE_REQUEST_H
#define ENGINE_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/policy.h"
#include "engine/route.h"

struct request {
	const struct route *route;
	struct route_params params;
	struct caller caller;
	json_t *query;            /* object of strings */
	json_t *body;             /* object that fits the route's schema; NULL when it has none */
	int64_t project;          /* resolved {project}, or 0 */
	enum policy_role right;   /* the caller's in it (admins: POLICY_OWNER) */
	int64_t user;             /* resolved {user}, or 0 when the path names none */
	int64_t op;               /* resolved {op}, or 0 */
	int64_t last_event;       /* Last-Event-ID, or 0 */
	char idem[129];           /* Idempotency-Key, or "" */
	char hash[65];            /* of method, path, body */
	char object[257];         /* what the audit row says it was about; preset from the path */
	char detail[1025];        /* more for the audit row: set by request_detail(); no secrets */
};

const char *request_param(const struct request *r, const char *name); /* never NULL */
const char *request_query(const struct request *r, const char *name); /* NULL = absent */
/* A number in ?name=; fallback when absent; CL_USAGE when no number or out of range. */
int request_query_int(const struct request *r, const char *name, int64_t min, int64_t max,
    int64_t fallback, int64_t *out, struct cl_err *err);
/* ?name=1|true|0|false; false when absent. */
int request_query_bool(const struct request *r, const char *name, bool *out, struct cl_err *err);
/* ?env=: "dev", "prod", or "" when absent; CL_USAGE otherwise. */
int request_query_env(const struct request *r, const char **out, struct cl_err *err);

/* Fields of the body; NULL, fallback or false when absent (or null). */
const char *request_str(const struct request *r, const char *name);
int64_t request_int(const struct request *r, const char *name, int64_t fallback);
bool request_bool(const struct request *r, const char *name);
bool request_has(const struct request *r, const char *name); /* present and not null */
/* "env" of the body: "dev", "prod", or "" when absent; CL_USAGE otherwise. */
int request_env(const struct request *r, const char **out, struct cl_err *err);

void request_detail(struct request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
