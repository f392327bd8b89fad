/* A dev container's objects: see kube_dev_manifest.h. */
#include "engine/kube_dev_manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "engine/kube_state.h"

#define CERTIFICATES "/etc/ssl/certs/ca-certificates.crt"
#define JAVA_CERTIFICATES "/etc/ssl/certs/java/cacerts"
#define MORE_CERTIFICATES "/run/codinglab-trust" /* where recipes and tools look for both */
#define ROOM "10Gi" /* a number that the API asks for; what really limits is the storage itself */

void kube_dev_manifest_volume(char *out, size_t size, const char *lab, int64_t project)
{
	(void)snprintf(out, size, "codinglab-%s-p%" PRId64, lab, project);
}

static json_t *labels(const struct kube_dev_manifest *m)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "app.kubernetes.io/managed-by", "codinglab",
	    "codinglab/lab", m->user->lab, "app.kubernetes.io/part-of", m->spec->hostname,
	    "app.kubernetes.io/name", "dev", "codinglab/env", "ide", "codinglab/tier", "dev");

	json_object_set_new(o, "codinglab/project", json_sprintf("%" PRId64, m->spec->project));
	return o;
}

/* Takes spec; ns "" = of no namespace. */
static json_t *object(const struct kube_dev_manifest *m, const char *kind, const char *ns,
    const char *name, json_t *spec)
{
	json_t *o = json_pack("{s:s, s:s, s:{s:s, s:o}}", "apiVersion", "v1", "kind", kind, "metadata",
	    "name", name, "labels", labels(m));

	if (ns[0])
		json_object_set_new(json_object_get(o, "metadata"), "namespace", json_string(ns));
	if (spec)
		json_object_set_new(o, "spec", spec);
	return o;
}

/* --- the files -------------------------------------------------------------------------------- */

/* Where the project's folder is, as a volume's source. */
static int add_source(json_t *spec, const char *workspaces, int64_t project, struct cl_err *err)
{
	const char *server = strncmp(workspaces, "nfs://", 6) == 0 ? workspaces + 6 : NULL;
	const char *path = server ? strchr(server, '/') : workspaces;
	cl_autofree char *folder = path ? mem_printf("%s/%" PRId64, path, project) : NULL;

	if (!folder || path[0] != '/' || strstr(path, "..") || (server && path == server)) {
		err_set(err, CL_USAGE, "kube.workspaces: %.100s is no place of the nodes", workspaces);
		return err_hint(err, "Say /FOLDER or nfs://SERVER/FOLDER");
	}
	if (server) {
		json_object_set_new(spec, "nfs", json_pack("{s:s%, s:s}", "server", server,
		    (size_t)(path - server), "path", folder));
	} else {
		/* a node without it says so, instead of making an empty one */
		json_object_set_new(spec, "hostPath", json_pack("{s:s, s:s}", "path", folder, "type",
		    "Directory"));
	}
	return 0;
}

static int add_files(json_t *list, const struct kube_dev_manifest *m, const char *ns,
    const char *claim, struct cl_err *err)
{
	char volume[64];
	json_t *spec = json_pack("{s:{s:s}, s:[s], s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "capacity",
	    "storage", ROOM, "accessModes", "ReadWriteMany", "persistentVolumeReclaimPolicy", "Retain",
	    "storageClassName", "", "volumeMode", "Filesystem", "claimRef", "apiVersion", "v1", "kind",
	    "PersistentVolumeClaim", "namespace", ns, "name", claim);

	if (add_source(spec, m->workspaces, m->spec->project, err) != 0) {
		json_decref(spec);
		return -1;
	}
	kube_dev_manifest_volume(volume, sizeof(volume), m->user->lab, m->spec->project);
	json_array_append_new(list, object(m, "PersistentVolume", "", volume, spec));
	json_array_append_new(list, object(m, "PersistentVolumeClaim", ns, claim, json_pack(
	    "{s:[s], s:s, s:s, s:s, s:{s:{s:s}}}", "accessModes", "ReadWriteMany", "storageClassName", "",
	    "volumeMode", "Filesystem", "volumeName", volume, "resources", "requests", "storage", ROOM)));
	return 0;
}

/* --- the pod ---------------------------------------------------------------------------------- */

