/* Stacks and the images they need. */
#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

int verb_stack_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct verb_out_table t;
	json_t *reply, *s;
	size_t i;
	int rc = verb_rest_get(ctx, "/v1/stacks", &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "ID", "KIND", "STATE", "TITLE", "SUMMARY", NULL);
	json_array_foreach(json_object_get(reply, "stacks"), i, s)
		verb_out_row(&t, verb_out_str(s, "id"), verb_out_str(s, "kind"), verb_out_str(s, "state"),
		    verb_out_str(s, "title"), verb_out_str(s, "summary"), NULL);
	verb_out_table(ctx, &t, "no stacks");
	json_decref(reply);
	return 0;
}

int verb_stack_show(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_path("/v1/stacks", verb_args_get(args, "ID"), "");
	cl_autofree char *run = NULL;
	json_t *s, *word;
	size_t i;
	int rc = verb_rest_get(ctx, path, &s);

	if (rc || !s)
		return rc;
	verb_out_line(ctx, "%-8s %s", "id", verb_out_str(s, "id"));
	verb_out_line(ctx, "%-8s %s", "title", verb_out_str(s, "title"));
	verb_out_line(ctx, "%-8s %s", "kind", verb_out_str(s, "kind"));
	verb_out_line(ctx, "%-8s %s", "state", verb_out_str(s, "state"));
	verb_out_line(ctx, "%-8s %s", "summary", verb_out_str(s, "summary"));
	run = mem_strdup("");
	json_array_foreach(json_object_get(s, "run"), i, word) {
		char *more = mem_printf("%s%s%s", run, i ? " " : "", json_string_value(word));

		mem_free(run);
		run = more;
	}
	verb_out_line(ctx, "%-8s %s", "run", run);
	verb_out_line(ctx, "%-8s %lld", "port", (long long)verb_out_int(s, "port"));
	verb_out_line(ctx, "%-8s %s", "health", verb_out_str(s, "health"));
	json_decref(s);
	return 0;
}

int verb_stack_image_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct verb_out_table t;
	json_t *reply, *m;
	char size[16];
	size_t i;
	int rc = verb_rest_get(ctx, "/v1/images", &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "ID", "STATE", "SIZE", "PARENT", "CREATED", "DIGEST", NULL);
	json_array_foreach(json_object_get(reply, "images"), i, m) {
		verb_out_size(size, sizeof(size), verb_out_int(m, "size"));
		verb_out_row(&t, verb_out_str(m, "id"), verb_out_str(m, "state"),
		    json_is_integer(json_object_get(m, "size")) ? size : "", verb_out_str(m, "parent"),
		    verb_out_str(m, "created"), verb_out_str(m, "digest"), NULL);
	}
	verb_out_table(ctx, &t, "no images");
	json_decref(reply);
	return 0;
}

int verb_stack_image_build(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *body = json_object(), *ids = json_array();

	for (int i = 0; i < args->nrest; i++)
		json_array_append_new(ids, json_string(args->rest[i]));
	if (args->nrest)
		json_object_set(body, "ids", ids);
	json_decref(ids);
	if (verb_args_has(args, "--force"))
		json_object_set_new(body, "force", json_true());
	return verb_rest_op(ctx, "POST", "/v1/images/build", body);
}
