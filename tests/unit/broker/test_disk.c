/* How much of the disk a project takes: du's words, and real folders that do not want to be measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/disk.h"

#define MB (INT64_C(1) << 20)
#define DEEP 3000

static struct broker broker;

static void du_says_how_much(void **state)
{
	assert_int_equal(disk_total("4096\t/a/work\n8192\t/b\n12288\ttotal\n"), 12288);
	assert_int_equal(disk_total("0\ttotal\n"), 0);
	assert_int_equal(disk_total(""), -1);
	assert_int_equal(disk_total("12288\ttotal"), -1); /* cut */
	assert_int_equal(disk_total("x\ttotal\n"), -1);
	assert_int_equal(disk_total("\ttotal\n"), -1);
	assert_int_equal(disk_total("-5\ttotal\n"), -1);
	assert_int_equal(disk_total("99999999999999999999999\ttotal\n"), -1);
}

static int64_t used(int64_t project)
{
	struct cl_err err = {0};
	int64_t n = 0, left = 0;

	if (disk_measure(&broker, project, "p1-dev", &n, &left, &err) != 0)
		fail_msg("%s", err.message);
	assert_true(left > 0);
	return n;
}

static void fill(int dir, const char *name, int64_t size)
{
	cl_autofree char *data = mem_alloc((size_t)size);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	memset(data, 'x', (size_t)size);
	assert_int_equal(write(fd, data, (size_t)size), size);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static int project_folder(int64_t project)
{
	char path[600];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/projects/%lld", broker.place.state, (long long)project);
	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void files_count_holes_and_second_names_do_not(void **state)
{
	int dir = project_folder(1), sparse;

	fill(dir, "a", 3 * MB);
	assert_in_range(used(1), 3 * MB, 4 * MB);
	assert_int_equal(linkat(dir, "a", dir, "b", 0), 0);
	sparse = openat(dir, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(sparse, 1000 * MB), 0);
	close(sparse);
	assert_int_equal(symlinkat("/usr", dir, "elsewhere"), 0);
	assert_in_range(used(1), 3 * MB, 4 * MB);
	close(dir);
}

static void a_tree_deeper_than_any_path_hides_nothing(void **state)
{
	int dir = project_folder(2);

	for (int i = 0; i < DEEP; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	fill(dir, "hidden", 5 * MB);
	close(dir);
	assert_true(used(2) >= 5 * MB);
}

static void a_project_without_files_takes_nothing(void **state)
{
	struct cl_err err = {0};
	int64_t n = -1, left;

	/* nothing is there: du says so, and 0 */
	assert_int_equal(disk_measure(&broker, 77, "p77-dev", &n, &left, &err), 0);
	assert_int_equal(n, 0);
}

static int setup(void **state)
{
	char path[300];

	(void)snprintf(broker.place.state, sizeof(broker.place.state), "/tmp/cl-disk-XXXXXX");
	assert_non_null(mkdtemp(broker.place.state));
	(void)snprintf(path, sizeof(path), "%s/projects", broker.place.state);
	broker.docker.socket = "/nonexistent/docker.sock"; /* no container of theirs is there */
	return mkdir(path, 0700);
}

static int teardown(void **state)
{
	cl_autofree char *command = mem_printf("rm -rf '%s'", broker.place.state);

	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(du_says_how_much),
	    cmocka_unit_test(files_count_holes_and_second_names_do_not),
	    cmocka_unit_test(a_tree_deeper_than_any_path_hides_nothing),
	    cmocka_unit_test(a_project_without_files_takes_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
