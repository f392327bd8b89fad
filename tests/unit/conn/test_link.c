/*
 * What a client's requests become on the monitor, with the test as the listener and without any
 * network: sizes, terminals, variables, commands and signals as they are passed on, what is
 * refused at once; and the listener's words, good and malformed.
 */
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
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/door.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "sshd/conn/ask.h"
#include "sshd/conn/chan.h"
#include "sshd/conn/life.h"
#include "sshd/conn/link.h"
#include "sshd/conn/pump.h"
#include "sshd/conn/request.h"
#include "tests/unit/conn/fake_ssh.h"

static int listener;
static struct ipc_out out;
static struct ipc_in in;
static struct monitor_msg msg;
static struct chan *c;
static char told[1024];

static void granted(uint32_t id, bool door, bool pty, const int fds[3])
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "granted %u %d %d %d%d%d|", id, door, pty, fds[0] >= 0, fds[1] >= 0,
	    fds[2] >= 0);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void refused(uint32_t id, int code, const char *text)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "refused %u %d %s|", id, code, text);
}

static void exited(uint32_t id, int code, int sig)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "exited %u %d %d|", id, code, sig);
}

static void close_all(const char *reason)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "close %s|", reason);
}

static const struct link_hooks hooks = {granted, refused, exited, close_all};

static void put_setup(uint32_t uid, uint32_t gid)
{
	ipc_begin(&out, MONITOR_SETUP);
	ipc_put_u32(&out, uid);
	ipc_put_u32(&out, gid);
	ipc_put_str(&out, "/run/empty");
	ipc_put_u32(&out, 6);
	ipc_put_u32(&out, 120000);
	ipc_put_str(&out, "192.0.2.7");
}

static void say(void)
{
	assert_int_equal(ipc_send(listener, &out), 0);
}

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
	told[0] = '\0';
	fake_ssh_init();
	put_setup(111, 222);
	say();
	link_setup(&hooks);
	conn.session = ssh_new();
	conn.authed = true;
	assert_non_null(request_open_cb(conn.session, NULL));
	c = &chan_all[0];
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < MONITOR_CHANNELS; i++)
		if (chan_all[i].state != CHAN_FREE)
			chan_release(&chan_all[i]);
	ssh_free(conn.session);
	fake_ssh_clear();
	close(listener);
	close(CONN_MON_FD);
	return 0;
}

/* The next message, as the listener reads it. */
static void heard(uint32_t type)
{
	if (ipc_recv(listener, &in) != 1)
		fail_msg("nothing was said, %#x expected", type);
	if (monitor_decode(&msg, &in) < 0)
		fail_msg("%#x is malformed", in.type);
	assert_int_equal(msg.type, type);
}

static void silence(void)
{
	if (ipc_recv(listener, &in) == 1)
		fail_msg("%#x was said", in.type);
}

#define REQ(name, ...) c->callbacks.channel_##name##_function(conn.session, c->ssh, __VA_ARGS__)

static int pty(const char *term, int cols, int rows)
{
	return REQ(pty_request, term, cols, rows, 0, 0, c);
}

static int exec(const char *line)
{
	return REQ(exec_request, line, c);
}

static int env(const char *name, const char *value)
{
	return REQ(env_request, name, value, c);
}

static const char *said(void)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)c->out_len, c->out_buf ? c->out_buf + c->out_off : "");
	return text;
}

/* -- requests -- */

static void test_setup(void **state)
{
	assert_int_equal(conn.uid, 111);
	assert_int_equal(conn.gid, 222);
	assert_string_equal(conn.chroot, "/run/empty");
	assert_int_equal(conn.tries, 6);
	assert_int_equal(conn.grace_ms, 120000);
	assert_string_equal(conn.address, "192.0.2.7");
	silence();
}

