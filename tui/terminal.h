/*
 * A terminal of the IDE: an execution in the project's container (engine/client) joined to a seat
 * of the pane process.  What is typed is written to the program here, what it prints is read by
 * the pane.  No drawing: tui/view_terminal.c shows it.
 *
 *   OPENING --ticket, exec--> RUNNING --output over and status known--> ENDED
 *      |                                                                  |
 *      +--refused--> ENDED                    <----- terminal_restart() --+
 */
#ifndef TUI_TERMINAL_H
#define TUI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "engine/client/client.h"
#include "tui/ui.h"

enum terminal_state { TERMINAL_NEW, TERMINAL_OPENING, TERMINAL_RUNNING, TERMINAL_ENDED };

struct terminal_job;

struct terminal {
	struct ui *ui;
	char *arg;                 /* "", "run ...", "enter ...": see view.h */
	int number;                /* shown in the tab */
	int seat;                  /* in the pane process */
	enum terminal_state state;
	int rows, cols;
	struct client_exec exec;
	bool has_exec;
	struct terminal_job *job;  /* while OPENING */
	struct ui_watch *control, *writer;
	struct ui_timer *grace;    /* ended, but something still holds its terminal open */
	struct buf out;            /* typed, not yet taken by the program */
	bool output_over, exit_known;
	int status, signal;
	bool pending;              /* changed, not yet drawn */
	void (*changed)(struct terminal *t);
	bool (*closing)(struct terminal *t); /* a shell was left: true when its tab goes */
	void *owner;               /* the view */
};

/* NULL with err: no pane process, or all of its seats are taken. */
struct terminal *terminal_new(struct ui *ui, const char *arg, struct cl_err *err);
void terminal_free(struct terminal *t);
void terminal_resize(struct terminal *t, int rows, int cols); /* the first one starts it */
/* The one that ran arg (not "", a shell) and has ended, or NULL: what is run again needs no further tab. */
struct terminal *terminal_find_ended(const char *arg);
void terminal_restart(struct terminal *t);
/* Bytes for the program; what it does not take at once is kept, up to 16 MiB.  -1: full. */
int terminal_type(struct terminal *t, const char *p, size_t n);
const void *terminal_area(const struct terminal *t);  /* for tui/pane_grid.h; NULL before RUNNING */
/* The terminal was drawn: when every one that changed was, or is hidden, the pane may go on. */
void terminal_drawn(struct terminal *t, bool (*shown)(const struct terminal *));
/* Is there one that has changed and was not drawn since? */
bool terminal_waiting(void);
/* "shell", "run", "run: exited 3" */
void terminal_label(const struct terminal *t, char *out, size_t size);

#endif
