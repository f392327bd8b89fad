/* Who is let in: sources, early drop, penalties and their bounds; environments of children. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"
#include "sshd/addr.h"
#include "sshd/env.h"
#include "sshd/gate.h"
#include "sshd/penalty.h"

static struct addr of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct addr a;

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		addr_set(&a, (struct sockaddr *)&v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		addr_set(&a, (struct sockaddr *)&v6);
	}
	return a;
}

static void test_sources(void **state)
{
	struct addr a = of("10.1.2.3"), b = of("10.1.2.4"), c = of("2001:db8:1:2:3::4"), d = of("2001:db8:1:2:9::9"),
		    e = of("2001:db8:1:3::1"), f = of("::ffff:10.1.2.3");
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	assert_false(addr_same(&a, &b));
	assert_true(addr_same(&a, &f)); /* the same machine through either socket */
	assert_string_equal(f.text, "10.1.2.3");
	assert_true(addr_same(&c, &d)); /* one /64 */
	assert_false(addr_same(&c, &e));
	assert_true(addr_near(&a, &b)); /* one network */
	assert_true(addr_near(&c, &e));
	b = of("10.1.3.3");
	assert_false(addr_near(&a, &b));
	assert_false(addr_near(&a, &c));
	e = of("::1");
	assert_false(addr_near(&e, &a)); /* all zero so far as it is compared */
	e = of("2001:db8:2::1");
	assert_false(addr_near(&c, &e));
	assert_string_equal(c.text, "2001:db8:1:2:3::4");
	addr_set(&a, (struct sockaddr *)&un);
	assert_string_equal(a.text, "local");
}

static void test_networks(void **state)
{
	struct addr a = of("10.1.2.3"), c = of("2001:db8::1");

	assert_false(addr_listed(&a, ""));
	assert_true(addr_listed(&a, "10.0.0.0/8"));
	assert_true(addr_listed(&a, "192.168.0.0/16, 10.1.2.3"));
	assert_true(addr_listed(&a, "10.1.2.2/31"));
	assert_false(addr_listed(&a, "10.1.2.0/31"));
	assert_true(addr_listed(&a, "0.0.0.0/0"));
	assert_false(addr_listed(&a, "::/64")); /* another family's prefix */
	assert_true(addr_listed(&c, "fd00::/8,2001:db8::/32"));
	assert_false(addr_listed(&c, "10.0.0.0/8"));
	assert_false(addr_listed(&a, "10.0.0.0/33,10.0.0.0/x,10.0.0.0/,junk,/8,10.1.2.3/-1"));
}

static void test_early_drop(void **state)
{
	int dropped = 0;

	for (int open = 0; open < 10; open++)
		assert_false(gate_drop(100, open, 0));
	assert_true(gate_drop(100, 100, 99));
	assert_true(gate_drop(100, 5000, 99));
	assert_true(gate_drop(100, 10, 29));
	assert_false(gate_drop(100, 10, 30));
	for (uint32_t r = 0; r < 100; r++)
		dropped += gate_drop(100, 55, r);
	assert_int_equal(dropped, 65); /* half way between 30 and 100 */
	assert_false(gate_drop(1, 0, 0));
	assert_true(gate_drop(1, 1, 99));
}

static void test_penalties_add_up(void **state)
{
	struct penalty_table *t = penalty_new(100);
	struct addr a = of("10.1.2.3"), b = of("10.1.2.4");

	assert_int_equal(penalty_add(t, &a, PENALTY_AUTH_FAILED, 1000), 0);
	assert_int_equal(penalty_left(t, &a, 1000), 0);
	assert_int_equal(penalty_pending(t, &a, 1000), 5000); /* waits, and makes answers slower */
	assert_int_equal(penalty_pending(t, &a, 6000), 0);
	assert_int_equal(penalty_pending(t, &b, 1000), 0);
	assert_int_equal(penalty_add(t, &a, PENALTY_AUTH_FAILED, 1000), 0);
	assert_int_equal(penalty_add(t, &a, PENALTY_AUTH_FAILED, 1000), 15000);
	assert_int_equal(penalty_left(t, &a, 1001), 14999);
	assert_int_equal(penalty_left(t, &a, 15999), 1); /* served to its end */
	assert_int_equal(penalty_left(t, &a, 16000), 0);
	assert_int_equal(penalty_left(t, &b, 1001), 0);
	assert_int_equal(penalty_add(t, &a, PENALTY_AUTH_FAILED, 20000), 0); /* starts anew */
	assert_int_equal(penalty_add(t, &b, PENALTY_CRASH, 0), 90000);
	for (int i = 0; i < 100; i++)
		penalty_add(t, &b, PENALTY_CRASH, 0);
	assert_int_equal(penalty_left(t, &b, 0), PENALTY_MOST_MS);
	penalty_free(t);
}

