/* Environments of projects: wanted tiers, variables, releases. */
#ifndef ENGINE_STORE_ENV_H
#define ENGINE_STORE_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/release.h"
#include "engine/store.h"

struct store_env_auto {
	int min, max;          /* instances; max 0 = their number is fixed */
	int cpu;               /* percent of one core that each may take */
};

struct store_env {
	int64_t id, project;
	char name[8];
	int slot;              /* of the edge; -1 = none */
	char host[254];
	int desired, serving;  /* release versions, 0 = none */
	char state[16];        /* absent, deploying, serving, degraded, failed */
	char reason[512];
	char db_password[65];  /* "" = none yet */
	int want[3];           /* by enum plan_tier_id: db, was, web */
	struct store_env_auto load[3]; /* the same */
	char target[32];       /* the cluster that it runs in; "" = the lab's own */
};

struct store_release {
	int64_t project;
	char env[8];
	int version;
	char digest[128];      /* "" = not built */
	char by[32];
	int64_t at;
	char result[16];       /* building, rolling, serving, superseded, failed */
	char reason[512];
	int64_t op;
};

int store_env_get(struct store *s, int64_t project, const char *name, struct store_env *out,
    struct cl_err *err);
/* As get, but made with a free slot, the host name and a password when absent.  CL_CONFLICT: the
 * host name is another environment's; CL_QUOTA: all slots are taken. */
int store_env_ensure(struct store *s, int64_t project, const char *name, const char *host,
    int slots, const char *db_password, struct store_env *out, struct cl_err *err);
/* project 0: all. */
int store_env_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_env *e), void *arg, struct cl_err *err);
int store_env_set_want(struct store *s, int64_t env, const char *tier, int want,
    struct cl_err *err);
/* by NULL, or its max 0: the number is fixed again. */
int store_env_set_auto(struct store *s, int64_t env, const char *tier,
    const struct store_env_auto *by, struct cl_err *err);
int store_env_set_target(struct store *s, int64_t env, const char *target, struct cl_err *err);
int store_env_set_release(struct store *s, int64_t env, int desired, int serving,
    struct cl_err *err);
int store_env_set_state(struct store *s, int64_t env, const char *state, const char *reason,
    struct cl_err *err);

/* value NULL: unset. */
int store_env_set_var(struct store *s, int64_t env, const char *name, const char *value,
    bool secret, struct cl_err *err);
/* By name; the callback's strings are borrowed. */
int store_env_each_var(struct store *s, int64_t env,
    int (*cb)(void *arg, const char *name, const char *value, bool secret), void *arg,
    struct cl_err *err);

/* *version gets the next number. */
int store_env_release_add(struct store *s, int64_t project, const char *env, const char *by,
    int64_t op, int *version, struct cl_err *err);
/* config NULL, digest NULL = leave as it is. */
int store_env_release_set(struct store *s, int64_t project, const char *env, int version,
    const char *result, const char *reason, const char *digest, const char *config,
    struct cl_err *err);
/* version serves; what served before is superseded. */
int store_env_release_serve(struct store *s, int64_t project, const char *env, int version,
    struct cl_err *err);
/* The row, and its snapshot where r is not NULL (release_init() before). */
int store_env_release_get(struct store *s, int64_t project, const char *env, int version,
    struct store_release *out, struct release *r, struct cl_err *err);
/* Newest first; env "" = both. */
int store_env_release_each(struct store *s, int64_t project, const char *env, int limit,
    int (*cb)(void *arg, const struct store_release *r), void *arg, struct cl_err *err);
/* The newest version below `before` that has served; 0 = none. */
int store_env_release_before(struct store *s, int64_t project, const char *env, int before);
bool store_env_digest_used(struct store *s, const char *digest);

#endif
