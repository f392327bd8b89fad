/* The tiers that serve: scale, status, url, top. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

static void cpu_text(char *out, size_t size, const json_t *o)
{
	const json_t *cpu = json_object_get(o, "cpu");

	out[0] = '\0';
	if (json_is_number(cpu))
		snprintf(out, size, "%.0f %%", json_number_value(cpu));
}

static void memory_text(char *out, size_t size, const json_t *o)
{
	out[0] = '\0';
	if (json_is_integer(json_object_get(o, "memory")))
		verb_out_size(out, size, verb_out_int(o, "memory"));
}

static void add_tier(struct verb_out_table *t, const json_t *tier)
{
	const json_t *by = json_object_get(tier, "autoscale");
	char want[48], ready[16], cpu[16], memory[16], rps[16] = "";
	const json_t *r = json_object_get(tier, "rps");

	snprintf(want, sizeof(want), "%lld", (long long)verb_out_int(tier, "want"));
	if (json_is_object(by))
		snprintf(want, sizeof(want), "%lld (load: %lld-%lld)", (long long)verb_out_int(tier, "want"),
		    (long long)verb_out_int(by, "min"), (long long)verb_out_int(by, "max"));
	snprintf(ready, sizeof(ready), "%lld", (long long)verb_out_int(tier, "ready"));
	cpu_text(cpu, sizeof(cpu), tier);
	memory_text(memory, sizeof(memory), tier);
	if (json_is_number(r))
		snprintf(rps, sizeof(rps), "%.0f", json_number_value(r));
	verb_out_row(t, verb_out_str(tier, "tier"), want, ready, cpu, memory, rps,
	    verb_out_str(tier, "image"), NULL);
}

static void add_instances(struct verb_out_table *t, const json_t *tier)
{
	char restarts[16], release[16], cpu[16], memory[16];
	json_t *in;
	size_t i;

	json_array_foreach(json_object_get(tier, "instances"), i, in) {
		snprintf(restarts, sizeof(restarts), "%lld", (long long)verb_out_int(in, "restarts"));
		snprintf(release, sizeof(release), "v%lld", (long long)verb_out_int(in, "release"));
		cpu_text(cpu, sizeof(cpu), in);
		memory_text(memory, sizeof(memory), in);
		verb_out_row(t, verb_out_str(in, "name"), verb_out_str(in, "state"), release, restarts, cpu,
		    memory, verb_out_str(in, "since"), NULL);
	}
}

static void show_head(struct verb_ctx *ctx, const json_t *s)
{
	const json_t *r = json_object_get(s, "release"), *op = json_object_get(s, "op");

	verb_out_line(ctx, "%s.%s %s: %s%s%s", verb_out_str(s, "owner"), verb_out_str(s, "project"),
	    verb_out_str(s, "env"), verb_out_str(s, "state"), verb_out_str(s, "url")[0] ? "  " : "",
	    verb_out_str(s, "url"));
	if (json_is_object(r))
		verb_out_line(ctx, "release v%lld by %s at %s", (long long)verb_out_int(r, "version"),
		    verb_out_str(r, "by"), verb_out_str(r, "at"));
	if (verb_out_str(s, "target")[0])
		verb_out_line(ctx, "in target %s", verb_out_str(s, "target"));
	if (json_is_object(op))
		verb_out_line(ctx, "operation %lld %s: %s", (long long)verb_out_int(op, "id"),
		    verb_out_str(op, "kind"), verb_out_str(op, "step"));
}

static int show(struct verb_ctx *ctx, bool instances)
{
	cl_autofree char *path = verb_rest_project(ctx, "/status", true);
	struct verb_out_table tiers, list;
	json_t *s, *tier;
	size_t i;
	int rc = verb_rest_get(ctx, path, &s);

	if (rc || !s)
		return rc;
	verb_out_heads(&tiers, "TIER", "WANT", "READY", "CPU", "MEMORY", "REQ/S", "IMAGE", NULL);
	verb_out_heads(&list, "INSTANCE", "STATE", "RELEASE", "RESTARTS", "CPU", "MEMORY", "SINCE", NULL);
	json_array_foreach(json_object_get(s, "tiers"), i, tier) {
		add_tier(&tiers, tier);
		if (instances)
			add_instances(&list, tier);
	}
	show_head(ctx, s);
	verb_out_table(ctx, &tiers, NULL);
	if (list.rows)
		verb_out_text(ctx, "\n");
	verb_out_table(ctx, &list, NULL);
	json_decref(s);
	return 0;
}

int verb_scale_status(struct verb_ctx *ctx, const struct verb_args *args)
{
	return show(ctx, true);
}

static int read_count(const char *tier, const char *value, json_t *body, struct cl_err *err)
{
	if (strcmp(tier, "web") != 0 && strcmp(tier, "was") != 0)
		return err_set(err, CL_USAGE, "scale: \"%s\" is no tier to scale; web and was are", tier);
	json_object_set_new(body, tier, json_integer(strtol(value, NULL, 10)));
	return 0;
}

int verb_scale_scale(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *replicas = verb_args_get(args, "--replicas"), *tier = verb_args_get(args, "TIER");
	cl_autofree char *path = verb_rest_project(ctx, "/scale", false);
	json_t *body = json_object();
	struct cl_err err = {0};
	int rc = 0;

	for (int i = 0; i < args->items && rc == 0; i++)
		if (strcmp(args->item[i].name, "web") == 0 || strcmp(args->item[i].name, "was") == 0)
			rc = read_count(args->item[i].name, args->item[i].value, body, &err);
	if (rc == 0 && !replicas != !tier)
		rc = err_set(&err, CL_USAGE, "scale: say was=4, or --replicas=4 was");
	if (rc == 0 && tier)
		rc = read_count(tier, replicas, body, &err);
	if (rc < 0 || json_object_size(body) == 0) {
		json_decref(body);
		return rc < 0 ? verb_out_error(ctx, &err) : show(ctx, false);
	}
	if (verb_args_has(args, "--pin"))
		json_object_set_new(body, "pin", json_true());
	verb_rest_env(ctx, body);
	return verb_rest_op(ctx, "PUT", path, body);
}

int verb_scale_url(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/status", true);
	struct cl_err err = {0};
	json_t *s;
	int rc = verb_rest_call(ctx, "GET", path, NULL, &s);

	if (rc)
		return rc;
	if (ctx->json) {
		json_t *o = json_pack("{s:O?}", "url", json_object_get(s, "url"));

		verb_out_json(ctx, o, false);
		json_decref(o);
	} else if (verb_out_str(s, "url")[0]) {
		verb_out_line(ctx, "%s", verb_out_str(s, "url"));
	} else {
		err_set(&err, CL_PRECONDITION, "url: nothing serves in %s yet", verb_out_str(s, "env"));
		err_hint(&err, "`ship` brings it up");
		rc = verb_out_error(ctx, &err);
	}
	json_decref(s);
	return rc;
}

int verb_scale_top(struct verb_ctx *ctx, const struct verb_args *args)
{
	bool live = ctx->out_tty && !ctx->json;
	int rc = show(ctx, true);

	/* On a terminal it goes on, as top does, until it is interrupted. */
	for (int i = 0; live && rc == 0 && !(ctx->cancelled && *ctx->cancelled); i++) {
		usleep(100000);
		if (i % 20 != 19)
			continue;
		ctx->out(ctx->arg, "\033[H\033[2J", 7, true);
		rc = show(ctx, true);
	}
	return rc;
}
