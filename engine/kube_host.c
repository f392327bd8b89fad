/* Nodes of a cluster: see kube_host.h. */
#include "engine/kube_host.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/host.h"
#include "engine/kube_cluster.h"
#include "engine/kube_manifest.h"
#include "engine/kube_metrics.h"

#define TEXT_MAX 200

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const json_t *at(const json_t *o, const char *a, const char *b)
{
	return json_object_get(json_object_get(o, a), b);
}

/* No longer than a schema lets it be. */
static json_t *cut(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);

	while (n > max || (n > 0 && n == max && ((unsigned char)s[n] & 0xc0) == 0x80))
		n--;
	return json_stringn(s, n);
}

static json_t *amount(const json_t *quantities, const char *key)
{
	double n = kube_metrics_quantity(text(quantities, key));

	return n < 0 || n > 9e17 ? json_null() : json_integer((json_int_t)n);
}

/* All but Ready are good when they do not hold. */
static json_t *conditions_of(const json_t *node, const char **state)
{
	json_t *out = json_array(), *c;
	size_t i;

	*state = "unknown";
	json_array_foreach(at(node, "status", "conditions"), i, c) {
		const char *type = text(c, "type"), *status = text(c, "status");
		bool ready = strcmp(type, "Ready") == 0, holds = strcmp(status, "True") == 0;
		const char *since = text(c, "lastTransitionTime");
		json_t *is;

		if (json_array_size(out) == 100 || type[0] == '\0' || strlen(type) > 100)
			continue;
		if (ready)
			*state = holds ? "ready" : strcmp(status, "False") == 0 ? "not ready" : "unknown";
		is = host_condition(type, holds || strcmp(status, "False") == 0 ? status : "Unknown",
		    ready ? !holds : holds, "", "", since[0] ? since : NULL);
		json_object_set_new(is, "reason", cut(text(c, "reason"), TEXT_MAX));
		json_object_set_new(is, "message", cut(text(c, "message"), 1024));
		json_array_append_new(out, is);
	}
	return out;
}

static const char *address_of(const json_t *node)
{
	json_t *a;
	size_t i;

	json_array_foreach(at(node, "status", "addresses"), i, a)
		if (strcmp(text(a, "type"), "InternalIP") == 0 && strlen(text(a, "address")) <= 64)
			return text(a, "address");
	return "";
}

static int pods_on(const json_t *pods, const char *node)
{
	json_t *p;
	size_t i;
	int n = 0;

	json_array_foreach(pods, i, p) {
		const char *phase = text(json_object_get(p, "status"), "phase");

		n += strcmp(text(json_object_get(p, "spec"), "nodeName"), node) == 0 &&
		    strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
	}
	return n;
}

static const json_t *usage_of(const json_t *metrics, const char *node)
{
	json_t *m;
	size_t i;

	json_array_foreach(json_object_get(metrics, "items"), i, m)
		if (strcmp(text(json_object_get(m, "metadata"), "name"), node) == 0)
			return json_object_get(m, "usage");
	return NULL;
}

static json_t *read_node(const json_t *node, const json_t *pods, const json_t *metrics)
{
	const json_t *info = at(node, "status", "nodeInfo"), *capacity = at(node, "status", "capacity");
	const char *name = text(json_object_get(node, "metadata"), "name"), *state;
	const json_t *used = usage_of(metrics, name);
	double cores = kube_metrics_quantity(text(capacity, "cpu"));
	double cpu = kube_metrics_quantity(text(used, "cpu"));
	json_t *conditions = conditions_of(node, &state), *memory = amount(capacity, "memory"), *out;
	cl_autofree char *version = mem_printf("kubelet %s, %s", text(info, "kubeletVersion"),
	    text(info, "containerRuntimeVersion"));
	cl_autofree char *system = mem_printf("%s, %s %s", text(info, "osImage"), text(info, "kernelVersion"),
	    text(info, "architecture"));

	out = json_pack("{s:s, s:s, s:b, s:s, s:i, s:f, s:o, s:o}", "name", name, "state", state, "draining",
	    json_is_true(at(node, "spec", "unschedulable")), "address", address_of(node), "instances",
	    pods_on(pods, name), "cpus", cores < 0 || cores > 1e6 ? 0 : cores, "cpu", cpu < 0 || cpu > 1e6 ?
	    json_null() : json_real(cpu * 100), "conditions", conditions);
	json_object_set_new(out, "system", cut(system, TEXT_MAX));
	json_object_set_new(out, "version", cut(version, 100));
	json_object_set_new(out, "instances_max", amount(capacity, "pods"));
	json_object_set_new(out, "memory_total", json_integer(json_integer_value(memory)));
	json_object_set_new(out, "memory", amount(used, "memory"));
	json_object_set_new(out, "disk_total", amount(capacity, "ephemeral-storage"));
	json_object_set_new(out, "disk", json_null());
	json_decref(memory);
	return out;
}

json_t *kube_host_read(const json_t *nodes, const json_t *pods, const json_t *metrics)
{
	json_t *out = json_array(), *node;
	size_t i;

	json_array_foreach(nodes, i, node) {
		const char *name = text(json_object_get(node, "metadata"), "name");

		if (name[0] && strlen(name) <= 253)
			json_array_append_new(out, read_node(node, pods, metrics));
	}
	return out;
}

static int list_of(struct kube_cluster *c, json_t **out, struct cl_err *err)
{
	cl_autofree char *ours = mem_printf(KUBE_MANIFEST_OURS ",codinglab/lab=%s", c->lab);
	json_t *nodes = NULL, *pods = NULL, *metrics = NULL;
	struct cl_err ignored = { 0 };
	int rc = kube_cluster_there(c, err);

	if (rc == 0)
		rc = kube_api_list(c->api, "Node", "", "", &nodes, NULL, err);
	if (rc == 0)
		rc = kube_api_list(c->api, "Pod", "", ours, &pods, NULL, err);
	if (rc == 0) {
		(void)kube_api_once(c->api, "/apis/metrics.k8s.io/v1beta1/nodes", &metrics, &ignored);
		*out = kube_host_read(nodes, pods, metrics);
	}
	json_decref(nodes);
	json_decref(pods);
	json_decref(metrics);
	return rc;
}

/* Those of the lab's own cluster, then the targets'; a target that is away has none to show. */
int kube_host_list(struct backend *b, json_t **out, struct cl_err *err)
{
	struct kube_cluster *c = b->cluster;

	if (list_of(c, out, err) != 0)
		return -1;
	for (c = kube_cluster_next(b, c); c; c = kube_cluster_next(b, c)) {
		struct cl_err why = { 0 };
		json_t *more = NULL, *h;
		size_t i;

		if (list_of(c, &more, &why) != 0)
			log_warn("target %s: %s", c->target, why.message);
		json_array_foreach(more, i, h)
			json_object_set_new(h, "target", json_string(c->target));
		json_array_extend(*out, more);
		json_decref(more);
	}
	return 0;
}
