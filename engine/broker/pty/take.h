/* `codinglab-pty take PROGRAM [ARGUMENT...]`: PROGRAM with pipes that the runtime broker hands in. */
#ifndef ENGINE_BROKER_PTY_TAKE_H
#define ENGINE_BROKER_PTY_TAKE_H

/* Where the broker waits: a socket in the container's own folder, whose name only the program's
 * user can read.  The program does not see it. */
#define TAKE_VARIABLE "CODINGLAB_PIPES"
#define TAKE_FAILED 125 /* nothing was taken, nothing was run */

/* Becomes the program; returns only on failure, with the exit status. */
int take_run(char **argv);

#endif
