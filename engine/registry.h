/*
 * The package registries that the stacks' own tools use: what the `registries` commands of a stack
 * print in its dev image, as host names in ${proxy.dir}/registries/STACK, where the package proxy
 * looks (images/proxy/registry-known).  So no host name stands in the platform's files, and an image that
 * is told of a mirror brings the mirror along.
 */
#ifndef ENGINE_REGISTRY_H
#define ENGINE_REGISTRY_H

#include "engine/backend.h"
#include "images/stack.h"

/*
 * Ask each stack whose dev image is among `there`, unless the file is of that very image.  Blocks (a
 * container for each command): for a worker thread.  What fails is logged and asked again next time.
 */
void registry_learn(struct backend *be, const struct stack_set *set,
    const struct backend_images *there, backend_cancel_cb *cancelled, void *arg);

/* Has nothing been learned of this stack's registries yet, though builds are let through to registries alone? */
bool registry_is_missing(const struct stack *s);

#endif
