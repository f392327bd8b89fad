/*
 * The session: loop, doors, layout, focus, commands, dialogs.  Views use the functions below.
 *
 *        keys ─> keymap ─> text ─> ui_command() ─┬─> action (action_table): here, or the view's
 *                                                └─> verb (verb_table): on a worker thread
 *        engine events ─> view->event();   view_redraw() ─> one frame at the end of the loop turn
 *
 * Main thread only, except inside work_cb of ui_work().
 */
#ifndef TUI_UI_H
#define TUI_UI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/err.h"
#include "tui/view.h"

struct client;
struct dialog_field_spec;

/* Who and where this session is; borrowed, constant for its life. */
struct ui_info {
	const char *user;        /* account name */
	uid_t uid;
	int64_t project_id;      /* 0: home session */
	const char *owner, *project, *workspace; /* "" in a home session */
	const char *project_ref; /* "owner.project", as REST paths take it */
	const char *home;        /* the user's state directory, 0700; swap/ is in it */
	const char *socket;      /* engine.sock */
	const char *exec_socket; /* exec.sock */
	int root;                /* path_root() of the workspace, -1 in a home session */
	int listen_fd, pane_fd, shm_fd; /* -1 where absent */
};
const struct ui_info *ui_info(struct ui *ui);
uv_loop_t *ui_loop(struct ui *ui);
/* Non-blocking REST calls for views that only read (GET): chat history, status, exec tickets. */
struct client *ui_client(struct ui *ui);

/* ---- commands and messages ---- */

void ui_command(struct ui *ui, const char *text);
enum ui_level { UI_INFO, UI_WARN, UI_ERROR };
/* The message line (some seconds, or until the next key for errors). */
void ui_message(struct ui *ui, enum ui_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ui_message_err(struct ui *ui, const struct cl_err *err); /* message and hint */

/* ---- views ---- */

/* Open an instance (or give back the open one when not `many`), show it and, if asked, focus it.
 * For `many` views with the same arg open already the editor decides in its own create(). */
struct view *ui_open(struct ui *ui, const char *view_name, const char *arg, bool focus);
void ui_close(struct ui *ui, struct view *v);  /* at once; not from inside a hook of v itself: use view_command "close" */
void ui_focus(struct ui *ui, struct view *v);
struct view *ui_focused(struct ui *ui);
/* The current (or first) view of that name, or NULL; ui_next() walks all: start with NULL. */
struct view *ui_find(struct ui *ui, const char *view_name);
struct view *ui_next(struct ui *ui, struct view *prev);

/* ---- dialogs: one at a time on top; cb runs once, then the dialog is gone ---- */

/* text is the typed line, or NULL when the user pressed Esc. */
typedef void ui_prompt_cb(void *arg, const char *text);
void ui_prompt(struct ui *ui, const char *title, const char *label, const char *initial,
    ui_prompt_cb *cb, void *arg);
/* choices are labels, "&Save": the letter after & is its key.  cb gets the index, -1 for Esc. */
typedef void ui_choose_cb(void *arg, int choice);
void ui_choose(struct ui *ui, const char *title, const char *text, const char *const *choices,
    int n, ui_choose_cb *cb, void *arg);
/* Yes or no; with type_name the user must type it (removing things, production). */
typedef void ui_confirm_cb(void *arg, bool yes);
void ui_confirm(struct ui *ui, const char *title, const char *text, const char *type_name,
    ui_confirm_cb *cb, void *arg);
/* Several fields (tui/dialog.h); values are borrowed during cb, NULL when the user pressed Esc. */
typedef void ui_form_cb(void *arg, const char *const *values);
void ui_form(struct ui *ui, const char *title, const char *text,
    const struct dialog_field_spec *fields, int n, const char *ok_label, ui_form_cb *cb, void *arg);
/* Drop dialogs whose arg is this (a view that goes away); their cb does not run. */
void ui_dialog_drop(struct ui *ui, void *arg);

/* ---- descriptors, time, work ---- */

struct ui_watch;
/* events: UV_READABLE | UV_WRITABLE (as ready).  The fd stays the caller's and must be closed only
 * after ui_unwatch(). */
typedef void ui_watch_cb(void *arg, int fd, int events);
struct ui_watch *ui_watch_fd(struct ui *ui, int fd, int events, ui_watch_cb *cb, void *arg);
void ui_watch_set(struct ui_watch *w, int events); /* 0 pauses */
void ui_unwatch(struct ui_watch *w);               /* NULL is fine */

struct ui_timer;
typedef void ui_timer_cb(void *arg);
/* First after ms, then each repeat ms (0: once; it must still be stopped). */
struct ui_timer *ui_timer_start(struct ui *ui, int64_t ms, int64_t repeat, ui_timer_cb *cb, void *arg);
void ui_timer_stop(struct ui_timer *t);            /* NULL is fine; no callback after it */

/* A blocking job: work runs on a worker thread, then done on the main thread.  arg must outlive
 * both: a view that is freed meanwhile sets a flag in it and lets done free it. */
typedef void ui_work_cb(void *arg);
void ui_work(struct ui *ui, ui_work_cb *work, ui_work_cb *done, void *arg);
/* The same for work that the session's end waits for (a file being saved); other work may be
 * following an operation for minutes, and is abandoned. */
void ui_work_whole(struct ui *ui, ui_work_cb *work, ui_work_cb *done, void *arg);

/* Bytes for the terminals of all owner doors outside the frame (OSC 52 copy, bell); only our own
 * well-formed sequences. */
void ui_emit(struct ui *ui, const char *bytes, size_t n);

/* Clipboard of this session, shared by views; also sent to the owner's terminal by OSC 52. */
void ui_clip_set(struct ui *ui, const char *text, size_t n); /* copied; at most 1 MiB */
const char *ui_clip(struct ui *ui, size_t *n);               /* borrowed; "" when empty */

#endif
