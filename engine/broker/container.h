/*
 * Containers of ours, by their short name ("p12-prod-was-3-r7").  Every call first looks whether
 * the container carries this lab's label; any other is "not found", whatever it is called.
 */
#ifndef ENGINE_BROKER_CONTAINER_H
#define ENGINE_BROKER_CONTAINER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "engine/broker/broker.h"
#include "engine/broker/spec.h"

/* The engine's own description; the caller owns it.  NULL with CL_NOT_FOUND. */
json_t *container_inspect(const struct broker *b, const char *name, struct cl_err *err);
/* Create when absent (network and volumes first), start when not running. */
int container_apply(const struct broker *b, const struct spec *s, struct cl_err *err);
/* Create only; a container of that name that is there already is removed first. */
int container_create(const struct broker *b, const struct spec *s, struct cl_err *err);
/* What a container needs before it is created: its image there and ours, network, volumes. */
int container_prepare(const struct broker *b, const struct spec *s, struct cl_err *err);
int container_start(const struct broker *b, const char *name, struct cl_err *err);
/* Stop with grace, then remove; absence is success. */
int container_remove(const struct broker *b, const char *name, int grace_s, struct cl_err *err);
/* Wait for its end; its exit status. -1 on failure. */
int container_wait(const struct broker *b, const char *name, int *status, struct cl_err *err);

#endif
