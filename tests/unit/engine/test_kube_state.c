/* What a cluster says, as the platform says it: numbers of pods, what is complete, and why it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_state.h"

static struct backend_env env = { .project = 12, .env = "prod", .name = "shop", .owner = "alice",
	.tiers = { { .spec = { .tier = "was", .release = 3 }, .want = 2 } }, .ntiers = 1 };

/* status: JSON of the pod's status */
static void add(json_t *pods, const char *name, int release, const char *status, bool going)
{
	json_t *pod = json_pack("{s:{s:s, s:s, s:{s:s, s:o}}, s:{s:[{s:s}]}, s:o}", "metadata", "name", name,
	    "namespace", "ns", "labels", "codinglab/tier", "was", "codinglab/release",
	    json_sprintf("%d", release), "spec", "containers", "image", "r/app@sha256:0", "status",
	    json_loads(status, 0, NULL));

	if (going)
		json_object_set_new(json_object_get(pod, "metadata"), "deletionTimestamp",
		    json_string("2026-01-01T00:00:00Z"));
	json_array_append_new(pods, pod);
}

#define READY "{\"phase\":\"Running\",\"startTime\":\"1970-01-01T00:00:10Z\",\"podIP\":\"10.1.2.3\"," \
	"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}"
#define WAITING(reason) "{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"" \
	reason "\",\"message\":\"because\"}}}]}"

static json_t *deployment(int generation, int seen, int replicas, int ready, int updated)
{
	return json_pack("[{s:{s:i, s:{s:s}}, s:{s:i, s:i, s:i, s:i}}]", "metadata", "generation", generation,
	    "labels", "codinglab/tier", "was", "status", "observedGeneration", seen, "replicas", replicas,
	    "readyReplicas", ready, "updatedReplicas", updated);
}

static void numbers(void **state)
{
	struct kube_state s = { 0 };
	struct backend_env_state out;
	json_t *pods = json_array(), *none = json_array();

	add(pods, "was-aaa", 3, READY, false);
	add(pods, "was-bbb", 3, READY, false);
	kube_state_read(&s, &env, pods, none, &out);
	assert_int_equal(out.list.n, 2);
	assert_string_equal(out.list.items[0].name, "p12-prod-was-1-r3");
	assert_string_equal(out.list.items[1].name, "p12-prod-was-2-r3");
	assert_true(out.list.items[0].ready);
	assert_int_equal(out.list.items[0].started_ms, 10000);
	assert_string_equal(out.list.items[0].address, "10.1.2.3");
	assert_string_equal(kube_state_find(&s, "p12-prod-was-2-r3")->pod, "was-bbb");
	assert_null(kube_state_find(&s, "p12-prod-was-3-r3"));
	backend_list_clear(&out.list);
	/* the first goes: its number is free for the next, the second keeps its own */
	json_array_clear(pods);
	add(pods, "was-aaa", 3, READY, true);
	add(pods, "was-bbb", 3, READY, false);
	add(pods, "was-ccc", 4, READY, false);
	kube_state_read(&s, &env, pods, none, &out);
	assert_int_equal(out.list.n, 2);
	assert_string_equal(out.list.items[0].name, "p12-prod-was-2-r3");
	assert_string_equal(out.list.items[1].name, "p12-prod-was-1-r4");
	backend_list_clear(&out.list);
	/* another project's pods are its own */
	{
		struct backend_env other = env;

		other.project = 13;
		kube_state_read(&s, &other, none, none, &out);
		backend_list_clear(&out.list);
		assert_int_equal(s.n, 2);
	}
	json_decref(pods);
	json_decref(none);
	kube_state_clear(&s);
}

static void complete(void **state)
{
	static const struct {
		int generation, seen, replicas, ready, updated;
		bool complete;
	} cases[] = {
		{ 5, 5, 2, 2, 2, true },
		{ 6, 5, 2, 2, 2, false }, /* it has not looked yet */
		{ 5, 5, 3, 2, 2, false }, /* an old one is left */
		{ 5, 5, 2, 1, 2, false },
		{ 5, 5, 2, 2, 1, false },
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct kube_state s = { 0 };
		struct backend_env_state out;
		json_t *pods = json_array(), *d = deployment(cases[i].generation, cases[i].seen,
		    cases[i].replicas, cases[i].ready, cases[i].updated);

		kube_state_read(&s, &env, pods, d, &out);
		assert_int_equal(out.complete, cases[i].complete);
		backend_list_clear(&out.list);
		json_decref(pods);
		json_decref(d);
	}
}

