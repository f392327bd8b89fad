/*
 * Room among the connections that have not proven who they are.  Early drop alone (gate.h) lets one
 * network that keeps all places taken shut out everyone else, so a newcomer from a network that
 * holds none is let in, and when every place is taken, one that never said a word goes (the kernel
 * counts bytes; none is read here), otherwise the network that holds most gives one up.
 */
#ifndef SSHD_ROOM_H
#define SSHD_ROOM_H

#include <stdbool.h>
#include "sshd/addr.h"
#include "sshd/gateway.h"

#define ROOM_LEAST_MS 3000  /* what a network's only connection has at least, to log in */
#define ROOM_SILENT_MS 300 /* to say its first word: clients do that at once */

/* Unproven connections from a's network (addr_near). */
int room_near(const struct gateway *g, const struct addr *a);
/* Make a place for one more: end the oldest of the network that holds most.  With one each, the
 * oldest goes when it had its time.  false: nobody is to go, so there is no place. */
bool room_make(struct gateway *g);

#endif
