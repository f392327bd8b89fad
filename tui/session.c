/*
 * The loop.  Whatever happens (a key, bytes from a terminal, an event of the engine) only changes
 * state and sets flags; before the loop sleeps again, turn_cb() runs what was asked for and makes one
 * frame if something changed and a door can take it.
 *
 * Pace: a screen that was quiet is drawn at once, and a few frames may follow at once too (a key
 * and its echo); under load there is one frame each tui.frame_ms.
 */
#include "tui/session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/client/client.h"
#include "tui/agent.h"
#include "tui/chrome.h"
#include "tui/command.h"
#include "tui/doors.h"
#include "tui/input.h"
#include "tui/limits.h"
#include "tui/tabs.h"
#include "tui/term.h"
#include "tui/term_input.h"
#include "tui/text.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"

#define FRAME_MAX (16u << 20)
#define BURST 24 /* frames that may follow one another at once: a fast typist never waits for a frame */
#define TICK_MS 1000
#define END_MS 2000 /* how long the end waits for saves, and for doors to take their last frame */
#define REFUSE_MS 10000 /* how long one that cannot start waits for its first door */

struct session {
	struct ui ui;
	uv_prepare_t prepare;
	uv_timer_t pace, tick, end;
	uv_signal_t term;
	struct limits limits;
	struct buf frame;
	int credit;       /* frames that may be made at once */
	int64_t refilled; /* when the last credit was given */
	int64_t frame_ms;
	bool opened;      /* the first views are there */
	bool closing;     /* the views are being closed */
	bool present;     /* the engine counts us among those in the project */
	int64_t newest;   /* id of the last event */
};

/* ---- frames ---- */

static void pace_cb(uv_timer_t *t)
{
	/* waking up is enough: turn_cb() runs next */
}

/* May a frame be made now?  If not, wake up when it may. */
static bool may_draw(struct session *s)
{
	int64_t now = clock_ms(), gained = (now - s->refilled) / s->frame_ms;

	if (gained > 0) {
		s->credit = s->credit + gained > BURST ? BURST : s->credit + (int)gained;
		s->refilled = s->credit == BURST ? now : s->refilled + gained * s->frame_ms;
	}
	if (s->credit > 0) {
		s->credit--;
		return true;
	}
	uv_timer_start(&s->pace, pace_cb, (uint64_t)(s->refilled + s->frame_ms - now), 0);
	return false;
}

static void draw(struct session *s)
{
	struct ui *ui = &s->ui;

	buf_clear(&s->frame);
	if (ui->arrange)
		chrome_arrange(ui);
	term_frame_begin();
	chrome_draw(ui);
	term_frame_end(&s->frame);
	doors_frame(ui->doors, &s->frame);
	if (s->frame.cap > 65536)
		buf_clear(&s->frame);
}

