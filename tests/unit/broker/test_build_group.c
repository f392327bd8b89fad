/* Ending what a build left: its processes by their control group, nobody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/build_group.h"

#define CHILDREN 6

static char proc[64];
static pid_t child[CHILDREN]; /* 0: it was waited for */
static pid_t folder[CHILDREN];

static void write_group(pid_t pid, const char *lines)
{
	cl_autofree char *dir = mem_printf("%s/%d", proc, (int)pid);
	cl_autofree char *path = mem_printf("%s/cgroup", dir);
	FILE *f;

	mkdir(dir, 0700);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(lines, f);
	fclose(f);
}

static int setup(void **state)
{
	snprintf(proc, sizeof(proc), "/tmp/cl-group-XXXXXX");
	assert_non_null(mkdtemp(proc));
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			pause();
			_exit(0);
		}
		assert_true(child[i] > 0);
		folder[i] = child[i];
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < CHILDREN; i++) {
		cl_autofree char *dir = mem_printf("%s/%d", proc, (int)folder[i]);
		cl_autofree char *path = mem_printf("%s/cgroup", dir);

		unlink(path);
		rmdir(dir);
		if (child[i] > 0) {
			kill(child[i], SIGKILL);
			waitpid(child[i], NULL, 0);
		}
	}
	rmdir(proc);
	return 0;
}

/* Died it of SIGKILL?  It is asked a moment later when it has to be so. */
static bool was_killed(int i, bool wanted)
{
	int status;

	if (waitpid(child[i], &status, wanted ? 0 : WNOHANG) != child[i])
		return false;
	child[i] = 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void whose_group_it_is_dies_and_nobody_else(void **state)
{
	write_group(child[0], "9:name=systemd:/codinglab-build-7-1a\n0::/codinglab-build-7-1a\n");
	write_group(child[1], "0::/kubepods/pod1/codinglab-build-7-1a/inner\n");
	write_group(child[2], "0::/codinglab-build-7-1ab\n"); /* another one's */
	write_group(child[3], "0::/codinglab-build-7-1\n");
	write_group(child[4], "0::/user.slice\n");
	/* child 5 has no file: it has gone between two looks */
	assert_int_equal(build_group_kill(proc, "/codinglab-build-7-1a"), 2);
	assert_true(was_killed(0, true));
	assert_true(was_killed(1, true));
	for (int i = 2; i < CHILDREN; i++)
		assert_false(was_killed(i, false));
}

static void one_that_has_gone_already_is_no_error(void **state)
{
	write_group(child[0], "0::/codinglab-build-7-1a\n");
	kill(child[0], SIGKILL);
	assert_true(was_killed(0, true));
	assert_int_equal(build_group_kill(proc, "/codinglab-build-7-1a"), 0);
	assert_int_equal(build_group_kill("/nowhere", "/codinglab-build-7-1a"), 0);
}

/* On the machine as it is: no process has this group, and that is soon known. */
static void a_group_without_processes_has_ended(void **state)
{
	char name[BUILD_GROUP_SIZE], other[BUILD_GROUP_SIZE];

	build_group_name(name);
	assert_memory_equal(name, "/codinglab-build-", 17);
	assert_int_equal(build_group_end(name), 0);
	build_group_name(other);
	assert_string_not_equal(name, other);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(whose_group_it_is_dies_and_nobody_else), T(one_that_has_gone_already_is_no_error),
	    T(a_group_without_processes_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
