/* A dev container in a cluster: its objects, and what a pod says of where its start stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_dev_manifest.h"

static struct backend_kv vars[] = { { (char *)"A", (char *)"$(B) and $(C)" } };
static struct backend_env env = { .project = 12, .env = "ide", .name = "shop", .owner = "alice" };
static struct kube_manifest user = { .env = &env, .lab = "0123456789abcdef", .prefix = "codinglab",
	.storage = "1Gi" };
static struct backend_spec spec = { .name = "p12-dev", .project = 12, .env = "ide", .tier = "dev",
	.hostname = "shop", .user_name = "alice", .uid = 200001, .gid = 300012, .memory = 2048ll << 20,
	.workdir = "/workspace", .generation = 0xabcdef, .stop_grace_s = 2, .env_vars = vars, .nenv = 1,
	.nmounts = 2, .mounts = { { BACKEND_MOUNT_WORKSPACE, "", "/workspace", false },
	{ BACKEND_MOUNT_HOME, "", "/home/dev", false } } };

static json_t *make(const char *workspaces, struct cl_err *err)
{
	struct kube_dev_manifest m = { .spec = &spec, .user = &user, .image = "r:5000/stack/python@sha256:0",
		.workspaces = workspaces, .trust = "CERTS" };

	return kube_dev_manifest_make(&m, err);
}

static json_t *kind(json_t *list, const char *is)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "kind")), is) == 0)
			return o;
	return NULL;
}

static const char *said(json_t *o, const char *a, const char *b)
{
	return json_string_value(json_object_get(json_object_get(o, a), b));
}

static void everything_is_marked_as_this_lab_s(void **state)
{
	struct cl_err err = { 0 };
	json_t *list = make("/srv/projects", &err), *o, *labels;
	size_t i;

	json_array_foreach(list, i, o) {
		labels = json_object_get(json_object_get(o, "metadata"), "labels");
		assert_string_equal(json_string_value(json_object_get(labels, "codinglab/lab")), user.lab);
		assert_string_equal(json_string_value(json_object_get(labels, "app.kubernetes.io/managed-by")),
		    "codinglab");
	}
	assert_non_null(kind(list, "ResourceQuota"));
	assert_non_null(kind(list, "NetworkPolicy"));
	json_decref(list);
}

static void the_pod_is_restricted(void **state)
{
	struct cl_err err = { 0 };
	json_t *list = make("/srv/projects", &err), *pod = kind(list, "Pod"), *c, *s;
	cl_autofree char *text = json_dumps(pod, JSON_COMPACT);

	s = json_object_get(json_object_get(pod, "spec"), "securityContext");
	assert_true(json_is_true(json_object_get(s, "runAsNonRoot")));
	assert_int_equal(json_integer_value(json_object_get(s, "runAsUser")), 200001);
	assert_null(json_object_get(s, "fsGroup"));
	assert_string_equal(said(s, "seccompProfile", "type"), "RuntimeDefault");
	c = json_array_get(json_object_get(json_object_get(pod, "spec"), "containers"), 0);
	s = json_object_get(c, "securityContext");
	assert_true(json_is_false(json_object_get(s, "allowPrivilegeEscalation")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(json_object_get(s,
	    "capabilities"), "drop"), 0)), "ALL");
	assert_true(json_is_false(json_object_get(json_object_get(pod, "spec"),
	    "automountServiceAccountToken")));
	/* the files come by the claim, never by a path of the node in the pod itself */
	assert_null(strstr(text, "hostPath"));
	assert_non_null(strstr(text, "\"claimName\":\"shop-files\""));
	assert_non_null(strstr(text, "\"mountPath\":\"/workspace\",\"subPath\":\"work\""));
	assert_non_null(strstr(text, "\"mountPath\":\"/home/dev\",\"subPath\":\"home\""));
	assert_non_null(strstr(text, "\"value\":\"$$(B) and $$(C)\""));
	json_decref(list);
}

static const char *var(json_t *pod, const char *name)
{
	json_t *v, *vars_of = json_object_get(json_array_get(json_object_get(json_object_get(pod, "spec"),
	    "containers"), 0), "env");
	size_t i;

	json_array_foreach(vars_of, i, v)
		if (strcmp(json_string_value(json_object_get(v, "name")), name) == 0)
			return json_string_value(json_object_get(v, "value"));
	return NULL;
}

static json_t *make_with_proxy(const char *proxy)
{
	struct cl_err err = { 0 };
	struct kube_dev_manifest m = { .spec = &spec, .user = &user, .image = "r:5000/stack/java@sha256:0",
		.workspaces = "/srv/projects", .trust = "CERTS", .java_trust = "SkFWQQ==", .proxy = proxy };

	return kube_dev_manifest_make(&m, &err);
}

