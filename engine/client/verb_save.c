/* Container and workspace into the repository and back: save, saves, load. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

/* "/v1/projects/shop/saves/NAME" */
static char *save_path(const struct verb_ctx *ctx, const char *name)
{
	cl_autofree char *saves = verb_rest_project(ctx, "/saves", false);

	return verb_rest_path(saves, name, "");
}

static char sign(const char *what)
{
	return strcmp(what, "added") == 0 ? '+' : strcmp(what, "removed") == 0 ? '-' : '~';
}

static void show_files(struct verb_ctx *ctx, const char *head, const json_t *d)
{
	int64_t added = verb_out_int(d, "added"), changed = verb_out_int(d, "changed");
	int64_t removed = verb_out_int(d, "removed"), all = added + changed + removed;
	const json_t *top = json_object_get(d, "top"), *f;
	char size[24];
	size_t i;

	if (!json_is_object(d))
		return;
	verb_out_line(ctx, "%s: %lld added, %lld changed, %lld removed", head, (long long)added,
	    (long long)changed, (long long)removed);
	json_array_foreach(top, i, f) {
		verb_out_size(size, sizeof(size), verb_out_int(f, "size"));
		verb_out_line(ctx, "  %c %s%s%s", sign(verb_out_str(f, "what")), verb_out_str(f, "path"),
		    verb_out_int(f, "size") ? "  " : "", verb_out_int(f, "size") ? size : "");
	}
	if (all > (int64_t)json_array_size(top))
		verb_out_line(ctx, "  and %lld more", (long long)(all - (int64_t)json_array_size(top)));
}

static void show_packages(struct verb_ctx *ctx, const json_t *d)
{
	static const char *const kinds[] = {"added", "removed", "changed"};
	const json_t *p;
	size_t i;

	if (!json_is_object(d))
		return;
	verb_out_line(ctx, "packages: %zu added, %zu removed, %zu of another version; %lld in all",
	    json_array_size(json_object_get(d, "added")), json_array_size(json_object_get(d, "removed")),
	    json_array_size(json_object_get(d, "changed")), (long long)verb_out_int(d, "total"));
	for (size_t k = 0; k < CL_COUNT(kinds); k++)
		json_array_foreach(json_object_get(d, kinds[k]), i, p) {
			const char *from = verb_out_str(p, "from"), *to = verb_out_str(p, "to");

			verb_out_line(ctx, "  %c %s %s%s%s", sign(kinds[k]), verb_out_str(p, "name"), from,
			    from[0] && to[0] ? " -> " : "", to);
		}
}

static int show(struct verb_ctx *ctx, const char *name)
{
	cl_autofree char *path = save_path(ctx, name);
	const json_t *d;
	char size[24], fresh[24];
	json_t *s;
	int rc = verb_rest_get(ctx, path, &s);

	if (rc || !s)
		return rc;
	d = json_object_get(s, "diff");
	verb_out_size(size, sizeof(size), verb_out_int(s, "size"));
	verb_out_size(fresh, sizeof(fresh), verb_out_int(s, "new"));
	verb_out_line(ctx, "%s by %s, %s%s", verb_out_str(s, "name"), verb_out_str(s, "by"),
	    verb_out_str(s, "at"), json_is_true(json_object_get(s, "loaded")) ? ", loaded" : "");
	if (verb_out_str(s, "message")[0])
		verb_out_line(ctx, "  %s", verb_out_str(s, "message"));
	verb_out_line(ctx, "%lld files, %s, of which %s were not saved before",
	    (long long)verb_out_int(s, "files"), size, fresh);
	verb_out_line(ctx, "base: %s %s", verb_out_str(s, "stack"), verb_out_str(s, "base"));
	show_files(ctx, "files", json_object_get(d, "work"));
	show_files(ctx, "system", json_object_get(d, "system"));
	show_packages(ctx, json_object_get(d, "packages"));
	json_decref(s);
	return 0;
}

