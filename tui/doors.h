/*
 * The doors of a session (base/door.h): who is attached, at what size and kind of terminal, and who
 * may be sent a frame now.  A door of the session's size that has seen every frame gets ncurses' own
 * bytes; any other is painted (tui/term_paint.h).  One frame is in flight per door; a slow door
 * gets the newest screen when it is ready, never a backlog.
 *
 *     NEW ──ADMIT──> ADMITTED ──HELLO──> READY ──(end)──> closed
 *
 * A door that breaks the protocol is closed; the session and other doors go on.  Who may connect may
 * also ask who is here (LIST), or have a door closed (KICK), instead of ADMIT.
 */
#ifndef TUI_DOORS_H
#define TUI_DOORS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "base/buf.h"
#include "base/door.h"
#include "base/err.h"

#define DOORS_MAX DOOR_MOST /* one more is told so and turned away */
#define DOORS_ROWS_SMALL 10 /* below this the IDE is not shown */
#define DOORS_COLS_SMALL 40

struct door;
struct doors;

struct doors_info {
	char user[32], address[64];
	enum door_mode mode;
	int rows, cols;
	bool small; /* too small for the IDE */
	bool dumb;  /* TERM=dumb */
	bool ascii; /* no UTF-8 */
	bool agent; /* of an owner's client, for terminals (agent.h) */
	const char *lang; /* "en" or "ko" */
	int number;      /* what people call it: the lowest that was free */
	int64_t since, used; /* clock_ms() of its hello and of its last input */
};

struct doors_ops {
	void (*attach)(void *arg, struct door *d); /* a door said hello */
	void (*resize)(void *arg, struct door *d);
	void (*input)(void *arg, struct door *d, const void *data, size_t n);
	void (*ready)(void *arg); /* a door can take a frame again */
	void (*gone)(void *arg);  /* after a door went */
};

/* listen_fd: listening SOCK_SEQPACKET, stays the caller's. peer_uid: who may connect (0). */
struct doors *doors_new(uv_loop_t *loop, int listen_fd, uid_t peer_uid,
    const struct doors_ops *ops, void *arg);
void doors_free(struct doors *ds);
int doors_count(const struct doors *ds);      /* that said hello and are not ending */
int doors_idle(const struct doors *ds);       /* of those, that could take a frame now */
const struct doors_info *doors_info_of(const struct door *d);

/* Give out a frame: bytes bring doors that are in step up to date.  The session's size is the
 * screen's (term_rows, term_cols). */
void doors_frame(struct doors *ds, const struct buf *bytes);
/* Paint the doors that are idle and not in step (no new frame was made). */
void doors_paint_stale(struct doors *ds);
/* The session's size changed, or ncurses will clear: nobody is in step. */
void doors_out_of_step(struct doors *ds);
/* Extra bytes (bell, OSC 52) to owner doors, with or before the next frame. */
void doors_emit(struct doors *ds, const char *bytes, size_t n);

/* Does the mouse report to the session (on) or select in the users' own terminals?  All doors. */
void doors_set_mouse(struct doors *ds, bool on);
bool doors_mouse(const struct doors *ds);

/* Those that said hello and are not ending, one after another: NULL begins, NULL ends. */
struct door *doors_next(const struct doors *ds, const struct door *d);

/* The door the last input came from, or NULL. */
struct door *doors_last(const struct doors *ds);
/* Say good-bye and close: exit status, and a line for the user or "". */
void doors_end(struct door *d, int code, const char *text);
void doors_end_all(struct doors *ds, int code, const char *text);
/* The same to all but one; how many that were. */
int doors_end_others(struct doors *ds, const struct door *stays, int code, const char *text);
/* Move the client to another session: "" home, "project", "owner:project". */
void doors_switch(struct door *d, const char *target);
/* Have this door's client's agent at that path of the project's dev container; "": no longer. */
void doors_agent(struct door *d, const char *path, const char *project);
/* Are bytes still waiting to be written?  (before the process ends) */
bool doors_pending(const struct doors *ds);

#endif
