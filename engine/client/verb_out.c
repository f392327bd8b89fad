/* What verbs print: see verb_out.h. */
#include "engine/client/verb_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/screen.h"
#include "base/utf8.h"

static char *format(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *format(const char *fmt, va_list ap)
{
	cl_autofree char *raw = mem_vprintf(fmt, ap);

	return screen_safe_dup(raw, strlen(raw), 0);
}

void verb_out_line(struct verb_ctx *ctx, const char *fmt, ...)
{
	cl_autofree char *text = NULL, *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	line = mem_printf("%s\n", text);
	ctx->out(ctx->arg, line, strlen(line), false);
}

void verb_out_note(struct verb_ctx *ctx, const char *fmt, ...)
{
	cl_autofree char *text = NULL, *line = NULL;
	va_list ap;

	if (ctx->quiet)
		return;
	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	line = mem_printf("%s\n", text);
	ctx->err(ctx->arg, line, strlen(line));
}

void verb_out_ask(struct verb_ctx *ctx, const char *fmt, ...)
{
	cl_autofree char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = format(fmt, ap);
	va_end(ap);
	ctx->err(ctx->arg, text, strlen(text));
}

void verb_out_text(struct verb_ctx *ctx, const char *text)
{
	ctx->out(ctx->arg, text, strlen(text), false);
}

void verb_out_json(struct verb_ctx *ctx, const json_t *json, bool compact)
{
	size_t flags = compact ? JSON_COMPACT : JSON_INDENT(2);
	cl_autofree char *text = NULL, *line = NULL;

	/* A terminal gets escapes for whatever is not ASCII, programs get the text itself. */
	text = json_dumps(json, flags | JSON_ENCODE_ANY | (ctx->out_tty ? JSON_ENSURE_ASCII : 0));
	line = mem_printf("%s\n", text ? text : "null");
	ctx->out(ctx->arg, line, strlen(line), true);
}

int verb_out_error(struct verb_ctx *ctx, const struct cl_err *err)
{
	cl_autofree char *message = screen_safe_dup(err->message, strlen(err->message), 0);
	cl_autofree char *hint = screen_safe_dup(err->hint, strlen(err->hint), 0);
	cl_autofree char *line = NULL;
	size_t n = strlen(message);
	json_t *e;

	if (ctx->json) {
		e = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", err_text(err->code), "message",
		    message, "hint", hint);
		cl_autofree char *text = json_dumps(e, JSON_COMPACT);

		json_decref(e);
		line = mem_printf("%s\n", text ? text : "{\"error\":{}}");
	} else {
		if (n && message[n - 1] == '.')
			message[n - 1] = '\0';
		line = mem_printf("codinglab: %s%s%s\n", message, hint[0] ? ". " : "", hint);
	}
	ctx->err(ctx->arg, line, strlen(line));
	return err_exit(err->code);
}

void verb_out_heads(struct verb_out_table *t, ...)
{
	const char *s;
	va_list ap;

	memset(t, 0, sizeof(*t));
	va_start(ap, t);
	while ((s = va_arg(ap, const char *)) && t->cols < VERB_OUT_COLS)
		t->heads[t->cols++] = s;
	va_end(ap);
}

void verb_out_cells(struct verb_out_table *t, const char *const *cells)
{
	if (t->rows == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->cells = mem_resize(t->cells, (size_t)t->cap * (size_t)t->cols, sizeof(char *));
	}
	for (int i = 0; i < t->cols; i++)
		t->cells[t->rows * t->cols + i] = screen_safe_dup(cells[i], strlen(cells[i]), 0);
	t->rows++;
}

void verb_out_row(struct verb_out_table *t, ...)
{
	const char *cells[VERB_OUT_COLS], *s = "";
	va_list ap;

	va_start(ap, t);
	for (int i = 0; i < t->cols; i++) {
		s = s ? va_arg(ap, const char *) : NULL;
		cells[i] = s ? s : "";
	}
	va_end(ap);
	verb_out_cells(t, cells);
}

static void add_cells(struct buf *b, char *const *cells, const int *width, int cols)
{
	for (int i = 0; i < cols; i++) {
		buf_add_str(b, cells[i]);
		/* The last column is not padded: no blanks at the end of a line. */
		for (int pad = utf8_width(cells[i], strlen(cells[i])); i + 1 < cols && pad < width[i] + 2; pad++)
			buf_add_str(b, " ");
	}
	while (b->len && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
	buf_add_str(b, "\n");
}

void verb_out_table(struct verb_ctx *ctx, struct verb_out_table *t, const char *none)
{
	int width[VERB_OUT_COLS] = {0}, w;
	char *heads[VERB_OUT_COLS];
	struct buf b;

	buf_init(&b, SIZE_MAX / 2);
	for (int i = 0; i < t->cols; i++) {
		heads[i] = mem_strdup(t->heads[i]);
		width[i] = ctx->quiet ? 0 : (int)strlen(heads[i]);
		for (int r = 0; r < t->rows; r++) {
			w = utf8_width(t->cells[r * t->cols + i], strlen(t->cells[r * t->cols + i]));
			width[i] = w > width[i] ? w : width[i];
		}
	}
	if (t->rows && !ctx->quiet)
		add_cells(&b, heads, width, t->cols);
	for (int r = 0; r < t->rows; r++)
		add_cells(&b, t->cells + r * t->cols, width, t->cols);
	if (t->rows)
		ctx->out(ctx->arg, b.data, b.len, false);
	else if (none)
		verb_out_note(ctx, "%s", none);
	for (int i = 0; i < t->cols; i++)
		mem_free(heads[i]);
	for (int i = 0; i < t->rows * t->cols; i++)
		mem_free(t->cells[i]);
	mem_free(t->cells);
	buf_clear(&b);
}

const char *verb_out_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int64_t verb_out_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

void verb_out_size(char *out, size_t size, int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1000 && u + 1 < CL_COUNT(units)) {
		v /= 1000;
		u++;
	}
	snprintf(out, size, u && v < 10 ? "%.1f %s" : "%.0f %s", v, units[u]);
}
