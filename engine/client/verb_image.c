/* Images: what there is, the repository, removing, cleaning up. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

/* "ID" or "ID:TAG", as the other verbs take it. */
static void name_of(const json_t *m, char *out, size_t size)
{
	const char *tag = verb_out_str(m, "tag");
	bool plain = !tag[0] || strcmp(tag, "latest") == 0;

	snprintf(out, size, "%s%s%s", verb_out_str(m, "id"), plain ? "" : ":", plain ? "" : tag);
}

static void row(struct verb_out_table *t, const json_t *m)
{
	char size[16], name[300], state[64], digest[20];
	bool stored = json_is_integer(json_object_get(m, "stored"));
	const char *is = verb_out_str(m, "state");

	name_of(m, name, sizeof(name));
	verb_out_size(size, sizeof(size), verb_out_int(m, "size"));
	snprintf(state, sizeof(state), "%s%s", is, stored && strcmp(is, "stored") ? ", stored" : "");
	snprintf(digest, sizeof(digest), "%s", verb_out_str(m, "digest"));
	verb_out_row(t, name, verb_out_str(m, "kind"), state,
	    json_is_integer(json_object_get(m, "size")) ? size : "", verb_out_str(m, "parent"),
	    verb_out_str(m, "created"), digest, verb_out_str(m, "used"), NULL);
}

int verb_image_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct verb_out_table t;
	json_t *reply, *m;
	size_t i;
	int rc = verb_rest_get(ctx, "/v1/images?all=1", &reply);

	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "ID", "KIND", "STATE", "SIZE", "PARENT", "CREATED", "DIGEST", "USED BY",
	    NULL);
	json_array_foreach(json_object_get(reply, "images"), i, m)
		row(&t, m);
	verb_out_table(ctx, &t, "no images");
	if (verb_out_str(reply, "note")[0])
		verb_out_line(ctx, "(%s)", verb_out_str(reply, "note"));
	json_decref(reply);
	return 0;
}

/* "ID", "ID:TAG" or the beginning of a digest. */
static bool is_called(const json_t *m, const char *name)
{
	const char *id = verb_out_str(m, "id");
	size_t n = strlen(id);

	if (strncmp(name, "sha256:", 7) == 0 && strlen(name) >= 14)
		return strncmp(verb_out_str(m, "digest"), name, strlen(name)) == 0;
	return strncmp(name, id, n) == 0 && (name[n] == '\0' || (name[n] == ':' &&
	    strcmp(name + n + 1, verb_out_str(m, "tag")) == 0));
}

/* What only the platform reads. */
static bool is_inner(const char *label)
{
	static const char *const inner[] = {"file", "folder", "image", "instance", "parent", "recipe",
	    "ready", "rootfs", "stack"};

	for (size_t i = 0; i < CL_COUNT(inner); i++)
		if (strcmp(label, inner[i]) == 0)
			return true;
	return false;
}

void verb_image_labels(struct verb_ctx *ctx, json_t *labels)
{
	const char *name;
	json_t *value;

	json_object_foreach(labels, name, value)
		if (!is_inner(name) && json_string_value(value)[0])
			verb_out_line(ctx, "  %-19s %s", name, json_string_value(value));
}

static void show(struct verb_ctx *ctx, const json_t *m)
{
	static const char *const words[] = {"id", "tag", "kind", "state", "digest", "manifest", "parent",
	    "created", "used"};
	char size[16];

	for (size_t i = 0; i < CL_COUNT(words); i++)
		if (verb_out_str(m, words[i])[0])
			verb_out_line(ctx, "%-9s %s", words[i], verb_out_str(m, words[i]));
	verb_out_size(size, sizeof(size), verb_out_int(m, "size"));
	if (json_is_integer(json_object_get(m, "size")))
		verb_out_line(ctx, "%-9s %s", "size", size);
	verb_out_size(size, sizeof(size), verb_out_int(m, "stored"));
	verb_out_line(ctx, "%-9s %s", "stored",
	    json_is_integer(json_object_get(m, "stored")) ? size : "no");
	verb_image_labels(ctx, json_object_get(m, "labels"));
}

int verb_image_show(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "ID");
	struct cl_err err = {0};
	json_t *reply, *m;
	size_t i;
	int shown = 0, rc = verb_rest_call(ctx, "GET", "/v1/images?all=1", NULL, &reply);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(reply, "images"), i, m) {
		if (!is_called(m, name))
			continue;
		if (ctx->json) {
			verb_out_json(ctx, m, false);
		} else {
			if (shown)
				verb_out_line(ctx, "%s", "");
			show(ctx, m);
		}
		shown++;
	}
	json_decref(reply);
	if (shown)
		return 0;
	err_set(&err, CL_NOT_FOUND, "image %s: there is none", name);
	err_hint(&err, "image ls lists them");
	return verb_out_error(ctx, &err);
}

int verb_image_push(struct verb_ctx *ctx, const struct verb_args *args)
{
	return verb_rest_op(ctx, "POST", "/v1/images/push", verb_rest_ids(args));
}

int verb_image_gc(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *body = json_object();

	/* a dry run looks as a real one does, so it is an operation to be followed, too */
	if (ctx->dry_run)
		json_object_set_new(body, "dry_run", json_true());
	ctx->dry_run = false;
	return verb_rest_op(ctx, "POST", "/v1/images/gc", body);
}

int verb_image_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	return verb_rest_op(ctx, "POST", "/v1/images/rm", json_pack("{s:s}", "id",
	    verb_args_get(args, "ID")));
}
