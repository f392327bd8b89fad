/*
 * Watching a cluster's pods on a thread of its own: each change of one of ours is told as a change of its
 * environment ("p12-prod-was-1-r0").  While the cluster is away it asks once a second.
 */
#ifndef ENGINE_KUBE_WATCH_H
#define ENGINE_KUBE_WATCH_H

#include "engine/backend.h"
#include "engine/kube_api.h"

struct kube_watch;

/* Of the objects of this lab (borrowed).  NULL: no thread could be made.  cb is called on that thread; it ends when cancelled says so. */
struct kube_watch *kube_watch_start(struct kube_api *api, const char *lab,
    void (*cb)(void *arg, const struct backend_change *c), backend_cancel_cb *cancelled, void *arg);
/* Waits for its end; NULL is fine. */
void kube_watch_stop(struct kube_watch *w);

#endif
