/* The project's dev container: up, stop, restart. */
#include "base/mem.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

static int action(struct verb_ctx *ctx, const char *what)
{
	cl_autofree char *path = verb_rest_project(ctx, "/dev", false);

	return verb_rest_op(ctx, "POST", path, json_pack("{s:s}", "action", what));
}

int verb_dev_up(struct verb_ctx *ctx, const struct verb_args *args)
{
	return action(ctx, "up");
}

int verb_dev_stop(struct verb_ctx *ctx, const struct verb_args *args)
{
	return action(ctx, "stop");
}

int verb_dev_restart(struct verb_ctx *ctx, const struct verb_args *args)
{
	return action(ctx, verb_args_has(args, "--fresh") ? "fresh" : "restart");
}
