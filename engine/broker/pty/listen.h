/*
 * `codinglab-pty listen PORT`, `listen /PATH` or `agent /PATH`: what `ssh -R` and `ssh -A` need in a container, a port of
 * its loopback (0: any free one) or a socket that nobody but its user may open.  The listening socket
 * goes out to the client's connection process, which takes the connections itself; we only stay for
 * as long as it is wanted, so that the end of the container or of the client ends it.
 */
#ifndef ENGINE_BROKER_PTY_LISTEN_H
#define ENGINE_BROKER_PTY_LISTEN_H

#include <stdbool.h>

/* Returns at a signal to end; 1 when it cannot listen.  over: a path whose folder, made if need be, is
 * its user's alone, and stays; what is there is taken over in one step, so that programs
 * always find the newest. */
int listen_run(const char *where, bool over);

#endif
