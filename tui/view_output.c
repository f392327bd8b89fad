/*
 * Output: what a verb printed, what a verb that goes on prints, or how an operation goes.
 *
 * A following verb runs on a thread of its own (it may last for hours; the workers of ui_work() are
 * few).  Thread and view share a struct feed; whoever lets go of it last frees it.
 */
#include "tui/view_output.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "engine/client/verb.h"
#include "tui/scroll.h"
#include "tui/ui.h"

#define LINES_MAX 5000
#define FEED_MAX (1u << 20) /* bytes that may wait to be shown */
#define THREAD_STACK (512u << 10)

struct feed {
	pthread_mutex_t lock;
	int users;
	struct buf bytes;
	bool ended;
	int status;
	volatile int cancelled;
	char *line, *project, *socket;
	uv_async_t *wake; /* NULL once the view is gone */
};

struct output {
	struct view view;
	struct scroll text;
	char title[128];
	char step[200];        /* of an operation */
	char kind[32];         /* operation that is followed, or "" */
	int64_t op;            /* its number once known */
	struct feed *feed;
	uv_async_t *wake;
	struct buf part;       /* of a line that is not whole yet */
};

/* ---- following a verb ---- */

static void feed_drop(struct feed *f)
{
	int left;

	pthread_mutex_lock(&f->lock);
	left = --f->users;
	pthread_mutex_unlock(&f->lock);
	if (left > 0)
		return;
	pthread_mutex_destroy(&f->lock);
	buf_clear(&f->bytes);
	mem_free(f->line);
	mem_free(f->project);
	mem_free(f->socket);
	mem_free(f);
}

static void feed_add(struct feed *f, const char *text, size_t len)
{
	pthread_mutex_lock(&f->lock);
	buf_add(&f->bytes, text, len);
	if (f->wake)
		uv_async_send(f->wake);
	pthread_mutex_unlock(&f->lock);
}

static void feed_out_cb(void *arg, const char *text, size_t len, bool raw)
{
	feed_add(arg, text, len);
}

static void feed_err_cb(void *arg, const char *text, size_t len)
{
	feed_add(arg, text, len);
}

static void *feed_thread(void *arg)
{
	struct feed *f = arg;
	struct verb_ctx ctx = {
		.socket = f->socket, .project = f->project, .tier = "", .env = "", .in = -1, .remote = true,
		.out = feed_out_cb, .err = feed_err_cb, .arg = f, .rows = 24, .cols = 100,
		.cancelled = &f->cancelled,
	};
	int status = verb_run_line(&ctx, f->line);

	pthread_mutex_lock(&f->lock);
	f->ended = true;
	f->status = status;
	if (f->wake)
		uv_async_send(f->wake);
	pthread_mutex_unlock(&f->lock);
	feed_drop(f);
	return NULL;
}

/* Move whole lines to the text; at the end also the rest. */
static void take_lines(struct output *o, bool all)
{
	char *nl;

	while (o->part.len && (nl = memchr(o->part.data, '\n', o->part.len))) {
		size_t n = (size_t)(nl - o->part.data) + 1;
		scroll_add(&o->text, THEME_TEXT, o->part.data, n);
		buf_drop(&o->part, n);
	}
	if (all && o->part.len) {
		scroll_add(&o->text, THEME_TEXT, o->part.data, o->part.len);
		buf_clear(&o->part);
	}
}

static void wake_cb(uv_async_t *h)
{
	struct output *o = h->data;
	bool ended;
	int status;

	if (!o || !o->feed)
		return;
	pthread_mutex_lock(&o->feed->lock);
	buf_add(&o->part, o->feed->bytes.data, o->feed->bytes.len);
	buf_clear(&o->feed->bytes);
	ended = o->feed->ended;
	status = o->feed->status;
	pthread_mutex_unlock(&o->feed->lock);
	take_lines(o, ended);
	if (ended)
		snprintf(o->step, sizeof(o->step), "ended with status %d", status);
	view_redraw(&o->view);
}

static void free_async_cb(uv_handle_t *h)
{
	mem_free(h);
}

static void start_feed(struct output *o, const char *line)
{
	const struct ui_info *info = ui_info(o->view.ui);
	struct feed *f = mem_alloc(sizeof(*f));
	pthread_attr_t attr;
	pthread_t thread;

	o->wake = mem_alloc(sizeof(*o->wake));
	uv_async_init(ui_loop(o->view.ui), o->wake, wake_cb);
	o->wake->data = o;
	pthread_mutex_init(&f->lock, NULL);
	buf_init(&f->bytes, FEED_MAX);
	f->users = 2;
	f->wake = o->wake;
	f->line = mem_strdup(line);
	f->project = mem_strdup(info->project_id ? info->project_ref : "");
	f->socket = mem_strdup(info->socket);
	o->feed = f;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	if (pthread_create(&thread, &attr, feed_thread, f) != 0) {
		f->ended = true;
		feed_drop(f);
		snprintf(o->step, sizeof(o->step), "no thread could be started");
	}
	pthread_attr_destroy(&attr);
}

