/* The path of a socket in what libssh leaves of a packet: found in the right buffer, and nothing that is not whole taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

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
	    T(test_a_path_is_found), T(test_after_what_libssh_has_read), T(test_only_in_the_packet_that_came),
	    T(test_nothing_else_is_one), T(test_the_longest), T(test_another_library_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
