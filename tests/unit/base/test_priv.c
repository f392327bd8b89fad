/* Rights that are thrown away stay away, and children get exactly what they were given. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/priv.h"
#include "base/proc.h"

/* The wait status of fn run in a child of its own. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(2);
		_exit(fn());
	}
	waitpid(pid, &status, 0);
	return status;
}

static int drop_and_try_back(void)
{
	gid_t extra[] = {4242}, got[8];

	priv_drop(65534, 65534, extra, 1);
	if (getuid() != 65534 || getegid() != 65534)
		return 1;
	if (getgroups(8, got) != 1 || got[0] != 4242)
		return 2;
	if (setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
		return 3;
	return open("/etc/shadow", O_RDONLY) < 0 ? 0 : 4;
}

static int drop_twice(void)
{
	priv_drop(65534, 65534, NULL, 0);
	priv_drop(65533, 65533, NULL, 0); /* must end the process with 1 */
	return 0;
}

static int limits(void)
{
	struct rlimit rl;

	priv_limits(512 << 20, 7);
	getrlimit(RLIMIT_CORE, &rl);
	if (rl.rlim_max != 0)
		return 1;
	getrlimit(RLIMIT_NPROC, &rl);
	return rl.rlim_max == 7 ? 0 : 2;
}

static int keep_one_cap(void)
{
	int caps[] = {CAP_CHOWN};

	priv_keep_caps(caps, 1);
	if (chown("/dev/null", 0, 0) < 0)
		return 1;
	return setuid(65534) == -1 && errno == EPERM ? 0 : 2;
}

static int jail(void)
{
	priv_chroot("/proc/self");
	return access("/etc/passwd", F_OK) < 0 && access("/status", F_OK) == 0 ? 0 : 1;
}

static char tree[] = "/tmp/cl-priv-XXXXXX";

