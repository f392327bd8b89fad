/* The path of a socket in what libssh leaves of a packet: found in the right buffer, and nothing that is not whole taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libssh/server.h>

#include "base/mem.h"
#include "sshd/conn/packet.h"

static ssh_buffer made[8];
static int count, most = 6;
static char text[PACKET_PATH_MAX + 1];

/* Stands in for libssh's, which makes its buffers like this. */
ssh_session ssh_new(void)
{
	for (count = 0; count < most; count++)
		made[count] = ssh_buffer_new();
	return (ssh_session)(void *)made;
}

static int setup(void **state)
{
	assert_ptr_equal(packet_session_new(), made);
	memset(text, 'x', sizeof(text) - 1);
	return 0;
}

static int teardown(void **state)
{
	while (count)
		ssh_buffer_free(made[--count]);
	return 0;
}

static void put(int n, const char *bytes, size_t len)
{
	assert_int_equal(ssh_buffer_add_data(made[n], bytes, (uint32_t)len), 0);
}

#define PUT(n, s) put(n, s, sizeof(s) - 1)
#define GOOD "\0\0\0\6/tmp/x\0\0\0\0\0\0\0\0"

static void test_a_path_is_found(void **state)
{
	PUT(3, GOOD);
	assert_true(packet_path(text));
	assert_string_equal(text, "/tmp/x");
	assert_true(packet_path(text)); /* looking takes nothing away */
	ssh_buffer_reinit(made[3]);
	PUT(3, "\0\0\0\2/y\0\0\0\4what\0\0\0\7"); /* what is reserved may hold anything */
	assert_true(packet_path(text));
	assert_string_equal(text, "/y");
}

static void test_after_what_libssh_has_read(void **state)
{
	char before[16];

	PUT(3, "channel, window." GOOD);
	assert_int_equal(ssh_buffer_get_data(made[3], before, sizeof(before)), sizeof(before));
	assert_true(packet_path(text));
	assert_string_equal(text, "/tmp/x");
}

static void test_only_in_the_packet_that_came(void **state)
{
	for (int i = 0; i < 3; i++)
		PUT(i, GOOD);
	assert_false(packet_path(text));
}

static void test_nothing_else_is_one(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
#define R(s) {s, sizeof(s) - 1}
	    R(""), R("\0\0\0\6"), R("\0\0\0\6/tmp/x"), R("\0\0\0\6/tmp/x\0\0\0\0"), R("\0\0\0\6/tmp/x\0\0\0\0\0\0\0"),
	    R(GOOD "x"), R("\0\0\0\6tmp/xx\0\0\0\0\0\0\0\0"), R("\0\0\0\1/\0\0\0\0\0\0\0\0"), R("\0\0\0\0\0\0\0\0\0\0\0\0"),
	    R("\0\0\0\6/tm\0/x\0\0\0\0\0\0\0\0"), R("\377\377\377\377/tmp/x\0\0\0\0\0\0\0\0"),
	    R("\0\0\0\6/tmp/x\377\377\377\377\0\0\0\0"), R("\0\0\0\6/tmp/x\177\377\377\377\0\0\0\0"),
#undef R
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		ssh_buffer_reinit(made[3]);
		put(3, rows[i].bytes, rows[i].len);
		if (packet_path(text))
			fail_msg("row %zu: %s", i, text);
	}
}

static void test_the_longest(void **state)
{
	for (uint32_t len = PACKET_PATH_MAX; len <= PACKET_PATH_MAX + 1; len++) {
		char path[PACKET_PATH_MAX + 2], head[4] = {0, 0, 0, (char)len};

		memset(path, 'p', sizeof(path));
		path[0] = '/';
		ssh_buffer_reinit(made[3]);
		put(3, head, 4);
		put(3, path, len);
		PUT(3, "\0\0\0\0\0\0\0\0");
		assert_int_equal(packet_path(text), len == PACKET_PATH_MAX);
	}
	assert_int_equal(strlen(text), PACKET_PATH_MAX);
}

static void hears(int type)
{
	_ssh_log(3, "ssh_packet_process", "Dispatching handler for packet type %d", type);
}

static void packet_of(const char *bytes, size_t len, int type)
{
	ssh_buffer_reinit(made[3]);
	put(3, bytes, len);
	hears(type);
}

#define KEXINIT "0123456789abcdef\0\0\0\43curve25519-sha256"
#define STRICT KEXINIT ",kex-strict-c-v00@openssh.com"
#define HEAR(type, s) packet_of(s, sizeof(s) - 1, type)

static void anew(void **state)
{
	teardown(state);
	setup(state);
}

static void test_a_strict_exchange_is_alone(void **state)
{
	for (int type = 2; type <= 4; type++) {
		anew(state);
		HEAR(20, STRICT);
		assert_null(packet_violation());
		hears(30);
		HEAR(type, "x");
		assert_string_equal(packet_violation(), "a message inside a strict key exchange");
		anew(state);
		assert_null(packet_violation());
		HEAR(type, "x");
		HEAR(20, STRICT);
		assert_string_equal(packet_violation(), "a message before a strict key exchange");
		anew(state);
		HEAR(20, STRICT);
		hears(30);
		hears(21);
		HEAR(type, "x"); /* there are keys: an ordinary message */
		HEAR(20, STRICT);
		HEAR(type, "x");
		assert_null(packet_violation());
		anew(state);
		HEAR(20, KEXINIT); /* a client that knows nothing of it */
		HEAR(type, "x");
		assert_null(packet_violation());
	}
}

