/* What the session offers its views: commands, messages, views, dialogs, descriptors and time. */
#include "tui/ui.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tui/doors.h"
#include "tui/text.h"
#include "tui/ui_internal.h"
#include "tui/view_table.h"

#define MESSAGE_MS 6000

const struct ui_info *ui_info(struct ui *ui)
{
	return ui->info;
}

uv_loop_t *ui_loop(struct ui *ui)
{
	return &ui->loop;
}

struct client *ui_client(struct ui *ui)
{
	return ui->client;
}

/* ---- commands and messages ---- */

void ui_command(struct ui *ui, const char *text)
{
	struct ui_command_line *c = mem_alloc(sizeof(*c));

	c->text = mem_strdup(text);
	*ui->pending_end = c;
	ui->pending_end = &c->next;
}

static void message(struct ui *ui, enum ui_level level, const char *text)
{
	mem_copy_str(ui->message, sizeof(ui->message), text);
	ui->message_level = (int)level;
	ui->message_until = clock_ms() + (level == UI_ERROR ? 10 * MESSAGE_MS : MESSAGE_MS);
	ui->redraw = ui->redraw_all = true;
}

void ui_message(struct ui *ui, enum ui_level level, const char *fmt, ...)
{
	char text[sizeof(ui->message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), text_of(fmt), ap);
	va_end(ap);
	message(ui, level, text);
}

void ui_message_err(struct ui *ui, const struct cl_err *err)
{
	ui_message(ui, UI_ERROR, "%s%s%s", err->message, err->hint[0] ? ". " : "", err->hint);
}

/* ---- views ---- */

static void redraw_all(struct ui *ui)
{
	ui->redraw = ui->redraw_all = ui->arrange = true;
}

static void show(struct ui *ui, struct view *v)
{
	enum view_place place = v->ops->place;

	ui->current[place] = v;
	if (place == VIEW_FULL)
		ui->full = true;
	else if (place == VIEW_POPUP)
		ui->popup = true;
	else {
		ui->hidden[place] = false;
		ui->full = false;
	}
	redraw_all(ui);
}

void ui_focus(struct ui *ui, struct view *v)
{
	struct view *old = ui->focused;

	if (!v)
		return;
	show(ui, v);
	if (v == old)
		return;
	ui->prefix = false;
	if (old) {
		old->focused = false;
		if (old->ops->place != VIEW_POPUP)
			ui->previous = old;
		if (old->ops->focus)
			old->ops->focus(old, false);
		old->dirty = true;
	}
	ui->focused = v;
	v->focused = true;
	v->dirty = true;
	if (v->ops->focus)
		v->ops->focus(v, true);
}

struct view *ui_focused(struct ui *ui)
{
	return ui->focused;
}

struct view *ui_find(struct ui *ui, const char *view_name)
{
	const struct view_ops *ops = view_table_find(view_name);

	if (!ops)
		return NULL;
	if (ui->current[ops->place] && ui->current[ops->place]->ops == ops)
		return ui->current[ops->place];
	for (int i = 0; i < ui->nviews; i++)
		if (ui->views[i]->ops == ops)
			return ui->views[i];
	return NULL;
}

struct view *ui_next(struct ui *ui, struct view *prev)
{
	if (!prev)
		return ui->nviews ? ui->views[0] : NULL;
	for (int i = 0; i + 1 < ui->nviews; i++)
		if (ui->views[i] == prev)
			return ui->views[i + 1];
	return NULL;
}

static bool known(struct ui *ui, const struct view *v)
{
	for (int i = 0; i < ui->nviews; i++)
		if (ui->views[i] == v)
			return true;
	return false;
}

struct view *ui_open(struct ui *ui, const char *view_name, const char *arg, bool focus)
{
	const struct view_ops *ops = view_table_find(view_name);
	struct view *v = ops && !ops->many ? ui_find(ui, view_name) : NULL;
	struct cl_err err = { 0 };

	if (!ops) {
		ui_message(ui, UI_ERROR, "view: no view is called %s", view_name);
		return NULL;
	}
	if (!v && ui->nviews >= UI_VIEWS_MAX) {
		ui_message(ui, UI_ERROR, "view: %d are open, close some first", UI_VIEWS_MAX);
		return NULL;
	}
	if (!v && !(v = ops->create(ui, arg ? arg : "", &err))) {
		if (err.code != CL_OK)
			ui_message_err(ui, &err);
		return NULL;
	}
	/* create() may give back an instance that is open already */
	if (!known(ui, v))
		ui->views[ui->nviews++] = v;
	show(ui, v);
	if (focus)
		ui_focus(ui, v);
	return v;
}

