/*
 * The roll: the engine asks who is in which session, and has doors and sessions closed.  The engine's end of
 * the link and the sessions are played here; what a session says is believed only when it is well formed.
 */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/door.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/auth_proto.h"
#include "sshd/auth.h"
#include "sshd/roll.h"

#define UID 200003
#define ID 77

static char dir[64];
static struct gateway g;
static int listener, engine, session = -1;
static struct ipc_out out;
static struct ipc_in in;

static const char *path_of(const char *name)
{
	static char path[4][192];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[0]), "%s/%s", dir, name);
	return path[turn];
}

static int serve(void *arg, struct ipc_in *m)
{
	return roll_serve(arg, m);
}

static void revoked_cb(void *arg, int64_t user, const char *reason, const char *fingerprint)
{
	fail_msg("nobody revoked anything");
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/cl-roll-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	mkdir(path_of("sessions"), 0755);
	mkdir(path_of("bin"), 0755);
	memset(&g, 0, sizeof(g));
	g.uid_base = 200000;
	g.run = mem_strdup(dir);
	g.bin = mem_strdup(path_of("bin"));
	snprintf(g.sessions, sizeof(g.sessions), "%s", path_of("sessions"));
	listener = sock_listen(path_of("auth.sock"), SOCK_SEQPACKET, 0600, NULL);
	g.auth = auth_new(path_of("auth.sock"), getuid(), revoked_cb, &g);
	auth_serve(g.auth, serve);
	auth_turn(g.auth, clock_ms() + 10000);
	engine = sock_accept(listener);
	assert_true(engine >= 0);
	sock_nonblock(engine, 1);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	/* whoever is still asked will not answer */
	roll_turn(&g, INT64_MAX - 1);
	assert_int_equal(roll_fd(), -1);
	auth_free(g.auth);
	close(engine);
	close(listener);
	if (session >= 0)
		close(session);
	session = -1;
	mem_free((void *)(uintptr_t)g.run);
	mem_free((void *)(uintptr_t)g.bin);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	FILE *f = popen(command, "r");
	return f && pclose(f) == 0 ? 0 : -1;
}

/* --- the engine's end --- */

/* Does what the listener does when the engine has said something; whether the link lived. */
static bool listener_hears(void)
{
	short events;

	auth_ready(g.auth, POLLIN);
	return auth_fd(g.auth, &events) >= 0;
}

static void ask_roll(uid_t uid)
{
	ipc_begin(&out, AUTH_ROLL);
	ipc_put_i64(&out, ID);
	ipc_put_u32(&out, uid);
	assert_int_equal(ipc_send(engine, &out), 0);
	assert_true(listener_hears());
}

static void put_kick(uid_t uid, const char *owner, const char *project, bool doors, uint32_t door)
{
	ipc_begin(&out, AUTH_KICK);
	ipc_put_i64(&out, ID);
	ipc_put_u32(&out, uid);
	ipc_put_str(&out, owner);
	ipc_put_str(&out, project);
	ipc_put_u32(&out, doors);
	ipc_put_u32(&out, door);
	ipc_put_str(&out, "the lesson is over");
	assert_int_equal(ipc_send(engine, &out), 0);
}

/* The next message of this kind, its id read. */
static void told(uint32_t type)
{
	assert_int_equal(ipc_recv(engine, &in), 1);
	assert_int_equal(in.type, type);
	assert_int_equal(ipc_get_i64(&in), ID);
}

static void told_nothing(void)
{
	assert_int_equal(ipc_recv(engine, &in), -1);
}

static void done(uint32_t n)
{
	told(AUTH_DONE);
	assert_int_equal(ipc_get_u32(&in), 1);
	assert_int_equal(ipc_get_u32(&in), n);
	assert_int_equal(ipc_end(&in), 0);
}

static void failed(enum cl_code code, const char *says)
{
	struct cl_err err = {0};

	told(AUTH_DONE);
	assert_int_equal(ipc_get_u32(&in), 0);
	ipc_get_err(&in, &err);
	assert_int_equal(ipc_end(&in), 0);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, says))
		fail_msg("%s", err.message);
}

