/*
 * One connection seen from the listener, with the test as its process on one side and as the engine
 * on the other: who gets in, what is opened, and what becomes of a process that misbehaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netinet/in.h>
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
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/auth_proto.h"
#include "sshd/auth.h"
#include "sshd/child.h"
#include "sshd/peer.h"
#include "sshd/peer_serve.h"
#include "sshd/room.h"

static char dir[64];
static struct gateway g;
static struct peer *p;
static int listener, engine, conn;
static struct ipc_out out;
static struct ipc_in in, question;
static char notes[4096]; /* "kind: detail|" of each */
static struct cl_err err;

static void revoke_cb(void *arg, int64_t user_id, const char *reason, const char *fingerprint)
{
	peer_revoke(arg, user_id, reason, fingerprint);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* A peer as peer_start() makes it, its process asleep and its end of the monitor ours. */
static struct peer *new_peer(int *mon)
{
	struct peer *n = mem_alloc(sizeof(*n));
	int pair[2];

	assert_int_equal(ipc_pair(pair, NULL), 0);
	n->gateway = &g;
	n->mon = pair[0];
	n->tcp = -1;
	*mon = pair[1];
	sock_nonblock(pair[0], 1);
	sock_nonblock(pair[1], 1);
	n->pid = sleeper();
	snprintf(n->addr.text, sizeof(n->addr.text), "192.0.2.7");
	n->addr.key[15] = 7;
	n->started = n->ponged = clock_ms();
	phase_init(&n->phase, g.tries);
	child_add(CHILD_CONN, n->pid, g.conn_uid)->owner = n;
	n->next = g.peers;
	g.peers = n;
	return n;
}

static int setup(void **state)
{
	char *argv[] = {(char *)"test", NULL}, path[128];
	int argc = 1;

	snprintf(dir, sizeof(dir), "/var/tmp/cl-peer-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chmod(dir, 0755);
	setenv("CODINGLAB_CONF", "/dev/null", 1);
	setenv("CODINGLAB_STATE", dir, 1);
	setenv("CODINGLAB_BIN_DIR", dir, 1);
	assert_int_equal(config_load(NULL, &argc, argv, &err), 0);
	memset(&err, 0, sizeof(err));
	memset(&g, 0, sizeof(g));
	g.grace_ms = 120000;
	g.tries = 3;
	g.uid_base = 200000;
	g.gid_base = 300000;
	g.conn_uid = 65534;
	g.sessions_per_user = 4;
	g.exempt = "";
	g.bin = config_str("bin.dir");
	g.run = config_str("run.dir");
	g.key = -1;
	snprintf(g.sessions, sizeof(g.sessions), "%s", dir);
	snprintf(path, sizeof(path), "%s/auth.sock", dir);
	listener = sock_listen(path, SOCK_SEQPACKET, 0600, NULL);
	assert_true(listener >= 0);
	g.auth = auth_new(path, getuid(), revoke_cb, &g);
	g.penalties = penalty_new(100);
	auth_turn(g.auth, clock_ms());
	engine = sock_accept(listener);
	assert_true(engine >= 0);
	p = new_peer(&conn);
	notes[0] = '\0';
	return 0;
}

static void reaped_cb(struct child *c, int status)
{
	if (c->kind == CHILD_CONN && c->owner)
		peer_serve_ended(c->owner, status);
	else if (c->owner)
		peer_child_ended(c->owner, c->channel, status);
}

static int teardown(void **state)
{
	char command[128];
	FILE *f;

	if (conn >= 0)
		close(conn);
	for (int i = 0; i < 5000 && child_first(); i++) {
		for (struct child *c = child_first(); c; c = child_next(c, -1, NULL))
			kill(c->pid, SIGKILL);
		child_reap(reaped_cb);
		usleep(1000);
	}
	assert_null(child_first());
	assert_null(g.peers);
	auth_free(g.auth);
	penalty_free(g.penalties);
	close(engine);
	close(listener);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	f = popen(command, "r");
	return f ? pclose(f) : -1;
}

/* -- the engine's side -- */

/* What the listener sent to the engine so far: notes are kept; the type of the question, or 0. */
static uint32_t asked(void)
{
	uint32_t type = 0;
	char kind[32], detail[512];
	short events;

	if (auth_fd(g.auth, &events) >= 0)
		auth_ready(g.auth, POLLOUT);
	while (ipc_recv(engine, &in) == 1) {
		if (in.type != AUTH_NOTE) {
			question = in;
			type = in.type;
			continue;
		}
		ipc_get_i64(&in);
		ipc_get_i64(&in);
		ipc_get_str(&in, detail, sizeof(detail));
		ipc_get_str(&in, detail, sizeof(detail));
		assert_string_equal(detail, "192.0.2.7");
		ipc_get_str(&in, kind, sizeof(kind));
		ipc_get_str(&in, detail, sizeof(detail));
		assert_int_equal(ipc_end(&in), 0);
		snprintf(notes + strlen(notes), sizeof(notes) - strlen(notes), "%s: %s|", kind, detail);
	}
	return type;
}

static int noted(const char *text)
{
	int n = 0;

	asked();
	for (const char *at = notes; (at = strstr(at, text)); at += strlen(text))
		n++;
	return n;
}

static void answer(void)
{
	assert_int_equal(ipc_send(engine, &out), 0);
	auth_ready(g.auth, POLLIN);
}

static void engine_says_no(void)
{
	int64_t id = ipc_get_i64(&question);

	ipc_begin(&out, AUTH_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 0);
	answer();
}

struct identity {
	int64_t id;
	const char *name;
	uint32_t uid, gid;
};

static const struct identity alice = {7, "alice", 200007, 200007};

static void engine_says_yes(const struct identity *who)
{
	int64_t id = ipc_get_i64(&question);

	ipc_begin(&out, AUTH_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 1);
	ipc_put_i64(&out, who->id);
	ipc_put_str(&out, who->name);
	ipc_put_u32(&out, who->uid);
	ipc_put_u32(&out, who->gid);
	ipc_put_str(&out, "developer");
	ipc_put_str(&out, "SHA256:key1");
	answer();
}

static void engine_gives(const char *home, const char *work, uint32_t group, const char *project)
{
	int64_t id = ipc_get_i64(&question);

	ipc_begin(&out, AUTH_TARGET_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 1);
	ipc_put_i64(&out, 12);
	ipc_put_str(&out, project[0] ? "alice" : "");
	ipc_put_str(&out, project);
	ipc_put_str(&out, home);
	ipc_put_str(&out, work);
	ipc_put_u32(&out, 1);
	ipc_put_u32(&out, group);
	answer();
}

/* -- the process's side -- */

static void say(void)
{
	assert_int_equal(ipc_send(conn, &out), 0);
	peer_serve_ready(p);
}

static void say_key(const char *user, bool is_signed)
{
	ipc_begin(&out, MONITOR_KEY);
	ipc_put_str(&out, user);
	ipc_put_str(&out, "ssh-ed25519 AAAA");
	ipc_put_u32(&out, is_signed);
	say();
}

static void say_password(const char *user)
{
	ipc_begin(&out, MONITOR_PASSWORD);
	ipc_put_str(&out, user);
	ipc_put_bytes(&out, "secret", 6);
	say();
}

static void say_open(uint32_t channel, bool exec, const char *line, bool pty)
{
	ipc_begin(&out, MONITOR_OPEN);
	ipc_put_u32(&out, channel);
	ipc_put_u32(&out, exec);
	ipc_put_str(&out, line);
	ipc_put_u32(&out, pty);
	ipc_put_u32(&out, 24);
	ipc_put_u32(&out, 80);
	ipc_put_str(&out, "xterm");
	ipc_put_u32(&out, 0);
	say();
}

static void say_number(uint32_t type, uint32_t a, int b)
{
	ipc_begin(&out, type);
	ipc_put_u32(&out, a);
	if (b >= 0)
		ipc_put_u32(&out, (uint32_t)b);
	say();
}

static void hear(uint32_t type)
{
	if (ipc_recv(conn, &in) != 1)
		fail_msg("nothing was said, %#x expected", type);
	if (in.type != type)
		fail_msg("%#x was said, %#x expected", in.type, type);
}

static void hear_verdict(uint32_t ok)
{
	hear(MONITOR_VERDICT);
	assert_int_equal(ipc_get_u32(&in), ok);
	assert_int_equal(ipc_end(&in), 0);
}

static void log_in(const char *name)
{
	say_key(name, true);
	assert_int_equal(asked(), AUTH_KEY);
	engine_says_yes(&alice);
	hear_verdict(1);
	assert_true(p->phase.verified);
}

static void program(const char *script)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/codinglab", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	dprintf(fd, "#!/bin/sh\n%s\n", script);
	fchmod(fd, 0755);
	close(fd);
}

static void ended(int status)
{
	struct child *c = child_find(CHILD_CONN, p->pid, NULL);
	pid_t pid = p->pid;

	/* as child_reap() does it, with a status of our choice */
	c->owner = NULL;
	peer_serve_ended(p, status);
	p = NULL;
	kill(pid, SIGKILL);
}

/* -- who it is -- */

static void test_an_offer_then_a_proof(void **state)
{
	char text[64];

	say_key("alice+shop", false);
	assert_int_equal(asked(), AUTH_KEY);
	ipc_get_i64(&question);
	ipc_get_str(&question, text, sizeof(text));
	assert_string_equal(text, "alice"); /* the engine knows users, not targets */
	ipc_get_str(&question, text, sizeof(text));
	assert_string_equal(text, "192.0.2.7");
	ipc_get_str(&question, text, sizeof(text));
	assert_string_equal(text, "ssh-ed25519 AAAA");
	assert_int_equal(ipc_get_u32(&question), 0);
	assert_int_equal(ipc_end(&question), 0);
	question.pos = 4;
	question.bad = false;
	engine_says_yes(&alice);
	hear_verdict(1);
	assert_false(p->phase.verified);
	assert_string_equal(p->user.name, "");
	assert_int_equal(noted("login"), 0);
	say_key("alice+shop", true);
	assert_int_equal(asked(), AUTH_KEY);
	engine_says_yes(&alice);
	hear_verdict(1);
	assert_true(p->phase.verified);
	assert_string_equal(p->user.name, "alice");
	assert_int_equal(p->user.uid, 200007);
	assert_string_equal(p->target.project, "shop");
	assert_int_equal(noted("login: alice+shop|"), 1);
}

/* An engine that was taken over cannot make the listener start something as root. */
static void test_identities_that_cannot_be(void **state)
{
	static const struct identity bad[] = {
	    {0, "alice", 200000, 200007}, {-7, "alice", 199993, 200007}, {7, "bob", 200007, 200007},
	    {7, "root", 200007, 200007}, {7, "alice", 0, 200007}, {7, "alice", 200008, 200007},
	    {7, "alice", 7, 200007}, {7, "alice", 200007, 0}, {7, "alice", 200007, 42},
	    {1000000000, "alice", 1000200000, 200007}, {7, "", 200007, 200007}};

	g.tries = 100;
	phase_init(&p->phase, 100);
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		say_password("alice");
		assert_int_equal(asked(), AUTH_PASSWORD);
		engine_says_yes(&bad[i]);
		hear_verdict(0);
		if (p->phase.verified || p->user.name[0])
			fail_msg("identity %zu was taken", i);
	}
	log_in("alice");
}

