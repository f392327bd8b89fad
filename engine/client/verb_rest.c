/*
 * How verbs ask the engine: see verb_rest.h.  An operation is followed by asking for its state and
 * its new log lines: that survives a restart of the engine, which a stream would not show.
 */
#include "engine/client/verb_rest.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/client/client.h"
#include "engine/client/verb_out.h"

#define OP_POLL_MIN_MS 40
#define OP_POLL_MAX_MS 400
#define OP_AWAY_MS 60000 /* an engine that restarts is waited for */

int verb_rest_call(struct verb_ctx *ctx, const char *method, const char *path, json_t *body,
    json_t **reply)
{
	struct cl_err err = {0};

	if (client_call(ctx->socket, method, path, body, reply, &err) < 0)
		return verb_out_error(ctx, &err);
	return 0;
}

int verb_rest_get(struct verb_ctx *ctx, const char *path, json_t **reply)
{
	int rc = verb_rest_call(ctx, "GET", path, NULL, reply);

	if (rc == 0 && ctx->json) {
		verb_out_json(ctx, *reply, false);
		json_decref(*reply);
		*reply = NULL;
	}
	return rc;
}

/* A field as a cell; the caller frees. */
static char *cell(const json_t *object, const struct verb_rest_column *c)
{
	const json_t *v = json_object_get(object, c->key);
	const char *prefix = c->prefix ? c->prefix : "";

	if (json_is_integer(v))
		return mem_printf("%s%lld", prefix, (long long)json_integer_value(v));
	if (json_is_true(v))
		return mem_strdup("yes");
	return mem_printf("%s%s", json_is_string(v) ? prefix : "", verb_out_str(object, c->key));
}

int verb_rest_list(struct verb_ctx *ctx, const char *path, const char *key,
    const struct verb_rest_column *columns, const char *none)
{
	struct verb_out_table t = {0};
	json_t *reply, *o;
	size_t i;
	int rc = verb_rest_get(ctx, path, &reply);

	if (rc || !reply)
		return rc;
	while (t.cols < VERB_OUT_COLS && columns[t.cols].head) {
		t.heads[t.cols] = columns[t.cols].head;
		t.cols++;
	}
	json_array_foreach(json_object_get(reply, key), i, o) {
		char *cells[VERB_OUT_COLS];

		for (int c = 0; c < t.cols; c++)
			cells[c] = cell(o, &columns[c]);
		verb_out_cells(&t, (const char *const *)cells);
		for (int c = 0; c < t.cols; c++)
			mem_free(cells[c]);
	}
	verb_out_table(ctx, &t, none);
	json_decref(reply);
	return 0;
}

int verb_rest_said(struct verb_ctx *ctx, json_t *reply, const char *fmt, ...)
{
	cl_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	if (ctx->json)
		verb_out_json(ctx, reply, false);
	else if (!ctx->quiet)
		verb_out_line(ctx, "%s", text);
	json_decref(reply);
	return 0;
}

int verb_rest_remove(struct verb_ctx *ctx, const char *path, const char *fmt, ...)
{
	cl_autofree char *what = NULL;
	json_t *reply;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	what = mem_vprintf(fmt, ap);
	va_end(ap);
	rc = verb_rest_call(ctx, "DELETE", path, NULL, &reply);
	return rc ? rc : verb_rest_said(ctx, reply, "%s: removed", what);
}

char *verb_rest_path(const char *prefix, const char *name, const char *suffix)
{
	cl_autofree char *safe = client_escape(name);

	return mem_printf("%s/%s%s", prefix, safe, suffix);
}

char *verb_rest_project(const struct verb_ctx *ctx, const char *suffix, bool env)
{
	cl_autofree char *name = mem_strdup(ctx->project);
	char *colon = strchr(name, ':'), *path, *full;

	/* An SSH user name says owner:project, the engine owner.project. */
	if (colon)
		*colon = '.';
	path = verb_rest_path("/v1/projects", name, suffix);
	if (!env || !ctx->env[0])
		return path;
	full = mem_printf("%s%senv=%s", path, strchr(path, '?') ? "&" : "?", ctx->env);
	mem_free(path);
	return full;
}

void verb_rest_env(const struct verb_ctx *ctx, json_t *o)
{
	if (ctx->env[0])
		json_object_set_new(o, "env", json_string(ctx->env));
}

