/* Networks and volumes of ours, by their short name: made when a container wants one. */
#ifndef ENGINE_BROKER_CONTAINER_NET_H
#define ENGINE_BROKER_CONTAINER_NET_H

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

/* The spec's network, its volumes: there afterwards, and this lab's. */
int container_net_ensure(const struct broker *b, const struct spec *s, struct cl_err *err);
int container_net_ensure_volumes(const struct broker *b, const struct spec *s, struct cl_err *err);
/* Absence is success; one in use is an error. */
int container_net_remove(const struct broker *b, const char *name, struct cl_err *err);
int container_net_remove_volume(const struct broker *b, const char *name, struct cl_err *err);

#endif
