/*
 * Programs without a terminal get their client's own pipes, so that their bytes cross no process of
 * ours or of the container engine's: codinglab-pty asks for them from inside the container over a
 * socket in a folder that only this container has mounted, and becomes the program.
 *
 * Nothing comes out of the container.  What goes in are pipes that the gateway's listener made for
 * this one program: a program can do with them what it can do with its own output.
 */
#ifndef ENGINE_BROKER_EXEC_GIVE_H
#define ENGINE_BROKER_EXEC_GIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "engine/broker/exec_pty.h"

/* Are these a pipe's read end and two write ends?  Anything else (a file, a terminal, a socket) does
 * not go into a container.  They are set blocking, as programs expect. */
bool exec_give_fit(const int fds[3]);
/* The command line that runs argv (a JSON array, stolen) with them, and what its environment needs. */
json_t *exec_give_argv(json_t *argv);
void exec_give_env(const struct exec_pty *t, json_t *env);
/* Hand them to the first of this uid that knows the socket's name.  False: nobody asked before the
 * exec's stream ended or some seconds; then no program runs.  t is closed. */
bool exec_give_wait(struct exec_pty *t, int stream, uid_t uid, const int fds[3]);

#endif
