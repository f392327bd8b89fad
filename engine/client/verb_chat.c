/* Talk in a project: chat say, chat tail. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define CHAT_MAX 4096

int verb_chat_say(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/chat", false), *text = mem_strdup("");
	struct cl_err err = {0};
	json_t *reply, *body;
	int rc;

	for (int i = 0; i < args->nrest; i++) {
		char *more = mem_printf("%s%s%s", text, i ? " " : "", args->rest[i]);

		mem_free(text);
		text = more;
	}
	if (!args->nrest) {
		mem_free(text);
		text = verb_rest_stdin(ctx, CHAT_MAX, NULL);
		while (text && *text && text[strlen(text) - 1] == '\n')
			text[strlen(text) - 1] = '\0';
	}
	body = text && *text ? json_pack("{s:s}", "text", text) : NULL;
	if (!body) {
		err_set(&err, CL_USAGE, "chat say: %s", !text ? "the text is longer than 4 KiB"
		    : *text ? "the text is not UTF-8" : "there is nothing to say");
		return verb_out_error(ctx, &err);
	}
	rc = verb_rest_call(ctx, "POST", path, body, &reply);
	if (rc)
		return rc;
	if (ctx->json)
		verb_out_json(ctx, reply, false);
	json_decref(reply);
	return 0;
}

struct tail {
	struct verb_ctx *ctx;
	int64_t last; /* id of the last message shown */
};

static void show(struct tail *t, const json_t *m, const char *at)
{
	if (verb_out_int(m, "id") <= t->last)
		return;
	t->last = verb_out_int(m, "id");
	if (t->ctx->json)
		verb_out_json(t->ctx, m, true);
	else
		verb_out_line(t->ctx, "%s %s: %s", at, verb_out_str(m, "user"), verb_out_str(m, "text"));
}

static int chat_cb(void *arg, const char *type, json_t *event)
{
	struct tail *t = arg;

	if (strcmp(type, "chat.message") == 0)
		show(t, json_object_get(event, "data"), verb_out_str(event, "at"));
	return 0;
}

/* The id of the project's newest event: what is said after it will be followed. */
static int newest_event(struct verb_ctx *ctx, int64_t *id)
{
	cl_autofree char *path = verb_rest_project(ctx, "/events?limit=1", false);
	json_t *reply, *e;
	size_t i;
	int rc = verb_rest_call(ctx, "GET", path, NULL, &reply);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(reply, "events"), i, e)
		*id = verb_out_int(e, "id");
	json_decref(reply);
	return 0;
}

int verb_chat_tail(struct verb_ctx *ctx, const struct verb_args *args)
{
	long n = verb_args_int(args, "-n", 20);
	cl_autofree char *suffix = mem_printf("/chat?limit=%ld", n > 500 ? 500 : n < 1 ? 1 : n);
	cl_autofree char *path = verb_rest_project(ctx, suffix, false), *follow = NULL, *safe = NULL;
	bool more = verb_args_has(args, "-f");
	struct tail t = {.ctx = ctx};
	struct cl_err err = {0};
	json_t *reply, *m;
	int64_t since = 0;
	size_t i;
	int rc;

	/* First the mark, then the past: nothing said between the two is missed or shown twice. */
	rc = more ? newest_event(ctx, &since) : 0;
	if (rc == 0)
		rc = verb_rest_call(ctx, "GET", path, NULL, &reply);
	if (rc)
		return rc;
	if (ctx->json && !more)
		verb_out_json(ctx, reply, false);
	json_array_foreach(json_object_get(reply, "messages"), i, m)
		if (more || !ctx->json)
			show(&t, m, verb_out_str(m, "at"));
	json_decref(reply);
	if (!more)
		return 0;
	safe = client_escape(ctx->project);
	follow = mem_printf("/v1/events?project=%s", safe);
	rc = client_events_follow(ctx->socket, follow, since, (int64_t)ctx->timeout_s * 1000,
	    ctx->cancelled, chat_cb, &t, &err);
	if (rc == 0)
		return ctx->cancelled && *ctx->cancelled ? 130 : 0;
	return verb_out_error(ctx, &err);
}
