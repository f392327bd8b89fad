/*
 * Environments in a cluster, as a whole: backend_ops.env_apply, env_look, env_run and env_remove of the backend
 * `kube`.
 */
#ifndef ENGINE_KUBE_ENV_H
#define ENGINE_KUBE_ENV_H

#include "engine/backend.h"

int kube_env_apply(struct backend *b, const struct backend_env *e, const struct backend_job *job,
    struct cl_err *err);
int kube_env_look(struct backend *b, const struct backend_env *e, struct backend_env_state *out,
    struct cl_err *err);
int kube_env_run(struct backend *b, const struct backend_env *e, const struct backend_spec *spec,
    const struct backend_job *job, int *status, struct cl_err *err);
int kube_env_remove(struct backend *b, const struct backend_env *e, bool data, struct cl_err *err);

#endif