/* A row of one session; the number of its doors, -1: it said nothing. */
static int row(uid_t uid, const char *owner, const char *project)
{
	char text[64];
	uint32_t answers;

	told(AUTH_ROW);
	assert_int_equal(ipc_get_u32(&in), uid);
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, owner);
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, project);
	answers = ipc_get_u32(&in);
	ipc_get_i64(&in);
	ipc_get_i64(&in);
	return answers ? (int)ipc_get_u32(&in) : (ipc_get_u32(&in), -1);
}

/* --- a session's end --- */

static int live(const char *name)
{
	int fd = sock_listen(path_of(name), SOCK_SEQPACKET, 0600, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* Takes the listener's question. */
static int asked(int fd, uint32_t type)
{
	int c = sock_accept(fd);

	assert_true(c >= 0);
	assert_int_equal(ipc_recv(c, &in), 1);
	assert_int_equal(in.type, type);
	return c;
}

static void put_door(uint32_t number, const char *user, uint32_t mode, uint32_t rows, int64_t age)
{
	ipc_put_u32(&out, number);
	ipc_put_str(&out, user);
	ipc_put_u32(&out, mode);
	ipc_put_str(&out, "10.0.0.7");
	ipc_put_u32(&out, rows);
	ipc_put_u32(&out, 80);
	ipc_put_i64(&out, age);
	ipc_put_i64(&out, 5);
}

static void begin_list(uint32_t n)
{
	ipc_begin(&out, DOOR_LISTED);
	ipc_put_i64(&out, 60000);
	ipc_put_i64(&out, 5);
	ipc_put_u32(&out, n);
}

static void answers(int c)
{
	assert_int_equal(ipc_send(c, &out), 0);
	roll_ready(&g);
	close(c);
}

/* --- who is there --- */

static void test_nobody_is_there(void **state)
{
	ask_roll(0);
	done(0);
	assert_int_equal(roll_fd(), -1);
	assert_int_equal(roll_turn(&g, clock_ms()), -1);
}

static void test_sessions_are_asked_and_passed_on(void **state)
{
	char user[64];
	int c;

	session = live("sessions/200003.alice.shop.sock");
	ask_roll(0);
	told_nothing(); /* it is for the session to answer */
	assert_true(roll_fd() >= 0);
	assert_in_range(roll_turn(&g, clock_ms()), 1, ROLL_WAIT_MS);
	c = asked(session, DOOR_LIST);
	assert_int_equal(ipc_end(&in), 0);
	begin_list(2);
	put_door(1, "alice", DOOR_OWNER, 24, 1000);
	put_door(2, "teacher", DOOR_VIEW, 50, 10);
	answers(c);
	assert_int_equal(row(UID, "alice", "shop"), 2);
	assert_int_equal(ipc_get_u32(&in), 1);
	ipc_get_str(&in, user, sizeof(user));
	assert_string_equal(user, "alice");
	done(0);
	assert_int_equal(roll_fd(), -1);
}

static void test_one_person_alone(void **state)
{
	int other = live("sessions/200004.bob.shop.sock"), home = live("sessions/200003.-.-.sock"), c;

	close(live("sessions/not-a-session.sock"));
	ask_roll(UID);
	c = asked(home, DOOR_LIST);
	begin_list(0);
	answers(c);
	assert_int_equal(row(UID, "", ""), 0);
	done(0);
	assert_int_equal(sock_accept(other), -1);
	close(other);
	close(home);
}

static void test_a_socket_that_nobody_answers_is_none(void **state)
{
	close(live("sessions/200003.alice.shop.sock"));
	ask_roll(0);
	done(0);
}

static void test_a_session_that_says_nothing(void **state)
{
	int quick, c;

	session = live("sessions/200003.alice.shop.sock");
	quick = live("sessions/200004.bob.shop.sock");
	ask_roll(0);
	c = asked(quick, DOOR_LIST);
	begin_list(0);
	answers(c);
	assert_int_equal(row(200004, "bob", "shop"), 0);
	told_nothing(); /* the other has some time */
	assert_true(roll_turn(&g, clock_ms() + ROLL_WAIT_MS / 2) > 0);
	told_nothing();
	roll_turn(&g, clock_ms() + ROLL_WAIT_MS + 100);
	assert_int_equal(row(UID, "alice", "shop"), -1);
	done(0);
	close(quick);
}

static void test_a_session_that_ends_meanwhile(void **state)
{
	session = live("sessions/200003.alice.shop.sock");
	ask_roll(0);
	close(asked(session, DOOR_LIST));
	roll_ready(&g);
	assert_int_equal(row(UID, "alice", "shop"), -1);
	done(0);
}

enum lie { LIE_NAME, LIE_NUMBER, LIE_MODE, LIE_SIZE, LIE_AGE, LIE_SHORT, LIE_LONG, LIE_MANY, LIE_TYPE, LIES };

static void put_lie(enum lie lie)
{
	begin_list(lie == LIE_SHORT ? 2 : lie == LIE_MANY ? DOOR_MOST + 1 : 1);
	if (lie == LIE_TYPE)
		ipc_begin(&out, DOOR_KICKED);
	put_door(lie == LIE_NUMBER ? 0 : 1, lie == LIE_NAME ? "\033[2J" : "alice", lie == LIE_MODE ? 9 : DOOR_OWNER,
	    lie == LIE_SIZE ? 100000 : 24, lie == LIE_AGE ? -1 : 1000);
	if (lie == LIE_LONG)
		ipc_put_u32(&out, 1);
}

/* The session's user could have taken its program over: nothing of it goes on to the engine. */
static void test_what_is_malformed_is_not_passed_on(void **state)
{
	session = live("sessions/200003.alice.shop.sock");
	for (int lie = 0; lie < LIES; lie++) {
		int c;

		ask_roll(0);
		c = asked(session, DOOR_LIST);
		put_lie((enum lie)lie);
		answers(c);
		if (row(UID, "alice", "shop") != -1)
			fail_msg("lie %d was believed", lie);
		assert_int_equal(ipc_end(&in), 0);
		done(0);
		assert_int_equal(roll_fd(), -1);
	}
}

static void test_two_questions_at_once(void **state)
{
	int first, second;

	session = live("sessions/200003.alice.shop.sock");
	ask_roll(0);
	first = asked(session, DOOR_LIST);
	put_kick(UID, "alice", "shop", true, 1);
	assert_true(listener_hears());
	second = asked(session, DOOR_KICK);
	ipc_begin(&out, DOOR_KICKED);
	ipc_put_u32(&out, 1);
	answers(second);
	done(1);
	begin_list(0);
	answers(first);
	assert_int_equal(row(UID, "alice", "shop"), 0);
	done(0);
}

/* --- kicking --- */

static void test_doors_are_kicked_with_words(void **state)
{
	char text[64];
	int c;

	session = live("sessions/200003.alice.shop.sock");
	put_kick(UID, "alice", "shop", true, 3);
	assert_true(listener_hears());
	c = asked(session, DOOR_KICK);
	assert_int_equal(ipc_get_u32(&in), 3);
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "the lesson is over");
	assert_int_equal(ipc_end(&in), 0);
	ipc_begin(&out, DOOR_KICKED);
	ipc_put_u32(&out, 1);
	answers(c);
	done(1);
}

static void test_kicking_what_is_not_there(void **state)
{
	int c;

	put_kick(UID, "alice", "shop", true, 0);
	assert_true(listener_hears());
	failed(CL_NOT_FOUND, "no such session");
	put_kick(UID, "alice", "shop", false, 0);
	assert_true(listener_hears());
	failed(CL_NOT_FOUND, "no such session");
	session = live("sessions/200003.alice.shop.sock");
	put_kick(UID, "alice", "shop", true, 9);
	assert_true(listener_hears());
	c = asked(session, DOOR_KICK);
	ipc_begin(&out, DOOR_KICKED);
	ipc_put_u32(&out, 0);
	answers(c);
	failed(CL_NOT_FOUND, "no such door");
}

static void test_a_session_that_does_not_take_the_kick(void **state)
{
	int c;

	session = live("sessions/200003.alice.shop.sock");
	put_kick(UID, "alice", "shop", true, 0);
	assert_true(listener_hears());
	roll_turn(&g, clock_ms() + ROLL_WAIT_MS + 100);
	failed(CL_UNAVAILABLE, "does not answer");
	close(asked(session, DOOR_KICK));
	put_kick(UID, "alice", "shop", true, 0);
	assert_true(listener_hears());
	c = asked(session, DOOR_KICK);
	ipc_begin(&out, DOOR_KICKED);
	ipc_put_u32(&out, 1);
	ipc_put_str(&out, "and more");
	answers(c);
	failed(CL_FAILED, "makes no sense");
}

static void test_nonsense_of_the_engine_ends_the_link(void **state)
{
	static const struct {
		uid_t uid;
		const char *owner, *project;
		uint32_t door;
	} bad[] = {
	    {0, "alice", "shop", 0},          /* root has no session */
	    {199999, "alice", "shop", 0},     /* nor has the machine's own account */
	    {UID, "../../etc", "shop", 0},
	    {UID, "alice", "a/b", 0},
	    {UID, "alice", "shop", DOOR_MOST + 1},
	};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		put_kick(bad[i].uid, bad[i].owner, bad[i].project, true, bad[i].door);
		if (listener_hears())
			fail_msg("question %zu was taken", i);
		assert_int_equal(ipc_recv(engine, &in), 0); /* it hung up */
		close(engine);
		auth_turn(g.auth, clock_ms() + 100000);
		engine = sock_accept(listener);
		assert_true(engine >= 0);
		sock_nonblock(engine, 1);
	}
	ask_roll(0);
	done(0);
}

