/* The log of a pod, line by line. */
#ifndef ENGINE_KUBE_LOG_H
#define ENGINE_KUBE_LOG_H

#include "engine/backend.h"
#include "engine/kube_api.h"

/* tail: so many of its last lines, 0 = 1000.  Without follow it ends after job->timeout_s at the latest. */
int kube_log_read(struct kube_api *api, const char *ns, const char *pod, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err);

#endif
