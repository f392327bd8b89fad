/* Which addresses an import may talk to, and how a connection is pinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/broker/unpack/reach.h"

static bool allowed(const char *text, const char *networks)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return reach_allowed((const struct sockaddr *)(const void *)&four, networks);
	assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
	return reach_allowed((const struct sockaddr *)(const void *)&six, networks);
}

static void public_ones(void **state)
{
	static const char *const yes[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255",
	    "100.128.0.0", "126.255.255.255", "128.0.0.1", "172.15.255.255", "172.32.0.0", "192.167.0.1",
	    "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1"};

	for (size_t i = 0; i < CL_COUNT(yes); i++)
		if (!allowed(yes[i], ""))
			fail_msg("%s", yes[i]);
}

static void closed_ones(void **state)
{
	static const char *const no[] = {"0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1",
	    "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
	    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
	    "198.51.100.7", "203.0.113.7", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
	    "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
	    "2001:db8::1", "2002:7f00:1::", "2001::1"};

	for (size_t i = 0; i < CL_COUNT(no); i++)
		if (allowed(no[i], ""))
			fail_msg("%s", no[i]);
}

static void networks_of_the_operator(void **state)
{
	assert_true(allowed("10.1.2.3", "10.1.0.0/16"));
	assert_false(allowed("10.2.2.3", "10.1.0.0/16"));
	assert_true(allowed("10.2.2.3", "10.1.0.0/16, 10.2.2.3"));
	assert_false(allowed("10.2.2.4", "10.1.0.0/16,10.2.2.3"));
	assert_true(allowed("::ffff:10.1.2.3", "10.1.0.0/16"));
	assert_true(allowed("fd00::1", "fd00::/8"));
	assert_true(allowed("::1", "::1"));
	/* never the metadata of a cloud */
	assert_false(allowed("169.254.169.254", "0.0.0.0/0"));
	assert_false(allowed("fe80::1", "::/0"));
	/* nonsense allows nothing */
	assert_false(allowed("10.1.2.3", "10.1.2.3/99,words,/8,10.1.2/24,,"));
	assert_false(allowed("10.1.2.3", "10.1.2.3/-1"));
}

static void resolving(void **state)
{
	struct cl_err err = {0};
	struct reach r;
	char pin[256];

	assert_int_equal(reach_resolve("127.0.0.1", "", &r, &err), -1);
	assert_int_equal(err.code, CL_FORBIDDEN);
	assert_non_null(strstr(err.message, "127.0.0.1"));
	assert_int_equal(reach_resolve("127.0.0.1", "127.0.0.0/8", &r, NULL), 0);
	reach_pin(&r, "127.0.0.1", 8080, pin, sizeof(pin));
	assert_string_equal(pin, "127.0.0.1:8080:127.0.0.1");
	/* the many ways to write an address all end up as what they are */
	assert_int_equal(reach_resolve("2130706433", "", &r, NULL), -1);
	assert_int_equal(reach_resolve("0x7f.1", "", &r, NULL), -1);
	err_clear(&err);
	assert_int_equal(reach_resolve("no-such-host.invalid", "", &r, &err), -1);
	assert_int_equal(err.code, CL_FAILED);
	r.n = 2;
	mem_copy_str(r.address[0], REACH_TEXT, "1.2.3.4");
	mem_copy_str(r.address[1], REACH_TEXT, "[2606::1]");
	reach_pin(&r, "example.org", 443, pin, sizeof(pin));
	assert_string_equal(pin, "example.org:443:1.2.3.4,[2606::1]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(public_ones),
	    cmocka_unit_test(closed_ones),
	    cmocka_unit_test(networks_of_the_operator),
	    cmocka_unit_test(resolving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