json_t *verb_rest_ids(const struct verb_args *args)
{
	json_t *body = json_object(), *ids = json_array();

	for (int i = 0; i < args->nrest; i++)
		json_array_append_new(ids, json_string(args->rest[i]));
	if (args->nrest)
		json_object_set(body, "ids", ids);
	json_decref(ids);
	return body;
}

struct follow {
	struct verb_ctx *ctx;
	int64_t op, seq, start, away; /* away: since when nothing answers, 0 = it does */
	char step[1024];
};

static bool stopped(const struct verb_ctx *ctx)
{
	return ctx->cancelled && *ctx->cancelled;
}

static void show_lines(struct follow *f)
{
	cl_autofree char *path = mem_printf("/v1/ops/%lld/log?since=%lld", (long long)f->op,
	    (long long)f->seq);
	json_t *reply, *line;
	size_t i;

	if (f->ctx->quiet || f->ctx->json)
		return;
	if (client_call(f->ctx->socket, "GET", path, NULL, &reply, NULL) < 0)
		return;
	json_array_foreach(json_object_get(reply, "lines"), i, line) {
		if (verb_out_int(line, "seq") <= f->seq)
			continue;
		f->seq = verb_out_int(line, "seq");
		verb_out_note(f->ctx, "  %s", verb_out_str(line, "text"));
	}
	json_decref(reply);
}

static void show_step(struct follow *f, const json_t *op)
{
	const char *step = verb_out_str(op, "step");

	if (!step[0] || strcmp(step, f->step) == 0 || f->ctx->json)
		return;
	mem_copy_str(f->step, sizeof(f->step), step);
	verb_out_note(f->ctx, "%s", step);
}

