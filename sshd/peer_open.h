/* What an authenticated peer opens: sessions and programs, after the engine agreed to the target. */
#ifndef SSHD_PEER_OPEN_H
#define SSHD_PEER_OPEN_H

#include "sshd/peer.h"

#define PEER_OPEN_KILL_MS 5000 /* from SIGHUP to SIGKILL for what a closed channel leaves behind */

/* Begin an OPEN or SWITCH; the answer goes to the connection when it is known. */
void peer_open_ask(struct peer *p, const struct monitor_msg *m);
/* The peer goes: its open questions are dropped. */
void peer_open_forget(struct peer *p);

#endif
