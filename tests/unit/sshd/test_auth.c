/* The link to the engine: questions, answers in any order, restarts, deadlines, nonsense. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/sock.h"
#include "engine/api/auth_proto.h"
#include "sshd/auth.h"

static char dir[64], path[96];
static int listener, engine;
static struct auth *a;
static struct ipc_out out;
static struct ipc_in in;
static int answers, revoked;
static struct auth_answer last;
static char revoke_reason[64], revoke_key[128];

static void answer_cb(void *arg, const struct auth_answer *answer)
{
	answers++;
	last = *answer;
	if (arg)
		*(int *)arg += 1;
}

static void revoke_cb(void *arg, int64_t user_id, const char *reason, const char *fingerprint)
{
	revoked = (int)user_id;
	snprintf(revoke_reason, sizeof(revoke_reason), "%s", reason);
	snprintf(revoke_key, sizeof(revoke_key), "%s", fingerprint);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/cl-auth-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/auth.sock", dir);
	listener = sock_listen(path, SOCK_SEQPACKET, 0600, NULL);
	assert_true(listener >= 0);
	a = auth_new(path, getuid(), revoke_cb, NULL);
	engine = -1;
	answers = revoked = 0;
	return 0;
}

static int teardown(void **state)
{
	auth_free(a);
	if (engine >= 0)
		close(engine);
	close(listener);
	unlink(path);
	rmdir(dir);
	return 0;
}

static void accept_it(void)
{
	auth_turn(a, clock_ms() + 10000);
	engine = sock_accept(listener);
	assert_true(engine >= 0);
	sock_nonblock(engine, 0);
}

/* The listener reads all that the engine sent. */
static void pass(void)
{
	short events;

	assert_true(auth_fd(a, &events) >= 0);
	auth_ready(a, POLLIN);
}

static int64_t expect_question(uint32_t type)
{
	assert_int_equal(ipc_recv(engine, &in), 1);
	assert_int_equal(in.type, type);
	return ipc_get_i64(&in);
}

static void say_no(int64_t id)
{
	ipc_begin(&out, AUTH_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 0);
	assert_int_equal(ipc_send(engine, &out), 0);
}

static void test_answers_in_any_order(void **state)
{
	int64_t far = clock_ms() + 60000, one, two;
	int first = 0, second = 0;
	char key[64];

	accept_it();
	one = auth_ask_key(a, "alice", "10.0.0.1", "ssh-ed25519 AAAA", true, far, answer_cb, &first);
	two = auth_ask_password(a, "bob", "10.0.0.2", "secret", 6, far, answer_cb, &second);
	assert_int_equal(expect_question(AUTH_KEY), one);
	ipc_get_str(&in, key, sizeof(key));
	assert_string_equal(key, "alice");
	ipc_close_fds(&in);
	assert_int_equal(expect_question(AUTH_PASSWORD), two);
	say_no(two);
	pass();
	assert_true(first == 0 && second == 1 && !last.ok);
	ipc_begin(&out, AUTH_REPLY);
	ipc_put_i64(&out, one);
	ipc_put_u32(&out, 1);
	ipc_put_i64(&out, 7);
	ipc_put_str(&out, "alice");
	ipc_put_u32(&out, 200007);
	ipc_put_u32(&out, 200007);
	ipc_put_str(&out, "teacher");
	ipc_put_str(&out, "SHA256:abc");
	assert_int_equal(ipc_send(engine, &out), 0);
	pass();
	assert_true(first == 1 && last.ok);
	assert_int_equal(last.uid, 200007);
	assert_string_equal(last.role, "teacher");
	say_no(one); /* a second answer is nobody's */
	pass();
	assert_int_equal(answers, 2);
}

static void test_targets(void **state)
{
	int64_t far = clock_ms() + 60000, id;
	struct cl_err err = {0};

	accept_it();
	id = auth_ask_target(a, 7, "bob", "shop", far, answer_cb, NULL);
	assert_int_equal(expect_question(AUTH_TARGET), id);
	ipc_begin(&out, AUTH_TARGET_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 1);
	ipc_put_i64(&out, 3);
	ipc_put_str(&out, "bob");
	ipc_put_str(&out, "shop");
	ipc_put_str(&out, "/home");
	ipc_put_str(&out, "/work");
	ipc_put_u32(&out, 2);
	ipc_put_u32(&out, 300003);
	ipc_put_u32(&out, 300004);
	ipc_send(engine, &out);
	pass();
	assert_true(last.ok && last.project_id == 3 && last.ngroups == 2 && last.groups[1] == 300004);
	assert_string_equal(last.workspace, "/work");
	id = auth_ask_target(a, 7, "", "nope", far, answer_cb, NULL);
	expect_question(AUTH_TARGET);
	err_set(&err, CL_NOT_FOUND, "project nope: not found");
	ipc_begin(&out, AUTH_TARGET_REPLY);
	ipc_put_i64(&out, id);
	ipc_put_u32(&out, 0);
	ipc_put_err(&out, &err);
	ipc_send(engine, &out);
	pass();
	assert_false(last.ok);
	assert_int_equal(last.err.code, CL_NOT_FOUND);
	assert_string_equal(last.err.message, "project nope: not found");
}

