/* What a connection process says, judged by phase.h and done. */
#ifndef SSHD_PEER_SERVE_H
#define SSHD_PEER_SERVE_H

#include "sshd/peer.h"

/* Read what its process sent. */
void peer_serve_ready(struct peer *p);
/* Its process was reaped: count penalties, forget it (p is freed). */
void peer_serve_ended(struct peer *p, int status);

#endif
