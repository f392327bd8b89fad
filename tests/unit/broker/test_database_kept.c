/* Dumps that came with a restore: which container gets one, and that it goes with its volume. */
#include "tests/unit/broker/head.h"

#include <fcntl.h>

#include "engine/broker/broker.h"
#include "engine/broker/database_kept.h"

static char dir[] = "/var/tmp/cl-kept-XXXXXX";
static struct broker broker;
static struct spec spec;
static json_t *body;

static void path(const char *volume, char out[256])
{
	snprintf(out, 256, "%s/" DATABASE_KEPT "/%s.sql", dir, volume);
}

static void dump(const char *volume)
{
	char name[256];
	int fd;

	path(volume, name);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static bool there(const char *volume)
{
	char name[256];
	struct stat st;

	path(volume, name);
	return lstat(name, &st) == 0;
}

static int setup(void **state)
{
	char name[256];

	mem_copy_str(dir, sizeof(dir), "/var/tmp/cl-kept-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(name, sizeof(name), "%s/" DATABASE_KEPT, dir);
	if (mkdir(name, 0700) < 0)
		return -1;
	head_place(&broker.place);
	mem_copy_str(broker.place.state, sizeof(broker.place.state), dir);
	memset(&spec, 0, sizeof(spec));
	mem_copy_str(spec.tier, sizeof(spec.tier), "db");
	spec.uid = getuid();
	spec.gid = getgid();
	spec.nmounts = 2;
	spec.mounts[0].kind = BROKER_MOUNT_TMP;
	mem_copy_str(spec.mounts[0].target, sizeof(spec.mounts[0].target), "/tmp");
	spec.mounts[1].kind = BROKER_MOUNT_VOLUME;
	mem_copy_str(spec.mounts[1].source, sizeof(spec.mounts[1].source), "p12-prod-db");
	body = json_pack("{s:{s:[]}}", "HostConfig", "Mounts");
	return 0;
}

static int teardown(void **state)
{
	static const char *const volumes[] = {"p12-prod-db", "p13-prod-db"};
	char name[256];

	for (size_t i = 0; i < CL_COUNT(volumes); i++) {
		path(volumes[i], name);
		unlink(name);
	}
	snprintf(name, sizeof(name), "%s/" DATABASE_KEPT, dir);
	rmdir(name);
	json_decref(body);
	return rmdir(dir);
}

static const json_t *given(size_t *n)
{
	const json_t *mounts = json_object_get(json_object_get(body, "HostConfig"), "Mounts");

	*n = json_array_size(mounts);
	return json_array_get(mounts, 0);
}

static void test_a_database_gets_its_own_dump_to_read(void **state)
{
	const json_t *m;
	char name[256];
	size_t n;

	dump("p12-prod-db");
	dump("p13-prod-db");
	database_kept_give(&broker, &spec, body);
	m = given(&n);
	assert_int_equal(n, 1);
	path("p12-prod-db", name);
	assert_string_equal(json_string_value(json_object_get(m, "Source")), name);
	assert_string_equal(json_string_value(json_object_get(m, "Target")), DATABASE_FILE);
	assert_string_equal(json_string_value(json_object_get(m, "Type")), "bind");
	assert_true(json_is_true(json_object_get(m, "ReadOnly")));
}

static void test_nobody_else_gets_it(void **state)
{
	size_t n;

	dump("p12-prod-db");
	mem_copy_str(spec.tier, sizeof(spec.tier), "was");
	database_kept_give(&broker, &spec, body);
	(void)given(&n);
	assert_int_equal(n, 0);
	mem_copy_str(spec.tier, sizeof(spec.tier), "db");
	spec.nmounts = 1; /* one without a volume */
	database_kept_give(&broker, &spec, body);
	(void)given(&n);
	assert_int_equal(n, 0);
}

static void test_without_a_restore_nothing_is_given(void **state)
{
	size_t n;

	database_kept_give(&broker, &spec, body);
	(void)given(&n);
	assert_int_equal(n, 0);
}

/* A link in the place of a dump would give the container what it leads to. */
static void test_a_link_is_no_dump(void **state)
{
	char name[256];
	size_t n;

	path("p12-prod-db", name);
	assert_int_equal(symlink("/etc/passwd", name), 0);
	database_kept_give(&broker, &spec, body);
	(void)given(&n);
	assert_int_equal(n, 0);
}

static void test_it_goes_with_its_volume(void **state)
{
	dump("p12-prod-db");
	dump("p13-prod-db");
	database_kept_forget(&broker, "p12-prod-db");
	assert_false(there("p12-prod-db"));
	assert_true(there("p13-prod-db"));
	database_kept_forget(&broker, "p12-prod-db"); /* none is as good */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_database_gets_its_own_dump_to_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nobody_else_gets_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_without_a_restore_nothing_is_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_link_is_no_dump, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_it_goes_with_its_volume, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
