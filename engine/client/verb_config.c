/* Variables of an environment: config get, set, unset; and the database's password. */
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

int verb_config_get(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *only = verb_args_get(args, "NAME");
	cl_autofree char *path = verb_rest_project(ctx, "/config", true);
	struct cl_err err = {0};
	bool found = false;
	json_t *reply, *v;
	size_t i;
	int rc = verb_rest_get(ctx, path, &reply);

	if (rc || !reply)
		return rc;
	json_array_foreach(json_object_get(reply, "config"), i, v) {
		if (only && strcmp(only, verb_out_str(v, "name")) != 0)
			continue;
		found = true;
		if (only)
			verb_out_line(ctx, "%s", verb_out_str(v, "value"));
		else
			verb_out_line(ctx, "%s=%s", verb_out_str(v, "name"), verb_out_str(v, "value"));
	}
	json_decref(reply);
	if (!only || found)
		return 0;
	err_set(&err, CL_NOT_FOUND, "config %s: it is not set", only);
	return verb_out_error(ctx, &err);
}

static int change(struct verb_ctx *ctx, json_t *set, bool secret)
{
	cl_autofree char *path = verb_rest_project(ctx, "/config", false);
	json_t *body = json_pack("{s:o}", "set", set);

	if (secret)
		json_object_set_new(body, "secret", json_true());
	verb_rest_env(ctx, body);
	return verb_rest_op(ctx, "PUT", path, body);
}

int verb_config_set(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *set = json_object();
	struct cl_err err = {0};

	for (int i = 0; i < args->nrest; i++) {
		const char *word = args->rest[i], *value = strchr(word, '=');
		cl_autofree char *name = value ? mem_strndup(word, (size_t)(value - word)) : NULL;

		/* The value is not said in an error: it may be a secret. */
		if (!name || !*name || json_object_set_new(set, name, json_string(value + 1)) < 0) {
			json_decref(set);
			err_set(&err, CL_USAGE, "config set: word %d is not NAME=VALUE in UTF-8", i + 1);
			return verb_out_error(ctx, &err);
		}
	}
	return change(ctx, set, verb_args_has(args, "--secret"));
}

int verb_config_rotate(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/config/rotate-db", false);
	json_t *body = json_object();

	verb_rest_env(ctx, body);
	return verb_rest_op(ctx, "POST", path, body);
}

int verb_config_unset(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *set = json_object();

	for (int i = 0; i < args->nrest; i++)
		json_object_set_new(set, args->rest[i], json_null());
	return change(ctx, set, false);
}