static void test_malformed_names(void **state)
{
	static const char *const bad[] = {"", "+", "alice+", "alice+shop.", "alice+shop.was-0", "Alice",
	    "alice bob", "alice\nroot", "../etc", "alice+a+b"};

	g.tries = 100;
	phase_init(&p->phase, 100);
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		say_password(bad[i]);
		if (asked() != 0)
			fail_msg("%s: the engine was asked", bad[i]);
		hear_verdict(0);
	}
	assert_int_equal(noted("refused: malformed user name|"), 1); /* once for each connection */
	assert_int_equal(p->phase.tries, CL_COUNT(bad));
}

static void test_tries_run_out(void **state)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(p->close_at, 0);
		say_password("alice");
		assert_int_equal(asked(), AUTH_PASSWORD);
		engine_says_no();
		hear_verdict(0);
	}
	assert_int_equal(noted("refused: wrong key or password|"), 2);
	assert_int_equal(noted("refused: too many attempts|"), 1);
	assert_int_equal(noted("penalty: refused for "), 1);
	assert_true(penalty_left(g.penalties, &p->addr, clock_ms()) > 0);
	/* it is given a moment to say so, and nothing it says counts */
	assert_true(p->close_at > clock_ms());
	say_password("alice");
	assert_int_equal(asked(), 0);
	assert_false(p->killed);
	peer_turn(p, p->close_at);
	assert_true(p->killed);
}

