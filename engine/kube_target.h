/*
 * Further clusters beside the lab's own: backend_ops.target_add and target_drop of the backend `kube`, and the
 * watches of all of them.  Nodes of each pull from the same repository (kube.registry), and the edge must reach
 * each one's Services.
 */
#ifndef ENGINE_KUBE_TARGET_H
#define ENGINE_KUBE_TARGET_H

#include "engine/backend.h"

int kube_target_add(struct backend *b, const char *name, const char *kubeconfig, bool look, char *server,
    size_t size, struct cl_err *err);
/* Waits for its watch to end. */
void kube_target_drop(struct backend *b, const char *name);
/* As backend_ops.watch, but it does not wait: all clusters, also those that come later. */
void kube_target_watch(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
    backend_cancel_cb *cancelled, void *arg);
void kube_target_unwatch(struct backend *b);

#endif
