/*
 * Handing over to a new binary in place: the listener writes what it knows into memory without a
 * file, executes the program that is installed now, and that one goes on with the same process id,
 * the same children, listening sockets and monitors.  So no login is refused in between, and
 * connections, also those that are logging in, notice nothing.
 *
 *   old: handover_possible() -> handover_check() -> handover_exec()
 *   new: handover_given()    -> handover_take()
 */
#ifndef SSHD_HANDOVER_H
#define SSHD_HANDOVER_H

#include "sshd/gateway.h"
#include "sshd/listen.h"

#define HANDOVER_VERSION 2 /* of what is written; another is not taken */

/* Nothing is open that could not be written down: questions to the engine, audit rows. */
bool handover_possible(const struct gateway *g);
/* Does the program start, with this configuration, and take what this one writes?  Blocks for some
 * 20 ms, 5 s at most. */
int handover_check(const char *program, char *const *argv, struct cl_err *err);
/* Returns only when it failed; everything is as before then. */
int handover_exec(struct gateway *g, const struct listen *l, const char *program, char *const *argv,
    struct cl_err *err);

/* What an earlier process left to this one: a descriptor, or -1.  Asked once. */
int handover_given(void);
/* Read it: listening sockets, peers, children, penalties.  0, or -1: none of it was taken, and fd is
 * closed in any case.  Needs g->penalties. */
int handover_take(struct gateway *g, struct listen *l, int fd, struct cl_err *err);

#endif
