/*
 * One connection of `ssh -L` (and -D, -J, -W): the gateway's line "forward HOST PORT".  HOST is what
 * the client named as the far end, so it is a name within the project or nothing at all:
 *
 *   localhost, 127.0.0.1, ::1, dev, PROJECT     the dev container (or the instance of user+project.was-2)
 *   web, was, db, was-2                         an instance
 *
 * The program that joins its own stdin and stdout to the port runs in there (engine/broker/pty/dial.h).
 */
#ifndef ENGINE_CLIENT_VERB_FORWARD_H
#define ENGINE_CLIENT_VERB_FORWARD_H

#include <stdbool.h>
#include "engine/client/verb_ctx.h"

/* Is the line one of those?  Then it is run and *rc is its exit status. */
bool verb_forward_line(struct verb_ctx *ctx, const char *line, int *rc);

#endif
