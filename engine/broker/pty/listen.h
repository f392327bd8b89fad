/*
 * `codinglab-pty listen PORT` or `listen /PATH`: what `ssh -R` and `ssh -A` need in a container, a port of
 * its loopback (0: any free one) or a socket that nobody but its user may open.  The listening socket
 * goes out to the client's connection process, which takes the connections itself; we only stay for
 * as long as it is wanted, so that the end of the container or of the client ends it.
 */
#ifndef ENGINE_BROKER_PTY_LISTEN_H
#define ENGINE_BROKER_PTY_LISTEN_H

/* Returns at a signal to end; 1 when it cannot listen. */
int listen_run(const char *where);

#endif
