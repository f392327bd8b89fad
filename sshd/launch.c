/*
 * Starting programs: see launch.h.  A child gets exactly the descriptors and variables named here;
 * proc_start() closes all others, so none inherits the listening socket or another's monitor.
 */
#include "sshd/launch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/proc.h"
#include "sshd/env.h"

#define LAUNCH_PIPE (256 << 10)
#define LAUNCH_TTY_GID 5 /* Debian's group tty, which write(1) and wall(1) use */

static void close_all(int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

pid_t launch_conn(const struct gateway *g, int tcp, int *mon, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/codinglab-conn", g->bin);
	const char *const argv[] = {"codinglab-conn", NULL};
	int pair[2];
	pid_t pid;

	if (ipc_pair(pair, err) < 0)
		return -1;
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)argv, .fds = {-1, 2, 2, tcp, pair[1], g->key},
	    .nfds = 6, .setsid = true};

	pid = proc_start(&spec, err);
	close(pair[1]);
	if (pid < 0)
		close(pair[0]);
	else
		*mon = pair[0];
	return pid;
}

/* Open a terminal of the given size that belongs to the user. */
static int open_pty(uid_t uid, int rows, int cols, int fds[2], struct cl_err *err)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
	struct termios tio;
	char name[64];

	fds[1] = -1;
	fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fds[0] < 0 || grantpt(fds[0]) < 0 || unlockpt(fds[0]) < 0 ||
	    ptsname_r(fds[0], name, sizeof(name)) != 0 ||
	    (fds[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		err_errno(err, CL_FAILED, "open a terminal");
		close_all(fds, 2);
		return -1;
	}
	if (tcgetattr(fds[1], &tio) == 0) {
		tio.c_iflag |= IUTF8;
		tcsetattr(fds[1], TCSANOW, &tio);
	}
	if (ioctl(fds[1], TIOCSWINSZ, &size) < 0 || fchown(fds[1], uid, LAUNCH_TTY_GID) < 0 ||
	    fchmod(fds[1], 0620) < 0) {
		err_errno(err, CL_FAILED, "set up a terminal");
		close_all(fds, 2);
		return -1;
	}
	return 0;
}

/* ours: write end of stdin, read ends of the others.  They belong to the user, whose programs may
 * open them by name (/dev/stdout), and hold some packets.  stdout may be a socket, over which a
 * descriptor comes (forwarded connections). */
static int open_pipes(uid_t uid, bool socket, int ours[3], int theirs[3], struct cl_err *err)
{
	for (int i = 0; i < 3; i++)
		ours[i] = theirs[i] = -1;
	for (int i = 0; i < 3; i++) {
		bool pair = socket && i == 1;
		int p[2];

		if ((pair ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) : pipe2(p, O_CLOEXEC)) < 0) {
			err_errno(err, CL_FAILED, "pipe");
			close_all(ours, 3);
			close_all(theirs, 3);
			return -1;
		}
		ours[i] = p[i == 0];
		theirs[i] = p[i != 0];
		if (!pair && fchown(p[0], uid, (gid_t)-1) < 0) {
			err_errno(err, CL_FAILED, "pipe");
			close_all(ours, 3);
			close_all(theirs, 3);
			return -1;
		}
		if (i < 2 && !pair)
			fcntl(p[0], F_SETPIPE_SZ, LAUNCH_PIPE); /* what there is will do too */
	}
	return 0;
}

static void user_env(struct env *e, const struct launch_user *u, const struct auth_answer *at)
{
	cl_autofree char *project = NULL;

	env_init(e);
	env_installation(e);
	env_set(e, "HOME", at->home[0] ? at->home : "/");
	env_set(e, "USER", u->name);
	env_set(e, "LOGNAME", u->name);
	if (strcmp(at->owner, u->name) == 0 || !at->project[0])
		project = mem_strdup(at->project);
	else
		project = mem_printf("%s.%s", at->owner, at->project);
	if (project[0])
		env_set(e, "CODINGLAB_PROJECT", project);
}

static bool in_group(const struct launch_user *u, const struct auth_answer *at, gid_t gid)
{
	if (gid == u->gid)
		return true;
	for (size_t i = 0; i < at->ngroups; i++)
		if (at->groups[i] == gid)
			return true;
	return false;
}

