/* Passwords: argon2id strings that match only their own password; nobody matches nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "engine/password.h"

static void
a_password_matches_itself_only(void **state)
{
	char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE];

	assert_int_equal(password_hash("correct horse", 13, hash, NULL), 0);
	assert_int_equal(strncmp(hash, "$argon2id$", 10), 0);
	assert_true(password_matches(hash, "correct horse", 13));
	assert_false(password_matches(hash, "correct horsf", 13));
	assert_false(password_matches(hash, "correct horse", 12));
	assert_false(password_matches(hash, "correct horse\0", 14));
	assert_false(password_matches(hash, "", 0));
	assert_int_equal(password_hash("correct horse", 13, again, NULL), 0);
	assert_string_not_equal(hash, again); /* each has its own salt */
}

static void
nobody_and_damaged_hashes_match_nothing(void **state)
{
	assert_false(password_matches("", "", 0));
	assert_false(password_matches("", "x", 1));
	assert_false(password_matches("$argon2id$v=19$m=65536,t=2,p=1$", "x", 1));
	assert_false(password_matches("plain", "plain", 5));
}

static void
bytes_of_any_kind_are_a_password(void **state)
{
	static const char odd[] = "\0\xff\n\x1b[31m";
	char hash[PASSWORD_HASH_SIZE];

	assert_int_equal(password_hash(odd, sizeof odd, hash, NULL), 0);
	assert_true(password_matches(hash, odd, sizeof odd));
	assert_false(password_matches(hash, odd, 1));
}

static void
only_so_many_are_set_at_once(void **state)
{
	struct cl_err err = {0};
	int n = 0;

	while (n < 100 && password_reserve(&err) == 0)
		n++;
	assert_in_range(n, 1, 32);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	password_release();
	assert_int_equal(password_reserve(NULL), 0);
	while (n-- > 0)
		password_release();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_password_matches_itself_only),
	    cmocka_unit_test(nobody_and_damaged_hashes_match_nothing),
	    cmocka_unit_test(bytes_of_any_kind_are_a_password),
	    cmocka_unit_test(only_so_many_are_set_at_once),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
