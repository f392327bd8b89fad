/* Events: what happened in this project (or on the platform), and what happens now. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "engine/client/client.h"
#include "tui/scroll.h"
#include "tui/text.h"
#include "tui/ui.h"

struct events {
	struct view view;
	struct scroll text;
	int64_t last;
	uint64_t request;
};

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void add_event(struct events *e, json_t *event)
{
	const char *at = str(event, "at"), *type = str(event, "type");
	int64_t id = json_integer_value(json_object_get(event, "id"));
	bool bad = strstr(type, "failed") || strstr(type, "gone");
	char lead[80];

	if (!str(event, "text")[0] || id <= e->last || strcmp(type, "stats") == 0 || strcmp(type, "op.log") == 0)
		return;
	e->last = id;
	snprintf(lead, sizeof(lead), "%.16s  %-16.32s", strlen(at) >= 16 ? at : "", type);
	scroll_add_lead(&e->text, THEME_DIM, lead, bad ? THEME_WARN : THEME_TEXT,
	    str(event, "text"));
}

static void past_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct events *e = arg;
	json_t *event;
	size_t i;

	e->request = 0;
	if (err)
		ui_message_err(e->view.ui, err);
	json_array_foreach(json_object_get(reply, "events"), i, event)
		add_event(e, event);
	view_redraw(&e->view);
}

static struct view *events_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct events *e = mem_alloc(sizeof(*e));
	cl_autofree char *path = mem_printf("/v1/projects/%lld/events?limit=500",
	    (long long)ui_info(ui)->project_id);

	view_init(&e->view, &view_events_ops, ui);
	scroll_init(&e->text, 2000);
	if (ui_info(ui)->project_id)
		e->request = client_start(ui_client(ui), "GET", path, NULL, past_cb, e);
	return &e->view;
}

static void events_free(struct view *v)
{
	struct events *e = (struct events *)v;

	if (e->request)
		client_cancel(ui_client(v->ui), e->request);
	scroll_clear(&e->text);
	mem_free(e);
}

static void events_draw(struct view *v)
{
	struct events *e = (struct events *)v;

	scroll_draw(&e->text, 0, 1, term_height(), term_width() - 2);
	if (e->text.n == 0)
		term_text(0, 1, term_width() - 2, term_theme(THEME_DIM), text_of("nothing happened yet"), -1);
}

static bool events_action(struct view *v, int argc, char **argv)
{
	if (strcmp(argv[0], "scroll") != 0 || argc < 2)
		return false;
	scroll_move(&((struct events *)v)->text, argv[1]);
	view_redraw(v);
	return true;
}

static void events_event(struct view *v, const char *type, json_t *event)
{
	if (event)
		add_event((struct events *)v, event);
	view_redraw(v);
}

static bool events_mouse(struct view *v, const struct term_mouse *m)
{
	view_redraw(v);
	return scroll_mouse(&((struct events *)v)->text, m);
}

static const char *events_title(struct view *v)
{
	return "Events";
}

const struct view_ops view_events_ops = {
	.name = "events",
	.help = "What happened in this project",
	.context = "text",
	.place = VIEW_POPUP,
	.create = events_create,
	.free = events_free,
	.draw = events_draw,
	.mouse = events_mouse,
	.action = events_action,
	.event = events_event,
	.title = events_title,
};
