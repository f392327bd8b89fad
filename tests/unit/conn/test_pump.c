/*
 * Both directions of a channel under pressure: a client whose window closes, a program that does
 * not read, a session's frames that wait for their acknowledgement, and ends that come in every
 * order; nothing is lost, repeated or queued without bound.
 */
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
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/door.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/door.h"
#include "sshd/conn/life.h"
#include "sshd/conn/out.h"
#include "sshd/conn/pump.h"
#include "tests/unit/conn/fake_ssh.h"

static struct chan *c;
static int listener, prog_in, prog_out, prog_err, session;
static struct ipc_out out;
static struct ipc_in in;

static int setup(void **state)
{
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(ipc_pair(pair, NULL), 0);
	listener = fcntl(pair[0], F_DUPFD_CLOEXEC, 20);
	assert_int_equal(dup2(pair[1], CONN_MON_FD), CONN_MON_FD);
	for (int i = 0; i < 2; i++)
		if (pair[i] != CONN_MON_FD)
			close(pair[i]);
	sock_nonblock(listener, 1);
	memset(&conn, 0, sizeof(conn));
	memset(chan_all, 0, sizeof(chan_all));
	fake_ssh_init();
	c = &chan_all[0];
	c->in = c->out = c->err = -1;
	c->rows = 24;
	c->cols = 80;
	c->ssh = ssh_channel_new(NULL);
	c->state = CHAN_ASKED;
	prog_in = prog_out = prog_err = session = -1;
	return 0;
}

static int teardown(void **state)
{
	int all[] = {listener, CONN_MON_FD, prog_in, prog_out, prog_err, session};

	if (c->state != CHAN_FREE)
		chan_release(c);
	for (size_t i = 0; i < CL_COUNT(all); i++)
		if (all[i] >= 0)
			close(all[i]);
	fake_ssh_clear();
	return 0;
}

/* The listener grants a program; its ends are ours. */
static void with_program(void)
{
	int a[2], b[2], e[2];

	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	assert_int_equal(pipe(e), 0);
	life_granted(0, false, false, (int[]){a[1], b[0], e[0]});
	prog_in = a[0];
	prog_out = b[1];
	prog_err = e[1];
	sock_nonblock(prog_in, 1);
	sock_nonblock(prog_out, 1);
}

static void with_session(void)
{
	int pair[2];

	assert_int_equal(ipc_pair(pair, NULL), 0);
	life_granted(0, true, false, (int[]){pair[0], -1, -1});
	session = pair[1];
	sock_nonblock(session, 1);
	assert_int_equal(ipc_recv(session, &in), 1);
	assert_int_equal(in.type, DOOR_HELLO);
}

/* One turn of the loop, as main() has it, without waiting. */
static void turn(void)
{
	struct pollfd p[PUMP_FDS];
	int n = pump_poll(c, p);

	poll(p, (nfds_t)n, 0);
	pump_ready(c, p, n);
	if (out_can_send(c))
		out_send(c);
	if (c->state == CHAN_DOOR && c->ack_due && out_writable(c))
		door_ack(c);
}

static int polled(int fd, short events)
{
	struct pollfd p[PUMP_FDS];
	int n = pump_poll(c, p), found = 0;

	for (int i = 0; i < n; i++)
		found += p[i].fd == fd && p[i].events == events;
	return found;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static const char *got(const struct buf *b)
{
	return b->data ? b->data : "";
}

/* -- from the program to the client -- */

static void test_both_streams_apart(void **state)
{
	with_program();
	put(prog_out, "one\n");
	put(prog_err, "two\n");
	turn();
	turn();
	assert_string_equal(got(&fake_ssh.out), "one\n");
	assert_string_equal(got(&fake_ssh.err), "two\n");
}

static void test_a_closed_window_stops_the_program(void **state)
{
	static char block[1 << 16];
	ssize_t taken = 0, n;

	with_program();
	memset(block, 'b', sizeof(block));
	fake_ssh.window = 0;
	while ((n = write(prog_out, block, sizeof(block))) > 0)
		taken += n;
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < 50; i++)
		turn();
	assert_false(polled(c->out, POLLIN));
	assert_false(polled(c->err, POLLIN));
	assert_int_equal(fake_ssh.out.len, 0);
	assert_int_equal(c->out_len, 0); /* it waits in the pipe, not in our memory */
	/* a little at a time: exactly as much as the client takes */
	for (int i = 1; i <= 20; i++) {
		fake_ssh.window += 100;
		for (int k = 0; k < 3; k++)
			turn();
		assert_int_equal(fake_ssh.out.len, 100 * i);
		assert_int_equal(fake_ssh.window, 0);
	}
	fake_ssh.window = 1 << 24;
	for (int i = 0; i < 1000 && fake_ssh.out.len < (size_t)taken; i++)
		turn();
	assert_int_equal(fake_ssh.out.len, taken);
	assert_true(fake_ssh.largest <= 32768); /* one read is one packet */
}

