/* Connections into the project: what is asked of the listener, confirmed, refused with a reason, and how many there may be. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/life.h"
#include "sshd/conn/pump.h"
#include "tests/unit/conn/fake_listener.h"
#include "tests/unit/conn/fake_ssh.h"

static int ours[3], theirs[3];

static int setup(void **state)
{
	fake_listener_open();
	fake_ssh_accepts = 0;
	fake_ssh_host = "localhost";
	fake_ssh_port = 8000;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		if (chan_all[i].state != CHAN_FREE)
			chan_release(&chan_all[i]);
	fake_listener_close();
	return 0;
}

static struct chan *ask(void)
{
	assert_true(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	assert_int_equal(heard(), MONITOR_OPEN);
	return &chan_all[msg.channel];
}

/* The listener grants a program: its ends are in theirs. */
static void grant(const struct chan *c)
{
	for (int i = 0; i < 3; i++) {
		int p[2];

		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		ours[i] = p[i == 0];
		theirs[i] = p[i != 0];
	}
	life_granted(c->id, false, false, ours);
}

static void turn(struct chan *c)
{
	struct pollfd p[PUMP_FDS];
	int n = pump_poll(c, p);

	poll(p, (nfds_t)n, 0);
	pump_ready(c, p, n);
	life_sweep();
}

static void close_theirs(void)
{
	for (int i = 0; i < 3; i++)
		close(theirs[i]);
}

static void test_confirmed_by_its_program(void **state)
{
	struct chan *c = ask();

	assert_true(msg.exec && !msg.pty && msg.nenv == 0);
	assert_string_equal(msg.line, "forward localhost 8000");
	grant(c);
	turn(c);
	assert_int_equal(fake_ssh_accepts + fake_ssh_refusals, 0); /* nothing is known yet */
	assert_int_equal(write(theirs[1], "+hello", 6), 6);
	turn(c);
	assert_int_equal(fake_ssh_accepts, 1);
	assert_int_equal(listened, 1);
	turn(c);
	assert_int_equal(fake_ssh.out.len, 5);
	assert_memory_equal(fake_ssh.out.data, "hello", 5);
	assert_int_equal(write(theirs[2], "complaint", 9), 9); /* a connection has one stream */
	turn(c);
	assert_int_equal(fake_ssh.err.len, 0);
	close_theirs();
	for (int i = 0; i < 3; i++)
		turn(c);
	assert_int_equal(fake_ssh.eofs, 1);
	life_exited(c->id, 0, 0);
	life_sweep();
	assert_int_equal(fake_ssh.status, -1); /* nor a status */
	assert_int_equal(c->state, CHAN_FREE);
	assert_int_equal(heard(), MONITOR_FORGET);
}

static void test_refused_by_its_program(void **state)
{
	struct chan *c = ask();

	grant(c);
	assert_int_equal(write(theirs[2], "codinglab: port 1: away\nmore", 28), 28);
	close_theirs();
	turn(c);
	assert_int_equal(fake_ssh_refusals, 1);
	assert_string_equal(fake_ssh_debug, "codinglab: port 1: away");
	assert_int_equal(c->state, CHAN_FREE);
	assert_int_equal(heard(), MONITOR_NOTE);
	assert_int_equal(heard(), MONITOR_FORGET);
}

static void test_another_first_byte_is_no_yes(void **state)
{
	struct chan *c = ask();

	grant(c);
	assert_int_equal(write(theirs[1], "-no", 3), 3);
	turn(c);
	assert_int_equal(fake_ssh_refusals, 1);
	assert_int_equal(fake_ssh_accepts, 0);
	close_theirs();
}

static void test_refused_by_the_listener(void **state)
{
	struct chan *c = ask();

	life_refused(c->id, 5, "codinglab: a viewer may not");
	assert_int_equal(fake_ssh_refusals, 1);
	assert_string_equal(fake_ssh_debug, "codinglab: a viewer may not");
	life_sweep();
	assert_int_equal(c->state, CHAN_FREE);
}

static void test_odd_ends(void **state)
{
	static const char *const hosts[] = {"", "a b", "$(id)", "-o", "a;b", "a\nb", "h\xc3\xa9", "'", NULL};

	for (size_t i = 0; i < CL_COUNT(hosts); i++) {
		fake_ssh_host = hosts[i];
		assert_false(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	}
	fake_ssh_host = "localhost";
	fake_ssh_port = 0;
	assert_false(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	for (uint32_t type = heard(); type; type = heard())
		assert_int_equal(type, MONITOR_NOTE);
	conn.orphan = true;
	fake_ssh_port = 1;
	assert_false(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		assert_int_equal(chan_all[i].state, CHAN_FREE);
}

static void test_a_socket_by_its_path(void **state)
{
	static const char *const odd[] = {"/tmp/a b", "/tmp/$(id)", "/tmp/a;b", "/tmp/\n", "/tmp/'", "/tmp/\xc3\xa9", NULL};
	struct chan *c;

	for (size_t i = 0; odd[i]; i++)
		assert_false(forward_ask_path((ssh_message)(void *)question, odd[i], fake_listener_count));
	for (uint32_t type = heard(); type; type = heard())
		assert_int_equal(type, MONITOR_NOTE);
	assert_true(forward_ask_path((ssh_message)(void *)question, "/tmp/vscode-1@2,x.sock", fake_listener_count));
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_string_equal(msg.line, "forward-path /tmp/vscode-1@2,x.sock");
	c = &chan_all[msg.channel];
	grant(c);
	assert_int_equal(write(theirs[1], "+", 1), 1);
	turn(c);
	assert_int_equal(fake_ssh_accepts, 1);
	close_theirs();
}

static void test_a_limit_of_their_own(void **state)
{
	for (int i = 0; i < FORWARD_MOST; i++)
		assert_true(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	assert_false(forward_ask(conn.session, (ssh_message)(void *)question, fake_listener_count));
	for (int i = 0; i < MONITOR_SESSIONS; i++) {
		struct chan *c = chan_new(false);

		assert_non_null(c);
		c->state = CHAN_IDLE;
	}
	assert_null(chan_new(false));
}

static void test_the_gateway_says_goodbye(void **state)
{
	struct chan *c = ask(), *open = ask();

	grant(open);
	assert_int_equal(write(theirs[1], "+", 1), 1);
	turn(open);
	assert_int_equal(fake_ssh_accepts, 1);
	life_close_all("codinglab: it ends");
	assert_int_equal(fake_ssh_refusals, 1);
	life_sweep();
	assert_int_equal(c->state, CHAN_FREE);
	assert_int_equal(open->state, CHAN_FREE);
	assert_int_equal(fake_ssh.out.len + fake_ssh.err.len, 0); /* a reason would be data of the connection */
	close_theirs();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_confirmed_by_its_program),
	    T(test_refused_by_its_program),
	    T(test_another_first_byte_is_no_yes),
	    T(test_refused_by_the_listener),
	    T(test_odd_ends),
	    T(test_a_socket_by_its_path),
	    T(test_a_limit_of_their_own),
	    T(test_the_gateway_says_goodbye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
