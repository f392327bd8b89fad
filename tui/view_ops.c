/*
 * Operations: tiers of one environment with their load, what happened, and the keys that change it.
 *
 *    Operate · shop · PROD      URL         v7 by bob 10:02   ● serving
 *    ┌ tier ── want ready ── cpu ── memory ── req/s ── image ┐┌ events ──┐
 *    │ was    ▸ 3     3     ▃▅▆ 61 %                         ││          │
 *    ├ was-1 ready v7 ... (instances of the chosen tier) ────┤│          │
 */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/client.h"
#include "tui/ops_model.h"
#include "tui/scroll.h"
#include "tui/text.h"
#include "tui/ui.h"

#define SIDE_WIDTH 36
#define EVENT_CELLS (2 * (SIDE_WIDTH - 4) - 8) /* two rows; `e` shows events in full */
#define SPARK_CELLS 6
#define STALE_MS 6000 /* ask for the status when no stats came for so long */
#define WANT_MS 4000  /* and so often anyway: the engine measures only what is asked for */

struct operate {
	struct view view;
	struct ops_model model;
	struct scroll events;
	uint64_t status_request, events_request;
	int64_t last_event, last_news, last_load;
	char env[8];         /* chosen by the user, or "" */
	char trouble[256];
	char title[128];
};

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static bool is_prod(const struct operate *o)
{
	return strcmp(o->model.env, "prod") == 0;
}

/* ---- loading ---- */

static void add_event(struct operate *o, json_t *event)
{
	int64_t id = json_integer_value(json_object_get(event, "id"));
	const char *at = str(event, "at"), *type = str(event, "type");
	const char *text = str(event, "text");
	char lead[16];
	size_t n = strlen(text), fit = utf8_fit(text, n, EVENT_CELLS, NULL);
	cl_autofree char *cut = mem_printf("%.*s%s", (int)fit, text, fit < n ? "\u2026" : "");

	/* steps are in the top line, and instances tell of themselves */
	if (!*text || id <= o->last_event || strcmp(type, "stats") == 0 || strcmp(type, "chat.message") == 0 ||
	    (strncmp(type, "op.", 3) == 0 && strcmp(type, "op.done") != 0))
		return;
	o->last_event = id;
	snprintf(lead, sizeof(lead), "%.5s", strlen(at) >= 16 ? at + 11 : "");
	scroll_add_lead(&o->events, THEME_DIM, lead,
	    strstr(type, "failed") || strstr(type, "gone") ? THEME_WARN : THEME_TEXT, cut);
}

static void status_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct operate *o = arg;

	o->status_request = 0;
	o->last_news = clock_ms();
	mem_copy_str(o->trouble, sizeof(o->trouble), err ? err->message : "");
	if (!err)
		ops_model_status(&o->model, reply);
	view_redraw(&o->view);
}

static void events_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct operate *o = arg;
	json_t *event;
	size_t i;

	o->events_request = 0;
	json_array_foreach(json_object_get(reply, "events"), i, event)
		add_event(o, event);
	view_redraw(&o->view);
}

static void load(struct operate *o)
{
	long long id = (long long)ui_info(o->view.ui)->project_id;
	cl_autofree char *path = mem_printf("/v1/projects/%lld/status%s%s", id,
	    o->env[0] ? "?env=" : "", o->env);

	o->last_load = clock_ms();
	if (!o->status_request)
		o->status_request =
		    client_start(ui_client(o->view.ui), "GET", path, NULL, status_cb, o);
}

static struct view *operate_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct operate *o = mem_alloc(sizeof(*o));
	cl_autofree char *path = mem_printf("/v1/projects/%lld/events?limit=100",
	    (long long)ui_info(ui)->project_id);

	view_init(&o->view, &view_ops_ops, ui);
	scroll_init(&o->events, 500);
	load(o);
	o->events_request = client_start(ui_client(ui), "GET", path, NULL, events_cb, o);
	return &o->view;
}

static void operate_free(struct view *v)
{
	struct operate *o = (struct operate *)v;

	if (o->status_request)
		client_cancel(ui_client(v->ui), o->status_request);
	if (o->events_request)
		client_cancel(ui_client(v->ui), o->events_request);
	scroll_clear(&o->events);
	mem_free(o);
}

static void operate_event(struct view *v, const char *type, json_t *event)
{
	struct operate *o = (struct operate *)v;

	if (strcmp(type, "stats") == 0) {
		o->last_news = clock_ms();
		ops_model_stats(&o->model, json_object_get(event, "data"), str(event, "env"));
	} else if (strcmp(type, "op.step") == 0)
		mem_copy_str(o->model.step, sizeof(o->model.step),
		    str(json_object_get(event, "data"), "step"));
	else if (strcmp(type, "op.log") != 0 && strcmp(type, "online") != 0 && strcmp(type, "chat.message") != 0)
		load(o);
	if (event)
		add_event(o, event);
	view_redraw(v);
}

