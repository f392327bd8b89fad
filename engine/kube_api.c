/*
 * The API client: see kube_api.h.  libcurl (base/fetch) speaks HTTP and TLS, jansson JSON; here are
 * paths, credentials, what a status means, and when to ask again.
 */
#include "engine/kube_api.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fetch.h"
#include "base/mem.h"
#include "engine/kube_plugin.h"

#define REPLY_MAX (64u << 20)
#define CALL_MS 30000
#define PATIENCE_MS 15000
#define TOKEN_MAX 65536
#define PAGE 500
#define LIST_MAX 200000
#define KEPT_MAX 16

struct kube_api {
	struct kube_config config;
	pthread_mutex_t lock;            /* of the credential */
	struct kube_plugin_result given; /* by the plug-in */
	int patience_ms;
	volatile int stopped;
	struct fetch_pool *kept;         /* connections between calls */
};

struct credential {                      /* of one call; owned */
	char *header;                    /* "Authorization: Bearer ...", or NULL */
	char *cert, *key;
	char *ca;                        /* or NULL */
};

struct call {
	const char *method, *path, *type; /* type of the body */
	char *body;
	size_t max;
	int (*data)(void *arg, const char *text, size_t len);
	void *arg;
	bool (*stop)(void *arg);
	bool ended;                      /* data asked for the end */
};

static const struct {
	const char *kind, *group, *plural;
	bool global;
} kinds[] = {
	{ "Namespace", "api/v1", "namespaces", true },
	{ "Node", "api/v1", "nodes", true },
	{ "Pod", "api/v1", "pods", false },
	{ "Service", "api/v1", "services", false },
	{ "Secret", "api/v1", "secrets", false },
	{ "ConfigMap", "api/v1", "configmaps", false },
	{ "ServiceAccount", "api/v1", "serviceaccounts", false },
	{ "ResourceQuota", "api/v1", "resourcequotas", false },
	{ "LimitRange", "api/v1", "limitranges", false },
	{ "PersistentVolumeClaim", "api/v1", "persistentvolumeclaims", false },
	{ "PersistentVolume", "api/v1", "persistentvolumes", true },
	{ "Event", "api/v1", "events", false },
	{ "Deployment", "apis/apps/v1", "deployments", false },
	{ "ReplicaSet", "apis/apps/v1", "replicasets", false },
	{ "ReplicaSet", "apis/apps/v1", "replicasets", false },
	{ "StatefulSet", "apis/apps/v1", "statefulsets", false },
	{ "Job", "apis/batch/v1", "jobs", false },
	{ "Ingress", "apis/networking.k8s.io/v1", "ingresses", false },
	{ "NetworkPolicy", "apis/networking.k8s.io/v1", "networkpolicies", false },
	{ "HorizontalPodAutoscaler", "apis/autoscaling/v1", "horizontalpodautoscalers", false },
	{ "RoleBinding", "apis/rbac.authorization.k8s.io/v1", "rolebindings", false },
	{ "PodDisruptionBudget", "apis/policy/v1", "poddisruptionbudgets", false },
	{ "PodDisruptionBudget.v1beta1", "apis/policy/v1beta1", "poddisruptionbudgets", false },
};

static int run(struct kube_api *a, struct call *c, json_t **out, struct cl_err *err);
static int once(struct kube_api *a, struct call *c, json_t **out, int *again_s, struct cl_err *err);
static int judge(const struct call *c, const struct fetch_reply *r, json_t **out, struct cl_err *err);
static int credential_take(struct kube_api *a, bool renew, struct credential *c, struct cl_err *err);
static void credential_clear(struct credential *c);
static void nap(struct kube_api *a, int ms);

struct kube_api *kube_api_new(struct kube_config *c)
{
	struct kube_api *a = mem_alloc(sizeof(*a));

	a->config = *c;
	memset(c, 0, sizeof(*c));
	a->patience_ms = PATIENCE_MS;
	pthread_mutex_init(&a->lock, NULL);
	a->kept = fetch_pool_new(KEPT_MAX);
	return a;
}

