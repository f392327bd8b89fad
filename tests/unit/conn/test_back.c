/* Ports of -R and the agent of -A: what is asked of the listener, answers in their order, connections brought to the client, ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/back.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/life.h"
#include "sshd/conn/pump.h"
#include "tests/unit/conn/fake_listener.h"
#include "tests/unit/conn/fake_ssh.h"

static int theirs[3] = {-1, -1, -1}, port;

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	fake_listener_open();
	back_init(fake_listener_count);
	fake_ssh_tolds = fake_ssh_opens = 0;
	fake_ssh_opened[0] = '\0';
	fake_ssh_address = "localhost";
	fake_ssh_listen = 7000;
	fake_ssh_open = SSH_AGAIN;
	return 0;
}

static void close_theirs(void)
{
	for (int i = 0; i < 3; i++) {
		if (theirs[i] >= 0)
			close(theirs[i]);
		theirs[i] = -1;
	}
}

static int teardown(void **state)
{
	life_close_all("over");
	for (struct chan *c = chan_all; c < chan_all + MONITOR_CHANNELS; c++)
		c->client_closed = true;
	life_sweep();
	close_theirs();
	fake_listener_close();
	return 0;
}

static bool ask(const char *address, int number)
{
	fake_ssh_address = address;
	fake_ssh_listen = number;
	return back_ask((ssh_message)(void *)question, false);
}

static struct chan *asked(const char *address, int number)
{
	uint32_t type;

	assert_true(ask(address, number));
	while ((type = heard()) == MONITOR_NOTE || type == MONITOR_FORGET)
		; /* of those before */
	assert_int_equal(type, MONITOR_OPEN);
	return &chan_all[msg.channel];
}

/* The listener grants its program, whose ends are in theirs. */
static void grant(const struct chan *c)
{
	int ours[3];

	close_theirs();
	for (int i = 0; i < 3; i++) {
		int p[2];

		if (i == 1)
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
		else
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

	poll(p, (nfds_t)n, 100);
	back_turn();
	pump_ready(c, p, n);
	life_sweep();
}

/* What the container's program would hand out; its port is in `port`. */
static int listening(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(a);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	port = ntohs(a.sin_port);
	return fd;
}

static void hand_out(struct chan *c)
{
	int fd = listening();

	grant(c);
	assert_int_equal(sock_send_fd(theirs[1], '+', fd), 0);
	close(fd);
	turn(c);
}

static int connect_to(int number)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)number)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 8192;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Somebody connects in the container: the place of that connection. */
static struct chan *connected(struct chan *c, int *fd)
{
	*fd = connect_to(port);
	turn(c);
	for (struct chan *x = chan_all; x < chan_all + MONITOR_CHANNELS; x++)
		if (x->state == CHAN_PROGRAM && !x->back && x->ssh)
			return x;
	return NULL;
}

static void test_a_port_is_listened_at(void **state)
{
	struct chan *c = asked("localhost", 7000);

	assert_true(msg.exec && !msg.pty);
	assert_string_equal(msg.line, "forward-listen 7000");
	assert_int_equal(fake_ssh_tolds + fake_ssh_refusals, 0);
	hand_out(c);
	assert_int_equal(fake_ssh_tolds, 1);
	assert_int_equal(fake_ssh_told[0], 7000);
}

static void test_any_port_is_told(void **state)
{
	struct chan *c = asked("", 0);

	assert_string_equal(msg.line, "forward-listen 0");
	hand_out(c);
	assert_int_equal(fake_ssh_told[0], port);
}

static void test_a_connection_goes_to_the_client(void **state)
{
	struct chan *c = asked("*", 7000), *x;
	char text[64] = "";
	int fd;

	hand_out(c);
	x = connected(c, &fd);
	assert_non_null(x);
	assert_string_equal(fake_ssh_opened, "* 7000 127.0.0.1"); /* as it was asked for */
	assert_int_equal(listened, 1);
	fake_ssh.window = 0; /* nothing goes before the client's answer */
	assert_int_equal(write(fd, "hello", 5), 5);
	turn(x);
	assert_int_equal(fake_ssh.out.len, 0);
	fake_ssh_open = SSH_OK;
	fake_ssh.window = 1000;
	turn(x);
	turn(x);
	assert_int_equal(fake_ssh.out.len, 5);
	assert_int_equal(pump_data(x, "world", 5), 5);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	x->client_eof = true; /* its way ends, the other goes on */
	pump_in_end(x);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	assert_int_equal(write(fd, "more", 4), 4);
	turn(x);
	assert_int_equal(fake_ssh.out.len, 9);
	close(fd);
	turn(x);
	assert_int_equal(fake_ssh.eofs, 1);
	life_sweep();
	assert_int_equal(x->state, CHAN_FREE);
	assert_int_equal(heard(), 0); /* the listener never knew of it */
	assert_int_equal(c->state, CHAN_PROGRAM);
}