static void operate_tick(struct view *v, int64_t now)
{
	struct operate *o = (struct operate *)v;

	if (now - o->last_news > STALE_MS || now - o->last_load > WANT_MS)
		load(o);
}

/* ---- actions ---- */

static void pin_cb(void *arg, bool yes)
{
	struct operate *o = arg;
	struct ops_model_tier *t = ops_model_chosen(&o->model);

	if (yes && t && t->asked >= 0)
		view_commandf(&o->view, "scale %s=%d --pin --env %s -q", t->name, t->asked, o->model.env);
	else if (t)
		t->asked = -1;
	view_redraw(&o->view);
}

/* Load owns the number: it is taken from it only when the user says so. */
static void offer_pin(struct operate *o, const struct ops_model_tier *t, int n)
{
	char text[200];

	snprintf(text, sizeof(text), text_of("Load decides how many %s there are (%d to %d). Fix it at %d?"),
	    t->name, t->min, t->max, n);
	ui_confirm(o->view.ui, "Fix the number", text, NULL, pin_cb, o);
}

static void scale(struct operate *o, int by)
{
	struct ops_model_tier *t = ops_model_chosen(&o->model);
	int n = ops_model_ask(&o->model, by);

	if (!t)
		return;
	if (n >= 0 && ops_model_by_load(t)) {
		offer_pin(o, t, n);
		return;
	}
	if (n < 0)
		ui_message(o->view.ui, UI_WARN, strcmp(t->name, "db") == 0
			? "db: one instance keeps the data; it is not scaled"
			: "%s: 0 to 20 instances", t->name);
	else
		view_commandf(&o->view, "scale %s=%d --env %s -q", t->name, n, o->model.env);
}

static void rollback_cb(void *arg, bool yes)
{
	struct operate *o = arg;

	if (yes)
		view_commandf(&o->view, "rollback --env %s -y", o->model.env);
}

static void rollback(struct operate *o)
{
	char text[200];

	snprintf(text, sizeof(text), text_of("Back to the release before %s in %s."), o->model.release,
	    o->model.env);
	ui_confirm(o->view.ui, "Roll back", text, is_prod(o) ? ui_info(o->view.ui)->project : NULL,
	    rollback_cb, o);
}

static void shell(struct operate *o)
{
	struct ops_model_tier *t = ops_model_chosen(&o->model);

	for (int i = 0; t && i < t->ninstances; i++)
		if (strcmp(t->instances[i].state, "ready") == 0) {
			view_commandf(&o->view, "enter %s --env %s", t->instances[i].name,
			    o->model.env);
			return;
		}
	ui_message(o->view.ui, UI_WARN, "shell: no instance of this tier is ready");
}

static void change_env(struct operate *o)
{
	mem_copy_str(o->env, sizeof(o->env), is_prod(o) ? "dev" : "prod");
	load(o);
}

static bool tier_action(struct operate *o, const char *name)
{
	struct ops_model_tier *t = ops_model_chosen(&o->model);
	const char *env = o->model.env;

	if (strcmp(name, "tier-more") == 0)
		scale(o, 1);
	else if (strcmp(name, "tier-less") == 0)
		scale(o, -1);
	else if (strcmp(name, "tier-logs") == 0 && t)
		view_commandf(&o->view, "logs -n 200 -t %s --env %s -f", t->name, env);
	else if (strcmp(name, "tier-shell") == 0)
		shell(o);
	else if (strcmp(name, "ops-events") == 0)
		view_command(&o->view, "view events");
	else if (strcmp(name, "ops-load-test") == 0)
		ui_message(o->view.ui, UI_WARN, "load test: not implemented yet");
	else if (strcmp(name, "ops-releases") == 0)
		view_commandf(&o->view, "releases --env %s", env);
	else if (strcmp(name, "ops-rollback") == 0)
		rollback(o);
	else if (strcmp(name, "ops-env") == 0)
		change_env(o);
	else
		return false;
	return true;
}