/* Who is shown in a place when its current view has gone: the neighbour on the left. */
static struct view *heir(struct ui *ui, enum view_place place, int index)
{
	for (int i = index - 1; i >= 0; i--)
		if (ui->views[i]->ops->place == place)
			return ui->views[i];
	for (int i = index; i < ui->nviews; i++)
		if (ui->views[i]->ops->place == place)
			return ui->views[i];
	return NULL;
}

static void refocus(struct ui *ui, struct view *next)
{
	static const enum view_place order[] = { VIEW_FULL, VIEW_MAIN, VIEW_BELOW, VIEW_LEFT,
						 VIEW_RIGHT };

	if (!next && known(ui, ui->previous))
		next = ui->previous;
	for (size_t i = 0; i < CL_COUNT(order) && !next; i++)
		next = ui->current[order[i]];
	ui->focused = NULL;
	ui_focus(ui, next);
}

void ui_close(struct ui *ui, struct view *v)
{
	enum view_place place = v->ops->place;
	struct view *next;
	int i;

	for (i = 0; i < ui->nviews && ui->views[i] != v; i++)
		;
	if (i == ui->nviews)
		return;
	memmove(&ui->views[i], &ui->views[i + 1], sizeof(v) * (size_t)(ui->nviews - i - 1));
	ui->nviews--;
	next = heir(ui, place, i);
	if (ui->current[place] == v)
		ui->current[place] = place == VIEW_FULL ? NULL : next;
	ui->full = ui->full && ui->current[VIEW_FULL];
	ui->popup = ui->popup && ui->current[VIEW_POPUP];
	if (ui->previous == v)
		ui->previous = NULL;
	if (ui->focused == v)
		refocus(ui, place == VIEW_FULL || place == VIEW_POPUP ? NULL : next);
	ui_dialog_drop(ui, v);
	v->ops->free(v);
	redraw_all(ui);
}

/* ---- dialogs ---- */

static struct ui_dialog *push(struct ui *ui, enum ui_dialog_kind kind, struct dialog *d,
    int nfields, void (*cb)(void), void *arg)
{
	struct ui_dialog *u = mem_alloc(sizeof(*u));

	u->dialog = d;
	u->kind = kind;
	u->nfields = nfields;
	u->cb = cb;
	u->arg = arg;
	u->next = ui->dialogs;
	ui->dialogs = u;
	redraw_all(ui);
	return u;
}

static const char *const ok_cancel[] = { "OK", "Cancel" };

void ui_prompt(struct ui *ui, const char *title, const char *label, const char *initial,
    ui_prompt_cb *cb, void *arg)
{
	struct dialog_field_spec field = { .label = label, .initial = initial };

	push(ui, UI_DIALOG_PROMPT, dialog_new(title, "", &field, 1, ok_cancel, 2), 1,
	    (void (*)(void))cb, arg);
}

void ui_choose(struct ui *ui, const char *title, const char *text, const char *const *choices,
    int n, ui_choose_cb *cb, void *arg)
{
	push(ui, UI_DIALOG_CHOOSE, dialog_new(title, text, NULL, 0, choices, n), 0,
	    (void (*)(void))cb, arg);
}

void ui_confirm(struct ui *ui, const char *title, const char *text, const char *type_name,
    ui_confirm_cb *cb, void *arg)
{
	static const char *const yes_no[] = { "&Yes", "&No" };
	struct dialog_field_spec field = { .label = "Name", .hint = "type it to go on" };
	struct dialog *d = dialog_new(title, text, &field, type_name ? 1 : 0, yes_no, 2);

	if (type_name) {
		dialog_must_type(d, type_name);
		dialog_set_danger(d, true);
	}
	push(ui, UI_DIALOG_CONFIRM, d, type_name ? 1 : 0, (void (*)(void))cb, arg);
}

void ui_form(struct ui *ui, const char *title, const char *text,
    const struct dialog_field_spec *fields, int n, const char *ok_label, ui_form_cb *cb, void *arg)
{
	const char *buttons[] = { ok_label, "Cancel" };

	push(ui, UI_DIALOG_FORM, dialog_new(title, text, fields, n, buttons, 2), n,
	    (void (*)(void))cb, arg);
}

void ui_dialog_drop(struct ui *ui, void *arg)
{
	for (struct ui_dialog **p = &ui->dialogs, *u; (u = *p);) {
		if (u->arg != arg) {
			p = &u->next;
			continue;
		}
		*p = u->next;
		dialog_free(u->dialog);
		mem_free(u);
		redraw_all(ui);
	}
}

/* ---- descriptors ---- */

struct ui_watch {
	uv_poll_t poll;
	int fd;
	ui_watch_cb *cb;
	void *arg;
};

