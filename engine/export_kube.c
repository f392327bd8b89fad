/* Kubernetes manifests of an export: see export.h.  Only API versions of 1.20 and later. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/export.h"
#include "engine/kube_manifest.h"

static json_t *meta(const struct export *x, const char *name)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}}", "name", name, "namespace", x->name, "labels",
	    "app.kubernetes.io/part-of", x->name, "app.kubernetes.io/name", name);
}

static json_t *selector(const struct export *x, const char *name)
{
	return json_pack("{s:s, s:s}", "app.kubernetes.io/part-of", x->name, "app.kubernetes.io/name",
	    name);
}

/* What Pod Security "restricted" asks of a container. */
static json_t *container_security(bool read_only)
{
	return json_pack("{s:b, s:b, s:{s:[s]}, s:b}", "allowPrivilegeEscalation", 0,
	    "readOnlyRootFilesystem", (int)read_only, "capabilities", "drop", "ALL", "runAsNonRoot", 1);
}

static json_t *pod_security(unsigned uid)
{
	return json_pack("{s:b, s:i, s:i, s:i, s:{s:s}}", "runAsNonRoot", 1, "runAsUser", (int)uid,
	    "runAsGroup", (int)uid, "fsGroup", (int)uid, "seccompProfile", "type", "RuntimeDefault");
}

static json_t *probe(int port, const char *path, int period)
{
	json_t *p = path[0] ? json_pack("{s:{s:s, s:i}}", "httpGet", "path", path, "port", port)
	    : json_pack("{s:{s:i}}", "tcpSocket", "port", port);

	json_object_set_new(p, "periodSeconds", json_integer(period));
	json_object_set_new(p, "failureThreshold", json_integer(10));
	return p;
}

static json_t *secret_var(const char *name)
{
	return json_pack("{s:s, s:{s:{s:s, s:s}}}", "name", name, "valueFrom", "secretKeyRef", "name",
	    "app", "key", name);
}

static json_t *container(const char *name, const char *image, int port, const char *health,
    bool read_only)
{
	json_t *c = json_pack("{s:s, s:s, s:s, s:[{s:i}], s:o, s:o, s:o, s:[{s:s, s:s}]}", "name", name,
	    "image", image, "imagePullPolicy", "IfNotPresent", "ports", "containerPort", port,
	    "readinessProbe", probe(port, health, 3), "livenessProbe", probe(port, "", 10),
	    "securityContext", container_security(read_only), "volumeMounts", "name", "tmp",
	    "mountPath", "/tmp");

	json_object_set_new(c, "resources", json_pack("{s:{s:s, s:s}, s:{s:s}}", "requests", "cpu",
	    "50m", "memory", "64Mi", "limits", "memory", "512Mi"));
	return c;
}

static json_t *pod(const struct export *x, const char *name, unsigned uid, json_t *c)
{
	return json_pack("{s:{s:o}, s:{s:b, s:o, s:[o], s:[{s:s, s:{}}]}}", "metadata", "labels",
	    selector(x, name), "spec", "automountServiceAccountToken", 0, "securityContext",
	    pod_security(uid), "containers", c, "volumes", "name", "tmp", "emptyDir");
}

static json_t *deployment(const struct export *x, const char *name, json_t *template)
{
	return json_pack("{s:s, s:s, s:o, s:{s:i, s:{s:o}, s:o}}", "apiVersion", "apps/v1", "kind",
	    "Deployment", "metadata", meta(x, name), "spec", "replicas", 1, "selector", "matchLabels",
	    selector(x, name), "template", template);
}

static json_t *service(const struct export *x, const char *name, int port)
{
	return json_pack("{s:s, s:s, s:o, s:{s:o, s:[{s:i, s:i}]}}", "apiVersion", "v1", "kind",
	    "Service", "metadata", meta(x, name), "spec", "selector", selector(x, name), "ports",
	    "port", port, "targetPort", port);
}

static json_t *app_env(const struct export *x)
{
	cl_autofree char *port = mem_printf("%d", export_port(x));
	json_t *env = json_pack("[{s:s, s:s}]", "name", "PORT", "value", port);

	if (x->db) {
		cl_autofree char *url = mem_printf("%s://app:$(DATABASE_PASSWORD)@db:%d/app",
		    x->db->database.scheme, x->db->database.port);

		json_array_append_new(env, secret_var("DATABASE_PASSWORD"));
		json_array_append_new(env, json_pack("{s:s, s:s}", "name", "DATABASE_URL", "value", url));
	}
	for (size_t i = 0; x->stack->secrets && x->stack->secrets[i]; i++)
		json_array_append_new(env, secret_var(x->stack->secrets[i]));
	return env;
}

