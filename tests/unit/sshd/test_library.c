/* The SSH library's package: any will do, and one that cannot be there is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sshd/library.h"

static void test_what_is_installed_is_enough(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(library_check("0", &err), 0);
	assert_int_equal(err.code, CL_OK);
}

static void test_an_old_one_is_refused(void **state)
{
	struct cl_err err = {0};

	if (access("/usr/bin/dpkg-query", X_OK) < 0)
		skip();
	assert_int_equal(library_check("999:1", &err), -1);
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_non_null(strstr(err.message, "lacks security fixes"));
	assert_non_null(strstr(err.hint, "999:1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_installed_is_enough),
	    cmocka_unit_test(test_an_old_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
