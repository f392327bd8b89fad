/* Entries of members in a dev container's passwd file: whose is added, and what is left as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/broker/exec_user.h"

#define OWNER "root:x:0:0:root:/root:/bin/bash\nalice:x:200001:300007:alice:/home/dev:/bin/bash\n"

static void adds(const char *passwd, const char *name, uint32_t uid, const char *expected)
{
	cl_autofree char *got = exec_user_add(passwd, name, uid, 300007, "/home/dev");

	if (expected)
		assert_string_equal(got, expected);
	else
		assert_null(got);
}

static void test_a_member_gets_a_line(void **state)
{
	adds(OWNER, "bob", 200002, OWNER "bob:x:200002:300007:bob:/home/dev:/bin/bash\n");
	adds("root:x:0:0:::", "bob", 200002, "root:x:0:0:::\nbob:x:200002:300007:bob:/home/dev:/bin/bash\n");
	adds("", "bob", 200002, "bob:x:200002:300007:bob:/home/dev:/bin/bash\n");
	adds(OWNER "bobby:x:5:5:::\n", "bob", 200002,
	    OWNER "bobby:x:5:5:::\nbob:x:200002:300007:bob:/home/dev:/bin/bash\n");
}

static void test_who_has_one_gets_no_other(void **state)
{
	adds(OWNER, "alice", 200001, NULL);
	adds(OWNER, "anna", 200001, NULL);  /* renamed: the uid is what counts */
	adds(OWNER, "alice", 200002, NULL); /* that name is another's */
	adds(OWNER, "root", 200002, NULL);
	adds("alice\nbob:x:200002:1:::\n", "bob", 200002, NULL);
}

static void test_no_line_is_smuggled_in(void **state)
{
	adds(OWNER, "bob:x:0:0", 200002, NULL);
	adds(OWNER, "bob\nroot2", 200002, NULL);
	adds(OWNER, "", 200002, NULL);
	assert_null(exec_user_add(OWNER, "bob", 200002, 1, "/home:x\nroot3:x:0:0::/"));
	assert_null(exec_user_add(OWNER, "bob", 200002, 1, "home"));
	assert_null(exec_user_add(OWNER, "bob", 200002, 1, ""));
}

static void test_lines_that_are_none(void **state)
{
	adds("\n:::\nx:y\nbobby\n", "carol", 200003,
	    "\n:::\nx:y\nbobby\ncarol:x:200003:300007:carol:/home/dev:/bin/bash\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_member_gets_a_line),
	    cmocka_unit_test(test_who_has_one_gets_no_other),
	    cmocka_unit_test(test_no_line_is_smuggled_in),
	    cmocka_unit_test(test_lines_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
