/*
 * codinglab-tui: one live session, started by the listener as the user's own uid, with the sockets
 * that it needs.  It keeps its own workspace and its state directory, and gives up the rest.
 *
 *   codinglab-tui --listen-fd N [--pane-fd N --shm-fd N] --user NAME --uid N --home DIR
 *                 [--project-id N --owner NAME --project NAME --workspace DIR]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/path.h"
#include "base/priv.h"
#include "tui/session.h"
#include "tui/ui.h"

#define ADDRESS_SPACE (2ull << 30) /* room for a large mapped file */

static long number(const char *name, const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 0 || n > max)
		log_fatal("--%s %s: not a number that can be", name, text);
	return n;
}

static const char *name_of(const char *option, const char *text)
{
	if (!name_valid(text))
		log_fatal("--%s: not a name", option);
	return text;
}

static const struct option options[] = {
	{ "listen-fd", required_argument, NULL, 'l' }, { "pane-fd", required_argument, NULL, 'p' },
	{ "shm-fd", required_argument, NULL, 's' },    { "user", required_argument, NULL, 'u' },
	{ "uid", required_argument, NULL, 'U' },       { "home", required_argument, NULL, 'h' },
	{ "project-id", required_argument, NULL, 'i' }, { "owner", required_argument, NULL, 'o' },
	{ "project", required_argument, NULL, 'n' },   { "workspace", required_argument, NULL, 'w' },
	{ NULL, 0, NULL, 0 },
};

static void parse(struct ui_info *info, int argc, char **argv)
{
	int c, at;

	while ((c = getopt_long(argc, argv, "", options, &at)) != -1) {
		if (c == 'l')
			info->listen_fd = (int)number("listen-fd", optarg, 1024);
		else if (c == 'p')
			info->pane_fd = (int)number("pane-fd", optarg, 1024);
		else if (c == 's')
			info->shm_fd = (int)number("shm-fd", optarg, 1024);
		else if (c == 'u')
			info->user = name_of("user", optarg);
		else if (c == 'U')
			info->uid = (uid_t)number("uid", optarg, 4000000000L);
		else if (c == 'h')
			info->home = optarg;
		else if (c == 'i')
			info->project_id = number("project-id", optarg, 1L << 52);
		else if (c == 'o')
			info->owner = name_of("owner", optarg);
		else if (c == 'n')
			info->project = name_of("project", optarg);
		else if (c == 'w')
			info->workspace = optarg;
		else
			log_fatal("unknown option; this program is started by the listener");
	}
	if (info->listen_fd < 0 || !info->user[0] || !info->home[0])
		log_fatal("--listen-fd, --user and --home are needed");
	if (info->project_id && (!info->project[0] || !info->owner[0] || !info->workspace[0]))
		log_fatal("--project-id needs --owner, --project and --workspace");
}

static void open_places(struct ui_info *info)
{
	struct cl_err err = { 0 };
	const char *run = config_str("run.dir");

	info->socket = mem_printf("%s/engine.sock", run);
	info->exec_socket = mem_printf("%s/exec.sock", run);
	info->project_ref = mem_printf("%s.%s", info->owner, info->project);
	/* without its files a project still has its operations and its people */
	if (info->project_id && (info->root = path_root(info->workspace, &err)) < 0)
		log_error("%s", err.message);
}

static void sandbox(const struct ui_info *info)
{
	const struct priv_path paths[] = {
		{ info->home, true },	   { info->workspace[0] ? info->workspace : info->home, true },
		{ "/usr", false },	   { "/lib", false },
		{ "/lib64", false },	   { "/etc/terminfo", false },
		{ "/lib/terminfo", false }, { "/etc/ld.so.cache", false },
		{ "/etc/localtime", false }, { "/proc/self", false },
		{ "/dev/null", true },	   { "/dev/urandom", false },
		{ config_str("run.dir"), true },
	};
	static const char *const calls[] = {
		"accept4", "access", "brk", "clock_gettime", "clock_nanosleep", "close",
		"connect", "copy_file_range", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl",
		"epoll_pwait", "epoll_wait", "eventfd2", "exit", "exit_group", "faccessat", "faccessat2",
		"fchmod", "fchown", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate",
		"futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpeername", "getpid",
		"getppid", "getrandom", "getrlimit", "getsockname", "getsockopt", "gettid", "getuid",
		"inotify_add_watch", "inotify_init1", "inotify_rm_watch", "ioctl", "link", "linkat",
		"lseek", "lstat", "madvise", "memfd_create", "mkdirat", "mmap", "mprotect", "mremap",
		"munmap", "nanosleep", "newfstatat", "open", "openat", "openat2", "pipe", "pipe2", "poll",
		"ppoll", "prctl", "pread64", "prlimit64", "pwrite64", "read", "readlink", "readlinkat",
		"readv", "recvfrom", "recvmsg", "renameat", "renameat2", "restart_syscall", "rseq",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity",
		"sched_yield", "select", "sendmsg", "sendto", "set_robust_list", "setsockopt", "shutdown",
		"sigaltstack", "socket", "socketpair", "stat", "statx", "sysinfo", "tgkill", "threads", "uname",
		"unlink", "unlinkat", "utimensat", "wait4", "write", "writev",
	};

	priv_no_new_privs();
	priv_landlock(paths, CL_COUNT(paths));
	priv_seccomp(calls, CL_COUNT(calls), false);
}

/* Before the options were understood. */
static int listen_fd_of(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--listen-fd") == 0)
			return (int)number("listen-fd", argv[i + 1], 1024);
	log_fatal("--listen-fd is needed");
}

static int cannot_start(int listen_fd, const struct cl_err *err)
{
	cl_autofree char *why = mem_printf("the session cannot start: %s", err->message);

	log_error("%s", why);
	return session_refuse(listen_fd, why);
}

int main(int argc, char **argv)
{
	struct ui_info info = { .user = "", .owner = "", .project = "", .workspace = "", .home = "",
				.root = -1, .listen_fd = -1, .pane_fd = -1, .shm_fd = -1 };
	struct cl_err err = { 0 };

	log_open("codinglab-tui", LOG_INFO_L);
	if (config_load(NULL, &argc, argv, &err) < 0)
		return cannot_start(listen_fd_of(argc, argv), &err);
	parse(&info, argc, argv);
	umask(0007); /* a project's files belong to its members */
	setenv("UV_THREADPOOL_SIZE", "3", 1);
	priv_limits(ADDRESS_SPACE, -1);
	open_places(&info);
	sandbox(&info);
	return session_run(&info);
}
