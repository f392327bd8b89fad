/* Errors, memory, buffers, log lines, names and time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"

/* What fn writes to stderr, as text; the process that ran it has ended. */
static char *stderr_of(void (*fn)(void), int *status)
{
	char *text = mem_alloc(16384);
	size_t at = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		fn();
		fflush(stderr);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + at, 16383 - at)) > 0)
		at += (size_t)n;
	close(fds[0]);
	waitpid(pid, status, 0);
	return text;
}

static void err_first_cause_wins(void **state)
{
	struct cl_err err = {0};

	assert_int_equal(err_hint(&err, "no failure, no hint"), -1);
	assert_string_equal(err.hint, "");
	assert_int_equal(err_set(&err, CL_NOT_FOUND, "project %s: no such project", "shop"), -1);
	assert_int_equal(err_set(&err, CL_FAILED, "later"), -1);
	assert_int_equal(err.code, CL_NOT_FOUND);
	assert_string_equal(err.message, "project shop: no such project");
	err_hint(&err, "Try `%s`", "project ls");
	err_hint(&err, "other");
	assert_string_equal(err.hint, "Try `project ls`");
	err_clear(&err);
	errno = ENOENT;
	err_errno(&err, CL_FAILED, "open %s", "x");
	assert_string_equal(err.message, "open x: No such file or directory");
	assert_int_equal(errno, ENOENT);
	assert_int_equal(err_set(NULL, CL_FAILED, "nobody listens"), -1);
	err_clear(&err);
	err_set(&err, CL_OK, "a failure is never ok");
	assert_int_equal(err.code, CL_FAILED);
}

static void err_table(void **state)
{
	assert_int_equal(err_exit(CL_NOT_FOUND), 4);
	assert_int_equal(err_http(CL_CONFLICT), 409);
	assert_int_equal(err_exit(CL_NOT_IMPLEMENTED), 10);
	assert_int_equal(err_exit((enum cl_code)999), 1);
	assert_string_equal(err_text((enum cl_code)999), "failed");
	for (int i = 0; i < CL_CODES; i++)
		assert_int_equal(err_parse(err_text((enum cl_code)i)), i);
	assert_int_equal(err_parse("bogus"), CL_FAILED);
	assert_int_equal(err_parse(NULL), CL_FAILED);
}

static void show_error(void)
{
	struct cl_err err = {0};

	err_set(&err, CL_FAILED, "name \x1b[2J\n: bad.");
	err_hint(&err, "Use a-z");
	err_print(&err);
}

static void err_print_is_safe(void **state)
{
	cl_autofree char *text = NULL;
	int status;

	text = stderr_of(show_error, &status);
	assert_string_equal(text, "codinglab: name ^[[2J^J: bad. Use a-z\n");
}

static void write_log(void)
{
	log_open("test", LOG_INFO_L);
	log_debug("hidden");
	log_info("user %s", "eve\nERROR forged \x1b]0;x\x07");
	log_fatal("the end");
}

