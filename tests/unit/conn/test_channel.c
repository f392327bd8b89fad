/* A channel's two ends without a client: what reaches a program and a door, and how ends are told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/door.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/door.h"
#include "sshd/conn/life.h"
#include "sshd/conn/pump.h"

static struct chan *c;
static int theirs;
static struct ipc_in in;

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	c = &chan_all[0];
	memset(c, 0, sizeof(*c));
	memset(&conn, 0, sizeof(conn));
	c->in = c->out = c->err = -1;
	c->rows = 24;
	c->cols = 80;
	theirs = -1;
	return 0;
}

static int teardown(void **state)
{
	if (c->in >= 0)
		close(c->in);
	if (theirs >= 0)
		close(theirs);
	for (int i = 0; i < c->nenv; i++)
		mem_free(c->env[i]);
	mem_free(c->in_buf);
	mem_free(c->out_buf);
	memset(c, 0, sizeof(*c));
	return 0;
}

static void with_pipe(void)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	c->state = CHAN_PROGRAM;
	c->in = p[1];
	theirs = p[0];
	sock_nonblock(c->in, 1);
	sock_nonblock(theirs, 1);
}

static void with_door(void)
{
	int p[2];

	assert_int_equal(ipc_pair(p, NULL), 0);
	c->state = CHAN_DOOR;
	c->in = c->out = p[0];
	theirs = p[1];
	sock_nonblock(c->in, 1);
	sock_nonblock(theirs, 1);
}

static void test_bytes_reach_the_program(void **state)
{
	char got[16] = "";

	with_pipe();
	assert_int_equal(pump_data(c, "hello", 5), 5);
	assert_int_equal(read(theirs, got, sizeof(got)), 5);
	assert_string_equal(got, "hello");
	assert_int_equal(c->backlog, 0);
}

/* What a program does not take stays with libssh, whose window then stays shut. */
static void test_a_full_pipe_leaves_the_rest(void **state)
{
	static char block[100000];
	int taken;

	with_pipe();
	taken = pump_data(c, block, sizeof(block));
	assert_in_range(taken, 1, sizeof(block) - 1);
	assert_int_equal(c->backlog, sizeof(block) - (size_t)taken);
	assert_int_equal(pump_data(c, block, 1000), 0);
	assert_false(conn.over);
	c->in_len = 1;
	c->in_buf = mem_alloc(1);
	assert_int_equal(pump_data(c, block, CONN_BACKLOG_MAX + 1), 0); /* past its window */
	assert_true(conn.over);
	c->in_len = 0;
}

static void test_a_program_that_closed_its_input(void **state)
{
	with_pipe();
	close(theirs);
	theirs = -1;
	assert_int_equal(pump_data(c, "x", 1), 1);
	assert_int_equal(c->in, -1);
	assert_int_equal(pump_data(c, "yyyy", 4), 4);
}

static void test_the_end_of_input(void **state)
{
	char got;

	with_pipe();
	pump_in_end(c); /* not yet */
	assert_true(c->in >= 0);
	c->client_eof = true;
	c->backlog = 1;
	pump_in_end(c); /* something is on its way */
	assert_true(c->in >= 0);
	c->backlog = 0;
	pump_in_end(c);
	assert_int_equal(c->in, -1);
	assert_int_equal(read(theirs, &got, 1), 0);
}

static void test_bytes_before_anything_runs_wait(void **state)
{
	c->state = CHAN_ASKED;
	assert_int_equal(pump_data(c, "early", 5), 0);
	assert_int_equal(c->backlog, 5);
	c->ending = true; /* nothing will read them */
	assert_int_equal(pump_data(c, "early", 5), 5);
}

static void test_a_door_says_hello(void **state)
{
	char term[64], env[64];

	with_door();
	mem_copy_str(c->term, sizeof(c->term), "screen");
	c->env[c->nenv++] = mem_strdup("LANG=ko_KR.UTF-8");
	door_hello(c);
	assert_int_equal(ipc_recv(theirs, &in), 1);
	assert_int_equal(in.type, DOOR_HELLO);
	assert_int_equal(ipc_get_u32(&in), DOOR_VERSION);
	assert_int_equal(ipc_get_u32(&in), 24);
	assert_int_equal(ipc_get_u32(&in), 80);
	ipc_get_str(&in, term, sizeof(term));
	assert_string_equal(term, "screen");
	assert_int_equal(ipc_get_u32(&in), 1);
	ipc_get_str(&in, env, sizeof(env));
	assert_string_equal(env, "LANG=ko_KR.UTF-8");
	assert_int_equal(ipc_end(&in), 0);
}

