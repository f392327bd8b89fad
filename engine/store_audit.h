/* The audit trail: rows are only ever added, each sealed by a hash over itself and the one before. */
#ifndef ENGINE_STORE_AUDIT_H
#define ENGINE_STORE_AUDIT_H

#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

struct store_audit {
	int64_t id, at;
	int64_t user;        /* 0 = root, the engine or a stranger */
	const char *name;    /* as known or as given */
	const char *verb, *object;
	const char *result;  /* "ok" or an error code */
	const char *detail;
};

/* Long texts are cut.  at 0 = now. */
int store_audit_add(struct store *s, const struct store_audit *a, struct cl_err *err);
/* Newest first; name and verb NULL = any. */
int store_audit_each(struct store *s, const char *name, const char *verb, int limit,
    int (*cb)(void *arg, const struct store_audit *a), void *arg, struct cl_err *err);
/* Walks the chain; -1 names the first row that does not fit. */
int store_audit_verify(struct store *s, struct cl_err *err);

#endif