static json_t *given_files(const struct kube_dev_manifest *m, const char *ns, const char *name)
{
	const struct backend_spec *s = m->spec;
	json_t *o = object(m, "ConfigMap", ns, name, NULL), *data = json_object();

	json_object_set_new(data, "passwd", json_sprintf("root:x:0:0:root:/root:/bin/bash\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n%s:x:%u:%u:%s:/home/dev:/bin/bash\n",
	    s->user_name, s->uid, s->gid, s->user_name));
	json_object_set_new(data, "group", json_sprintf("root:x:0:\nnogroup:x:65534:\nproject:x:%u:\n",
	    s->gid));
	if (m->trust)
		json_object_set_new(data, "certificates", json_string(m->trust));
	json_object_set_new(o, "data", data);
	if (m->java_trust)
		json_object_set_new(o, "binaryData", json_pack("{s:s}", "cacerts", m->java_trust));
	return o;
}

static void add_given(json_t *mounts, const char *key, const char *path)
{
	json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "name", "given", "mountPath", path,
	    "subPath", key, "readOnly", 1));
}

static json_t *mounts(const struct kube_dev_manifest *m)
{
	json_t *list = json_pack("[{s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, s:b}]", "name", "given",
	    "mountPath", "/etc/passwd", "subPath", "passwd", "readOnly", 1, "name", "given", "mountPath",
	    "/etc/group", "subPath", "group", "readOnly", 1);

	for (size_t i = 0; i < m->spec->nmounts; i++) {
		const struct backend_mount *is = &m->spec->mounts[i];

		if (is->kind == BACKEND_MOUNT_WORKSPACE || is->kind == BACKEND_MOUNT_HOME)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", "files", "mountPath",
			    is->target, "subPath", is->kind == BACKEND_MOUNT_HOME ? "home" : "work"));
	}
	if (m->trust) {
		add_given(list, "certificates", CERTIFICATES);
		add_given(list, "certificates", MORE_CERTIFICATES "/ca-certificates.crt");
	}
	if (m->java_trust) {
		add_given(list, "cacerts", JAVA_CERTIFICATES);
		add_given(list, "cacerts", MORE_CERTIFICATES "/cacerts");
	}
	return list;
}

/* A project's own word wins. */
static bool has_var(const struct backend_spec *s, const char *name)
{
	for (size_t i = 0; i < s->nenv; i++)
		if (strcmp(s->env_vars[i].name, name) == 0)
			return true;
	return false;
}

static void add_proxy(json_t *env, const struct kube_dev_manifest *m)
{
	static const char *const names[] = { "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy" };
	static const char *const without[] = { "NO_PROXY", "no_proxy" };

	if (!m->proxy || !m->proxy[0])
		return;
	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (!has_var(m->spec, names[i]))
			json_array_append_new(env, json_pack("{s:s, s:o}", "name", names[i], "value",
			    json_sprintf("http://%s", m->proxy)));
	for (size_t i = 0; i < CL_COUNT(without); i++)
		if (!has_var(m->spec, without[i]))
			json_array_append_new(env, json_pack("{s:s, s:s}", "name", without[i], "value",
			    "localhost,127.0.0.1,::1,.localhost,web,was,db"));
}

/*
 * The one way out beside DNS.  A policy sees the pod behind a Service: with a name it is the platform's own pod
 * (docs/deploy/kubernetes.yaml), an address is a machine's.
 */
static json_t *proxy_policy(const struct kube_dev_manifest *m, const char *ns, const char *name)
{
	const char *colon = strrchr(m->proxy, ':');
	cl_autofree char *host = mem_printf("%.*s", (int)(colon ? colon - m->proxy : 0), m->proxy);
	bool address = host[0] && strspn(host, "0123456789.") == strlen(host);
	json_t *to = address ? json_pack("{s:{s:o}}", "ipBlock", "cidr", json_sprintf("%s/32", host)) :
	    json_pack("{s:{}, s:{s:{s:s}}}", "namespaceSelector", "podSelector", "matchLabels",
	    "app.kubernetes.io/name", "codinglab");

	json_t *o = object(m, "NetworkPolicy", ns, name, json_pack("{s:{s:{s:o}}, s:[s], s:[{s:[o], s:[{s:s, s:i}]}]}",
	    "podSelector", "matchLabels", "codinglab/project", json_sprintf("%" PRId64, m->spec->project),
	    "policyTypes", "Egress", "egress", "to", to, "ports", "protocol", "TCP", "port",
	    colon ? (int)strtol(colon + 1, NULL, 10) : 0));

	json_object_set_new(o, "apiVersion", json_string("networking.k8s.io/v1"));
	return o;
}

