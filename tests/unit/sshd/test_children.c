/*
 * Records of children (started, asked to end, killed in time, reaped once), sessions found by their
 * path, and the gateway's host key and folders.
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/child.h"
#include "sshd/session.h"

static char dir[64];
static struct gateway g;
static struct cl_err err;
static int reaped, last_status;
static struct child last;

static void reaped_cb(struct child *c, int status)
{
	reaped++;
	last = *c;
	last_status = status;
}

/* A child that sleeps; deaf: to the signals that ask for an end. */
static pid_t sleeper(bool deaf, bool own_group)
{
	int ready[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (own_group)
			setsid();
		if (deaf) {
			signal(SIGHUP, SIG_IGN);
			signal(SIGTERM, SIG_IGN);
		}
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void reap_until(int n)
{
	int64_t end = clock_ms() + 20000;

	while (reaped < n && clock_ms() < end) {
		child_reap(reaped_cb);
		usleep(1000);
	}
	assert_int_equal(reaped, n);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static int setup(void **state)
{
	char *argv[] = {(char *)"test", NULL};
	char path[128];
	int argc = 1;

	snprintf(dir, sizeof(dir), "/var/tmp/cl-child-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_STATE", dir, 1);
	setenv("CODINGLAB_SSHD_USER", "nobody", 1);
	setenv("CODINGLAB_TUI_PANE_USER", "nobody", 1);
	snprintf(path, sizeof(path), "%s/bin", dir);
	mkdir(path, 0755);
	setenv("CODINGLAB_BIN_DIR", path, 1);
	memset(&err, 0, sizeof(err));
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	memset(&g, 0, sizeof(g));
	g.key = -1;
	if (gateway_settings(&g, &err) < 0 || gateway_folders(&g, &err) < 0)
		fail_msg("%s", err.message);
	reaped = 0;
	return 0;
}

static int teardown(void **state)
{
	char command[128];
	FILE *f;

	while (child_first()) {
		kill(child_first()->pid, SIGKILL);
		child_reap(reaped_cb);
		usleep(1000);
	}
	if (g.key >= 0)
		close(g.key);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	f = popen(command, "r");
	return f ? pclose(f) : -1;
}

/* -- records -- */

static void test_they_are_found(void **state)
{
	int one, two;
	struct child *a = child_add(CHILD_EXEC, sleeper(false, true), 200001);
	struct child *b = child_add(CHILD_EXEC, sleeper(false, true), 200001);
	struct child *c = child_add(CHILD_TUI, sleeper(false, false), 200002);

	a->owner = &one;
	b->owner = &two;
	assert_int_equal(child_count(CHILD_EXEC), 2);
	assert_int_equal(child_count(CHILD_TUI), 1);
	assert_int_equal(child_count(CHILD_PANE), 0);
	assert_int_equal(child_count(-1), 3);
	assert_ptr_equal(child_find(CHILD_EXEC, 0, &one), a);
	assert_ptr_equal(child_find(CHILD_EXEC, 0, &two), b);
	assert_ptr_equal(child_find(-1, c->pid, NULL), c);
	assert_null(child_find(CHILD_TUI, a->pid, NULL));
	assert_null(child_find(CHILD_TUI, 0, &one));
	assert_null(child_next(child_find(CHILD_EXEC, 0, &one), CHILD_EXEC, &one));
}

static void test_each_is_reaped_once(void **state)
{
	struct child *c = child_add(CHILD_EXEC, sleeper(false, true), 200001);
	pid_t pid = c->pid, stranger = sleeper(false, false);

	c->channel = 4;
	child_reap(reaped_cb);
	assert_int_equal(reaped, 0);
	kill(stranger, SIGKILL); /* nobody's record: reaped and forgotten */
	kill(pid, SIGTERM);
	reap_until(1);
	assert_int_equal(last.pid, pid);
	assert_int_equal(last.channel, 4);
	assert_true(WIFSIGNALED(last_status) && WTERMSIG(last_status) == SIGTERM);
	assert_null(child_first());
	for (int i = 0; i < 1000 && kill(stranger, 0) == 0; i++) {
		child_reap(reaped_cb);
		usleep(1000);
	}
	assert_int_equal(reaped, 1);
	child_reap(reaped_cb);
	assert_int_equal(reaped, 1);
}

static void test_asked_to_end(void **state)
{
	struct child *c = child_add(CHILD_CONN, sleeper(false, false), 65534);

	child_end(c, SIGTERM, clock_ms() + 60000);
	reap_until(1);
	assert_int_equal(WTERMSIG(last_status), SIGTERM);
}

static void test_the_deaf_are_killed_when_their_time_comes(void **state)
{
	int64_t now = clock_ms();
	struct child *c = child_add(CHILD_EXEC, sleeper(true, true), 200001);

	assert_int_equal(child_turn(now), -1); /* nobody is to be killed */
	child_end(c, SIGHUP, now + 5000);
	assert_int_equal(child_turn(now), 5000);
	assert_int_equal(child_turn(now + 4999), 1);
	child_end(c, SIGHUP, now + 9000); /* asking again gives no more time */
	assert_int_equal(child_turn(now + 1000), 4000);
	child_end(c, SIGTERM, now + 2000);
	assert_int_equal(child_turn(now + 1000), 1000);
	child_reap(reaped_cb);
	assert_int_equal(reaped, 0);
	assert_true(child_turn(now + 2000) > 0); /* killed; tried again later if need be */
	reap_until(1);
	assert_int_equal(WTERMSIG(last_status), SIGKILL);
	assert_int_equal(child_turn(now + 99999), -1);
}

static void test_a_stopped_program_hears_the_hangup(void **state)
{
	struct child *c = child_add(CHILD_EXEC, sleeper(false, true), 200001);
	int status;

	kill(c->pid, SIGSTOP);
	assert_int_equal(waitpid(c->pid, &status, WUNTRACED), c->pid);
	child_end(c, SIGHUP, clock_ms() + 60000);
	reap_until(1);
	assert_int_equal(WTERMSIG(last_status), SIGHUP);
}

/* A program's own children go with it. */
static void test_the_whole_group(void **state)
{
	int fds[2];
	struct pollfd p = {.events = POLLIN};
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() == 0) {
			signal(SIGHUP, SIG_IGN); /* as nohup does */
			if (write(fds[1], "x", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(fds[1]);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	child_end(child_add(CHILD_EXEC, pid, 200001), SIGHUP, clock_ms() + 60000);
	reap_until(1);
	/* the pipe closes when the last of the group is gone */
	p.fd = fds[0];
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(read(fds[0], &c, 1), 0);
	close(fds[0]);
}

/* -- sessions by path -- */

static const struct launch_user alice = {.id = 3, .name = "alice", .uid = 200003, .gid = 200003};

static struct auth_answer place(const char *owner, const char *project)
{
	struct auth_answer at = {.ok = true};

	snprintf(at.owner, sizeof(at.owner), "%s", owner);
	snprintf(at.project, sizeof(at.project), "%s", project);
	snprintf(at.home, sizeof(at.home), "/");
	snprintf(at.workspace, sizeof(at.workspace), "/");
	return at;
}

static int live(const char *name)
{
	char path[700];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", g.sessions, name);
	fd = sock_listen(path, SOCK_SEQPACKET, 0600, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void admitted(int listener, const char *user, uint32_t mode, const char *address)
{
	struct ipc_in *in = mem_alloc(sizeof(*in));
	char text[64];
	int fd = sock_accept(listener);

	assert_true(fd >= 0);
	assert_int_equal(ipc_recv(fd, in), 1);
	assert_int_equal(in->type, DOOR_ADMIT);
	ipc_get_str(in, text, sizeof(text));
	assert_string_equal(text, user);
	assert_int_equal(ipc_get_u32(in), mode);
	ipc_get_str(in, text, sizeof(text));
	assert_string_equal(text, address);
	assert_int_equal(ipc_end(in), 0);
	close(fd);
	mem_free(in);
}

static void test_a_live_session_is_joined(void **state)
{
	struct auth_answer shop = place("bob", "shop"), home = place("", "");
	int one = live("200003.bob.shop.sock"), two = live("200003.-.-.sock"), fd;

	fd = session_open(&g, &alice, &shop, DOOR_OWNER, "192.0.2.1", &err);
	assert_true(fd >= 0);
	admitted(one, "alice", DOOR_OWNER, "192.0.2.1");
	close(fd);
	fd = session_open(&g, &alice, &home, DOOR_VIEW, "::1", &err);
	assert_true(fd >= 0);
	admitted(two, "alice", DOOR_VIEW, "::1");
	close(fd);
	assert_null(child_first()); /* none was started */
	close(one);
	close(two);
}

static void tui_is(const char *script)
{
	char path[128];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/bin/codinglab-%s", dir, i ? "pane" : "tui");
		write_file(path, script, 0755);
	}
}

static void test_none_is_there_so_one_is_started(void **state)
{
	struct auth_answer shop = place("alice", "shop");
	struct stat st;
	char path[700];
	int fd;

	tui_is("#!/bin/sh\nexec sleep 600\n");
	fd = session_open(&g, &alice, &shop, DOOR_OWNER, "::1", &err);
	if (fd < 0)
		fail_msg("%s", err.message);
	close(fd);
	assert_int_equal(child_count(CHILD_TUI), 1);
	assert_int_equal(child_count(CHILD_PANE), 1);
	assert_int_equal(child_find(CHILD_TUI, 0, NULL)->uid, 200003);
	snprintf(path, sizeof(path), "%s/200003.alice.shop.sock", g.sessions);
	assert_string_equal(child_find(CHILD_TUI, 0, NULL)->path, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* joined the second time */
	fd = session_open(&g, &alice, &shop, DOOR_OWNER, "::1", &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(child_count(CHILD_TUI), 1);
}

static void test_a_dead_sessions_file_does_not_matter(void **state)
{
	struct auth_answer shop = place("alice", "shop");
	int fd;

	close(live("200003.alice.shop.sock"));
	tui_is("#!/bin/sh\nexec sleep 600\n");
	fd = session_open(&g, &alice, &shop, DOOR_OWNER, "::1", &err);
	if (fd < 0)
		fail_msg("%s", err.message);
	close(fd);
	assert_int_equal(child_count(CHILD_TUI), 1);
}

static void test_how_many_one_may_have(void **state)
{
	struct auth_answer more = place("alice", "more");
	char name[64];
	int fds[3];

	g.sessions_per_user = 3;
	tui_is("#!/bin/sh\nexec sleep 600\n");
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "200003.alice.p%d.sock", i);
		fds[i] = live(name);
	}
	live("2000031.eve.p.sock"); /* another's whose number begins alike */
	assert_int_equal(session_open(&g, &alice, &more, DOOR_OWNER, "::1", &err), -1);
	assert_int_equal(err.code, CL_QUOTA);
	assert_non_null(strstr(err.hint, "kick"));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	g.sessions_per_user = 4;
	err_clear(&err);
	fds[0] = session_open(&g, &alice, &more, DOOR_OWNER, "::1", &err);
	assert_true(fds[0] >= 0);
	close(fds[0]);
}

static void test_a_session_that_cannot_be_started(void **state)
{
	struct auth_answer shop = place("alice", "shop");
	char path[700];

	assert_int_equal(session_open(&g, &alice, &shop, DOOR_OWNER, "::1", &err), -1);
	assert_true(err.message[0]);
	snprintf(path, sizeof(path), "%s/200003.alice.shop.sock", g.sessions);
	assert_int_equal(access(path, F_OK), -1); /* nothing is left to be mistaken for one */
}

static void test_sweeping(void **state)
{
	int one = live("200003.alice.a.sock"), n;
	char path[700];
	DIR *d;

	close(live("200003.alice.b.sock"));
	close(live("200004.bob.c.sock"));
	snprintf(path, sizeof(path), "%s/README", g.sessions);
	write_file(path, "no socket", 0600);
	assert_int_equal(session_sweep(&g), 1);
	d = opendir(g.sessions);
	for (n = 0; readdir(d); n++)
		;
	closedir(d);
	assert_int_equal(n, 4); /* ".", "..", the live one, the file that is none of ours */
	close(one);
	assert_int_equal(session_sweep(&g), 0);
}

static void test_no_process_of_others_is_ended(void **state)
{
	pid_t pid = sleeper(false, true);

	/* neither by a wrong number nor by "all": it is no session of this gateway */
	assert_int_equal(session_end(&g, 200003, SIGKILL), 0);
	assert_int_equal(session_end(&g, 0, SIGKILL), 0);
	assert_int_equal(kill(pid, 0), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* -- the gateway's own things -- */

static void test_settings(void **state)
{
	assert_int_equal(g.conn_uid, 65534);
	assert_int_equal(g.uid_base, 200000);
	assert_true(g.max_startups > 0 && g.per_source > 0 && g.tries > 0 && g.grace_ms > 0);
	setenv("CODINGLAB_SSHD_USER", "root", 1);
	{
		char *argv[] = {(char *)"test", NULL};
		int argc = 1;

		assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	}
	assert_int_equal(gateway_settings(&g, &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_int_equal(g.conn_uid, 65534); /* the old ones stay */
}

static void test_folders(void **state)
{
	struct stat st;
	char victim[128];

	assert_int_equal(stat(g.sessions, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(g.empty, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(chmod(g.sessions, 0777), 0);
	assert_int_equal(chown(g.sessions, 200003, 200003), 0);
	assert_int_equal(gateway_folders(&g, &err), 0);
	assert_int_equal(stat(g.sessions, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, 0);
	/* a link is no folder of ours */
	snprintf(victim, sizeof(victim), "%s/victim", dir);
	mkdir(victim, 0755);
	rmdir(g.empty);
	assert_int_equal(symlink(victim, g.empty), 0);
	assert_int_equal(gateway_folders(&g, &err), -1);
}

static void test_the_host_key(void **state)
{
	char path[256], text[65536];
	struct stat st;
	ssize_t n;
	int first;

	snprintf(path, sizeof(path), "%s", config_str("sshd.host_key"));
	if (gateway_key(&g, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	n = pread(g.key, text, sizeof(text) - 1, 0);
	assert_true(n > 0 && n == st.st_size);
	text[n] = '\0';
	assert_non_null(strstr(text, "BEGIN OPENSSH PRIVATE KEY"));
	/* sealed: who gets the descriptor cannot change it */
	assert_int_equal(pwrite(g.key, "x", 1, 0), -1);
	assert_int_equal(ftruncate(g.key, 0), -1);
	/* the same key is read again, and the old descriptor is not leaked */
	first = g.key;
	assert_int_equal(gateway_key(&g, &err), 0);
	assert_int_equal(fcntl(g.key, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	if (g.key != first)
		assert_int_equal(fcntl(first, F_GETFD), -1);
	/* one that others can read is refused, and the old stays in use */
	chmod(path, 0644);
	assert_int_equal(gateway_key(&g, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_true(pread(g.key, text, 10, 0) == 10);
	chmod(path, 0600);
	assert_int_equal(chown(path, 200003, 0), 0);
	err_clear(&err);
	assert_int_equal(gateway_key(&g, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	unlink(path);
	write_file(path, "", 0600);
	err_clear(&err);
	assert_int_equal(gateway_key(&g, &err), -1);
	assert_non_null(strstr(err.message, "cannot be read"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_they_are_found), T(test_each_is_reaped_once), T(test_asked_to_end),
	    T(test_the_deaf_are_killed_when_their_time_comes), T(test_a_stopped_program_hears_the_hangup),
	    T(test_the_whole_group), T(test_a_live_session_is_joined),
	    T(test_none_is_there_so_one_is_started), T(test_a_dead_sessions_file_does_not_matter),
	    T(test_how_many_one_may_have), T(test_a_session_that_cannot_be_started), T(test_sweeping),
	    T(test_no_process_of_others_is_ended), T(test_settings), T(test_folders), T(test_the_host_key),
	};

	if (geteuid() != 0) {
		puts("the listener's work needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