static void stop_feed(struct output *o)
{
	if (!o->feed)
		return;
	pthread_mutex_lock(&o->feed->lock);
	o->feed->wake = NULL;
	o->feed->cancelled = 1;
	pthread_mutex_unlock(&o->feed->lock);
	o->wake->data = NULL;
	uv_close((uv_handle_t *)o->wake, free_async_cb);
	feed_drop(o->feed);
	o->feed = NULL;
}

/* ---- following an operation ---- */

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void op_done(struct output *o, json_t *event, json_t *data)
{
	const char *state = str(data, "state"), *result = str(data, "result");
	bool good = strcmp(state, "done") == 0;

	snprintf(o->step, sizeof(o->step), "%s", state);
	scroll_add(&o->text, good ? THEME_OK : THEME_ERROR, str(event, "text"),
	    strlen(str(event, "text")));
	if (*result)
		scroll_add(&o->text, THEME_LINK, result, strlen(result));
	if (!good) {
		json_t *why = json_object_get(data, "error");
		const char *text = json_is_string(why) ? json_string_value(why) : str(why, "message");
		scroll_add(&o->text, THEME_ERROR, text, strlen(text));
		scroll_add(&o->text, THEME_WARN, str(why, "hint"), strlen(str(why, "hint")));
	}
}

static void output_event(struct view *v, const char *type, json_t *event)
{
	struct output *o = (struct output *)v;
	json_t *data = json_object_get(event, "data");
	int64_t op = json_integer_value(json_object_get(data, "op"));

	if (!o->kind[0] || strncmp(type, "op.", 3) != 0)
		return;
	if (!o->op && strcmp(str(data, "kind"), o->kind) == 0)
		o->op = op;
	if (!o->op || op != o->op)
		return;
	if (strcmp(type, "op.step") == 0) {
		snprintf(o->step, sizeof(o->step), "%s", str(data, "step"));
		scroll_add_lead(&o->text, THEME_HEADING, ">", THEME_HEADING, o->step);
	} else if (strcmp(type, "op.log") == 0)
		scroll_add(&o->text, THEME_TEXT, str(data, "line"), strlen(str(data, "line")));
	else if (strcmp(type, "op.done") == 0)
		op_done(o, event, data);
	view_redraw(v);
}

/* ---- the view ---- */

static struct view *output_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct output *o = mem_alloc(sizeof(*o));

	view_init(&o->view, &view_output_ops, ui);
	scroll_init(&o->text, LINES_MAX);
	buf_init(&o->part, FEED_MAX);
	snprintf(o->title, sizeof(o->title), "%s", arg);
	if (strncmp(arg, "verb ", 5) == 0) {
		snprintf(o->title, sizeof(o->title), "%s", arg + 5);
		start_feed(o, arg + 5);
	} else if (strncmp(arg, "op ", 3) == 0) {
		snprintf(o->kind, sizeof(o->kind), "%s", arg + 3);
		snprintf(o->title, sizeof(o->title), "%s", o->kind);
		snprintf(o->step, sizeof(o->step), "asked for");
	}
	return &o->view;
}

static void output_free(struct view *v)
{
	struct output *o = (struct output *)v;

	stop_feed(o);
	scroll_clear(&o->text);
	buf_clear(&o->part);
	mem_free(o);
}

static void output_draw(struct view *v)
{
	struct output *o = (struct output *)v;

	scroll_draw(&o->text, 0, 1, term_height(), term_width() - 2);
}

static bool output_action(struct view *v, int argc, char **argv)
{
	struct output *o = (struct output *)v;

	if (strcmp(argv[0], "scroll") != 0 || argc < 2)
		return false;
	scroll_move(&o->text, argv[1]);
	view_redraw(v);
	return true;
}

static bool output_mouse(struct view *v, const struct term_mouse *m)
{
	struct output *o = (struct output *)v;

	if (m->kind != MOUSE_WHEEL_UP && m->kind != MOUSE_WHEEL_DOWN)
		return false;
	scroll_by(&o->text, m->kind == MOUSE_WHEEL_UP ? 3 : -3);
	view_redraw(v);
	return true;
}

static const char *output_title(struct view *v)
{
	return ((struct output *)v)->title;
}

static const char *output_status(struct view *v)
{
	return ((struct output *)v)->step;
}

const struct view_ops view_output_ops = {
	.name = "output",
	.help = "What a command printed, or how an operation goes",
	.context = "text",
	.place = VIEW_POPUP,
	.many = true,
	.create = output_create,
	.free = output_free,
	.draw = output_draw,
	.mouse = output_mouse,
	.action = output_action,
	.event = output_event,
	.title = output_title,
	.status = output_status,
};

void view_output_show(struct ui *ui, const char *title, const char *text, size_t n)
{
	struct view *v = ui_open(ui, "output", title, true);
	struct output *o = (struct output *)v;

	if (!v)
		return;
	scroll_add_text(&o->text, THEME_TEXT, text, n);
	o->text.up = (int)n + 1; /* from the top; the first draw clamps it */
}

void view_output_follow(struct ui *ui, const char *line)
{
	cl_autofree char *arg = mem_printf("verb %s", line);

	ui_open(ui, "output", arg, true);
}
