/* Chat messages of projects, oldest first, in pages. */
#ifndef ENGINE_STORE_CHAT_H
#define ENGINE_STORE_CHAT_H

#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

struct store_message {
	int64_t id, at;
	const char *user; /* borrowed during the callback */
	const char *text;
};

int store_chat_add(struct store *s, int64_t project, int64_t user, const char *name,
    const char *text, int64_t at, int64_t *id, struct cl_err *err);
/* The newest `limit` messages with id < before (0 = all), given oldest first. */
int store_chat_each(struct store *s, int64_t project, int64_t before, int limit,
    int (*cb)(void *arg, const struct store_message *m), void *arg, struct cl_err *err);

#endif
