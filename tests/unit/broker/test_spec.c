/* A container spec from a message to the engine's JSON: nothing forbidden can be asked for. */
#include "tests/unit/broker/head.h"

#include "engine/backend.h"
#include "engine/broker/docker.h"

static struct place place;

static json_t *json_of(const struct head_spec *h)
{
	struct cl_err err = {0};
	struct spec s;
	json_t *j;

	if (head_parse(h, &place, &s, &err) < 0)
		fail_msg("%s", err.message);
	j = spec_json_make(&s, &place);
	spec_clear(&s);
	assert_non_null(j);
	return j;
}

static const json_t *host_of(const json_t *j)
{
	return json_object_get(j, "HostConfig");
}

static void test_a_good_one(void **state)
{
	struct head_spec h = head_good();
	json_t *j = json_of(&h);
	const json_t *labels = json_object_get(j, "Labels"), *host = host_of(j);

	assert_string_equal(docker_str(j, "Image"), "localhost/codinglab/python-run:latest");
	assert_string_equal(docker_str(j, "User"), "10102:10102");
	assert_string_equal(docker_str(j, "WorkingDir"), "/app");
	assert_string_equal(docker_str(j, "Hostname"), "was-3");
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "Env"), 1)), "PW=a\"b\\c\n");
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "Cmd"), 2)), "echo \"$PORT\"");
	assert_int_equal(docker_int(host, "Memory"), 512 << 20);
	assert_int_equal(docker_int(host, "MemorySwap"), 512 << 20);
	assert_int_equal(docker_int(host, "NanoCpus"), 1500000000);
	assert_int_equal(docker_int(host, "PidsLimit"), 256);
	assert_string_equal(docker_str(labels, "codinglab.name"), "p12-prod-was-3-r7");
	assert_string_equal(docker_str(labels, "codinglab.project"), "12");
	assert_string_equal(docker_str(labels, "codinglab.env"), "prod");
	assert_string_equal(docker_str(labels, "codinglab.tier"), "was");
	assert_string_equal(docker_str(labels, "codinglab.n"), "3");
	assert_string_equal(docker_str(labels, "codinglab.release"), "7");
	assert_string_equal(docker_str(labels, "codinglab.generation"), "-5");
	assert_string_equal(docker_str(labels, PLACE_LABEL), place.instance);
	json_decref(j);
}

/* Everything that would give rights: said "no", or not said at all. */
static void test_no_rights_in_the_json(void **state)
{
	static const char *const absent[] = {"Binds", "Devices", "CapAdd", "PidMode", "UTSMode", "UsernsMode",
	    "Links", "VolumesFrom", "PortBindings", "PublishAllPorts", "DeviceRequests", "CgroupParent",
	    "Sysctls", "OomScoreAdj", "Runtime", "GroupAdd", "ExtraHosts", "MaskedPaths", "ReadonlyPaths"};
	struct head_spec h = head_good();
	json_t *j;
	const json_t *host;
	char *text;

	h.mounts[0].kind = BROKER_MOUNT_WORKSPACE;
	h.mounts[0].source = "";
	h.mounts[0].target = "/workspace";
	h.nmounts = 1;
	j = json_of(&h);
	host = host_of(j);
	for (size_t i = 0; i < CL_COUNT(absent); i++)
		if (json_object_get(host, absent[i]) || json_object_get(j, absent[i]))
			fail_msg("%s is in the request", absent[i]);
	assert_true(json_is_false(json_object_get(host, "Privileged")));
	assert_true(json_is_true(json_object_get(host, "ReadonlyRootfs")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(host, "CapDrop"), 0)), "ALL");
	assert_int_equal(json_array_size(json_object_get(host, "SecurityOpt")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(host, "SecurityOpt"), 0)),
	    "no-new-privileges");
	assert_string_equal(docker_str(host, "IpcMode"), "private");
	text = json_dumps(j, 0);
	assert_null(strstr(text, "unconfined"));
	assert_null(strstr(text, "\"host\""));
	mem_free(text);
	json_decref(j);
}

static void test_without_limits_it_still_has_some(void **state)
{
	struct head_spec h = head_good();
	json_t *j;

	h.pids = 0;
	h.network = "";
	h.alias = "";
	j = json_of(&h);
	assert_int_equal(docker_int(host_of(j), "PidsLimit"), 512);
	assert_string_equal(docker_str(host_of(j), "NetworkMode"), "none");
	assert_null(json_object_get(j, "NetworkingConfig"));
	json_decref(j);
}