static void end_cb(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void set_ticking(struct session *s);

static void turn_cb(uv_prepare_t *h)
{
	struct session *s = h->data;
	struct ui *ui = &s->ui;

	command_run_pending(ui);
	set_ticking(s);
	if (ui->quitting && !doors_pending(ui->doors) && !ui->saving) {
		uv_stop(&ui->loop);
		return;
	}
	if (ui->quitting && !uv_is_active((uv_handle_t *)&s->end))
		uv_timer_start(&s->end, end_cb, END_MS, 0);
	if (!s->opened || doors_idle(ui->doors) == 0)
		return; /* nobody to draw for; a door that comes or is ready wakes us */
	if (ui->redraw || ui->arrange) {
		if (may_draw(s))
			draw(s);
	} else
		doors_paint_stale(ui->doors);
}

/* ---- time ---- */

static void tick_cb(uv_timer_t *t)
{
	struct session *s = t->data;
	struct ui *ui = &s->ui;
	int64_t now = clock_ms();

	if (ui->message_until && now >= ui->message_until) {
		ui->message_until = 0;
		ui->redraw = ui->redraw_all = true;
	}
	for (struct view *v = NULL; (v = ui_next(ui, v));)
		if (v->visible && v->ops->tick)
			v->ops->tick(v, now);
}

/* Hundreds of sessions that rest shall not wake up for nothing. */
static bool wants_tick(struct ui *ui)
{
	if (doors_count(ui->doors) == 0)
		return false;
	if (ui->message_until)
		return true;
	for (struct view *v = NULL; (v = ui_next(ui, v));)
		if (v->visible && v->ops->tick && !(v->ops->quiet && v->ops->quiet(v)))
			return true;
	return false;
}

static void set_ticking(struct session *s)
{
	if (!wants_tick(&s->ui))
		uv_timer_stop(&s->tick);
	else if (!uv_is_active((uv_handle_t *)&s->tick))
		uv_timer_start(&s->tick, tick_cb, TICK_MS, TICK_MS);
}

/* ---- doors ---- */

static void open_views(struct session *s)
{
	struct ui *ui = &s->ui;

	s->opened = true;
	if (!ui->info->project_id) {
		ui_open(ui, "home", "", true);
		return;
	}
	ui_open(ui, "tree", "", true);
	ui_open(ui, "chat", "", false);
	ui_open(ui, "terminal", "", false);
	tabs_restore(ui);
	if (ui->info->root < 0)
		ui_message(ui, UI_ERROR, "the project's files are not on this machine");
}

/* The newest owner's door sets the size of the screen. */
static void take_size(struct session *s, const struct doors_info *info)
{
	struct ui *ui = &s->ui;
	struct cl_err err = { 0 };

	if (info->small || (info->mode != DOOR_OWNER && term_rows() > 0))
		return;
	if (term_rows() == 0) {
		if (term_open(info->rows, info->cols, &err) < 0) {
			log_error("%s", err.message);
			ui->quitting = true;
			doors_end_all(ui->doors, 1, err.message);
			return;
		}
	} else if (info->rows != term_rows() || info->cols != term_cols()) {
		term_resize(info->rows, info->cols);
		doors_out_of_step(ui->doors);
	}
	layout_set_size(ui->layout, VIEW_LEFT, info->cols >= 100 ? 24 : 20);
	layout_set_size(ui->layout, VIEW_RIGHT, info->cols >= 140 ? 36 : 30);
	layout_set_size(ui->layout, VIEW_BELOW, (info->rows - 2) * 2 / 5);
	ui->arrange = ui->redraw = true;
	if (!s->opened)
		open_views(s);
}

static void set_present(struct session *s);

/* The interface speaks its owner's language, whoever looks on. */
static void take_language(struct session *s, const struct doors_info *info)
{
	const char *set = config_str("tui.language");

	if (info->mode == DOOR_OWNER && text_use(strcmp(set, "auto") == 0 ? info->lang : set))
		s->ui.redraw = s->ui.redraw_all = true;
}

static void attach_cb(void *arg, struct door *d)
{
	struct session *s = arg;
	const struct doors_info *info = doors_info_of(d);

	if (info->dumb) {
		doors_end(d, 1,
		    "TERM=dumb cannot show the IDE. `ssh -t HOST menu` needs no screen");
		return;
	}
	take_language(s, info);
	take_size(s, info);
	agent_doors();
	set_present(s);
	s->ui.redraw = true;
}

static void resize_cb(void *arg, struct door *d)
{
	struct session *s = arg;

	take_size(s, doors_info_of(d));
	s->ui.redraw = true;
}

static void input_cb(void *arg, struct door *d, const void *data, size_t n)
{
	struct session *s = arg;
	struct term_event ev;

	if (!s->opened || doors_info_of(d)->small) {
		if (memchr(data, 'q' - 'a' + 1, n)) /* what the notice says */
			doors_end(d, 0, "");
		return;
	}
	term_input_feed(data, n);
	for (term_input_read(&ev); ev.kind != TERM_NOTHING; term_input_read(&ev)) {
		input_event(&s->ui, &ev);
		/* a key may change what the next one means */
		command_run_pending(&s->ui);
	}
}

static void ready_cb(void *arg)
{
	/* turn_cb() looks for itself */
}

static void gone_cb(void *arg)
{
	struct session *s = arg;

	if (s->closing)
		return;
	agent_doors();
	set_present(s);
	if (s->opened && doors_count(s->ui.doors) == 0)
		tabs_save(&s->ui); /* a session may be killed any time later */
}

static const struct doors_ops door_ops = {
	.attach = attach_cb,
	.resize = resize_cb,
	.input = input_cb,
	.ready = ready_cb,
	.gone = gone_cb,
};

/* ---- the engine ---- */

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void project_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct ui *ui = arg;

	if (err)
		return;
	mem_copy_str(ui->stack, sizeof(ui->stack), str(reply, "stack"));
	mem_copy_str(ui->dev_state, sizeof(ui->dev_state), str(reply, "dev"));
	mem_copy_str(ui->role, sizeof(ui->role), str(reply, "role"));
	mem_copy_str(ui->url, sizeof(ui->url), str(reply, "running"));
	ui->redraw = ui->redraw_all = true;
}