void kube_api_free(struct kube_api *a)
{
	if (!a)
		return;
	kube_plugin_clear(&a->given);
	kube_config_clear(&a->config);
	pthread_mutex_destroy(&a->lock);
	fetch_pool_free(a->kept);
	mem_free(a);
}

void kube_api_stop(struct kube_api *a)
{
	a->stopped = 1;
}

const char *kube_api_server(const struct kube_api *a)
{
	return a->config.server;
}

void kube_api_patience(struct kube_api *a, int ms)
{
	a->patience_ms = ms;
}

/* A path's parts are names that we made or that the server gave: letters, digits, '-', '.'. */
static bool plain(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '-' && *s != '.' && *s != '/' && *s != ':')
			return false;
	return true;
}

int kube_api_path(char *out, size_t size, const char *kind, const char *ns, const char *name)
{
	for (size_t i = 0; i < CL_COUNT(kinds); i++) {
		bool within = !kinds[i].global && ns[0];
		int n;

		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		n = snprintf(out, size, "/%s%s%s/%s%s%s", kinds[i].group, within ? "/namespaces/" : "",
		    within ? ns : "", kinds[i].plural, name[0] ? "/" : "", name);
		return n > 0 && (size_t)n < size && plain(out) ? 0 : -1;
	}
	return -1;
}

static int path_of(char *out, size_t size, const char *kind, const char *ns, const char *name,
    struct cl_err *err)
{
	if (kube_api_path(out, size, kind, ns, name) == 0)
		return 0;
	return err_set(err, CL_FAILED, "kubernetes: %.40s %.80s is no object that can be named", kind,
	    name);
}

int kube_api_get(struct kube_api *a, const char *kind, const char *ns, const char *name,
    json_t **out, struct cl_err *err)
{
	char path[512];

	if (path_of(path, sizeof(path), kind, ns, name, err) != 0)
		return -1;
	return kube_api_raw(a, path, out, err);
}

int kube_api_raw(struct kube_api *a, const char *path, json_t **out, struct cl_err *err)
{
	struct call c = { .method = "GET", .path = path };

	return run(a, &c, out, err);
}

int kube_api_once(struct kube_api *a, const char *path, json_t **out, struct cl_err *err)
{
	struct call c = { .method = "GET", .path = path };
	int again_s;

	return once(a, &c, out, &again_s, err);
}

static int apply(struct kube_api *a, const json_t *object, const char *manager, bool dry,
    json_t **out, struct cl_err *err)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));
	const char *version = json_string_value(json_object_get(object, "apiVersion"));
	const json_t *meta = json_object_get(object, "metadata");
	const char *name = json_string_value(json_object_get(meta, "name"));
	const char *ns = json_string_value(json_object_get(meta, "namespace"));
	struct call c = { .method = "PATCH", .type = "application/apply-patch+yaml" };
	cl_autofree char *body = NULL;
	char path[512], full[600];
	char *at;
	int rc;

	if (!kind || !version || !name || path_of(path, sizeof(path), kind, ns ? ns : "", name, err) != 0)
		return err_set(err, CL_FAILED, "kubernetes: an object without kind, version or name");
	/* an older version of a group than the table's, as discovery found it */
	at = strstr(path, "/v1/");
	if (strchr(version, '/') && strcmp(strchr(version, '/'), "/v1") != 0 && at)
		rc = snprintf(full, sizeof(full), "%.*s%s%s", (int)(at - path), path,
		    strchr(version, '/'), at + 3);
	else
		rc = snprintf(full, sizeof(full), "%s", path);
	if (rc < 0 || (size_t)rc + 64 > sizeof(full))
		return err_set(err, CL_FAILED, "kubernetes: the name of %.60s is too long", name);
	(void)snprintf(full + rc, sizeof(full) - (size_t)rc, "?fieldManager=%s&force=true%s",
	    manager, dry ? "&dryRun=All" : "");
	body = json_dumps(object, JSON_COMPACT);
	c.path = full;
	c.body = body;
	rc = run(a, &c, out, err);
	if (body)
		mem_wipe(body, strlen(body));
	return rc;
}