/* A paste larger than a message is cut into whole messages, in order, with nothing lost. */
static void test_a_large_paste(void **state)
{
	static char paste[100000];
	size_t got = 0, n;
	const char *part;

	with_door();
	for (size_t i = 0; i < sizeof(paste); i++)
		paste[i] = (char)('a' + i % 26);
	assert_int_equal(pump_data(c, paste, sizeof(paste)), sizeof(paste));
	while (got < sizeof(paste)) {
		assert_int_equal(ipc_recv(theirs, &in), 1);
		assert_int_equal(in.type, DOOR_INPUT);
		part = ipc_get_bytes(&in, &n, IPC_DATA_MAX);
		assert_non_null(part);
		assert_memory_equal(part, paste + got, n);
		assert_int_equal(ipc_end(&in), 0);
		got += n;
	}
	assert_int_equal(got, sizeof(paste));
}

static void test_a_session_that_does_not_read(void **state)
{
	static char block[30000];
	int turns = 0;

	with_door();
	while (pump_data(c, block, sizeof(block)) == sizeof(block) && turns < 1000)
		turns++;
	assert_in_range(turns, 1, 999); /* it fills up, and then nothing more is taken */
	c->resize_due = true;
	assert_false(door_resize(c)); /* the size waits for room too */
}

static void test_resize_and_ack(void **state)
{
	with_door();
	c->rows = 33;
	c->cols = 101;
	assert_true(door_resize(c));
	assert_int_equal(ipc_recv(theirs, &in), 1);
	assert_int_equal(in.type, DOOR_RESIZE);
	assert_int_equal(ipc_get_u32(&in), 33);
	assert_int_equal(ipc_get_u32(&in), 101);
	ipc_end(&in);
	c->frame = 77;
	c->ack_due = true;
	door_ack(c);
	assert_false(c->ack_due);
	assert_int_equal(ipc_recv(theirs, &in), 1);
	assert_int_equal(in.type, DOOR_ACK);
	assert_int_equal(ipc_get_u32(&in), 77);
}

static void test_a_session_leaves_with_words(void **state)
{
	static struct ipc_out out;

	with_door();
	c->pty = true;
	c->drew = true;
	ipc_begin(&out, DOOR_EXIT);
	ipc_put_u32(&out, 3);
	ipc_put_str(&out, "bye\nnow");
	ipc_send(theirs, &out);
	door_ready(c);
	assert_true(c->ending);
	assert_int_equal(c->code, 3);
	assert_non_null(strstr(c->out_buf, "\033[?1049l")); /* the terminal is as it was before */
	assert_memory_equal(c->out_buf + c->out_len - 10, "bye\r\nnow\r\n", 10);
	assert_int_equal(c->in, -1);
}

static void test_a_session_that_talks_nonsense(void **state)
{
	static struct ipc_out out;

	for (uint32_t type = 0; type < 3; type++) {
		setup(NULL);
		with_door();
		ipc_begin(&out, type == 0 ? DOOR_HELLO : type == 1 ? DOOR_FRAME : 0);
		ipc_put_u32(&out, 1);
		ipc_send(theirs, &out);
		door_ready(c);
		assert_true(c->ending);
		assert_int_equal(c->code, 1);
		teardown(NULL);
	}
}

static void test_reasons_without_a_terminal(void **state)
{
	c->state = CHAN_IDLE;
	chan_finish(c, 4, "codinglab: shop: not found");
	assert_true(c->out_is_err);
	assert_int_equal(c->code, 4);
	assert_int_equal(c->out_len, strlen("codinglab: shop: not found\n"));
	assert_memory_equal(c->out_buf, "codinglab: shop: not found\n", c->out_len);
	chan_finish(c, 5, "again"); /* the first end is the end */
	assert_int_equal(c->code, 4);
}

static void test_statuses_of_a_program(void **state)
{
	c->state = CHAN_PROGRAM;
	life_exited(0, 137, SIGKILL);
	assert_true(c->exited);
	assert_int_equal(c->sig, SIGKILL);
	c->state = CHAN_FREE;
	life_exited(1, 1, 0); /* of a channel that is gone */
	assert_false(chan_all[1].exited);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_bytes_reach_the_program, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_full_pipe_leaves_the_rest, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_program_that_closed_its_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_end_of_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bytes_before_anything_runs_wait, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_door_says_hello, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_large_paste, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_session_that_does_not_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_resize_and_ack, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_session_leaves_with_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_session_that_talks_nonsense, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reasons_without_a_terminal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_statuses_of_a_program, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
