/* Pods without an owner: see kube_stray.h. */
#include "engine/kube_stray.h"

#include <string.h>

#include "base/log.h"

static const json_t *meta(const json_t *o)
{
	return json_object_get(o, "metadata");
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const char *tier_of(const json_t *o)
{
	return text(json_object_get(meta(o), "labels"), "codinglab/tier");
}

/* The owner that looks after it, if that is of this kind. */
static const json_t *owner_of(const json_t *o, const char *kind)
{
	json_t *r;
	size_t i;

	json_array_foreach(json_object_get(meta(o), "ownerReferences"), i, r)
		if (strcmp(text(r, "kind"), kind) == 0 && json_is_true(json_object_get(r, "controller")))
			return r;
	return NULL;
}

bool kube_stray_likely(const struct backend_env *e, const json_t *pods, const json_t *controllers)
{
	json_t *c, *p;
	size_t i, k;

	json_array_foreach(controllers, i, c) {
		json_int_t want = json_integer_value(json_object_get(json_object_get(c, "spec"), "replicas"));
		json_int_t there = 0;

		json_array_foreach(pods, k, p)
			there += strcmp(tier_of(p), tier_of(c)) == 0 && owner_of(p, "ReplicaSet") &&
			    !json_object_get(meta(p), "deletionTimestamp");
		if (there > want && e->ntiers > 0)
			return true;
	}
	return false;
}

/* Does the owner that `o` names exist, and is it still that very one?  1 yes, 0 no, -1 not known now.  is: the owner as it
 * is, the caller's. */
static int owned(struct kube_api *a, const char *ns, const json_t *o, const char *kind, json_t **is)
{
	const json_t *by = owner_of(o, kind);
	struct cl_err why = { 0 };

	*is = NULL;
	if (!by)
		return -1; /* somebody else's idea: left alone */
	if (kube_api_get(a, kind, ns, text(by, "name"), is, &why) != 0)
		return why.code == CL_NOT_FOUND ? 0 : -1;
	return strcmp(text(meta(*is), "uid"), text(by, "uid")) == 0;
}

static bool stray(struct kube_api *a, const char *ns, const json_t *pod)
{
	json_t *set = NULL, *deployment = NULL;
	struct cl_err ignored = { 0 };
	int rc = owned(a, ns, pod, "ReplicaSet", &set);

	if (rc == 1) {
		rc = owned(a, ns, set, "Deployment", &deployment);
		if (rc == 0) /* it would make another of these pods */
			(void)kube_api_delete(a, "ReplicaSet", ns, text(meta(set), "name"), &ignored);
	}
	json_decref(set);
	json_decref(deployment);
	return rc == 0;
}

int kube_stray_remove(struct kube_api *a, const char *ns, const json_t *pods)
{
	struct cl_err ignored = { 0 };
	int removed = 0;
	json_t *pod;
	size_t i;

	json_array_foreach(pods, i, pod) {
		const char *name = text(meta(pod), "name");

		if (!owner_of(pod, "ReplicaSet") || json_object_get(meta(pod), "deletionTimestamp") ||
		    !stray(a, ns, pod))
			continue;
		log_warn("kubernetes: %s/%s belongs to a Deployment that is gone: it is removed", ns, name);
		removed += kube_api_delete(a, "Pod", ns, name, &ignored) == 0;
	}
	return removed;
}
