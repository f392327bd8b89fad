/*
 * An environment's objects on their way into a cluster, one request each.  All of them are applied each time, so that what
 * somebody else changed or removed comes back; what only says another number of pods goes first, so that they start
 * while the rest is gone through.
 */
#ifndef ENGINE_KUBE_APPLY_H
#define ENGINE_KUBE_APPLY_H

#include <jansson.h>
#include "engine/kube_cluster.h"

/* In their order.  name: of the environment, which is remembered; or NULL.  address (may be NULL): of the Web tier's Service. */
int kube_apply_all(struct kube_cluster *c, const char *name, const json_t *list, char *address, size_t size,
    struct cl_err *err);
/* When the environment says what was applied last but for numbers of pods: these, at once.  What fails here is found out by
 * kube_apply_all(). */
void kube_apply_first(struct kube_cluster *c, const char *name, const json_t *list);
/* nginx looks its upstream up once, when it starts: a Service that was deleted and came back has another address, so the
 * pods of Web carry its uid and are rolled when it is another. */
void kube_apply_upstream(json_t *web, const char *uid);
/* "" for what belongs to no tier. */
const char *kube_apply_tier(const json_t *o);

#endif
