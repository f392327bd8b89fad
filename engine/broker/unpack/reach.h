/*
 * Which addresses an import may talk to: those of the public Internet, and networks that the
 * operator names (import.private).  A name is resolved here, every address that it has is checked,
 * and the connection is pinned to what was checked, so the name cannot mean something else later.
 */
#ifndef ENGINE_BROKER_UNPACK_REACH_H
#define ENGINE_BROKER_UNPACK_REACH_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/giturl.h"

#define REACH_ADDRESSES 8
#define REACH_TEXT 64

struct reach {
	char address[REACH_ADDRESSES][REACH_TEXT]; /* numeric, IPv6 in brackets */
	int n;
};

/* Is this address one that an import may talk to?  networks: "CIDR,CIDR" besides public ones.
 * Link-local ones (a cloud's metadata) never are. */
bool reach_allowed(const struct sockaddr *address, const char *networks);
/* Every address of host; CL_FORBIDDEN when one of them is not allowed. */
int reach_resolve(const char *host, const char *networks, struct reach *out, struct cl_err *err);
/* "host:port:address,address" for curl, which git understands too. */
void reach_pin(const struct reach *r, const char *host, int port, char *out, size_t size);

#endif