static void keys(void)
{
	HEAR(20, KEXINIT);
	hears(21);
}

static void holds(const char *bytes, size_t len)
{
	assert_int_equal(ssh_buffer_get_len(made[3]), len);
	assert_memory_equal(ssh_buffer_get(made[3]), bytes, len);
}

#define HOLDS(s) holds(s, sizeof(s) - 1)

static void test_sockets_to_listen_at_become_addresses(void **state)
{
	keys();
	HEAR(80, "\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/tmp/x");
	HOLDS("\0\0\0\15tcpip-forward\1\0\0\0\6/tmp/x\0\0\0\1");
	HEAR(80, "\0\0\0\46cancel-streamlocal-forward@openssh.com\0\0\0\0\2/y");
	HOLDS("\0\0\0\24cancel-tcpip-forward\0\0\0\0\2/y\0\0\0\1");
}

static void test_other_requests_stay_as_they_are(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
#define R(s) {s, sizeof(s) - 1}
	    R(""), R("\0\0\0\37streamlocal-forward@openssh.com"), R("\0\0\0\37streamlocal-forward@openssh.com\1"),
	    R("\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/tmp/"), R("\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/tmp/xx"),
	    R("\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6tmp/xx"), R("\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/t\0p/x"),
	    R("\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\0"), R("\0\0\0\15tcpip-forward\1\0\0\0\0\0\0\0\26"),
	    R("\0\0\0\25keepalive@openssh.com\1"), R("\0\0\0\36streamlocal-forward@openssh.co\1\0\0\0\6/tmp/x"),
	    R("\377\377\377\377streamlocal-forward@openssh.com\1\0\0\0\6/tmp/x"),
#undef R
	};

	HEAR(80, "\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/tmp/x"); /* before there are keys */
	assert_int_equal(ssh_buffer_get_len(made[3]), 46);
	keys();
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		packet_of(rows[i].bytes, rows[i].len, 80);
		holds(rows[i].bytes, rows[i].len);
	}
	HEAR(98, "\0\0\0\37streamlocal-forward@openssh.com\1\0\0\0\6/tmp/x"); /* no request of this kind */
	assert_int_equal(ssh_buffer_get_len(made[3]), 46);
	_ssh_log(3, "f", "something else %d", 80);
	assert_int_equal(ssh_buffer_get_len(made[3]), 46);
}

static ssh_buffer sent;

/* Stands in for libssh's: it fills a buffer and has it sent. */
int ssh_channel_open_reverse_forward(ssh_channel channel, const char *host, int port, const char *from, int from_port)
{
	assert_int_equal(port, PACKET_PORT);
	ssh_buffer_get(sent);
	return SSH_AGAIN;
}

static void test_a_connection_to_a_socket_says_so(void **state)
{
	static const char before[] = "\132\0\0\0\17forwarded-tcpip\0\0\0\1\0\1\0\0\0\0\200\0\0\0\0\6/tmp/x\0\0\0\1\0\0\0\0\0\0\0";
	static const char after[] = "\132\0\0\0\41forwarded-streamlocal@openssh.com\0\0\0\1\0\1\0\0\0\0\200\0\0\0\0\6/tmp/x\0\0\0";
	static const char other[] = "\132\0\0\0\7session\0\0\0\1\0\1\0\0\0\0\200\0";

	sent = made[2];
	put(2, before, sizeof(before));
	assert_int_equal(packet_open_path(NULL, "/tmp/x"), SSH_AGAIN);
	assert_int_equal(ssh_buffer_get_len(sent), sizeof(after));
	assert_memory_equal(ssh_buffer_get(sent), after, sizeof(after));
	ssh_buffer_reinit(sent);
	put(2, before, sizeof(before)); /* -R of a port: as it is */
	assert_memory_equal(ssh_buffer_get(sent), before, sizeof(before));
	ssh_buffer_reinit(sent);
	put(2, other, sizeof(other));
	packet_open_path(NULL, "/tmp/x");
	assert_memory_equal(ssh_buffer_get(sent), other, sizeof(other));
}

static void test_another_library_is_noticed(void **state)
{
	for (most = 5; most <= 7; most += 2) {
		teardown(state);
		setup(state);
		PUT(3, GOOD);
		assert_false(packet_path(text));
	}
	most = 6;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_strict_exchange_is_alone), T(test_sockets_to_listen_at_become_addresses),
	    T(test_other_requests_stay_as_they_are), T(test_a_connection_to_a_socket_says_so), T(test_a_path_is_found), T(test_after_what_libssh_has_read), T(test_only_in_the_packet_that_came),
	    T(test_nothing_else_is_one), T(test_the_longest), T(test_another_library_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
