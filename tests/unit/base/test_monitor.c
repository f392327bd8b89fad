/* The monitor's messages: whole ones decode, all others mark the connection as compromised. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/monitor.h"

static struct ipc_out out;
static struct ipc_in in;
static struct monitor_msg msg;

/* Through a real socket, as in life. */
static int decode(void)
{
	int fds[2], rc;

	assert_int_equal(ipc_pair(fds, NULL), 0);
	assert_int_equal(ipc_send(fds[0], &out), 0);
	assert_int_equal(ipc_recv(fds[1], &in), 1);
	rc = monitor_decode(&msg, &in);
	close(fds[0]);
	close(fds[1]);
	return rc;
}

static void begin_open(uint32_t channel, const char *line, uint32_t rows, const char *env)
{
	ipc_begin(&out, MONITOR_OPEN);
	ipc_put_u32(&out, channel);
	ipc_put_u32(&out, 1);
	ipc_put_str(&out, line);
	ipc_put_u32(&out, 1);
	ipc_put_u32(&out, rows);
	ipc_put_u32(&out, 80);
	ipc_put_str(&out, "xterm");
	ipc_put_u32(&out, 1);
	ipc_put_str(&out, env);
}

static void test_open(void **state)
{
	begin_open(3, "ls -l", 24, "LANG=C");
	assert_int_equal(decode(), 0);
	assert_int_equal(msg.channel, 3);
	assert_true(msg.exec && msg.pty);
	assert_string_equal(msg.line, "ls -l");
	assert_int_equal(msg.rows, 24);
	assert_string_equal(msg.term, "xterm");
	assert_int_equal(msg.nenv, 1);
	assert_string_equal(msg.env[0], "LANG=C");
}

static void test_open_out_of_range(void **state)
{
	cl_autofree char *line = mem_alloc(MONITOR_LINE_MAX + 2);

	begin_open(MONITOR_CHANNELS, "x", 24, "LANG=C");
	assert_int_equal(decode(), -1);
	begin_open(0, "x", 100000, "LANG=C");
	assert_int_equal(decode(), -1);
	begin_open(0, "x", 24, "LD_PRELOAD=/x");
	assert_int_equal(decode(), -1);
	memset(line, 'x', MONITOR_LINE_MAX);
	begin_open(0, line, 24, "LANG=C");
	assert_int_equal(decode(), 0);
	line[MONITOR_LINE_MAX] = 'x';
	begin_open(0, line, 24, "LANG=C");
	assert_int_equal(decode(), -1);
}

static void test_leftovers_and_cuts(void **state)
{
	begin_open(0, "x", 24, "LANG=C");
	ipc_put_u32(&out, 1);
	assert_int_equal(decode(), -1);
	begin_open(0, "x", 24, "LANG=C");
	for (size_t n = out.len - 1; n >= 4; n--) {
		out.len = n;
		assert_int_equal(decode(), -1);
	}
	ipc_begin(&out, MONITOR_PONG);
	ipc_put_u32(&out, 7);
	assert_int_equal(decode(), 0);
	assert_int_equal(msg.number, 7);
	ipc_begin(&out, MONITOR_VERDICT); /* the listener's own words */
	ipc_put_u32(&out, 1);
	assert_int_equal(decode(), -1);
	ipc_begin(&out, 0);
	assert_int_equal(decode(), -1);
}

static void test_descriptors_are_refused(void **state)
{
	ipc_begin(&out, MONITOR_PONG);
	ipc_put_u32(&out, 7);
	ipc_put_fd(&out, 0);
	assert_int_equal(decode(), -1);
}

static void test_credentials(void **state)
{
	char secret[MONITOR_PASSWORD_MAX + 1];

	ipc_begin(&out, MONITOR_KEY);
	ipc_put_str(&out, "alice");
	ipc_put_str(&out, "ssh-ed25519 AAAA");
	ipc_put_u32(&out, 2);
	assert_int_equal(decode(), -1);
	memset(secret, 'p', sizeof(secret));
	ipc_begin(&out, MONITOR_PASSWORD);
	ipc_put_str(&out, "alice");
	ipc_put_bytes(&out, secret, MONITOR_PASSWORD_MAX);
	assert_int_equal(decode(), 0);
	assert_int_equal(msg.password_len, MONITOR_PASSWORD_MAX);
	ipc_begin(&out, MONITOR_PASSWORD);
	ipc_put_str(&out, "alice");
	ipc_put_bytes(&out, secret, MONITOR_PASSWORD_MAX + 1);
	assert_int_equal(decode(), -1);
	ipc_begin(&out, MONITOR_PASSWORD);
	ipc_put_bytes(&out, "al\0ice", 6);
	ipc_put_bytes(&out, "x", 1);
	assert_int_equal(decode(), -1);
}