/* The migration runs before the application, in each pod: it is idempotent. */
static void add_migration(const struct export *x, json_t *template, const char *image)
{
	char *const *argv = appfile_get(x->app, x->stack, STACK_MIGRATE);

	if (!argv)
		return;
	json_object_set_new(json_object_get(template, "spec"), "initContainers", json_pack(
	    "[{s:s, s:s, s:s, s:o, s:o, s:o, s:[{s:s, s:s}]}]", "name", "migrate", "image", image,
	    "imagePullPolicy", "IfNotPresent", "args", kube_manifest_arguments(argv), "env", app_env(x),
	    "securityContext", container_security(false), "volumeMounts", "name", "tmp", "mountPath",
	    "/tmp"));
}

static json_t *was(const struct export *x)
{
	cl_autofree char *image = mem_printf("localhost/%s:latest", x->name);
	json_t *c = container("was", image, export_port(x), export_health(x), false), *template;

	json_object_set_new(c, "env", app_env(x));
	template = pod(x, "was", 10102, c);
	add_migration(x, template, image);
	return deployment(x, "was", template);
}

static json_t *web(const struct export *x)
{
	cl_autofree char *image = mem_printf("localhost/%s-web:latest", x->name);

	return deployment(x, "web", pod(x, "web", 10101, container("web", image, 8080, "/-/healthz",
	    true)));
}

static json_t *db(const struct export *x)
{
	cl_autofree char *image = mem_printf("localhost/codinglab/%s:latest", x->db->run.id);
	json_t *c = container("db", image, x->db->port, "", true), *template, *volumes;

	json_object_set_new(c, "env", json_pack("[{s:s, s:s}, {s:s, s:s}, o]", "name", "DATABASE_USER",
	    "value", "app", "name", "DATABASE_NAME", "value", "app", secret_var("DATABASE_PASSWORD")));
	json_array_append_new(json_object_get(c, "volumeMounts"), json_pack("{s:s, s:s}", "name",
	    "data", "mountPath", x->db->volume));
	template = pod(x, "db", x->db->uid, c);
	volumes = json_object_get(json_object_get(template, "spec"), "volumes");
	for (size_t i = 0; i < x->db->ntmp; i++) {
		cl_autofree char *name = mem_printf("tmp%zu", i);

		if (strcmp(x->db->tmp[i], "/tmp") == 0)
			continue;
		json_array_append_new(volumes, json_pack("{s:s, s:{}}", "name", name, "emptyDir"));
		json_array_append_new(json_object_get(c, "volumeMounts"), json_pack("{s:s, s:s}", "name",
		    name, "mountPath", x->db->tmp[i]));
	}
	return json_pack("{s:s, s:s, s:o, s:{s:s, s:i, s:{s:o}, s:o, s:[{s:{s:s}, s:{s:[s],"
	    " s:{s:{s:s}}}}]}}", "apiVersion", "apps/v1", "kind", "StatefulSet", "metadata",
	    meta(x, "db"), "spec", "serviceName", "db", "replicas", 1, "selector", "matchLabels",
	    selector(x, "db"), "template", template, "volumeClaimTemplates", "metadata", "name", "data",
	    "spec", "accessModes", "ReadWriteOnce", "resources", "requests", "storage", "1Gi");
}

static json_t *namespace(const struct export *x)
{
	return json_pack("{s:s, s:s, s:{s:s, s:{s:s}}}", "apiVersion", "v1", "kind", "Namespace",
	    "metadata", "name", x->name, "labels", "pod-security.kubernetes.io/enforce", "restricted");
}

static json_t *secret(const struct export *x)
{
	json_t *data = json_object();

	if (x->db)
		json_object_set_new(data, "DATABASE_PASSWORD", json_string("change-me"));
	for (size_t i = 0; x->stack->secrets && x->stack->secrets[i]; i++)
		json_object_set_new(data, x->stack->secrets[i], json_string("change-me-too"));
	return json_pack("{s:s, s:s, s:o, s:s, s:o}", "apiVersion", "v1", "kind", "Secret", "metadata",
	    meta(x, "app"), "type", "Opaque", "stringData", data);
}

static json_t *ingress(const struct export *x)
{
	cl_autofree char *host = mem_printf("%s.example.org", x->name);

	return json_pack("{s:s, s:s, s:o, s:{s:[{s:s, s:{s:[{s:s, s:s, s:{s:{s:s, s:{s:i}}}}]}}]}}",
	    "apiVersion", "networking.k8s.io/v1", "kind", "Ingress", "metadata", meta(x, "web"), "spec",
	    "rules", "host", host, "http", "paths", "path", "/", "pathType", "Prefix", "backend",
	    "service", "name", "web", "port", "number", 8080);
}

json_t *export_kube_make(const struct export *x)
{
	json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "00-namespace", namespace(x),
	    "10-secret", secret(x), "30-was", was(x), "31-was-service", service(x, "was",
	    export_port(x)), "40-web", web(x), "41-web-service", service(x, "web", 8080),
	    "50-ingress", ingress(x));

	if (x->db) {
		json_object_set_new(all, "20-db", db(x));
		json_object_set_new(all, "21-db-service", service(x, "db", x->db->port));
	}
	return all;
}
