/*
 * One call to the engine over its socket for calls (engine/api/call_proto.h): blocking, or on a loop.
 * The socket's path is that of the HTTP one; beside it is ours.  Replies have a ceiling of 16 MiB.
 */
#ifndef ENGINE_CLIENT_CLIENT_WIRE_H
#define ENGINE_CLIENT_CLIENT_WIRE_H

#include <stdint.h>
#include <uv.h>
#include "base/buf.h"
#include "base/err.h"

struct ipc_in;

struct client_wire_request {
	const char *method;
	const char *target;        /* path and query, encoded; at most 4096 bytes */
	const char *last_event;    /* id, or NULL */
	const char *body;          /* copied; NULL = none */
	int64_t timeout_ms;        /* for all of it; 0 = none */
	/* Of a 2xx reply, or NULL: told once its head is there; given its parts as they come, instead
	 * of collecting them.  Nonzero from data_cb ends the call. */
	void (*head_cb)(void *arg, int status);
	int (*data_cb)(void *arg, const char *data, size_t n);
	void *arg;
	volatile int *cancelled;   /* blocking calls end within a second once it is set; or NULL */
};

struct client_wire_reply {
	int status;                /* as HTTP's; 0 = none came */
	struct buf body;           /* owned */
};

/* Blocking, any thread: 0 when a reply came whole, whatever its status, or a stream ended; -1 if not. */
int client_wire_run(const char *socket, const struct client_wire_request *r,
    struct client_wire_reply *reply, struct cl_err *err);

/* On a loop.  done is called once, from the loop, unless cancelled; err is NULL when a reply came.
 * The reply goes when it returns.  It may start, cancel and free whatever it likes. */
struct client_wire;
typedef void client_wire_done_cb(void *arg, const struct client_wire_reply *reply, const struct cl_err *err);
struct client_wire *client_wire_start(uv_loop_t *loop, const char *socket,
    const struct client_wire_request *r, client_wire_done_cb *done, void *arg);
void client_wire_cancel(struct client_wire *w);

/* What a message from the engine says.  0, or -1: malformed, or not in its place. */
struct client_wire_head {
	bool begun;
	int status;
	uint32_t length;           /* or CALL_STREAM */
	uint64_t got;
};
int client_wire_take(struct client_wire_head *h, struct ipc_in *in, const void **data, size_t *n);

#endif