int kube_api_apply(struct kube_api *a, const json_t *object, bool dry, json_t **out,
    struct cl_err *err)
{
	return apply(a, object, KUBE_API_MANAGER, dry, out, err);
}

/* Is spec.replicas ours by apply? */
static bool own_replicas(const json_t *o)
{
	json_t *m, *all = json_object_get(json_object_get(o, "metadata"), "managedFields");
	size_t i;

	json_array_foreach(all, i, m) {
		const char *who = json_string_value(json_object_get(m, "manager"));
		const char *how = json_string_value(json_object_get(m, "operation"));
		const json_t *spec = json_object_get(json_object_get(m, "fieldsV1"), "f:spec");

		if (who && how && strcmp(who, KUBE_API_MANAGER) == 0 && strcmp(how, "Apply") == 0 &&
		    json_object_get(spec, "f:replicas"))
			return true;
	}
	return false;
}

int kube_api_let_replicas(struct kube_api *a, const char *ns, const char *name, struct cl_err *err)
{
	struct cl_err why = { 0 };
	json_t *is = NULL, *o;
	int rc = 0;

	if (kube_api_get(a, "Deployment", ns, name, &is, &why) != 0)
		return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
	if (own_replicas(is)) {
		o = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:O}}", "apiVersion", "apps/v1", "kind",
		    "Deployment", "metadata", "name", name, "namespace", ns, "spec", "replicas",
		    json_object_get(json_object_get(is, "spec"), "replicas"));
		rc = apply(a, o, KUBE_API_MANAGER "-autoscale", false, NULL, err);
		json_decref(o);
	}
	json_decref(is);
	return rc;
}

int kube_api_delete(struct kube_api *a, const char *kind, const char *ns, const char *name,
    struct cl_err *err)
{
	struct call c = { .method = "DELETE" };
	struct cl_err why = { 0 };
	char path[512], full[600];

	if (path_of(path, sizeof(path), kind, ns, name, err) != 0)
		return -1;
	(void)snprintf(full, sizeof(full), "%s?propagationPolicy=Background", path);
	c.path = full;
	if (run(a, &c, NULL, &why) == 0 || why.code == CL_NOT_FOUND)
		return 0;
	return err_set(err, why.code, "%s", why.message);
}

int kube_api_delete_all(struct kube_api *a, const char *kind, const char *ns, const char *selector,
    struct cl_err *err)
{
	cl_autofree char *sel = kube_api_escape(selector);
	cl_autofree char *full = NULL;
	struct call c = { .method = "DELETE" };
	struct cl_err why = { 0 };
	char path[512];

	if (path_of(path, sizeof(path), kind, ns, "", err) != 0)
		return -1;
	if (!ns[0] || !selector[0])
		return err_set(err, CL_FAILED, "kubernetes: everything of a kind is never deleted");
	c.path = full = mem_printf("%s?propagationPolicy=Background&labelSelector=%s", path, sel);
	if (run(a, &c, NULL, &why) == 0 || why.code == CL_NOT_FOUND)
		return 0;
	return err_set(err, why.code, "%s", why.message);
}

