/*
 * The listener's side door: engine/api/auth_proto.h on auth.sock.  Peers other than uid 0 are turned
 * away; a malformed message ends its connection.  Loop's thread.
 */
#ifndef ENGINE_AUTH_H
#define ENGINE_AUTH_H

#include <stdint.h>
#include "base/err.h"

struct auth;
struct engine;

struct auth *auth_open(struct engine *e, const char *path, struct cl_err *err);
void auth_close(struct auth *a); /* run the loop once more afterwards */
/* Every listener ends what this user has open. */
void auth_revoke(struct engine *e, int64_t user, const char *reason, const char *fingerprint);

/* A message to the gateway's listener; -1 (CL_UNAVAILABLE) when none is connected. */
struct ipc_out;
int auth_tell(struct engine *e, const struct ipc_out *m, struct cl_err *err);

#endif
