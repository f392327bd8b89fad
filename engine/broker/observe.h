/*
 * What is there: this lab's containers, with what their labels say, read from one list call.  What
 * the list lacks (process, start time, exit status) is asked once per start of a container and
 * remembered as long as the process lives.
 */
#ifndef ENGINE_BROKER_OBSERVE_H
#define ENGINE_BROKER_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/broker/broker.h"

/* Send one BROKER_INSTANCE per container on sock.  project 0 = all. */
int observe_send(const struct broker *b, int sock, int64_t project, bool with_stats,
    struct cl_err *err);
/* Unix milliseconds of "2026-11-23T01:13:36.65Z"; 0 when it is no time. */
int64_t observe_time(const char *s);

#endif
