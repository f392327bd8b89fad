/* Kubernetes objects of an environment: see kube_manifest.h. */
#include "engine/kube_manifest.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define SOCKET "unix:/run/edge/was.sock"
#define PORT_DNS 53
#define CPU_REQUEST 10            /* thousandths of a core that a pod asks for */

struct made {                    /* what one call puts together */
	const struct kube_manifest *m;
	char ns[KUBE_MANIFEST_NS];
	json_t *list;
};

static json_t *labels(const struct kube_manifest *m, const char *tier)
{
	const struct backend_env *e = m->env;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "app.kubernetes.io/managed-by", "codinglab",
	    "codinglab/lab", m->lab, "app.kubernetes.io/part-of", e->name, "codinglab/env", e->env,
	    "codinglab/project", "");

	json_object_set_new(o, "codinglab/project", json_sprintf("%" PRId64, e->project));
	if (tier[0]) {
		json_object_set_new(o, "app.kubernetes.io/name", json_string(tier));
		json_object_set_new(o, "codinglab/tier", json_string(tier));
	}
	return o;
}

static json_t *selector(const struct backend_env *e, const char *tier)
{
	json_t *o = json_pack("{s:s}", "codinglab/tier", tier);

	json_object_set_new(o, "codinglab/project", json_sprintf("%" PRId64, e->project));
	return o;
}

/* Takes spec; NULL = none. */
static json_t *object(struct made *d, const char *version, const char *kind, const char *name,
    const char *tier, json_t *spec)
{
	json_t *o = json_pack("{s:s, s:s, s:{s:s, s:s, s:o}}", "apiVersion", version, "kind", kind,
	    "metadata", "name", name, "namespace", d->ns, "labels", labels(d->m, tier));

	if (spec)
		json_object_set_new(o, "spec", spec);
	json_array_append_new(d->list, o);
	return o;
}

/* --- what is a user's ------------------------------------------------------------------------- */

static json_t *of_user(struct made *d, const char *version, const char *kind, const char *name,
    json_t *spec)
{
	json_t *o = object(d, version, kind, name, "", spec), *meta = json_object_get(o, "metadata");

	json_object_set_new(meta, "labels", json_pack("{s:s, s:s}", "app.kubernetes.io/managed-by",
	    "codinglab", "codinglab/lab", d->m->lab));
	return o;
}

/* What the engine may do in a namespace it is given there, so that it may do nothing of it elsewhere. */
static void add_grant(struct made *d)
{
	const char *role = d->m->role, *account = d->m->account, *slash = account ? strchr(account, '/') : NULL;
	json_t *o;

	if (!role || !role[0] || !slash)
		return;
	o = of_user(d, "rbac.authorization.k8s.io/v1", "RoleBinding", "codinglab-engine", NULL);
	json_object_set_new(o, "roleRef", json_pack("{s:s, s:s, s:s}", "apiGroup",
	    "rbac.authorization.k8s.io", "kind", "ClusterRole", "name", role));
	json_object_set_new(o, "subjects", json_pack("[{s:s, s:s%, s:s}]", "kind", "ServiceAccount",
	    "namespace", account, (size_t)(slash - account), "name", slash + 1));
}