static void test_no_engine(void **state)
{
	close(engine);
	auth_ready(g.auth, POLLIN);
	say_password("alice");
	auth_turn(g.auth, p->started + g.grace_ms + 1);
	hear_verdict(0);
	engine = sock_accept(listener);
	if (engine < 0)
		engine = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* -- what it does -- */

static int read_all(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return (int)n;
}

static void test_a_program(void **state)
{
	char text[256];
	int fds[3];

	log_in("alice+shop");
	program("echo \"$CODINGLAB_LINE\"; id -u");
	say_open(3, true, "config set PW=s3cret", false);
	assert_int_equal(asked(), AUTH_TARGET);
	engine_gives("/", "/", 300012, "shop");
	hear(MONITOR_PIPES);
	assert_int_equal(ipc_get_u32(&in), 3);
	for (int i = 0; i < 3; i++)
		fds[i] = ipc_get_fd(&in);
	assert_int_equal(ipc_end(&in), 0);
	read_all(fds[1], text, sizeof(text));
	assert_string_equal(text, "config set PW=s3cret\n200007\n");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	for (int i = 0; i < 10000 && child_count(CHILD_EXEC); i++) {
		child_reap(reaped_cb);
		usleep(1000);
	}
	hear(MONITOR_EXIT);
	assert_int_equal(ipc_get_u32(&in), 3);
	assert_int_equal(ipc_get_u32(&in), 0);
	/* arguments may hold secrets: the audit log has the verb alone */
	assert_int_equal(noted("session: shop: config|"), 1);
	assert_int_equal(noted("s3cret"), 0);
	say_number(MONITOR_FORGET, 3, -1);
	assert_false(p->killed);
}

static void test_an_instance_by_name(void **state)
{
	char text[256];
	int fd;

	log_in("alice+shop.was-2");
	program("echo \"$CODINGLAB_LINE\"; echo $CODINGLAB_TARGET_TIER $CODINGLAB_TARGET_N");
	say_open(0, false, "", true);
	assert_int_equal(asked(), AUTH_TARGET);
	engine_gives("/", "/", 300012, "shop");
	hear(MONITOR_PTY);
	ipc_get_u32(&in);
	fd = ipc_get_fd(&in);
	assert_int_equal(ipc_end(&in), 0);
	read_all(fd, text, sizeof(text));
	assert_string_equal(text, "enter was-2\r\nwas 2\r\n");
	close(fd);
}

static void refused(const char *text, int code)
{
	char got[MONITOR_TEXT_MAX + 1];

	hear(MONITOR_REFUSED);
	ipc_get_u32(&in);
	assert_int_equal(ipc_get_u32(&in), code);
	ipc_get_str(&in, got, sizeof(got));
	assert_int_equal(ipc_end(&in), 0);
	if (!strstr(got, text))
		fail_msg("%s", got);
	assert_int_equal(strncmp(got, "codinglab: ", 11), 0);
}

static void test_the_engine_refuses(void **state)
{
	struct cl_err why = {.code = CL_NOT_FOUND, .message = "project shop: not found",
	    .hint = "`project ls` lists yours"};
	int64_t id;

	log_in("alice+shop");
	say_open(0, true, "status", false);
	assert_int_equal(asked(), AUTH_TARGET);
	id = ipc_get_i64(&question);
	ipc_begin(&out, AUTH_TARGET_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 0);
	ipc_put_err(&out, &why);
	answer();
	refused("project shop: not found. `project ls` lists yours", 4);
	assert_int_equal(child_count(CHILD_EXEC), 0);
	say_number(MONITOR_FORGET, 0, -1);
	assert_false(p->killed);
}

static void test_places_that_cannot_be(void **state)
{
	static const struct {
		const char *home, *work;
		uint32_t group;
		const char *project;
	} bad[] = {
	    {"/", "/", 0, "shop"}, {"/", "/", 27, "shop"}, {"/", "/", 299999, "shop"},
	    {"", "/", 300012, "shop"}, {"home", "/", 300012, "shop"}, {"/", "", 300012, "shop"},
	    {"/", "work", 300012, "shop"}, {"/", "/", 300012, "../x"}, {"/", "/", 300012, "Shop"}};

	log_in("alice+shop");
	program("true");
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		say_open(0, true, "status", false);
		assert_int_equal(asked(), AUTH_TARGET);
		engine_gives(bad[i].home, bad[i].work, bad[i].group, bad[i].project);
		refused("makes no sense", 1);
		say_number(MONITOR_FORGET, 0, -1);
	}
	assert_int_equal(child_count(CHILD_EXEC), 0);
}

