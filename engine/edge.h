/*
 * The edge: one HAProxy that takes requests by host name and spreads them over the instances of a
 * tier, driven at run time through its admin socket, so that scaling reloads nothing.
 *
 *   client -> frontend apps --Host--> web_SLOT -> the web instances (address:port)
 *   web instance -> SLOT/was.sock (mounted into it) -> was_SLOT -> the WAS instances
 *
 * A slot serves one environment of one project; which one, the store says.  Calls are blocking,
 * thread-safe and idempotent; each is its own connection to the socket.
 */
#ifndef ENGINE_EDGE_H
#define ENGINE_EDGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* host (lower case, no port) goes to slot / to nowhere. */
int edge_host_set(const char *host, int slot, struct cl_err *err);
int edge_host_unset(const char *host, struct cl_err *err);

/* Instance `name` at address:port serves tier "web" or "was" of slot, from now on.  A server of
 * that name that is there already gets the address.  Connections to it serve further requests, and are
 * closed when they were of no use for a fraction of a second. */
int edge_server_add(int slot, const char *tier, const char *name, const char *address, int port,
    struct cl_err *err);
/* As edge_server_add(), of an address that stands for several instances (a Service): each request has a
 * connection of its own, since a kept one stays with the instance that it once reached, also while that
 * one ends and others are free. */
int edge_service_add(int slot, const char *tier, const char *name, const char *address, int port,
    struct cl_err *err);
/* It is known to answer by now: what a check of the edge's own said before counts no more. */
int edge_server_up(int slot, const char *tier, const char *name, struct cl_err *err);
/* No new requests; when none is in flight, or after timeout_s, it is removed.  Absent is fine. */
int edge_server_drain(int slot, const char *tier, const char *name, int timeout_s,
    struct cl_err *err);
/* Names of the servers of a tier, newline-separated. */
int edge_server_list(int slot, const char *tier, struct buf *out, struct cl_err *err);

struct edge_traffic {
	double rps;     /* requests a second since the last call for this tier; < 0 at the first */
	int64_t active; /* requests in flight or queued */
	int64_t errors; /* failed connections and responses since the edge started */
};
int edge_traffic(int slot, const char *tier, struct edge_traffic *out, struct cl_err *err);

#endif