static void test_a_restart_asks_again(void **state)
{
	int64_t id;

	id = auth_ask_password(a, "bob", "10.0.0.2", "secret", 6, INT64_MAX, answer_cb, NULL);
	accept_it();
	assert_int_equal(expect_question(AUTH_PASSWORD), id);
	close(engine);
	pass();
	assert_int_equal(answers, 0);
	accept_it();
	assert_int_equal(expect_question(AUTH_PASSWORD), id);
	say_no(id);
	pass();
	assert_int_equal(answers, 1);
}

static void test_deadlines(void **state)
{
	int64_t now = clock_ms();

	close(listener);
	unlink(path);
	auth_ask_key(a, "alice", "10.0.0.1", "ssh-ed25519 AAAA", true, now + 50, answer_cb, NULL);
	auth_turn(a, now);
	assert_int_equal(answers, 0);
	auth_turn(a, now + 51);
	assert_int_equal(answers, 1);
	assert_false(last.ok);
	assert_int_equal(last.err.code, CL_UNAVAILABLE);
	listener = sock_listen(path, SOCK_SEQPACKET, 0600, NULL);
}

static void test_cancelling(void **state)
{
	int64_t id;

	accept_it();
	id = auth_ask_key(a, "alice", "10.0.0.1", "ssh-ed25519 AAAA", true, INT64_MAX, answer_cb, NULL);
	auth_cancel(a, id);
	auth_cancel(a, id);
	auth_cancel(a, 0);
	say_no(id);
	pass();
	assert_int_equal(answers, 0);
}

static void test_notes_wait_and_are_bounded(void **state)
{
	char kind[32];
	int n = 0;

	for (int i = 0; i < 1000; i++)
		auth_note(a, 7, "alice", "10.0.0.1", "login", "with a key");
	accept_it();
	sock_nonblock(engine, 1);
	for (int turn = 0; turn < 100; turn++) {
		while (ipc_recv(engine, &in) == 1) {
			assert_int_equal(in.type, AUTH_NOTE);
			assert_int_equal(ipc_get_i64(&in), 0);
			assert_int_equal(ipc_get_i64(&in), 7);
			ipc_get_str(&in, kind, sizeof(kind));
			n++;
		}
		auth_ready(a, POLLOUT);
	}
	assert_true(n > 100 && n <= 256);
}

static void test_revocation(void **state)
{
	accept_it();
	ipc_begin(&out, AUTH_REVOKE);
	ipc_put_i64(&out, 7);
	ipc_put_str(&out, "your key was removed");
	ipc_put_str(&out, "SHA256:abc");
	ipc_send(engine, &out);
	pass();
	assert_int_equal(revoked, 7);
	assert_string_equal(revoke_reason, "your key was removed");
	assert_string_equal(revoke_key, "SHA256:abc");
}

static void test_nonsense_ends_the_link(void **state)
{
	short events;

	accept_it();
	ipc_begin(&out, AUTH_REPLY);
	ipc_put_i64(&out, 1);
	ipc_put_u32(&out, 2);
	ipc_send(engine, &out);
	pass();
	assert_int_equal(auth_fd(a, &events), -1);
	close(engine);
	accept_it();
	ipc_begin(&out, 0x999);
	ipc_put_i64(&out, 1);
	ipc_put_u32(&out, 0);
	ipc_send(engine, &out);
	pass();
	assert_int_equal(auth_fd(a, &events), -1);
}

static void test_another_accounts_socket(void **state)
{
	short events;

	if (getuid() != 0)
		skip();
	/* What answers must be root or the engine's account: nobody else may own the socket. */
	auth_free(a);
	a = auth_new(path, 12345, revoke_cb, NULL);
	close(listener);
	unlink(path);
	assert_int_equal(seteuid(65534), 0);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(seteuid(0), 0);
	close(listener);
	listener = sock_listen(path, SOCK_SEQPACKET, 0600, NULL);
	assert_int_equal(seteuid(65534), 0);
	listen(listener, 4); /* the credentials are those at listen() */
	assert_int_equal(seteuid(0), 0);
	auth_turn(a, clock_ms());
	assert_int_equal(auth_fd(a, &events), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_answers_in_any_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_targets, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_restart_asks_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadlines, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cancelling, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_notes_wait_and_are_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_revocation, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nonsense_ends_the_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_another_accounts_socket, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
