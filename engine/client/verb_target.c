/* Further clusters. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define KUBECONFIG_MAX 131072

/* The text of FILE or, for "-", of stdin; NULL with err. */
static char *config_read(struct verb_ctx *ctx, const char *file, struct cl_err *err)
{
	cl_autofclose FILE *f = NULL;
	char *text;
	size_t n;

	if (strcmp(file, "-") == 0) {
		text = verb_rest_stdin(ctx, KUBECONFIG_MAX, NULL);
		if (!text)
			err_set(err, CL_TOO_LARGE, "target: the kubeconfig has more than %d KiB", KUBECONFIG_MAX >> 10);
		return text;
	}
	f = fopen(file, "re");
	if (!f) {
		err_errno(err, CL_NOT_FOUND, "%s", file);
		return NULL;
	}
	text = mem_alloc(KUBECONFIG_MAX + 1);
	n = fread(text, 1, KUBECONFIG_MAX, f);
	if (n > 0 && n < KUBECONFIG_MAX && strlen(text) == n)
		return text;
	mem_free(text);
	err_set(err, CL_USAGE, "%s: empty, no text, or more than %d KiB", file, KUBECONFIG_MAX >> 10);
	return NULL;
}

int verb_target_add(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *file = verb_args_get(args, "--kubeconfig");
	cl_autofree char *text = NULL;
	struct cl_err err = {0};
	json_t *t, *body;
	int rc;

	if (!file) {
		err_set(&err, CL_USAGE, "target add: --kubeconfig is missing");
		err_hint(&err, "kubectl config view --flatten --minify | ssh lab target add NAME --kubeconfig -");
		return verb_out_error(ctx, &err);
	}
	text = config_read(ctx, file, &err);
	if (!text)
		return verb_out_error(ctx, &err);
	body = json_pack("{s:s, s:s}", "name", verb_args_get(args, "NAME"), "kubeconfig", text);
	mem_wipe(text, strlen(text));
	if (!body) {
		err_set(&err, CL_USAGE, "target add: the kubeconfig is no UTF-8 text");
		return verb_out_error(ctx, &err);
	}
	rc = verb_rest_call(ctx, "POST", "/v1/targets", body, &t);
	if (rc)
		return rc;
	return verb_rest_said(ctx, t, "target %s: %s; `promote --target %s` uses it", verb_out_str(t, "name"),
	    verb_out_str(t, "server"), verb_out_str(t, "name"));
}

int verb_target_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"NAME", "name", NULL}, {"SERVER", "server", NULL},
	    {"ENVIRONMENTS", "environments", NULL}, {"BY", "by", NULL}, {"AT", "at", NULL}, {0}};

	return verb_rest_list(ctx, "/v1/targets", "targets", columns, "no further clusters; target add names one");
}

int verb_target_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME");
	cl_autofree char *path = verb_rest_path("/v1/targets", name, "");

	return verb_rest_remove(ctx, path, "target %s", name);
}