static void add_user(struct made *d)
{
	const struct backend_env *e = d->m->env;
	json_t *o = of_user(d, "v1", "Namespace", d->ns, NULL);

	json_object_del(json_object_get(o, "metadata"), "namespace");
	json_object_update_new(json_object_get(json_object_get(o, "metadata"), "labels"), json_pack(
	    "{s:s, s:s, s:s, s:s}", "codinglab/owner", e->owner, "codinglab/env", e->env,
	    "pod-security.kubernetes.io/enforce", "restricted", "pod-security.kubernetes.io/warn",
	    "restricted"));
	add_grant(d);
	of_user(d, "v1", "ResourceQuota", "codinglab", json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s}}",
	    "hard", "pods", "60", "requests.cpu", "8", "limits.memory", "32Gi", "persistentvolumeclaims",
	    "20", "requests.storage", "100Gi", "services.nodeports", "0", "services.loadbalancers", "0"));
	of_user(d, "v1", "LimitRange", "codinglab", json_pack("{s:[{s:s, s:{s:s}, s:{s:s, s:s}}]}",
	    "limits", "type", "Container", "default", "memory", "512Mi", "defaultRequest", "cpu", "10m",
	    "memory", "32Mi"));
	o = of_user(d, "v1", "ServiceAccount", "codinglab", NULL);
	json_object_set_new(o, "automountServiceAccountToken", json_false());
	of_user(d, "networking.k8s.io/v1", "NetworkPolicy", "default-deny", json_pack(
	    "{s:{}, s:[s, s]}", "podSelector", "policyTypes", "Ingress", "Egress"));
	of_user(d, "networking.k8s.io/v1", "NetworkPolicy", "dns", json_pack(
	    "{s:{}, s:[s], s:[{s:[{s:s, s:i}, {s:s, s:i}]}]}", "podSelector", "policyTypes", "Egress",
	    "egress", "ports", "protocol", "UDP", "port", PORT_DNS, "protocol", "TCP", "port", PORT_DNS));
	if (d->m->pull_host) {
		cl_autofree char *plain = mem_printf("%s:%s", d->m->pull_user, d->m->pull_password);
		size_t size = sodium_base64_encoded_len(strlen(plain), sodium_base64_VARIANT_ORIGINAL);
		cl_autofree char *auth = mem_alloc(size), *text = NULL;
		json_t *config;

		sodium_bin2base64(auth, size, (const unsigned char *)plain, strlen(plain),
		    sodium_base64_VARIANT_ORIGINAL);
		config = json_pack("{s:{s:{s:s}}}", "auths", d->m->pull_host, "auth", auth);
		text = json_dumps(config, JSON_COMPACT);
		json_decref(config);
		o = of_user(d, "v1", "Secret", "codinglab-registry", NULL);
		json_object_set_new(o, "type", json_string("kubernetes.io/dockerconfigjson"));
		json_object_set_new(o, "stringData", json_pack("{s:s}", ".dockerconfigjson", text));
	}
}

/* --- pods ------------------------------------------------------------------------------------- */

json_t *kube_manifest_arguments(char *const *argv)
{
	json_t *list = json_array();

	for (size_t i = 0; argv[i]; i++) {
		cl_autofree char *out = mem_alloc(2 * strlen(argv[i]) + 1);
		char *to = out;

		for (const char *s = argv[i]; *s; s++) {
			*to++ = *s;
			if (s[0] == '$' && s[1] == '(')
				*to++ = '$';
		}
		json_array_append_new(list, json_string(out));
	}
	return list;
}

static json_t *probe(int port, const char *path, int period, int failures)
{
	json_t *p = path[0] ? json_pack("{s:{s:s, s:i}}", "httpGet", "path", path, "port", port)
	    : json_pack("{s:{s:i}}", "tcpSocket", "port", port);

	json_object_set_new(p, "periodSeconds", json_integer(period));
	json_object_set_new(p, "timeoutSeconds", json_integer(3));
	json_object_set_new(p, "failureThreshold", json_integer(failures));
	return p;
}

/* Its variables' Secret: another name for other values, so that a rollout keeps the old pods' values. */
static void secret_name(char *out, size_t size, const struct backend_env *e,
    const struct backend_spec *s)
{
	(void)snprintf(out, size, "%s-%s-%016" PRIx64, e->name, s->tier, s->generation);
}

