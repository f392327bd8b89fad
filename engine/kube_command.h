/* One command in a pod to its end, on the executions' loop (kube_exec.h), for a worker that waits. */
#ifndef ENGINE_KUBE_COMMAND_H
#define ENGINE_KUBE_COMMAND_H

#include "engine/kube_exec.h"

/* Worker threads.  input may be NULL, output (NULL: not wanted) takes what fits.  0 and its status, or -1:
 * it was not run, or its end is not known. */
int kube_command_run(struct kube_exec *x, struct kube_api *api, const struct kube_exec_pod *pod,
    char *const *argv, const void *input, size_t len, struct buf *output, int timeout_s, int *status,
    struct cl_err *err);

#endif