static json_t *container(const struct kube_dev_manifest *m)
{
	const struct backend_spec *s = m->spec;
	json_t *env = json_array(), *c = json_pack("{s:s, s:s, s:s, s:{s:b, s:b, s:{s:[s]}},"
	    " s:{s:{s:s, s:s}, s:{}}, s:o}", "name", "dev", "image", m->image, "imagePullPolicy",
	    "IfNotPresent", "securityContext", "allowPrivilegeEscalation", 0, "runAsNonRoot", 1,
	    "capabilities", "drop", "ALL", "resources", "requests", "cpu", "10m", "memory", "64Mi", "limits",
	    "volumeMounts", mounts(m));
	json_t *limits = json_object_get(json_object_get(c, "resources"), "limits");

	json_object_set_new(limits, "memory", json_sprintf("%" PRId64 "Mi", s->memory >> 20));
	if (s->cpu_milli > 0)
		json_object_set_new(limits, "cpu", json_sprintf("%dm", s->cpu_milli));
	for (size_t i = 0; i < s->nenv; i++) {
		cl_autofree char *value = NULL;
		const char *v = s->env_vars[i].value, *at;

		/* "$(" would be Kubernetes' own */
		value = mem_strdup("");
		for (; (at = strstr(v, "$(")) != NULL; v = at + 1) {
			char *next = mem_printf("%s%.*s$$", value, (int)(at - v), v);

			mem_free(value);
			value = next;
		}
		json_array_append_new(env, json_pack("{s:s, s:o}", "name", s->env_vars[i].name, "value",
		    json_sprintf("%s%s", value, v)));
	}
	add_proxy(env, m);
	json_object_set_new(c, "env", env);
	if (s->argv)
		json_object_set_new(c, "args", kube_manifest_arguments(s->argv));
	if (s->workdir[0])
		json_object_set_new(c, "workingDir", json_string(s->workdir));
	return c;
}

/* No fsGroup: the files have their owner and group already, and Kubernetes would change all of them. */
static json_t *pod_spec(const struct kube_dev_manifest *m, const char *claim, const char *given)
{
	const struct backend_spec *s = m->spec;
	json_t *spec = json_pack("{s:s, s:s, s:b, s:b, s:s, s:i, s:{s:b, s:I, s:I, s:{s:s}}, s:[o],"
	    " s:[{s:s, s:{s:s}}, {s:s, s:{s:s}}]}", "hostname", s->hostname, "serviceAccountName", "codinglab",
	    "automountServiceAccountToken", 0, "enableServiceLinks", 0, "restartPolicy", "Never",
	    "terminationGracePeriodSeconds", s->stop_grace_s, "securityContext", "runAsNonRoot", 1,
	    "runAsUser", (json_int_t)s->uid, "runAsGroup", (json_int_t)s->gid, "seccompProfile", "type",
	    "RuntimeDefault", "containers", container(m), "volumes", "name", "files",
	    "persistentVolumeClaim", "claimName", claim, "name", "given", "configMap", "name", given);

	if (m->user->pull_host)
		json_object_set_new(spec, "imagePullSecrets", json_pack("[{s:s}]", "name",
		    "codinglab-registry"));
	return spec;
}

json_t *kube_dev_manifest_make(const struct kube_dev_manifest *m, struct cl_err *err)
{
	cl_autofree char *name = mem_printf("%s-dev", m->spec->hostname);
	cl_autofree char *claim = mem_printf("%s-files", m->spec->hostname);
	json_t *list = kube_manifest_user(m->user), *pod;
	char ns[KUBE_MANIFEST_NS];

	kube_manifest_namespace(ns, sizeof(ns), m->user->prefix, m->user->env->owner, "ide");
	if (add_files(list, m, ns, claim, err) != 0) {
		json_decref(list);
		return NULL;
	}
	json_array_append_new(list, given_files(m, ns, name));
	if (m->proxy && m->proxy[0])
		json_array_append_new(list, proxy_policy(m, ns, name));
	pod = object(m, "Pod", ns, name, pod_spec(m, claim, name));
	json_object_set_new(json_object_get(pod, "metadata"), "annotations", json_pack("{s:o}",
	    "codinglab/generation", json_sprintf("%016" PRIx64, m->spec->generation)));
	json_array_append_new(list, pod);
	return list;
}

/* --- what a pod says -------------------------------------------------------------------------- */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const json_t *condition(const json_t *pod, const char *type)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(pod, "status"), "conditions"), i, c)
		if (strcmp(text(c, "type"), type) == 0)
			return c;
	return NULL;
}

