/*
 * Connections to the engine, and the transports that carry them: HTTP (server_http.c) and messages of
 * our own (server_call.c).  A transport reads a request into gate and body and writes what waits
 * in `out`; what the router sees of a connection (server.h) is the same for all.
 *
 *   accepted --open()--> CONN_HEAD --server_head()--> CONN_REQUEST --server_body_add()-->
 *       server_hand_over() --> CONN_HANDLED --answer, stream: wake()--> CONN_REPLY --server_gone()-->
 */
#ifndef ENGINE_SERVER_INTERNAL_H
#define ENGINE_SERVER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/buf.h"
#include "base/err.h"
#include "engine/gate.h"

#define SERVER_CONNECTIONS_MAX 1024
#define SERVER_HEAD_MS 10000  /* for a whole head */
#define SERVER_PIECE_S 10     /* between two pieces of a body */
#define SERVER_STALL_S 30     /* whoever takes nothing for so long is cut off */

struct engine;
struct ipc_in;
struct lws;
struct server;
struct server_conn;
struct server_handlers;

enum conn_state {
	CONN_HEAD,     /* waiting for a whole head */
	CONN_REQUEST,  /* the rest of the request is being read */
	CONN_HANDLED,  /* the router has it */
	CONN_REPLY,    /* headers are to be written or were */
};

struct server_transport {
	void (*open)(struct server_conn *c);  /* one more, in CONN_HEAD */
	void (*wake)(struct server_conn *c);  /* there is something to write, or the end */
	void (*watch)(struct server_conn *c); /* it is a stream now: see when the peer goes */
	bool beats;                           /* a stream needs something to say now and then */
	size_t queue;                         /* bytes of a stream that may wait for a slow reader */
};

struct server_conn {
	struct server *server; /* NULL once it is gone */
	struct server_conn *next, *prev;
	const struct server_transport *via;
	enum conn_state state;
	int fd;
	uid_t peer;
	uv_poll_t poll;
	int64_t since;         /* ms: of the last thing the peer did */
	struct gate gate;
	struct buf body, out;
	char type[48], allow[64];
	int status;
	bool headers_sent, stream, ending;
	size_t length;         /* of the answer's body */
	void (*close_cb)(void *arg);
	void *close_arg;
	void (*drain_cb)(void *arg);
	void *drain_arg;
	/* HTTP */
	struct lws *wsi;
	int watched;           /* a second descriptor: is the peer of a stream still there? or -1 */
	bool polling;
	bool writing;          /* something waits to be taken */
	/* calls */
	int events;            /* polled for */
	bool closing;
};

struct server_listener {
	uv_poll_t poll;
	int fd;
	struct server *server;
	const struct server_transport *via;
};

struct server {
	struct engine *engine;
	const struct server_handlers *on;
	struct server_listener http, call;
	struct lws_context *context;
	struct lws_vhost *vhost;
	uv_timer_t heads;      /* HTTP: looks again at heads that are not whole */
	uv_timer_t stalls;     /* calls: who takes too long */
	int nconns;
	bool stopping;
	struct server_conn *conns;
};

extern const struct server_transport server_http, server_call;

int server_http_start(struct server *s, struct cl_err *err);
void server_call_start(struct server *s);

/* The gate is filled: true to read the body and hand over, false when the request was refused. */
bool server_head(struct server_conn *c);
/* false when that is more than was announced; *whole: it can be handed over. */
bool server_body_add(struct server_conn *c, const void *data, size_t n, bool *whole);
void server_hand_over(struct server_conn *c);
/* Not among the connections any more. */
void server_gone(struct server_conn *c);
void server_free_conn(struct server_conn *c);
/* CALL_BEGIN into g; *first: the bytes of the body that came with it.  -1: malformed. */
int server_call_head(struct ipc_in *in, struct gate *g, const void **first, size_t *n);

#endif
