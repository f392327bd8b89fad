/*
 * A view: one part of the screen (a file, a terminal, the tree, chat ...).  It is a const struct of
 * hooks and a struct of its own that begins with struct view.
 *
 * The rules: a view never calls the engine, it gives verb or action text to view_command(); it never
 * draws outside draw(), there only through tui/term.h, relative to its own rectangle; when its
 * picture changed it calls view_redraw() and the loop draws once per turn.  All hooks run on the
 * main thread and must not block: blocking work goes through ui_work() (tui/ui.h).
 *
 * Hooks may be NULL unless marked (must).
 */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "tui/key.h"
#include "tui/rect.h"
#include "tui/term.h"

struct ui;
struct view;

/* Where instances of a view live.  Several in one place are tabs, their titles in the border. */
enum view_place {
	VIEW_LEFT,   /* tree */
	VIEW_MAIN,   /* editor: one instance per open file */
	VIEW_BELOW,  /* terminals: one instance per terminal; output of runs */
	VIEW_RIGHT,  /* chat, and project events */
	VIEW_FULL,   /* instead of all panes: home, operations */
	VIEW_POPUP,  /* over everything, closed by Esc: output of a verb, help */
	VIEW_PLACES
};

struct view_ops {
	const char *name;    /* (must) "terminal": for `view terminal`, state and help */
	const char *help;    /* (must) one line */
	const char *context; /* (must) keymap context: rows of keymap_table that apply while focused */
	enum view_place place;
	bool many;           /* more than one instance may be open */
	bool raw_keys;       /* every key but the prefix goes to key(): terminals */

	/* (must) A new instance; arg is the text after `open NAME` or "" (a file name, a command).
	 * NULL with err set: nothing was opened. */
	struct view *(*create)(struct ui *ui, const char *arg, struct cl_err *err);
	void (*free)(struct view *v); /* (must) frees v itself too */
	void (*resize)(struct view *v, int h, int w); /* before the first draw and at each change */
	void (*draw)(struct view *v); /* (must) the clip is v's rectangle, not cleared */
	/* A key that no binding of the context took; true when used. */
	bool (*key)(struct view *v, const struct term_key *key);
	bool (*mouse)(struct view *v, const struct term_mouse *m); /* y, x relative to the view */
	bool (*paste)(struct view *v, const char *text, size_t n); /* bracketed paste, may hold anything */
	/* An action of the view's own (rows of action_table with its context): argv[0] is the action's
	 * name.  false: not one of mine. */
	bool (*action)(struct view *v, int argc, char **argv);
	void (*event)(struct view *v, const char *type, json_t *event); /* from the engine; borrowed */
	void (*focus)(struct view *v, bool on);
	void (*tick)(struct view *v, int64_t now_ms); /* about once a second while visible and a door is there */
	bool (*quiet)(struct view *v); /* nothing waits for tick() now; NULL: something always does */
	/* For the border and the bar; borrowed until the next call. title default: name.  A VIEW_FULL
	 * view with a title draws the top line of the screen itself, instead of the menu line. */
	const char *(*title)(struct view *v);  /* "views.py ●", "1 bash" */
	const char *(*status)(struct view *v); /* right end of the key bar: "views.py 13:24  utf-8" */
	bool (*unsaved)(struct view *v);       /* quitting would lose something */
	/* May it be closed now?  false: the view asks by itself and closes later (ui_close). */
	bool (*closing)(struct view *v);
	/* What to reopen in the next session: a small object with "arg", or NULL. */
	json_t *(*save)(struct view *v);
};

struct view {
	const struct view_ops *ops;
	struct ui *ui;
	struct rect rect;  /* on the screen, inside the border; h = 0 while not visible */
	int id;            /* never used again in this session */
	bool focused;
	bool visible;
	bool dirty;        /* set by view_redraw() */
	bool intact;       /* in draw(): its part of the screen is as it left it */
};

/* Fill the head of a new view; called first by create(). */
void view_init(struct view *v, const struct view_ops *ops, struct ui *ui);
/* The picture changed: draw at the end of this loop turn. */
void view_redraw(struct view *v);
/* Run a verb line ("scale was=+1") or an action ("focus tree"), as if the user had typed it, after
 * the current hook has returned. */
void view_command(struct view *v, const char *text);
void view_commandf(struct view *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set by ui.c at start; keeps view.c below ui.c. */
struct view_host {
	void (*redraw)(struct ui *ui);
	void (*command)(struct ui *ui, const char *text);
};
void view_set_host(const struct view_host *host);

/*
 * The instances of tui/view_table.c, and what their create() takes:
 *   terminal  "" a login shell; "run" the project's run command; "run CMD..." that line; "enter
 *             TIER[-N] [dev|prod]" a shell in an instance.  The end of a run is shown in the
 *             terminal's last line ("exited 0") and its title, the tab stays.
 *   editor    the file's name beneath the workspace, "" for an empty buffer
 *   output    "verb LINE" runs a verb and shows what it prints; "op KIND" follows an operation
 */
extern const struct view_ops view_home_ops, view_tree_ops, view_editor_ops, view_terminal_ops,
    view_chat_ops, view_ops_ops, view_output_ops, view_events_ops, view_help_ops,
    view_goto_ops;

#endif
