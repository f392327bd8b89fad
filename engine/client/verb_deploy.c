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

	return verb_rest_op(ctx, "POST", path, json_object());
}

int verb_deploy_releases(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/releases", true);
	struct verb_out_table t;
	char version[24];
	json_t *reply, *r;
	size_t i;
	int rc = verb_rest_get(ctx, path, &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "VERSION", "ENV", "RESULT", "BY", "AT", "DIGEST", "REASON", NULL);
	json_array_foreach(json_object_get(reply, "releases"), i, r) {
		snprintf(version, sizeof(version), "v%lld", (long long)verb_out_int(r, "version"));
		verb_out_row(&t, version, verb_out_str(r, "env"), verb_out_str(r, "result"),
		    verb_out_str(r, "by"), verb_out_str(r, "at"), verb_out_str(r, "digest"),
		    verb_out_str(r, "reason"), NULL);
	}
	verb_out_table(ctx, &t, "no releases yet; `ship` makes one");
	json_decref(reply);
	return 0;
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
