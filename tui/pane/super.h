/*
 * The supervisor: forks workers and watches them.  A timer on the worker's own CPU clock wakes it
 * each TICK of CPU time that the worker uses, so an idle worker costs no wake-up at all and a key
 * costs no message between the two.
 *
 *                 tick, count moved            tick, count stood still
 *   asleep ------------------------> asleep  --------------------------> suspicious
 *     ^                                                                     |
 *     +------------------- count moved within GRACE ------------------------+
 *     |                                                                     |
 *     +--- new worker, RESTARTED to the session <-- kill -- GRACE is over --+
 */
#ifndef TUI_PANE_SUPER_H
#define TUI_PANE_SUPER_H

#include <stdbool.h>

/* Returns the exit status of the program when the session is gone. */
int super_run(int sock, int memfd, bool test);

#endif
