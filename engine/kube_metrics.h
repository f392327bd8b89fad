/*
 * What pods use, by the cluster's metrics API (metrics-server): cpu and memory per pod.  Where there is none they
 * stay unknown; kubelets are not asked themselves, for that needs rights over nodes that the engine shall not have.
 */
#ifndef ENGINE_KUBE_METRICS_H
#define ENGINE_KUBE_METRICS_H

#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_api.h"

/* Pods by "NAMESPACE/NAME" with {"cpu": percent of a core, "memory": bytes}; the caller's.  project 0 = all of this
 * lab's.  NULL: the cluster does not say. */
json_t *kube_metrics_take(struct kube_api *api, const char *lab, int64_t project);
/* From a PodMetricsList. */
json_t *kube_metrics_read(const json_t *list);
/* Into an instance, when they know its pod. */
void kube_metrics_give(const json_t *metrics, const char *ns, const char *pod, struct backend_instance *i);
/* A quantity of the API ("250m", "64Mi", "1e3", "12n") in its unit; -1: it is none. */
double kube_metrics_quantity(const char *text);

#endif
