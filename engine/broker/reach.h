/*
 * What dev containers and builds of user code are given to reach package registries, and nothing
 * else gets: the certificates to trust, mounted over their own (docs/STACKS.md), and the way to the
 * package proxy - a folder with its socket, codinglab-net before their command, the variables that
 * tools read.  Nothing of it is a file of the container's own.
 */
#ifndef ENGINE_BROKER_REACH_H
#define ENGINE_BROKER_REACH_H

#include <jansson.h>
#include <stdbool.h>

#include "engine/broker/place.h"

#define REACH_TRUST "/run/codinglab-trust" /* in the container: trust.dir */
#define REACH_PROXY "/run/codinglab-proxy" /* in the container: the folder with the socket */
#define REACH_HELPER "/run/codinglab-net"  /* in the container: the program */

enum reach_kind { REACH_DEV, REACH_BUILD };

/* Is there a proxy for this kind now? */
bool reach_proxied(const struct place *p, enum reach_kind kind);
/* Do builds have no network but what the proxy lets through? */
bool reach_closed(const struct place *p);
/* One line for a build's log: what it reaches. */
const char *reach_text(const struct place *p);
/* Add to the body of POST /containers/create, which has HostConfig.Mounts. */
void reach_give(json_t *body, const struct place *p, enum reach_kind kind);

/* The variables that go with it, for a program that is started in such a container: added to ["NAME=value"]. */
void reach_vars(json_t *env, const struct place *p, enum reach_kind kind);

/* Instructions ("CMD [...]", "ENV NAME=") that take it out of an image committed from such a container,
 * whose configuration (inspect's Config) this is; an array, owned by the caller, empty where there is
 * nothing to take out. */
json_t *reach_undo(const json_t *config);

#endif
