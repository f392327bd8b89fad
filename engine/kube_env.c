/*
 * Environments in a cluster: see kube_env.h.
 *
 *   images   this machine's store ─ push ─► repository ─ pull by digest ─► pods
 *   traffic  the edge ─► the Web tier's Service (the Ingress serves where the cluster has a controller)
 */
#include "engine/kube_env.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/backend_local.h"
#include "engine/edge.h"
#include "engine/kube_apply.h"
#include "engine/kube_cluster.h"
#include "engine/kube_log.h"
#include "engine/kube_stray.h"
#include "engine/repository.h"

#define JOB_FREE_MS 60000

/* --- images ----------------------------------------------------------------------------------- */

/* Its own digest, where `image` is a name in this machine's store. */
static int image_digest(struct backend *b, const char *image, char *out, size_t size, struct cl_err *err)
{
	struct backend_images list = { 0 };
	int rc = -1;

	if (strncmp(image, "sha256:", 7) == 0)
		return mem_copy_str(out, size, image);
	if (kube_cluster_under(b)->image_list(b, &list, err) != 0)
		return -1;
	for (size_t i = 0; rc != 0 && i < list.n; i++)
		if (strcmp(list.items[i].id, image) == 0 && strcmp(list.items[i].tag, "latest") == 0)
			rc = mem_copy_str(out, size, list.items[i].digest);
	backend_images_clear(&list);
	return rc;
}

/* An engine that has just started asks the repository before it pushes: another pushed it already.  While the container
 * engine does not answer, what is stored is what there is (not sure). */
static bool image_stored(struct backend *b, const char *image, const char *repository, const char *tag,
    char digest[BACKEND_DIGEST], bool *sure)
{
	struct backend_stored is;
	struct cl_err why = { 0 };
	char own[BACKEND_DIGEST] = "";

	if (repository_get(repository, tag, &is, &why) != 0)
		return false;
	*sure = image_digest(b, image, own, sizeof(own), &why) == 0;
	if (*sure ? strcmp(is.image, own) != 0 : why.code != CL_UNAVAILABLE)
		return false;
	(void)mem_copy_str(digest, BACKEND_DIGEST, is.digest);
	return true;
}

/* An image of this machine's store as pods pull it: in the repository, by digest. */
char *kube_env_image(struct backend *b, const struct backend_env *e, const struct backend_spec *s,
    const struct backend_job *job, struct cl_err *err)
{
	struct kube_cluster *c = kube_cluster_find(b, e->target, err);
	bool saved = strncmp(s->image, "sha256:", 7) == 0, sure = true;
	bool app = strcmp(s->tier, "was") == 0 || (saved && strcmp(s->tier, "job") == 0);
	cl_autofree char *repository = app ? mem_printf("app/p%" PRId64, e->project) : saved ?
	    mem_printf("save/p%" PRId64, e->project) : mem_printf("stack/%s", s->image);
	cl_autofree char *tag = app ? mem_printf("v%d", s->release) : mem_strdup(saved ?
	    "loaded" : "latest");
	/* Each release has its tag, also one that has its predecessor's image. */
	cl_autofree char *key = mem_printf("%s:%s %s", repository, tag, s->image);
	char digest[BACKEND_DIGEST], *ref;
	const char *had;

	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	had = json_string_value(json_object_get(c->pushed, key));
	ref = mem_strdup(had);
	pthread_mutex_unlock(&c->lock);
	if (ref)
		return ref;
	if (!repository_have() && kube_cluster_under(b) == &backend_local_ops) {
		err_set(err, CL_PRECONDITION, "kubernetes: pods need a repository to pull from");
		err_hint(err, "./lab up starts one, or set registry.url");
		return NULL;
	}
	if (!image_stored(b, s->image, repository, tag, digest, &sure) &&
	    kube_cluster_under(b)->image_push(b, s->image, repository, tag, job, digest, sizeof(digest), err))
		return NULL;
	ref = mem_printf("%s/%s@%s", c->registry, repository, digest);
	pthread_mutex_lock(&c->lock);
	if (sure)
		json_object_set_new(c->pushed, key, json_string(ref));
	pthread_mutex_unlock(&c->lock);
	return ref;
}

/* --- applying --------------------------------------------------------------------------------- */

/* What the edge calls the Web tier's Service. */
static char *web_name(const struct backend_env *e)
{
	return mem_printf("p%" PRId64 "-%s-web-service", e->project, e->env);
}

static bool has_web(const struct backend_env *e)
{
	return e->ntiers > 0 && strcmp(e->tiers[e->ntiers - 1].spec.tier, "web") == 0;
}

