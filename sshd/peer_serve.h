/* What a connection process says, judged by phase.h and done. */
#ifndef SSHD_PEER_SERVE_H
#define SSHD_PEER_SERVE_H

#include "sshd/peer.h"

/* Read what its process sent. */
void peer_serve_ready(struct peer *p);
/* Tell a refusal that was held back long enough; ms until there is one to tell, -1 = none is. */
int peer_serve_turn(struct peer *p, int64_t now);
/* Its process was reaped: count penalties, forget it (p is freed). */
void peer_serve_ended(struct peer *p, int status);

#endif
