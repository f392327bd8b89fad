/* Further clusters: see target.h. */
#include "engine/target.h"

#include <string.h>
#include "base/log.h"
#include "engine/deploy.h"
#include "engine/store_env.h"
#include "engine/store_target.h"

int target_supported(struct engine *e, struct cl_err *err)
{
	if (e->backend.ops->target_add)
		return 0;
	err_set(err, CL_PRECONDITION, "target: backend %s has no clusters", e->backend.ops->name);
	return err_hint(err, "A lab with the backend kube has");
}

static void open_cb(void *arg, const struct store_target *t)
{
	struct engine *e = arg;
	struct cl_err err = { 0 };
	char server[1024];

	if (e->backend.ops->target_add(&e->backend, t->name, t->kubeconfig, false, server, sizeof(server),
	    &err) != 0)
		log_error("target %s: %s", t->name, err.message);
}

void target_open(struct engine *e)
{
	struct cl_err err = { 0 };

	if (e->backend.ops->target_add && store_target_each(e->store, open_cb, e, &err) != 0)
		log_error("targets: %s", err.message);
}

int target_choose(struct engine *e, int64_t project, const char *target, struct cl_err *err)
{
	struct store_env row;

	if (!target)
		return 0;
	if (target_supported(e, err) != 0)
		return -1;
	if (!store_target_have(e->store, target)) {
		err_set(err, CL_NOT_FOUND, "target %s: there is none", target);
		return err_hint(err, "target ls lists them");
	}
	if (deploy_ensure_env(e, project, "prod", &row, err) != 0)
		return -1;
	if (strcmp(row.target, target) == 0)
		return 0;
	if (row.desired > 0 || row.serving > 0) {
		err_set(err, CL_CONFLICT, "promote: prod runs in %s%s, and its data with it", row.target[0] ?
		    "target " : "the lab's own cluster", row.target);
		return err_hint(err, "An environment does not move; promote without --target goes on there");
	}
	return store_env_set_target(e->store, row.id, target, err);
}
