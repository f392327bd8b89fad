/* The session's life: loop, doors, keys to commands, events to views, one frame per turn. */
#ifndef TUI_SESSION_H
#define TUI_SESSION_H

#include "base/err.h"

struct ui_info;

/* Runs until the session is ended; returns the process' exit status. */
int session_run(const struct ui_info *info);
/* Instead of it, where there can be none: says why to the first door (waits 10 s for one), exit
 * status 1. */
int session_refuse(int listen_fd, const char *why);

#endif
