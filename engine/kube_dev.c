/* Dev containers as pods: see kube_dev.h. */
#include "engine/kube_dev.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/kube_dev_manifest.h"
#include "engine/kube_env.h"
#include "engine/kube_metrics.h"

#define TRUST_MAX (768u << 10)
#define CONFIG_MAP_MAX (1000u << 10) /* of 1 MiB */
#define BOUND_MS 8000            /* for a claim: some 0.1 s on a cluster at rest */
#define GONE_MS 45000            /* for a pod to go, beyond its grace */

static struct kube_cluster *of(struct backend *b)
{
	return b->cluster;
}

bool kube_dev_used(void)
{
	return config_str("kube.workspaces")[0] != '\0';
}

bool kube_dev_name(const char *name, int64_t *project)
{
	char *end = NULL;

	*project = name[0] == 'p' ? strtoll(name + 1, &end, 10) : 0;
	return kube_dev_used() && *project > 0 && strcmp(end, "-dev") == 0;
}

/* ns "": wherever they are */
static int list(struct kube_cluster *c, const char *kind, const char *ns, int64_t project, json_t **out,
    struct cl_err *err)
{
	char selector[KUBE_MANIFEST_SELECTOR];

	if (kube_cluster_there(c, err) != 0)
		return -1;
	if (project > 0)
		kube_manifest_selector(selector, sizeof(selector), c->lab, project, "ide");
	else
		(void)snprintf(selector, sizeof(selector), KUBE_MANIFEST_OURS ",codinglab/lab=%s,"
		    "codinglab/env=ide,codinglab/tier=dev", c->lab);
	return kube_api_list(c->api, kind, ns, selector, out, NULL, err);
}

static const char *meta(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(o, "metadata"), key));

	return s ? s : "";
}

/* --- looking ---------------------------------------------------------------------------------- */

static json_t *events_of(struct kube_cluster *c, const json_t *pod)
{
	cl_autofree char *field = mem_printf("involvedObject.uid=%s", meta(pod, "uid"));
	cl_autofree char *escaped = kube_api_escape(field), *path = mem_printf(
	    "/api/v1/namespaces/%s/events?fieldSelector=%s", meta(pod, "namespace"), escaped);
	struct cl_err ignored = { 0 };
	json_t *o = NULL, *items;

	if (kube_api_raw(c->api, path, &o, &ignored) != 0)
		return NULL;
	items = json_incref(json_object_get(o, "items"));
	json_decref(o);
	return items;
}

int kube_dev_observe(struct backend *b, int64_t project, const json_t *used, struct backend_list *out,
    struct cl_err *err)
{
	struct kube_cluster *c = of(b);
	json_t *pods = NULL, *pod, *events = NULL;
	size_t i;

	if (list(c, "Pod", "", project, &pods, err) != 0)
		return -1;
	out->items = mem_resize(out->items, out->n + json_array_size(pods) + 1, sizeof(*out->items));
	json_array_foreach(pods, i, pod) {
		struct backend_instance *is = &out->items[out->n++];

		kube_dev_manifest_read(is, pod, NULL);
		/* nothing in the pod itself tells a pull or a mount from a start */
		if (is->state == BACKEND_STARTING && !is->stuck && project > 0) {
			events = events_of(c, pod);
			kube_dev_manifest_read(is, pod, events);
			json_decref(events);
		}
		kube_metrics_give(used, meta(pod, "namespace"), meta(pod, "name"), is);
	}
	json_decref(pods);
	return 0;
}

int kube_dev_pod(struct backend *b, int64_t project, struct kube_exec_pod *out, struct cl_err *err)
{
	struct kube_cluster *c = of(b);
	struct backend_instance is;
	json_t *pods = NULL;
	int rc = list(c, "Pod", "", project, &pods, err);
	const json_t *pod = json_array_get(pods, 0);

	if (rc == 0)
		kube_dev_manifest_read(&is, pod, NULL);
	if (rc == 0 && (!pod || is.state != BACKEND_RUNNING)) {
		err_set(err, CL_PRECONDITION, "container p%" PRId64 "-dev: not running", project);
		rc = err_hint(err, "`up` starts it");
	}
	if (rc == 0) {
		(void)mem_copy_str(out->ns, sizeof(out->ns), meta(pod, "namespace"));
		(void)mem_copy_str(out->pod, sizeof(out->pod), meta(pod, "name"));
		(void)mem_copy_str(out->uid, sizeof(out->uid), meta(pod, "uid"));
		(void)mem_copy_str(out->container, sizeof(out->container), "dev");
	}
	json_decref(pods);
	return rc;
}

