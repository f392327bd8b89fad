/*
 * Starting programs for users: the identity, environment, directory and descriptors that a child
 * gets, and nothing besides; told by stand-ins.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/child.h"
#include "sshd/launch.h"

#define UID 200003
#define GID 200003
#define PROJECT_GID 300012
/* Which descriptors are open, in $l; the shell's own are above 9. */
#define DESCRIPTORS "for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && l=$l$i; done; "

static char dir[64];
static struct gateway g;
static const struct launch_user alice = {.id = 3, .name = "alice", .uid = UID, .gid = GID};
static struct auth_answer at;
static struct name_target target;
static struct monitor_msg *open_;
static struct cl_err err;

static const char *path_of(const char *name)
{
	static char path[4][160];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", dir, name);
	return path[turn];
}

static void program(const char *name, const char *script)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	dprintf(fd, "#!/bin/sh\n%s\n", script);
	fchmod(fd, 0755);
	close(fd);
}

static void run(const char *command)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	assert_int_equal(pclose(f), 0);
}

static int setup(void **state)
{
	char *argv[] = {(char *)"test", NULL};
	int argc = 1;

	snprintf(dir, sizeof(dir), "/var/tmp/cl-launch-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_STATE", dir, 1);
	setenv("CODINGLAB_BIN_DIR", path_of("bin"), 1);
	setenv("SECRET_OF_ROOT", "visible", 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	for (const char *const *d = (const char *const[]){"bin", "home", "work", "run", NULL}; *d; d++)
		mkdir(path_of(*d), 0755);
	memset(&g, 0, sizeof(g));
	g.bin = config_str("bin.dir");
	g.run = config_str("run.dir");
	g.key = -1;
	g.conn_uid = g.pane_uid = 65534;
	g.conn_gid = g.pane_gid = 65534;
	memset(&at, 0, sizeof(at));
	at.ok = true;
	at.project_id = 12;
	snprintf(at.owner, sizeof(at.owner), "alice");
	snprintf(at.project, sizeof(at.project), "shop");
	snprintf(at.home, sizeof(at.home), "%s", path_of("home"));
	snprintf(at.workspace, sizeof(at.workspace), "%s", path_of("work"));
	at.ngroups = 1;
	at.groups[0] = PROJECT_GID;
	memset(&target, 0, sizeof(target));
	open_ = mem_alloc(sizeof(*open_));
	open_->rows = 30;
	open_->cols = 100;
	snprintf(open_->term, sizeof(open_->term), "xterm-256color");
	memset(&err, 0, sizeof(err));
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	mem_free(open_);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	run(command);
	return 0;
}

/* All that comes out of fd until its end. */
static char *drain(int fd)
{
	static char text[2][16384];
	static int turn;
	size_t n = 0;

	turn = !turn;
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t got = poll(&p, 1, 20000) > 0 ? read(fd, text[turn] + n, sizeof(text[0]) - 1 - n) : -1;

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[turn][n] = '\0';
	return text[turn];
}

static int ended(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Run the stand-in by pipes; its stdout. */
static char *tell(const char *script, const char *line, int *code)
{
	int fds[3];
	char *out;
	pid_t pid;

	program("bin/codinglab", script);
	pid = launch_exec(&g, &alice, &at, &target, open_, line, fds, &err);
	if (pid < 0)
		fail_msg("%s", err.message);
	close(fds[0]);
	out = drain(fds[1]);
	close(fds[1]);
	close(fds[2]);
	*code = ended(pid);
	return out;
}

static void test_identity(void **state)
{
	int code;

	assert_string_equal(tell("id -u; id -g; id -G; grep -E 'NoNewPrivs|CapEff' /proc/self/status | wc -l",
	    "whoami", &code), "200003\n200003\n200003 300012\n2\n");
	assert_int_equal(code, 0);
	/* no way back */
	assert_non_null(strstr(tell("grep ^Uid /proc/self/status", "x", &code), "200003\t200003\t200003\t200003"));
	assert_non_null(strstr(tell("grep ^CapEff /proc/self/status", "x", &code), "0000000000000000"));
}

static void test_the_line_is_one_word(void **state)
{
	static const char *const lines[] = {"", "status", "run sh -c 'a; b'", "$(id) `id` ; rm *", "-x --json",
	    "\xea\xb0\x80\n\ttwo lines"};
	char want[256];
	int code;

	for (size_t i = 0; i < CL_COUNT(lines); i++) {
		snprintf(want, sizeof(want), "1\n--ssh\n%s|", lines[i]);
		assert_string_equal(tell("echo $#; printf '%s\\n%s|' \"$1\" \"$CODINGLAB_LINE\"", lines[i], &code), want);
	}
}

static void test_environment(void **state)
{
	const char *out;
	int code;

	snprintf(open_->env[0], sizeof(open_->env[0]), "LANG=ko_KR.UTF-8");
	snprintf(open_->env[1], sizeof(open_->env[1]), "PATH=/tmp/evil");
	snprintf(open_->env[2], sizeof(open_->env[2]), "HOME=/root");
	snprintf(open_->env[3], sizeof(open_->env[3]), "CODINGLAB_SOCKET=/tmp/mine");
	snprintf(open_->env[4], sizeof(open_->env[4]), "USER=root");
	open_->nenv = 5;
	snprintf(target.tier, sizeof(target.tier), "was");
	target.n = 2;
	out = tell("env", "status", &code);
	assert_null(strstr(out, "SECRET_OF_ROOT"));
	assert_null(strstr(out, "/tmp/evil"));
	assert_null(strstr(out, "/tmp/mine"));
	assert_null(strstr(out, "root"));
	assert_non_null(strstr(out, "LANG=ko_KR.UTF-8\n"));
	assert_non_null(strstr(out, "USER=alice\n"));
	assert_non_null(strstr(out, "LOGNAME=alice\n"));
	assert_non_null(strstr(out, "CODINGLAB_PROJECT=shop\n"));
	assert_non_null(strstr(out, "CODINGLAB_TARGET_TIER=was\n"));
	assert_non_null(strstr(out, "CODINGLAB_TARGET_N=2\n"));
	assert_null(strstr(out, "\nTERM=")); /* there is no terminal */
}

static void test_projects_of_others_and_the_home_screen(void **state)
{
	int code;

	snprintf(at.owner, sizeof(at.owner), "bob");
	assert_non_null(strstr(tell("env", "x", &code), "CODINGLAB_PROJECT=bob.shop\n"));
	at.owner[0] = at.project[0] = '\0';
	assert_null(strstr(tell("env", "x", &code), "CODINGLAB_PROJECT"));
	assert_null(strstr(tell("env", "x", &code), "TARGET_TIER"));
}

static void test_working_directory(void **state)
{
	char want[128];
	int code;

	snprintf(want, sizeof(want), "%s\n", path_of("work"));
	assert_string_equal(tell("pwd", "x", &code), want);
	/* the project's group may enter */
	assert_int_equal(chown(path_of("work"), 200009, PROJECT_GID), 0);
	chmod(path_of("work"), 0770);
	assert_string_equal(tell("pwd", "x", &code), want);
	/* a viewer of a project has not its group */
	at.ngroups = 0;
	snprintf(want, sizeof(want), "%s\n", path_of("home"));
	assert_string_equal(tell("pwd", "x", &code), want);
	chmod(path_of("home"), 0700);
	assert_string_equal(tell("pwd", "x", &code), "/\n");
	assert_int_equal(chown(path_of("home"), UID, 0), 0);
	assert_string_equal(tell("pwd", "x", &code), want);
	snprintf(at.workspace, sizeof(at.workspace), "/nonexistent");
	snprintf(at.home, sizeof(at.home), "%s/bin/codinglab", dir); /* no directory */
	assert_string_equal(tell("pwd", "x", &code), "/\n");
}

static void test_pipes_are_three(void **state)
{
	char *out;
	int fds[3];
	pid_t pid;

	program("bin/codinglab", "read -r word; echo \"got $word\"; echo oops >&2; exit 7");
	pid = launch_exec(&g, &alice, &at, &target, open_, "x", fds, &err);
	assert_true(pid > 0);
	assert_int_equal(write(fds[0], "hello\n", 6), 6);
	close(fds[0]);
	out = drain(fds[1]);
	assert_string_equal(out, "got hello\n");
	assert_string_equal(drain(fds[2]), "oops\n");
	close(fds[1]);
	close(fds[2]);
	assert_int_equal(ended(pid), 7);
}

static void test_no_other_descriptor(void **state)
{
	int extra = open("/dev/null", O_RDONLY), code; /* not close-on-exec, as a library may leave it */

	assert_true(extra > 2);
	assert_string_equal(tell(DESCRIPTORS "echo $l", "x", &code), "012\n");
	close(extra);
}

static void test_a_terminal(void **state)
{
	struct winsize size;
	struct termios tio;
	struct stat st;
	char *out, name[64];
	int fds[3];
	pid_t pid;

	open_->pty = true;
	program("bin/codinglab", "read -r w; stty size; echo $TERM; tty; ps -o sid= -p $$ | tr -d ' '; echo $$; exit 3");
	pid = launch_exec(&g, &alice, &at, &target, open_, "x", fds, &err);
	if (pid < 0)
		fail_msg("%s", err.message);
	assert_int_equal(fds[1], -1);
	assert_int_equal(fds[2], -1);
	assert_int_equal(ioctl(fds[0], TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 30);
	assert_int_equal(size.ws_col, 100);
	assert_int_equal(tcgetattr(fds[0], &tio), 0);
	assert_true(tio.c_iflag & IUTF8);
	assert_int_equal(ptsname_r(fds[0], name, sizeof(name)), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_uid, UID);
	assert_int_equal(st.st_mode & 0777, 0620);
	assert_int_equal(write(fds[0], "go\n", 3), 3);
	out = drain(fds[0]);
	assert_non_null(strstr(out, "30 100\r\nxterm-256color\r\n/dev/pts/"));
	snprintf(name, sizeof(name), "\r\n%d\r\n%d\r\n", (int)pid, (int)pid); /* leader of its session */
	assert_non_null(strstr(out, name));
	close(fds[0]);
	assert_int_equal(ended(pid), 3);
}

static void test_closing_a_terminal_hangs_up(void **state)
{
	int fds[3];
	pid_t pid;

	open_->pty = true;
	program("bin/codinglab", "exec sleep 600");
	pid = launch_exec(&g, &alice, &at, &target, open_, "x", fds, &err);
	assert_true(pid > 0);
	close(fds[0]);
	assert_int_equal(ended(pid), 128 + SIGHUP);
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_a_program_that_is_missing(void **state)
{
	int fds[3], before = count_fds(), mon = -1;
	pid_t tui = 0, pane = 0;

	for (int pty = 0; pty < 2; pty++) {
		open_->pty = pty;
		err_clear(&err);
		assert_int_equal(launch_exec(&g, &alice, &at, &target, open_, "x", fds, &err), -1);
		assert_non_null(strstr(err.message, "codinglab"));
		for (int i = 0; i < 3; i++)
			assert_int_equal(fds[i], -1);
	}
	err_clear(&err);
	assert_int_equal(launch_conn(&g, 0, &mon, &err), -1);
	assert_int_equal(mon, -1);
	err_clear(&err);
	assert_int_equal(launch_session(&g, &alice, &at, 0, &tui, &pane, &err), -1);
	assert_true(err.code != CL_OK);
	assert_int_equal(count_fds(), before);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* -- connections and sessions -- */

static void test_a_connection_process(void **state)
{
	int tcp[2], mon = -1;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, tcp), 0);
	g.key = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	program("bin/codinglab-conn", DESCRIPTORS "echo $l >&3; env | grep -v -E '^(PWD|_|SHLVL|OLDPWD)=' >&3; echo \"($#)\" >&3");
	pid = launch_conn(&g, tcp[1], &mon, &err);
	assert_true(pid > 0);
	assert_true(mon >= 0);
	close(tcp[1]);
	/* the client, the monitor, the key; not one variable, not one argument */
	assert_string_equal(drain(tcp[0]), "012345\n(0)\n");
	assert_int_equal(ended(pid), 0);
	close(tcp[0]);
	close(mon);
	close(g.key);
}

static void test_a_session_and_its_pane(void **state)
{
	char note[256], *text, want[400];
	pid_t tui, pane;
	int fd;

	snprintf(note, sizeof(note),
	    DESCRIPTORS "{ echo \"$@\"; id -u; echo $l; env; } > %s/run/${0##*/}", dir);
	chmod(path_of("run"), 0777);
	program("bin/codinglab-tui", note);
	program("bin/codinglab-pane", note);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (launch_session(&g, &alice, &at, fd, &tui, &pane, &err) < 0)
		fail_msg("%s", err.message);
	close(fd);
	assert_int_equal(ended(tui), 0);
	assert_int_equal(ended(pane), 0);
	fd = open(path_of("run/codinglab-tui"), O_RDONLY | O_CLOEXEC);
	text = drain(fd);
	close(fd);
	snprintf(want, sizeof(want), "--listen-fd 3 --pane-fd 4 --shm-fd 5 --user alice --uid 3 --home %s/home "
	    "--project-id 12 --owner alice --project shop --workspace %s/work\n200003\n012345\n", dir, dir);
	if (strncmp(text, want, strlen(want)) != 0)
		fail_msg("%s", text);
	assert_non_null(strstr(text, "LANG=C.UTF-8\n"));
	assert_null(strstr(text, "SECRET_OF_ROOT"));
	fd = open(path_of("run/codinglab-pane"), O_RDONLY | O_CLOEXEC);
	text = drain(fd);
	close(fd);
	if (strncmp(text, "--fd 3 --shm-fd 4\n65534\n01234\n", 30) != 0)
		fail_msg("%s", text);
	assert_null(strstr(text, "alice")); /* a pane knows no user */
}

static void test_the_home_screen_names_no_project(void **state)
{
	char note[160], *text;
	pid_t tui, pane;
	int fd;

	at.project[0] = at.owner[0] = '\0';
	chmod(path_of("run"), 0777);
	snprintf(note, sizeof(note), "echo \"$@\" > %s/run/$(basename $0)", dir);
	program("bin/codinglab-tui", note);
	program("bin/codinglab-pane", note);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(launch_session(&g, &alice, &at, fd, &tui, &pane, &err), 0);
	close(fd);
	assert_int_equal(ended(tui), 0);
	assert_int_equal(ended(pane), 0);
	fd = open(path_of("run/codinglab-tui"), O_RDONLY | O_CLOEXEC);
	text = drain(fd);
	close(fd);
	assert_null(strstr(text, "--project"));
	assert_null(strstr(text, "--workspace"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_identity), T(test_the_line_is_one_word), T(test_environment),
	    T(test_projects_of_others_and_the_home_screen), T(test_working_directory),
	    T(test_pipes_are_three), T(test_no_other_descriptor), T(test_a_terminal),
	    T(test_closing_a_terminal_hangs_up), T(test_a_program_that_is_missing),
	    T(test_a_connection_process), T(test_a_session_and_its_pane),
	    T(test_the_home_screen_names_no_project),
	};

	if (geteuid() != 0) {
		puts("taking on another identity needs root");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
