/* `codinglab-pty dial PORT`: stdin and stdout joined to a port of the container's own loopback. */
#ifndef ENGINE_BROKER_PTY_DIAL_H
#define ENGINE_BROKER_PTY_DIAL_H

/* Writes '+' once it is connected, then only what comes; returns the exit status: 1 with the reason
 * on stderr when nobody listens. */
int dial_run(const char *port);

#endif
