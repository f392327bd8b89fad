/* Other clusters: how to reach them and as whom. */
#ifndef ENGINE_STORE_TARGET_H
#define ENGINE_STORE_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

struct store_target {        /* strings are borrowed during the callback */
	const char *name;
	const char *kubeconfig;  /* holds credentials */
	const char *server;
	const char *by;
	int64_t at;              /* unix ms */
	int environments;        /* that run there */
};

/* CL_CONFLICT: there is one of that name. */
int store_target_add(struct store *s, const struct store_target *t, struct cl_err *err);
/* CL_NOT_FOUND; CL_CONFLICT while environments run there. */
int store_target_remove(struct store *s, const char *name, struct cl_err *err);
bool store_target_have(struct store *s, const char *name);
int store_target_each(struct store *s, void (*cb)(void *arg, const struct store_target *t), void *arg,
    struct cl_err *err);

#endif
