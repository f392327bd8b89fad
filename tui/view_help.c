/* Help: keys of where the user was, then all others, then the commands; all from the tables. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/verb.h"
#include "tui/action.h"
#include "tui/keymap.h"
#include "tui/scroll.h"
#include "tui/text.h"
#include "tui/ui.h"

struct help {
	struct view view;
	struct scroll text;
	char title[64];
};

static void heading(struct help *h, const char *text)
{
	if (h->text.n)
		scroll_add(&h->text, THEME_TEXT, "", 0);
	scroll_add(&h->text, THEME_HEADING, text_of(text), strlen(text_of(text)));
}

static void add_keys(struct help *h, const char *context)
{
	char lead[32], text[160];

	for (const struct keymap_row *r = keymap_table; r->context; r++) {
		if (strcmp(r->context, context) != 0)
			continue;
		snprintf(lead, sizeof(lead), "  %-12s", r->key);
		const char *note = text_of(r->note);
		int pad = 24 - utf8_width(note, strlen(note));
		snprintf(text, sizeof(text), "%s%*s {%s}", note, pad > 0 ? pad : 0, "", r->text);
		scroll_add_lead(&h->text, THEME_NAME, lead, THEME_TEXT, text);
	}
}

static void add_row(struct help *h, const char *name, const char *args, const char *about)
{
	char lead[160];

	snprintf(lead, sizeof(lead), "  %s %s", name, args ? args : "");
	scroll_add_lead(&h->text, THEME_NAME, lead, THEME_TEXT, "");
	snprintf(lead, sizeof(lead), "      %s", about ? about : "");
	scroll_add(&h->text, THEME_TEXT, lead, strlen(lead));
}

/* Each context once, in the order of the table, but those that were shown already. */
static void add_other_keys(struct help *h, const char *context)
{
	const char *last = "";
	char title[64];

	for (const struct keymap_row *r = keymap_table; r->context; r++) {
		if (strcmp(r->context, last) == 0)
			continue;
		last = r->context;
		if (strcmp(last, context) == 0 || strcmp(last, "global") == 0)
			continue;
		snprintf(title, sizeof(title), text_of("Keys: %s"), last);
		heading(h, title);
		add_keys(h, last);
	}
}

static void fill(struct help *h, const char *context)
{
	char title[64];

	snprintf(title, sizeof(title), text_of("Keys here: %s"), context);
	heading(h, title);
	if (keymap_is_list(context))
		add_keys(h, "list");
	add_keys(h, context);
	if (strcmp(context, "global") != 0) {
		heading(h, "Keys everywhere");
		add_keys(h, "global");
	}
	if (strcmp(context, "terminal") == 0)
		scroll_add(&h->text, THEME_DIM,
		    "  In a terminal these come after Ctrl-]; all else goes to the program.", 69);
	add_other_keys(h, context);
	heading(h, "Commands (F2): here, as `ssh HOST COMMAND`, and in the codinglab program");
	for (const struct verb *v = verb_table; v->name; v++)
		add_row(h, v->name, v->args, v->help);
	heading(h, "Actions (F2)");
	for (const struct action *a = action_table; a->name; a++)
		add_row(h, a->name, a->args, a->help);
}

static struct view *help_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct help *h = mem_alloc(sizeof(*h));

	view_init(&h->view, &view_help_ops, ui);
	scroll_init(&h->text, 4000);
	snprintf(h->title, sizeof(h->title), "Help");
	fill(h, *arg ? arg : "global");
	h->text.up = 1 << 20; /* from the top; the first draw clamps it */
	return &h->view;
}

static void help_free(struct view *v)
{
	scroll_clear(&((struct help *)v)->text);
	mem_free(v);
}

static void help_draw(struct view *v)
{
	scroll_draw(&((struct help *)v)->text, 0, 1, term_height(), term_width() - 2);
}

static bool help_action(struct view *v, int argc, char **argv)
{
	if (strcmp(argv[0], "scroll") != 0 || argc < 2)
		return false;
	scroll_move(&((struct help *)v)->text, argv[1]);
	view_redraw(v);
	return true;
}

static bool help_mouse(struct view *v, const struct term_mouse *m)
{
	view_redraw(v);
	return scroll_mouse(&((struct help *)v)->text, m);
}

static const char *help_title(struct view *v)
{
	return ((struct help *)v)->title;
}

const struct view_ops view_help_ops = {
	.name = "help",
	.help = "Keys and commands",
	.context = "text",
	.place = VIEW_POPUP,
	.create = help_create,
	.free = help_free,
	.draw = help_draw,
	.mouse = help_mouse,
	.action = help_action,
	.title = help_title,
};
