/*
 * The backend `kube`: environments run in a Kubernetes cluster, as a whole (env_apply and its like); dev
 * containers, builds, saves and the repository stay on this machine, with the backend `local`.  `kube-sim` has `sim` in
 * its place: objects in a real cluster and nothing on this machine, for measuring how both grow.
 */
#ifndef ENGINE_BACKEND_KUBE_H
#define ENGINE_BACKEND_KUBE_H

#include "engine/backend.h"

extern struct backend_ops backend_kube_ops; /* made whole by their open */
extern struct backend_ops backend_kube_sim_ops;

#endif