static json_t *container(const struct backend_spec *s, const char *image, const char *secret)
{
	json_t *c = json_pack("{s:s, s:s, s:s, s:{s:b, s:b, s:b, s:{s:[s]}}, s:[{s:{s:s}}],"
	    " s:[{s:s, s:{s:{s:s}}}]}", "name", s->tier, "image", image, "imagePullPolicy", "IfNotPresent",
	    "securityContext", "allowPrivilegeEscalation", 0, "runAsNonRoot", 1, "readOnlyRootFilesystem",
	    (int)s->read_only_root, "capabilities", "drop", "ALL", "envFrom", "secretRef", "name", secret,
	    "env", "name", "CODINGLAB_INSTANCE", "valueFrom", "fieldRef", "fieldPath", "metadata.name");
	json_t *resources = json_pack("{s:{}, s:{}}", "requests", "limits");

	json_object_set_new(json_object_get(resources, "limits"), "memory", json_sprintf("%" PRId64 "Mi",
	    s->memory >> 20));
	json_object_set_new(json_object_get(resources, "requests"), "cpu", json_sprintf("%dm",
	    CPU_REQUEST));
	json_object_set_new(json_object_get(resources, "requests"), "memory", json_sprintf("%" PRId64
	    "Mi", s->memory >> 23));
	if (s->cpu_milli > 0)
		json_object_set_new(json_object_get(resources, "limits"), "cpu", json_sprintf("%dm",
		    s->cpu_milli));
	json_object_set_new(c, "resources", resources);
	if (s->argv)
		json_object_set_new(c, "args", kube_manifest_arguments(s->argv));
	if (s->workdir[0])
		json_object_set_new(c, "workingDir", json_string(s->workdir));
	return c;
}

/* Mounts of a spec: tmpfs here, a claim by the StatefulSet, the edge's socket not at all. */
static void add_mounts(const struct backend_spec *s, json_t *c, json_t *volumes)
{
	json_t *mounts = json_array();

	for (size_t i = 0; i < s->nmounts; i++) {
		const struct backend_mount *m = &s->mounts[i];
		cl_autofree char *name = mem_printf("tmp%zu", i);

		if (m->kind == BACKEND_MOUNT_VOLUME) {
			json_array_append_new(mounts, json_pack("{s:s, s:s}", "name", "data", "mountPath",
			    m->target));
		} else if (m->kind == BACKEND_MOUNT_TMP) {
			json_array_append_new(volumes, json_pack("{s:s, s:{s:s}}", "name", name, "emptyDir",
			    "sizeLimit", "1Gi"));
			json_array_append_new(mounts, json_pack("{s:s, s:s}", "name", name, "mountPath",
			    m->target));
		}
	}
	json_object_set_new(c, "volumeMounts", mounts);
}

static json_t *pod_spec(struct made *d, const struct backend_spec *s, const char *image)
{
	char secret[128];
	json_t *c, *spec, *volumes = json_array();

	secret_name(secret, sizeof(secret), d->m->env, s);
	c = container(s, image, secret);
	add_mounts(s, c, volumes);
	spec = json_pack("{s:s, s:b, s:b, s:{s:b, s:I, s:I, s:I, s:{s:s}}, s:I, s:[o], s:o}",
	    "serviceAccountName", "codinglab", "automountServiceAccountToken", 0, "enableServiceLinks", 0,
	    "securityContext", "runAsNonRoot", 1, "runAsUser", (json_int_t)s->uid, "runAsGroup",
	    (json_int_t)s->gid, "fsGroup", (json_int_t)s->gid, "seccompProfile", "type", "RuntimeDefault",
	    "terminationGracePeriodSeconds", (json_int_t)s->stop_grace_s + 5, "containers", c, "volumes",
	    volumes);
	if (d->m->pull_host)
		json_object_set_new(spec, "imagePullSecrets", json_pack("[{s:s}]", "name",
		    "codinglab-registry"));
	return spec;
}