/* The edge passes the host name on to the Web tier's Service. */
static int route(struct backend *b, const struct backend_env *e, const char *address,
    struct cl_err *err)
{
	const struct backend_tier *web = &e->tiers[e->ntiers - 1];
	cl_autofree char *name = web_name(e);
	struct buf in;
	int rc;

	if (!e->route || !address[0] || !has_web(e))
		return 0;
	buf_init(&in, 65536);
	rc = kube_cluster_under(b)->route_list(b, e->route, "web", &in, err);
	for (char *line = in.data, *next; rc == 0 && line && *line; line = next) {
		size_t n = strcspn(line, "\n");

		next = line + n + (line[n] == '\n');
		line[n] = '\0';
		if (strcmp(line, name) != 0)
			rc = kube_cluster_under(b)->route_drain(b, e->route, "web", line, 0, err);
	}
	buf_clear(&in);
	if (rc == 0)
		rc = kube_cluster_under(b) == &backend_local_ops ? edge_service_add(e->route->slot, "web", name, address,
		    web->spec.port, err) : kube_cluster_under(b)->route_add(b, e->route, "web", name, address,
		    web->spec.port, err);
	return rc == 0 ? kube_cluster_under(b)->route_set(b, e->route, err) : -1;
}

/* A server that does not answer is asked again the next time. */
static const char *disruption(struct kube_cluster *c)
{
	struct cl_err err = { 0 };
	const char *found = NULL;
	json_t *group = NULL, *v;
	bool asked;
	size_t i;

	pthread_mutex_lock(&c->lock);
	found = c->disruption;
	pthread_mutex_unlock(&c->lock);
	if (!found || found[0] != '\0')
		return found;
	found = NULL;
	asked = kube_api_raw(c->api, "/apis/policy", &group, &err) == 0 || err.code == CL_NOT_FOUND;
	json_array_foreach(json_object_get(group, "versions"), i, v) {
		const char *is = json_string_value(json_object_get(v, "groupVersion"));

		if (is && strcmp(is, "policy/v1") == 0)
			found = "policy/v1";
		else if (is && !found && strcmp(is, "policy/v1beta1") == 0)
			found = "policy/v1beta1";
	}
	json_decref(group);
	pthread_mutex_lock(&c->lock);
	c->disruption = asked ? found : "";
	pthread_mutex_unlock(&c->lock);
	return found;
}

void kube_env_manifest(struct kube_cluster *c, struct kube_manifest *m, const struct backend_env *e)
{
	memset(m, 0, sizeof(*m));
	m->disruption = disruption(c);
	m->env = e;
	m->lab = c->lab;
	m->prefix = c->prefix;
	m->nginx_conf = c->nginx_conf;
	m->pull_host = c->password ? c->registry : NULL;
	m->pull_user = config_str("registry.user");
	m->pull_password = c->password;
	m->storage = config_str("kube.storage");
	m->role = config_str("kube.role");
	m->account = config_str("kube.account");
}

/* NULL with err, or the environment's objects. */
static json_t *objects_of(struct backend *b, const struct backend_env *e,
    const struct backend_job *job, struct cl_err *err)
{
	struct kube_cluster *c = kube_cluster_find(b, e->target, err);
	char *refs[BACKEND_ENV_TIERS] = { NULL };
	struct kube_manifest m;
	json_t *list = NULL;
	int rc = c ? kube_cluster_there(c, err) : -1;

	for (size_t i = 0; rc == 0 && i < e->ntiers; i++)
		rc = (refs[i] = kube_env_image(b, e, &e->tiers[i].spec, job, err)) ? 0 : -1;
	if (rc == 0) {
		kube_env_manifest(c, &m, e);
		for (size_t i = 0; i < e->ntiers; i++)
			m.images[i] = refs[i];
		list = kube_manifest_make(&m);
	}
	for (size_t i = 0; i < e->ntiers; i++)
		mem_free(refs[i]);
	return list;
}

/* The autoscalers of tiers whose number is fixed go; each is asked for once. */
static int remove_autoscalers(struct kube_cluster *c, const struct backend_env *e, struct cl_err *err)
{
	char ns[KUBE_MANIFEST_NS], name[128];

	kube_cluster_namespace(c, ns, sizeof(ns), e->owner, e->env);
	for (size_t i = 0; i < e->ntiers; i++) {
		cl_autofree char *key = NULL;
		bool gone;

		kube_manifest_name(name, sizeof(name), e, e->tiers[i].spec.tier);
		key = mem_printf("%s/%s has no autoscaler", ns, name);
		pthread_mutex_lock(&c->lock);
		gone = json_object_get(c->known, key) != NULL;
		if (e->tiers[i].max > 0)
			json_object_del(c->known, key);
		pthread_mutex_unlock(&c->lock);
		if (e->tiers[i].max > 0 || gone || strcmp(e->tiers[i].spec.tier, "db") == 0)
			continue;
		if (kube_api_delete(c->api, "HorizontalPodAutoscaler", ns, name, err) != 0)
			return -1;
		pthread_mutex_lock(&c->lock);
		json_object_set_new(c->known, key, json_true());
		pthread_mutex_unlock(&c->lock);
	}
	return 0;
}

