/* Stacks and the images they need. */
#include "base/mem.h"
#include "engine/client/folder.h"
#include "engine/client/folder_tar.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#include <string.h>

int verb_stack_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"ID", "id", NULL}, {"KIND", "kind", NULL},
	    {"STATE", "state", NULL}, {"TITLE", "title", NULL}, {"SUMMARY", "summary", NULL}, {0}};

	return verb_rest_list(ctx, "/v1/stacks", "stacks", columns, "no stacks");
}

/* ["python3","main.py"] as a shell would be told. */
static char *words(const json_t *argv)
{
	char *all = mem_strdup("");
	const json_t *word;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)argv, i, word) {
		const char *w = json_string_value(word);
		bool plain = *w && !strpbrk(w, " \t\n\"'$&;|<>(){}*?\\");
		char *more = mem_printf("%s%s%s%s%s", all, i ? " " : "", plain ? "" : "'", w,
		    plain ? "" : "'");

		mem_free(all);
		all = more;
	}
	return all;
}

static void show_images(struct verb_ctx *ctx, const json_t *images)
{
	const json_t *m;
	char size[16];
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)images, i, m) {
		bool there = json_is_integer(json_object_get(m, "size"));

		verb_out_size(size, sizeof(size), verb_out_int(m, "size"));
		verb_out_line(ctx, "%-9s %s %s%s%s%s%s", "image", verb_out_str(m, "id"),
		    verb_out_str(m, "state"), there ? " " : "", there ? size : "", there ? " " : "",
		    verb_out_str(m, "digest"));
		verb_image_labels(ctx, json_object_get(m, "labels"));
	}
}

int verb_stack_show(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const char *const texts[] = {"id", "title", "kind", "state", "refused",
	    "summary", "parent"};
	cl_autofree char *path = verb_rest_path("/v1/stacks", verb_args_get(args, "ID"), "");
	cl_autofree char *dbs = NULL;
	json_t *s, *argv;
	const char *name;
	int rc = verb_rest_get(ctx, path, &s);

	if (rc || !s)
		return rc;
	for (size_t i = 0; i < CL_COUNT(texts); i++)
		if (verb_out_str(s, texts[i])[0])
			verb_out_line(ctx, "%-9s %s", texts[i], verb_out_str(s, texts[i]));
	verb_out_line(ctx, "%-9s %s", "from", json_is_true(json_object_get(s, "added")) ?
	    "added here" : "the platform");
	dbs = words(json_object_get(s, "dbs"));
	if (dbs[0])
		verb_out_line(ctx, "%-9s %s", "databases", dbs);
	verb_out_line(ctx, "%-9s %lld", "port", (long long)verb_out_int(s, "port"));
	verb_out_line(ctx, "%-9s %s", "health", verb_out_str(s, "health"));
	json_object_foreach(json_object_get(s, "commands"), name, argv) {
		cl_autofree char *line = words(argv);

		verb_out_line(ctx, "%-9s %s", name, line);
	}
	show_images(ctx, json_object_get(s, "images"));
	json_decref(s);
	return 0;
}

static json_t *stack_files(struct verb_ctx *ctx, const char *from, struct cl_err *err)
{
	cl_autofree char *tar = NULL;
	size_t n;

	if (strcmp(from, "-") != 0)
		return folder_read(from, err);
	if (!ctx->untar) {
		err_set(err, CL_USAGE, "stack: no tar is read here. Name a folder");
		return NULL;
	}
	tar = verb_rest_stdin(ctx, FOLDER_TAR_MAX, &n);
	if (!tar) {
		err_set(err, CL_TOO_LARGE, "stack: the tar has more than %d MiB", FOLDER_TAR_MAX >> 20);
		return NULL;
	}
	return ctx->untar(tar, n, err);
}

int verb_stack_add(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct cl_err err = {0};
	json_t *files = stack_files(ctx, verb_args_get(args, "FOLDER"), &err), *s;
	int rc;

	if (!files)
		return verb_out_error(ctx, &err);
	rc = verb_rest_call(ctx, "POST", "/v1/stacks", json_pack("{s:o, s:b}", "files", files, "force",
	    verb_args_has(args, "--force")), &s);
	if (rc)
		return rc;
	return verb_rest_said(ctx, s, "stack %s: added; `image build %s` builds its images",
	    verb_out_str(s, "id"), verb_out_str(s, "id"));
}

int verb_stack_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *id = verb_args_get(args, "ID");
	cl_autofree char *path = verb_rest_path("/v1/stacks", id, "");
	cl_autofree char *what = mem_printf("stack %s: removing it with its images", id);
	int rc = verb_rest_confirm(ctx, what, NULL);

	return rc ? rc : verb_rest_remove(ctx, path, "stack %s", id);
}

int verb_stack_image_build(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *body = verb_rest_ids(args);

	if (verb_args_has(args, "--force"))
		json_object_set_new(body, "force", json_true());
	return verb_rest_op(ctx, "POST", "/v1/images/build", body);
}
