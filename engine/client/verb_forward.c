/* Connections into the project's own containers: see verb_forward.h. */
#include "engine/client/verb_forward.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/client/verb_args.h"
#include "engine/client/verb_out.h"
#include "engine/client/verbs.h"

#define FORWARD_HELPER "/run/codinglab-pty"

static bool is_dev(const struct verb_ctx *ctx, const char *host)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "::1", "dev"};
	const char *own = strrchr(ctx->project, '.');

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strcmp(host, names[i]) == 0)
			return true;
	return strcmp(host, own ? own + 1 : ctx->project) == 0;
}

/* "was-2" or "was"; false for what is no instance. */
static bool is_instance(const char *host, char tier[8], int *n)
{
	size_t len = strcspn(host, "-");
	char *end = NULL;

	if (len == 0 || len >= 8)
		return false;
	memcpy(tier, host, len);
	tier[len] = '\0';
	*n = host[len] ? (int)strtol(host + len + 1, &end, 10) : 0;
	if (end && (*end || *n < 1 || *n > 99))
		return false;
	return strcmp(tier, "web") == 0 || strcmp(tier, "was") == 0 || strcmp(tier, "db") == 0;
}

static int in_container(struct verb_ctx *ctx, const char *how, const char *where)
{
	cl_autofree char *what = mem_printf("%s%s", where[0] == '/' ? "" : "port ", where);
	struct stat st;
	int rc;

	if (ctx->remote && fstat(STDOUT_FILENO, &st) == 0 && S_ISSOCK(st.st_mode))
		ctx->socket_out = what;
	rc = verb_exec_program(ctx, (const char *const[]){FORWARD_HELPER, how, where, NULL});
	ctx->socket_out = NULL;
	return rc;
}

static int forward(struct verb_ctx *ctx, const char *host, const char *port)
{
	struct cl_err err = {0};
	char tier[8];
	int n;

	if (!ctx->project[0]) {
		err_set(&err, CL_FORBIDDEN, "forwarding to %s: no project is named", host);
		err_hint(&err, "Connect as user+project@host");
		return verb_out_error(ctx, &err);
	}
	if (is_instance(host, tier, &n)) {
		ctx->tier = tier;
		ctx->n = n;
	} else if (!is_dev(ctx, host)) {
		err_set(&err, CL_FORBIDDEN, "forwarding to %s: it is not of this project", host);
		err_hint(&err, "localhost is the dev container; web, was-2 and db are instances");
		return verb_out_error(ctx, &err);
	}
	return in_container(ctx, "dial", port);
}

/* In the dev container, whatever instance the connection is for. */
static int in_dev(struct verb_ctx *ctx, const char *how, const char *where)
{
	struct cl_err err = {0};

	if (ctx->project[0] && !ctx->tier[0])
		return in_container(ctx, how, where);
	err_set(&err, CL_FORBIDDEN, "forwarding: %s", ctx->tier[0] ?
	    "into a dev container only, not into an instance" : "no project is named");
	err_hint(&err, "Connect as user+project@host");
	return verb_out_error(ctx, &err);
}

/* Whatever the connection is for: its screen may have gone on to another project. */
static int for_terminals(struct verb_ctx *ctx, const char *project, const char *path)
{
	ctx->project = project;
	ctx->tier = "";
	return in_dev(ctx, "agent", path);
}

bool verb_forward_line(struct verb_ctx *ctx, const char *line, int *rc)
{
	static const struct {
		const char *word, *how;
	} kinds[] = {{"forward-path", "dial"}, {"forward-listen", "listen"}, {"forward-agent", "listen"}};
	cl_autofree char **words = NULL;
	int n = strncmp(line, "forward", 7) == 0 ? verb_args_split(line, &words) : 0;

	if (n == 3 && strcmp(words[0], "forward") == 0) {
		*rc = forward(ctx, words[1], words[2]);
		return true;
	}
	if (n == 3 && strcmp(words[0], "forward-agent") == 0) {
		*rc = for_terminals(ctx, words[1], words[2]);
		return true;
	}
	for (size_t i = 0; n == 2 && i < CL_COUNT(kinds); i++)
		if (strcmp(words[0], kinds[i].word) == 0) {
			*rc = in_dev(ctx, kinds[i].how, words[1]);
			return true;
		}
	return false;
}
