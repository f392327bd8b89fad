/*
 * A parser of server-sent events (the WHATWG's text/event-stream) for bytes that come in any
 * pieces.  What it holds has a ceiling: a line or event past it is dropped whole and counted.
 */
#ifndef ENGINE_CLIENT_CLIENT_SSE_H
#define ENGINE_CLIENT_CLIENT_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"

#define CLIENT_SSE_MAX (1u << 20)

/* type is "message" where the stream names none; id is the last one seen, or "". */
typedef void client_sse_cb(void *arg, const char *type, const char *id, const char *data);

struct client_sse {
	struct buf line, data;
	char type[64], id[32];
	bool after_cr;      /* an LF that follows belongs to the line end before it */
	bool skip;          /* this line is past the ceiling */
	unsigned dropped;   /* events lost to the ceiling */
	client_sse_cb *event;
	void *arg;
};

void client_sse_init(struct client_sse *s, client_sse_cb *event, void *arg);
void client_sse_feed(struct client_sse *s, const char *data, size_t n);
/* Forget what is half read; the last id stays (for a reconnect). */
void client_sse_reset(struct client_sse *s);
void client_sse_clear(struct client_sse *s);

#endif
