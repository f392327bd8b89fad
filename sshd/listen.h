/* The listening sockets of the gateway, and who is let in at all. */
#ifndef SSHD_LISTEN_H
#define SSHD_LISTEN_H

#include <stddef.h>
#include "sshd/gateway.h"

#define LISTEN_MAX 4

struct listen {
	int n;
	int fds[LISTEN_MAX];
	bool paused;       /* out of descriptors or processes: no accept until resume_at */
	int64_t resume_at; /* monotonic ms */
};

/* Listen on host (a name or address, "*" = all) and port; says what to do when it is taken. */
int listen_open(struct listen *l, const char *host, int port, struct cl_err *err);
void listen_close(struct listen *l);
/* Accept what is waiting on fd: each is refused with one line, or gets a connection process. */
void listen_accept(struct listen *l, int fd, struct gateway *g);

#endif