static void say(struct backend_instance *i, bool stuck, const char *what, const char *why)
{
	i->stuck = stuck;
	(void)snprintf(i->why, sizeof(i->why), "%s%s%s", what, why[0] ? ": " : "", why);
}

/* The last warning that is about a volume, else the news that its image is being pulled. */
static bool say_event(struct backend_instance *i, const json_t *events)
{
	const json_t *last = NULL;
	json_t *e;
	size_t k;

	json_array_foreach(events, k, e) {
		const char *reason = text(e, "reason");

		if (strcmp(reason, "FailedMount") == 0 || strcmp(reason, "FailedAttachVolume") == 0) {
			say(i, true, "its volume cannot be mounted", text(e, "message"));
			return true;
		}
		if (strcmp(reason, "Pulling") == 0 || strcmp(reason, "Pulled") == 0)
			last = e;
	}
	if (last && strcmp(text(last, "reason"), "Pulling") == 0)
		say(i, false, "pulling its image", "");
	return last && strcmp(text(last, "reason"), "Pulling") == 0;
}

static void say_waiting(struct backend_instance *i, const json_t *pod, const json_t *events)
{
	const json_t *placed = condition(pod, "PodScheduled");
	const json_t *st = json_array_get(json_object_get(json_object_get(pod, "status"),
	    "containerStatuses"), 0);
	const json_t *waiting = json_object_get(json_object_get(st, "state"), "waiting");
	const char *reason = text(waiting, "reason"), *message = text(placed, "message");

	if (strcmp(text(placed, "status"), "False") == 0 && strstr(message, "PersistentVolumeClaim"))
		/* a claim is bound within moments; what stays unbound is told as it is */
		say(i, true, "its volume is not bound", message);
	else if (strcmp(text(placed, "status"), "False") == 0)
		say(i, true, "the cluster has no room for it", message);
	else if (!placed || strcmp(text(placed, "status"), "True") != 0)
		say(i, false, "waiting for a node (scheduling)", "");
	else if (strstr(reason, "ImagePull") || strcmp(reason, "InvalidImageName") == 0)
		say(i, true, "its image cannot be pulled", text(waiting, "message"));
	else if (reason[0] && strcmp(reason, "ContainerCreating") != 0 &&
	    strcmp(reason, "PodInitializing") != 0)
		say(i, !kube_state_passes(waiting), reason, text(waiting, "message"));
	else if (!say_event(i, events))
		say(i, false, "starting", "");
}

void kube_dev_manifest_read(struct backend_instance *i, const json_t *pod, const json_t *events)
{
	const json_t *meta = json_object_get(pod, "metadata"), *status = json_object_get(pod, "status");
	const json_t *st = json_array_get(json_object_get(status, "containerStatuses"), 0);
	const json_t *ended = json_object_get(json_object_get(st, "state"), "terminated");
	const char *phase = text(status, "phase");
	struct tm tm = { 0 };

	memset(i, 0, sizeof(*i));
	i->project = strtoll(text(json_object_get(meta, "labels"), "codinglab/project"), NULL, 10);
	(void)snprintf(i->name, sizeof(i->name), "p%" PRId64 "-dev", i->project);
	(void)mem_copy_str(i->env, sizeof(i->env), "ide");
	(void)mem_copy_str(i->tier, sizeof(i->tier), "dev");
	i->n = 1;
	i->cpu = i->memory = -1;
	i->generation = strtoull(text(json_object_get(meta, "annotations"), "codinglab/generation"), NULL, 16);
	(void)mem_copy_str(i->address, sizeof(i->address), text(status, "podIP"));
	(void)mem_copy_str(i->image, sizeof(i->image), text(json_array_get(json_object_get(json_object_get(
	    pod, "spec"), "containers"), 0), "image"));
	if (strptime(text(status, "startTime"), "%Y-%m-%dT%H:%M:%S", &tm))
		i->started_ms = (int64_t)timegm(&tm) * 1000;
	i->exit_code = (int)json_integer_value(json_object_get(ended, "exitCode"));
	i->state = strcmp(phase, "Running") == 0 ? BACKEND_RUNNING : strcmp(phase, "Succeeded") == 0 ||
	    strcmp(phase, "Failed") == 0 ? BACKEND_EXITED : BACKEND_STARTING;
	if (json_object_get(meta, "deletionTimestamp"))
		i->state = BACKEND_UNKNOWN;
	if (i->state == BACKEND_STARTING)
		say_waiting(i, pod, events);
	else if (i->state == BACKEND_EXITED && text(status, "reason")[0])
		say(i, true, text(status, "reason"), text(status, "message"));
}
