/*
 * The roll: who is in which session, and kicking them, as the engine asks (engine/api/auth_proto.h).
 * The sessions themselves are asked, by their sockets (base/door.h), so neither a new listener nor a
 * new engine loses count of them.  Nothing here blocks: a session that does not answer within
 * ROLL_WAIT_MS is told of as such, and one that does not end when kicked is killed.
 */
#ifndef SSHD_ROLL_H
#define SSHD_ROLL_H

#include <stdint.h>
#include "base/ipc.h"
#include "sshd/gateway.h"

#define ROLL_WAIT_MS 1500 /* for a session to answer */
#define ROLL_END_MS 4000  /* for one to end by itself */

/* An AUTH_ROLL or AUTH_KICK; arg is the struct gateway.  An auth_serve_cb: -1 malformed. */
int roll_serve(void *arg, struct ipc_in *in);

/* For the poll loop: a descriptor to wait on for input (-1 = none now), ready() after poll, turn()
 * each time round: ms until it wants to be called again, -1 = when ready. */
int roll_fd(void);
void roll_ready(struct gateway *g);
int roll_turn(struct gateway *g, int64_t now);

#endif
