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
	static const struct verb_rest_column columns[] = {{"ID", "id", NULL}, {"KIND", "kind", NULL},
	    {"ENV", "env", NULL}, {"STATE", "state", NULL}, {"BY", "by", NULL},
	    {"CREATED", "created", NULL}, {"STEP", "step", NULL}, {0}};
	long n = verb_args_int(args, "-n", 20);
	cl_autofree char *project = client_escape(ctx->project);
	cl_autofree char *path = mem_printf("/v1/ops?limit=%ld%s%s", n > 1000 ? 1000 : n < 1 ? 1 : n,
	    ctx->project[0] ? "&project=" : "", project);

	return verb_rest_list(ctx, path, "ops", columns, "no operations yet");
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
