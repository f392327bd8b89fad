/* Measuring a project's files: see disk.h. */
#include "engine/broker/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "engine/broker/container.h"
#include "engine/broker/docker.h"
#include "engine/broker/place.h"

#define DU "/usr/bin/du"
#define NICE "/usr/bin/nice"
#define DISK_MS 300000
#define TEXT_MAX 65536

/* Where the container engine keeps what a container changed of its image; "" = it has none. */
static void layer_of(const struct broker *b, const char *container, char out[PLACE_PATH])
{
	json_t *c = container_inspect(b, container, NULL);
	const char *path = docker_str(json_object_get(json_object_get(c, "GraphDriver"), "Data"), "UpperDir");

	out[0] = '\0';
	if (path[0] == '/')
		(void)mem_copy_str(out, PLACE_PATH, path);
	json_decref(c);
}

int64_t disk_total(const char *text)
{
	const char *end = strstr(text, "\ttotal\n"), *start = end;
	char *stop;
	long long n;

	if (end == NULL)
		return -1;
	while (start > text && start[-1] != '\n')
		start--;
	errno = 0;
	n = strtoll(start, &stop, 10);
	return stop == end && stop != start && errno == 0 && n >= 0 ? n : -1;
}

/* All that fd says until its end, or until the time is over: then the process is killed. */
static void read_all(int fd, pid_t pid, struct buf *out)
{
	int64_t until = clock_ms() + DISK_MS;
	char data[4096];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t wait_ms = until - clock_ms();
		ssize_t n = wait_ms > 0 && poll(&p, 1, (int)wait_ms) > 0 ? read(fd, data, sizeof(data)) : 0;

		if (n <= 0)
			break;
		(void)buf_add(out, data, (size_t)n);
	}
	if (clock_ms() >= until)
		(void)kill(pid, SIGKILL);
}

static int run_du(const char *work, const char *layer, struct buf *out, struct cl_err *err)
{
	const char *words[] = {"nice", "-n", "10", DU, "-sxc", "-B1", "--", work, layer[0] ? layer : NULL,
	    NULL};
	struct proc_spec spec = {.path = NICE, .argv = (char *const *)(uintptr_t)words, .nfds = 3};
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "pipe");
	spec.fds[0] = spec.fds[2] = -1; /* files that go meanwhile are nothing to tell of */
	spec.fds[1] = ends[1];
	pid = proc_start(&spec, err);
	close(ends[1]);
	if (pid > 0) {
		read_all(ends[0], pid, out);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	close(ends[0]);
	return pid > 0 ? 0 : -1;
}

static int64_t free_of(const char *path)
{
	struct statvfs s;

	return statvfs(path, &s) == 0 ? (int64_t)s.f_bavail * (int64_t)s.f_frsize : INT64_MAX;
}

int disk_measure(const struct broker *b, int64_t project, const char *container, int64_t *used,
    int64_t *left, struct cl_err *err)
{
	char work[PLACE_PATH], layer[PLACE_PATH];
	struct buf text;
	int64_t other;
	int rc;

	place_project(&b->place, project, work);
	layer_of(b, container, layer);
	buf_init(&text, TEXT_MAX);
	rc = run_du(work, layer, &text, err);
	if (rc == 0) {
		(void)buf_add(&text, "", 1);
		*used = disk_total(text.len > 0 ? (const char *)text.data : "");
		if (*used < 0)
			rc = err_set(err, CL_FAILED, "disk: the files of project %lld could not be measured",
			    (long long)project);
	}
	buf_clear(&text);
	*left = free_of(work);
	other = layer[0] ? free_of(layer) : *left;
	*left = other < *left ? other : *left;
	return rc;
}
