/* What happened: logs of the instances, events of the project. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define LOGS_DEFAULT 100

static void show_log(struct verb_ctx *ctx, const json_t *line)
{
	const char *at = verb_out_str(line, "at");

	if (ctx->json)
		verb_out_json(ctx, line, true);
	else
		verb_out_line(ctx, "%s%s%s %s", at, at[0] ? " " : "", verb_out_str(line, "instance"),
		    verb_out_str(line, "text"));
}

static int log_cb(void *arg, const char *type, json_t *event)
{
	/* "resync" and whatever else is no line. */
	if (json_is_string(json_object_get(event, "text")))
		show_log(arg, event);
	return 0;
}

/* How following ended, as an exit status. */
static int followed(struct verb_ctx *ctx, int rc, const struct cl_err *err)
{
	if (rc == 0)
		return ctx->cancelled && *ctx->cancelled ? 130 : 0;
	return verb_out_error(ctx, err);
}

int verb_logs_logs(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *tier = verb_args_get(args, "-t");
	long n = verb_args_int(args, "-n", LOGS_DEFAULT);
	cl_autofree char *suffix = NULL, *path = NULL, *safe = NULL;
	struct cl_err err = {0};
	json_t *reply, *line;
	size_t i;
	int rc;

	if (!tier && ctx->tier[0])
		tier = ctx->tier;
	safe = client_escape(tier ? tier : "");
	suffix = mem_printf("/logs?n=%ld%s%s%s", n > 10000 ? 10000 : n, tier ? "&tier=" : "", safe,
	    verb_args_has(args, "-f") ? "&follow=1" : "");
	path = verb_rest_project(ctx, suffix, true);
	if (verb_args_has(args, "-f")) {
		rc = client_events_follow(ctx->socket, path, 0, (int64_t)ctx->timeout_s * 1000,
		    ctx->cancelled, log_cb, ctx, &err);
		return followed(ctx, rc, &err);
	}
	rc = verb_rest_call(ctx, "GET", path, NULL, &reply);
	if (rc)
		return rc;
	if (ctx->json)
		verb_out_json(ctx, reply, false);
	else
		json_array_foreach(json_object_get(reply, "lines"), i, line)
			show_log(ctx, line);
	json_decref(reply);
	return 0;
}

static void show_event(struct verb_ctx *ctx, const json_t *e)
{
	const char *env = verb_out_str(e, "env"), *text = verb_out_str(e, "text");

	if (ctx->json)
		verb_out_json(ctx, e, true);
	else
		verb_out_line(ctx, "%s %s%s%s", verb_out_str(e, "at"), env, env[0] ? " " : "",
		    text[0] ? text : verb_out_str(e, "type"));
}

static int event_cb(void *arg, const char *type, json_t *event)
{
	struct verb_ctx *ctx = arg;

	/* Figures every 2 s are for screens; programs get them. */
	if (ctx->json || (strcmp(type, "stats") != 0 && strcmp(type, "resync") != 0))
		show_event(ctx, event);
	return 0;
}

int verb_logs_events(struct verb_ctx *ctx, const struct verb_args *args)
{
	long n = verb_args_int(args, "-n", LOGS_DEFAULT);
	cl_autofree char *suffix = mem_printf("/events?limit=%ld", n > 1000 ? 1000 : n < 1 ? 1 : n);
	cl_autofree char *path = NULL, *follow = NULL, *safe = NULL;
	bool more = verb_args_has(args, "-f");
	struct cl_err err = {0};
	json_t *reply, *e;
	int64_t last = 0;
	size_t i;
	int rc;

	path = verb_rest_project(ctx, suffix, false);
	rc = verb_rest_call(ctx, "GET", path, NULL, &reply);
	if (rc)
		return rc;
	if (ctx->json && !more)
		verb_out_json(ctx, reply, false);
	json_array_foreach(json_object_get(reply, "events"), i, e) {
		last = verb_out_int(e, "id");
		if (more || !ctx->json)
			show_event(ctx, e);
	}
	json_decref(reply);
	if (!more)
		return 0;
	safe = client_escape(ctx->project);
	follow = mem_printf("/v1/events?project=%s", safe);
	rc = client_events_follow(ctx->socket, follow, last, (int64_t)ctx->timeout_s * 1000,
	    ctx->cancelled, event_cb, ctx, &err);
	return followed(ctx, rc, &err);
}
