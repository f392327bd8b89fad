/* Ending what an image build left: see build_group.h. */
#include "engine/broker/build_group.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_MS 100
#define QUIET_MS 1000
#define END_MS 10000

void build_group_name(char out[BUILD_GROUP_SIZE])
{
	snprintf(out, BUILD_GROUP_SIZE, "/codinglab-build-%d-%llx", (int)getpid(),
	    (unsigned long long)clock_ms());
}

/* "0::/codinglab-build-1" or "4:memory:/kubepods/x/codinglab-build-1/y", a line of /proc/PID/cgroup */
static bool names(const char *line, const char *group)
{
	const char *at = strstr(line, group);
	char next = at ? at[strlen(group)] : 'x';

	return next == '\n' || next == '/' || next == '\0';
}

static bool is_in(const char *proc, const char *pid, const char *group)
{
	char path[300], line[4096];
	cl_autofclose FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/%.20s/cgroup", proc, pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (names(line, group))
			return true;
	return false;
}

/* The descriptor is there before the look: a process id that is used again is not hit. */
static bool end_one(const char *proc, const char *pid, const char *group)
{
	cl_autoclose int fd = (int)syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);

	return fd >= 0 && is_in(proc, pid, group) &&
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

int build_group_kill(const char *proc, const char *group)
{
	DIR *d = opendir(proc);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			n += end_one(proc, e->d_name, group);
	if (d)
		closedir(d);
	return n;
}

int build_group_end(const char *group)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	int64_t began = clock_ms(), last = began;
	int all = 0, n;

	while (clock_ms() - last < QUIET_MS && clock_ms() - began < END_MS) {
		n = build_group_kill("/proc", group);
		all += n;
		if (n > 0)
			last = clock_ms();
		nanosleep(&pause, NULL);
	}
	return all;
}
