/*
 * How long windows and the session may rest: tui.window_idle_s, tui.window_max_s, tui.session_idle_s.
 * A window is warned of LIMITS_WARN_MS before (or half its limit, if that is less) on the screen.
 * With no limit set nothing runs.  Loop's thread.
 */
#ifndef TUI_LIMITS_H
#define TUI_LIMITS_H

#include <stdint.h>
#include <uv.h>
#include "tui/doors.h"

#define LIMITS_WARN_MS 60000

struct limits {
	uv_timer_t timer;
	struct doors *doors;
	int64_t idle_ms, max_ms, session_ms; /* 0 = none */
	int64_t empty_since;                 /* clock_ms() when no window was left; 0 = there is one */
	void (*warn)(void *arg, const char *text); /* for the screen; translated already */
	void (*over)(void *arg);                   /* the session has rested for too long */
	void *arg;
};

/* doors, warn, over and arg are set by the caller; the timer closes with the loop. */
void limits_start(struct limits *l, uv_loop_t *loop);

#endif
