/*
 * Starting children: see proc.h.  Between fork and exec only async-signal-safe calls are made, so
 * a threaded parent may use it.  A failed step or exec comes back through a close-on-exec pipe,
 * which makes "no such program" an error of proc_start() and not an exit status to guess at.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define PROC_FDS 8

struct failure {
	int step; /* index into proc_steps */
	int error;
};
static const char *const proc_steps[] = {"descriptors", "session", "identity", "directory", "exec"};

static void give_up(int report, int step)
{
	struct failure f = {step, errno};
	ssize_t n = write(report, &f, sizeof(f));

	_exit(n == sizeof(f) ? 127 : 126);
}

/* Put spec->fds at 0..nfds-1; sources may overlap their places, so they move above first. */
static int place_fds(const struct proc_spec *spec, int *report)
{
	int from[PROC_FDS], n = spec->nfds > 3 ? spec->nfds : 3;

	*report = fcntl(*report, F_DUPFD_CLOEXEC, 2 * PROC_FDS);
	if (*report < 0)
		_exit(126);
	for (int i = 0; i < n; i++) {
		from[i] = -1;
		if (i < spec->nfds && spec->fds[i] >= 0)
			from[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, PROC_FDS);
		else if (i < 3)
			from[i] = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, PROC_FDS);
		else
			continue;
		if (from[i] < 0)
			return -1;
	}
	for (int i = 0; i < n; i++)
		if (from[i] >= 0 ? dup2(from[i], i) < 0 : close(i) < 0 && errno != EBADF)
			return -1;
	/* Everything above goes, the report pipe by itself at exec. */
	syscall(SYS_close_range, n, *report - 1, 0);
	return (int)syscall(SYS_close_range, *report + 1, ~0U, 0);
}

static void reset_signals(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(const struct proc_spec *spec, int report)
{
	static char *const empty[] = {NULL};

	reset_signals();
	if (place_fds(spec, &report) < 0)
		give_up(report, 0);
	if ((spec->setsid || spec->ctty) && setsid() < 0)
		give_up(report, 1);
	if (spec->ctty && ioctl(0, TIOCSCTTY, 0) < 0)
		give_up(report, 1);
	/* The raw calls: glibc's wrappers would signal threads that do not exist here. */
	if (spec->drop && (syscall(SYS_setgroups, spec->ngroups, spec->groups) < 0 ||
	    syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) < 0 ||
	    syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid) < 0))
		give_up(report, 2);
	if (chdir(spec->cwd ? spec->cwd : "/") < 0)
		give_up(report, 3);
	execve(spec->path, spec->argv, spec->env ? spec->env : empty);
	give_up(report, 4);
}

pid_t proc_start(const struct proc_spec *spec, struct cl_err *err)
{
	struct failure f;
	int report[2];
	ssize_t n;
	pid_t pid;

	if (spec->nfds > PROC_FDS)
		return err_set(err, CL_FAILED, "start %s: too many descriptors", spec->path);
	if (pipe2(report, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "start %s", spec->path);
	pid = fork();
	if (pid == 0)
		child(spec, report[1]);
	close(report[1]);
	if (pid < 0) {
		err_errno(err, CL_FAILED, "start %s", spec->path);
		close(report[0]);
		return -1;
	}
	do
		n = read(report[0], &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n != sizeof(f))
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = f.error;
	err_errno(err, f.step == 4 && f.error == ENOENT ? CL_NOT_FOUND : CL_FAILED, "start %s (%s)",
	    spec->path, f.step >= 0 && f.step < 5 ? proc_steps[f.step] : "?");
	return -1;
}

int proc_exit_code(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 1;
}