static bool operate_action(struct view *v, int argc, char **argv)
{
	struct operate *o = (struct operate *)v;
	struct ops_model *m = &o->model;

	view_redraw(v);
	if (strcmp(argv[0], "list-down") == 0)
		ops_model_choose(m, m->chosen + 1);
	else if (strcmp(argv[0], "list-up") == 0)
		ops_model_choose(m, m->chosen - 1);
	else if (strcmp(argv[0], "list-first") == 0)
		ops_model_choose(m, 0);
	else if (strcmp(argv[0], "list-last") == 0)
		ops_model_choose(m, m->ntiers - 1);
	else
		return tier_action(o, argv[0]);
	return true;
}

/* ---- drawing ---- */

static void draw_top(struct operate *o)
{
	struct ops_model *m = &o->model;
	const struct term_style *st = term_theme(is_prod(o) ? THEME_PROD : THEME_MENU);
	char left[160], right[300];
	int w = term_width(), used;

	snprintf(left, sizeof(left), "%s \u00b7 %s \u00b7 %s", text_of("Operate"),
	    ui_info(o->view.ui)->project,
	    is_prod(o) ? "PROD" : m->env);
	snprintf(right, sizeof(right), "%s   %s \u25cf %s ", m->release,
	    m->step[0] ? m->step : "", m->state);
	term_fill(0, 0, w, st, ' ');
	used = term_text(0, 1, w - 2, st, left, -1) + 4;
	used += term_text(0, used, w / 2, st, m->url, -1);
	w -= used + 2;
	for (size_t n = strlen(right); w > 0 && n; n = 0) {
		int rw = (int)n < w ? (int)n : w;
		term_text(0, term_width() - rw, rw, st, right, -1);
	}
}

/* Columns of the table, by how much room there is. */
struct columns {
	int want, ready, cpu, memory, rps, image;
};

static struct columns columns_for(int w)
{
	struct columns c = { 8, 14, 20, 36, 53, 62 };

	if (w < 64)
		c.image = 1000;
	if (w < 58)
		c.rps = 1000;
	return c;
}

static void draw_load(int y, int x, const struct spark *history, double full, const char *text)
{
	char bars[SPARK_CELLS * 3 + 1];

	spark_text(history, SPARK_CELLS, full, bars, sizeof(bars));
	term_text(y, x, SPARK_CELLS, term_theme(THEME_GRAPH), bars, -1);
	term_textf(y, x + SPARK_CELLS, 9, term_theme(THEME_TEXT), "%8s", text);
}

static void draw_tier(struct operate *o, int i, int y, int w)
{
	struct ops_model_tier *t = &o->model.tiers[i];
	struct columns c = columns_for(w);
	bool on = i == o->model.chosen;
	char text[32];
	const struct term_style *st = term_theme(on ? THEME_SELECTED : THEME_TEXT);

	term_text(y, 2, 6, st, t->name, -1);
	if (on)
		term_fill(y, c.want, 1, term_theme(THEME_TITLE_FOCUS), TERM_ARROW_RIGHT);
	if (t->asked >= 0)
		term_textf(y, c.want + 2, 5, term_theme(THEME_WARN), "%d", t->asked);
	else
		term_textf(y, c.want + 2, 4, term_theme(THEME_TEXT), ops_model_by_load(t) ? "%d*" : "%d",
		    t->want);
	term_textf(y, c.ready + 1, 4, term_theme(t->ready == t->want ? THEME_OK : THEME_WARN), "%d",
	    t->ready);
	snprintf(text, sizeof(text), t->cpu < 0 ? "\u2014" : "%.0f %%", t->cpu);
	draw_load(y, c.cpu, &t->cpu_history, t->cpu > 100 ? 0 : 100, text);
	ops_model_size(t->memory, text, sizeof(text));
	draw_load(y, c.memory, &t->memory_history, 0, text);
	if (c.rps < w)
		term_textf(y, c.rps, 7, term_theme(THEME_TEXT), t->rps < 0 ? "     \u2014" : "%6.0f",
		    t->rps);
	if (c.image < w)
		term_text(y, c.image, w - c.image - 1, term_theme(THEME_DIM), t->image, -1);
}

static void draw_header(int y, int w)
{
	struct columns c = columns_for(w);
	const struct term_style *st = term_theme(THEME_DIM);

	term_text(y, c.want, 6, st, text_of("want"), -1);
	term_text(y, c.ready, 6, st, text_of("ready"), -1);
	term_text(y, c.cpu, 6, st, text_of("cpu"), -1);
	term_text(y, c.memory, 8, st, text_of("memory"), -1);
	term_text(y, c.rps, 7, st, text_of(" req/s"), -1);
	term_text(y, c.image, 8, st, text_of("image"), -1);
}