static void test_the_far_end_closes_first(void **state)
{
	struct chan *c = asked("", 7000), *x;
	char text[8];
	int fd;

	hand_out(c);
	fake_ssh_open = SSH_OK;
	x = connected(c, &fd);
	shutdown(fd, SHUT_WR);
	turn(x);
	assert_int_equal(fake_ssh.eofs, 1);
	assert_int_equal(pump_data(x, "late", 4), 4); /* and still hears the client */
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	x->client_eof = true;
	pump_in_end(x);
	life_sweep();
	assert_int_equal(x->state, CHAN_FREE);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	close(fd);
}

static void test_what_was_sent_before_the_close_arrives(void **state)
{
	struct chan *c = asked("", 7000), *x;
	size_t size = 4 << 20, sent, got = 0;
	char *data = mem_alloc(size);
	int fd;

	hand_out(c);
	fake_ssh_open = SSH_OK;
	x = connected(c, &fd);
	setsockopt(x->in, SOL_SOCKET, SO_SNDBUF, &(int){8192}, sizeof(int));
	sent = (size_t)pump_data(x, data, CONN_BACKLOG_MAX);
	assert_true(sent < CONN_BACKLOG_MAX); /* the program does not read yet */
	buf_add(&fake_ssh.typed, data, CONN_BACKLOG_MAX - sent);
	x->client_eof = x->client_closed = true;
	life_sweep();
	assert_int_equal(x->state, CHAN_PROGRAM);
	while (x->state == CHAN_PROGRAM) {
		ssize_t n = recv(fd, data, size, MSG_DONTWAIT);

		got += n > 0 ? (size_t)n : 0;
		turn(x);
	}
	for (ssize_t n = 1; n > 0; got += n > 0 ? (size_t)n : 0)
		n = read(fd, data, size);
	assert_int_equal(got, CONN_BACKLOG_MAX);
	close(fd);
	mem_free(data);
}

static void test_the_client_does_not_take_it(void **state)
{
	struct chan *c = asked("", 7000), *x;
	char text[4];
	int fd;

	hand_out(c);
	x = connected(c, &fd);
	fake_ssh_open = SSH_ERROR;
	turn(c);
	life_sweep();
	assert_int_equal(x->state, CHAN_FREE);
	assert_true(read(fd, text, sizeof(text)) <= 0);
	assert_int_equal(c->state, CHAN_PROGRAM); /* others may come */
	close(fd);
}

static void test_places_for_connections_end(void **state)
{
	struct chan *c = asked("", 7000);
	int fds[40], n = 0;

	hand_out(c);
	fake_ssh_open = SSH_OK;
	while (n < 40 && !fake_ssh_debug[0]) {
		fds[n++] = connect_to(port);
		turn(c);
	}
	assert_int_equal(n, MONITOR_CHANNELS - MONITOR_SESSIONS); /* one of those is the place itself */
	assert_non_null(strstr(fake_ssh_debug, "too many connections"));
	while (n)
		close(fds[--n]);
}

static void test_refused_with_the_reason(void **state)
{
	struct chan *c = asked("", 7000);

	grant(c);
	assert_int_equal(write(theirs[2], "codinglab: port 7000: taken\nmore", 32), 32);
	close_theirs();
	turn(c);
	assert_int_equal(fake_ssh_refusals, 1);
	assert_string_equal(fake_ssh_debug, "codinglab: port 7000: taken");
	assert_int_equal(c->state, CHAN_FREE);
	c = asked("", 7001);
	life_refused(c->id, 5, "codinglab: a viewer may not");
	assert_int_equal(fake_ssh_refusals, 2);
	assert_string_equal(fake_ssh_debug, "codinglab: a viewer may not");
	life_sweep();
	assert_int_equal(c->state, CHAN_FREE);
}

static void test_what_comes_out_must_be_a_stream(void **state)
{
	struct chan *c = asked("", 7000);
	int null = open("/dev/null", O_RDWR);

	grant(c);
	assert_int_equal(sock_send_fd(theirs[1], '+', null), 0);
	turn(c);
	assert_int_equal(fake_ssh_refusals, 1);
	close(null);
	c = asked("", 7000);
	grant(c);
	assert_int_equal(write(theirs[1], "+", 1), 1); /* nor is nothing */
	turn(c);
	assert_int_equal(fake_ssh_refusals, 2);
}

