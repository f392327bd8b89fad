/*
 * Environments in a cluster, as a whole: backend_ops.env_apply, env_manifest, env_look, env_run and env_remove of the backend
 * `kube`.
 */
#ifndef ENGINE_KUBE_ENV_H
#define ENGINE_KUBE_ENV_H

#include <jansson.h>
#include "engine/backend.h"
#include "engine/kube_cluster.h"

int kube_env_apply(struct backend *b, const struct backend_env *e, const struct backend_job *job,
    struct cl_err *err);
/* What kube_env_apply() would apply, with the secrets or without them. */
int kube_env_show(struct backend *b, const struct backend_env *e, bool secrets, json_t **out,
    struct cl_err *err);
int kube_env_look(struct backend *b, const struct backend_env *e, struct backend_env_state *out,
    struct cl_err *err);
int kube_env_ready(struct backend *b, const struct backend_env *e, struct cl_err *err);
int kube_env_run(struct backend *b, const struct backend_env *e, const struct backend_spec *spec,
    const struct backend_job *job, int *status, struct cl_err *err);
int kube_env_remove(struct backend *b, const struct backend_env *e, bool data, struct cl_err *err);

/* For what else runs in the cluster. */
/* An image of this machine's store as pods pull it: pushed, by digest; the caller's. */
char *kube_env_image(struct backend *b, const struct backend_env *e, const struct backend_spec *s,
    const struct backend_job *job, struct cl_err *err);
/* What the manifests of an environment have in common. */
void kube_env_manifest(struct kube_cluster *c, struct kube_manifest *m, const struct backend_env *e);
/* Unless a project has a Service in it, or another lab made it. */
int kube_env_remove_namespace(struct kube_cluster *c, const char *ns, struct cl_err *err);

#endif
