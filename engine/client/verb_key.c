/* Public keys: key add (an argument or stdin), ls, rm; and what ssh-copy-id brings. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define KEY_MAX 16384

/* "/v1/users/NAME/keys" of --user or the caller; NULL after saying why not, *rc then. */
static char *keys_path(struct verb_ctx *ctx, const struct verb_args *args, int *rc)
{
	const char *name = verb_args_get(args, "--user");
	json_t *me = NULL;
	char *path;

	*rc = name ? 0 : verb_rest_call(ctx, "GET", "/v1/whoami", NULL, &me);
	if (*rc)
		return NULL;
	path = verb_rest_path("/v1/users", name ? name : verb_out_str(me, "name"), "/keys");
	json_decref(me);
	return path;
}

/* The words put together again, or the first line of stdin that is no comment. */
static char *key_line(struct verb_ctx *ctx, const struct verb_args *args)
{
	char *line = mem_strdup(""), *more, *text, *at;

	for (int i = 0; i < args->nrest; i++) {
		more = mem_printf("%s%s%s", line, i ? " " : "", args->rest[i]);
		mem_free(line);
		line = more;
	}
	if (args->nrest && strcmp(line, "-") != 0)
		return line;
	mem_free(line);
	text = verb_rest_stdin(ctx, KEY_MAX, NULL);
	if (!text)
		return NULL;
	for (at = text; *at == '#' || *at == '\r' || *at == '\n'; at += strspn(at, "\r\n"))
		at += strcspn(at, "\r\n");
	line = mem_strndup(at, strcspn(at, "\r\n"));
	mem_free(text);
	return line;
}

int verb_key_add(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = NULL, *line = NULL;
	struct cl_err err = {0};
	json_t *k, *body;
	int rc;

	if (!args->nrest && ctx->in_tty)
		verb_out_note(ctx, "paste the public key, then Ctrl-D:");
	line = key_line(ctx, args);
	body = line && *line ? json_pack("{s:s}", "key", line) : NULL;
	if (!body) {
		err_set(&err, CL_USAGE, "key add: %s", line && !*line ? "no key was given" : "that is no public key");
		err_hint(&err, "cat ~/.ssh/id_ed25519.pub | ssh lab key add");
		return verb_out_error(ctx, &err);
	}
	path = keys_path(ctx, args, &rc);
	if (!path) {
		json_decref(body);
		return rc;
	}
	rc = verb_rest_call(ctx, "POST", path, body, &k);
	if (rc)
		return rc;
	return verb_rest_said(ctx, k, "key %lld: added %s %s %s", (long long)verb_out_int(k, "id"),
	    verb_out_str(k, "type"), verb_out_str(k, "fingerprint"), verb_out_str(k, "comment"));
}

/* Each line of text (changed) that is no comment; the first failure ends it. */
static int add_lines(struct verb_ctx *ctx, const char *path, char *text)
{
	char *line, *rest = text;
	int rc = 0, n = 0;

	while (rc == 0 && (line = strsep(&rest, "\r\n"))) {
		json_t *body = !*line || *line == '#' ? NULL : json_pack("{s:s}", "key", line), *k = NULL;

		if (!body)
			continue;
		rc = verb_rest_call(ctx, "POST", path, body, &k);
		if (rc == 0)
			rc = verb_rest_said(ctx, k, "key %lld: added %s", (long long)verb_out_int(k, "id"),
			    verb_out_str(k, "fingerprint"));
		n++;
	}
	if (n == 0) {
		struct cl_err err = {0};

		err_set(&err, CL_USAGE, "ssh-copy-id: no public key came");
		return verb_out_error(ctx, &err);
	}
	return rc;
}

int verb_key_copy_id(struct verb_ctx *ctx)
{
	cl_autofree char *path = NULL, *text = NULL;
	json_t *me = NULL;
	struct cl_err err = {0};
	int rc = verb_rest_call(ctx, "GET", "/v1/whoami", NULL, &me);

	if (rc)
		return rc;
	path = verb_rest_path("/v1/users", verb_out_str(me, "name"), "/keys");
	json_decref(me);
	text = verb_rest_stdin(ctx, KEY_MAX, NULL);
	if (text)
		return add_lines(ctx, path, text);
	err_set(&err, CL_USAGE, "ssh-copy-id: that is no list of public keys");
	return verb_out_error(ctx, &err);
}

int verb_key_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"ID", "id", NULL}, {"TYPE", "type", NULL},
	    {"FINGERPRINT", "fingerprint", NULL}, {"COMMENT", "comment", NULL},
	    {"CREATED", "created", NULL}, {0}};
	int rc;
	cl_autofree char *path = keys_path(ctx, args, &rc);

	return path ? verb_rest_list(ctx, path, "keys", columns, "no keys") : rc;
}

int verb_key_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	int rc;
	cl_autofree char *base = keys_path(ctx, args, &rc), *path = NULL;

	if (!base)
		return rc;
	path = verb_rest_path(base, verb_args_get(args, "KEY"), "");
	return verb_rest_remove(ctx, path, "key %s", verb_args_get(args, "KEY"));
}
