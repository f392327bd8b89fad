/* People: accounts, roles, passwords, invitations, and who did what. */
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/mem.h"
#include "base/name.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"
#include "engine/client/verb_rest.h"
#include "engine/client/verbs.h"

#define USER_PASSWORD_MIN 8
#define USER_PASSWORD_MAX 1024

/* One password from stdin: asked for without echo on a terminal, a line otherwise. */
static int read_password(struct verb_ctx *ctx, const char *prompt, char *out, size_t size)
{
	struct termios old, quiet;
	bool tty = ctx->in_tty && tcgetattr(ctx->in, &old) == 0;
	int rc;

	if (tty) {
		verb_out_ask(ctx, "%s", prompt);
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(ctx->in, TCSAFLUSH, &quiet);
	}
	rc = verb_rest_line(ctx, out, size);
	if (tty) {
		tcsetattr(ctx->in, TCSAFLUSH, &old);
		ctx->err(ctx->arg, "\n", 1);
	}
	return rc;
}

/* A new password, typed twice on a terminal. */
static int new_password(struct verb_ctx *ctx, char *out, size_t size, struct cl_err *err)
{
	char again[USER_PASSWORD_MAX + 2];
	int rc = 0;

	if (read_password(ctx, "New password: ", out, size) < 0)
		return err_set(err, CL_USAGE, "password: nothing came on stdin");
	if (strlen(out) < USER_PASSWORD_MIN || strlen(out) > USER_PASSWORD_MAX)
		return err_set(err, CL_USAGE, "password: it must have 8 to 1024 bytes");
	if (!ctx->in_tty)
		return 0;
	if (read_password(ctx, "Again: ", again, sizeof(again)) < 0 || strcmp(out, again) != 0)
		rc = err_set(err, CL_USAGE, "password: the two are not the same");
	mem_wipe(again, sizeof(again));
	return rc;
}

static json_t *new_user(struct verb_ctx *ctx, const struct verb_args *args, struct cl_err *err)
{
	const char *name = verb_args_get(args, "NAME"), *role = verb_args_get(args, "--role");
	const char *key = verb_args_get(args, "--key");
	char password[USER_PASSWORD_MAX + 2];
	json_t *body;

	if (!name_valid(name)) {
		err_set(err, CL_USAGE, "user %s: the name is not allowed", name);
		err_hint(err, "Use a-z, 0-9 and '-', a letter first, at most 31");
		return NULL;
	}
	body = json_pack("{s:s}", "name", name);
	if (role)
		json_object_set_new(body, "role", json_string(role));
	if (key && strcmp(key, "-") == 0) {
		cl_autofree char *text = verb_rest_stdin(ctx, 16384, NULL);

		json_object_set_new(body, "key", json_string(text ? text : ""));
	} else if (key) {
		json_object_set_new(body, "key", json_string(key));
	}
	if (verb_args_has(args, "--password")) {
		if (new_password(ctx, password, sizeof(password), err) < 0) {
			json_decref(body);
			body = NULL;
		} else {
			json_object_set_new(body, "password", json_string(password));
		}
		mem_wipe(password, sizeof(password));
	}
	return body;
}

int verb_user_add(struct verb_ctx *ctx, const struct verb_args *args)
{
	struct cl_err err = {0};
	json_t *body = new_user(ctx, args, &err), *u;
	int rc;

	if (!body)
		return verb_out_error(ctx, &err);
	rc = verb_rest_call(ctx, "POST", "/v1/users", body, &u);
	if (rc)
		return rc;
	return verb_rest_said(ctx, u, "user %s: added as %s", verb_out_str(u, "name"),
	    verb_out_str(u, "role"));
}

int verb_user_ls(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"NAME", "name", NULL}, {"ROLE", "role", NULL},
	    {"KEYS", "keys", NULL}, {"CREATED", "created", NULL}, {0}};

	return verb_rest_list(ctx, "/v1/users", "users", columns,
	    "no users yet; `user add NAME --role admin` makes the first");
}