static void test_a_screen(void **state)
{
	assert_int_equal(pty("tmux-256color", 132, 43), 0);
	silence(); /* a terminal alone is nothing yet */
	assert_int_equal(REQ(shell_request, c), 0);
	heard(MONITOR_OPEN);
	assert_int_equal(msg.channel, 0);
	assert_true(!msg.exec && msg.pty);
	assert_int_equal(msg.rows, 43);
	assert_int_equal(msg.cols, 132);
	assert_string_equal(msg.term, "tmux-256color");
	assert_string_equal(msg.line, "");
	assert_int_equal(c->state, CHAN_ASKED);
	/* one request for each channel */
	assert_int_not_equal(REQ(shell_request, c), 0);
	assert_int_not_equal(exec("whoami"), 0);
	assert_int_not_equal(pty("xterm", 80, 24), 0);
	silence();
}

static void test_sizes_from_the_wire(void **state)
{
	static const struct {
		int cols, rows, want_cols, want_rows;
	} cases[] = {{0, 0, 80, 24}, {80, 24, 80, 24}, {1, 1, DOOR_COLS_MIN, DOOR_ROWS_MIN}, {-5, -5, DOOR_COLS_MIN, DOOR_ROWS_MIN},
	    {1000000, 1000000, DOOR_COLS_MAX, DOOR_ROWS_MAX}, {INT32_MAX, INT32_MIN, DOOR_COLS_MAX, DOOR_ROWS_MIN},
	    {0, 50, 80, 50}};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		c->pty = false;
		assert_int_equal(pty("xterm", cases[i].cols, cases[i].rows), 0);
		assert_int_equal(c->cols, cases[i].want_cols);
		assert_int_equal(c->rows, cases[i].want_rows);
		c->rows = c->cols = -1;
		c->resize_due = false;
		assert_int_equal(REQ(pty_window_change, cases[i].cols, cases[i].rows, 0, 0, c), 0);
		assert_int_equal(c->cols, cases[i].want_cols);
		assert_int_equal(c->rows, cases[i].want_rows);
		assert_true(c->resize_due);
	}
	c->pty = false; /* without a terminal there is nothing to resize */
	assert_int_not_equal(REQ(pty_window_change, 100, 30, 0, 0, c), 0);
}

static void test_names_of_terminals(void **state)
{
	static const struct {
		const char *term, *want;
	} cases[] = {{"xterm-256color", "xterm-256color"}, {"", "xterm"}, {NULL, "xterm"}, {"../../etc/x", "xterm"},
	    {"a/b", "xterm"}, {"-x", "xterm"}, {".x", "xterm"}, {"x\033[2J", "xterm"}, {"x y", "xterm"},
	    {"screen.xterm+x_1", "screen.xterm+x_1"},
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "xterm"}};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		assert_int_equal(pty(cases[i].term, 80, 24), 0);
		assert_string_equal(c->term, cases[i].want);
	}
}

