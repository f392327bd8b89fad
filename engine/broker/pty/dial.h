/*
 * `codinglab-pty dial PORT` or `dial /PATH`: a connection to a port of the container's own loopback, or
 * to a socket in it by its path.  Where the runtime broker waits for it (TAKE_VARIABLE) the connected
 * socket itself goes out to the SSH client's connection process, and we are done; else stdin and
 * stdout are joined to it.
 */
#ifndef ENGINE_BROKER_PTY_DIAL_H
#define ENGINE_BROKER_PTY_DIAL_H

/* Joined, it writes '+' once it is connected, then only what comes.  Returns the exit status: 1 with
 * the reason on stderr when nobody listens. */
int dial_run(const char *where);

#endif