static void test_a_program_that_is_missing(void **state)
{
	log_in("alice");
	say_open(0, true, "status", false);
	assert_int_equal(asked(), AUTH_TARGET);
	engine_gives("/", "", 300012, "");
	hear(MONITOR_REFUSED);
	ipc_close_fds(&in);
	assert_int_equal(child_count(CHILD_EXEC), 0);
}

static int exit_of(uint32_t channel)
{
	for (int i = 0; i < 20000; i++) {
		child_reap(reaped_cb);
		if (ipc_recv(conn, &in) == 1) {
			assert_int_equal(in.type, MONITOR_EXIT);
			assert_int_equal(ipc_get_u32(&in), channel);
			ipc_get_u32(&in);
			return (int)ipc_get_u32(&in);
		}
		usleep(1000);
	}
	fail_msg("channel %u did not end", channel);
	return -1;
}

static void test_signals_reach_their_program_only(void **state)
{
	pid_t other;

	log_in("alice");
	program("exec sleep 600");
	for (uint32_t channel = 0; channel < 2; channel++) {
		say_open(channel, true, "run", false);
		assert_int_equal(asked(), AUTH_TARGET);
		engine_gives("/", "", 300012, "");
		hear(MONITOR_PIPES);
		ipc_close_fds(&in);
	}
	assert_int_equal(child_count(CHILD_EXEC), 2);
	say_number(MONITOR_SIGNAL, 1, SIGINT);
	assert_int_equal(exit_of(1), SIGINT);
	assert_int_equal(child_count(CHILD_EXEC), 1);
	other = child_find(CHILD_EXEC, 0, p)->pid;
	assert_int_equal(kill(other, 0), 0);
	/* forgetting a channel hangs up on what runs in it */
	say_number(MONITOR_FORGET, 0, -1);
	for (int i = 0; i < 20000 && child_count(CHILD_EXEC); i++) {
		child_reap(reaped_cb);
		usleep(1000);
	}
	assert_int_equal(child_count(CHILD_EXEC), 0);
	assert_int_not_equal(ipc_recv(conn, &in), 1); /* nobody waits for that */
}

