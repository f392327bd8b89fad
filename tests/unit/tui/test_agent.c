/* Whose agent the terminals of a session have, as doors come and go. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "tui/agent.h"

/* Doors without sockets: these stand in for doors.c. */
struct door {
	struct doors_info info;
	bool here;
};

static struct door all[4];
static char told[512]; /* "1:/tmp/... 0: ..." */

struct door *doors_next(const struct doors *ds, const struct door *d)
{
	for (struct door *n = d ? all + (d - all) + 1 : all; n < all + 4; n++)
		if (n->here)
			return n;
	return NULL;
}

const struct doors_info *doors_info_of(const struct door *d)
{
	return &d->info;
}

void doors_agent(struct door *d, const char *path, const char *project)
{
	size_t n = strlen(told);

	assert_string_equal(project, "alice.shop");
	snprintf(told + n, sizeof(told) - n, "%d:%s ", (int)(d - all), path[0] ? "yes" : "no");
}

static int setup(void **state)
{
	memset(all, 0, sizeof(all));
	told[0] = '\0';
	agent_init(NULL, "alice.shop");
	return 0;
}

static void come(int n, bool with_agent, int64_t since)
{
	all[n] = (struct door){.info = {.agent = with_agent, .since = since}, .here = true};
	agent_doors();
}

static void go(int n)
{
	all[n].here = false;
	agent_doors();
}

static void expect(const char *text)
{
	assert_string_equal(told, text);
	told[0] = '\0';
}

static void test_nobody_has_one(void **state)
{
	come(0, false, 1);
	assert_null(agent_path());
	expect("");
}

static void test_nothing_is_asked_before_a_terminal_begins(void **state)
{
	come(0, true, 1);
	expect("");
	assert_non_null(agent_path());
	expect("0:yes ");
	go(0);
	expect("");
}

static void test_the_path_stays_and_cannot_be_guessed(void **state)
{
	char first[DOOR_AGENT_MAX];

	come(0, true, 1);
	snprintf(first, sizeof(first), "%s", agent_path());
	assert_int_equal(strncmp(first, "/tmp/codinglab-agent-", 21), 0);
	assert_int_equal(strlen(first), 21 + 16 + strlen("/agent"));
	go(0);
	/* a terminal that begins while nobody is here finds whoever comes later */
	assert_string_equal(agent_path(), first);
	agent_init(NULL, "alice.shop");
	come(0, true, 1);
	assert_string_not_equal(agent_path(), first);
}

static void test_the_newest_has_it(void **state)
{
	come(2, true, 1);
	agent_path();
	expect("2:yes ");
	come(1, false, 2); /* has none to give */
	expect("2:yes ");
	come(0, true, 3);
	expect("2:no 0:yes ");
	come(3, true, 4);
	expect("0:no 3:yes ");
	go(0);
	expect("3:yes ");
	go(3);
	expect("2:yes ");
	go(2);
	expect("");
	come(3, true, 9); /* and again */
	expect("3:yes ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_nobody_has_one, setup),
	    cmocka_unit_test_setup(test_nothing_is_asked_before_a_terminal_begins, setup),
	    cmocka_unit_test_setup(test_the_path_stays_and_cannot_be_guessed, setup),
	    cmocka_unit_test_setup(test_the_newest_has_it, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
