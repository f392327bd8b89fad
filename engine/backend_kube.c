/*
 * The backend `kube`: see backend_kube.h.  Its calls are those of `local` but for environments, which are applied
 * to the cluster whole and looked at there, and for the logs of instances.
 *
 *   images   this machine's store ─ push ─► repository ─ pull by digest ─► pods
 *   traffic  the edge ─► the Web tier's Service (the Ingress serves where the cluster has a controller)
 */
#include "engine/backend_kube.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/backend_local.h"
#include "engine/kube_api.h"
#include "engine/kube_manifest.h"
#include "engine/kube_state.h"
#include "engine/kube_watch.h"
#include "engine/repository.h"

#define CONF_MAX 65536
#define LINE_MAX_BYTES 16384

struct cluster {
	struct kube_api *api;
	char *nginx_conf;        /* the Web image's */
	char registry[256];      /* as nodes reach it */
	char *password;          /* of the repository */
	const char *disruption;  /* API of PodDisruptionBudgets; "" = not asked yet, NULL = none */
	pthread_mutex_t lock;    /* of what follows */
	struct kube_state state;
	json_t *pushed;          /* "repository image" -> what pods pull */
	json_t *known;           /* objects that are known to be ours */
	json_t *pruned;          /* "namespace/name" -> generations that were cleaned up after */
};

static int kube_open(struct backend *b, struct cl_err *err);

struct backend_ops backend_kube_ops = { .name = "kube", .open = kube_open };

