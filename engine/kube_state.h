/*
 * From what a cluster says of an environment to what the platform knows: instances with numbers, whether all is
 * as wanted, and in words what is missing.  Pure, but for the numbers that it remembers.
 */
#ifndef ENGINE_KUBE_STATE_H
#define ENGINE_KUBE_STATE_H

#include <jansson.h>
#include "engine/backend.h"

struct kube_state_pod {          /* a pod and the number that it has among its tier's */
	char ns[80], pod[80];
	char uid[64];            /* of the pod */
	struct backend_instance seen;
};

struct kube_state {              /* all pods that were seen last */
	struct kube_state_pod *pods;
	size_t n;
};

/* pods, controllers (Deployments, StatefulSets of the environment): arrays, borrowed.  Pods that are going
 * are left out; a number is given to a new one and freed with it. */
void kube_state_read(struct kube_state *s, const struct backend_env *e, const json_t *pods,
    const json_t *controllers, struct backend_env_state *out);
/* Is what a container waits for (of its status) the node's own haste, which passes by itself, and not the pod's
 * fault?  kubelet's words: "failed to sync secret cache: timed out waiting for the condition", a container
 * runtime that was too slow ("context deadline exceeded") or holds a name still. */
bool kube_state_passes(const json_t *waiting);
/* NULL: no instance of the cluster is called that. */
const struct kube_state_pod *kube_state_find(const struct kube_state *s, const char *name);
void kube_state_clear(struct kube_state *s);

#endif