static json_t *pod_template(struct made *d, const struct backend_spec *s, const char *image)
{
	const struct backend_env *e = d->m->env;
	json_t *spec = pod_spec(d, s, image), *meta = json_pack("{s:o}", "labels", labels(d->m, s->tier));
	json_t *c = json_array_get(json_object_get(spec, "containers"), 0);

	json_object_set_new(json_object_get(meta, "labels"), "codinglab/release",
	    json_sprintf("%d", s->release));
	json_object_set_new(c, "ports", json_pack("[{s:s, s:s, s:i}]", "name", s->tier, "protocol",
	    "TCP", "containerPort", s->port));
	json_object_set_new(c, "readinessProbe", probe(s->port, s->health, 2, 3));
	json_object_set_new(c, "livenessProbe", probe(s->port, "", 10, 12));
	/* no new requests come while endpoints forget it; then it is told to end */
	if (strcmp(s->tier, "db") != 0)
		json_object_set_new(c, "lifecycle", json_pack("{s:{s:{s:[s, s]}}}", "preStop", "exec",
		    "command", "sleep", "3"));
	json_object_set_new(spec, "affinity", json_pack("{s:{s:[{s:i, s:{s:{s:o}, s:s}}]}}",
	    "podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution", "weight", 100,
	    "podAffinityTerm", "labelSelector", "matchLabels", selector(e, s->tier), "topologyKey",
	    "kubernetes.io/hostname"));
	return json_pack("{s:o, s:o}", "metadata", meta, "spec", spec);
}

/* --- what is a project's ---------------------------------------------------------------------- */

static void add_secret(struct made *d, const struct backend_spec *s)
{
	json_t *data = json_object(), *o;
	char name[128];

	for (size_t i = 0; i < s->nenv; i++)
		if (strcmp(s->env_vars[i].name, "CODINGLAB_INSTANCE") != 0)
			json_object_set_new(data, s->env_vars[i].name, json_string(s->env_vars[i].value));
	secret_name(name, sizeof(name), d->m->env, s);
	o = object(d, "v1", "Secret", name, strcmp(s->tier, "job") == 0 ? "" : s->tier, NULL);
	json_object_set_new(o, "type", json_string("Opaque"));
	json_object_set_new(o, "stringData", data);
}

static void add_service(struct made *d, const struct backend_spec *s, const char *name)
{
	object(d, "v1", "Service", name, s->tier, json_pack("{s:o, s:[{s:s, s:s, s:i, s:i}]}", "selector",
	    selector(d->m->env, s->tier), "ports", "name", s->tier, "protocol", "TCP", "port", s->port,
	    "targetPort", s->port));
}

/* Ports say TCP, though it is the default: server-side apply of 1.20 wants it as a part of their key.
 * Who may ask whom: everybody web, web was, was db. */
static void add_policy(struct made *d, const struct backend_spec *s, const char *name)
{
	const struct backend_env *e = d->m->env;
	const char *from = strcmp(s->tier, "was") == 0 ? "web" : "was";
	const char *to = strcmp(s->tier, "web") == 0 ? "was" : "db";
	json_t *in = json_pack("{s:[{s:s, s:i}]}", "ports", "protocol", "TCP", "port", s->port);
	json_t *spec = json_pack("{s:{s:o}, s:[s, s], s:[o]}", "podSelector", "matchLabels",
	    selector(e, s->tier), "policyTypes", "Ingress", "Egress", "ingress", in);

	if (strcmp(s->tier, "web") != 0) {
		json_t *peers = json_pack("[{s:{s:o}}]", "podSelector", "matchLabels", selector(e, from));

		if (strcmp(s->tier, "db") == 0) /* migrations too */
			json_array_append_new(peers, json_pack("{s:{s:o}}", "podSelector", "matchLabels",
			    selector(e, "job")));
		json_object_set_new(in, "from", peers);
	}
	if (strcmp(s->tier, "db") != 0)
		json_object_set_new(spec, "egress", json_pack("[{s:[{s:{s:o}}]}]", "to", "podSelector",
		    "matchLabels", selector(e, to)));
	object(d, "networking.k8s.io/v1", "NetworkPolicy", name, s->tier, spec);
}