static void ask_project(struct ui *ui)
{
	cl_autofree char *path = NULL;

	if (!ui->info->project_id)
		return;
	path = mem_printf("/v1/projects/%lld", (long long)ui->info->project_id);
	client_start(ui->client, "GET", path, NULL, project_cb, ui);
}

static void tell_views(struct ui *ui, const char *type, json_t *event)
{
	for (int i = 0; i < ui->nviews; i++)
		if (ui->views[i]->ops->event)
			ui->views[i]->ops->event(ui->views[i], type, event);
}

/* What the whole session says about an event, whichever views are open. */
static void own_event(struct ui *ui, const char *type, json_t *event)
{
	json_t *data = json_object_get(event, "data");
	bool mine = strcmp(str(event, "actor"), ui->info->user) == 0;

	if (strcmp(type, "dev.state") == 0) {
		mem_copy_str(ui->dev_state, sizeof(ui->dev_state), str(data, "state"));
		ui->redraw = ui->redraw_all = true;
		if (str(data, "reason")[0])
			ui_message(ui, UI_ERROR, "%s", str(event, "text"));
	} else if (strcmp(type, "online") == 0) {
		ui->online = (int)json_integer_value(json_object_get(data, "online"));
		ui->redraw = true;
	} else if (strcmp(type, "op.done") == 0 && mine)
		ui_message(ui, strcmp(str(data, "state"), "done") == 0 ? UI_INFO : UI_ERROR,
		    "%s: %s%s%s", str(data, "kind"), str(event, "text"),
		    str(data, "result")[0] ? "  " : "", str(data, "result"));
	else if (strncmp(type, "release.", 8) == 0 || strcmp(type, "backend.state") == 0)
		ui_message(ui, strstr(type, "failed") ? UI_ERROR : UI_INFO, "%s",
		    str(event, "text"));
	else if (strcmp(type, "project.removed") == 0 && ui->info->project_id)
		ui_message(ui, UI_ERROR, "this project was removed; Ctrl-Q leaves");
	else if (strcmp(type, "project.loaded") == 0 && ui->info->project_id &&
	    json_integer_value(json_object_get(event, "project")) == ui->info->project_id)
		/* The workspace is another folder now, and this process may enter the old one alone.
		 * Its doors are cut without a word: each asks for the session again and gets a new one,
		 * which brings files, terminals and unsaved text back. */
		ui->quitting = true;
}

static void event_cb(void *arg, const char *type, json_t *event)
{
	struct session *s = arg;
	struct ui *ui = &s->ui;
	int64_t id = json_integer_value(json_object_get(event, "id"));

	s->newest = id > s->newest ? id : s->newest;
	own_event(ui, type, event);
	tell_views(ui, type, event);
}

static void engine_cb(void *arg, bool up, const struct cl_err *why)
{
	struct ui *ui = &((struct session *)arg)->ui;
	bool was_down = ui->engine_down;

	ui->engine_down = !up;
	mem_copy_str(ui->engine_why, sizeof(ui->engine_why), why ? why->message : "");
	if (up || !was_down)
		ui->redraw = ui->redraw_all = true;
	if (up) {
		ask_project(ui);
		tell_views(ui, "engine.up", NULL);
	}
}

static void hear(struct session *s)
{
	struct ui *ui = &s->ui;
	char query[64] = "";

	if (ui->events)
		client_events_close(ui->events);
	if (ui->info->project_id)
		snprintf(query, sizeof(query), "project=%lld%s", (long long)ui->info->project_id,
		    s->present ? "&presence=1" : "");
	ui->events = client_events_open(ui->client, query, s->newest, event_cb, engine_cb, s);
}

/* Who has left a session running is not in the project: the stream goes on as a mere listener. */
static void set_present(struct session *s)
{
	bool present = doors_count(s->ui.doors) > 0 && s->ui.info->project_id;

	if (present == s->present || s->ui.quitting)
		return;
	s->present = present;
	hear(s);
}

/* ---- life ---- */

static void redraw_cb(struct ui *ui)
{
	ui->redraw = true;
}

static void quit_signal_cb(uv_signal_t *h, int number)
{
	struct session *s = h->data;

	s->ui.quitting = true;
	doors_end_all(s->ui.doors, 0, "the session was ended");
}

