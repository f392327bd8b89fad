/* What the files of the client library share. */
#ifndef ENGINE_CLIENT_CLIENT_INTERNAL_H
#define ENGINE_CLIENT_CLIENT_INTERNAL_H

#include <jansson.h>
#include <uv.h>
#include "engine/client/client_wire.h"

struct client_pending;

struct client {
	struct client_pending *calls;
	uv_loop_t *loop;
	char *socket;
	uint64_t last_id;
};

/* The engine's reply as JSON (new reference), or its error. NULL and err on failure. */
json_t *client_parse(const struct client_wire_reply *reply, struct cl_err *err);
/* What to say when nothing answers at socket. Returns -1. */
int client_unreachable(const char *socket, const struct cl_err *why, struct cl_err *err);

#endif
