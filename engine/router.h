/*
 * The router: from a whole request to its answer.  Who is it, which route, may they (policy.c), is
 * the body right (schema.c), then the handler in a transaction with its audit row, then the answer.
 * A repeated Idempotency-Key gives the first answer again.
 */
#ifndef ENGINE_ROUTER_H
#define ENGINE_ROUTER_H

#include <stddef.h>
#include "base/err.h"

struct engine;
struct server_conn;

void router_handle(struct engine *e, struct server_conn *c);
/* More than the usual for whoever may add a stack, and only to do so. */
size_t router_body_max(struct engine *e, struct server_conn *c);
/* Answer without looking further. */
void router_refuse(struct server_conn *c, enum cl_code code, const char *message);

#endif
