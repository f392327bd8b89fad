/* Machines: what /proc says of this one, and what a cluster says of its nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/host.h"
#include "engine/kube_host.h"

static void processor_time(void **state)
{
	int64_t busy, all;

	assert_int_equal(host_cpu_parse("cpu  10 5 20 100 7 1 2 3 9 9\ncpu0 1 1 1 1\n", &busy, &all), 0);
	assert_int_equal(busy, 41); /* guests are in user's already */
	assert_int_equal(all, 148);
	assert_int_equal(host_cpu_parse("cpu  1 2 3 4\n", &busy, &all), 0);
	assert_int_equal(all, 10);
	assert_int_equal(host_cpu_parse("", &busy, &all), -1);
	assert_int_equal(host_cpu_parse("cpu  1 2\n", &busy, &all), -1);
	assert_int_equal(host_cpu_parse("cpu0 1 2 3 4\n", &busy, &all), -1);
	assert_int_equal(host_cpu_parse("cpu  1 -2 3 4\n", &busy, &all), -1);
}

static void memory(void **state)
{
	static const char text[] = "MemTotal:        8000 kB\nMemFree: 1 kB\nMemAvailable:    3000 kB\n";

	assert_int_equal(host_memory_parse(text, "MemTotal"), 8000 * 1024);
	assert_int_equal(host_memory_parse(text, "MemAvailable"), 3000 * 1024);
	assert_int_equal(host_memory_parse(text, "Mem"), -1);
	assert_int_equal(host_memory_parse("MemTotal:\n", "MemTotal"), -1);
	assert_int_equal(host_memory_parse("MemTotal: 99999999999999999999 kB\n", "MemTotal"), -1);
	assert_int_equal(host_memory_parse("", "MemTotal"), -1);
}

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_int_t number(const json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static void this_machine(void **state)
{
	json_t *h = host_here("/", 3, 0, ""), *bad;

	assert_non_null(h);
	assert_string_equal(str(h, "state"), "ready");
	assert_int_equal(number(h, "instances"), 3);
	assert_true(number(h, "memory_total") > number(h, "memory"));
	assert_true(number(h, "disk_total") >= number(h, "disk"));
	assert_true(json_real_value(json_object_get(h, "cpus")) >= 1);
	assert_true(json_real_value(json_object_get(h, "cpu")) <= 100.0 * json_real_value(json_object_get(h,
	    "cpus")) + 1);
	json_decref(h);
	bad = host_here("/", 0, INT64_MAX, "podman: it does not answer");
	assert_string_equal(str(bad, "state"), "not ready");
	for (size_t i = 0; i < 2; i++)
		assert_true(json_is_true(json_object_get(json_array_get(json_object_get(bad, "conditions"), i),
		    "bad")));
	json_decref(bad);
}

static json_t *parse(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static json_t *read_nodes(const char *nodes, const char *pods, const char *metrics)
{
	json_t *n = parse(nodes), *p = parse(pods), *m = metrics ? parse(metrics) : NULL;
	json_t *out = kube_host_read(n, p, m);

	json_decref(n);
	json_decref(p);
	json_decref(m);
	return out;
}

static void nodes(void **state)
{
	json_t *out = read_nodes("[{\"metadata\": {\"name\": \"a\"}, \"spec\": {}, \"status\": {\"capacity\":"
	    " {\"cpu\": \"2500m\", \"memory\": \"4Gi\", \"pods\": \"10\"}, \"conditions\": [{\"type\":"
	    " \"DiskPressure\", \"status\": \"True\", \"message\": \"full\"}, {\"type\": \"Ready\", \"status\":"
	    " \"True\"}]}}, {\"metadata\": {\"name\": \"b\"}, \"spec\": {\"unschedulable\": true}, \"status\":"
	    " {\"conditions\": [{\"type\": \"Ready\", \"status\": \"Unknown\"}]}}]",
	    "[{\"spec\": {\"nodeName\": \"a\"}, \"status\": {\"phase\": \"Running\"}}, {\"spec\": {\"nodeName\":"
	    " \"a\"}, \"status\": {\"phase\": \"Succeeded\"}}, {\"spec\": {}, \"status\": {\"phase\":"
	    " \"Pending\"}}, {\"spec\": {\"nodeName\": \"a\"}, \"status\": {\"phase\": \"Pending\"}}]",
	    "{\"items\": [{\"metadata\": {\"name\": \"a\"}, \"usage\": {\"cpu\": \"500m\", \"memory\": \"1Gi\"}}]}");
	const json_t *a = json_array_get(out, 0), *b = json_array_get(out, 1), *c;

	assert_int_equal(json_array_size(out), 2);
	assert_string_equal(str(a, "state"), "ready");
	assert_true(json_is_false(json_object_get(a, "draining")));
	assert_int_equal(number(a, "instances"), 2);
	assert_int_equal(number(a, "instances_max"), 10);
	assert_int_equal(number(a, "memory"), 1 << 30);
	assert_true(json_real_value(json_object_get(a, "cpus")) == 2.5);
	assert_true(json_real_value(json_object_get(a, "cpu")) == 50);
	c = json_array_get(json_object_get(a, "conditions"), 0);
	assert_true(json_is_true(json_object_get(c, "bad")));
	assert_string_equal(str(c, "message"), "full");
	assert_string_equal(str(b, "state"), "unknown");
	assert_true(json_is_true(json_object_get(b, "draining")));
	assert_true(json_is_null(json_object_get(b, "cpu")));
	assert_true(json_is_null(json_object_get(b, "memory")));
	json_decref(out);
}

static void nodes_of_any_form(void **state)
{
	static const char *const texts[] = { "[]", "{}", "5", "null", "[1, null, {}]", "[{\"metadata\": 3}]",
		"[{\"metadata\": {\"name\": \"\"}}]",
		"[{\"metadata\": {\"name\": \"x\"}, \"status\": {\"conditions\": [1, {}], \"capacity\": []}}]" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *n = json_loads(texts[i], JSON_DECODE_ANY, NULL), *out = kube_host_read(n, n, n);

		assert_true(json_array_size(out) <= 1);
		json_decref(out);
		json_decref(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(processor_time), cmocka_unit_test(memory),
		cmocka_unit_test(this_machine), cmocka_unit_test(nodes), cmocka_unit_test(nodes_of_any_form) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