static void test_variables(void **state)
{
	static const struct {
		const char *name, *value;
		bool ok;
	} cases[] = {
	    {"LANG", "ko_KR.UTF-8", true}, {"LC_ALL", "C", true}, {"LC_", "x", false}, {"TZ", "Asia/Seoul", true},
	    {"COLORTERM", "truecolor", true}, {"NO_COLOR", "", true}, {"CODINGLAB_THEME", "dark", true},
	    {"CODINGLAB_", "x", false}, {"CODINGLAB_STATE", "/tmp", false}, {"CODINGLAB_SOCKET", "/tmp/s", false},
	    {"CODINGLAB_PROJECT", "bob.shop", false}, {"PATH", "/tmp", false}, {"LD_PRELOAD", "/tmp/x.so", false},
	    {"HOME", "/root", false}, {"BASH_ENV", "x", false}, {"lang", "C", false}, {"LANG", "a\nb", false},
	    {"LANG", "\033]0;x", false}, {"LANG=C", "x", false}, {"", "x", false}, {NULL, "x", false}, {"LANG", NULL, false},
	    {"LC_A B", "x", false}, {"LC_\xc3\xa4", "x", false}};
	char text[300];
	int n = 0;

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		if ((env(cases[i].name, cases[i].value) == 0) != cases[i].ok)
			fail_msg("%s=%s", cases[i].name ? cases[i].name : "(null)", cases[i].value ? cases[i].value : "(null)");
		n += cases[i].ok;
	}
	assert_int_equal(c->nenv, n);
	memset(text, 'v', sizeof(text));
	text[MONITOR_ENV_SIZE - 5] = '\0'; /* "LANG=" and this is just what fits */
	assert_int_equal(env("LANG", text), 0);
	text[MONITOR_ENV_SIZE - 5] = 'v';
	text[MONITOR_ENV_SIZE - 4] = '\0';
	assert_int_not_equal(env("LANG", text), 0);
	for (n++; n < MONITOR_ENV_MAX; n++)
		assert_int_equal(env("LC_TIME", "C"), 0);
	assert_int_not_equal(env("LC_TIME", "C"), 0);
	assert_int_equal(exec("env"), 0);
	heard(MONITOR_OPEN);
	assert_int_equal(msg.nenv, MONITOR_ENV_MAX);
	assert_string_equal(msg.env[0], "LANG=ko_KR.UTF-8");
	assert_int_not_equal(env("LANG", "C"), 0); /* too late */
}

static void test_commands(void **state)
{
	char *line = mem_alloc(MONITOR_LINE_MAX + 2);

	memset(line, 'x', MONITOR_LINE_MAX);
	assert_int_equal(exec(line), 0);
	heard(MONITOR_OPEN);
	assert_true(msg.exec && !msg.pty);
	assert_string_equal(msg.line, line);
	assert_string_equal(said(), "");
	chan_release(c);
	assert_non_null(request_open_cb(conn.session, NULL));
	line[MONITOR_LINE_MAX] = 'x';
	assert_int_equal(exec(line), 0);
	silence();
	assert_true(c->ending);
	assert_int_equal(c->code, 2);
	assert_non_null(strstr(said(), "too long"));
	mem_free(line);
}

static void test_a_screen_without_a_terminal(void **state)
{
	assert_int_equal(REQ(shell_request, c), 0);
	silence();
	assert_true(c->ending && c->out_is_err);
	assert_int_equal(c->code, 2);
	assert_non_null(strstr(said(), "ssh -t USER@HOST"));
	assert_int_not_equal(exec("whoami"), 0); /* it has ended */
	silence();
}

static void test_subsystems(void **state)
{
	static const char *const unknown[] = {"netconf", "", "SFTP", "sftp ", "../sftp"};

	for (size_t i = 0; i < CL_COUNT(unknown); i++)
		assert_int_not_equal(REQ(subsystem_request, unknown[i], c), 0);
	assert_int_not_equal(REQ(subsystem_request, NULL, c), 0);
	assert_int_equal(REQ(subsystem_request, "sftp", c), 0);
	assert_int_equal(c->state, CHAN_ASKED);
	assert_int_not_equal(REQ(subsystem_request, "sftp", c), 0); /* one per channel */
}

static void test_signals(void **state)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {{"INT", SIGINT}, {"TERM", SIGTERM}, {"HUP", SIGHUP}, {"KILL", SIGKILL}, {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
	    {"SIGINT", 0}, {"int", 0}, {"", 0}, {"9", 0}, {"INT ", 0}, {"STOP", 0}};

	REQ(signal, "INT", c);
	silence(); /* nothing runs */
	c->state = CHAN_PROGRAM;
	REQ(signal, "INT", c);
	silence(); /* the listener has not said so */
	c->answered = true;
	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		REQ(signal, cases[i].name, c);
		if (!cases[i].number) {
			silence();
			continue;
		}
		heard(MONITOR_SIGNAL);
		assert_int_equal(msg.number, cases[i].number);
	}
	REQ(signal, NULL, c);
	c->exited = true;
	REQ(signal, "INT", c);
	silence(); /* its number may be another's by now */
	c->state = CHAN_IDLE;
}