static void test_the_table_is_bounded(void **state)
{
	struct penalty_table *t = penalty_new(PENALTY_SOURCES);
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct addr a, mine = of("192.0.2.1"), early = of("192.0.2.2");

	penalty_add(t, &early, PENALTY_CRASH, 0);
	for (uint32_t i = 0; i < 1000000; i++) {
		v4.sin_addr.s_addr = htonl(0x0a000000u + i);
		addr_set(&a, (struct sockaddr *)&v4);
		penalty_add(t, &a, PENALTY_CRASH, 0);
		if (i % 10000 == 0)
			penalty_add(t, &mine, PENALTY_CRASH, 0);
	}
	assert_int_equal(penalty_count(t), PENALTY_SOURCES);
	assert_true(penalty_left(t, &a, 1) > 0);     /* the newest is there */
	assert_true(penalty_left(t, &mine, 1) > 0);  /* and who keeps offending */
	assert_int_equal(penalty_left(t, &early, 1), 0);
	penalty_free(t);
}

static void test_a_table_of_one(void **state)
{
	struct penalty_table *t = penalty_new(1);
	struct addr a = of("10.0.0.1"), b = of("10.0.0.2");

	penalty_add(t, &a, PENALTY_CRASH, 0);
	penalty_add(t, &b, PENALTY_CRASH, 0);
	penalty_add(t, &b, PENALTY_CRASH, 0);
	assert_int_equal(penalty_left(t, &a, 1), 0);
	assert_int_equal(penalty_left(t, &b, 0), 180000);
	penalty_free(t);
}

static void test_environments(void **state)
{
	struct env e;
	char name[32];

	env_init(&e);
	assert_int_equal(env_set(&e, "HOME", "/home/a"), 0);
	assert_int_equal(env_set(&e, "HOME", "/tmp"), -1); /* the first stays */
	assert_string_equal(env_get(&e, "HOME"), "/home/a");
	assert_null(env_get(&e, "HOM"));
	assert_int_equal(env_add(&e, "NOVALUE"), -1);
	assert_int_equal(env_add(&e, "=x"), -1);
	assert_int_equal(env_add(&e, "EMPTY="), 0);
	assert_string_equal(env_get(&e, "EMPTY"), "");
	for (int i = 0; i < 2 * ENV_COUNT; i++) {
		snprintf(name, sizeof(name), "N%d", i);
		env_set(&e, name, "x");
	}
	assert_int_equal(e.n, ENV_COUNT);
	assert_null(e.list[e.n]);
	env_clear(&e);
	assert_int_equal(e.n, 0);
}

static void test_the_installation_is_named(void **state)
{
	char prog[] = "x", option[] = "--state-dir", dir[] = "/var/tmp/lab-x";
	char *argv[] = {prog, option, dir, NULL};
	int argc = 3;
	struct env e;

	assert_int_equal(config_load("/dev/null", &argc, argv, NULL), 0);
	env_init(&e);
	env_installation(&e);
	assert_string_equal(env_get(&e, "CODINGLAB_STATE"), "/var/tmp/lab-x");
	assert_string_equal(env_get(&e, "CODINGLAB_RUN_DIR"), "/var/tmp/lab-x/run");
	assert_string_equal(env_get(&e, "CODINGLAB_SOCKET"), "/var/tmp/lab-x/run/engine.sock");
	assert_string_equal(env_get(&e, "CODINGLAB_EDGE_PORT"), "8080");
	assert_non_null(env_get(&e, "PATH"));
	env_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sources),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_early_drop),
	    cmocka_unit_test(test_penalties_add_up),
	    cmocka_unit_test(test_the_table_is_bounded),
	    cmocka_unit_test(test_a_table_of_one),
	    cmocka_unit_test(test_environments),
	    cmocka_unit_test(test_the_installation_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
