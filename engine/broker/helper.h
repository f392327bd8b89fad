/* Running codinglab-unpack (engine/broker/unpack/unpack.h) as a user, for one job. */
#ifndef ENGINE_BROKER_HELPER_H
#define ENGINE_BROKER_HELPER_H

#include <stdint.h>

#include "base/err.h"
#include "base/ipc.h"
#include "engine/broker/line.h"
#include "engine/broker/unpack/unpack.h"

struct helper {
	uint32_t uid, gid;
	int seconds;          /* then it is killed */
	struct line *out;     /* gets its output; NULL = nobody */
	int watch;            /* a socket: when it is closed, the job is not wanted; -1 = none */
};

/* The limits that the operator set (import.*). */
void helper_limits(struct unpack_limits *max);
void helper_put_limits(struct ipc_out *m, const struct unpack_limits *max);
/* Send the request and wait for its end.  What it left behind is the caller's to remove. */
int helper_run(const struct helper *h, const struct ipc_out *request, struct unpack_result *r,
    struct cl_err *err);

#endif
