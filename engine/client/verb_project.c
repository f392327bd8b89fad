/* Projects and their members. */
#include "base/mem.h"
#include "base/name.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#include <string.h>

int verb_project_create(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME"), *text = verb_args_get(args, "--description");
	const char *db = verb_args_get(args, "--db");
	struct cl_err err = {0};
	json_t *body, *p;
	int rc;

	if (!name_valid(name)) {
		err_set(&err, CL_USAGE, "project %s: the name is not allowed", name);
		err_hint(&err, "Use a-z, 0-9 and '-', a letter first, at most 31");
		return verb_out_error(ctx, &err);
	}
	if (verb_args_has(args, "--from"))
		return verb_import_create(ctx, args);
	if (!verb_args_has(args, "--stack")) {
		err_set(&err, CL_USAGE, "project create: say --stack ID, or --from URL");
		err_hint(&err, "`stack ls` lists the stacks");
		return verb_out_error(ctx, &err);
	}
	body = json_pack("{s:s,s:s}", "name", name, "stack", verb_args_get(args, "--stack"));
	if (body && text)
		json_object_set_new(body, "description", json_string(text));
	if (body && db)
		json_object_set_new(body, "db", json_string(db));
	rc = verb_rest_call(ctx, "POST", "/v1/projects", body, &p);
	if (rc)
		return rc;
	if (ctx->json)
		verb_out_json(ctx, p, false);
	else if (!ctx->quiet)
		verb_out_line(ctx, "project %s: created from %s", verb_out_str(p, "name"),
		    verb_out_str(p, "stack"));
	json_decref(p);
	return 0;
}

int verb_project_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"NAME", "name", NULL}, {"OWNER", "owner", NULL},
	    {"STACK", "stack", NULL}, {"ROLE", "role", NULL}, {"DEV", "dev", NULL},
	    {"URL", "running", NULL}, {0}};

	return verb_rest_list(ctx, "/v1/projects", "projects", columns,
	    "no projects yet; `project create NAME --stack ID` makes one");
}

int verb_project_show(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const char *const fields[] = {"name", "owner", "stack", "db", "description", "role", "created",
	    "dev", "dev_reason", "running", "workspace"};
	cl_autofree char *path = NULL;
	json_t *p;
	int rc;

	if (verb_args_has(args, "NAME"))
		ctx->project = verb_args_get(args, "NAME");
	if (!ctx->project[0])
		return verb_project_ls(ctx, args);
	path = verb_rest_project(ctx, "", false);
	rc = verb_rest_get(ctx, path, &p);
	if (rc || !p)
		return rc;
	for (size_t i = 0; i < CL_COUNT(fields); i++)
		if (verb_out_str(p, fields[i])[0])
			verb_out_line(ctx, "%-12s %s", fields[i], verb_out_str(p, fields[i]));
	if (json_is_integer(json_object_get(p, "disk")))
		verb_out_line(ctx, "%-12s %lld MB", "disk", (long long)verb_out_int(p, "disk") >> 20);
	verb_out_line(ctx, "%-12s %lld", "members", (long long)verb_out_int(p, "members"));
	json_decref(p);
	return 0;
}

int verb_project_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME"), *last = name + strcspn(name, ".:");
	cl_autofree char *what = mem_printf("project %s: removing it with its files and data", name);
	cl_autofree char *path = NULL;
	int rc = verb_rest_confirm(ctx, what, *last ? last + 1 : name);

	if (rc)
		return rc;
	ctx->project = name;
	path = verb_rest_project(ctx, "", false);
	return verb_rest_op(ctx, "DELETE", path, NULL);
}

static char *member_path(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *base = verb_rest_project(ctx, "/members", false);

	return verb_rest_path(base, verb_args_get(args, "USER"), "");
}

int verb_project_member_add(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *role = verb_args_get(args, "ROLE");
	cl_autofree char *path = member_path(ctx, args);
	json_t *m;
	int rc;

	rc = verb_rest_call(ctx, "PUT", path, json_pack("{s:s}", "role", role ? role : "editor"), &m);
	if (rc)
		return rc;
	return verb_rest_said(ctx, m, "project %s: %s is %s", ctx->project, verb_out_str(m, "user"),
	    verb_out_str(m, "role"));
}

int verb_project_member_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = member_path(ctx, args);

	return verb_rest_remove(ctx, path, "project %s: member %s", ctx->project,
	    verb_args_get(args, "USER"));
}

int verb_project_member_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"USER", "user", NULL}, {"ROLE", "role", NULL},
	    {"ONLINE", "online", NULL}, {0}};
	cl_autofree char *path = verb_rest_project(ctx, "/members", false);

	return verb_rest_list(ctx, path, "members", columns, NULL);
}