/* May the user enter the directory?  A viewer of a project lacks its group. */
static bool may_enter(const struct launch_user *u, const struct auth_answer *at, const char *dir)
{
	struct stat st;

	if (dir[0] != '/' || stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	if (st.st_uid == u->uid)
		return st.st_mode & S_IXUSR;
	if (in_group(u, at, st.st_gid))
		return st.st_mode & S_IXGRP;
	return st.st_mode & S_IXOTH;
}

/* The workspace or the home, whichever is open to the user. */
static const char *working_dir(const struct launch_user *u, const struct auth_answer *at)
{
	if (may_enter(u, at, at->workspace))
		return at->workspace;
	return may_enter(u, at, at->home) ? at->home : "/";
}

static pid_t run_as(const struct launch_user *u, const struct auth_answer *at, struct proc_spec *spec,
    struct cl_err *err)
{
	spec->drop = true;
	spec->uid = u->uid;
	spec->gid = u->gid;
	spec->groups = at->groups;
	spec->ngroups = at->ngroups;
	spec->cwd = working_dir(u, at);
	return proc_start(spec, err);
}

pid_t launch_exec(const struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    const struct name_target *target, const struct monitor_msg *open, const char *line, int fds[3],
    struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/codinglab", g->bin);
	const char *const argv[] = {"codinglab", "--ssh", NULL};
	int theirs[3] = {-1, -1, -1}, pty[2];
	struct env env;
	char number[16];
	pid_t pid;

	if (open->pty) {
		if (open_pty(u->uid, open->rows, open->cols, pty, err) < 0)
			return -1;
		fds[0] = pty[0];
		fds[1] = fds[2] = -1;
		theirs[0] = pty[1];
	} else if (open_pipes(u->uid, strncmp(line, "forward", 7) == 0, fds, theirs, err) < 0) {
		return -1;
	}
	user_env(&env, u, at);
	/* not an argument: others on the machine see those, and a line may hold a token */
	env_set(&env, "CODINGLAB_LINE", line);
	if (target->tier[0]) {
		snprintf(number, sizeof(number), "%d", target->n);
		env_set(&env, "CODINGLAB_TARGET_TIER", target->tier);
		env_set(&env, "CODINGLAB_TARGET_N", number);
	}
	if (open->pty)
		env_set(&env, "TERM", open->term);
	for (int i = 0; i < open->nenv; i++)
		env_add(&env, open->env[i]);
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)argv, .env = env.list, .nfds = 3, .setsid = true,
	    .ctty = open->pty};
	for (int i = 0; i < 3; i++)
		spec.fds[i] = theirs[open->pty ? 0 : i];
	pid = run_as(u, at, &spec, err);
	env_clear(&env);
	close_all(theirs, 3);
	if (pid < 0)
		close_all(fds, 3);
	return pid;
}

static pid_t start_pane(const struct gateway *g, int pair, int memory, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/codinglab-pane", g->bin);
	const char *const argv[] = {"codinglab-pane", "--fd", "3", "--shm-fd", "4", NULL};
	gid_t none = 0;
	struct env env;
	pid_t pid;

	env_init(&env);
	env_installation(&env);
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)argv, .env = env.list, .fds = {-1, 2, 2, pair, memory},
	    .nfds = 5, .drop = true, .uid = g->pane_uid, .gid = g->pane_gid, .groups = &none,
	    .setsid = true};

	pid = proc_start(&spec, err);
	env_clear(&env);
	return pid;
}

#define LAUNCH_TUI_ARGS 24

static pid_t start_tui(const struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    const int fds[3], struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/codinglab-tui", g->bin);
	char uid[24], project_id[24];
	const char *args[LAUNCH_TUI_ARGS] = {"codinglab-tui", "--listen-fd", "3", "--pane-fd", "4",
	    "--shm-fd", "5", "--user", u->name, "--uid", uid, "--home", at->home};
	int n = 13;
	struct env env;
	pid_t pid;

	snprintf(uid, sizeof(uid), "%lld", (long long)u->id);
	snprintf(project_id, sizeof(project_id), "%lld", (long long)at->project_id);
	if (at->project[0]) {
		const char *more[] = {"--project-id", project_id, "--owner", at->owner, "--project",
		    at->project, "--workspace", at->workspace};

		memcpy(args + n, more, sizeof(more));
		n += (int)CL_COUNT(more);
	}
	args[n] = NULL;
	user_env(&env, u, at);
	env_set(&env, "LANG", "C.UTF-8");
	struct proc_spec spec = {.path = path, .argv = (char *const *)(uintptr_t)args, .env = env.list,
	    .fds = {-1, 2, 2, fds[0], fds[1], fds[2]}, .nfds = 6, .setsid = true};

	pid = run_as(u, at, &spec, err);
	env_clear(&env);
	return pid;
}

int launch_session(const struct gateway *g, const struct launch_user *u, const struct auth_answer *at,
    int listening, pid_t *tui, pid_t *pane, struct cl_err *err)
{
	cl_autoclose int memory = memfd_create("panes", MFD_CLOEXEC);
	int pair[2];

	if (memory < 0)
		return err_errno(err, CL_FAILED, "shared memory");
	if (ipc_pair(pair, err) < 0)
		return -1;
	*tui = -1;
	*pane = start_pane(g, pair[1], memory, err);
	if (*pane > 0) {
		*tui = start_tui(g, u, at, (int[]){listening, pair[0], memory}, err);
		if (*tui < 0)
			kill(*pane, SIGKILL);
	}
	close(pair[0]);
	close(pair[1]);
	return *tui < 0 ? -1 : 0;
}
