/* The session's life: loop, doors, keys to commands, events to views, one frame per turn. */
#ifndef TUI_SESSION_H
#define TUI_SESSION_H

#include "base/err.h"

struct ui_info;

/* Runs until the session is ended; returns the process' exit status. */
int session_run(const struct ui_info *info);

#endif