int kube_api_list(struct kube_api *a, const char *kind, const char *ns, const char *selector,
    json_t **items, char *version, struct cl_err *err)
{
	cl_autofree char *sel = kube_api_escape(selector), *next = mem_strdup("");
	struct cl_err why = { 0 };
	char path[512];

	if (path_of(path, sizeof(path), kind, ns, "", err) != 0)
		return -1;
	*items = json_array();
	do {
		cl_autofree char *full = mem_printf("%s?limit=%d%s%s%s%s", path, PAGE, sel[0] ?
		    "&labelSelector=" : "", sel, next[0] ? "&continue=" : "", next);
		json_t *page = NULL, *meta;
		const char *more, *at;

		if (kube_api_raw(a, full, &page, &why) != 0) {
			if (why.code == CL_NOT_FOUND && ns[0])
				break;
			err_set(err, why.code, "%s", why.message);
			goto failed;
		}
		meta = json_object_get(page, "metadata");
		more = json_string_value(json_object_get(meta, "continue"));
		at = json_string_value(json_object_get(meta, "resourceVersion"));
		if (version && mem_copy_str(version, KUBE_API_VERSION_MAX, at ? at : "") != 0)
			version[0] = '\0';
		if (json_is_array(json_object_get(page, "items")))
			json_array_extend(*items, json_object_get(page, "items"));
		mem_free(next);
		next = kube_api_escape(more ? more : "");
		json_decref(page);
		if (json_array_size(*items) > LIST_MAX) {
			err_set(err, CL_TOO_LARGE, "kubernetes: more than %d objects of kind %s", LIST_MAX,
			    kind);
			goto failed;
		}
	} while (next[0]);
	return 0;
failed:
	json_decref(*items);
	*items = NULL;
	return -1;
}

static int stream_cb(void *arg, const char *text, size_t len)
{
	struct call *c = arg;

	if (c->data(c->arg, text, len) == 0)
		return 0;
	c->ended = true;
	return -1;
}

static bool stop_cb(void *arg)
{
	struct call *c = arg;

	c->ended = c->ended || c->stop(c->arg);
	return c->ended;
}

int kube_api_stream(struct kube_api *a, const char *kind, const char *ns, const char *name,
    const char *query, int (*data)(void *arg, const char *text, size_t len), void *arg,
    bool (*stop)(void *arg), struct cl_err *err)
{
	struct call c = { .method = "GET", .data = data, .arg = arg, .stop = stop };
	cl_autofree char *full = NULL;
	struct cl_err why = { 0 };
	char path[512];
	int again;

	if (path_of(path, sizeof(path), kind, ns, name, err) != 0)
		return -1;
	c.path = full = mem_printf("%s%s?%s", path, strcmp(kind, "Pod") == 0 && name[0] ? "/log" : "",
	    query);
	if (once(a, &c, NULL, &again, &why) == 0 || c.ended)
		return 0;
	return err_set(err, why.code, "%s", why.message);
}

bool kube_api_serves(struct kube_api *a, const char *group, const char *version)
{
	cl_autofree char *path = mem_printf("/apis/%s", group);
	struct cl_err err = { 0 };
	json_t *o = NULL, *v;
	bool found = false;
	size_t i;

	if (kube_api_raw(a, path, &o, &err) != 0)
		return false;
	json_array_foreach(json_object_get(o, "versions"), i, v) {
		const char *is = json_string_value(json_object_get(v, "version"));

		found = found || (is && strcmp(is, version) == 0);
	}
	json_decref(o);
	return found;
}