static void test_pending_output_stops_the_program(void **state)
{
	with_program();
	put(prog_out, "waits");
	fake_ssh.pending = true;
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(fake_ssh.out.len, 0);
	assert_false(polled(c->out, POLLIN));
	fake_ssh.pending = false;
	assert_true(polled(c->out, POLLIN));
	turn();
	assert_string_equal(got(&fake_ssh.out), "waits");
}

static void test_a_client_that_is_gone(void **state)
{
	with_program();
	fake_ssh.broken = true;
	put(prog_out, "into nothing");
	turn();
	assert_true(c->client_closed);
	put(prog_out, "more");
	assert_false(polled(c->out, POLLIN));
	turn();
	assert_int_equal(life_sweep(), 0);
	assert_int_equal(c->state, CHAN_FREE);
	/* the listener is told, so that the program ends */
	assert_int_equal(ipc_recv(listener, &in), 1);
	assert_int_equal(in.type, MONITOR_FORGET);
	assert_int_equal(write(prog_out, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
}

/* -- its end -- */

static void test_the_status_waits_for_the_output(void **state)
{
	with_program();
	fake_ssh.window = 5;
	put(prog_out, "0123456789");
	life_exited(0, 3, 0);
	close(prog_out);
	close(prog_err);
	prog_out = prog_err = -1;
	for (int i = 0; i < 20; i++) {
		turn();
		assert_int_equal(life_sweep(), 1);
	}
	assert_string_equal(got(&fake_ssh.out), "01234");
	assert_int_equal(fake_ssh.status, -1);
	fake_ssh.window = 100;
	for (int i = 0; i < 20 && c->state != CHAN_FREE; i++) {
		turn();
		life_sweep();
	}
	assert_string_equal(got(&fake_ssh.out), "0123456789");
	assert_int_equal(fake_ssh.status, 3);
	assert_int_equal(fake_ssh.closes, 1);
	assert_int_equal(c->state, CHAN_FREE);
}

static void test_the_output_ends_before_the_program(void **state)
{
	with_program();
	close(prog_out);
	prog_out = -1;
	turn();
	assert_int_equal(fake_ssh.eofs, 0); /* the other stream is open */
	close(prog_err);
	prog_err = -1;
	turn();
	turn();
	assert_int_equal(fake_ssh.eofs, 1);
	assert_int_equal(life_sweep(), 1); /* its status is not known yet */
	assert_int_equal(fake_ssh.status, -1);
	/* a client that closes at once is told nevertheless */
	c->client_closed = true;
	assert_int_equal(life_sweep(), 1);
	life_exited(0, 42, 0);
	assert_int_equal(life_sweep(), 0);
	assert_int_equal(fake_ssh.status, 42);
}

static void test_the_program_ends_but_its_child_writes_on(void **state)
{
	with_program();
	life_exited(0, 0, 0);
	for (int i = 0; i < 5; i++) {
		turn();
		assert_int_equal(life_sweep(), 1);
	}
	put(prog_out, "late");
	turn();
	assert_string_equal(got(&fake_ssh.out), "late");
	assert_int_equal(fake_ssh.status, -1);
}

static void test_signals_are_told_by_name(void **state)
{
	with_program();
	close(prog_out);
	close(prog_err);
	prog_out = prog_err = -1;
	life_exited(0, 143, SIGTERM);
	life_exited(0, 0, 0); /* the last word counts until it is told */
	life_exited(0, 143, SIGTERM);
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(life_sweep(), 0);
	assert_string_equal(fake_ssh.signal, "TERM");
	assert_int_equal(fake_ssh.status, -1);
}

static void test_a_refusal(void **state)
{
	fake_ssh.window = 0;
	life_refused(0, 4, "codinglab: project x: not found");
	assert_int_equal(life_sweep(), 1); /* the words first */
	fake_ssh.window = 1000;
	out_send(c);
	assert_string_equal(got(&fake_ssh.err), "codinglab: project x: not found\n");
	assert_int_equal(life_sweep(), 0);
	assert_int_equal(fake_ssh.status, 4);
	assert_int_equal(ipc_recv(listener, &in), 1);
	assert_int_equal(in.type, MONITOR_FORGET);
}

/* The client closed while the listener was asked: whatever it grants is given back. */
static void test_an_answer_for_nobody(void **state)
{
	int p[2];

	c->client_closed = true;
	assert_int_equal(life_sweep(), 0);
	assert_int_equal(c->state, CHAN_GONE);
	assert_int_equal(fake_ssh.frees, 1);
	assert_int_equal(ipc_recv(listener, &in), -1); /* FORGET only after the answer */
	assert_int_equal(pipe(p), 0);
	life_granted(0, false, true, (int[]){p[1], -1, -1});
	assert_int_equal(c->state, CHAN_FREE);
	assert_int_equal(ipc_recv(listener, &in), 1);
	assert_int_equal(in.type, MONITOR_FORGET);
	assert_int_equal(read(p[0], &in, 1), 0); /* the descriptor was closed */
	close(p[0]);
}

static void test_the_end_of_all(void **state)
{
	with_program();
	chan_all[1].state = CHAN_ASKED;
	chan_all[1].in = chan_all[1].out = chan_all[1].err = -1;
	chan_all[1].ssh = c->ssh;
	life_close_all("codinglab: the lab goes down");
	assert_true(conn.closing);
	assert_int_equal(chan_all[1].code, 255);
	for (int i = 0; i < 2; i++)
		out_send(&chan_all[i]);
	assert_string_equal(got(&fake_ssh.err), "codinglab: the lab goes down\ncodinglab: the lab goes down\n");
	assert_int_equal(life_sweep(), 0);
	assert_int_equal(fake_ssh.status, 255);
}

/* -- from the client to the program -- */

static void test_typing_under_pressure(void **state)
{
	static char block[300000], all[300000];
	size_t given = 0, have = 0;
	uint32_t taken;
	ssize_t n;

	with_program();
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)('a' + i % 23);
	/* libssh offers what came; what is not taken it keeps */
	taken = (uint32_t)pump_data(c, block, 200000);
	assert_true(taken < 200000);
	buf_add(&fake_ssh.typed, block + taken, 200000 - taken);
	assert_true(polled(c->in, POLLOUT));
	/* more comes while the program still does not read: all of it stays with libssh */
	buf_add(&fake_ssh.typed, block + 200000, 100000);
	assert_int_equal(pump_data(c, fake_ssh.typed.data, (uint32_t)fake_ssh.typed.len), 0);
	assert_false(conn.over);
	for (int i = 0; i < 100; i++)
		turn();
	assert_true(fake_ssh.reads <= 1);
	given = sizeof(block);
	for (int i = 0; i < 10000 && have < given; i++) {
		while ((n = read(prog_in, all + have, sizeof(all) - have)) > 0)
			have += (size_t)n;
		turn();
	}
	assert_int_equal(have, given);
	assert_memory_equal(all, block, given);
	assert_int_equal(c->in_len, 0);
	assert_null(c->in_buf);
	assert_false(polled(c->in, POLLOUT)); /* nothing waits: no busy loop */
}

static void test_the_end_of_input_comes_last(void **state)
{
	static char block[200000], sink[65536];
	size_t have = 0;
	uint32_t taken;
	ssize_t n;

	with_program();
	taken = (uint32_t)pump_data(c, block, sizeof(block));
	buf_add(&fake_ssh.typed, block + taken, sizeof(block) - taken);
	c->client_eof = true;
	pump_in_end(c);
	assert_true(c->in >= 0); /* not before it has everything */
	for (int i = 0; i < 10000; i++) {
		n = read(prog_in, sink, sizeof(sink));
		if (n == 0)
			break;
		if (n > 0)
			have += (size_t)n;
		turn();
	}
	assert_int_equal(have, sizeof(block));
	assert_int_equal(c->in, -1);
}

/* -- doors -- */

static void frame(uint32_t number, bool last, const char *data, size_t n)
{
	ipc_begin(&out, DOOR_FRAME);
	ipc_put_u32(&out, number);
	ipc_put_u32(&out, last);
	ipc_put_bytes(&out, data, n);
	assert_int_equal(ipc_send(session, &out), 0);
}

static void test_a_frame_is_acknowledged_when_it_is_out(void **state)
{
	with_session();
	fake_ssh.window = 10;
	frame(7, false, "0123456", 7);
	frame(7, true, "789abcdef", 9);
	for (int i = 0; i < 10; i++)
		turn();
	assert_string_equal(got(&fake_ssh.out), "0123456789");
	assert_int_equal(ipc_recv(session, &in), -1);
	fake_ssh.window = 100;
	fake_ssh.pending = true;
	turn();
	assert_int_equal(ipc_recv(session, &in), -1);
	fake_ssh.pending = false;
	for (int i = 0; i < 5; i++)
		turn();
	assert_string_equal(got(&fake_ssh.out), "0123456789abcdef");
	assert_int_equal(ipc_recv(session, &in), 1);
	assert_int_equal(in.type, DOOR_ACK);
	assert_int_equal(ipc_get_u32(&in), 7);
	assert_int_equal(ipc_end(&in), 0);
	assert_int_equal(ipc_recv(session, &in), -1); /* once */
}

static void test_an_end_with_something_on_the_way(void **state)
{
	c->pty = true;
	with_session();
	fake_ssh.window = 4;
	frame(1, true, "screen", 6);
	turn();
	ipc_begin(&out, DOOR_EXIT);
	ipc_put_u32(&out, 0);
	ipc_put_str(&out, "bye");
	assert_int_equal(ipc_send(session, &out), 0);
	fake_ssh.window = 2;
	turn(); /* the rest of the frame */
	assert_int_equal(life_sweep(), 1);
	fake_ssh.window = 1000;
	for (int i = 0; i < 5 && c->state != CHAN_FREE; i++) {
		turn();
		life_sweep();
	}
	assert_int_equal(strncmp(got(&fake_ssh.out), "screen\033[?1049l", 14), 0); /* the screen is given back */
	assert_non_null(strstr(got(&fake_ssh.out), "bye\r\n"));
	assert_int_equal(fake_ssh.status, 0);
}

static void test_a_session_that_dies_is_asked_for_again(void **state)
{
	int asked = 0;

	for (int life = 0; life < 20 && !c->ending; life++) {
		with_session();
		close(session);
		session = -1;
		turn();
		while (ipc_recv(listener, &in) == 1)
			asked += in.type == MONITOR_OPEN;
	}
	assert_true(asked >= 1 && asked < 20); /* a few times, not for ever */
	assert_int_equal(c->code, 1);
	out_send(c);
	assert_non_null(strstr(got(&fake_ssh.err), "ended unexpectedly"));
}

static void test_moving_to_another_project(void **state)
{
	char target[64];

	with_session();
	ipc_begin(&out, DOOR_SWITCH);
	ipc_put_str(&out, "bob:shop");
	assert_int_equal(ipc_send(session, &out), 0);
	turn();
	assert_int_equal(c->state, CHAN_ASKED);
	assert_int_equal(ipc_recv(listener, &in), 1);
	assert_int_equal(in.type, MONITOR_SWITCH);
	assert_int_equal(ipc_get_u32(&in), 0);
	ipc_get_str(&in, target, sizeof(target));
	assert_string_equal(target, "bob:shop");
	/* keys meanwhile wait for the new session */
	assert_int_equal(pump_data(c, "abc", 3), 0);
	buf_add(&fake_ssh.typed, "abc", 3);
	close(session);
	with_session();
	assert_int_equal(ipc_recv(session, &in), 1);
	assert_int_equal(in.type, DOOR_INPUT);
}

static void test_without_a_listener_nothing_new_is_opened(void **state)
{
	with_session();
	conn.orphan = true;
	close(session);
	session = -1;
	turn();
	assert_true(c->ending);
	assert_int_equal(c->code, 75);
	out_send(c);
	assert_non_null(strstr(got(&fake_ssh.err), "gateway was restarted"));
}

static void test_only_the_last_size_counts(void **state)
{
	with_session();
	for (int i = 0; i < 100; i++) {
		c->rows = 30 + i % 3;
		c->cols = 100 + i;
		c->resize_due = true;
	}
	turn();
	assert_int_equal(ipc_recv(session, &in), 1);
	assert_int_equal(in.type, DOOR_RESIZE);
	assert_int_equal(ipc_get_u32(&in), 30);
	assert_int_equal(ipc_get_u32(&in), 199);
	assert_int_equal(ipc_recv(session, &in), -1);
	assert_false(c->resize_due);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_both_streams_apart), T(test_a_closed_window_stops_the_program),
	    T(test_pending_output_stops_the_program), T(test_a_client_that_is_gone),
	    T(test_the_status_waits_for_the_output), T(test_the_output_ends_before_the_program),
	    T(test_the_program_ends_but_its_child_writes_on), T(test_signals_are_told_by_name),
	    T(test_a_refusal), T(test_an_answer_for_nobody), T(test_the_end_of_all),
	    T(test_typing_under_pressure), T(test_the_end_of_input_comes_last),
	    T(test_a_frame_is_acknowledged_when_it_is_out), T(test_an_end_with_something_on_the_way),
	    T(test_a_session_that_dies_is_asked_for_again), T(test_moving_to_another_project),
	    T(test_without_a_listener_nothing_new_is_opened), T(test_only_the_last_size_counts),
	};

	log_open("test", LOG_ERROR_L + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
