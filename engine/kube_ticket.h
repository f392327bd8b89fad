/*
 * Preparing an execution in a pod, for a worker: our helper codinglab-pty is put into the pod when it is not
 * there yet (a file in /tmp, named by its contents), then a ticket waits for its client (kube_exec.h).  A pod
 * without a shell or a /tmp to write to is served without the helper: signals do not reach the program then,
 * and the end of its input only on clusters that speak v5.
 */
#ifndef ENGINE_KUBE_TICKET_H
#define ENGINE_KUBE_TICKET_H

#include "engine/kube_exec.h"

/* A ticket into ticket (>= 69 bytes). */
int kube_ticket_make(struct kube_exec *x, struct kube_api *api, const struct kube_exec_pod *pod,
    const struct backend_exec *e, char *ticket, size_t size, struct cl_err *err);

#endif