int kube_env_apply(struct backend *b, const struct backend_env *e,
    const struct backend_job *job, struct cl_err *err)
{
	json_t *list = objects_of(b, e, job, err);
	struct kube_cluster *c = list ? kube_cluster_find(b, e->target, err) : NULL;
	cl_autofree char *name = mem_printf("%" PRId64 "/%s", e->project, e->env);
	char address[64] = "";
	int rc = c ? kube_cluster_enter(c, list, err) : -1;

	if (rc == 0)
		rc = remove_autoscalers(c, e, err);
	if (rc == 0)
		kube_apply_first(c, name, list);
	if (rc == 0)
		rc = kube_apply_all(c, name, list, address, sizeof(address), err);
	if (rc == 0)
		rc = route(b, e, address, err);
	json_decref(list);
	return rc;
}

/* The edge has checked the Service since before it had a pod to pass requests on to. */
int kube_env_ready(struct backend *b, const struct backend_env *e, struct cl_err *err)
{
	cl_autofree char *name = web_name(e);

	if (kube_cluster_under(b) != &backend_local_ops) /* its edge checks nothing */
		return 0;
	return e->route && has_web(e) ? edge_server_up(e->route->slot, "web", name, err) : 0;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void unsaid_cb(void *arg, const char *line, size_t len)
{
}

/* As kube_apply_all() does it: Web carries the uid of the Service that it asks. */
static int note_upstream_of(struct kube_cluster *c, const json_t *service, json_t *list, struct cl_err *err)
{
	const json_t *meta = json_object_get(service, "metadata");
	struct cl_err why = { 0 };
	json_t *is = NULL, *o;
	const char *uid;
	size_t i;

	if (kube_api_get(c->api, "Service", json_string_value(json_object_get(meta, "namespace")),
	    json_string_value(json_object_get(meta, "name")), &is, &why) != 0)
		return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
	uid = json_string_value(json_object_get(json_object_get(is, "metadata"), "uid"));
	json_array_foreach(list, i, o)
		if (uid && strcmp(json_string_value(json_object_get(o, "kind")), "Deployment") == 0 &&
		    strcmp(kube_apply_tier(o), "web") == 0)
			kube_apply_upstream(o, uid);
	json_decref(is);
	return 0;
}

int kube_env_show(struct backend *b, const struct backend_env *e, bool secrets, json_t **out,
    struct cl_err *err)
{
	struct backend_job job = { .line = unsaid_cb, .timeout_s = 600 };
	json_t *list = objects_of(b, e, &job, err), *o;
	struct kube_cluster *c = list ? kube_cluster_find(b, e->target, err) : NULL;
	int rc = c ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
		const char *kind = json_string_value(json_object_get(o = json_array_get(list, i), "kind"));

		if (strcmp(kind, "Secret") == 0 && !secrets)
			json_array_remove(list, i--);
		else if (strcmp(kind, "Service") == 0 && strcmp(kube_apply_tier(o), "was") == 0)
			rc = note_upstream_of(c, o, list, err);
	}
	*out = rc == 0 ? list : NULL;
	if (rc != 0)
		json_decref(list);
	return rc;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Secrets of what ran before: nobody needs them once the new is complete. */
static void prune(struct kube_cluster *c, const struct backend_env *e, const char *ns, const char *selector)
{
	cl_autofree char *key = mem_printf("%s/%s", ns, e->name), *now = mem_strdup("");
	struct cl_err ignored = { 0 };
	json_t *list = NULL, *o;
	const char *had;
	size_t i;
	bool same;

	for (i = 0; i < e->ntiers; i++) {
		char *next = mem_printf("%s %s-%s-%016" PRIx64, now, e->name, e->tiers[i].spec.tier,
		    e->tiers[i].spec.generation);

		mem_free(now);
		now = next;
	}
	pthread_mutex_lock(&c->lock);
	had = json_string_value(json_object_get(c->pruned, key));
	same = had && strcmp(had, now) == 0;
	json_object_set_new(c->pruned, key, json_string(now));
	pthread_mutex_unlock(&c->lock);
	if (same || e->ntiers < 2 || kube_api_list(c->api, "Secret", ns, selector, &list, NULL, &ignored))
		return;
	json_array_foreach(list, i, o) {
		const char *name = json_string_value(json_object_get(json_object_get(o, "metadata"), "name"));

		if (name && !strstr(now, name))
			(void)kube_api_delete(c->api, "Secret", ns, name, &ignored);
	}
	json_decref(list);
}

int kube_env_look(struct backend *b, const struct backend_env *e,
    struct backend_env_state *out, struct cl_err *err)
{
	struct kube_cluster *c = kube_cluster_find(b, e->target, err);
	char ns[KUBE_MANIFEST_NS], selector[KUBE_MANIFEST_SELECTOR];
	json_t *pods = NULL, *controllers = NULL, *sets = NULL;
	int rc = c ? kube_cluster_there(c, err) : -1;

	memset(out, 0, sizeof(*out));
	if (rc != 0)
		return -1;
	kube_cluster_namespace(c, ns, sizeof(ns), e->owner, e->env);
	kube_manifest_selector(selector, sizeof(selector), c->lab, e->project, e->env);
	if (rc == 0)
		rc = kube_api_list(c->api, "Deployment", ns, selector, &controllers, NULL, err);
	if (rc == 0)
		rc = kube_api_list(c->api, "StatefulSet", ns, selector, &sets, NULL, err);
	if (rc == 0)
		rc = kube_api_list(c->api, "Pod", ns, selector, &pods, NULL, err);
	if (rc == 0) {
		json_array_extend(controllers, sets);
		pthread_mutex_lock(&c->lock);
		kube_state_read(&c->state, e, pods, controllers, out);
		pthread_mutex_unlock(&c->lock);
	}
	if (rc == 0 && out->complete && kube_stray_likely(e, pods, controllers))
		(void)kube_stray_remove(c->api, ns, pods);
	json_decref(pods);
	json_decref(sets);
	json_decref(controllers);
	if (rc == 0 && out->complete)
		prune(c, e, ns, selector);
	return rc;
}

/* --- removing --------------------------------------------------------------------------------- */

static int remove_kind(struct kube_cluster *c, const char *kind, const char *ns, const char *selector,
    struct cl_err *err)
{
	json_t *list = NULL, *o;
	size_t i;
	int rc = kube_api_list(c->api, kind, ns, selector, &list, NULL, err);

	json_array_foreach(list, i, o)
		rc = rc != 0 ? rc : kube_api_delete(c->api, kind, ns, json_string_value(json_object_get(
		    json_object_get(o, "metadata"), "name")), err);
	json_decref(list);
	return rc;
}

/* The last project of a user's environment takes the namespace with it, if it is ours. */
int kube_env_remove_namespace(struct kube_cluster *c, const char *ns, struct cl_err *err)
{
	struct cl_err why = { 0 };
	json_t *list = NULL, *is = NULL;
	int rc = 0;

	if (kube_api_get(c->api, "Namespace", "", ns, &is, &why) != 0)
		return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
	if (kube_cluster_made(c, is)) {
		rc = kube_api_list(c->api, "Service", ns, "codinglab/project", &list, NULL, err);
		if (rc == 0 && json_array_size(list) == 0)
			rc = kube_api_delete(c->api, "Namespace", "", ns, err);
	}
	json_decref(list);
	json_decref(is);
	return rc;
}

int kube_env_remove(struct backend *b, const struct backend_env *e, bool data,
    struct cl_err *err)
{
	static const char *const kinds[] = { "HorizontalPodAutoscaler", "Ingress", "Deployment", "StatefulSet", "Pod", "Service",
		"NetworkPolicy", "ConfigMap", "Secret", "PersistentVolumeClaim" };
	struct kube_cluster *c = kube_cluster_find(b, e->target, err);
	char ns[KUBE_MANIFEST_NS], selector[KUBE_MANIFEST_SELECTOR];
	cl_autofree char *name = web_name(e);
	int rc = c ? kube_cluster_there(c, err) : -1, left;
	const char *budget;
	json_t *pods = NULL;

	if (rc != 0)
		return -1;
	kube_cluster_namespace(c, ns, sizeof(ns), e->owner, e->env);
	kube_manifest_selector(selector, sizeof(selector), c->lab, e->project, e->env);
	if (rc == 0 && e->route)
		rc = kube_cluster_under(b)->route_drain(b, e->route, "web", name, 0, err);
	budget = rc == 0 ? disruption(c) : NULL;
	if (budget)
		rc = remove_kind(c, strcmp(budget, "policy/v1") == 0 ? "PodDisruptionBudget" :
		    "PodDisruptionBudget.v1beta1", ns, selector, err);
	for (size_t i = 0; rc == 0 && i < CL_COUNT(kinds); i++)
		if (data || strcmp(kinds[i], "PersistentVolumeClaim") != 0)
			rc = remove_kind(c, kinds[i], ns, selector, err);
	pthread_mutex_lock(&c->lock);
	json_object_clear(c->known);
	json_object_clear(c->applied);
	pthread_mutex_unlock(&c->lock);
	if (rc != 0 || kube_api_list(c->api, "Pod", ns, selector, &pods, NULL, err) != 0)
		return -1;
	left = (int)json_array_size(pods);
	json_decref(pods);
	if (left > 0)
		return 1;
	return data ? kube_env_remove_namespace(c, ns, err) : 0;
}

/* --- one command ------------------------------------------------------------------------------ */

static int job_wait(struct kube_cluster *c, const char *ns, const char *name, const struct backend_job *job,
    int *status, struct cl_err *err)
{
	int64_t until = clock_ms() + job->timeout_s * INT64_C(1000);

	for (;;) {
		json_t *pod = NULL, *st;
		const char *phase;
		bool ended;

		if (kube_api_get(c->api, "Pod", ns, name, &pod, err) != 0)
			return -1;
		phase = json_string_value(json_object_get(json_object_get(pod, "status"), "phase"));
		ended = phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
		st = json_object_get(json_object_get(json_array_get(json_object_get(json_object_get(pod,
		    "status"), "containerStatuses"), 0), "state"), "terminated");
		/* evicted, or lost with its node: no container says a status */
		*status = st ? (int)json_integer_value(json_object_get(st, "exitCode")) :
		    phase && strcmp(phase, "Succeeded") == 0 ? 0 : 1;
		json_decref(pod);
		if (ended)
			return 0;
		if (job->cancelled && job->cancelled(job->arg))
			return err_set(err, CL_FAILED, "cancelled");
		if (clock_ms() > until)
			return err_set(err, CL_TIMEOUT, "%s: not ended after %d s", name, job->timeout_s);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	}
}

/* An engine that was killed may have begun to remove one of that name: only what is not on its way out is waited for. */
static int job_free(struct kube_cluster *c, const char *ns, const char *name, struct cl_err *err)
{
	int64_t until = clock_ms() + JOB_FREE_MS;

	for (;;) {
		struct cl_err why = { 0 };
		json_t *pod = NULL;
		bool going;

		if (kube_api_get(c->api, "Pod", ns, name, &pod, &why) != 0)
			return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
		going = json_object_get(json_object_get(pod, "metadata"), "deletionTimestamp") != NULL;
		json_decref(pod);
		if (!going)
			return 0;
		if (clock_ms() > until)
			return err_set(err, CL_UNAVAILABLE, "%s: an earlier one does not end", name);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	}
}

int kube_env_run(struct backend *b, const struct backend_env *e,
    const struct backend_spec *spec, const struct backend_job *job, int *status, struct cl_err *err)
{
	struct kube_cluster *c = kube_cluster_find(b, e->target, err);
	cl_autofree char *ref = c && kube_cluster_there(c, err) == 0 ? kube_env_image(b, e, spec, job, err) : NULL;
	char ns[KUBE_MANIFEST_NS], secret[160];
	struct cl_err ignored = { 0 };
	struct kube_manifest m;
	json_t *list;
	int rc;

	if (!ref)
		return -1;
	kube_env_manifest(c, &m, e);
	kube_cluster_namespace(c, ns, sizeof(ns), e->owner, e->env);
	list = kube_manifest_job(&m, spec, ref);
	rc = job_free(c, ns, spec->name, err);
	if (rc == 0)
		rc = kube_apply_all(c, NULL, list, NULL, 0, err);
	json_decref(list);
	if (rc == 0)
		rc = job_wait(c, ns, spec->name, job, status, err);
	if (rc == 0)
		(void)kube_log_read(c->api, ns, spec->name, 1000, false, job, &ignored);
	(void)kube_api_delete(c->api, "Pod", ns, spec->name, &ignored);
	(void)kube_api_delete(c->api, "NetworkPolicy", ns, spec->name, &ignored);
	(void)snprintf(secret, sizeof(secret), "%s-%s-%016" PRIx64, e->name, spec->tier,
	    spec->generation);
	(void)kube_api_delete(c->api, "Secret", ns, secret, &ignored);
	return rc;
}