/* The package proxy: by variables, and as the one place that its policy lets out to. */
static void packages_come_by_the_proxy(void **state)
{
	json_t *list = make_with_proxy("proxy.codinglab:3130"), *policy, *o, *to;
	size_t i;

	assert_string_equal(var(kind(list, "Pod"), "HTTPS_PROXY"), "http://proxy.codinglab:3130");
	assert_string_equal(var(kind(list, "Pod"), "http_proxy"), "http://proxy.codinglab:3130");
	assert_non_null(strstr(var(kind(list, "Pod"), "no_proxy"), "localhost"));
	policy = NULL;
	json_array_foreach(list, i, o)
		if (strcmp(said(o, "metadata", "name"), "shop-dev") == 0 &&
		    strcmp(json_string_value(json_object_get(o, "kind")), "NetworkPolicy") == 0)
			policy = json_object_get(o, "spec");
	assert_non_null(policy);
	o = json_array_get(json_object_get(policy, "egress"), 0);
	to = json_array_get(json_object_get(o, "to"), 0);
	assert_string_equal(said(json_object_get(to, "podSelector"), "matchLabels", "app.kubernetes.io/name"),
	    "codinglab");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(o, "ports"), 0),
	    "port")), 3130);
	json_decref(list);
	/* a machine beside the cluster is one address */
	list = make_with_proxy("192.0.2.7:3130");
	cl_autofree char *text = json_dumps(list, JSON_COMPACT);
	assert_non_null(strstr(text, "\"ipBlock\":{\"cidr\":\"192.0.2.7/32\"}"));
	json_decref(list);
	list = make_with_proxy("");
	assert_null(var(kind(list, "Pod"), "HTTPS_PROXY"));
	json_decref(list);
}

static void java_trusts_the_same(void **state)
{
	json_t *list = make_with_proxy(""), *given = kind(list, "ConfigMap");
	cl_autofree char *text = json_dumps(kind(list, "Pod"), JSON_COMPACT);

	assert_string_equal(said(given, "binaryData", "cacerts"), "SkFWQQ==");
	assert_string_equal(said(given, "data", "certificates"), "CERTS");
	assert_non_null(strstr(text, "\"mountPath\":\"/etc/ssl/certs/java/cacerts\",\"subPath\":\"cacerts\""));
	assert_non_null(strstr(text, "\"mountPath\":\"/run/codinglab-trust/cacerts\""));
	json_decref(list);
}

static void files_are_on_a_folder_of_the_nodes(void **state)
{
	struct cl_err err = { 0 };
	json_t *list = make("/srv/projects", &err), *s = json_object_get(kind(list, "PersistentVolume"),
	    "spec");

	assert_string_equal(said(s, "hostPath", "path"), "/srv/projects/12");
	assert_string_equal(said(s, "hostPath", "type"), "Directory");
	assert_string_equal(said(s, "claimRef", "namespace"), "codinglab-alice-ide");
	assert_string_equal(json_string_value(json_object_get(s, "persistentVolumeReclaimPolicy")), "Retain");
	s = kind(list, "PersistentVolumeClaim");
	assert_string_equal(said(s, "spec", "volumeName"), "codinglab-0123456789abcdef-p12");
	json_decref(list);
}

static void files_are_on_a_server(void **state)
{
	struct cl_err err = { 0 };
	json_t *list = make("nfs://store.example:/x", &err);

	if (list) /* a port has no place there: the path begins at the first slash */
		assert_string_equal(said(json_object_get(kind(list, "PersistentVolume"), "spec"), "nfs",
		    "server"), "store.example:");
	json_decref(list);
	list = make("nfs://store.example/lab/projects", &err);
	assert_string_equal(said(json_object_get(kind(list, "PersistentVolume"), "spec"), "nfs", "server"),
	    "store.example");
	assert_string_equal(said(json_object_get(kind(list, "PersistentVolume"), "spec"), "nfs", "path"),
	    "/lab/projects/12");
	json_decref(list);
}

static void no_place_is_refused(void **state)
{
	static const char *const places[] = { "projects", "nfs://", "nfs:///x", "nfs://server", "/a/../b" };

	for (size_t i = 0; i < CL_COUNT(places); i++) {
		struct cl_err err = { 0 };

		assert_null(make(places[i], &err));
		assert_int_equal(err.code, CL_USAGE);
	}
}

/* --- what a pod says -------------------------------------------------------------------------- */

static struct backend_instance read_pod(const char *status, const char *events)
{
	json_t *pod = json_pack("{s:{s:{s:s}, s:{s:s}}, s:o}", "metadata", "labels", "codinglab/project",
	    "12", "annotations", "codinglab/generation", "0000000000abcdef", "status", json_loads(status, 0,
	    NULL)), *list = events ? json_loads(events, 0, NULL) : NULL;
	struct backend_instance i;

	kube_dev_manifest_read(&i, pod, list);
	json_decref(pod);
	json_decref(list);
	return i;
}