static void test_the_end_of_a_connection_ends_its_programs(void **state)
{
	pid_t pid;

	log_in("alice");
	program("exec sleep 600");
	say_open(0, true, "run", false);
	asked();
	engine_gives("/", "", 300012, "");
	pid = child_find(CHILD_EXEC, 0, p)->pid;
	hear(MONITOR_PIPES);
	ipc_close_fds(&in);
	ended(0);
	assert_int_equal(noted("logout: connection closed|"), 1);
	for (int i = 0; i < 20000 && child_count(CHILD_EXEC); i++) {
		child_reap(reaped_cb);
		usleep(1000);
	}
	assert_int_equal(kill(pid, 0), -1);
}

/* -- what it must not do -- */

static void expect_killed(const char *note)
{
	assert_true(p->killed);
	if (!noted(note))
		fail_msg("%s", notes);
	assert_true(penalty_left(g.penalties, &p->addr, clock_ms()) > 0);
	assert_int_equal(peer_turn(p, clock_ms()), -1);
}

static void test_opening_before_logging_in(void **state)
{
	say_open(0, true, "whoami", false);
	assert_int_equal(asked(), 0);
	expect_killed("crash: message 0x342 is not allowed in phase preauth");
}

static void test_two_questions_at_once(void **state)
{
	say_password("alice");
	say_password("alice");
	assert_int_equal(asked(), AUTH_PASSWORD);
	expect_killed("is not allowed in phase asking");
	/* the answer comes too late for it */
	engine_says_yes(&alice);
	assert_false(p->phase.verified);
	assert_string_equal(p->user.name, "");
}

static void test_nonsense(void **state)
{
	ipc_begin(&out, MONITOR_PASSWORD);
	ipc_put_u32(&out, 9);
	say();
	expect_killed("crash: malformed message from the connection|");
}

static void test_messages_of_the_listeners_own(void **state)
{
	ipc_begin(&out, MONITOR_VERDICT);
	ipc_put_u32(&out, 1);
	say();
	expect_killed("crash: ");
	assert_false(p->phase.verified);
}

static void test_descriptors(void **state)
{
	ipc_begin(&out, MONITOR_PONG);
	ipc_put_u32(&out, 0);
	ipc_put_fd(&out, 0);
	say();
	expect_killed("crash: malformed");
}

