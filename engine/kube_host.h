/*
 * A cluster's nodes as schema Host says it: their objects, and what they use by the metrics API where there is one.
 * Kubelets are not asked themselves (kube_metrics.h says why), so how full a node's disk is stays unknown but for
 * its DiskPressure.
 */
#ifndef ENGINE_KUBE_HOST_H
#define ENGINE_KUBE_HOST_H

#include <jansson.h>
#include "engine/backend.h"

/* Pure: nodes and pods (of this lab) as arrays, metrics a NodeMetricsList or NULL; all borrowed.  The caller's. */
json_t *kube_host_read(const json_t *nodes, const json_t *pods, const json_t *metrics);
/* backend_ops.hosts */
int kube_host_list(struct backend *b, json_t **out, struct cl_err *err);

#endif