char *kube_api_escape(const char *s)
{
	char *out = mem_alloc(strlen(s) * 3 + 1), *p = out;

	for (; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			*p++ = *s;
		else
			p += snprintf(p, 4, "%%%02X", (unsigned char)*s);
	return out;
}

/* --- one call, and again ---------------------------------------------------------------------- */

/* Rights that are given in each namespace are refused in one that is not there, or not any more. */
static bool nowhere(struct kube_api *a, const char *path)
{
	const char *at = strstr(path, "/namespaces/");
	size_t len = at ? strcspn(at + 12, "/?") : 0;
	cl_autofree char *ns = len > 0 && at[12 + len] == '/' ? mem_printf("/api/v1/namespaces/%.*s",
	    (int)len, at + 12) : NULL;
	struct cl_err err = { 0 };
	json_t *is = NULL;

	if (!ns)
		return false;
	(void)kube_api_once(a, ns, &is, &err);
	json_decref(is);
	return err.code == CL_NOT_FOUND;
}

static int run(struct kube_api *a, struct call *c, json_t **out, struct cl_err *err)
{
	int64_t until = clock_ms() + a->patience_ms;
	int pause = 100;

	for (;;) {
		struct cl_err why = { 0 };
		int again_s = -1, wait;

		if (once(a, c, out, &again_s, &why) == 0)
			return 0;
		wait = again_s > 0 ? again_s * 1000 : pause + (int)randombytes_uniform((uint32_t)pause);
		if (again_s < 0 && why.code == CL_FORBIDDEN && nowhere(a, c->path))
			return err_set(err, CL_NOT_FOUND, "kubernetes: there is no such namespace");
		if (again_s < 0 || a->stopped || clock_ms() + wait > until)
			return err_set(err, why.code, "%s", why.message);
		nap(a, wait);
		pause = pause < 4000 ? pause * 2 : pause;
	}
}

static int fetch(struct kube_api *a, struct call *c, const struct credential *who,
    struct fetch_reply *reply, struct cl_err *err)
{
	cl_autofree char *url = mem_printf("%s%s", a->config.server, c->path);
	cl_autofree char *type = mem_printf("Content-Type: %s", c->type ? c->type : "application/json");
	const char *headers[] = { "Accept: application/json", type, who->header, NULL };
	struct fetch_request r = { .method = c->method, .url = url, .headers = headers,
		.ca_pem = who->ca, .cert_pem = who->cert, .key_pem = who->key,
		.any_server = a->config.any_server, .body = c->body,
		.body_len = c->body ? strlen(c->body) : 0, .max_reply = REPLY_MAX,
		.timeout_ms = c->data ? 0 : CALL_MS, .data_cb = c->data ? stream_cb : NULL,
		.stop_cb = c->stop ? stop_cb : NULL, .arg = c, .cancelled = &a->stopped,
		.pool = a->kept };

	return fetch_run(&r, reply, err);
}

/* "URL: why", with a query of hundreds of bytes, becomes the cluster and why. */
static void say_whom(const struct kube_api *a, struct cl_err *err)
{
	const char *why = strstr(err->message, ": ");
	cl_autofree char *text = mem_printf("kubernetes: %.200s: %s", a->config.server, why ? why + 2 :
	    err->message);

	(void)mem_copy_str(err->message, sizeof(err->message), text);
}

/* *again_s: -1 not to be tried again, 0 as the caller likes, else after so many seconds. */
static int once(struct kube_api *a, struct call *c, json_t **out, int *again_s, struct cl_err *err)
{
	struct fetch_reply reply = { 0 };
	struct credential who;
	int rc;

	for (int renew = 0;; renew++) {
		*again_s = -1;
		if (credential_take(a, renew == 1, &who, err) != 0)
			return -1;
		rc = fetch(a, c, &who, &reply, err);
		credential_clear(&who);
		if (rc != 0) {
			*again_s = err->code == CL_UNAVAILABLE || err->code == CL_TIMEOUT ? 0 : -1;
			if (err->code == CL_TIMEOUT)
				err->code = CL_UNAVAILABLE;
			say_whom(a, err);
			return -1;
		}
		if (reply.status != 401 || !a->config.plugin.command || renew == 1)
			break;
		buf_clear(&reply.body);
	}
	if (reply.status == 429 || reply.status >= 500)
		*again_s = reply.retry_after_s;
	rc = judge(c, &reply, out, err);
	buf_clear(&reply.body);
	return rc;
}

static int judge(const struct call *c, const struct fetch_reply *r, json_t **out, struct cl_err *err)
{
	json_error_t je;
	json_t *o = r->body.len ? json_loadb(r->body.data, r->body.len, 0, &je) : NULL;
	const char *why = json_string_value(json_object_get(o, "message"));
	enum cl_code code = CL_FAILED;

	if (r->status >= 200 && r->status < 300) {
		if (!c->data && !o)
			return err_set(err, CL_FAILED, "kubernetes: the reply to %s is no JSON", c->method);
		if (out)
			*out = o;
		else
			json_decref(o);
		return 0;
	}
	switch (r->status) {
	case 401: code = CL_FORBIDDEN; break; /* it is us whom the cluster does not know, not our caller */
	case 403: code = why && strstr(why, "exceeded quota") ? CL_QUOTA : CL_FORBIDDEN; break;
	case 404: code = CL_NOT_FOUND; break;
	case 409: code = CL_CONFLICT; break;
	case 410: code = CL_PRECONDITION; break; /* the version is too old: list again */
	default: code = r->status == 429 || r->status >= 500 ? CL_UNAVAILABLE : CL_FAILED;
	}
	err_set(err, code, "kubernetes: %.400s (%d)", why ? why : r->body.len && !o ? r->body.data :
	    "the request was refused", r->status);
	json_decref(o);
	return -1;
}

static void nap(struct kube_api *a, int ms)
{
	for (; ms > 0 && !a->stopped; ms -= 50)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
}

/* --- who we are ------------------------------------------------------------------------------- */

static int token_read(const char *path, char **out, struct cl_err *err)
{
	cl_autofclose FILE *f = fopen(path, "re");
	char *text = mem_alloc(TOKEN_MAX + 1);
	size_t n = f ? fread(text, 1, TOKEN_MAX, f) : 0;

	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	if (n == 0 || strlen(text) != n || strpbrk(text, "\r\n")) {
		mem_free(text);
		return err_set(err, CL_UNAVAILABLE, "%s: no token can be read from it", path);
	}
	*out = text;
	return 0;
}

static int credential_take(struct kube_api *a, bool renew, struct credential *c, struct cl_err *err)
{
	cl_autofree char *token = NULL;
	int rc = 0;

	memset(c, 0, sizeof(*c));
	c->cert = mem_strdup(a->config.cert);
	c->key = mem_strdup(a->config.key);
	c->ca = a->config.ca_file[0] ? kube_config_ca(&a->config) : mem_strdup(a->config.ca);
	if (a->config.plugin.command) {
		pthread_mutex_lock(&a->lock);
		if (renew || !kube_plugin_valid(&a->given)) {
			kube_plugin_clear(&a->given);
			rc = kube_plugin_run(&a->config, &a->given, err);
		}
		if (rc == 0) {
			token = mem_strdup(a->given.token);
			if (a->given.cert) {
				mem_free(c->cert);
				mem_free(c->key);
				c->cert = mem_strdup(a->given.cert);
				c->key = mem_strdup(a->given.key);
			}
		}
		pthread_mutex_unlock(&a->lock);
	} else if (a->config.token_file[0]) {
		rc = token_read(a->config.token_file, &token, err);
	} else {
		token = mem_strdup(a->config.token);
	}
	if (rc == 0 && token) {
		c->header = mem_printf("Authorization: Bearer %s", token);
		mem_wipe(token, strlen(token));
	}
	if (rc != 0)
		credential_clear(c);
	return rc;
}

int kube_api_who_take(struct kube_api *a, struct kube_api_who *out, struct cl_err *err)
{
	struct credential c;

	memset(out, 0, sizeof(*out));
	if (credential_take(a, false, &c, err) != 0)
		return -1;
	(void)mem_copy_str(out->server, sizeof(out->server), a->config.server);
	out->ca = c.ca;
	out->header = c.header;
	out->cert = c.cert;
	out->key = c.key;
	out->any_server = a->config.any_server;
	return 0;
}

void kube_api_who_clear(struct kube_api_who *w)
{
	struct credential c = { w->header, w->cert, w->key, w->ca };

	credential_clear(&c);
	memset(w, 0, sizeof(*w));
}

static void credential_clear(struct credential *c)
{
	if (c->header)
		mem_wipe(c->header, strlen(c->header));
	if (c->key)
		mem_wipe(c->key, strlen(c->key));
	mem_free(c->header);
	mem_free(c->cert);
	mem_free(c->key);
	mem_free(c->ca);
	memset(c, 0, sizeof(*c));
}
