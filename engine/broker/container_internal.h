/* Between container.c and container_net.c. */
#ifndef ENGINE_BROKER_CONTAINER_INTERNAL_H
#define ENGINE_BROKER_CONTAINER_INTERNAL_H

#include "engine/broker/container.h"

int container_net_ensure(const struct broker *b, const struct spec *s, struct cl_err *err);
int container_net_ensure_volumes(const struct broker *b, const struct spec *s, struct cl_err *err);

#endif
