/* A cluster and what of it is ours: see kube_cluster.h. */
#include "engine/kube_cluster.h"

#include <string.h>

#include "base/config.h"
#include "base/mem.h"
#include "engine/repository.h"


int kube_cluster_there(struct kube_cluster *c, struct cl_err *err)
{
	if (c->api && c->nginx_conf && (c->password || !repository_have()))
		return 0;
	err_set(err, CL_PRECONDITION, "kubernetes: no cluster was found when the engine started");
	return err_hint(err, "Set kube.config to a kubeconfig that %s can read", config_str("engine.user"));
}

bool kube_cluster_made(const struct kube_cluster *c, const json_t *object)
{
	const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
	const char *by = json_string_value(json_object_get(labels, "app.kubernetes.io/managed-by"));
	const char *lab = json_string_value(json_object_get(labels, "codinglab/lab"));

	return by && lab && strcmp(by, "codinglab") == 0 && strcmp(lab, c->lab) == 0;
}

/* Nothing that somebody else made is taken over. */
int kube_cluster_check(struct kube_cluster *c, const json_t *o, struct cl_err *err)
{
	const json_t *meta = json_object_get(o, "metadata");
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *name = json_string_value(json_object_get(meta, "name"));
	const char *ns = json_string_value(json_object_get(meta, "namespace"));
	cl_autofree char *key = mem_printf("%s/%s/%s", kind, ns ? ns : "", name);
	struct cl_err why = { 0 };
	json_t *is = NULL;
	bool known;

	pthread_mutex_lock(&c->lock);
	known = json_object_get(c->known, key) != NULL;
	pthread_mutex_unlock(&c->lock);
	if (known)
		return 0;
	if (kube_api_get(c->api, kind, ns ? ns : "", name, &is, &why) != 0 && why.code != CL_NOT_FOUND)
		return err_set(err, why.code, "%s", why.message);
	if (is && !kube_cluster_made(c, is)) {
		json_decref(is);
		err_set(err, CL_CONFLICT, "kubernetes: there is a %s %s%s%s that this lab did not make", kind,
		    ns ? ns : "", ns ? "/" : "", name);
		return err_hint(err, "Rename or remove it; another lab on this cluster needs another kube.prefix");
	}
	json_decref(is);
	pthread_mutex_lock(&c->lock);
	json_object_set_new(c->known, key, json_true());
	pthread_mutex_unlock(&c->lock);
	return 0;
}

void kube_cluster_namespace(const struct kube_cluster *c, char *out, size_t size, const char *owner,
    const char *env)
{
	kube_manifest_namespace(out, size, c->prefix, owner, env);
}