static void why(void **state)
{
	static const struct {
		const char *status, *says;
		bool failed;
	} cases[] = {
		{ "{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
		  "\"message\":\"0/1 nodes are available: 1 Insufficient memory.\"}]}", "Insufficient memory", false },
		{ WAITING("ErrImagePull"), "image cannot be pulled: because", false },
		{ WAITING("ImagePullBackOff"), "image cannot be pulled", false },
		{ WAITING("InvalidImageName"), "InvalidImageName", true },
		{ WAITING("CreateContainerConfigError"), "because", true },
		{ "{\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"CreateContainerConfigError\","
		  "\"message\":\"failed to sync secret cache: timed out waiting for the condition\"}}}]}",
		    "failed to sync", false },
		{ "{\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"CreateContainerError\","
		  "\"message\":\"context deadline exceeded\"}}}]}", "deadline", false },
		{ WAITING("ContainerCreating"), "still starting", false },
		{ "{\"phase\":\"Running\"}", "does not answer yet", false },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"restartCount\":1,\"lastState\":{\"terminated\":"
		  "{\"exitCode\":7}}}]}", "ended with status 7", true },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"lastState\":{\"terminated\":{\"exitCode\":137,"
		  "\"reason\":\"OOMKilled\"}}}]}", "for want of memory", true },
		{ "{}", "still starting", false },
		{ "[]", "still starting", false },
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct kube_state s = { 0 };
		struct backend_env_state out;
		json_t *pods = json_array(), *d = deployment(1, 1, 1, 0, 1);

		add(pods, "was-old", 2, "{\"phase\":\"Running\"}", false); /* the release before is not blamed */
		add(pods, "was-new", 3, cases[i].status, false);
		kube_state_read(&s, &env, pods, d, &out);
		assert_false(out.complete);
		if (!strstr(out.why, cases[i].says))
			fail_msg("%s: %s", cases[i].says, out.why);
		assert_int_equal(out.failed, cases[i].failed);
		assert_string_equal(out.blamed, "p12-prod-was-2-r3");
		backend_list_clear(&out.list);
		json_decref(pods);
		json_decref(d);
		kube_state_clear(&s);
	}
}

/* No pod comes at all: the quota is full. */
static void refused(void **state)
{
	struct kube_state s = { 0 };
	struct backend_env_state out;
	json_t *pods = json_array(), *d = deployment(1, 1, 0, 0, 0);

	json_object_set_new(json_object_get(json_array_get(d, 0), "status"), "conditions", json_pack(
	    "[{s:s, s:s, s:s}]", "type", "ReplicaFailure", "status", "True", "message",
	    "pods \"x\" is forbidden: exceeded quota"));
	kube_state_read(&s, &env, pods, d, &out);
	assert_non_null(strstr(out.why, "exceeded quota"));
	backend_list_clear(&out.list);
	json_decref(pods);
	json_decref(d);
}

/* Pods on their way out are no instances, but they are counted: they may still answer. */
static void ending(void **state)
{
	struct kube_state s = { 0 };
	struct backend_env_state out;
	json_t *pods = json_array(), *all = deployment(2, 2, 2, 2, 2);

	(void)state;
	add(pods, "shop-was-a", 3, READY, false);
	add(pods, "shop-was-b", 3, READY, false);
	add(pods, "shop-was-old1", 2, READY, true);
	add(pods, "shop-was-old2", 2, READY, true);
	kube_state_read(&s, &env, pods, all, &out);
	assert_true(out.complete);
	assert_int_equal(out.list.n, 2);
	assert_int_equal(out.ending, 2);
	backend_list_clear(&out.list);
	json_array_remove(pods, 3);
	json_array_remove(pods, 2);
	kube_state_read(&s, &env, pods, all, &out);
	assert_true(out.complete);
	assert_int_equal(out.ending, 0);
	backend_list_clear(&out.list);
	json_decref(pods);
	json_decref(all);
	kube_state_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(complete), cmocka_unit_test(why),
		cmocka_unit_test(refused), cmocka_unit_test(ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