/* --- applying --------------------------------------------------------------------------------- */

/* A file of ${run}/trust (what containers of this machine trust, the package proxy's authority with it), or of an
 * engine alone its bundle; NULL: there is none, or no room for it. */
static char *trust_take(const char *name, size_t *len)
{
	cl_autofree char *made = mem_printf("%s/trust/%s", config_str("run.dir"), name);
	cl_autofclose FILE *f = fopen(made, "re"), *bundle = f || strcmp(name, "cacerts") == 0 ? NULL :
	    fopen(config_str("trust.bundle"), "re");
	FILE *from = f ? f : bundle;
	char *text = mem_alloc(TRUST_MAX + 1);

	*len = from ? fread(text, 1, TRUST_MAX, from) : 0;
	text[*len] = '\0';
	if (*len > 0 && *len < TRUST_MAX)
		return text;
	mem_free(text);
	return NULL;
}

static char *trust_text(void)
{
	size_t len;
	char *text = trust_take("ca-certificates.crt", &len);

	if (text && strlen(text) == len)
		return text;
	mem_free(text);
	return NULL;
}

/* Both stores have to fit into one ConfigMap. */
static char *trust_java(size_t taken)
{
	size_t len, size;
	cl_autofree char *bytes = trust_take("cacerts", &len);
	char *out;

	size = bytes ? sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL) : 0;
	if (!bytes || taken + size > CONFIG_MAP_MAX)
		return NULL;
	out = mem_alloc(size);
	return sodium_bin2base64(out, size, (const unsigned char *)bytes, len,
	    sodium_base64_VARIANT_ORIGINAL);
}

/* A change of the claim makes the cluster look at it at once. */
static int ask_again(struct kube_cluster *c, const json_t *claim, int times, struct cl_err *err)
{
	json_t *o = json_deep_copy(claim);
	int rc;

	json_object_set_new(json_object_get(o, "metadata"), "annotations", json_pack("{s:o}",
	    "codinglab/asked", json_sprintf("%d", times)));
	rc = kube_api_apply(c->api, o, false, NULL, err);
	json_decref(o);
	return rc;
}

/*
 * The claim after the volume was seen, the pod after the claim was bound: the cluster's controllers look again
 * some 15 s later at what they found incomplete.
 */
static int wait_phase(struct kube_cluster *c, const json_t *o, struct cl_err *err)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));
	bool volume = strcmp(kind, "PersistentVolume") == 0, good = false, lost = false;
	int64_t until = clock_ms() + BOUND_MS;
	const char *phase;
	json_t *is = NULL;
	int asked = 0;

	while (!good && !lost && clock_ms() < until) {
		if (kube_api_get(c->api, kind, meta(o, "namespace"), meta(o, "name"), &is, err) != 0)
			return -1;
		phase = json_string_value(json_object_get(json_object_get(is, "status"), "phase"));
		good = phase && (strcmp(phase, "Bound") == 0 || (volume && strcmp(phase, "Available") == 0));
		lost = phase && strcmp(phase, volume ? "Failed" : "Lost") == 0;
		json_decref(is);
		is = NULL;
		if (!good && !lost)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
		if (!good && !volume && ++asked % 8 == 0 && ask_again(c, o, asked, err) != 0)
			return -1;
	}
	return good ? 0 : err_set(err, CL_FAILED, "dev container: its volume is not bound: %s %s %s",
	    kind, meta(o, "name"), lost ? "is lost" : "waits");
}

static int apply_all(struct kube_cluster *c, const json_t *objects, struct cl_err *err)
{
	json_t *o;
	size_t i;

	json_array_foreach(objects, i, o) {
		const char *kind = json_string_value(json_object_get(o, "kind"));

		if (kube_cluster_check(c, o, err) != 0 || kube_api_apply(c->api, o, false, NULL, err) != 0)
			return -1;
		if (strncmp(kind, "PersistentVolume", 16) == 0 && wait_phase(c, o, err) != 0)
			return -1;
	}
	return 0;
}

