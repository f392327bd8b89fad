/*
 * The worker: reads programs' output, runs the terminals, publishes them.  One thread, one poll.
 * It holds nothing but the session's socket, the shared memory and the programs' descriptors.
 */
#ifndef TUI_PANE_WORKER_H
#define TUI_PANE_WORKER_H

#include <stdbool.h>
#include "tui/pane/beat.h"

/* Ends the process: status 0 when the session is gone, 1 on a malformed message. */
void worker_run(int sock, int memfd, struct beat *beat, bool test) __attribute__((noreturn));

#endif
