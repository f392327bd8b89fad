/*
 * Releases come from here: built from the workspace (deploy, ship), taken from dev (promote), from an
 * older one (rollback) or from the present one with other variables (config set).  Handlers make the
 * release's row and the operation in one transaction; its run() does the rest.  On the loop's thread.
 */
#ifndef ENGINE_DEPLOY_H
#define ENGINE_DEPLOY_H

#include <stdint.h>
#include "base/err.h"
#include "engine/engine.h"
#include "engine/op.h"
#include "engine/request.h"
#include "engine/store_env.h"

/* The environment, made when absent, with slot, host name, password and the stack's secrets. */
int deploy_ensure_env(struct engine *e, int64_t project, const char *env, struct store_env *out,
    struct cl_err *err);
/* A new release to be built. */
int deploy_begin_build(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, struct cl_err *err);
enum deploy_copy {
	DEPLOY_FRESH = 1,        /* with the variables that env has now, else those of that release */
	DEPLOY_MIGRATE = 2,      /* its migration runs */
	DEPLOY_LOGIN = 4,        /* with another password of the database */
};

/* A new release of env with the image and settings of from_version in from_env; how: enum deploy_copy. */
int deploy_begin_copy(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, const char *from_env, int from_version, unsigned how,
    struct cl_err *err);

/* op_kind.run and .cancel of all of these. */
int deploy_run(struct op_live *o, struct cl_err *err);
void deploy_cancel(struct op_live *o);

#endif