static void test_data(void **state)
{
	char got[16] = "";
	int p[2];

	assert_int_equal(pipe(p), 0);
	c->state = CHAN_PROGRAM;
	c->in = p[1];
	assert_int_equal(REQ(data, (void *)"typed", 5, 0, c), 5);
	assert_int_equal(REQ(data, (void *)"nonsense", 8, 1, c), 8); /* a client has no stderr */
	assert_int_equal(read(p[0], got, sizeof(got)), 5);
	assert_string_equal(got, "typed");
	REQ(eof, c);
	assert_int_equal(c->in, -1);
	assert_int_equal(read(p[0], got, sizeof(got)), 0);
	REQ(close, c);
	assert_true(c->client_closed);
	close(p[0]);
	c->state = CHAN_IDLE;
}

static void test_channels_are_counted(void **state)
{
	for (int i = 1; i < MONITOR_SESSIONS; i++) {
		assert_non_null(request_open_cb(conn.session, NULL));
		assert_int_equal(chan_all[i].id, i);
	}
	assert_null(request_open_cb(conn.session, NULL));
	chan_release(&chan_all[4]);
	assert_non_null(request_open_cb(conn.session, NULL));
	assert_int_equal(chan_all[4].state, CHAN_IDLE);
	chan_release(&chan_all[4]);
	conn.closing = true;
	assert_null(request_open_cb(conn.session, NULL));
	conn.closing = false;
	conn.authed = false;
	assert_null(request_open_cb(conn.session, NULL));
}

/* -- the listener's words -- */

static void test_answers(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	static const struct {
		uint32_t type;
		int fds;
	} grants[] = {{MONITOR_DOOR, 1}, {MONITOR_PIPES, 3}, {MONITOR_PTY, 1}};

	for (uint32_t i = 0; i < CL_COUNT(grants); i++) {
		ipc_begin(&out, grants[i].type);
		ipc_put_u32(&out, i);
		for (int k = 0; k < grants[i].fds; k++)
			ipc_put_fd(&out, fd);
		say();
	}
	ipc_begin(&out, MONITOR_REFUSED);
	ipc_put_u32(&out, 9);
	ipc_put_u32(&out, 4);
	ipc_put_str(&out, "codinglab: no such project");
	say();
	ipc_begin(&out, MONITOR_EXIT);
	ipc_put_u32(&out, 2);
	ipc_put_u32(&out, 130);
	ipc_put_u32(&out, 2);
	ipc_put_u32(&out, 0);
	say();
	ipc_begin(&out, MONITOR_PING);
	ipc_put_u32(&out, 0xfffffffeu);
	say();
	ipc_begin(&out, MONITOR_CLOSE);
	ipc_put_str(&out, "bye");
	say();
	link_ready(); /* all that waits, in one turn */
	assert_string_equal(told, "granted 0 1 0 100|granted 1 0 0 111|granted 2 0 1 100|"
	    "refused 9 4 codinglab: no such project|exited 2 130 2|close bye|");
	heard(MONITOR_PONG);
	assert_int_equal(msg.number, 0xfffffffeu);
	close(fd);
}

static void test_the_listener_is_gone(void **state)
{
	shutdown(listener, SHUT_RDWR);
	link_ready();
	/* who is logged in goes on with what is open; nothing new */
	assert_true(conn.orphan && !conn.over);
	link_note("x");
	conn.orphan = false;
	conn.authed = false;
	link_ready();
	assert_true(conn.over);
}

static void put_verdict(uint32_t ok)
{
	ipc_begin(&out, MONITOR_VERDICT);
	ipc_put_u32(&out, ok);
	say();
}