static int landlocked(void)
{
	char in[64], ro[64];
	struct priv_path paths[] = {{in, true}, {ro, false}, {"/no/such/path", true}};
	char name[96];

	snprintf(in, sizeof(in), "%s/in", tree);
	snprintf(ro, sizeof(ro), "%s/ro", tree);
	priv_landlock(paths, CL_COUNT(paths));
	snprintf(name, sizeof(name), "%s/new", in);
	if (open(name, O_CREAT | O_WRONLY, 0600) < 0)
		return 1;
	snprintf(name, sizeof(name), "%s/file", ro);
	if (open(name, O_RDONLY) < 0)
		return 2;
	if (open(name, O_WRONLY) >= 0 || errno != EACCES)
		return 3;
	snprintf(name, sizeof(name), "%s/outside", tree);
	if (open(name, O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0)
		return 4;
	return 0;
}

static int seccomp_allows(void)
{
	static const char *const names[] = {"write", "getppid", "no_such_call", "close"};

	priv_no_new_privs();
	priv_seccomp(names, CL_COUNT(names), false);
	return getppid() > 0 ? 0 : 1;
}

static int seccomp_kills(void)
{
	static const char *const names[] = {"write"};

	priv_seccomp(names, 1, false);
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 2;
}

static int seccomp_denies(void)
{
	static const char *const names[] = {"write"};

	priv_seccomp(names, 1, true);
	return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 2;
}

#ifndef CL_SANITIZE /* which need processes */
static void *thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static const char *const threaded[] = {"write", "mmap", "munmap", "mprotect", "madvise", "futex",
    "set_robust_list", "rseq", "rt_sigprocmask", "rt_sigaction", "brk", "getrandom", "threads", "tgkill", "gettid", "getpid", "prlimit64"};

static int threads_run(void)
{
	struct rlimit got;
	pthread_t t;
	int ran = 0;

	priv_seccomp(threaded, CL_COUNT(threaded), false);
	if (pthread_create(&t, NULL, thread, &ran) != 0 || pthread_join(t, NULL) != 0 || !ran)
		return 2;
	return tgkill(getpid(), gettid(), 0) == 0 && prlimit(0, RLIMIT_CORE, NULL, &got) == 0 ? 0 : 3;
}

static int no_process(void)
{
	priv_seccomp(threaded, CL_COUNT(threaded), false);
	return fork() < 0 ? 1 : 2;
}

static int no_signal_to_others(void)
{
	pid_t parent = getppid();

	priv_seccomp(threaded, CL_COUNT(threaded), false);
	return tgkill(parent, parent, 0) < 0 ? 1 : 2;
}

static int no_limits_of_others(void)
{
	struct rlimit got;
	pid_t parent = getppid();

	priv_seccomp(threaded, CL_COUNT(threaded), false);
	return prlimit(parent, RLIMIT_CORE, NULL, &got) < 0 ? 1 : 2;
}

static void threads_only(void **state)
{
	int (*const refused[])(void) = {no_process, no_signal_to_others, no_limits_of_others};

	assert_int_equal(in_child(threads_run), 0);
	for (size_t i = 0; i < CL_COUNT(refused); i++) {
		int status = in_child(refused[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}
#endif

static void dropping(void **state)
{
	int status;

	if (getuid() != 0)
		skip();
	assert_int_equal(in_child(drop_and_try_back), 0);
	status = in_child(drop_twice);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(in_child(keep_one_cap), 0);
	assert_int_equal(in_child(jail), 0);
}

static void limiting(void **state)
{
	assert_int_equal(in_child(limits), 0);
}

static void file_trees(void **state)
{
	char name[64];

	assert_non_null(mkdtemp(tree));
	for (const char *const *d = (const char *const[]){"in", "ro", NULL}; *d; d++) {
		snprintf(name, sizeof(name), "%s/%s", tree, *d);
		mkdir(name, 0700);
	}
	snprintf(name, sizeof(name), "%s/ro/file", tree);
	close(open(name, O_CREAT | O_WRONLY, 0600));
	snprintf(name, sizeof(name), "%s/outside", tree);
	close(open(name, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(in_child(landlocked), 0);
	for (const char *const *f = (const char *const[]){"in/new", "ro/file", "outside", "in", "ro",
	    NULL}; *f; f++) {
		snprintf(name, sizeof(name), "%s/%s", tree, *f);
		remove(name);
	}
	rmdir(tree);
}

static void syscalls(void **state)
{
	int status;

	assert_int_equal(in_child(seccomp_allows), 0);
	status = in_child(seccomp_kills);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	assert_int_equal(in_child(seccomp_denies), 0);
}

static void accounts(void **state)
{
	struct cl_err err = {0};
	uid_t uid = 1;
	gid_t gid = 1;

	assert_int_equal(priv_lookup("root", &uid, &gid, NULL), 0);
	assert_int_equal(uid | gid, 0);
	assert_int_equal(priv_lookup("no-such-account", &uid, &gid, &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_string_not_equal(err.hint, "");
}

/* Run a shell script as a child; its output and exit code. */
static int run(struct proc_spec *spec, const char *script, char *out, size_t size)
{
	char *const argv[] = {mem_strdup("sh"), mem_strdup("-c"), mem_strdup(script), NULL};
	size_t at = 0;
	int p[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	spec->path = "/bin/sh";
	spec->argv = argv;
	spec->fds[0] = -1;
	spec->fds[1] = p[1];
	spec->fds[2] = p[1];
	if (spec->nfds < 3)
		spec->nfds = 3;
	pid = proc_start(spec, NULL);
	assert_true(pid > 0);
	close(p[1]);
	while (at < size - 1 && (n = read(p[0], out + at, size - 1 - at)) > 0)
		at += (size_t)n;
	out[at] = 0;
	close(p[0]);
	waitpid(pid, &status, 0);
	for (int i = 0; i < 3; i++)
		mem_free(argv[i]);
	return proc_exit_code(status);
}

static void children_get_what_they_were_given(void **state)
{
	char *const env[] = {mem_strdup("ONLY=this"), NULL};
	char out[1024];
	struct proc_spec spec = {.env = env, .cwd = "/etc"};
	int leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec on purpose */

	assert_int_equal(run(&spec, "pwd; echo $ONLY; exit 7", out, sizeof(out)), 7);
	assert_string_equal(out, "/etc\nthis\n");
	assert_int_equal(run(&spec, "cat; for f in /proc/self/fd/*; do echo ${f##*/}; done", out,
	    sizeof(out)), 0);
	assert_null(strstr(out, "10\n"));
	spec = (struct proc_spec){.nfds = 5, .fds = {-1, -1, -1, leak, leak}};
	assert_int_equal(run(&spec, "head -c4 <&3; test -e /proc/self/fd/5 || echo none", out,
	    sizeof(out)), 0);
	assert_string_equal(out, "rootnone\n");
	spec = (struct proc_spec){0};
	assert_int_equal(run(&spec, "kill -TERM $$", out, sizeof(out)), 128 + SIGTERM);
	close(leak);
	mem_free(env[0]);
}

static void children_reset_signals(void **state)
{
	struct proc_spec spec = {0};
	char out[64];
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run(&spec, "kill -TERM $$; echo alive", out, sizeof(out)), 128 + SIGTERM);
	assert_int_equal(run(&spec, "kill -PIPE $$; echo alive", out, sizeof(out)), 128 + SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void children_lose_identity(void **state)
{
	gid_t groups[] = {4343};
	struct proc_spec spec = {.drop = true, .uid = 65534, .gid = 65534, .groups = groups,
	    .ngroups = 1, .setsid = true};
	char out[128];

	if (getuid() != 0)
		skip();
	assert_int_equal(run(&spec, "/usr/bin/id -u; /usr/bin/id -G", out, sizeof(out)), 0);
	assert_string_equal(out, "65534\n65534 4343\n");
}

static void failed_starts_are_errors(void **state)
{
	char *const argv[] = {mem_strdup("x"), NULL};
	struct proc_spec spec = {.path = "/no/such/program", .argv = argv, .fds = {-1, -1, -1}, .nfds = 3};
	struct cl_err err = {0};

	assert_int_equal(proc_start(&spec, &err), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	err_clear(&err);
	spec.path = "/bin/sh";
	spec.cwd = "/no/such/dir";
	assert_int_equal(proc_start(&spec, &err), -1);
	assert_non_null(strstr(err.message, "directory"));
	err_clear(&err);
	spec.nfds = 9;
	assert_int_equal(proc_start(&spec, &err), -1);
	mem_free(argv[0]);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accounts), cmocka_unit_test(dropping), cmocka_unit_test(limiting),
	    cmocka_unit_test(file_trees), cmocka_unit_test(syscalls),
#ifndef CL_SANITIZE
	    cmocka_unit_test(threads_only),
#endif
	    cmocka_unit_test(children_get_what_they_were_given),
	    cmocka_unit_test(children_reset_signals), cmocka_unit_test(children_lose_identity),
	    cmocka_unit_test(failed_starts_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
