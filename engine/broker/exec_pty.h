/*
 * Terminals of dev containers: the program's pty comes to us as a descriptor, sent by codinglab-pty
 * from inside the container over a socket in a folder that only this container has mounted.  Then
 * a key goes client -> pty -> program, through no process of the container engine's.  The sockets of
 * forwarded connections (ssh -L, -R, -A) come the same way.
 *
 * What arrives is from an untrusted place: it must be a pty's master, and is only ever read,
 * written and resized; or a stream socket, and is only ever read, written and accepted from.
 */
#ifndef ENGINE_BROKER_EXEC_PTY_H
#define ENGINE_BROKER_EXEC_PTY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/broker/place.h"

#define EXEC_PTY_HELPER "/run/codinglab-pty" /* in the container: the program */
#define EXEC_PTY_FOLDER "/run/codinglab"     /* in the container: the sockets */

struct exec_pty {
	int listener;         /* -1: the container has no folder for it */
	char path[PLACE_PATH];/* of the socket on the host */
	char inside[64];      /* the same in the container */
};

/* The folder of a dev container's sockets, there afterwards; before each start of it. */
int exec_pty_prepare(const struct place *p, const char *name, struct cl_err *err);
/* Listen for one terminal, if the container (its inspect JSON) has what that needs. */
void exec_pty_open(struct exec_pty *t, const struct place *p, const char *name, const json_t *inspect);
/* The command line that runs argv (a JSON array, stolen) on a terminal. */
json_t *exec_pty_argv(const struct exec_pty *t, int rows, int cols, json_t *argv);
/* The terminal's master, or -1 when none came before the exec's stream ended or some seconds. */
int exec_pty_wait(struct exec_pty *t, int stream);
/* The same for a stream socket.  -1 with *why: the error that the program met, 0 when nobody came. */
int exec_pty_wait_socket(struct exec_pty *t, int stream, int *why);
void exec_pty_close(struct exec_pty *t);

#endif
