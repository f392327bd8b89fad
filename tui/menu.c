/* Menus. */
#include "tui/menu.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/keymap.h"
#include "tui/term.h"
#include "tui/text.h"

struct item {
	const char *menu;  /* NULL: same as the row above */
	const char *label; /* NULL ends */
	const char *text;
	bool home;         /* makes sense without a project */
};

static const struct item items[] = {
	{ "Project", "New project", "project-new", true },
	{ NULL, "All projects", "home", false },
	{ NULL, "Members", "project member ls", false },
	{ NULL, "Close other windows", "take-over", true },
	{ NULL, "Leave (session lives on)", "detach", true },
	{ NULL, "End the session", "quit", true },
	{ "Edit", "Save", "save", false },
	{ NULL, "Undo", "undo", false },
	{ NULL, "Redo", "redo", false },
	{ NULL, "Cut", "cut", false },
	{ NULL, "Copy", "copy", false },
	{ NULL, "Paste", "paste", false },
	{ NULL, "Find", "find", false },
	{ NULL, "Replace", "replace", false },
	{ NULL, "Go to file", "goto-file", false },
	{ NULL, "Go to line", "goto-line", false },
	{ "View", "Files", "focus tree", false },
	{ NULL, "Editor", "focus editor", false },
	{ NULL, "Terminal", "terminal", false },
	{ NULL, "Chat", "focus chat", false },
	{ NULL, "Hide or show files", "hide tree", false },
	{ NULL, "Hide or show terminals", "hide terminal", false },
	{ NULL, "Hide or show chat", "hide chat", false },
	{ NULL, "Zoom", "zoom", false },
	{ NULL, "Mouse on or off", "mouse", true },
	{ NULL, "Repaint", "redraw", true },
	{ "Run", "Run", "run-project", false },
	{ NULL, "Test", "test-project", false },
	{ NULL, "Prompt of the language", "repl-project", false },
	{ NULL, "Debugger", "debug-project", false },
	{ NULL, "New terminal", "terminal new", false },
	{ NULL, "Start the container", "up", false },
	{ NULL, "Stop the container", "stop", false },
	{ NULL, "Restart the container", "restart", false },
	{ NULL, "Keep container and files", "save --", false },
	{ NULL, "What was kept", "saves", false },
	{ "Deploy", "Ship to production", "ship-project", false },
	{ NULL, "Deploy to dev", "deploy", false },
	{ NULL, "Promote dev to production", "promote", false },
	{ NULL, "Operate", "operate", false },
	{ NULL, "Releases", "releases", false },
	{ NULL, "Status", "status", false },
	{ "Git", "Status in a terminal", "run git status", false },
	{ "Help", "Keys and commands", "help", true },
	{ NULL, "Palette", "palette", true },
	{ NULL, "Stacks", "stack ls", true },
	{ NULL, "About", "info", true },
	{ NULL, NULL, NULL, false },
};

#define LINE_X 1
#define BRAND "CodingLab"

struct menu {
	int which, count; /* menu; its entries */
	int chosen;
	bool home;
	int x, w;
};

static int menus(void)
{
	int n = 0;

	for (const struct item *i = items; i->label; i++)
		n += i->menu != NULL;
	return n;
}

static const struct item *first_of(int which)
{
	const struct item *i = items;

	for (int n = -1; i->label; i++)
		if (i->menu && ++n == which)
			break;
	return i;
}

/* Entry number `index` of the menu that is offered, or NULL. */
static const struct item *entry(const struct menu *m, int index)
{
	const struct item *i = first_of(m->which);

	for (bool first = true; i->label && (first || !i->menu); i++, first = false)
		if ((!m->home || i->home) && index-- == 0)
			return i;
	return NULL;
}

static int cells(const char *text)
{
	const char *shown = text_of(text);

	return utf8_width(shown, strlen(shown));
}

static int title_x(int which)
{
	int x = LINE_X + (int)strlen(BRAND) + 2;

	for (int i = 0; i < which; i++)
		x += cells(first_of(i)->menu) + 2;
	return x;
}

