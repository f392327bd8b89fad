/*
 * What `ssh -L`, -D, -J, -W, -R and -A need in a container, as lines of the gateway's:
 *
 *   forward HOST PORT      a connection to a port; HOST is what the client named as the far end:
 *       localhost, 127.0.0.1, ::1, dev, PROJECT   the dev container (or the instance of user+project.was-2)
 *       web, was, db, was-2                       an instance
 *   forward-path PATH      a connection to a socket in the dev container, by its path
 *   forward-listen PORT    a port of the dev container's loopback to listen at, 0 = any free one
 *   forward-agent PATH     a socket of the dev container to listen at
 *   forward-agent PROJECT PATH  the same in that project's, in the place of the one that is there
 *
 * The program that does it runs in there (engine/broker/pty/dial.h, listen.h).  Where its socket can come
 * out of the container it goes on over our stdout, with the byte '+'; else our stdin and stdout are
 * joined to it.  A HOST is a name within the project or nothing at all.
 */
#ifndef ENGINE_CLIENT_VERB_FORWARD_H
#define ENGINE_CLIENT_VERB_FORWARD_H

#include <stdbool.h>
#include "engine/client/verb_ctx.h"

/* Is the line one of those?  Then it is run and *rc is its exit status. */
bool verb_forward_line(struct verb_ctx *ctx, const char *line, int *rc);

#endif