int kube_dev_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err)
{
	struct kube_cluster *c = of(b);
	struct backend_env e = { .project = spec->project, .env = "ide" };
	struct backend_job job = { .timeout_s = 600 };
	cl_autofree char *image = NULL, *trust = trust_text(), *java = trust_java(trust ? strlen(trust) : 0);
	struct kube_manifest user;
	struct kube_dev_manifest m = { .spec = spec, .user = &user, .workspaces =
	    config_str("kube.workspaces"), .trust = trust, .java_trust = java,
	    .proxy = config_bool("proxy.enabled") ? config_str("kube.proxy") : "" };
	struct backend_list now = { 0 };
	json_t *objects;
	bool there, over;
	int rc = kube_dev_observe(b, spec->project, NULL, &now, err);

	there = now.n > 0;
	over = there && (now.items[0].state == BACKEND_EXITED || now.items[0].state == BACKEND_UNKNOWN);
	backend_list_clear(&now);
	/* one that ended is made anew, one that starts or runs is left alone */
	if (rc != 0 || (there && !over) || (over && kube_dev_remove(b, spec->project, 0, err) != 0))
		return rc != 0 ? -1 : there && !over ? 0 : -1;
	(void)mem_copy_str(e.name, sizeof(e.name), spec->hostname);
	(void)mem_copy_str(e.owner, sizeof(e.owner), spec->user_name);
	image = kube_env_image(b, &e, spec, &job, err);
	if (!image)
		return -1;
	kube_env_manifest(c, &user, &e);
	m.image = image;
	objects = kube_dev_manifest_make(&m, err);
	rc = objects ? kube_cluster_enter(c, objects, err) : -1;
	if (rc == 0)
		rc = apply_all(c, objects, err);
	json_decref(objects);
	return rc;
}

/* --- removing --------------------------------------------------------------------------------- */

int kube_dev_remove(struct backend *b, int64_t project, int grace_s, struct cl_err *err)
{
	struct kube_cluster *c = of(b);
	int64_t until = clock_ms() + GONE_MS + grace_s * INT64_C(1000);
	json_t *pods = NULL, *pod;
	size_t i, left;

	do {
		if (list(c, "Pod", "", project, &pods, err) != 0)
			return -1;
		left = json_array_size(pods);
		json_array_foreach(pods, i, pod)
			if (!json_object_get(json_object_get(pod, "metadata"), "deletionTimestamp") &&
			    kube_api_delete(c->api, "Pod", meta(pod, "namespace"), meta(pod, "name"),
			    err) != 0)
				left = 0;
		json_decref(pods);
		if (left > 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	} while (left > 0 && clock_ms() < until);
	if (left > 0)
		err_set(err, CL_UNAVAILABLE, "dev container: its pod does not end");
	return err->code == CL_OK ? 0 : -1;
}

static const char *claimed_in(const json_t *volume)
{
	const char *ns = json_string_value(json_object_get(json_object_get(json_object_get(volume, "spec"),
	    "claimRef"), "namespace"));

	return ns ? ns : "";
}

int kube_dev_forget(struct backend *b, int64_t project, struct cl_err *err)
{
	static const char *const kinds[] = { "Pod", "ConfigMap", "NetworkPolicy",
		"PersistentVolumeClaim", "PersistentVolume" };
	struct kube_cluster *c = of(b);
	char ns[KUBE_MANIFEST_NS] = "";
	json_t *found = NULL, *o;
	size_t i;
	int rc = list(c, "PersistentVolume", "", project, &found, err);

	/* the volume goes last, so it always says where the rest is */
	json_array_foreach(found, i, o)
		(void)mem_copy_str(ns, sizeof(ns), claimed_in(o));
	json_decref(found);
	found = NULL;
	for (size_t k = 0; rc == 0 && ns[0] && k < CL_COUNT(kinds); k++) {
		rc = list(c, kinds[k], ns, project, &found, err);
		json_array_foreach(found, i, o)
			if (rc == 0)
				rc = kube_api_delete(c->api, kinds[k], meta(o, "namespace"), meta(o, "name"), err);
		json_decref(found);
		found = NULL;
	}
	pthread_mutex_lock(&c->lock);
	json_object_clear(c->known);
	pthread_mutex_unlock(&c->lock);
	if (rc != 0 || !ns[0])
		return rc;
	/* the last project of its user takes the namespace along */
	rc = kube_api_list(c->api, "PersistentVolumeClaim", ns, "", &found, NULL, err);
	json_array_foreach(found, i, o)
		if (!json_object_get(json_object_get(o, "metadata"), "deletionTimestamp"))
			ns[0] = '\0';
	json_decref(found);
	return rc == 0 && ns[0] ? kube_env_remove_namespace(c, ns, err) : rc;
}
