/* Key exchanges counted: what comes at once, what time and bytes earn, what is held, what is stuck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sshd/conn/rekey.h"

static void once(struct rekey *r, int64_t now, uint64_t bytes)
{
	rekey_begin(r, now, bytes);
	rekey_end(r);
}

static void test_a_few_at_once(void **state)
{
	struct rekey r;

	rekey_init(&r, 1000, 0);
	for (int i = 0; i < REKEY_BURST; i++) {
		once(&r, 1000, 0);
		assert_int_equal(rekey_hold(&r, 1000), 0);
	}
	once(&r, 1000, 0);
	assert_int_equal(rekey_hold(&r, 1000), REKEY_EVERY_MS);
	assert_int_equal(rekey_hold(&r, 1999), 1);
	assert_int_equal(rekey_hold(&r, 2000), 0);
}

/* Whoever asks as often as it is heard gets one a second, not two in each second that was held. */
static void test_one_a_second_in_the_long_run(void **state)
{
	struct rekey r;
	int64_t now = 0;
	int n = 0;

	rekey_init(&r, 0, 0);
	while (now < 100000) {
		once(&r, now, 0);
		n++;
		now += rekey_hold(&r, now) + 5;
	}
	assert_in_range(n, 95, 101 + REKEY_BURST);
}

static void test_bytes_earn(void **state)
{
	struct rekey r;
	uint64_t bytes = 10;

	rekey_init(&r, 0, bytes);
	for (int i = 0; i < 1000; i++) {
		bytes += REKEY_BYTES;
		once(&r, i, bytes);
		assert_int_equal(rekey_hold(&r, i), 0);
	}
	for (int i = 0; i < 20; i++) { /* half of it is not enough */
		bytes += REKEY_BYTES / 2;
		once(&r, 1000, bytes);
	}
	assert_true(rekey_hold(&r, 1000) > 0);
}

static void test_a_long_rest_earns_no_more_than_a_burst(void **state)
{
	struct rekey r;

	rekey_init(&r, 0, 0);
	for (int i = 0; i < REKEY_BURST; i++)
		once(&r, INT64_C(1) << 40, UINT64_C(1) << 50);
	assert_int_equal(rekey_hold(&r, INT64_C(1) << 40), 0);
	once(&r, INT64_C(1) << 40, UINT64_C(1) << 50);
	assert_true(rekey_hold(&r, INT64_C(1) << 40) > 0);
}

static void test_one_that_does_not_end(void **state)
{
	struct rekey r;

	rekey_init(&r, 0, 0);
	assert_false(rekey_stuck(&r, 100000));
	rekey_begin(&r, 5, 0);
	assert_true(r.under_way);
	assert_false(rekey_stuck(&r, 5 + REKEY_MOST_MS - 1));
	assert_true(rekey_stuck(&r, 5 + REKEY_MOST_MS));
	rekey_end(&r);
	assert_false(rekey_stuck(&r, 5 + REKEY_MOST_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_few_at_once),
	    cmocka_unit_test(test_one_a_second_in_the_long_run),
	    cmocka_unit_test(test_bytes_earn),
	    cmocka_unit_test(test_a_long_rest_earns_no_more_than_a_burst),
	    cmocka_unit_test(test_one_that_does_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