static void poll_cb(uv_poll_t *h, int status, int events)
{
	struct ui_watch *w = h->data;

	/* an error shows as readable: the owner's read() then tells which */
	w->cb(w->arg, w->fd, status < 0 ? UV_READABLE : events);
}

struct ui_watch *ui_watch_fd(struct ui *ui, int fd, int events, ui_watch_cb *cb, void *arg)
{
	struct ui_watch *w = mem_alloc(sizeof(*w));

	w->fd = fd;
	w->cb = cb;
	w->arg = arg;
	w->poll.data = w;
	if (uv_poll_init(&ui->loop, &w->poll, fd) < 0)
		log_fatal("watch: descriptor %d cannot be polled", fd);
	ui_watch_set(w, events);
	return w;
}

void ui_watch_set(struct ui_watch *w, int events)
{
	if (events)
		uv_poll_start(&w->poll, events, poll_cb);
	else
		uv_poll_stop(&w->poll);
}

static void free_handle_cb(uv_handle_t *h)
{
	mem_free(h->data);
}

void ui_unwatch(struct ui_watch *w)
{
	if (!w)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, free_handle_cb);
}

/* ---- time ---- */

struct ui_timer {
	uv_timer_t timer;
	ui_timer_cb *cb;
	void *arg;
};

static void timer_cb(uv_timer_t *h)
{
	struct ui_timer *t = h->data;

	t->cb(t->arg);
}

struct ui_timer *ui_timer_start(struct ui *ui, int64_t ms, int64_t repeat, ui_timer_cb *cb,
    void *arg)
{
	struct ui_timer *t = mem_alloc(sizeof(*t));

	t->cb = cb;
	t->arg = arg;
	t->timer.data = t;
	uv_timer_init(&ui->loop, &t->timer);
	uv_timer_start(&t->timer, timer_cb, ms > 0 ? (uint64_t)ms : 0,
	    repeat > 0 ? (uint64_t)repeat : 0);
	return t;
}

void ui_timer_stop(struct ui_timer *t)
{
	if (!t)
		return;
	uv_timer_stop(&t->timer);
	uv_close((uv_handle_t *)&t->timer, free_handle_cb);
}

/* ---- work ---- */

struct ui_job {
	uv_work_t work;
	ui_work_cb *run, *done;
	void *arg;
	struct ui *ui;
	bool whole;
};

static void work_cb(uv_work_t *w)
{
	struct ui_job *j = w->data;

	j->run(j->arg);
}

static void work_done_cb(uv_work_t *w, int status)
{
	struct ui_job *j = w->data;

	j->ui->working--;
	j->ui->saving -= j->whole;
	j->done(j->arg);
	mem_free(j);
}

static void queue(struct ui *ui, ui_work_cb *work, ui_work_cb *done, void *arg, bool whole)
{
	struct ui_job *j = mem_alloc(sizeof(*j));

	j->ui = ui;
	j->whole = whole;
	ui->working++;
	ui->saving += whole;
	j->run = work;
	j->done = done;
	j->arg = arg;
	j->work.data = j;
	uv_queue_work(&ui->loop, &j->work, work_cb, work_done_cb);
}

void ui_work(struct ui *ui, ui_work_cb *work, ui_work_cb *done, void *arg)
{
	queue(ui, work, done, arg, false);
}

void ui_work_whole(struct ui *ui, ui_work_cb *work, ui_work_cb *done, void *arg)
{
	queue(ui, work, done, arg, true);
}

/* ---- doors' terminals ---- */

void ui_emit(struct ui *ui, const char *bytes, size_t n)
{
	doors_emit(ui->doors, bytes, n);
	ui->redraw = true;
}

static void emit_osc52(struct ui *ui, const char *text, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t size = (n + 2) / 3 * 4 + 16, at;
	cl_autofree char *out = mem_alloc(size);

	at = (size_t)snprintf(out, size, "\033]52;c;");
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned char)text[i] << 16;
		v |= i + 1 < n ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned char)text[i + 2] : 0;
		out[at++] = digits[v >> 18];
		out[at++] = digits[v >> 12 & 63];
		out[at++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[at++] = i + 2 < n ? digits[v & 63] : '=';
	}
	out[at++] = '\a';
	ui_emit(ui, out, at);
}

void ui_clip_set(struct ui *ui, const char *text, size_t n)
{
	if (n > UI_CLIP_MAX) {
		ui_message(ui, UI_WARN, "copy: more than 1 MiB, not copied");
		return;
	}
	mem_free(ui->clip);
	ui->clip = mem_strndup(text, n);
	ui->clip_len = n;
	if (n <= 65536) /* what terminals commonly take */
		emit_osc52(ui, text, n);
}

const char *ui_clip(struct ui *ui, size_t *n)
{
	*n = ui->clip_len;
	return ui->clip ? ui->clip : "";
}