/* The key that runs this text, as a label, or "". */
static const char *key_of(const char *text)
{
	for (const struct keymap_row *r = keymap_table; r->context; r++)
		if (strcmp(r->text, text) == 0)
			return r->key;
	return "";
}

static void turn_to(struct menu *m, int which)
{
	int n = menus(), w;

	m->which = (which % n + n) % n;
	m->chosen = 0;
	m->x = title_x(m->which);
	m->w = 8;
	for (m->count = 0; entry(m, m->count); m->count++) {
		w = cells(entry(m, m->count)->label) +
		    (int)strlen(key_of(entry(m, m->count)->text)) + 6;
		m->w = w > m->w ? w : m->w;
	}
}

struct menu *menu_new(int which, bool home)
{
	struct menu *m = mem_alloc(sizeof(*m));

	m->home = home;
	turn_to(m, which);
	return m;
}

void menu_free(struct menu *m)
{
	mem_free(m);
}

const char *menu_text(const struct menu *m)
{
	const struct item *i = entry(m, m->chosen);

	return i ? i->text : "";
}

enum menu_state menu_key(struct menu *m, const struct term_key *k)
{
	if (k->code == KEYC_LEFT)
		turn_to(m, m->which - 1);
	else if (k->code == KEYC_RIGHT || k->code == KEYC_TAB)
		turn_to(m, m->which + 1);
	else if ((k->code == KEYC_DOWN || k->code == 'j') && m->count)
		m->chosen = (m->chosen + 1) % m->count;
	else if ((k->code == KEYC_UP || k->code == 'k') && m->count)
		m->chosen = (m->chosen + m->count - 1) % m->count;
	else if (k->code == KEYC_ENTER)
		return m->count ? MENU_CHOSEN : MENU_CLOSED;
	else if (k->code == KEYC_ESC || k->code == KEYC_F1 + 9 || k->code == 'q')
		return MENU_CLOSED;
	return MENU_OPEN;
}

enum menu_state menu_mouse(struct menu *m, int y, int x)
{
	int which = y == 0 ? menu_at(x) : -1;

	if (which >= 0 && which != m->which) {
		turn_to(m, which);
		return MENU_OPEN;
	}
	if (y < 2 || y >= 2 + m->count || x <= m->x || x >= m->x + m->w)
		return MENU_CLOSED;
	m->chosen = y - 2;
	return MENU_CHOSEN;
}

void menu_draw(const struct menu *m)
{
	struct rect r = { 1, m->x, m->count + 2, m->w };
	const struct item *i;

	if (r.x + r.w > term_width())
		r.x = term_width() - r.w;
	term_clip(&r, false);
	term_clear(term_theme(THEME_BAR));
	r.y = r.x = 0;
	term_box(&r, term_theme(THEME_BAR), NULL, NULL);
	for (int n = 0; (i = entry(m, n)); n++) {
		const struct term_style *st =
		    term_theme(n == m->chosen ? THEME_MENU_SELECTED : THEME_BAR);
		const char *key = key_of(i->text);
		term_fill(n + 1, 1, r.w - 2, st, ' ');
		term_text(n + 1, 2, r.w - 3, st, text_of(i->label), -1);
		term_text(n + 1, r.w - 2 - (int)strlen(key), 12, st, key, -1);
	}
	term_clip(NULL, false);
}

int menu_draw_line(const struct menu *m)
{
	struct term_style brand = *term_theme(THEME_MENU);
	int n = menus(), x = 0;

	brand.attr |= TERM_BOLD;
	term_fill(0, 0, term_width(), term_theme(THEME_MENU), ' ');
	term_text(0, LINE_X, 20, &brand, BRAND, -1);
	for (int i = 0; i < n; i++) {
		const struct term_style *st =
		    term_theme(m && m->which == i ? THEME_MENU_SELECTED : THEME_MENU);
		x = title_x(i);
		x += term_text(0, x, 20, st, text_of(first_of(i)->menu), -1);
	}
	return x;
}

int menu_at(int x)
{
	int n = menus();

	for (int i = 0; i < n; i++)
		if (x >= title_x(i) && x < title_x(i) + cells(first_of(i)->menu))
			return i;
	return -1;
}