#define PENDING "\"phase\":\"Pending\""
#define PLACED "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"}]"
#define UNPLACED(why) "{" PENDING ",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\"," \
	"\"reason\":\"Unschedulable\",\"message\":\"" why "\"}]}"
#define WAITS(reason) "{" PENDING "," PLACED ",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":\"" \
	reason "\",\"message\":\"because\"}}}]}"

static void a_running_one_is_known_again(void **state)
{
	struct backend_instance i = read_pod("{\"phase\":\"Running\",\"podIP\":\"10.1.2.3\","
	    "\"startTime\":\"1970-01-01T00:00:10Z\"}", NULL);

	assert_string_equal(i.name, "p12-dev");
	assert_string_equal(i.env, "ide");
	assert_int_equal(i.state, BACKEND_RUNNING);
	assert_int_equal(i.generation, 0xabcdef);
	assert_int_equal(i.started_ms, 10000);
	assert_string_equal(i.why, "");
	assert_false(i.stuck);
}

static void where_it_stands(void **state)
{
	struct backend_instance i = read_pod("{" PENDING "}", NULL);

	assert_non_null(strstr(i.why, "scheduling"));
	assert_false(i.stuck);
	i = read_pod(WAITS("ContainerCreating"), "[{\"reason\":\"Scheduled\"},{\"reason\":\"Pulling\"}]");
	assert_string_equal(i.why, "pulling its image");
	assert_false(i.stuck);
	i = read_pod(WAITS("ContainerCreating"), "[{\"reason\":\"Pulling\"},{\"reason\":\"Pulled\"}]");
	assert_string_equal(i.why, "starting");
	i = read_pod(WAITS("ContainerCreating"), NULL);
	assert_string_equal(i.why, "starting");
	assert_int_equal(i.state, BACKEND_STARTING);
}

static void why_it_cannot(void **state)
{
	static const struct {
		const char *status, *events, *why;
	} cases[] = {
		{ UNPLACED("0/1 nodes are available: 1 Insufficient memory."), NULL, "no room for it: 0/1" },
		{ UNPLACED("pod has unbound immediate PersistentVolumeClaims"), NULL, "volume is not bound" },
		{ WAITS("ErrImagePull"), NULL, "image cannot be pulled: because" },
		{ WAITS("ImagePullBackOff"), NULL, "image cannot be pulled: because" },
		{ WAITS("CreateContainerConfigError"), NULL, "CreateContainerConfigError: because" },
		{ WAITS("ContainerCreating"), "[{\"reason\":\"FailedMount\",\"message\":\"is not a directory\"}]",
		    "volume cannot be mounted: is not a directory" },
		{ "{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on disk\"}", NULL, "Evicted: low" },
	};

	for (size_t k = 0; k < CL_COUNT(cases); k++) {
		struct backend_instance i = read_pod(cases[k].status, cases[k].events);

		assert_non_null(strstr(i.why, cases[k].why));
		assert_true(i.stuck);
	}
}

static void what_passes_by_itself_is_waited_for(void **state)
{
	struct backend_instance i = read_pod("{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
	    "\"status\":\"True\"}],\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
	    "\"CreateContainerConfigError\",\"message\":\"failed to sync configmap cache: timed out\"}}}]}", NULL);

	assert_false(i.stuck);
	assert_non_null(strstr(i.why, "failed to sync configmap cache"));
}

static void an_ended_one_has_its_status(void **state)
{
	struct backend_instance i = read_pod("{\"phase\":\"Failed\",\"containerStatuses\":[{\"state\":"
	    "{\"terminated\":{\"exitCode\":137}}}]}", NULL);

	assert_int_equal(i.state, BACKEND_EXITED);
	assert_int_equal(i.exit_code, 137);
}

static void nonsense_is_no_instance_that_runs(void **state)
{
	static const char *const texts[] = { "{}", "[]", "null", "{\"phase\":7,\"conditions\":{}}",
		"{\"phase\":\"Pending\",\"containerStatuses\":\"x\",\"conditions\":[1,null]}" };

	for (size_t k = 0; k < CL_COUNT(texts); k++)
		assert_int_not_equal(read_pod(texts[k], "{\"a\":1}").state, BACKEND_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_marked_as_this_lab_s),
		cmocka_unit_test(the_pod_is_restricted),
		cmocka_unit_test(packages_come_by_the_proxy),
		cmocka_unit_test(java_trusts_the_same),
		cmocka_unit_test(files_are_on_a_folder_of_the_nodes),
		cmocka_unit_test(files_are_on_a_server),
		cmocka_unit_test(no_place_is_refused),
		cmocka_unit_test(a_running_one_is_known_again),
		cmocka_unit_test(where_it_stands),
		cmocka_unit_test(why_it_cannot), cmocka_unit_test(what_passes_by_itself_is_waited_for),
		cmocka_unit_test(an_ended_one_has_its_status),
		cmocka_unit_test(nonsense_is_no_instance_that_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