static void test_one_that_does_not_read(void **state)
{
	for (int i = 0; i < 100000 && !p->killed; i++)
		peer_child_ended(p, 0, 0);
	assert_true(p->killed);
}

/* -- time -- */

static void test_grace(void **state)
{
	assert_true(peer_turn(p, p->started + 1000) <= 119000);
	assert_false(p->killed);
	peer_turn(p, p->started + 120000);
	assert_true(p->killed);
	assert_int_equal(noted("refused: not authenticated in time|"), 1);
}

static void test_heartbeats(void **state)
{
	int64_t now = clock_ms();

	log_in("alice");
	assert_int_equal(peer_turn(p, now), 2000);
	hear(MONITOR_PING);
	assert_int_equal(ipc_get_u32(&in), 1);
	say_number(MONITOR_PONG, 1, -1);
	assert_true(peer_turn(p, now + 1000) <= 4000);
	assert_int_not_equal(ipc_recv(conn, &in), 1);
	/* it did something since: asked again */
	p->cpu_at_ping -= 1000;
	peer_turn(p, now + 2000);
	hear(MONITOR_PING);
	assert_int_equal(ipc_get_u32(&in), 2);
	/* an answer to another question is none */
	say_number(MONITOR_PONG, 1, -1);
	/* late, but it used no processor: the machine is busy */
	peer_turn(p, now + 2000 + 3000);
	assert_false(p->killed);
	peer_turn(p, now + 2000 + 19999);
	assert_false(p->killed);
	peer_turn(p, now + 2000 + 20000);
	expect_killed("crash: connection process hangs|");
}

/* Hundreds of connections at rest shall not keep the machine awake, and are asked in one turn. */
static void test_one_that_rests_is_left_alone(void **state)
{
	int64_t now = clock_ms();

	log_in("alice");
	peer_turn(p, now);
	hear(MONITOR_PING);
	say_number(MONITOR_PONG, 1, -1);
	p->cpu_at_ping = 1000000000; /* whatever this process, which stands for it, uses meanwhile */
	for (int64_t t = 2000; t < 30000; t += 2000) {
		int wait = peer_turn(p, now + t);

		assert_in_range(wait, 1, 4000);
		assert_int_equal((now + t + wait) % 2000, 0);
		assert_int_not_equal(ipc_recv(conn, &in), 1);
	}
	peer_turn(p, now + 30000);
	hear(MONITOR_PING);
	assert_int_equal(ipc_get_u32(&in), 2);
	say_number(MONITOR_PONG, 2, -1);
	assert_false(p->killed);
}

static void test_closing(void **state)
{
	char text[64];

	log_in("alice");
	peer_close(p, "the lab goes down");
	hear(MONITOR_CLOSE);
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "the lab goes down");
	say_open(0, true, "status", false); /* too late */
	assert_int_equal(asked(), 0);
	assert_false(p->killed);
	assert_true(peer_turn(p, clock_ms()) > 0);
	peer_turn(p, p->close_at);
	assert_true(p->killed);
}

/* -- what its end says -- */

static void test_ends(void **state)
{
	static const struct {
		int status;
		bool tried;
		const char *note;
		int64_t penalty;
	} cases[] = {
	    {0, false, "", 1000},
	    {0, true, "", 5000},
	    {SIGSEGV, false, "crash: connection process died: signal 11|", 90000},
	    {1 << 8, false, "crash: connection process died: status 1|", 90000},
	};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct addr addr = p->addr;

		if (cases[i].tried) {
			say_password("alice");
			asked();
			engine_says_no();
		}
		notes[0] = '\0';
		ended(cases[i].status);
		asked();
		assert_null(strstr(notes, "logout"));
		assert_non_null(strstr(notes, cases[i].note));
		/* what it cost shows once it adds up to the least that is served */
		if (cases[i].penalty >= PENALTY_LEAST_MS)
			assert_true(penalty_left(g.penalties, &addr, clock_ms()) > cases[i].penalty - 5000);
		else
			assert_int_equal(penalty_left(g.penalties, &addr, clock_ms()), 0);
		assert_int_equal(penalty_count(g.penalties), 1);
		penalty_free(g.penalties);
		g.penalties = penalty_new(100);
		close(conn);
		p = new_peer(&conn);
	}
}

static void test_the_exempt_are_not_punished(void **state)
{
	p->exempt = true;
	say_open(0, true, "whoami", false);
	assert_true(p->killed);
	assert_int_equal(noted("crash"), 1);
	assert_int_equal(noted("penalty"), 0);
	assert_int_equal(penalty_count(g.penalties), 0);
}

