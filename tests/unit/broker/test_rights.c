/*
 * What a taken-over engine could ask of the broker: requests of the real dispatcher against a container
 * engine of the test's own, whose socket must never see what gives rights (battery row H8).  The
 * protocol has no word for privileged, devices, capabilities, security options or namespaces, so what
 * is left to try is: to smuggle JSON in texts, to put bytes behind a message, to name system users,
 * host networks, other people's volumes and host paths, and to run images made for root.
 */
#include "tests/unit/broker/ask.h"

#include "engine/broker/docker.h"
#include "tests/unit/fake_http.h"

static struct fake engine;
static struct broker broker;

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	if (strstr(request, "/containers/create"))
		fake_reply(fd, 201, "{\"Id\":\"c1\"}");
	else if (strncmp(request, "POST ", 5) == 0)
		fake_reply(fd, 201, "{\"Id\":\"n1\",\"Name\":\"n1\"}");
	else if (strstr(request, "/images/")) /* one that says USER 0 */
		fake_reply(fd, 200, "{\"Id\":\"sha256:ab\",\"Config\":{\"User\":\"0\","
		    "\"Labels\":{\"codinglab.image\":\"x\"}}}");
	else
		fake_reply(fd, 404, "{\"message\":\"no such thing\"}");
}

static int setup(void **state)
{
	fake_start(&engine, serve);
	head_place(&broker.place);
	broker.docker.socket = engine.path;
	return 0;
}

static int teardown(void **state)
{
	fake_stop(&engine);
	return 0;
}

static struct ipc_out *apply(const struct head_spec *h)
{
	struct ipc_out *m = ask_begin(BROKER_APPLY);

	head_put(m, h);
	return m;
}

/* Refused before anything was asked of the container engine. */
static void never_seen(struct ipc_out *m, const char *what)
{
	struct answer *a = ask(&broker, m);

	if (a->rc == 0 && a->err.code == CL_OK)
		fail_msg("%s: was done", what);
	if (engine.log[0])
		fail_msg("%s: the container engine was asked: %s", what, engine.log);
	answer_free(a);
	mem_free(m);
}

