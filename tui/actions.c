/* The session's own actions: one function each, found by name. */
#include "tui/actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "tui/chrome.h"
#include "tui/doors.h"
#include "tui/layout.h"
#include "tui/menu.h"
#include "tui/palette.h"
#include "tui/text.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"

static const char *word(int argc, char **argv, int i)
{
	return i < argc ? argv[i] : "";
}

static void redraw_all(struct ui *ui)
{
	ui->redraw = ui->redraw_all = ui->arrange = true;
}

/* ---- panes ---- */

/* The names of places in actions. */
static int place_of(const char *name)
{
	static const struct {
		const char *name;
		enum view_place place;
	} names[] = {
		{ "tree", VIEW_LEFT },	{ "editor", VIEW_MAIN },    { "main", VIEW_MAIN },
		{ "terminal", VIEW_BELOW }, { "chat", VIEW_RIGHT },
	};

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return (int)names[i].place;
	return -1;
}

static int direction_of(const char *name)
{
	static const char *const dirs[] = { "left", "right", "up", "down" };

	for (int i = 0; i < 4; i++)
		if (strcmp(dirs[i], name) == 0)
			return i;
	return -1;
}

static void focus_place(struct ui *ui, int place)
{
	static const char *const views[] = { [VIEW_LEFT] = "tree",
					     [VIEW_BELOW] = "terminal",
					     [VIEW_RIGHT] = "chat" };

	if (place < 0)
		return;
	if (ui->current[place])
		ui_focus(ui, ui->current[place]);
	else if (place != VIEW_MAIN && place <= VIEW_RIGHT && ui->info->project_id)
		ui_open(ui, views[place], "", true);
}

static void focus_next(struct ui *ui)
{
	int now = ui->focused ? (int)ui->focused->ops->place : -1;

	for (int i = 1; i <= VIEW_RIGHT + 1; i++) {
		int p = (now + i) % (VIEW_RIGHT + 1);
		if (ui->current[p] && ui->current[p]->visible) {
			ui_focus(ui, ui->current[p]);
			return;
		}
	}
}

static void do_focus(struct ui *ui, int argc, char **argv)
{
	int dir = direction_of(word(argc, argv, 1));

	if (dir >= 0)
		focus_place(ui, chrome_neighbour(ui, dir));
	else if (strcmp(word(argc, argv, 1), "next") == 0)
		focus_next(ui);
	else
		focus_place(ui, place_of(word(argc, argv, 1)));
}

static void step_tab(struct ui *ui, enum view_place place, int by)
{
	int at = -1, n = 0;
	struct view *list[UI_VIEWS_MAX];

	for (int i = 0; i < ui->nviews; i++)
		if (ui->views[i]->ops->place == place) {
			if (ui->views[i] == ui->current[place])
				at = n;
			list[n++] = ui->views[i];
		}
	if (n > 0)
		ui_focus(ui, list[(at + by + n) % n]);
}

static void do_terminal(struct ui *ui, int argc, char **argv)
{
	struct view *now = ui->current[VIEW_BELOW];
	bool again = now && ui->focused == now;

	if (!ui->info->project_id)
		ui_message(ui, UI_WARN, "terminal: open a project first");
	else if (strcmp(word(argc, argv, 1), "new") == 0 || !now)
		ui_open(ui, "terminal", "", true);
	else if (again || strcmp(word(argc, argv, 1), "next") == 0)
		step_tab(ui, VIEW_BELOW, 1);
	else
		ui_focus(ui, now);
}

static void do_tab(struct ui *ui, int argc, char **argv)
{
	const char *which = word(argc, argv, 1);
	enum view_place place = ui->focused ? ui->focused->ops->place : VIEW_MAIN;
	int n = (int)strtol(which, NULL, 10);

	if (strcmp(which, "next") == 0 || strcmp(which, "prev") == 0) {
		step_tab(ui, place, which[0] == 'n' ? 1 : -1);
		return;
	}
	if (place != VIEW_BELOW) /* tabs are those of the editor, unless a terminal has the focus */
		place = VIEW_MAIN;
	for (int i = 0; i < ui->nviews; i++)
		if (ui->views[i]->ops->place == place && --n == 0) {
			ui_focus(ui, ui->views[i]);
			return;
		}
}

static void do_close(struct ui *ui, int argc, char **argv)
{
	struct view *v = ui->focused;

	if (!v || strcmp(v->ops->name, "home") == 0)
		return;
	if (!v->ops->closing || v->ops->closing(v))
		ui_close(ui, v);
}

