/* Applying an environment's objects: see kube_apply.h. */
#include "engine/kube_apply.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const json_t *meta(const json_t *o)
{
	return json_object_get(o, "metadata");
}

static bool is(const json_t *o, const char *kind, const char *tier)
{
	return strcmp(text(o, "kind"), kind) == 0 && (!tier || strcmp(kube_apply_tier(o), tier) == 0);
}

const char *kube_apply_tier(const json_t *o)
{
	return text(json_object_get(meta(o), "labels"), "codinglab/tier");
}

void kube_apply_upstream(json_t *web, const char *uid)
{
	json_t *template = json_object_get(json_object_get(web, "spec"), "template");

	json_object_set_new(json_object_get(template, "metadata"), "annotations", json_pack("{s:s}",
	    "codinglab/upstream", uid));
}

/* --- what was applied last -------------------------------------------------------------------- */

/* What the objects say but for the number of pods. */
static json_int_t content(const json_t *list)
{
	uint64_t sum = 0;
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		json_t *spec = json_object_get(o, "spec"), *n = json_incref(json_object_get(spec, "replicas"));
		cl_autofree char *dump = NULL;

		if (n)
			json_object_set_new(spec, "replicas", json_null());
		dump = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
		if (n)
			json_object_set(spec, "replicas", n);
		json_decref(n);
		sum = hash_both(sum, hash_text(dump ? dump : ""));
	}
	return (json_int_t)sum;
}

/* NULL: it says none, or is no Deployment. */
static json_t *number_of(const json_t *o)
{
	return is(o, "Deployment", NULL) ? json_object_get(json_object_get(o, "spec"), "replicas") : NULL;
}

static void note_upstream(const json_t *list, const char *uid)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (is(o, "Deployment", "web"))
			kube_apply_upstream(o, uid);
}

static void remember(struct kube_cluster *c, const char *name, const json_t *list, const char *upstream)
{
	json_t *o, *now = json_pack("{s:I, s:s}", "content", content(list), "upstream", upstream);
	size_t i;

	json_array_foreach(list, i, o)
		if (number_of(o))
			json_object_set(now, kube_apply_tier(o), number_of(o));
	pthread_mutex_lock(&c->lock);
	json_object_set_new(c->applied, name, now);
	pthread_mutex_unlock(&c->lock);
}

void kube_apply_first(struct kube_cluster *c, const char *name, const json_t *list)
{
	struct cl_err ignored = { 0 };
	json_t *had, *o;
	size_t i;

	pthread_mutex_lock(&c->lock);
	had = json_deep_copy(json_object_get(c->applied, name));
	pthread_mutex_unlock(&c->lock);
	if (had)
		note_upstream(list, text(had, "upstream"));
	if (had && json_integer_value(json_object_get(had, "content")) == content(list))
		json_array_foreach(list, i, o)
			if (number_of(o) && !json_equal(number_of(o), json_object_get(had, kube_apply_tier(o))))
				(void)kube_api_apply(c->api, o, false, NULL, &ignored);
	json_decref(had);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* A Deployment that says no number is the autoscaler's. */
static int let_replicas(struct kube_cluster *c, const json_t *o, struct cl_err *err)
{
	if (!is(o, "Deployment", NULL) || json_object_get(json_object_get(o, "spec"), "replicas"))
		return 0;
	return kube_api_let_replicas(c->api, text(meta(o), "namespace"), text(meta(o), "name"), err);
}

int kube_apply_all(struct kube_cluster *c, const char *name, const json_t *list, char *address, size_t size,
    struct cl_err *err)
{
	char upstream[64] = "";
	json_t *o, *out;
	size_t i;

	json_array_foreach(list, i, o) {
		out = NULL;
		if (is(o, "Deployment", "web"))
			kube_apply_upstream(o, upstream);
		if (kube_cluster_check(c, o, err) != 0 || let_replicas(c, o, err) != 0 ||
		    kube_api_apply(c->api, o, false, &out, err) != 0)
			return -1;
		if (address && is(o, "Service", "web"))
			(void)mem_copy_str(address, size, text(json_object_get(out, "spec"), "clusterIP"));
		if (is(o, "Service", "was"))
			(void)mem_copy_str(upstream, sizeof(upstream), text(meta(out), "uid"));
		json_decref(out);
	}
	if (name)
		remember(c, name, list, upstream);
	return 0;
}
