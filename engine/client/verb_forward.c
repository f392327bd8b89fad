/* Connections into the project's own containers: see verb_forward.h. */
#include "engine/client/verb_forward.h"

#include <stdlib.h>
#include <string.h>

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
	return verb_exec_program(ctx, (const char *const[]){FORWARD_HELPER, "dial", port, NULL});
}

bool verb_forward_line(struct verb_ctx *ctx, const char *line, int *rc)
{
	cl_autofree char **words = NULL;
	int n = strncmp(line, "forward ", 8) == 0 ? verb_args_split(line, &words) : 0;

	if (n != 3)
		return false;
	*rc = forward(ctx, words[1], words[2]);
	return true;
}
