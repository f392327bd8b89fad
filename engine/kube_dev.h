/*
 * Dev containers as pods.  The project's files stay where they are, in ${state}/projects of the engine's machine,
 * on storage that the nodes see too (kube.workspaces): the pod mounts them by a volume claim of the project, so
 * the editor, imports, saves and builds work on the very files that its programs see.
 *
 *   ${state}/projects/12/{work,home} ═ PersistentVolume codinglab-LAB-p12 ═ claim shop-files ─ /workspace, /home/dev
 *   namespace codinglab-alice-ide: quota, limits, default-deny policies, restricted; pod shop-dev, ConfigMap shop-dev
 */
#ifndef ENGINE_KUBE_DEV_H
#define ENGINE_KUBE_DEV_H

#include <stdbool.h>
#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_cluster.h"

/* Are dev containers pods here? */
bool kube_dev_used(void);
/* Push the image, apply what the pod stands on, and the pod; does not wait until it runs. */
int kube_dev_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err);
/* Of these names ("p12-dev")?  Then the pod goes; 0 when it is gone. */
bool kube_dev_name(const char *name, int64_t *project);
int kube_dev_remove(struct backend *b, int64_t project, int grace_s, struct cl_err *err);
/* Adds what runs; project 0 = all.  used: what pods use (kube_metrics.h), or NULL. */
int kube_dev_observe(struct backend *b, int64_t project, const json_t *used, struct backend_list *out,
    struct cl_err *err);
/* The pod to run a program in. */
int kube_dev_pod(struct backend *b, int64_t project, struct kube_exec_pod *out, struct cl_err *err);
/* The claim, the volume (never the files) and a namespace without others. */
int kube_dev_forget(struct backend *b, int64_t project, struct cl_err *err);

#endif
