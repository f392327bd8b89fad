/*
 * The answer to one request.  Filled by a handler on the loop's thread:
 *
 *   reply_json(p, 200, obj)            now, or
 *   reply_work(p, work, then, arg)     later: work runs on a worker thread (may block, may call the
 *                                      backend, never touches the store), then `then` on the loop, or
 *   reply_stream(p)                    a stream of server-sent events (stream.h).
 *
 * `then` runs in a transaction of its own with the audit row, as a handler does.  The transaction of
 * the handler that called reply_work() is committed without audit row, so it only reserves.  A peer
 * that has gone away does not stop work or then.
 */
#ifndef ENGINE_REPLY_H
#define ENGINE_REPLY_H

#include <jansson.h>
#include "base/err.h"

struct engine;
struct request;
struct reply;
struct stream;

void reply_json(struct reply *p, int status, json_t *body); /* body is stolen */
/* After reply_json(): its body as it was printed before; copied. */
void reply_text(struct reply *p, const char *text);
void reply_done(struct reply *p);                           /* 200 {"ok":true} */

/* 0, or -1 with err, which `then` gets. */
typedef int reply_work_cb(struct engine *e, void *arg, struct cl_err *err);
/* err->code tells how work ended; usually: if (err->code) return -1;.  Owns arg from now on. */
typedef int reply_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err);
void reply_work(struct reply *p, reply_work_cb *work, reply_then_cb *then, void *arg);

/* Keep what `then` (or the handler) changed although it returns -1. */
void reply_keep(struct reply *p);

/* Answer with a stream; the router sends the headers.  Owned by the connection: see stream.h. */
struct stream *reply_stream(struct reply *p);

#endif
