/*
 * The engine's connections to the runtime broker (engine/broker/broker_proto.h): a few, kept open,
 * one request at a time on each.  A broker that was restarted is noticed by the first send and asked
 * again once; every request is idempotent by name.
 */
#ifndef ENGINE_LOCAL_LINK_H
#define ENGINE_LOCAL_LINK_H

#include "base/ipc.h"
#include "engine/backend.h"

struct local_link;

struct local_link *local_link_new(const char *socket);
void local_link_free(struct local_link *l);

/* A message to fill for local_link_ask(); heap, freed by it. */
struct ipc_out *local_link_begin(uint32_t verb);

/* Told of each part (INSTANCE, DATA, ...) but lines; reads its fields, not ipc_end(). */
typedef void local_link_part_cb(void *arg, struct ipc_in *part);
/* Told of the final OK. */
typedef void local_link_ok_cb(void *arg, struct ipc_in *ok);

struct local_link_call {
	local_link_part_cb *part;      /* may be NULL: a part is then an error */
	local_link_ok_cb *ok;          /* may be NULL: the OK has no fields */
	void *arg;
	/* Told of each LINE, its `cancelled` polled five times a second; NULL: a line is an error. */
	const struct backend_job *job;
	bool rests; /* it may take for ever: cancelled is asked after local_link_wake() alone */
};

/* Send out (taken) and read until the end.  0, or -1 with the broker's error; CL_UNAVAILABLE with
 * the fix when no broker answers. */
int local_link_ask(struct local_link *l, struct ipc_out *out, const struct local_link_call *call,
    struct cl_err *err);
/* Calls that rest ask whether they are cancelled; from any thread. */
void local_link_wake(struct local_link *l);

#endif