/* -- several -- */

static void test_revoking(void **state)
{
	struct peer *first = p, *second;
	int first_conn = conn, second_conn;

	log_in("alice");
	p = second = new_peer(&second_conn);
	conn = second_conn;
	log_in("alice");
	snprintf(second->user.fingerprint, sizeof(second->user.fingerprint), "SHA256:key2");
	peer_revoke(&g, 8, "not hers", "");
	assert_true(!first->close_at && !second->close_at);
	peer_revoke(&g, 7, "this key is no longer yours", "SHA256:key2");
	assert_true(!first->close_at && second->close_at);
	hear(MONITOR_CLOSE);
	ipc_begin(&out, AUTH_REVOKE); /* as the engine says it */
	ipc_put_i64(&out, 7);
	ipc_put_str(&out, "the account was removed");
	ipc_put_str(&out, "");
	answer();
	assert_true(first->close_at);
	p = first;
	conn = first_conn;
	hear(MONITOR_CLOSE);
	close(second_conn);
}

static void test_counting_the_unproven(void **state)
{
	struct addr here = p->addr, elsewhere = p->addr;
	struct peer *second;
	int mon;

	elsewhere.key[15] = 8;
	assert_int_equal(peer_unproven(&g, NULL), 1);
	second = new_peer(&mon);
	second->addr = elsewhere;
	assert_int_equal(peer_unproven(&g, NULL), 2);
	assert_int_equal(peer_unproven(&g, &here), 1);
	log_in("alice");
	assert_int_equal(peer_unproven(&g, NULL), 1);
	assert_int_equal(peer_unproven(&g, &here), 0);
	assert_int_equal(peer_unproven(&g, &elsewhere), 1);
	close(mon);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void test_a_refusal_is_held_back(void **state)
{
	int64_t now = clock_ms();

	g.delay_ms = 1000;
	say_password("alice");
	assert_int_equal(asked(), AUTH_PASSWORD);
	engine_says_no();
	assert_int_equal(ipc_recv(conn, &in), -1); /* nothing yet */
	assert_in_range(peer_serve_turn(p, clock_ms()), 1, 1000);
	assert_int_equal(p->phase.at, PHASE_ASKING); /* so that it cannot ask again meanwhile */
	peer_serve_turn(p, now + 1100);
	hear_verdict(0);
	assert_int_equal(peer_serve_turn(p, now + 1100), -1);
	assert_int_equal(noted("refused: wrong key or password"), 1);
	/* the next takes twice as long, and longer with a penalty that waits */
	say_password("alice");
	asked();
	engine_says_no();
	assert_in_range(peer_serve_turn(p, clock_ms()), 1001, 2000);
	peer_serve_turn(p, clock_ms() + 2100);
	hear_verdict(0);
	penalty_add(g.penalties, &p->addr, PENALTY_AUTH_FAILED, clock_ms() + 60000);
	say_password("alice");
	asked();
	engine_says_no();
	assert_in_range(peer_serve_turn(p, clock_ms()), 4001, 5000); /* and no longer than this */
	peer_serve_turn(p, clock_ms() + 5100);
	hear_verdict(0);
	assert_int_equal(p->phase.at, PHASE_ENDING);
}

static void test_what_is_not_held_back(void **state)
{
	g.delay_ms = 1000;
	say_key("alice", false); /* only an offer: agents hold several */
	asked();
	engine_says_no();
	hear_verdict(0);
	p->exempt = true;
	say_password("alice");
	asked();
	engine_says_no();
	hear_verdict(0);
	p->exempt = false;
	log_in("alice"); /* and a yes */
}

static void test_asking_while_held_back_is_illegal(void **state)
{
	g.delay_ms = 1000;
	say_password("alice");
	asked();
	engine_says_no();
	say_password("alice");
	assert_true(p->killed);
	assert_int_equal(peer_serve_turn(p, clock_ms() + 60000), -1);
	assert_int_equal(noted("crash: "), 1);
}

static void test_a_malformed_name_waits_too(void **state)
{
	g.delay_ms = 1000;
	say_password("../etc");
	assert_int_equal(asked(), 0);
	assert_int_equal(ipc_recv(conn, &in), -1);
	peer_serve_turn(p, clock_ms() + 1100);
	hear_verdict(0);
	assert_int_equal(noted("refused: "), 1);
}

static void test_a_user_has_so_many_connections(void **state)
{
	int mon2;
	struct peer *first = p, *second;

	g.connections_per_user = 1;
	log_in("alice");
	assert_int_equal(peer_of_user(&g, 7), 1);
	assert_int_equal(p->surplus_until, 0);
	second = p = new_peer(&mon2);
	int mon1 = conn;
	conn = mon2;
	log_in("alice");
	assert_int_equal(noted("too many connections"), 1);
	say_open(0, true, "echo hi", false);
	hear(MONITOR_REFUSED);
	assert_int_equal(asked(), 0);
	assert_true(peer_turn(second, clock_ms() + 6000) > 0);
	hear(MONITOR_CLOSE);
	conn = mon1;
	p = first;
	close(mon2);
	say_open(0, true, "echo hi", false);
	assert_int_equal(asked(), AUTH_TARGET);
}

static struct peer *peer_from(const char *text, int64_t age, int *mon)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	struct peer *n = new_peer(mon);

	assert_int_equal(inet_pton(AF_INET, text, &sa.sin_addr), 1);
	addr_set(&n->addr, (struct sockaddr *)&sa);
	n->started -= age;
	return n;
}