static void do_back(struct ui *ui, int argc, char **argv)
{
	struct view *v = ui->focused;

	if (v && v->ops->place == VIEW_FULL && ui->info->project_id)
		ui_close(ui, v);
}

static void do_zoom(struct ui *ui, int argc, char **argv)
{
	ui->zoomed = !ui->zoomed;
	redraw_all(ui);
}

static void do_hide(struct ui *ui, int argc, char **argv)
{
	int place = place_of(word(argc, argv, 1));

	if (place < 0 || place == VIEW_MAIN)
		return;
	if (!ui->current[place] || ui->hidden[place]) {
		focus_place(ui, place);
		return;
	}
	ui->hidden[place] = true;
	if (ui->focused == ui->current[place] && ui->current[VIEW_MAIN])
		ui_focus(ui, ui->current[VIEW_MAIN]);
	redraw_all(ui);
}

static void do_grow(struct ui *ui, int argc, char **argv)
{
	int dir = direction_of(word(argc, argv, 1));

	if (dir >= 0 && ui->focused)
		layout_grow(ui->layout, (int)ui->focused->ops->place, (enum layout_dir)dir,
		    dir <= LAYOUT_RIGHT ? 2 : 1);
	redraw_all(ui);
}

static void do_view(struct ui *ui, int argc, char **argv)
{
	ui_open(ui, word(argc, argv, 1), word(argc, argv, 2), true);
}

static void do_goto_file(struct ui *ui, int argc, char **argv)
{
	if (!ui->info->project_id)
		return;
	if (argc > 1)
		ui_open(ui, "editor", argv[1], true);
	else
		ui_open(ui, "goto", "", true);
}

/* ---- overlays ---- */

static void do_help(struct ui *ui, int argc, char **argv)
{
	ui_open(ui, "help", ui->focused ? ui->focused->ops->context : "global", true);
}

static void do_palette(struct ui *ui, int argc, char **argv)
{
	palette_free(ui->palette);
	ui->palette = palette_new(ui->focused ? ui->focused->ops->context : "global",
	    ui->info->project_id > 0, word(argc, argv, 1));
	redraw_all(ui);
}

static void do_menu(struct ui *ui, int argc, char **argv)
{
	menu_free(ui->menu);
	ui->menu = menu_new((int)strtol(word(argc, argv, 1), NULL, 10), ui->info->project_id == 0);
	redraw_all(ui);
}

static void do_prefix(struct ui *ui, int argc, char **argv)
{
	ui->prefix = true;
	redraw_all(ui);
}

static void do_mouse(struct ui *ui, int argc, char **argv)
{
	const char *how = word(argc, argv, 1);
	bool on = *how ? strcmp(how, "on") == 0 : !doors_mouse(ui->doors);

	if (*how && !on && strcmp(how, "off") != 0) {
		ui_message(ui, UI_ERROR, "mouse: on or off");
		return;
	}
	doors_set_mouse(ui->doors, on);
	ui->redraw = true;
	ui_message(ui, UI_INFO, on ? "the mouse is on" : "the mouse is off: it selects text of your terminal");
}

static void do_language(struct ui *ui, int argc, char **argv)
{
	const char *lang = word(argc, argv, 1);

	if (strcmp(lang, "en") != 0 && strcmp(lang, "ko") != 0)
		ui_message(ui, UI_ERROR, "language: en or ko");
	else if (text_use(lang))
		redraw_all(ui);
}

static void do_redraw(struct ui *ui, int argc, char **argv)
{
	doors_out_of_step(ui->doors);
	redraw_all(ui);
}

/* ---- the project's work ---- */

static void do_run(struct ui *ui, int argc, char **argv)
{
	cl_autofree char *arg = NULL;

	for (struct view *v = NULL; (v = ui_next(ui, v));) /* saved first: what runs is what is seen */
		if (strcmp(v->ops->name, "editor") == 0 && v->ops->unsaved && v->ops->unsaved(v) &&
		    v->ops->action) {
			char *save[] = { (char[]){ "save" }, NULL };
			v->ops->action(v, 1, save);
		}
	if (!ui->info->project_id) {
		ui_message(ui, UI_WARN, "%.*s: open a project first",
		    (int)strcspn(argv[0], "-"), argv[0]);
		return;
	}
	/* "test-project" -> "test" */
	arg = mem_printf("%.*s%s%s", (int)strcspn(argv[0], "-"), argv[0], argc > 1 ? " " : "",
	    argc > 1 ? argv[1] : "");
	ui_open(ui, "terminal", arg, true);
}

static void ship_cb(void *arg, bool yes)
{
	struct ui *ui = arg;

	if (!yes)
		return;
	ui_open(ui, "output", "op ship", true);
	ui_command(ui, "ship -y -q");
}

