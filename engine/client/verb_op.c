/* Long operations: list, follow again, cancel. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

int verb_op_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	long n = verb_args_int(args, "-n", 20);
	cl_autofree char *project = client_escape(ctx->project);
	cl_autofree char *path = mem_printf("/v1/ops?limit=%ld%s%s", n > 1000 ? 1000 : n < 1 ? 1 : n,
	    ctx->project[0] ? "&project=" : "", project);
	struct verb_out_table t;
	json_t *reply, *op;
	char id[24];
	size_t i;
	int rc = verb_rest_get(ctx, path, &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "ID", "KIND", "ENV", "STATE", "BY", "CREATED", "STEP", NULL);
	json_array_foreach(json_object_get(reply, "ops"), i, op) {
		snprintf(id, sizeof(id), "%lld", (long long)verb_out_int(op, "id"));
		verb_out_row(&t, id, verb_out_str(op, "kind"), verb_out_str(op, "env"),
		    verb_out_str(op, "state"), verb_out_str(op, "by"), verb_out_str(op, "created"),
		    verb_out_str(op, "step"), NULL);
	}
	verb_out_table(ctx, &t, "no operations yet");
	json_decref(reply);
	return 0;
}

int verb_op_follow(struct verb_ctx *ctx, const struct verb_args *args)
{
	return verb_rest_follow(ctx, verb_args_int(args, "N", 0));
}

int verb_op_cancel(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = mem_printf("/v1/ops/%ld/cancel", verb_args_int(args, "N", 0));
	json_t *op;
	int rc = verb_rest_call(ctx, "POST", path, NULL, &op);

	if (rc)
		return rc;
	if (ctx->json)
		verb_out_json(ctx, op, false);
	else
		verb_out_note(ctx, "operation %ld: %s", verb_args_int(args, "N", 0),
		    verb_out_str(op, "state"));
	json_decref(op);
	return 0;
}