static void test_answers_keep_their_order(void **state)
{
	struct chan *first = asked("", 0), *second = asked("", 7002), *third = asked("", 7003);

	hand_out(third);
	life_refused(second->id, 1, "codinglab: no");
	assert_int_equal(fake_ssh_tolds + fake_ssh_refusals, 0);
	hand_out(first);
	assert_int_equal(fake_ssh_tolds, 2);
	assert_int_equal(fake_ssh_refusals, 1);
	assert_int_equal(fake_ssh_told[0], port);
	assert_int_equal(fake_ssh_told[1], 7003);
}

static void test_only_loopback_and_not_too_many(void **state)
{
	for (const char *const *a = (const char *const[]){"10.0.0.1", "example.org", " ", "localhost ", NULL}; *a; a++)
		assert_true(ask(*a, 7000));
	assert_int_equal(fake_ssh_refusals, 4);
	assert_true(ask("", 65536));
	assert_int_equal(fake_ssh_refusals, 5);
	while (heard())
		assert_int_equal(msg.type, MONITOR_NOTE);
	for (int i = 0; i < BACK_MOST; i++)
		asked("", 7000 + i);
	assert_true(ask("", 7100));
	assert_non_null(strstr(fake_ssh_debug, "too many"));
}

static void test_it_is_given_up(void **state)
{
	struct chan *c = asked("localhost", 7000), *waiting;

	hand_out(c);
	assert_true(back_ask((ssh_message)(void *)question, true));
	assert_int_equal(fake_ssh_tolds, 2);
	life_sweep();
	assert_int_equal(c->state, CHAN_FREE);
	assert_int_equal(heard(), MONITOR_FORGET);
	assert_true(back_ask((ssh_message)(void *)question, true)); /* it is gone */
	assert_int_equal(fake_ssh_refusals, 1);
	waiting = asked("", 7005); /* before it is there */
	assert_true(back_ask((ssh_message)(void *)question, true));
	life_sweep();
	assert_int_equal(waiting->state, CHAN_GONE);
	grant(waiting);
	assert_int_equal(waiting->state, CHAN_FREE);
	assert_int_equal(heard(), MONITOR_FORGET);
	assert_int_equal(fake_ssh_refusals, 2);
	assert_int_equal(fake_ssh_tolds, 3);
}

static void test_its_program_ends(void **state)
{
	struct chan *c = asked("", 7000);
	int fd;

	hand_out(c);
	life_exited(c->id, 0, 0);
	life_sweep();
	assert_int_equal(c->state, CHAN_FREE);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)}, sizeof(struct sockaddr_in)), -1);
	close(fd);
}

static struct chan *session(void)
{
	struct chan *c = chan_new(false);

	assert_non_null(c);
	c->ssh = ssh_channel_new(NULL);
	c->state = CHAN_IDLE;
	c->agent = true;
	return c;
}

static void test_a_program_waits_for_the_agent(void **state)
{
	struct chan *c = session(), *place, *x;
	char path[128];
	int fd;

	assert_int_equal(heard(), 0);
	back_agent_exec(c, "make push");
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_int_equal(strncmp(msg.line, "forward-agent /tmp/codinglab-agent-", 35), 0);
	mem_copy_str(path, sizeof(path), msg.line + 14);
	place = &chan_all[msg.channel];
	assert_int_equal(heard(), 0);
	assert_int_equal(c->state, CHAN_IDLE);
	hand_out(place);
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_string_equal(msg.line, "make push");
	assert_int_equal(msg.nenv, 1);
	assert_int_equal(strncmp(msg.env[0], "CODINGLAB_AGENT=", 16), 0);
	assert_string_equal(msg.env[0] + 16, path);
	x = connected(place, &fd);
	assert_ptr_not_equal(x, c);
	assert_string_equal(fake_ssh_opened, "agent");
	close(fd);
	back_agent_exec(session(), "again"); /* there is one for all */
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_string_equal(msg.line, "again");
	assert_int_equal(msg.nenv, 1);
}

static void test_a_program_goes_without_a_refused_agent(void **state)
{
	struct chan *c = session(), *gone = session();

	back_agent_exec(c, "whoami");
	back_agent_exec(gone, "never");
	assert_int_equal(heard(), MONITOR_OPEN);
	uint32_t place = msg.channel;

	gone->client_closed = true;
	life_refused(place, 5, "codinglab: no project is named");
	assert_int_equal(heard(), MONITOR_NOTE);
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_string_equal(msg.line, "whoami");
	assert_int_equal(msg.nenv, 0);
	life_sweep();
	assert_int_equal(gone->state, CHAN_FREE);
	assert_int_equal(heard(), MONITOR_FORGET);
	assert_int_equal(heard(), 0);
}

#define AGENT_PATH "/tmp/codinglab-agent-0123456789abcdef/agent"

/* A door with the session that asks for the agent. */
static struct chan *door(void)
{
	struct chan *c = session();