/* A program that is what a session is to the listener: it bears its name, and its arguments say whose it is. */
static pid_t start_session(const char *script)
{
	char variable[128];
	pid_t pid;
	FILE *f;

	snprintf(variable, sizeof(variable), "cp /bin/sh %s", path_of("bin/codinglab-tui"));
	f = popen(variable, "r");
	assert_true(f && pclose(f) == 0);
	snprintf(variable, sizeof(variable), "CODINGLAB_RUN_DIR=%s", dir);
	pid = fork();
	if (pid == 0) {
		char *env[] = {variable, (char *)(uintptr_t)"PATH=/usr/bin:/bin", NULL};

		if (setresgid(UID, UID, UID) == 0 && setresuid(UID, UID, UID) == 0)
			execle(path_of("bin/codinglab-tui"), "codinglab-tui", "-c", script, "x", "--owner", "alice",
			    "--project", "shop", NULL, env);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

static void wait_for(const char *name)
{
	while (access(path_of(name), F_OK) != 0)
		usleep(2000);
}

static void test_a_session_is_ended(void **state)
{
	char script[160];
	struct pollfd p = {.events = POLLIN};
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	chmod(dir, 0777);
	snprintf(script, sizeof(script), "echo > %s/there; while :; do sleep 0.05; done", dir);
	pid = start_session(script);
	wait_for("there");
	put_kick(200004, "alice", "shop", false, 0); /* another's */
	assert_true(listener_hears());
	failed(CL_NOT_FOUND, "no such session");
	put_kick(UID, "alice", "shop", false, 0);
	assert_true(listener_hears());
	told_nothing(); /* until it has ended */
	p.fd = roll_fd();
	assert_int_equal(poll(&p, 1, 20000), 1);
	roll_ready(&g);
	done(1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void test_a_session_that_will_not_end_is_killed(void **state)
{
	char script[160];
	int status;
	pid_t pid;

	if (getuid() != 0)
		skip();
	chmod(dir, 0777);
	snprintf(script, sizeof(script), "trap '' TERM; echo > %s/there; while :; do sleep 0.05; done", dir);
	pid = start_session(script);
	wait_for("there");
	put_kick(UID, "alice", "shop", false, 0);
	assert_true(listener_hears());
	roll_turn(&g, clock_ms() + ROLL_END_MS / 2);
	told_nothing();
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	roll_turn(&g, clock_ms() + ROLL_END_MS + 100);
	done(1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_nobody_is_there),
	    T(test_sessions_are_asked_and_passed_on),
	    T(test_one_person_alone),
	    T(test_a_socket_that_nobody_answers_is_none),
	    T(test_a_session_that_says_nothing),
	    T(test_a_session_that_ends_meanwhile),
	    T(test_what_is_malformed_is_not_passed_on),
	    T(test_two_questions_at_once),
	    T(test_doors_are_kicked_with_words),
	    T(test_kicking_what_is_not_there),
	    T(test_a_session_that_does_not_take_the_kick),
	    T(test_nonsense_of_the_engine_ends_the_link),
	    T(test_a_session_is_ended),
	    T(test_a_session_that_will_not_end_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
