/* What every view shares: its head, and its two ways to the session above it. */
#include "tui/view.h"

#include <stdarg.h>
#include <stdio.h>

static const struct view_host *host;

void view_set_host(const struct view_host *h)
{
	host = h;
}

void view_init(struct view *v, const struct view_ops *ops, struct ui *ui)
{
	static int last_id;

	v->ops = ops;
	v->ui = ui;
	v->id = ++last_id;
	v->dirty = true;
}

void view_redraw(struct view *v)
{
	v->dirty = true;
	if (v->visible && host)
		host->redraw(v->ui);
}

void view_command(struct view *v, const char *text)
{
	if (host)
		host->command(v->ui, text);
}

void view_commandf(struct view *v, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	view_command(v, text);
}
