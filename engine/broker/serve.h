/* One connection of the engine's to the broker: requests, one after another (broker_proto.h). */
#ifndef ENGINE_BROKER_SERVE_H
#define ENGINE_BROKER_SERVE_H

#include "base/ipc.h"
#include "engine/broker/broker.h"

struct serve {
	const struct broker *b;
	int sock;
	struct ipc_in in;   /* the request */
	struct ipc_out out; /* results, sent with OK */
};

/* Serve sock until it closes or a malformed request comes. */
void serve_run(const struct broker *b, int sock);
/* Answer the request in s->in; -1 when the connection is to end. */
int serve_request(struct serve *s);

#endif