/* nginx asks `was` by its Service instead of the edge's socket. */
static void add_web_conf(struct made *d, json_t *template, const char *name, int was_port)
{
	const char *text = d->m->nginx_conf;
	json_t *spec = json_object_get(template, "spec"), *o;
	bool said = false;
	struct buf b;

	buf_init(&b, strlen(text) + 1024);
	for (const char *line = text, *next; *line; line = next) {
		size_t n = strcspn(line, "\n");
		bool is = memmem(line, n, SOCKET, sizeof(SOCKET) - 1) != NULL;

		next = line + n + (line[n] == '\n');
		if (!is)
			buf_add(&b, line, (size_t)(next - line));
		else if (!said)
			buf_printf(&b, "\t\tserver %s-was:%d max_fails=0;\n", d->m->env->name, was_port);
		said = said || is;
	}
	o = object(d, "v1", "ConfigMap", name, "web", NULL);
	json_object_set_new(o, "data", json_pack("{s:s}", "nginx.conf", b.data));
	buf_clear(&b);
	json_array_append_new(json_object_get(spec, "volumes"), json_pack("{s:s, s:{s:s}}", "name", "conf",
	    "configMap", "name", name));
	json_array_append_new(json_object_get(json_array_get(json_object_get(spec, "containers"), 0),
	    "volumeMounts"), json_pack("{s:s, s:s, s:s}", "name", "conf", "mountPath",
	    "/etc/nginx/nginx.conf", "subPath", "nginx.conf"));
}

static void add_db(struct made *d, const struct backend_tier *t, const char *name, json_t *template)
{
	object(d, "apps/v1", "StatefulSet", name, "db", json_pack("{s:s, s:i, s:{s:o}, s:o,"
	    " s:[{s:{s:s, s:o}, s:{s:[s], s:{s:{s:s}}}}]}", "serviceName", name, "replicas", t->want,
	    "selector", "matchLabels", selector(d->m->env, "db"), "template", template,
	    "volumeClaimTemplates", "metadata", "name", "data", "labels", labels(d->m, "db"), "spec",
	    "accessModes", "ReadWriteOnce", "resources", "requests", "storage", d->m->storage));
}

/* Percent of the request, which is a hundredth of a core: 60 % of a core is 6000 of these. */
static void add_autoscaler(struct made *d, const struct backend_tier *t, const char *name)
{
	object(d, "autoscaling/v1", "HorizontalPodAutoscaler", name, t->spec.tier, json_pack(
	    "{s:{s:s, s:s, s:s}, s:i, s:i, s:i}", "scaleTargetRef", "apiVersion", "apps/v1", "kind",
	    "Deployment", "name", name, "minReplicas", t->min, "maxReplicas", t->max,
	    "targetCPUUtilizationPercentage", t->cpu * (1000 / CPU_REQUEST)));
}

/* A number that load decides is the autoscaler's: it is not ours to say. */
static void add_deployment(struct made *d, const struct backend_tier *t, const char *name,
    json_t *template)
{
	const char *tier = t->spec.tier;
	json_t *o;

	o = object(d, "apps/v1", "Deployment", name, tier, json_pack(
	    "{s:i, s:i, s:{s:o}, s:{s:s, s:{s:i, s:i}}, s:o}", "replicas", t->want,
	    "revisionHistoryLimit", 2, "selector", "matchLabels", selector(d->m->env, tier), "strategy",
	    "type", "RollingUpdate", "rollingUpdate", "maxUnavailable", 0, "maxSurge", 1, "template",
	    template));
	if (t->max > 0) {
		json_object_del(json_object_get(o, "spec"), "replicas");
		add_autoscaler(d, t, name);
	}
	if (d->m->disruption && (t->want > 1 || t->max > 1))
		object(d, d->m->disruption, "PodDisruptionBudget", name, tier, json_pack("{s:i, s:{s:o}}",
		    "maxUnavailable", 1, "selector", "matchLabels", selector(d->m->env, tier)));
}