#define NEVER(field, value)                                                                  \
	do {                                                                                 \
		struct head_spec bent = head_good();                                         \
		bent.field = value;                                                          \
		never_seen(apply(&bent), #field " = " #value);                               \
	} while (0)

static void namespaces_users_and_images_of_the_host(void **state)
{
	NEVER(network, "host");
	NEVER(network, "none");
	NEVER(network, "bridge");
	NEVER(network, "container:cl-x");
	NEVER(network, "ns:/proc/1/ns/net");
	NEVER(network, "p13-prod");
	NEVER(uid, 0);
	NEVER(uid, 999);
	NEVER(gid, 0);
	NEVER(gid, 42);
	NEVER(user, "0:0");
	NEVER(image, "registry.example/library/alpine");
	NEVER(image, "../python");
	NEVER(name, "p13-prod-was-1-r1");
	NEVER(hostname, "a\",\"Privileged\":true,\"x\":\"");
	NEVER(alias, "a\",\"Privileged\":true,\"x\":\"");
	NEVER(workdir, "a");
}

static void binds_and_devices(void **state)
{
	static const struct {
		uint32_t kind;
		const char *source, *target;
	} rows[] = {
		{BROKER_MOUNT_WORKSPACE, "/", "/host"}, {BROKER_MOUNT_WORKSPACE, "/dev", "/x"},
		{BROKER_MOUNT_HOME, "../../..", "/x"}, {BROKER_MOUNT_TMP, "/etc", "/x"},
		{BROKER_MOUNT_VOLUME, "/", "/x"}, {BROKER_MOUNT_VOLUME, "/var/run/docker.sock", "/x"},
		{BROKER_MOUNT_VOLUME, "p13-prod-db", "/x"}, {BROKER_MOUNT_VOLUME, "../p12-prod-db", "/x"},
		{BROKER_MOUNT_EDGE, "..", "/x"}, {BROKER_MOUNT_EDGE, "/run", "/x"},
		{BROKER_MOUNT_WORKSPACE, "", "/dev"}, {BROKER_MOUNT_WORKSPACE, "", "/proc"},
		{BROKER_MOUNT_WORKSPACE, "", "/sys/fs/cgroup"}, {BROKER_MOUNT_WORKSPACE, "", "/x:rw,dev"},
		{BROKER_MOUNT_KINDS, "", "/x"}, {77, "/dev/kmsg", "/x"},
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct head_spec h = head_good();

		h.mounts[0].kind = rows[i].kind;
		h.mounts[0].source = rows[i].source;
		h.mounts[0].target = rows[i].target;
		h.nmounts = 1;
		never_seen(apply(&h), rows[i].target);
	}
}

/* A newer engine's field, or a hostile one's: bytes behind a message make all of it void. */
static void nothing_is_said_behind_a_message(void **state)
{
	static const char *const words[] = {"privileged", "{\"Privileged\":true}", "seccomp=unconfined", ""};

	for (size_t i = 0; i < CL_COUNT(words); i++) {
		struct head_spec h = head_good();
		struct ipc_out *m = apply(&h);

		ipc_put_str(m, words[i]);
		never_seen(m, words[i]);
	}
	for (uint32_t verb = BROKER_APPLY + 1000; verb < BROKER_APPLY + 1010; verb++) {
		struct head_spec h = head_good();
		struct ipc_out *m = ask_begin(verb);

		head_put(m, &h);
		never_seen(m, "a verb that there is not");
	}
}

static bool listed(const char *const *known, const char *key)
{
	for (; *known; known++)
		if (strcmp(*known, key) == 0)
			return true;
	return false;
}

static json_t *created(void)
{
	const char *at = strstr(engine.log, "/containers/create");
	json_t *j;

	if (!at)
		fail_msg("no container was made: %s", engine.log);
	at = strchr(at, ' ');
	j = at ? json_loads(at + 1, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
	assert_non_null(j);
	return j;
}

/* A good request full of words that would give rights, if they were more than text. */
static void what_the_engine_sees_is_a_list_that_we_know(void **state)
{
	static const char *const top[] = {"Image", "User", "Env", "Cmd", "Hostname", "WorkingDir",
	    "StopTimeout", "Labels", "HostConfig", "NetworkingConfig", NULL};
	static const char *const host[] = {"Privileged", "NetworkMode", "CapDrop", "SecurityOpt", "IpcMode",
	    "LogConfig", "RestartPolicy", "AutoRemove", "ReadonlyRootfs", "PidsLimit", "Memory", "MemorySwap",
	    "NanoCpus", "Mounts", "Tmpfs", NULL};
	static const char evil[] = "\"},\"Privileged\":true,\"HostConfig\":{\"Binds\":[\"/:/h\"],\"CapAdd\":[\"ALL\"],"
	    "\"PidMode\":\"host\",\"UsernsMode\":\"host\",\"SecurityOpt\":[\"seccomp=unconfined\"]}";
	struct head_spec h = head_good();
	const json_t *inner, *v;
	struct answer *a;
	struct ipc_out *m;
	const char *key;
	json_t *j;

	h.argv[0] = "sh";
	h.argv[1] = evil;
	h.argv[2] = NULL;
	h.vars[0][1] = evil;
	h.health = "/\",\"Binds\":[\"/:/host\"],\"x\":\"";
	m = apply(&h);
	a = ask(&broker, m);
	j = created();
	json_object_foreach(j, key, v)
		if (!listed(top, key))
			fail_msg("%s is asked for", key);
	inner = json_object_get(j, "HostConfig");
	json_object_foreach((json_t *)(uintptr_t)inner, key, v)
		if (!listed(host, key))
			fail_msg("HostConfig.%s is asked for", key);
	/* whoever the image was made for: it runs as whom the request names, never as USER 0 */
	assert_string_equal(docker_str(j, "User"), "10102:10102");
	assert_true(json_is_false(json_object_get(inner, "Privileged")));
	assert_string_equal(docker_str(inner, "IpcMode"), "private");
	assert_int_equal(json_array_size(json_object_get(inner, "SecurityOpt")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(inner, "SecurityOpt"), 0)),
	    "no-new-privileges");
	assert_int_equal(json_array_size(json_object_get(inner, "CapDrop")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(inner, "CapDrop"), 0)), "ALL");
	assert_string_not_equal(docker_str(inner, "NetworkMode"), "host");
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "Cmd"), 1)), evil);
	json_decref(j);
	answer_free(a);
	mem_free(m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(namespaces_users_and_images_of_the_host), T(binds_and_devices),
	    T(nothing_is_said_behind_a_message), T(what_the_engine_sees_is_a_list_that_we_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
