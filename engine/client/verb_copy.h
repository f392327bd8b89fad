/*
 * Files by other people's clients: sftp, scp, rsync and git ask the gateway to run the other half of
 * themselves.  That half is the stock program in the project's dev container, as its user, in its
 * confinement; here it is only found out which project is meant.
 *
 *   sftp      with +project: starts in /workspace; without: all projects as folders (verb_sftp.h)
 *   scp -O    with +project, or PROJECT/PATH
 *   rsync     with +project, or PROJECT/PATH
 *   ssh-copy-id                            adds keys to the account
 *   git       ssh://HOST/PROJECT[.git], ssh://HOST/OWNER/PROJECT, or with +project a folder of it
 */
#ifndef ENGINE_CLIENT_VERB_COPY_H
#define ENGINE_CLIENT_VERB_COPY_H

#include <stdbool.h>
#include "engine/client/verb_ctx.h"

#define VERB_COPY_SFTP "sftp-server" /* the line that stands for the subsystem */

/* Is the line such a client's?  Then it is run and *rc is its exit status. */
bool verb_copy_line(struct verb_ctx *ctx, const char *line, int *rc);

#endif