int verb_user_rm(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME");
	cl_autofree char *what = mem_printf("user %s: removing the account", name);
	cl_autofree char *path = verb_rest_path("/v1/users", name,
	    verb_args_has(args, "--force") ? "?force=1" : "");
	int rc = verb_rest_confirm(ctx, what, NULL);

	return rc ? rc : verb_rest_remove(ctx, path, "user %s", name);
}

int verb_user_role(struct verb_ctx *ctx, const struct verb_args *args)
{
	cl_autofree char *path = verb_rest_path("/v1/users", verb_args_get(args, "NAME"), "/role");
	json_t *u;
	int rc = verb_rest_call(ctx, "PUT", path,
	    json_pack("{s:s}", "role", verb_args_get(args, "ROLE")), &u);

	if (rc)
		return rc;
	return verb_rest_said(ctx, u, "user %s: is %s now", verb_out_str(u, "name"),
	    verb_out_str(u, "role"));
}

int verb_user_passwd(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *name = verb_args_get(args, "NAME");
	char password[USER_PASSWORD_MAX + 2];
	cl_autofree char *path = NULL;
	struct cl_err err = {0};
	json_t *me = NULL, *body;
	int rc = 0;

	if (!name)
		rc = verb_rest_call(ctx, "GET", "/v1/whoami", NULL, &me);
	if (rc)
		return rc;
	path = verb_rest_path("/v1/users", name ? name : verb_out_str(me, "name"), "/password");
	json_decref(me);
	if (new_password(ctx, password, sizeof(password), &err) < 0) {
		mem_wipe(password, sizeof(password));
		return verb_out_error(ctx, &err);
	}
	body = json_pack("{s:s}", "password", password);
	mem_wipe(password, sizeof(password));
	rc = verb_rest_call(ctx, "PUT", path, body, NULL);
	if (rc == 0)
		verb_out_note(ctx, "password: set");
	return rc;
}

int verb_user_invite(struct verb_ctx *ctx, const struct verb_args *args)
{
	const char *role = verb_args_get(args, "--role");
	json_t *body = json_object(), *reply;
	int rc;

	if (role)
		json_object_set_new(body, "role", json_string(role));
	if (verb_args_has(args, "--uses"))
		json_object_set_new(body, "uses", json_integer(verb_args_int(args, "--uses", 1)));
	if (verb_args_has(args, "--days"))
		json_object_set_new(body, "days", json_integer(verb_args_int(args, "--days", 7)));
	rc = verb_rest_call(ctx, "POST", "/v1/invites", body, &reply);
	if (rc)
		return rc;
	if (ctx->json) {
		verb_out_json(ctx, reply, false);
	} else {
		verb_out_line(ctx, "%s", verb_out_str(reply, "code"));
		verb_out_note(ctx, "for %lld as %s until %s; it is shown only now",
		    (long long)verb_out_int(reply, "uses"), verb_out_str(reply, "role"),
		    verb_out_str(reply, "expires"));
	}
	json_decref(reply);
	return 0;
}

int verb_user_whoami(struct verb_ctx *ctx, const struct verb_args *args)
{
	json_t *u;
	int rc = verb_rest_get(ctx, "/v1/whoami", &u);

	if (rc || !u)
		return rc;
	verb_out_line(ctx, "%s (%s)", verb_out_str(u, "name"), verb_out_str(u, "role"));
	json_decref(u);
	return 0;
}

int verb_user_audit(struct verb_ctx *ctx, const struct verb_args *args)
{
	static const struct verb_rest_column columns[] = {{"AT", "at", NULL}, {"USER", "user", NULL},
	    {"VERB", "verb", NULL}, {"OBJECT", "object", NULL}, {"RESULT", "result", NULL},
	    {"DETAIL", "detail", NULL}, {0}};
	const char *user = verb_args_get(args, "--user"), *verb = verb_args_get(args, "--verb");
	cl_autofree char *u = client_escape(user ? user : ""), *v = client_escape(verb ? verb : "");
	long n = verb_args_int(args, "-n", 50);
	cl_autofree char *path = mem_printf("/v1/audit?limit=%ld%s%s%s%s", n > 1000 ? 1000 : n < 1 ? 1 : n,
	    user ? "&user=" : "", u, verb ? "&verb=" : "", v);

	return verb_rest_list(ctx, path, "audit", columns, "nothing yet");
}