static void test_places_are_computed(void **state)
{
	static const char *const want[] = {"/var/tmp/lab/projects/12/work", "/var/tmp/lab/projects/12/home",
	    NULL, "/var/tmp/lab/run/edge/17"};
	struct head_spec h = head_good();
	json_t *j, *list, *m;
	char volume[PLACE_NAME];

	for (uint32_t i = 0; i < 5; i++) {
		static const char *const targets[] = {"/w", "/h", "/v", "/e", "/t"};

		h.mounts[i].kind = i;
		h.mounts[i].source = i == BROKER_MOUNT_VOLUME ? "p12-prod-db" : i == BROKER_MOUNT_EDGE ? "17" : "";
		h.mounts[i].target = targets[i];
	}
	h.nmounts = 5;
	j = json_of(&h);
	list = json_object_get(host_of(j), "Mounts");
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++) {
		m = json_array_get(list, i);
		place_volume(&place, "p12-prod-db", volume);
		assert_string_equal(docker_str(m, "Source"), want[i] ? want[i] : volume);
		assert_string_equal(docker_str(m, "Type"), want[i] ? "bind" : "volume");
	}
	/* The edge's folder is read-only whatever was asked. */
	assert_true(json_is_true(json_object_get(json_array_get(list, 3), "ReadOnly")));
	assert_non_null(strstr(docker_str(json_object_get(host_of(j), "Tmpfs"), "/t"), "nosuid,nodev"));
	json_decref(j);
}

static void refused(const struct head_spec *h, const char *what)
{
	struct cl_err err = {0};
	struct spec s;

	if (head_parse(h, &place, &s, &err) == 0)
		fail_msg("%s was taken", what);
	assert_int_equal(err.code, CL_USAGE);
	spec_clear(&s);
}