static void test_asking_who_it_is(void **state)
{
	conn.authed = false;
	put_verdict(1);
	assert_true(link_ask_key("alice", "ssh-ed25519 AAAA", true));
	heard(MONITOR_KEY);
	assert_string_equal(msg.user, "alice");
	assert_string_equal(msg.key, "ssh-ed25519 AAAA");
	assert_true(msg.is_signed);
	ipc_begin(&out, MONITOR_PING); /* a heartbeat may come between */
	ipc_put_u32(&out, 5);
	say();
	put_verdict(0);
	assert_false(link_ask_password("alice", "secret"));
	heard(MONITOR_PASSWORD);
	assert_int_equal(msg.password_len, 6);
	assert_memory_equal(msg.password, "secret", 6);
	heard(MONITOR_PONG);
	assert_int_equal(msg.number, 5);
	/* told to go while it waits: that is no yes */
	ipc_begin(&out, MONITOR_CLOSE);
	ipc_put_str(&out, "too late");
	say();
	put_verdict(1);
	assert_false(link_ask_password("alice", "secret"));
	assert_true(conn.over);
	conn.over = false;
	shutdown(listener, SHUT_RDWR);
	assert_false(link_ask_password("alice", "secret"));
	assert_true(conn.over);
}

static void test_notes_are_cut(void **state)
{
	char text[4096];

	memset(text, 'n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	link_note(text);
	heard(MONITOR_NOTE);
	assert_true(strlen(msg.text) < MONITOR_TEXT_MAX);
	link_forget(3);
	heard(MONITOR_FORGET);
	assert_int_equal(msg.channel, 3);
	link_switch(2, "bob:shop");
	heard(MONITOR_SWITCH);
	assert_int_equal(msg.channel, 2);
	assert_string_equal(msg.text, "bob:shop");
}

/* The process ends at once when its listener's words make no sense. */
static int fate(void (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void act_setup(void)
{
	link_setup(&hooks);
}

static void test_malformed_words_end_it(void **state)
{
	static const uint32_t types[] = {MONITOR_DOOR, MONITOR_PIPES, MONITOR_PTY, MONITOR_REFUSED, MONITOR_EXIT, MONITOR_CLOSE,
	    MONITOR_VERDICT, MONITOR_SETUP, MONITOR_OPEN, 0, 0xffffffffu};

	for (size_t i = 0; i < CL_COUNT(types); i++) {
		ipc_begin(&out, types[i]); /* no fields, no descriptors */
		say();
		if (fate(link_ready) != 1)
			fail_msg("%#x was taken", types[i]);
		ipc_begin(&out, types[i]);
		ipc_put_u32(&out, MONITOR_CHANNELS); /* no such channel */
		ipc_put_u32(&out, 0);
		ipc_put_str(&out, "");
		ipc_put_u32(&out, 0);
		say();
		if (fate(link_ready) != 1)
			fail_msg("%#x was taken", types[i]);
	}
	ipc_begin(&out, MONITOR_REFUSED);
	ipc_put_u32(&out, 0);
	ipc_put_u32(&out, 256);
	ipc_put_str(&out, "x");
	say();
	assert_int_equal(fate(link_ready), 1);
	assert_string_equal(told, "");
	/* and before everything: never as root */
	put_setup(0, 222);
	say();
	assert_int_equal(fate(act_setup), 1);
	put_setup(111, 0);
	say();
	assert_int_equal(fate(act_setup), 1);
	put_verdict(1);
	assert_int_equal(fate(act_setup), 1);
	put_setup(111, 222);
	ipc_put_u32(&out, 1);
	say();
	assert_int_equal(fate(act_setup), 1);
	put_setup(111, 222);
	say();
	assert_int_equal(fate(act_setup), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_setup), T(test_a_screen), T(test_sizes_from_the_wire), T(test_names_of_terminals),
	    T(test_variables), T(test_commands), T(test_a_screen_without_a_terminal), T(test_subsystems),
	    T(test_signals), T(test_data), T(test_channels_are_counted), T(test_answers),
	    T(test_the_listener_is_gone), T(test_asking_who_it_is), T(test_notes_are_cut),
	    T(test_malformed_words_end_it),
	};

	log_open("test", LOG_ERROR_L + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
