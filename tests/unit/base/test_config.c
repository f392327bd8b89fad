/* Options: sources in their order, expansion, and errors that name the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/config.h"
#include "base/mem.h"

static char file[] = "/tmp/cl-conf-XXXXXX";

static int setup(void **state)
{
	memcpy(file, "/tmp/cl-conf-XXXXXX", sizeof(file));
	close(mkstemp(file));
	unsetenv("CODINGLAB_STATE");
	unsetenv("CODINGLAB_CONF");
	unsetenv("CODINGLAB_EDGE_PORT");
	return 0;
}

static int teardown(void **state)
{
	unsetenv("CODINGLAB_STATE");
	unsetenv("CODINGLAB_EDGE_PORT");
	return unlink(file);
}

static int load(const char *text, size_t n, struct cl_err *err)
{
	FILE *f = fopen(file, "w");

	fwrite(text, 1, n, f);
	fclose(f);
	return config_load(file, NULL, NULL, err);
}

static void defaults(void **state)
{
	assert_int_equal(load("", 0, NULL), 0);
	assert_string_equal(config_str("state.dir"), "/var/lib/codinglab");
	assert_string_equal(config_str("run.dir"), "/run/codinglab");
	assert_string_equal(config_str("engine.socket"), "/run/codinglab/engine.sock");
	assert_string_equal(config_str("sshd.host_key"), "/var/lib/codinglab/ssh/host_ed25519");
	assert_string_equal(config_str("images.dir"), "/usr/local/lib/codinglab/share/images");
	assert_int_equal(config_int("sshd.port"), 2222);
	assert_false(config_bool("user.register"));
}

static void another_state_moves_the_sockets(void **state)
{
	setenv("CODINGLAB_STATE", "/tmp/lab", 1);
	assert_int_equal(load("", 0, NULL), 0);
	assert_string_equal(config_str("run.dir"), "/tmp/lab/run");
	assert_string_equal(config_str("edge.socket"), "/tmp/lab/run/edge/admin.sock");
	unsetenv("CODINGLAB_STATE");
	assert_int_equal(load("run.dir = /x\n", 13, NULL), 0);
	assert_string_equal(config_str("engine.socket"), "/x/engine.sock");
	assert_string_equal(config_str("state.dir"), "/var/lib/codinglab");
}

static void the_last_source_wins(void **state)
{
	static const char text[] = "# comment\n; another\n[edge]\nport = 81\ndomain = \"a b\"\n"
				   "\n  [ user ]  \nregister = YES\nsshd.port=99\n";
	char *argv[] = {mem_strdup("prog"), mem_strdup("--edge-port"), mem_strdup("83"),
	    mem_strdup("run"), mem_strdup("--deploy-health-timeout-s=5"), mem_strdup("--unknown"),
	    mem_strdup("--"), mem_strdup("--edge-port"), NULL};
	char *all[8];
	int argc = 8;

	memcpy(all, argv, sizeof(all));
	assert_int_equal(load(text, strlen(text), NULL), 0);
	assert_int_equal(config_int("edge.port"), 81);
	assert_string_equal(config_str("edge.domain"), "a b");
	assert_true(config_bool("user.register"));
	assert_int_equal(config_int("sshd.port"), 99);
	setenv("CODINGLAB_EDGE_PORT", "82", 1);
	assert_int_equal(config_load(file, NULL, NULL, NULL), 0);
	assert_int_equal(config_int("edge.port"), 82);
	assert_int_equal(config_load(file, &argc, argv, NULL), 0);
	assert_int_equal(config_int("edge.port"), 83);
	assert_int_equal(config_int("deploy.health_timeout_s"), 5);
	assert_int_equal(argc, 5);
	assert_string_equal(argv[1], "run");
	assert_string_equal(argv[2], "--unknown");
	assert_string_equal(argv[4], "--edge-port");
	assert_null(argv[5]);
	for (int i = 0; i < 8; i++)
		mem_free(all[i]);
}

static void errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *where, *why;
	} rows[] = {
	    {"\nedge.prt = 1\n", ":2: ", "unknown option \"edge.prt\""},
	    {"[edge]\n\nport = 99999", ":3: edge.port: ", "99999 is not in 1..65535"},
	    {"edge.port = 80x", ":1: edge.port", "\"80x\" is not a number"},
	    {"edge.port =", ":1: edge.port", "\"\" is not a number"},
	    {"edge.port = 99999999999999999999", ":1: edge.port", "is not a number"},
	    {"user.register = perhaps", ":1: user.register", "is not yes or no"},
	    {"state.dir = here", ":1: state.dir", "is not an absolute path"},
	    {"state.dir = /${nothing}", ":1: state.dir", "${nothing} is not known"},
	    {"log.level = loud", ":1: log.level: ", "\"loud\" is none of: debug|info|warn|error"},
	    {"log.level = warn|error", ":1: log.level: ", "is none of"},
	    {"log.level =", ":1: log.level: ", "\"\" is none of"},
	    {"tui.language = kor", ":1: tui.language: ", "is none of: auto|en|ko"},
	    {"engine.backend = cloud", ":1: engine.backend: ", "is none of"},
	    {"build.network = all", ":1: build.network: ", "is none of"},
	    {"just words", ":1: ", "expected \"section.name = value\""},
	    {"[edge", ":1: ", "expected [section]"},
	    {"[]", ":1: ", "expected [section]"},
	};
	char want[128];

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = {0};

		assert_int_equal(load(rows[i].text, strlen(rows[i].text), &err), -1);
		snprintf(want, sizeof(want), "%s%s", file, rows[i].where);
		if (err.code != CL_USAGE || strncmp(err.message, want, strlen(want)) != 0 ||
		    !strstr(err.message, rows[i].why))
			fail_msg("\"%s\": %s", rows[i].text, err.message);
	}
}

static void long_lines_are_not_two(void **state)
{
	struct cl_err err = {0};
	char text[5000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "# ", 2);
	memcpy(text + 4096, "\nedge.port = 1\n", 15);
	assert_int_equal(load(text, 4111, &err), 0);
	memset(text + 4096, 'x', 40);
	assert_int_equal(load(text, sizeof(text), &err), -1);
	assert_non_null(strstr(err.message, ":1: the line is too long"));
	err_clear(&err);
	assert_int_equal(load("edge.port = 1\0\n", 15, &err), -1);
	assert_non_null(strstr(err.message, "NUL"));
}

static void missing_files_and_values(void **state)
{
	char *argv[] = {mem_strdup("prog"), mem_strdup("--edge-port"), NULL};
	struct cl_err err = {0};
	int argc = 2;

	assert_int_equal(config_load("/no/such/file", NULL, NULL, &err), -1);
	err_clear(&err);
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), -1);
	assert_string_equal(err.message, "--edge-port: needs a value");
	setenv("CODINGLAB_EDGE_PORT", "0", 1);
	err_clear(&err);
	assert_int_equal(load("", 0, &err), -1);
	assert_non_null(strstr(err.message, "$CODINGLAB_EDGE_PORT: edge.port: 0 is not in"));
	mem_free(argv[0]);
	mem_free(argv[1]);
}

static void self_reference_ends(void **state)
{
	assert_int_equal(load("state.dir = /a/${state}", 23, NULL), 0);
	assert_string_equal(config_str("state.dir"), "/a/");
}

static void printing_lists_every_option(void **state)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(load("", 0, NULL), 0);
	config_print(f);
	fclose(f);
	for (int i = 0; i < config_table_count; i++) {
		assert_non_null(strstr(text, config_table[i].name));
		assert_string_not_equal(config_table[i].help, "");
	}
	assert_non_null(strstr(text, "\nsshd.port = 2222   # port of the gateway\n"));
	mem_free(text);
}

static void unknown_names_are_bugs(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(2);
		config_str("no.such");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(defaults), T(another_state_moves_the_sockets), T(the_last_source_wins),
	    T(errors_name_file_and_line), T(long_lines_are_not_two), T(missing_files_and_values),
	    T(self_reference_ends), T(printing_lists_every_option), T(unknown_names_are_bugs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