	c->state = CHAN_DOOR;
	return c;
}

static struct chan *asked_for_terminals(struct chan *d, const char *path)
{
	uint32_t type;

	back_agent_door(d, path, "alice.shop");
	while ((type = heard()) == MONITOR_FORGET)
		;
	assert_int_equal(type, MONITOR_OPEN);
	assert_int_equal(strncmp(msg.line, "forward-agent alice.shop /tmp/codinglab-agent-", 46), 0);
	assert_string_equal(msg.line + 25, path);
	return &chan_all[msg.channel];
}

static void test_a_session_asks_for_the_agent(void **state)
{
	struct chan *d = door(), *place = asked_for_terminals(d, AGENT_PATH), *x;
	int fd;

	hand_out(place);
	back_agent_door(d, AGENT_PATH, "alice.shop"); /* it is there already */
	assert_int_equal(heard(), 0);
	x = connected(place, &fd);
	assert_true(x->to_agent);
	assert_string_equal(fake_ssh_opened, "agent");
	close(fd);
	back_agent_exec(session(), "make push"); /* programs have a place of their own */
	assert_int_equal(heard(), MONITOR_OPEN);
	assert_int_equal(strncmp(msg.line, "forward-agent /tmp/", 19), 0);
	back_agent_door(d, "", "alice.shop");
	life_sweep();
	assert_int_equal(place->state, CHAN_FREE);
	assert_int_equal(asked_for_terminals(d, AGENT_PATH)->state, CHAN_ASKED);
}

static void test_the_agent_goes_with_the_door(void **state)
{
	struct chan *d = door(), *other = door();
	struct chan *place = asked_for_terminals(d, AGENT_PATH), *theirs_too;

	hand_out(place);
	theirs_too = asked_for_terminals(other, AGENT_PATH);
	assert_ptr_not_equal(theirs_too, place);
	d->client_closed = true;
	life_sweep();
	life_sweep();
	assert_int_equal(d->state, CHAN_FREE);
	assert_int_equal(place->state, CHAN_FREE);
	assert_int_equal(theirs_too->state, CHAN_ASKED);
}

static void test_another_path_takes_its_place(void **state)
{
	struct chan *d = door(), *first = asked_for_terminals(d, AGENT_PATH), *second;

	hand_out(first);
	second = asked_for_terminals(d, AGENT_PATH "-2"); /* a session that was started again */
	life_sweep();
	assert_int_equal(first->state, CHAN_FREE);
	assert_int_equal(second->state, CHAN_ASKED);
}

static void test_a_program_that_ended_is_asked_for_again(void **state)
{
	struct chan *d = door(), *first = asked_for_terminals(d, AGENT_PATH);

	hand_out(first);
	life_exited(first->id, 0, 15); /* the container was restarted */
	life_sweep();
	assert_int_equal(first->state, CHAN_FREE);
	asked_for_terminals(d, AGENT_PATH);
}

static void test_what_a_session_may_not_say(void **state)
{
	static const char *const paths[] = {"/etc/x", "/tmp/codinglab-agent-", "/tmp/codinglab-agent-a b",
	    "/tmp/codinglab-agent-a\nforward 10.0.0.1 22", "/tmp/codinglab-agent-/../x", "tmp", "/tmp/codinglab-agent-'x'"};
	struct chan *d = door();

	for (size_t i = 0; i < CL_COUNT(paths); i++)
		back_agent_door(d, paths[i], "alice.shop");
	back_agent_door(d, AGENT_PATH, "");
	back_agent_door(d, AGENT_PATH, "alice.shop; x");
	d->agent = false; /* nor for who offered none */
	back_agent_door(d, AGENT_PATH, "alice.shop");
	assert_int_equal(heard(), 0);
	d->agent = true;
	asked_for_terminals(d, AGENT_PATH);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_session_asks_for_the_agent),
	    T(test_the_agent_goes_with_the_door),
	    T(test_another_path_takes_its_place),
	    T(test_a_program_that_ended_is_asked_for_again),
	    T(test_what_a_session_may_not_say),
	    T(test_a_port_is_listened_at),
	    T(test_any_port_is_told),
	    T(test_a_connection_goes_to_the_client),
	    T(test_the_far_end_closes_first),
	    T(test_what_was_sent_before_the_close_arrives),
	    T(test_the_client_does_not_take_it),
	    T(test_places_for_connections_end),
	    T(test_refused_with_the_reason),
	    T(test_what_comes_out_must_be_a_stream),
	    T(test_answers_keep_their_order),
	    T(test_only_loopback_and_not_too_many),
	    T(test_it_is_given_up),
	    T(test_its_program_ends),
	    T(test_a_program_waits_for_the_agent),
	    T(test_a_program_goes_without_a_refused_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