/* Operations whose result, a URL, is what a script asked for; of others it is news. */
static bool releases(const char *kind)
{
	static const char *const kinds[] = {"ship", "deploy", "promote", "rollback"};

	for (size_t i = 0; i < CL_COUNT(kinds); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return false;
}

/* How an operation that has ended ended. */
static int conclude(struct verb_ctx *ctx, const json_t *op)
{
	const char *state = verb_out_str(op, "state"), *result = verb_out_str(op, "result");
	const json_t *e = json_object_get(op, "error");
	struct cl_err err = {0};

	if (strcmp(state, "done") == 0) {
		if (ctx->json)
			verb_out_json(ctx, op, false);
		else if (result[0] && releases(verb_out_str(op, "kind")))
			verb_out_line(ctx, "%s", result);
		else if (result[0])
			verb_out_note(ctx, "%s", result);
		return 0;
	}
	if (verb_out_str(e, "message")[0]) {
		err_set(&err, err_parse(verb_out_str(e, "code")), "%s", verb_out_str(e, "message"));
		err_hint(&err, "%s", verb_out_str(e, "hint"));
	} else {
		err_set(&err, CL_FAILED, "%s: %s", verb_out_str(op, "kind"), state);
	}
	return verb_out_error(ctx, &err);
}

static bool ended(const json_t *op)
{
	const char *state = verb_out_str(op, "state");

	return strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

/* One look: 1 it has ended (*rc says how), 0 not yet. */
static int look(struct follow *f, int *rc)
{
	cl_autofree char *path = mem_printf("/v1/ops/%lld", (long long)f->op);
	struct cl_err err = {0};
	json_t *op;

	if (client_call(f->ctx->socket, "GET", path, NULL, &op, &err) < 0) {
		if (err.code == CL_UNAVAILABLE && (!f->away || clock_ms() - f->away < OP_AWAY_MS)) {
			if (!f->away) {
				f->away = clock_ms();
				verb_out_note(f->ctx, "the engine does not answer; waiting for it");
			}
			return 0;
		}
		*rc = verb_out_error(f->ctx, &err);
		return 1;
	}
	f->away = 0;
	if (ended(op)) {
		show_lines(f);
		*rc = conclude(f->ctx, op);
		json_decref(op);
		return 1;
	}
	show_step(f, op);
	json_decref(op);
	show_lines(f);
	return 0;
}

int verb_rest_follow(struct verb_ctx *ctx, int64_t op)
{
	struct follow f = {.ctx = ctx, .op = op, .start = clock_ms()};
	int64_t pause = OP_POLL_MIN_MS;
	struct cl_err err = {0};
	int rc = 0;

	while (!look(&f, &rc)) {
		if (ctx->timeout_s && clock_ms() - f.start >= (int64_t)ctx->timeout_s * 1000) {
			err_set(&err, CL_TIMEOUT, "operation %lld: not done after %d s", (long long)op,
			    ctx->timeout_s);
			err_hint(&err, "It goes on: `codinglab op %lld` follows it, `cancel %lld` ends it",
			    (long long)op, (long long)op);
			return verb_out_error(ctx, &err);
		}
		if (stopped(ctx)) {
			verb_out_note(ctx, "operation %lld goes on; `cancel %lld` ends it", (long long)op,
			    (long long)op);
			return 130;
		}
		usleep((useconds_t)pause * 1000);
		pause = (clock_ms() - f.start) / 20; /* late by a twentieth of what it takes at most */
		pause = pause < OP_POLL_MIN_MS ? OP_POLL_MIN_MS : pause < OP_POLL_MAX_MS ? pause : OP_POLL_MAX_MS;
	}
	return rc;
}

int verb_rest_op(struct verb_ctx *ctx, const char *method, const char *path, json_t *body)
{
	json_t *op;
	int64_t id;
	int rc;

	if (ctx->dry_run && body)
		json_object_set_new(body, "dry_run", json_true());
	rc = verb_rest_call(ctx, method, path, body, &op);
	if (rc)
		return rc;
	id = verb_out_int(op, "id");
	if (id == 0 || ctx->dry_run) {
		if (ctx->json)
			verb_out_json(ctx, op, false);
		else if (verb_out_str(op, "step")[0])
			verb_out_line(ctx, "%s", verb_out_str(op, "step"));
	} else if (ended(op)) {
		rc = conclude(ctx, op);
	} else if (!ctx->wait) {
		if (ctx->json)
			verb_out_json(ctx, op, false);
		else
			verb_out_line(ctx, "%lld", (long long)id);
	} else {
		rc = verb_rest_follow(ctx, id);
	}
	json_decref(op);
	return rc;
}

int verb_rest_line(struct verb_ctx *ctx, char *line, size_t size)
{
	size_t at = 0;
	ssize_t n;
	char c;

	while (ctx->in >= 0) {
		n = read(ctx->in, &c, 1);
		if (n < 0 && errno == EINTR && !stopped(ctx))
			continue;
		if (n <= 0 && at == 0)
			return -1;
		if (n <= 0 || c == '\n')
			break;
		if (at + 1 < size)
			line[at++] = c;
	}
	while (at && line[at - 1] == '\r')
		at--;
	line[at] = '\0';
	return ctx->in < 0 ? -1 : 0;
}

char *verb_rest_stdin(struct verb_ctx *ctx, size_t max, size_t *len)
{
	char part[4096];
	struct buf b;
	ssize_t n;

	buf_init(&b, max);
	while (ctx->in >= 0 && (n = read(ctx->in, part, sizeof(part))) != 0) {
		if (n < 0 && errno == EINTR && !stopped(ctx))
			continue;
		if (n < 0)
			break;
		if (buf_add(&b, part, (size_t)n) < 0) {
			buf_clear(&b);
			return NULL;
		}
	}
	return buf_take(&b, len);
}

int verb_rest_confirm(struct verb_ctx *ctx, const char *what, const char *name)
{
	struct cl_err err = {0};
	char line[128];
	bool sure;

	if (ctx->yes)
		return 0;
	if (!ctx->in_tty) {
		err_set(&err, CL_PRECONDITION, "%s cannot be undone", what);
		err_hint(&err, "Say -y to mean it");
		return verb_out_error(ctx, &err);
	}
	if (name)
		verb_out_ask(ctx, "%s cannot be undone. Type \"%s\" to go on: ", what, name);
	else
		verb_out_ask(ctx, "%s? [y/N] ", what);
	if (verb_rest_line(ctx, line, sizeof(line)) < 0)
		line[0] = '\0';
	sure = name ? strcmp(line, name) == 0 : line[0] == 'y' || line[0] == 'Y';
	if (sure)
		return 0;
	err_set(&err, CL_PRECONDITION, "%s: not confirmed, nothing was changed", what);
	return verb_out_error(ctx, &err);
}