static void add_ingress(struct made *d, const char *service, int port)
{
	const struct backend_env *e = d->m->env;

	object(d, "networking.k8s.io/v1", "Ingress", e->name, "", json_pack(
	    "{s:[{s:s, s:{s:[{s:s, s:s, s:{s:{s:s, s:{s:i}}}}]}}]}", "rules", "host", e->host, "http",
	    "paths", "path", "/", "pathType", "Prefix", "backend", "service", "name", service, "port",
	    "number", port));
}

static void add_project(struct made *d)
{
	const struct backend_env *e = d->m->env;
	char name[64];
	int was_port = 0;

	for (size_t i = 0; i < e->ntiers; i++) {
		const struct backend_spec *s = &e->tiers[i].spec;

		kube_manifest_name(name, sizeof(name), e, s->tier);
		add_secret(d, s);
		add_service(d, s, name);
		add_policy(d, s, name);
		was_port = strcmp(s->tier, "was") == 0 ? s->port : was_port;
	}
	for (size_t i = 0; i < e->ntiers; i++) {
		const struct backend_spec *s = &e->tiers[i].spec;
		json_t *template = pod_template(d, s, d->m->images[i]);

		kube_manifest_name(name, sizeof(name), e, s->tier);
		if (strcmp(s->tier, "web") == 0 && d->m->nginx_conf)
			add_web_conf(d, template, name, was_port);
		if (strcmp(s->tier, "db") == 0)
			add_db(d, &e->tiers[i], name, template);
		else
			add_deployment(d, &e->tiers[i], name, template);
		if (strcmp(s->tier, "web") == 0)
			add_ingress(d, name, s->port);
	}
}

json_t *kube_manifest_make(const struct kube_manifest *m)
{
	struct made d = { .m = m, .list = json_array() };

	kube_manifest_namespace(d.ns, sizeof(d.ns), m->prefix, m->env->owner, m->env->env);
	add_user(&d);
	add_project(&d);
	return d.list;
}

json_t *kube_manifest_user(const struct kube_manifest *m)
{
	struct made d = { .m = m, .list = json_array() };

	kube_manifest_namespace(d.ns, sizeof(d.ns), m->prefix, m->env->owner, m->env->env);
	add_user(&d);
	return d.list;
}

json_t *kube_manifest_project(const struct kube_manifest *m)
{
	struct made d = { .m = m, .list = json_array() };

	kube_manifest_namespace(d.ns, sizeof(d.ns), m->prefix, m->env->owner, m->env->env);
	add_project(&d);
	return d.list;
}

json_t *kube_manifest_job(const struct kube_manifest *m, const struct backend_spec *spec,
    const char *image)
{
	struct made d = { .m = m, .list = json_array() };
	json_t *pod;

	kube_manifest_namespace(d.ns, sizeof(d.ns), m->prefix, m->env->owner, m->env->env);
	add_secret(&d, spec);
	pod = pod_spec(&d, spec, image);
	json_object_set_new(pod, "restartPolicy", json_string("Never"));
	object(&d, "networking.k8s.io/v1", "NetworkPolicy", spec->name, "", json_pack(
	    "{s:{s:o}, s:[s, s], s:[{s:[{s:{s:o}}]}]}", "podSelector", "matchLabels", selector(m->env,
	    "job"), "policyTypes", "Ingress", "Egress", "egress", "to", "podSelector", "matchLabels",
	    selector(m->env, "db")));
	object(&d, "v1", "Pod", spec->name, "job", pod);
	return d.list;
}

void kube_manifest_namespace(char *out, size_t size, const char *prefix, const char *owner,
    const char *env)
{
	(void)snprintf(out, size, "%s-%s-%s", prefix, owner, env);
}

void kube_manifest_name(char *out, size_t size, const struct backend_env *e, const char *tier)
{
	(void)snprintf(out, size, "%s-%s", e->name, tier);
}

void kube_manifest_selector(char *out, size_t size, const char *lab, int64_t project, const char *env)
{
	(void)snprintf(out, size, KUBE_MANIFEST_OURS ",codinglab/lab=%s,codinglab/project=%" PRId64
	    ",codinglab/env=%s", lab, project, env);
}
