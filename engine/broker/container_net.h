/* Networks and volumes of ours, by their short name: made when a container wants one. */
#ifndef ENGINE_BROKER_CONTAINER_NET_H
#define ENGINE_BROKER_CONTAINER_NET_H

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

/* The spec's network, its volumes: there afterwards, and this lab's. */
int container_net_ensure(const struct broker *b, const struct spec *s, struct cl_err *err);
/*
 * The address that the database of the spec's network has and keeps, as text; "" where names are
 * looked up reliably (Docker), or the network was made before addresses were kept back.
 */
void container_net_fixed(const struct broker *b, const struct spec *s, char *out, size_t size);
int container_net_ensure_volumes(const struct broker *b, const struct spec *s, struct cl_err *err);
/* Absence is success; one in use is an error. */
int container_net_remove(const struct broker *b, const char *name, struct cl_err *err);
int container_net_remove_volume(const struct broker *b, const char *name, struct cl_err *err);

#endif
