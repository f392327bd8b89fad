/*
 * Chat of a project: history, what people say now, and a line to say something.  An own message is
 * shown when the engine tells of it, as everyone else's; numbers rise, so none is shown twice.
 */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "engine/client/client.h"
#include "tui/field.h"
#include "tui/quote.h"
#include "tui/scroll.h"
#include "tui/text.h"
#include "tui/ui.h"

#define KEPT 1000

struct chat {
	struct view view;
	struct scroll text;
	struct field field;
	int64_t last;      /* number of the newest message shown */
	uint64_t request;
	char title[64];
	char day[11];      /* of the newest message: "2026-11-22" */
	bool failed;
};

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void add_message(struct chat *c, int64_t id, const char *at, const char *user,
    const char *text)
{
	char lead[64];
	bool own = strcmp(user, ui_info(c->view.ui)->user) == 0;

	if (id <= c->last)
		return;
	c->last = id;
	if (strlen(at) >= 16 && strncmp(at, c->day, 10) != 0) {
		mem_copy_str(c->day, sizeof(c->day), at);
		scroll_add(&c->text, THEME_DIM, c->day, strlen(c->day));
	}
	snprintf(lead, sizeof(lead), "%.5s %s", strlen(at) >= 16 ? at + 11 : "--:--", user);
	scroll_add_lead(&c->text, own ? THEME_DIM : THEME_NAME, lead, THEME_TEXT, text);
}

static void history_cb(void *arg, json_t *reply, const struct cl_err *err)
{
	struct chat *c = arg;
	json_t *m;
	size_t i;

	c->request = 0;
	c->failed = err != NULL;
	json_array_foreach(json_object_get(reply, "messages"), i, m)
		add_message(c, json_integer_value(json_object_get(m, "id")), str(m, "at"),
		    str(m, "user"), str(m, "text"));
	view_redraw(&c->view);
}

static void load(struct chat *c)
{
	cl_autofree char *path = mem_printf("/v1/projects/%lld/chat?limit=200",
	    (long long)ui_info(c->view.ui)->project_id);

	if (!c->request)
		c->request = client_start(ui_client(c->view.ui), "GET", path, NULL, history_cb, c);
}

static struct view *chat_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct chat *c = mem_alloc(sizeof(*c));

	view_init(&c->view, &view_chat_ops, ui);
	scroll_init(&c->text, KEPT);
	field_init(&c->field, "");
	load(c);
	return &c->view;
}

static void chat_free(struct view *v)
{
	struct chat *c = (struct chat *)v;

	if (c->request)
		client_cancel(ui_client(v->ui), c->request);
	scroll_clear(&c->text);
	field_clear(&c->field);
	mem_free(c);
}

static void chat_draw(struct view *v)
{
	struct chat *c = (struct chat *)v;
	int h = term_height(), w = term_width();

	scroll_draw(&c->text, 0, 1, h - 1, w - 1);
	term_fill(h - 1, 0, w, term_theme(THEME_TEXT), ' ');
	if (c->failed && c->text.n == 0)
		term_text(0, 1, w - 1, term_theme(THEME_DIM), text_of("no answer from the engine yet"), -1);
	else if (c->text.n == 0)
		term_text(0, 1, w - 1, term_theme(THEME_DIM), text_of("nothing was said yet"), -1);
	term_text(h - 1, 1, 2, term_theme(v->focused ? THEME_HEADING : THEME_DIM), ">", 1);
	field_draw(&c->field, h - 1, 3, w - 4, term_theme(v->focused ? THEME_INPUT : THEME_DIM),
	    v->focused);
	for (int y = 0; y < h - 1; y++)
		term_fill(y, 0, 1, term_theme(THEME_TEXT), ' ');
}

static void say(struct chat *c)
{
	cl_autofree char *text = quote_word(c->field.text);

	if (strspn(c->field.text, " ") == c->field.len)
		return;
	view_commandf(&c->view, "chat say -q -- %s", text);
	field_set(&c->field, "");
	c->text.up = 0;
}

static bool chat_key(struct view *v, const struct term_key *k)
{
	struct chat *c = (struct chat *)v;

	view_redraw(v);
	if (k->code == KEYC_ENTER)
		say(c);
	else if (k->code == KEYC_ESC)
		view_command(v, "focus editor");
	else
		return field_key(&c->field, k);
	return true;
}

static bool chat_paste(struct view *v, const char *text, size_t n)
{
	field_paste(&((struct chat *)v)->field, text, n);
	view_redraw(v);
	return true;
}

static bool chat_mouse(struct view *v, const struct term_mouse *m)
{
	if (m->kind != MOUSE_WHEEL_UP && m->kind != MOUSE_WHEEL_DOWN)
		return false;
	scroll_by(&((struct chat *)v)->text, m->kind == MOUSE_WHEEL_UP ? 3 : -3);
	view_redraw(v);
	return true;
}

static bool chat_action(struct view *v, int argc, char **argv)
{
	if (strcmp(argv[0], "chat-scroll") != 0 || argc < 2)
		return false;
	scroll_move(&((struct chat *)v)->text, strcmp(argv[1], "up") == 0 ? "page-up" : "page-down");
	view_redraw(v);
	return true;
}

static void chat_event(struct view *v, const char *type, json_t *event)
{
	struct chat *c = (struct chat *)v;
	json_t *data = json_object_get(event, "data");

	if (strcmp(type, "engine.up") == 0) {
		load(c); /* what was said while the stream was cut */
		return;
	}
	if (strcmp(type, "chat.message") != 0)
		return;
	if (!v->visible && strcmp(str(data, "user"), ui_info(v->ui)->user) != 0)
		ui_message(v->ui, UI_INFO, "%s: %s", str(data, "user"), str(data, "text"));
	add_message(c, json_integer_value(json_object_get(data, "id")), str(event, "at"),
	    str(data, "user"), str(data, "text"));
	view_redraw(v);
}

static const char *chat_title(struct view *v)
{
	struct chat *c = (struct chat *)v;

	snprintf(c->title, sizeof(c->title), "%s \u00b7 %s", text_of("Chat"), ui_info(v->ui)->project);
	return c->title;
}

const struct view_ops view_chat_ops = {
	.name = "chat",
	.help = "Talk with the people of this project",
	.context = "chat",
	.place = VIEW_RIGHT,
	.create = chat_create,
	.free = chat_free,
	.draw = chat_draw,
	.key = chat_key,
	.paste = chat_paste,
	.mouse = chat_mouse,
	.action = chat_action,
	.event = chat_event,
	.title = chat_title,
};
