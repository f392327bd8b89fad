/* What load and a cluster do with an environment: autoscale, manifest. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

static int show(struct verb_ctx *ctx)
{
	cl_autofree char *path = verb_rest_project(ctx, "/status", true);
	json_t *s, *tier, *by;
	size_t i, n = 0;
	int rc = verb_rest_get(ctx, path, &s);

	if (rc || !s)
		return rc;
	json_array_foreach(json_object_get(s, "tiers"), i, tier) {
		by = json_object_get(tier, "autoscale");
		if (!json_is_object(by))
			continue;
		verb_out_line(ctx, "%s: %lld now, %lld to %lld at %lld %% cpu of a core each",
		    verb_out_str(tier, "tier"), (long long)verb_out_int(tier, "want"),
		    (long long)verb_out_int(by, "min"), (long long)verb_out_int(by, "max"),
		    (long long)verb_out_int(by, "cpu"));
		n++;
	}
	if (n == 0)
		verb_out_line(ctx, "no tier is scaled by load");
	json_decref(s);
	return 0;
}

static void add_number(const struct verb_args *args, const char *option, json_t *body, const char *key)
{
	if (verb_args_has(args, option))
		json_object_set_new(body, key, json_integer(verb_args_int(args, option, 0)));
}

int verb_cluster_autoscale(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *first = verb_args_get(args, "off"), *second = verb_args_get(args, "TIER");
	bool off = first && strcmp(first, "off") == 0;
	const char *tier = off ? second : first;
	cl_autofree char *path = verb_rest_project(ctx, "/autoscale", false);
	struct cl_err err = {0};
	json_t *body;

	if (!first && !second)
		return show(ctx);
	if (!tier || (!off && second)) {
		err_set(&err, CL_USAGE, "autoscale: names no tier");
		err_hint(&err, "autoscale was --min 1 --max 5 --cpu 60, or autoscale off was");
		return verb_out_error(ctx, &err);
	}
	body = json_pack("{s:s}", "tier", tier);
	if (off)
		json_object_set_new(body, "off", json_true());
	add_number(args, "--min", body, "min");
	add_number(args, "--max", body, "max");
	add_number(args, "--cpu", body, "cpu");
	verb_rest_env(ctx, body);
	return verb_rest_op(ctx, "PUT", path, body);
}

/* JSON, which is YAML too: kubectl reads it as it comes. */
int verb_cluster_manifest(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/manifest", true), *full = NULL;
	json_t *reply;
	int rc;

	full = mem_printf("%s%s", path, !verb_args_has(args, "--secrets") ? "" : strchr(path, '?') ?
	    "&secrets=1" : "?secrets=1");
	rc = verb_rest_call(ctx, "GET", full, NULL, &reply);
	if (rc)
		return rc;
	verb_out_json(ctx, json_object_get(reply, "manifest"), false);
	json_decref(reply);
	return 0;
}
