/* Stored events, for replay by id. */
#ifndef ENGINE_STORE_EVENT_H
#define ENGINE_STORE_EVENT_H

#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

struct store_event {
	int64_t id, at;
	const char *type;
	int64_t project;   /* 0 = platform */
	const char *env;   /* "" = none */
	int64_t op;        /* 0 = none */
	const char *actor, *text, *data; /* data: JSON object */
};

int store_event_add(struct store *s, struct store_event *e, struct cl_err *err); /* sets id */
/* Ids above since, oldest first, at most limit. project 0 = any, op 0 = any. */
int store_event_each(struct store *s, int64_t since, int64_t project, int64_t op, int limit,
    int (*cb)(void *arg, const struct store_event *e), void *arg, struct cl_err *err);
/* The newest `limit` of a project, oldest first. */
int store_event_tail(struct store *s, int64_t project, int limit,
    int (*cb)(void *arg, const struct store_event *e), void *arg, struct cl_err *err);
int64_t store_event_newest(struct store *s);
int store_event_prune(struct store *s, int64_t keep, struct cl_err *err);

#endif