static void test_who_makes_room(void **state)
{
	int mon[5];
	struct peer *old = peer_from("10.0.0.1", 9000, &mon[0]), *crowd = peer_from("10.0.1.1", 2000, &mon[1]),
		    *more = peer_from("10.0.1.2", 1000, &mon[2]), *young = peer_from("10.0.2.1", 10, &mon[3]),
		    *known = peer_from("10.0.1.3", 8000, &mon[4]);

	p->exempt = true; /* and so is never asked to go */
	known->phase.verified = true;
	assert_int_equal(room_near(&g, &crowd->addr), 2);
	assert_true(room_make(&g)); /* the oldest of the network that holds most */
	assert_true(crowd->killed && !more->killed && !old->killed && !known->killed);
	assert_int_equal(room_near(&g, &more->addr), 1);
	assert_true(room_make(&g)); /* one each: the oldest, when it had its time */
	assert_true(old->killed && !more->killed && !young->killed);
	assert_false(room_make(&g));
	assert_false(more->killed || young->killed || p->killed);
	assert_int_equal(peer_unproven(&g, NULL), 3);
	for (int i = 0; i < 5; i++)
		close(mon[i]);
}

static void test_a_silent_one_goes_first(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int mon[2], l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), c[2];
	struct peer *n[2];

	assert_int_equal(bind(l, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(l, 2), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &len), 0);
	for (int i = 0; i < 2; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(c[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
		n[i] = peer_from(i ? "10.0.1.1" : "10.0.2.1", i ? 400 : 2000, &mon[i]);
		n[i]->tcp = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	}
	assert_int_equal(write(c[0], "SSH-", 4), 4);
	p->exempt = true;
	assert_true(room_make(&g));
	assert_true(n[1]->killed && !n[0]->killed); /* though it is the younger */
	assert_false(room_make(&g));
	for (int i = 0; i < 2; i++) {
		close(c[i]);
		close(mon[i]);
	}
	close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_refusal_is_held_back), T(test_what_is_not_held_back),
	    T(test_asking_while_held_back_is_illegal), T(test_a_malformed_name_waits_too),
	    T(test_a_user_has_so_many_connections), T(test_who_makes_room),
	    T(test_a_silent_one_goes_first),
	    T(test_an_offer_then_a_proof), T(test_identities_that_cannot_be), T(test_malformed_names),
	    T(test_tries_run_out), T(test_no_engine), T(test_a_program), T(test_an_instance_by_name),
	    T(test_the_engine_refuses), T(test_places_that_cannot_be), T(test_a_program_that_is_missing),
	    T(test_signals_reach_their_program_only), T(test_the_end_of_a_connection_ends_its_programs),
	    T(test_opening_before_logging_in), T(test_two_questions_at_once), T(test_nonsense),
	    T(test_messages_of_the_listeners_own), T(test_descriptors), T(test_one_that_does_not_read),
	    T(test_grace), T(test_heartbeats), T(test_one_that_rests_is_left_alone),
	    T(test_closing), T(test_ends),
	    T(test_the_exempt_are_not_punished), T(test_revoking), T(test_counting_the_unproven),
	};

	if (geteuid() != 0) {
		puts("the listener's work needs root");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	log_open("test", LOG_ERROR_L + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