static void do_ship(struct ui *ui, int argc, char **argv)
{
	char text[256];

	if (!ui->info->project_id) {
		ui_message(ui, UI_WARN, "ship: open a project first");
		return;
	}
	snprintf(text, sizeof(text),
	    text_of("Build %s and bring it up in PRODUCTION.\nThe release that serves now stays until "
		    "the new one answers."),
	    ui->info->project);
	ui_confirm(ui, "Ship", text, NULL, ship_cb, ui);
	dialog_set_danger(ui->dialogs->dialog, true);
}

static void do_operate(struct ui *ui, int argc, char **argv)
{
	if (ui->info->project_id)
		ui_open(ui, "ops", "", true);
	else
		ui_message(ui, UI_WARN, "operate: open a project first");
}

static void do_git(struct ui *ui, int argc, char **argv)
{
	ui_message(ui, UI_WARN, "git: this screen is not implemented yet; git works in a terminal (F4)");
}

/* ---- leaving ---- */

static void leave(struct ui *ui, const char *target)
{
	struct door *d = doors_last(ui->doors);

	if (d && target)
		doors_switch(d, target);
	else if (d)
		doors_end(d, 0, "");
}

static void do_home(struct ui *ui, int argc, char **argv)
{
	if (ui->info->project_id)
		leave(ui, "");
}

static void do_open_project(struct ui *ui, int argc, char **argv)
{
	if (argc > 1)
		leave(ui, argv[1]);
}

static void do_detach(struct ui *ui, int argc, char **argv)
{
	leave(ui, NULL);
}

static void do_take_over(struct ui *ui, int argc, char **argv)
{
	const struct door *d = doors_last(ui->doors);
	char text[160];
	int n;

	/* A guest must not turn the owner out, and from no door there is nothing to keep. */
	if (!d || doors_info_of(d)->mode != DOOR_OWNER) {
		ui_message(ui, UI_WARN, "take over: only the owner of the session may");
		return;
	}
	snprintf(text, sizeof(text), "codinglab: %s took the session over in another window",
	    doors_info_of(d)->user);
	n = doors_end_others(ui->doors, d, 0, text);
	ui_message(ui, UI_INFO, n ? "the other windows are closed" : "there is no other window");
}

static void quit_now(struct ui *ui)
{
	ui->quitting = true;
	doors_end_all(ui->doors, 0, "");
}

static void quit_cb(void *arg, int choice)
{
	struct ui *ui = arg;

	if (choice == 0)
		quit_now(ui);
	else if (choice == 1)
		leave(ui, NULL);
}

static void do_quit(struct ui *ui, int argc, char **argv)
{
	static const char *const choices[] = { "&End it", "&Leave it running", "&Cancel" };
	int unsaved = 0;

	for (struct view *v = NULL; (v = ui_next(ui, v));)
		unsaved += v->ops->unsaved && v->ops->unsaved(v);
	if (unsaved == 0)
		quit_now(ui);
	else
		ui_choose(ui, "End the session",
		    "Something is not saved, or a program is running.  Unsaved text is kept in its "
		    "swap file and offered next time; programs are hung up.",
		    choices, 3, quit_cb, ui);
}

static const struct {
	const char *name;
	void (*run)(struct ui *ui, int argc, char **argv);
} actions[] = {
	{ "help", do_help },	       { "palette", do_palette },
	{ "menu", do_menu },	       { "focus", do_focus },
	{ "terminal", do_terminal },   { "view", do_view },
	{ "tab", do_tab },	       { "close", do_close },
	{ "back", do_back },	       { "zoom", do_zoom },
	{ "hide", do_hide },	       { "grow", do_grow },
	{ "run-project", do_run },     { "test-project", do_run },
	{ "repl-project", do_run },    { "debug-project", do_run },
	{ "ship-project", do_ship },
	{ "operate", do_operate },     { "home", do_home },
	{ "detach", do_detach },       { "take-over", do_take_over },
	{ "open-project", do_open_project },
	{ "quit", do_quit },	       { "redraw", do_redraw },
	{ "prefix", do_prefix },       { "goto-file", do_goto_file },
	{ "git", do_git },	       { "mouse", do_mouse },
	{ "language", do_language },
};

void actions_run(struct ui *ui, int argc, char **argv)
{
	for (size_t i = 0; i < CL_COUNT(actions); i++)
		if (strcmp(actions[i].name, argv[0]) == 0) {
			actions[i].run(ui, argc, argv);
			return;
		}
	ui_message(ui, UI_ERROR, "%s: not implemented", argv[0]);
}