static void draw_instances(struct operate *o, int y, int h, int w)
{
	struct ops_model_tier *t = ops_model_chosen(&o->model);
	char memory[24];

	for (int i = 0; t && i < t->ninstances && i < h; i++) {
		struct ops_model_instance *n = &t->instances[i];
		bool ready = strcmp(n->state, "ready") == 0;
		ops_model_size(n->memory, memory, sizeof(memory));
		term_text(y + i, 2, 10, term_theme(THEME_TEXT), n->name, -1);
		term_text(y + i, 12, 9, term_theme(ready ? THEME_OK : THEME_WARN), text_of(n->state), -1);
		term_textf(y + i, 22, w - 24, term_theme(THEME_DIM),
		    n->cpu < 0 ? "v%d  %10s" : "v%d  %10s  %5.0f %%", n->release, memory, n->cpu);
		if (n->restarts)
			term_textf(y + i, 48, w - 50, term_theme(THEME_WARN), text_of("%d restarts"),
			    n->restarts);
	}
}

static void draw_tiers(struct operate *o, const struct rect *r, const struct term_style *line)
{
	struct ops_model *m = &o->model;
	struct rect low = { r->y + m->ntiers + 3, 0, r->h - m->ntiers - 3, r->w };
	struct ops_model_tier *t = ops_model_chosen(m);
	char title[100];

	term_box(r, line, text_of("tier"), term_theme(THEME_TITLE_FOCUS));
	draw_header(r->y, r->w);
	for (int i = 0; i < m->ntiers; i++)
		draw_tier(o, i, r->y + 1 + i, r->w);
	if (o->trouble[0])
		term_text(r->y + 2, 2, r->w - 4, term_theme(THEME_ERROR), o->trouble, -1);
	else if (!m->known)
		term_text(r->y + 2, 2, r->w - 4, term_theme(THEME_DIM), "...", -1);
	else if (m->ntiers == 0)
		term_text(r->y + 2, 2, r->w - 4, term_theme(THEME_HEADING),
		    text_of("Nothing is deployed here yet. F6 brings it up."), -1);
	if (t && low.h > 2) {
		snprintf(title, sizeof(title), text_of(ops_model_by_load(t) ?
		    "instances of %s * load decides: %d to %d at %d %% cpu" : "instances of %s"), t->name,
		    t->min, t->max, t->load);
		term_box(&low, line, title, term_theme(THEME_TITLE));
		draw_instances(o, low.y + 1, low.h - 2, low.w);
	}
}

static void operate_draw(struct view *v)
{
	struct operate *o = (struct operate *)v;
	int rows = term_height() - 1, cols = term_width();
	bool beside = cols >= 100;
	int below = beside ? 0 : rows / 3;
	struct rect left = { 1, 0, rows - below, beside ? cols - SIDE_WIDTH : cols };
	struct rect side = { beside ? 1 : 1 + rows - below, beside ? cols - SIDE_WIDTH : 0,
			     beside ? rows : below, beside ? SIDE_WIDTH : cols };
	struct term_style line = *term_theme(THEME_BORDER_FOCUS);

	if (is_prod(o))
		line.fg = term_theme(THEME_PROD)->bg;
	term_clear(term_theme(THEME_TEXT));
	draw_top(o);
	draw_tiers(o, &left, &line);
	term_box(&side, term_theme(THEME_BORDER), text_of("events"), term_theme(THEME_TITLE));
	if (side.h > 2)
		scroll_draw(&o->events, side.y + 1, side.x + 2, side.h - 2, side.w - 4);
}

static bool operate_mouse(struct view *v, const struct term_mouse *m)
{
	struct operate *o = (struct operate *)v;

	bool wheel = m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN;

	if (wheel && term_cols() >= 100 && m->x >= term_cols() - SIDE_WIDTH) {
		view_redraw(v);
		return scroll_mouse(&o->events, m);
	}
	if (wheel) {
		ops_model_choose(&o->model, o->model.chosen + (m->kind == MOUSE_WHEEL_UP ? -1 : 1));
		view_redraw(v);
		return true;
	}
	if (m->kind != MOUSE_PRESS || m->y < 2 || m->y >= 2 + o->model.ntiers)
		return false;
	ops_model_choose(&o->model, m->y - 2);
	view_redraw(v);
	return true;
}

static const char *operate_title(struct view *v)
{
	return "Operate";
}

const struct view_ops view_ops_ops = {
	.name = "ops",
	.help = "Tiers, instances and their load",
	.context = "ops",
	.place = VIEW_FULL,
	.create = operate_create,
	.free = operate_free,
	.draw = operate_draw,
	.mouse = operate_mouse,
	.action = operate_action,
	.event = operate_event,
	.tick = operate_tick,
	.title = operate_title,
};
