/* From the editor to production and back: deploy, promote, ship, releases, rollback. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

int verb_deploy_deploy(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/deploy", false);
	json_t *body = json_object();

	verb_rest_env(ctx, body);
	return verb_rest_op(ctx, "POST", path, body);
}

int verb_deploy_ship(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/ship", false);

	return verb_rest_op(ctx, "POST", path, json_object());
}

int verb_deploy_promote(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/promote", false);
	const char *target = verb_args_get(args, "--target");

	return verb_rest_op(ctx, "POST", path, target ? json_pack("{s:s}", "target", target) : json_object());
}

int verb_deploy_releases(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"VERSION", "version", "v"},
	    {"ENV", "env", NULL}, {"RESULT", "result", NULL}, {"BY", "by", NULL}, {"AT", "at", NULL},
	    {"DIGEST", "digest", NULL}, {"REASON", "reason", NULL}, {0}};
	cl_autofree char *path = verb_rest_project(ctx, "/releases", true);

	return verb_rest_list(ctx, path, "releases", columns, "no releases yet; `ship` makes one");
}

int verb_deploy_rollback(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/rollback", false);
	const char *v = verb_args_get(args, "VERSION");
	json_t *body = json_object();
	struct cl_err err = {0};
	char *end = NULL;
	long n = 0;

	verb_rest_env(ctx, body);
	if (v) {
		n = strtol(v + (*v == 'v'), &end, 10);
		if (n < 1 || n > 1000000000 || *end) {
			json_decref(body);
			err_set(&err, CL_USAGE, "rollback: \"%s\" is no release like v3", v);
			return verb_out_error(ctx, &err);
		}
		json_object_set_new(body, "version", json_integer(n));
	}
	return verb_rest_op(ctx, "POST", path, body);
}