static struct cluster *of(struct backend *b)
{
	return b->cluster;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int config_take(struct kube_config *c, struct cl_err *err)
{
	const char *path = config_str("kube.config"), *env = getenv("KUBECONFIG");

	if (path[0] == '\0' && env && !strchr(env, ':'))
		path = env;
	if (path[0] != '\0')
		return kube_config_load(c, path, config_str("kube.context"), err);
	return kube_config_in_cluster(c, NULL, err);
}

static char *file_take(const char *path, struct cl_err *err)
{
	cl_autofclose FILE *f = fopen(path, "re");
	char *text = mem_alloc(CONF_MAX + 1);
	size_t n = f ? fread(text, 1, CONF_MAX, f) : 0;

	if (n > 0 && n < CONF_MAX && strlen(text) == n)
		return text;
	mem_free(text);
	err_set(err, CL_PRECONDITION, "%s: it cannot be read", path);
	return NULL;
}

static void registry_take(struct cluster *c)
{
	const char *given = config_str("kube.registry"), *url = config_str("registry.url");

	if (given[0])
		(void)mem_copy_str(c->registry, sizeof(c->registry), given);
	else if (url[0])
		(void)mem_copy_str(c->registry, sizeof(c->registry), strstr(url, "://") ?
		    strstr(url, "://") + 3 : url);
	else
		(void)snprintf(c->registry, sizeof(c->registry), "127.0.0.1:%lld",
		    (long long)config_int("registry.port"));
}

static int cluster_open(struct cluster *c, struct cl_err *err)
{
	cl_autofree char *conf = mem_printf("%s/web/nginx.conf", config_str("images.dir"));
	struct kube_config config;

	c->nginx_conf = file_take(conf, err);
	if (!c->nginx_conf || config_take(&config, err) != 0)
		return -1;
	log_info("kubernetes: %s, context %s", config.server, config.context);
	c->api = kube_api_new(&config);
	if (repository_have()) {
		c->password = file_take(config_str("registry.password_file"), err);
		if (!c->password)
			return -1;
		c->password[strcspn(c->password, "\r\n")] = '\0';
	}
	registry_take(c);
	return 0;
}

static void complete_ops(void);

static int kube_open(struct backend *b, struct cl_err *err)
{
	struct cluster *c = mem_alloc(sizeof(*c));

	complete_ops();
	c->disruption = "";
	c->pushed = json_object();
	c->known = json_object();
	c->pruned = json_object();
	pthread_mutex_init(&c->lock, NULL);
	b->cluster = c;
	if (backend_local_ops.open(b, err) != 0)
		return -1;
	return cluster_open(c, err);
}

static void kube_close(struct backend *b)
{
	struct cluster *c = of(b);

	backend_local_ops.close(b);
	if (!c)
		return;
	kube_api_free(c->api);
	kube_state_clear(&c->state);
	mem_free(c->nginx_conf);
	if (c->password)
		mem_wipe(c->password, strlen(c->password));
	mem_free(c->password);
	json_decref(c->pushed);
	json_decref(c->known);
	json_decref(c->pruned);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
	b->cluster = NULL;
}

static int there(struct cluster *c, struct cl_err *err)
{
	if (c->api && c->nginx_conf && (c->password || !repository_have()))
		return 0;
	err_set(err, CL_PRECONDITION, "kubernetes: no cluster was found when the engine started");
	return err_hint(err, "Set kube.config to a kubeconfig that %s can read", config_str("engine.user"));
}

/* --- images ----------------------------------------------------------------------------------- */

/* An image of this machine's store as pods pull it: pushed, by digest. */
static char *image_ref(struct backend *b, const struct backend_env *e, const struct backend_spec *s,
    const struct backend_job *job, struct cl_err *err)
{
	struct cluster *c = of(b);
	bool app = strcmp(s->tier, "was") == 0 || strcmp(s->tier, "job") == 0;
	cl_autofree char *repository = app ? mem_printf("app/p%" PRId64, e->project) :
	    mem_printf("stack/%s", s->image);
	cl_autofree char *tag = app ? mem_printf("v%d", s->release) : mem_strdup("latest");
	cl_autofree char *key = mem_printf("%s %s", repository, s->image);
	char digest[BACKEND_DIGEST], *ref;
	const char *had;

	pthread_mutex_lock(&c->lock);
	had = json_string_value(json_object_get(c->pushed, key));
	ref = mem_strdup(had);
	pthread_mutex_unlock(&c->lock);
	if (ref)
		return ref;
	if (!repository_have()) {
		err_set(err, CL_PRECONDITION, "kubernetes: pods need a repository to pull from");
		err_hint(err, "./lab up starts one, or set registry.url");
		return NULL;
	}
	if (backend_local_ops.image_push(b, s->image, repository, tag, job, digest, sizeof(digest), err))
		return NULL;
	ref = mem_printf("%s/%s@%s", c->registry, repository, digest);
	pthread_mutex_lock(&c->lock);
	json_object_set_new(c->pushed, key, json_string(ref));
	pthread_mutex_unlock(&c->lock);
	return ref;
}

/* --- applying --------------------------------------------------------------------------------- */

/* Nothing that somebody else made is taken over. */
static int check_ours(struct cluster *c, const json_t *o, struct cl_err *err)
{
	const json_t *meta = json_object_get(o, "metadata");
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *name = json_string_value(json_object_get(meta, "name"));
	const char *ns = json_string_value(json_object_get(meta, "namespace")), *by;
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
	by = json_string_value(json_object_get(json_object_get(json_object_get(is, "metadata"), "labels"),
	    "app.kubernetes.io/managed-by"));
	if (is && (!by || strcmp(by, "codinglab") != 0)) {
		json_decref(is);
		err_set(err, CL_CONFLICT, "kubernetes: there is a %s %s%s%s that CodingLab did not make", kind,
		    ns ? ns : "", ns ? "/" : "", name);
		return err_hint(err, "Rename or remove it");
	}
	json_decref(is);
	pthread_mutex_lock(&c->lock);
	json_object_set_new(c->known, key, json_true());
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* nginx looks its upstream up once, when it starts: a Service that was deleted and came back has
 * another address, so the pods of Web carry its uid and are rolled when it is another. */
static void note_upstream(json_t *web, const char *uid)
{
	json_t *template = json_object_get(json_object_get(web, "spec"), "template");

	json_object_set_new(json_object_get(template, "metadata"), "annotations", json_pack("{s:s}",
	    "codinglab/upstream", uid));
}

static int apply_all(struct cluster *c, const json_t *list, char *address, size_t size,
    struct cl_err *err)
{
	char upstream[64] = "";
	json_t *o, *out;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *kind = json_string_value(json_object_get(o, "kind"));
		const char *tier = json_string_value(json_object_get(json_object_get(json_object_get(o,
		    "metadata"), "labels"), "codinglab/tier"));

		out = NULL;
		if (tier && strcmp(kind, "Deployment") == 0 && strcmp(tier, "web") == 0)
			note_upstream(o, upstream);
		if (check_ours(c, o, err) != 0 || kube_api_apply(c->api, o, false, &out, err) != 0)
			return -1;
		if (address && tier && strcmp(kind, "Service") == 0 && strcmp(tier, "web") == 0) {
			const char *ip = json_string_value(json_object_get(json_object_get(out, "spec"),
			    "clusterIP"));

			(void)mem_copy_str(address, size, ip ? ip : "");
		}
		if (tier && strcmp(kind, "Service") == 0 && strcmp(tier, "was") == 0) {
			const char *uid = json_string_value(json_object_get(json_object_get(out, "metadata"),
			    "uid"));

			(void)mem_copy_str(upstream, sizeof(upstream), uid ? uid : "");
		}
		json_decref(out);
	}
	return 0;
}

/* The edge passes the host name on to the Web tier's Service. */
static int route(struct backend *b, const struct backend_env *e, const char *address,
    struct cl_err *err)
{
	const struct backend_tier *web = &e->tiers[e->ntiers - 1];
	cl_autofree char *name = mem_printf("p%" PRId64 "-%s-web-service", e->project, e->env);
	struct buf in;
	int rc;

