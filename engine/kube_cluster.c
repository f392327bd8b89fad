/* A cluster and what of it is ours: see kube_cluster.h. */
#include "engine/kube_cluster.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/repository.h"

#define RIGHTS_MS 10000          /* until a server knows a new binding: some 0.1 s */

int kube_cluster_there(struct kube_cluster *c, struct cl_err *err)
{
	if (c->api && c->nginx_conf && (c->password || !repository_have()))
		return 0;
	err_set(err, CL_PRECONDITION, "kubernetes: no cluster was found when the engine started");
	return err_hint(err, "Set kube.config to a kubeconfig that %s can read", config_str("engine.user"));
}

struct kube_cluster *kube_cluster_new(const char *lab)
{
	struct kube_cluster *c = mem_alloc(sizeof(*c));

	c->lab = lab;
	c->prefix = config_str("kube.prefix");
	c->disruption = "";
	c->pushed = json_object();
	c->known = json_object();
	c->applied = json_object();
	c->pruned = json_object();
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void kube_cluster_free(struct kube_cluster *c)
{
	kube_api_free(c->api);
	kube_state_clear(&c->state);
	mem_free(c->nginx_conf);
	if (c->password)
		mem_wipe(c->password, strlen(c->password));
	mem_free(c->password);
	json_decref(c->pushed);
	json_decref(c->known);
	json_decref(c->applied);
	json_decref(c->pruned);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

const struct backend_ops *kube_cluster_under(const struct backend *b)
{
	const struct kube_cluster *own = b->cluster;

	return own->under;
}

struct kube_cluster *kube_cluster_next(struct backend *b, struct kube_cluster *c)
{
	struct kube_cluster *own = b->cluster;

	pthread_mutex_lock(&own->lock);
	do
		c = c->next;
	while (c && c->dropped);
	pthread_mutex_unlock(&own->lock);
	return c;
}

struct kube_cluster *kube_cluster_find(struct backend *b, const char *target, struct cl_err *err)
{
	struct kube_cluster *own = b->cluster, *c;

	pthread_mutex_lock(&own->lock);
	for (c = own; c && (c->dropped || strcmp(c->target, target) != 0); c = c->next)
		;
	pthread_mutex_unlock(&own->lock);
	if (!c)
		err_set(err, CL_NOT_FOUND, "kubernetes: no target is called %s", target);
	return c;
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

/* Servers learn of a binding by their own watches. */
static int wait_rights(struct kube_cluster *c, const char *ns, struct cl_err *err)
{
	int64_t until = clock_ms() + RIGHTS_MS;

	for (;;) {
		struct cl_err why = { 0 };
		json_t *is = NULL;

		(void)kube_api_get(c->api, "ResourceQuota", ns, "codinglab", &is, &why);
		json_decref(is);
		if (why.code == CL_OK || why.code == CL_NOT_FOUND)
			return 0;
		if (why.code != CL_FORBIDDEN || clock_ms() > until)
			return err_set(err, why.code, "%s", why.message);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
}

int kube_cluster_enter(struct kube_cluster *c, const json_t *objects, struct cl_err *err)
{
	const json_t *grant = json_array_get(objects, 1);
	const char *kind = json_string_value(json_object_get(grant, "kind"));
	const char *ns = json_string_value(json_object_get(json_object_get(grant, "metadata"), "namespace"));
	cl_autofree char *key = NULL;
	bool known;

	if (!kind || strcmp(kind, "RoleBinding") != 0)
		return 0;
	key = mem_printf("rights in %s", ns);
	pthread_mutex_lock(&c->lock);
	known = json_object_get(c->known, key) != NULL;
	pthread_mutex_unlock(&c->lock);
	if (known)
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (kube_cluster_check(c, json_array_get(objects, i), err) != 0 ||
		    kube_api_apply(c->api, json_array_get(objects, i), false, NULL, err) != 0)
			return -1;
	if (wait_rights(c, ns, err) != 0)
		return -1;
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