static void warn_cb(void *arg, const char *text)
{
	ui_message(&((struct session *)arg)->ui, UI_WARN, "%s", text);
}

/* Nobody came for too long: as if told to end. */
static void over_cb(void *arg)
{
	quit_signal_cb(&((struct session *)arg)->term, SIGTERM);
}

static void init_layout(struct ui *ui)
{
	ui->layout = layout_new(VIEW_MAIN);
	layout_split(ui->layout, VIEW_MAIN, LAYOUT_LEFT, VIEW_LEFT, 20);
	layout_split(ui->layout, VIEW_MAIN, LAYOUT_RIGHT, VIEW_RIGHT, 30);
	layout_split(ui->layout, VIEW_MAIN, LAYOUT_DOWN, VIEW_BELOW, 9);
}


static void init_loop(struct session *s)
{
	struct ui *ui = &s->ui;

	uv_loop_init(&ui->loop);
	uv_prepare_init(&ui->loop, &s->prepare);
	uv_timer_init(&ui->loop, &s->pace);
	uv_timer_init(&ui->loop, &s->tick);
	uv_timer_init(&ui->loop, &s->end);
	uv_signal_init(&ui->loop, &s->term);
	s->prepare.data = s->pace.data = s->tick.data = s->term.data = s;
	uv_prepare_start(&s->prepare, turn_cb);
	uv_signal_start(&s->term, quit_signal_cb, SIGTERM);
}

static void close_all(struct session *s)
{
	struct ui *ui = &s->ui;

	s->closing = true;
	while (ui->nviews)
		ui_close(ui, ui->views[ui->nviews - 1]);
	if (ui->events)
		client_events_close(ui->events);
	client_free(ui->client);
	doors_free(ui->doors);
	layout_free(ui->layout);
	term_close();
	buf_clear(&s->frame);
	mem_free(ui->clip);
}

int session_run(const struct ui_info *info)
{
	static const struct view_host host = { .redraw = redraw_cb, .command = ui_command };
	struct session *s = mem_alloc(sizeof(*s));
	struct ui *ui = &s->ui;

	ui->info = info;
	ui->pending_end = &ui->pending;
	signal(SIGPIPE, SIG_IGN);
	view_set_host(&host);
	buf_init(&s->frame, FRAME_MAX);
	s->frame_ms = config_int("tui.frame_ms");
	init_loop(s);
	init_layout(ui);
	ui->doors = doors_new(&ui->loop, info->listen_fd, 0, &door_ops, s);
	agent_init(ui->doors, info->project_ref);
	doors_set_mouse(ui->doors, config_bool("tui.mouse"));
	ui->client = client_new(&ui->loop, info->socket);
	s->limits = (struct limits){ .doors = ui->doors, .warn = warn_cb, .over = over_cb, .arg = s };
	limits_start(&s->limits, &ui->loop);
	hear(s);
	uv_run(&ui->loop, UV_RUN_DEFAULT);
	if (ui->saving)
		_exit(0); /* the disk hangs: as if killed, which files and journals survive */
	close_all(s);
	/* a return would wait for libuv's threads, and one may follow an operation for minutes */
	if (ui->working)
		_exit(0);
	return 0;
}

/* ---- one that cannot start ---- */

struct refusal {
	uv_loop_t loop;
	uv_timer_t patience;
	struct doors *doors;
	const char *why;
};

static void refuse_attach_cb(void *arg, struct door *d)
{
	doors_end(d, 1, ((struct refusal *)arg)->why);
}

static void refuse_gone_cb(void *arg)
{
	uv_stop(&((struct refusal *)arg)->loop);
}

static void refuse_late_cb(uv_timer_t *t)
{
	uv_stop(t->loop);
}

int session_refuse(int listen_fd, const char *why)
{
	static const struct doors_ops ops = { .attach = refuse_attach_cb, .gone = refuse_gone_cb };
	struct refusal *r = mem_alloc(sizeof(*r));

	signal(SIGPIPE, SIG_IGN);
	r->why = why;
	uv_loop_init(&r->loop);
	uv_timer_init(&r->loop, &r->patience);
	uv_timer_start(&r->patience, refuse_late_cb, REFUSE_MS, 0);
	r->doors = doors_new(&r->loop, listen_fd, 0, &ops, r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	doors_free(r->doors);
	mem_free(r);
	return 1;
}
