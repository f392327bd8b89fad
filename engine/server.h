/*
 * The engine's unix sockets: HTTP by libwebsockets for everybody, and beside it messages of ours
 * (engine/api/call_proto.h) for programs of ours, which then need no HTTP client.  One request for each
 * connection (so a request has one meaning, whatever follows it).  The peer is known by SO_PEERCRED.
 * Bounds, together for both: 256 KiB of body, 10 s for the head, 10 s between pieces of a body,
 * connections in all and for each uid.
 *
 * A connection is handed to h->handle() (router.c) once its request is whole; it is answered by one
 * of server_answer() and server_stream().  server_on_close() tells when it is gone.  Loop's thread.
 */
#ifndef ENGINE_SERVER_H
#define ENGINE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define SERVER_BODY_MAX (256 * 1024)
#define SERVER_STREAM_MAX (256 * 1024) /* bytes queued for a slow reader (calls: twice) */

struct engine;
struct gate;
struct server;
struct server_conn;

struct server_handlers {
	void (*handle)(struct engine *e, struct server_conn *c); /* a whole request */
	/* bytes of body that this one may send */
	size_t (*body_max)(struct engine *e, struct server_conn *c);
	/* one that is not read further: answer with this */
	void (*refuse)(struct server_conn *c, enum cl_code code, const char *message);
};

/* path: of the HTTP socket.  h stays valid. */
struct server *server_open(struct engine *e, const char *path, const struct server_handlers *h,
    struct cl_err *err);
/* No more connections; streams are ended, answers under way are sent. */
void server_stop(struct server *s);
int server_connections(const struct server *s);

const struct gate *server_gate(const struct server_conn *c);
uid_t server_peer(const struct server_conn *c);
const char *server_body(const struct server_conn *c, size_t *n);
void server_on_close(struct server_conn *c, void (*cb)(void *arg), void *arg);

/* allow: value of an Allow header, or NULL.  body is copied. */
void server_answer(struct server_conn *c, int status, const char *type, const char *allow,
    const char *body, size_t n);

void server_stream(struct server_conn *c, const char *type); /* 200 without length */
/* Queue bytes; -1 when too much would wait (nothing is added then, unless force). */
int server_write(struct server_conn *c, const char *data, size_t n, bool force);
size_t server_queued(const struct server_conn *c);
void server_on_drain(struct server_conn *c, void (*cb)(void *arg), void *arg);
void server_end(struct server_conn *c); /* close once the queue is empty */
/* A stream over it needs something to say now and then, or nobody sees that it is dead. */
bool server_beats(const struct server_conn *c);

#endif
