/* What pods use: see kube_metrics.h. */
#include "engine/kube_metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/kube_manifest.h"

double kube_metrics_quantity(const char *text)
{
	static const struct {
		const char *suffix;
		double factor;
	} known[] = { { "", 1 }, { "n", 1e-9 }, { "u", 1e-6 }, { "m", 1e-3 }, { "k", 1e3 }, { "M", 1e6 },
		{ "G", 1e9 }, { "T", 1e12 }, { "P", 1e15 }, { "Ki", 1024.0 }, { "Mi", 1048576.0 },
		{ "Gi", 1073741824.0 }, { "Ti", 1099511627776.0 }, { "Pi", 1125899906842624.0 } };
	char *end = NULL;
	double n = text && strchr("0123456789.", text[0]) && text[0] ? strtod(text, &end) : -1;

	for (size_t i = 0; end && i < CL_COUNT(known); i++)
		if (strcmp(end, known[i].suffix) == 0 && isfinite(n * known[i].factor))
			return n * known[i].factor;
	return -1;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_t *kube_metrics_read(const json_t *list)
{
	json_t *out = json_object(), *pod, *c;
	size_t i, k;

	json_array_foreach(json_object_get(list, "items"), i, pod) {
		const json_t *meta = json_object_get(pod, "metadata");
		cl_autofree char *key = mem_printf("%s/%s", text(meta, "namespace"), text(meta, "name"));
		double cpu = 0, memory = 0;

		json_array_foreach(json_object_get(pod, "containers"), k, c) {
			double some = kube_metrics_quantity(text(json_object_get(c, "usage"), "cpu"));
			double more = kube_metrics_quantity(text(json_object_get(c, "usage"), "memory"));

			cpu = cpu < 0 || some < 0 ? -1 : cpu + some * 100;
			memory = memory < 0 || more < 0 ? -1 : memory + more;
		}
		if (json_array_size(json_object_get(pod, "containers")) > 0 && memory < 9e15)
			json_object_set_new(out, key, json_pack("{s:f, s:I}", "cpu", cpu, "memory",
			    (json_int_t)memory));
	}
	return out;
}

json_t *kube_metrics_take(struct kube_api *api, const char *lab, int64_t project)
{
	cl_autofree char *selector = project > 0 ? mem_printf(KUBE_MANIFEST_OURS ",codinglab/lab=%s,"
	    "codinglab/project=%" PRId64, lab, project) : mem_printf(KUBE_MANIFEST_OURS
	    ",codinglab/lab=%s", lab);
	cl_autofree char *escaped = kube_api_escape(selector);
	cl_autofree char *path = mem_printf("/apis/metrics.k8s.io/v1beta1/pods?labelSelector=%s", escaped);
	struct cl_err ignored = { 0 };
	json_t *list = NULL, *out;

	if (kube_api_once(api, path, &list, &ignored) != 0)
		return NULL;
	out = kube_metrics_read(list);
	json_decref(list);
	return out;
}

void kube_metrics_give(const json_t *metrics, const char *ns, const char *pod, struct backend_instance *i)
{
	cl_autofree char *key = mem_printf("%s/%s", ns, pod);
	const json_t *is = json_object_get(metrics, key);

	if (!is)
		return;
	i->cpu = json_real_value(json_object_get(is, "cpu"));
	i->memory = json_integer_value(json_object_get(is, "memory"));
}