	if (!e->route || !address[0] || strcmp(web->spec.tier, "web") != 0)
		return 0;
	buf_init(&in, 65536);
	rc = backend_local_ops.route_list(b, e->route, "web", &in, err);
	for (char *line = in.data, *next; rc == 0 && line && *line; line = next) {
		size_t n = strcspn(line, "\n");

		next = line + n + (line[n] == '\n');
		line[n] = '\0';
		if (strcmp(line, name) != 0)
			rc = backend_local_ops.route_drain(b, e->route, "web", line, 0, err);
	}
	buf_clear(&in);
	if (rc == 0)
		rc = backend_local_ops.route_add(b, e->route, "web", name, address, web->spec.port, err);
	return rc == 0 ? backend_local_ops.route_set(b, e->route, err) : -1;
}

static void disruption(struct cluster *c)
{
	const char *found = NULL;

	if (!c->disruption || c->disruption[0] != '\0')
		return;
	if (kube_api_serves(c->api, "policy", "v1"))
		found = "policy/v1";
	else if (kube_api_serves(c->api, "policy", "v1beta1"))
		found = "policy/v1beta1";
	c->disruption = found;
}

static void manifest_begin(struct cluster *c, struct kube_manifest *m, const struct backend_env *e)
{
	memset(m, 0, sizeof(*m));
	pthread_mutex_lock(&c->lock);
	disruption(c);
	m->disruption = c->disruption;
	pthread_mutex_unlock(&c->lock);
	m->env = e;
	m->nginx_conf = c->nginx_conf;
	m->pull_host = c->password ? c->registry : NULL;
	m->pull_user = config_str("registry.user");
	m->pull_password = c->password;
	m->storage = config_str("kube.storage");
}

static int kube_env_apply(struct backend *b, const struct backend_env *e,
    const struct backend_job *job, struct cl_err *err)
{
	struct cluster *c = of(b);
	char *refs[BACKEND_ENV_TIERS] = { NULL }, address[64] = "";
	struct kube_manifest m;
	json_t *list = NULL;
	int rc = there(c, err);

	for (size_t i = 0; rc == 0 && i < e->ntiers; i++)
		rc = (refs[i] = image_ref(b, e, &e->tiers[i].spec, job, err)) ? 0 : -1;
	if (rc == 0) {
		manifest_begin(c, &m, e);
		for (size_t i = 0; i < e->ntiers; i++)
			m.images[i] = refs[i];
		list = kube_manifest_make(&m);
		rc = apply_all(c, list, address, sizeof(address), err);
	}
	if (rc == 0)
		rc = route(b, e, address, err);
	json_decref(list);
	for (size_t i = 0; i < e->ntiers; i++)
		mem_free(refs[i]);
	return rc;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Secrets of what ran before: nobody needs them once the new is complete. */
static void prune(struct cluster *c, const struct backend_env *e, const char *ns, const char *selector)
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

static int kube_env_look(struct backend *b, const struct backend_env *e,
    struct backend_env_state *out, struct cl_err *err)
{
	struct cluster *c = of(b);
	char ns[KUBE_MANIFEST_NS], selector[160];
	json_t *pods = NULL, *controllers = NULL, *sets = NULL;
	int rc = there(c, err);

	memset(out, 0, sizeof(*out));
	kube_manifest_namespace(ns, sizeof(ns), e->owner, e->env);
	kube_manifest_selector(selector, sizeof(selector), e->project, e->env);
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
	json_decref(pods);
	json_decref(sets);
	json_decref(controllers);
	if (rc == 0 && out->complete)
		prune(c, e, ns, selector);
	return rc;
}

/* Instances as they were seen last: asking for a dev container must not wait for a cluster. */
static int kube_observe(struct backend *b, int64_t project, bool with_stats,
    struct backend_list *out, struct cl_err *err)
{
	struct cluster *c = of(b);

	if (backend_local_ops.observe(b, project, with_stats, out, err) != 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	out->items = mem_resize(out->items, out->n + c->state.n + 1, sizeof(*out->items));
	for (size_t i = 0; i < c->state.n; i++)
		if (project == 0 || c->state.pods[i].seen.project == project)
			out->items[out->n++] = c->state.pods[i].seen;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* --- removing --------------------------------------------------------------------------------- */

static int remove_kind(struct cluster *c, const char *kind, const char *ns, const char *selector,
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
static int remove_namespace(struct cluster *c, const char *ns, struct cl_err *err)
{
	struct cl_err why = { 0 };
	json_t *list = NULL, *is = NULL;
	const char *by;
	int rc = 0;

	if (kube_api_get(c->api, "Namespace", "", ns, &is, &why) != 0)
		return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
	by = json_string_value(json_object_get(json_object_get(json_object_get(is, "metadata"), "labels"),
	    "app.kubernetes.io/managed-by"));
	if (by && strcmp(by, "codinglab") == 0) {
		rc = kube_api_list(c->api, "Service", ns, "codinglab/project", &list, NULL, err);
		if (rc == 0 && json_array_size(list) == 0)
			rc = kube_api_delete(c->api, "Namespace", "", ns, err);
	}
	json_decref(list);
	json_decref(is);
	return rc;
}

static int kube_env_remove(struct backend *b, const struct backend_env *e, bool data,
    struct cl_err *err)
{
	static const char *const kinds[] = { "Ingress", "Deployment", "StatefulSet", "Pod", "Service",
		"NetworkPolicy", "ConfigMap", "Secret", "PersistentVolumeClaim" };
	struct cluster *c = of(b);
	char ns[KUBE_MANIFEST_NS], selector[160];
	cl_autofree char *name = mem_printf("p%" PRId64 "-%s-web-service", e->project, e->env);
	json_t *pods = NULL;
	int rc = there(c, err), left;

	kube_manifest_namespace(ns, sizeof(ns), e->owner, e->env);
	kube_manifest_selector(selector, sizeof(selector), e->project, e->env);
	if (rc == 0 && e->route)
		rc = backend_local_ops.route_drain(b, e->route, "web", name, 0, err);
	for (size_t i = 0; rc == 0 && i < CL_COUNT(kinds); i++)
		if (data || strcmp(kinds[i], "PersistentVolumeClaim") != 0)
			rc = remove_kind(c, kinds[i], ns, selector, err);
	pthread_mutex_lock(&c->lock);
	json_object_clear(c->known);
	pthread_mutex_unlock(&c->lock);
	if (rc != 0 || kube_api_list(c->api, "Pod", ns, selector, &pods, NULL, err) != 0)
		return -1;
	left = (int)json_array_size(pods);
	json_decref(pods);
	if (left > 0)
		return 1;
	return data ? remove_namespace(c, ns, err) : 0;
}

/* --- output ----------------------------------------------------------------------------------- */

struct output {
	const struct backend_job *job;
	struct buf line;
	int64_t until;           /* clock_ms(), 0 = without end */
};

static int output_cb(void *arg, const char *text, size_t len)
{
	struct output *o = arg;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n' && o->line.len < LINE_MAX_BYTES) {
			(void)buf_add(&o->line, text + i, 1);
			continue;
		}
		o->job->line(o->job->arg, o->line.len ? o->line.data : "", o->line.len);
		buf_drop(&o->line, o->line.len);
		if (text[i] != '\n')
			(void)buf_add(&o->line, text + i, 1);
	}
	return 0;
}

static bool output_stop_cb(void *arg)
{
	struct output *o = arg;

	return (o->job->cancelled && o->job->cancelled(o->job->arg)) ||
	    (o->until > 0 && clock_ms() > o->until);
}

static int pod_log(struct cluster *c, const char *ns, const char *pod, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct output o = { .job = job, .until = job->timeout_s > 0 && !follow ?
	    clock_ms() + job->timeout_s * INT64_C(1000) : 0 };
	cl_autofree char *query = mem_printf("tailLines=%d&follow=%s", tail > 0 ? tail : 1000,
	    follow ? "true" : "false");
	int rc;

	buf_init(&o.line, LINE_MAX_BYTES * 2);
	rc = kube_api_stream(c->api, "Pod", ns, pod, query, output_cb, &o, output_stop_cb, err);
	if (o.line.len > 0)
		job->line(job->arg, o.line.data, o.line.len);
	buf_clear(&o.line);
	return rc;
}

static bool pod_of(struct cluster *c, const char *name, struct kube_state_pod *out)
{
	const struct kube_state_pod *p;

	pthread_mutex_lock(&c->lock);
	p = kube_state_find(&c->state, name);
	if (p)
		*out = *p;
	pthread_mutex_unlock(&c->lock);
	return p != NULL;
}

static int kube_logs(struct backend *b, const char *name, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct kube_state_pod p;

	if (!pod_of(of(b), name, &p))
		return backend_local_ops.logs(b, name, tail, follow, job, err);
	return pod_log(of(b), p.ns, p.pod, tail, follow, job, err);
}

static int kube_exec(struct backend *b, const struct backend_exec *e, char *ticket, size_t size,
    struct cl_err *err)
{
	struct kube_state_pod p;

	if (!pod_of(of(b), e->name, &p))
		return backend_local_ops.exec(b, e, ticket, size, err);
	err_set(err, CL_NOT_IMPLEMENTED, "entering an instance in a cluster: not implemented yet");
	return err_hint(err, "kubectl -n %s exec -it %s -- sh", p.ns, p.pod);
}

/* --- one command ------------------------------------------------------------------------------ */

static int job_wait(struct cluster *c, const char *ns, const char *name, const struct backend_job *job,
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

static int kube_env_run(struct backend *b, const struct backend_env *e,
    const struct backend_spec *spec, const struct backend_job *job, int *status, struct cl_err *err)
{
	struct cluster *c = of(b);
	cl_autofree char *ref = there(c, err) == 0 ? image_ref(b, e, spec, job, err) : NULL;
	char ns[KUBE_MANIFEST_NS], secret[160];
	struct cl_err ignored = { 0 };
	struct kube_manifest m;
	json_t *list;
	int rc;

	if (!ref)
		return -1;
	manifest_begin(c, &m, e);
	kube_manifest_namespace(ns, sizeof(ns), e->owner, e->env);
	list = kube_manifest_job(&m, spec, ref);
	rc = apply_all(c, list, NULL, 0, err);
	json_decref(list);
	if (rc == 0)
		rc = job_wait(c, ns, spec->name, job, status, err);
	if (rc == 0)
		(void)pod_log(c, ns, spec->name, 1000, false, job, &ignored);
	(void)kube_api_delete(c->api, "Pod", ns, spec->name, &ignored);
	(void)kube_api_delete(c->api, "NetworkPolicy", ns, spec->name, &ignored);
	(void)snprintf(secret, sizeof(secret), "%s-%s-%016" PRIx64, e->name, spec->tier,
	    spec->generation);
	(void)kube_api_delete(c->api, "Secret", ns, secret, &ignored);
	return rc;
}

/* --- being told ------------------------------------------------------------------------------- */

static int kube_watch(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
    backend_cancel_cb *cancelled, void *arg, struct cl_err *err)
{
	struct kube_watch *w = of(b)->api ? kube_watch_start(of(b)->api, cb, cancelled, arg) : NULL;
	int rc = backend_local_ops.watch(b, cb, cancelled, arg, err);

	kube_watch_stop(w);
	return rc;
}

/* What is not an environment's is local's. */
static void complete_ops(void)
{
	struct backend_ops all = backend_local_ops;

	all.name = "kube";
	all.open = kube_open;
	all.close = kube_close;
	all.observe = kube_observe;
	all.logs = kube_logs;
	all.exec = kube_exec;
	all.env_apply = kube_env_apply;
	all.env_look = kube_env_look;
	all.env_run = kube_env_run;
	all.env_remove = kube_env_remove;
	all.watch = kube_watch;
	backend_kube_ops = all;
}
