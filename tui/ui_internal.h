/* The inside of a session, shared by ui.c and the files above it (chrome, command, session). */
#ifndef TUI_UI_INTERNAL_H
#define TUI_UI_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "tui/dialog.h"
#include "tui/layout.h"
#include "tui/view.h"

#define UI_VIEWS_MAX 64
#define UI_CLIP_MAX (1u << 20)

struct client;
struct client_events;
struct doors;
struct menu;
struct palette;
struct ui_info;

enum ui_dialog_kind { UI_DIALOG_PROMPT, UI_DIALOG_CHOOSE, UI_DIALOG_CONFIRM, UI_DIALOG_FORM };

struct ui_dialog {
	struct ui_dialog *next;      /* below it */
	struct dialog *dialog;
	enum ui_dialog_kind kind;
	int nfields;
	void (*cb)(void);            /* of the kind's type */
	void *arg;
	struct rect rect;
};

struct ui_command_line {
	struct ui_command_line *next;
	char *text;
};

struct ui {
	uv_loop_t loop;
	const struct ui_info *info;
	struct client *client;
	struct client_events *events;
	struct doors *doors;

	struct layout *layout;
	struct view *views[UI_VIEWS_MAX]; /* in order of opening */
	int nviews;
	struct view *current[VIEW_PLACES];
	struct view *focused, *previous;  /* previous: focus goes back there */
	bool hidden[VIEW_PLACES];         /* by the user */
	bool full;                        /* current[VIEW_FULL] covers the panes */
	bool popup;                       /* current[VIEW_POPUP] is shown */
	bool zoomed;                      /* only the focused pane */
	bool prefix;                      /* the next key is for the IDE */

	struct ui_dialog *dialogs;        /* top first */
	struct menu *menu;                /* NULL unless open */
	struct palette *palette;
	struct ui_command_line *pending, **pending_end;

	char message[800];
	int message_level;
	int64_t message_until;            /* 0: none; clock_ms() */
	bool engine_down;
	char engine_why[256];
	char stack[32], dev_state[16], url[256], role[16];
	bool prod;                        /* a production view is shown */
	int online;

	bool redraw;                      /* some view or all */
	bool redraw_all;                  /* the frame around them too */
	uint64_t titles_seen, bar_seen;   /* what was drawn of them: see chrome.c */
	bool arrange;                     /* rectangles must be made again */
	bool quitting;
	int working, saving;     /* work on threads: all of it, and what the end waits for */

	char *clip;
	size_t clip_len;
};

#endif