#define REFUSED(field, value)                                                                \
	do {                                                                                 \
		struct head_spec bent = head_good();                                         \
		bent.field = value;                                                          \
		refused(&bent, #field " = " #value);                                         \
	} while (0)

static void test_fields_out_of_range_are_refused(void **state)
{
	REFUSED(name, "../../x");
	REFUSED(name, "");
	REFUSED(env, "p-1");
	REFUSED(tier, "");
	REFUSED(image, "registry.example/evil");
	REFUSED(image, "python:edge");
	REFUSED(network, "host");
	REFUSED(network, "container:abc");
	REFUSED(network, "p13-prod");
	REFUSED(network, "p1-prod");
	REFUSED(alias, "a,b");
	REFUSED(hostname, "a b");
	REFUSED(workdir, "relative");
	REFUSED(user, "root:x:0:0");
	REFUSED(health, "/\x1b[2J");
	REFUSED(uid, 0);
	REFUSED(uid, 33);
	REFUSED(uid, 0xffffffffu);
	REFUSED(gid, 0);
	REFUSED(project, -1);
	REFUSED(project, 1LL << 40);
	REFUSED(memory, -1);
	REFUSED(memory, 1);
	REFUSED(memory, INT64_MAX);
	REFUSED(cpu, -1);
	REFUSED(pids, -1);
	REFUSED(pids, INT32_MAX);
	REFUSED(port, 65536);
	REFUSED(grace, -1);
	REFUSED(grace, 100000);
	REFUSED(read_only_root, 2);
	REFUSED(vars[0][0], "A=B");
	REFUSED(vars[0][0], "LD PRELOAD");
	REFUSED(nmounts, 9);
}

static void bad_mount(uint32_t kind, const char *source, const char *target)
{
	struct head_spec h = head_good();

	h.mounts[0].kind = kind;
	h.mounts[0].source = source;
	h.mounts[0].target = target;
	h.nmounts = 1;
	refused(&h, target);
}

static void test_mounts_of_other_things_are_refused(void **state)
{
	bad_mount(BROKER_MOUNT_WORKSPACE, "/etc", "/x");
	bad_mount(BROKER_MOUNT_HOME, "../13/home", "/x");
	bad_mount(BROKER_MOUNT_TMP, "/dev", "/x");
	bad_mount(BROKER_MOUNT_VOLUME, "/var/run/docker.sock", "/x");
	bad_mount(BROKER_MOUNT_VOLUME, "p13-prod-db", "/x");
	bad_mount(BROKER_MOUNT_VOLUME, "", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "128", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "-1", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "01", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "0x1", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "1/..", "/x");
	bad_mount(BROKER_MOUNT_EDGE, "", "/x");
	bad_mount(BROKER_MOUNT_KINDS, "", "/x");
	bad_mount(0xffffffffu, "", "/x");
	bad_mount(BROKER_MOUNT_WORKSPACE, "", "/");
	bad_mount(BROKER_MOUNT_WORKSPACE, "", "/proc/self");
	bad_mount(BROKER_MOUNT_WORKSPACE, "", "/a/../etc");
}

/* Cut anywhere, or with anything behind: never accepted, never read past the end. */
static void test_every_cut_is_refused(void **state)
{
	struct head_spec h = head_good();
	struct ipc_out *out = mem_alloc(sizeof(*out));
	struct ipc_in *in = mem_alloc(sizeof(*in));
	size_t whole;

	ipc_begin(out, BROKER_APPLY);
	head_put(out, &h);
	whole = out->len;
	for (size_t len = 4; len <= whole + 1; len++) {
		struct spec s;
		bool ok;

		out->len = len < whole ? len : whole;
		head_turn(out, in);
		in->len = len;
		ok = spec_read(&s, in, &place, NULL) == 0 && ipc_end(in) == 0;
		assert_int_equal(ok, len == whole);
		spec_clear(&s);
	}
	mem_free(out);
	mem_free(in);
}

static void test_the_two_sides_number_things_alike(void **state)
{
	assert_int_equal(BROKER_MOUNT_WORKSPACE, BACKEND_MOUNT_WORKSPACE);
	assert_int_equal(BROKER_MOUNT_HOME, BACKEND_MOUNT_HOME);
	assert_int_equal(BROKER_MOUNT_VOLUME, BACKEND_MOUNT_VOLUME);
	assert_int_equal(BROKER_MOUNT_EDGE, BACKEND_MOUNT_EDGE);
	assert_int_equal(BROKER_MOUNT_TMP, BACKEND_MOUNT_TMP);
	assert_int_equal(SPEC_MOUNTS, BACKEND_MOUNTS);
	assert_int_equal(BROKER_STARTING, BACKEND_STARTING);
	assert_int_equal(BROKER_RUNNING, BACKEND_RUNNING);
	assert_int_equal(BROKER_EXITED, BACKEND_EXITED);
	assert_int_equal(BROKER_UNKNOWN, BACKEND_UNKNOWN);
}

static void test_places_and_names(void **state)
{
	struct place other = place;
	char out[256], id[64];

	place_container(&place, "p1-dev", out);
	assert_non_null(strstr(out, "p1-dev"));
	mem_copy_str(other.state, sizeof(other.state), "/var/tmp/lab2");
	place_identify(&other);
	assert_string_not_equal(other.instance, place.instance);
	place_image(&place, "app/p1", "op3", out, sizeof(out));
	assert_int_equal(place_image_id(&place, out, id, sizeof(id)), 0);
	assert_string_equal(id, "app/p1");
	assert_int_equal(place_image_id(&other, out, id, sizeof(id)), -1);
	place_image(&place, "python", NULL, out, sizeof(out));
	assert_int_equal(place_image_id(&other, out, id, sizeof(id)), 0);
	assert_string_equal(id, "python");
	assert_int_equal(place_image_id(&place, "registry.example/python:latest", id, sizeof(id)), -1);
	assert_int_equal(place_image_id(&place, "", id, sizeof(id)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_good_one),
	    cmocka_unit_test(test_no_rights_in_the_json),
	    cmocka_unit_test(test_without_limits_it_still_has_some),
	    cmocka_unit_test(test_places_are_computed),
		    cmocka_unit_test(test_fields_out_of_range_are_refused),
	    cmocka_unit_test(test_mounts_of_other_things_are_refused),
	    cmocka_unit_test(test_every_cut_is_refused),
	    cmocka_unit_test(test_the_two_sides_number_things_alike),
	    cmocka_unit_test(test_places_and_names),
	};

	head_place(&place);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
