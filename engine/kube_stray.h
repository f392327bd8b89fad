/*
 * Pods of ours that nobody looks after any more: the Deployment that had them is gone or is another one by now, and the
 * cluster did not collect them (1.20's collector misses some whose owner went while its API server was away).  They carry
 * the labels that Services choose by, so that requests would reach an old release for ever.
 *
 *   Deployment ◄─ownerReferences─ ReplicaSet ◄─ownerReferences─ Pod
 */
#ifndef ENGINE_KUBE_STRAY_H
#define ENGINE_KUBE_STRAY_H

#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_api.h"

/* Are there more pods of a tier than there should be, though its Deployment has all that it wants?  pods, controllers: as
 * listed, borrowed. */
bool kube_stray_likely(const struct backend_env *e, const json_t *pods, const json_t *controllers);
/* Asks after each pod's ReplicaSet and that one's Deployment; removes what has none.  How many pods it removed.  What
 * cannot be asked now is asked at the next look. */
int kube_stray_remove(struct kube_api *a, const char *ns, const json_t *pods);

#endif