static void log_lines_cannot_be_forged(void **state)
{
	cl_autofree char *text = NULL;
	int status;

	text = stderr_of(write_log, &status);
	assert_null(strstr(text, "hidden"));
	assert_non_null(strstr(text, "Z info test: user eve^JERROR forged ^[]0;x^G\n"));
	assert_non_null(strstr(text, "Z error test: the end\n"));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void overflow(void)
{
	mem_array(SIZE_MAX / 2, 4);
}

static void mem_ends_the_process_on_overflow(void **state)
{
	cl_autofree char *text = NULL;
	int status;

	text = stderr_of(overflow, &status);
	assert_non_null(strstr(text, "out of memory"));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void mem_strings(void **state)
{
	char small[4];
	cl_autofree char *a = mem_strndup("abcdef", 3), *b = mem_printf("%d-%s", 7, "x");
	cl_autofree char *c = mem_strdup("");

	assert_string_equal(a, "abc");
	assert_string_equal(b, "7-x");
	assert_string_equal(c, "");
	assert_null(mem_strdup(NULL));
	assert_int_equal(mem_copy_str(small, sizeof(small), "abc"), 0);
	assert_int_equal(mem_copy_str(small, sizeof(small), "abcd"), -1);
	assert_string_equal(small, "abc");
	mem_wipe(small, sizeof(small));
	assert_int_equal(small[0] | small[1] | small[2], 0);
}

static void buf_keeps_its_ceiling(void **state)
{
	cl_autofree char *taken = NULL;
	struct buf b;
	size_t len;

	buf_init(&b, 10);
	assert_int_equal(buf_add(&b, "12345678", 8), 0);
	assert_int_equal(buf_add(&b, "abc", 3), -1);
	assert_true(b.full);
	assert_int_equal(b.len, 8);
	assert_string_equal(b.data, "12345678");
	assert_int_equal(buf_add(&b, "ab", 2), 0);
	buf_drop(&b, 4);
	assert_string_equal(b.data, "5678ab");
	assert_false(b.full);
	assert_int_equal(buf_printf(&b, "%d", 12345), -1);
	assert_int_equal(buf_printf(&b, "%d", 1234), 0);
	assert_string_equal(b.data, "5678ab1234");
	assert_null(buf_space(&b, SIZE_MAX));
	taken = buf_take(&b, &len);
	assert_int_equal(len, 10);
	assert_string_equal(taken, "5678ab1234");
	assert_int_equal(b.len, 0);
	buf_drop(&b, 100);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(buf_add_str(&b, "again"), 0);
	assert_string_equal(b.data, "again");
	buf_clear(&b);
}

static void buf_space_is_writable(void **state)
{
	struct buf b;
	char *p;

	buf_init(&b, 4 << 20);
	for (size_t n = 1; n < 5000; n += 7) {
		p = buf_space(&b, n);
		memset(p, 'x', n);
		buf_used(&b, n);
		assert_int_equal(b.data[b.len], 0);
	}
	buf_clear(&b);
	assert_null(b.data);
}

static void names(void **state)
{
	static const char *const good[] = {"a", "alice", "a-b", "x9", "abcdefghijklmnopqrstuvwxyz01234"};
	static const char *const bad[] = {"", "A", "9a", "-a", "a-", "a_b", "a.b", "a b", "a\n", "é",
	    "abcdefghijklmnopqrstuvwxyz012345", "../x", "a/b", "a+b", "a;b", "a'b"};

	for (size_t i = 0; i < CL_COUNT(good); i++)
		assert_true(name_valid(good[i]));
	for (size_t i = 0; i < CL_COUNT(bad); i++)
		assert_false(name_valid(bad[i]));
	assert_false(name_valid(NULL));
}

static void targets(void **state)
{
	static const struct {
		const char *text, *user, *owner, *project, *tier;
		int n;
	} good[] = {
	    {"alice", "alice", "", "", "", 0},
	    {"alice+shop", "alice", "", "shop", "", 0},
	    {"alice+shop.was", "alice", "", "shop", "was", 0},
	    {"alice+shop.was-2", "alice", "", "shop", "was", 2},
	    {"alice+bob:shop", "alice", "bob", "shop", "", 0},
	    {"alice+bob:shop.db-1", "alice", "bob", "shop", "db", 1},
	    {"view-a1b2", "view-a1b2", "", "", "", 0},
	};
	static const char *const bad[] = {"", "+", "alice+", "alice+shop.", "alice+shop.x",
	    "alice+shop.was-", "alice+shop.was-0", "alice+shop.was-02", "alice+shop.was-1000",
	    "alice+shop.was-2x", "alice+shop.was-99999999999999999999", "alice+shop+x", "alice+:shop",
	    "alice+bob:", "alice+bob:a:b", "Alice", "alice+Shop", "alice\n", "alice+shop.web.db",
	    "-oProxyCommand=x", "../x", "alice+../x", "\xff", "alice+shop.was-2\n"};
	struct name_target t;

	for (size_t i = 0; i < CL_COUNT(good); i++) {
		assert_int_equal(name_parse_target(&t, good[i].text), 0);
		assert_string_equal(t.user, good[i].user);
		assert_string_equal(t.owner, good[i].owner);
		assert_string_equal(t.project, good[i].project);
		assert_string_equal(t.tier, good[i].tier);
		assert_int_equal(t.n, good[i].n);
	}
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		assert_int_equal(name_parse_target(&t, bad[i]), -1);
		assert_string_equal(t.user, "");
	}
	assert_int_equal(name_parse_target(&t, NULL), -1);
}

static void times(void **state)
{
	int64_t a = clock_us();
	char text[32];

	clock_iso(0, text, sizeof(text));
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_iso(1795341600999, text, sizeof(text));
	assert_string_equal(text, "2026-11-22T10:00:00Z");
	clock_iso(-1, text, sizeof(text));
	assert_string_equal(text, "1969-12-31T23:59:59Z");
	assert_true(clock_us() >= a && clock_ms() >= a / 1000);
	assert_true(clock_unix_ms() > 1600000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(err_first_cause_wins),
	    cmocka_unit_test(err_table),
	    cmocka_unit_test(err_print_is_safe),
	    cmocka_unit_test(log_lines_cannot_be_forged),
	    cmocka_unit_test(mem_ends_the_process_on_overflow),
	    cmocka_unit_test(mem_strings),
	    cmocka_unit_test(buf_keeps_its_ceiling),
	    cmocka_unit_test(buf_space_is_writable),
	    cmocka_unit_test(names),
	    cmocka_unit_test(targets),
	    cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