static void test_signals(void **state)
{
	static const int no[] = {0, SIGSTOP, SIGSEGV, 64, 65};

	assert_int_equal(monitor_signal("TERM"), SIGTERM);
	assert_int_equal(monitor_signal("STOP"), 0);
	assert_int_equal(monitor_signal("SEGV"), 0);
	assert_int_equal(monitor_signal("9"), 0);
	assert_int_equal(monitor_signal(NULL), 0);
	assert_string_equal(monitor_signal_name(SIGSEGV), "SEGV");
	assert_null(monitor_signal_name(SIGWINCH));
	for (size_t i = 0; i < CL_COUNT(no); i++) {
		ipc_begin(&out, MONITOR_SIGNAL);
		ipc_put_u32(&out, 0);
		ipc_put_u32(&out, (uint32_t)no[i]);
		assert_int_equal(decode(), -1);
	}
}

static void test_variables(void **state)
{
	static const char *const yes[] = {"LANG=ko_KR.UTF-8", "LC_ALL=C", "TERM=xterm", "TZ=Asia/Seoul",
	    "NO_COLOR=", "COLORTERM=truecolor", "CODINGLAB_FOO=1", "LC_MESSAGES=x=y"};
	static const char *const no[] = {"LANG", "=x", "", "LANGUAGE=x", "LC_=x", "lc_all=C", "PATH=/x",
	    "LD_PRELOAD=x", "TERMINFO=/x", "TERMINFO_DIRS=/x", "LC_ALL=a\nb", "LC_ALL=\033[2J", "LC A=x",
	    "CODINGLAB_=x", "CODINGLAB_SOCKET=/x", "CODINGLAB_STATE=/x", "CODINGLAB_PROJECT=x",
	    "CODINGLAB_CONF=/x", "BASH_ENV=x", "LC_ALL\1=x"};
	char value[MONITOR_ENV_SIZE + 2] = "LANG=";

	for (size_t i = 0; i < CL_COUNT(yes); i++)
		if (!monitor_env_allowed(yes[i]))
			fail_msg("%s is refused", yes[i]);
	for (size_t i = 0; i < CL_COUNT(no); i++)
		if (monitor_env_allowed(no[i]))
			fail_msg("%s is allowed", no[i]);
	memset(value + 5, 'x', MONITOR_ENV_SIZE - 5);
	assert_true(monitor_env_allowed(value));
	value[MONITOR_ENV_SIZE] = 'x';
	assert_false(monitor_env_allowed(value));
}

static void test_terminal(void **state)
{
	static const char *const odd[] = {"", "../x", "/etc/passwd", "a b", ".x", "-x", "x\n", "\xff"};
	char term[MONITOR_TERM_MAX + 1], big[200];
	int rows, cols;

	monitor_term(term, "screen.xterm-256color");
	assert_string_equal(term, "screen.xterm-256color");
	for (size_t i = 0; i < CL_COUNT(odd); i++) {
		monitor_term(term, odd[i]);
		assert_string_equal(term, "xterm");
	}
	monitor_term(term, NULL);
	assert_string_equal(term, "xterm");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	monitor_term(term, big);
	assert_string_equal(term, "xterm");
	rows = cols = 0;
	monitor_size(&rows, &cols);
	assert_true(rows == 24 && cols == 80);
	rows = cols = -1;
	monitor_size(&rows, &cols);
	assert_true(rows == 2 && cols == 4);
	rows = cols = 100000;
	monitor_size(&rows, &cols);
	assert_true(rows == 500 && cols == 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_open_out_of_range),
	    cmocka_unit_test(test_leftovers_and_cuts),
	    cmocka_unit_test(test_descriptors_are_refused),
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_signals),
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
