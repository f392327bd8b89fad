/*
 * sftp (and scp, which speaks it) without a project: the person's projects as folders.  Between the client and
 * the stock sftp-server of each project that is entered stands sftp_tree.h, which finds out whose a
 * request is:
 *
 *                          ┌── pipes ── sftp-server in shop's dev container
 *   client ── 0, 1 ── here ┤
 *                          └── pipes ── sftp-server in site's
 *
 * A server starts when something in its project is asked for, so listing the projects wakes none.
 */
#ifndef ENGINE_CLIENT_VERB_SFTP_H
#define ENGINE_CLIENT_VERB_SFTP_H

#include "engine/client/verb_ctx.h"

/* Serve until the client ends.  The exit status. */
int verb_sftp_run(struct verb_ctx *ctx);

#endif
