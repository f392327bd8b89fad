/* Shared by router.c, reply.c and stream.c: one request under way and its answer. */
#ifndef ENGINE_REPLY_INTERNAL_H
#define ENGINE_REPLY_INTERNAL_H

#include <stdbool.h>
#include <uv.h>
#include "engine/request.h"

struct server_conn;
struct stream;

struct reply {
	struct engine *engine;
	struct server_conn *conn; /* NULL once the peer is gone */
	struct request req;
	char allow[64];
	int status;
	json_t *body;
	char *text;               /* instead of body: an earlier answer, given again */
	bool keep;
	struct stream *stream;
	int (*work)(struct engine *e, void *arg, struct cl_err *err); /* reply.h */
	int (*then)(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err);
	void *arg;
	struct cl_err work_err;
	uv_work_t job;
	struct reply *next;       /* of those that are deferred */
	struct reply *waiters;    /* the same Idempotency-Key, waiting for this one */
};

struct stream *stream_new(struct reply *p);
void stream_start(struct stream *s, struct server_conn *c); /* takes the connection over */
void stream_free(struct stream *s);                         /* never started */

#endif