/* The newest that was not made by load. */
static int show_newest(struct verb_ctx *ctx)
{
	cl_autofree char *path = verb_rest_project(ctx, "/saves", false);
	json_t *reply, *s;
	size_t i;
	int rc = verb_rest_call(ctx, "GET", path, NULL, &reply);

	if (rc)
		return rc;
	json_array_foreach(json_object_get(reply, "saves"), i, s)
		if (!json_is_true(json_object_get(s, "undo"))) {
			rc = show(ctx, verb_out_str(s, "name"));
			break;
		}
	json_decref(reply);
	return rc;
}

int verb_save_save(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/saves", false);
	const char *name = verb_args_get(args, "NAME"), *message = verb_args_get(args, "-m");
	json_t *body = json_object();
	int rc;

	if (name)
		json_object_set_new(body, "name", json_string(name));
	if (message)
		json_object_set_new(body, "message", json_string(message));
	rc = verb_rest_op(ctx, "POST", path, body);
	if (rc || ctx->json || ctx->quiet || !ctx->wait)
		return rc;
	return name ? show(ctx, name) : show_newest(ctx);
}

int verb_save_saves(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_project(ctx, "/saves", false);
	struct verb_out_table t;
	char size[24], fresh[24];
	json_t *reply, *s;
	size_t i;
	int rc;

	if (verb_args_get(args, "NAME"))
		return show(ctx, verb_args_get(args, "NAME"));
	rc = verb_rest_get(ctx, path, &reply);
	if (rc || !reply)
		return rc;
	verb_out_heads(&t, "NAME", "AT", "BY", "SIZE", "NEW", "FILES", "BASE", "MESSAGE", NULL);
	json_array_foreach(json_object_get(reply, "saves"), i, s) {
		cl_autofree char *base = mem_printf("%s@%.12s", verb_out_str(s, "stack"),
		    strncmp(verb_out_str(s, "base"), "sha256:", 7) == 0 ? verb_out_str(s, "base") + 7 : "");
		cl_autofree char *name = mem_printf("%s%s", verb_out_str(s, "name"),
		    json_is_true(json_object_get(s, "loaded")) ? " *" : "");
		cl_autofree char *files = mem_printf("%lld", (long long)verb_out_int(s, "files"));

		verb_out_size(size, sizeof(size), verb_out_int(s, "size"));
		verb_out_size(fresh, sizeof(fresh), verb_out_int(s, "new"));
		verb_out_row(&t, name, verb_out_str(s, "at"), verb_out_str(s, "by"), size, fresh, files,
		    base, verb_out_str(s, "message"), NULL);
	}
	verb_out_table(ctx, &t, "nothing was saved yet; `save` does");
	json_decref(reply);
	return 0;
}

int verb_save_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME");
	cl_autofree char *path = save_path(ctx, name);
	cl_autofree char *what = mem_printf("removing save %s", name);
	int rc = verb_rest_confirm(ctx, what, NULL);

	return rc ? rc : verb_rest_op(ctx, "DELETE", path, NULL);
}

int verb_save_load(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME"), *into = verb_args_get(args, "--into");
	cl_autofree char *what = mem_printf("replacing container and files of %s by save %s (what is "
	    "there now becomes an undo save)", into ? into : ctx->project, name);
	struct verb_ctx target = *ctx;
	cl_autofree char *from = mem_strdup(ctx->project), *path = NULL;
	json_t *body = json_pack("{s:s}", "save", name);
	struct cl_err err = {0};
	int rc;

	if (into) {
		char *colon = strchr(from, ':');

		if (colon)
			*colon = '.';
		target.project = into;
		json_object_set_new(body, "from", json_string(from));
	}
	if (!ctx->yes && !ctx->in_tty) {
		err_set(&err, CL_PRECONDITION, "load: it replaces container and files of %s",
		    into ? into : ctx->project);
		err_hint(&err, "Say -y to mean it; what is there now becomes an undo save");
		rc = verb_out_error(ctx, &err);
	} else {
		rc = verb_rest_confirm(ctx, what, NULL);
	}
	if (rc) {
		json_decref(body);
		return rc;
	}
	path = verb_rest_project(&target, "/load", false);
	return verb_rest_op(ctx, "POST", path, body);
}
