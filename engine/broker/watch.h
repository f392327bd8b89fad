/* The container engine's events about this lab's containers, sent as BROKER_CHANGE. */
#ifndef ENGINE_BROKER_WATCH_H
#define ENGINE_BROKER_WATCH_H

#include "base/err.h"
#include "engine/broker/broker.h"

/* Runs until the engine ends the stream (-1) or the process is killed. */
int watch_run(const struct broker *b, int sock, struct cl_err *err);

#endif
