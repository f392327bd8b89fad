/* Asking dpkg: see library.h. */
#include "sshd/library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"

#define LIBRARY_PACKAGE "libssh-4"

/* Run it with its output to fd (-1: to /dev/null); its exit status, -1 when it does not start. */
static int run(const char *path, const char *const argv[], int fd)
{
	const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)argv,
	    .env = (char *const *)(uintptr_t)env, .fds = {-1, fd, -1}, .nfds = 3};
	pid_t pid = proc_start(&spec, NULL);
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return proc_exit_code(status);
}

/* The installed version; false when dpkg knows of none. */
static bool installed(char *version, size_t size)
{
	const char *const argv[] = {"dpkg-query", "-W", "-f", "${Version}", LIBRARY_PACKAGE, NULL};
	int p[2], status;
	ssize_t n;

	if (access("/usr/bin/dpkg-query", X_OK) < 0 || pipe2(p, O_CLOEXEC) < 0)
		return false;
	status = run("/usr/bin/dpkg-query", argv, p[1]); /* what it says fits into the pipe */
	close(p[1]);
	n = read(p[0], version, size - 1);
	close(p[0]);
	version[n > 0 ? n : 0] = '\0';
	return status == 0 && n > 0;
}

int library_check(const char *least, struct cl_err *err)
{
	char version[128];
	const char *const argv[] = {"dpkg", "--compare-versions", version, "ge", least, NULL};

	if (!installed(version, sizeof(version)))
		return 0;
	if (run("/usr/bin/dpkg", argv, -1) != 1)
		return 0;
	err_set(err, CL_PRECONDITION, LIBRARY_PACKAGE " %s: it lacks security fixes", version);
	return err_hint(err, "Install %s or later: apt-get install --only-upgrade " LIBRARY_PACKAGE, least);
}
