/*
 * Migrations: every old version brought to the newest equals a fresh database; a process killed at any
 * write leaves the old version or a newer whole one, never something between; a newer database and one
 * of another program are left alone.
 *
 * The kill comes from this program's own pwrite64/fdatasync/..., which the database library calls in
 * place of libc's: the n-th call ends the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/migrations.h"
#include "engine/store.h"

static char dir[] = "/tmp/cl-migrate-XXXXXX";
static char path[64];
static int kill_at; /* 0 = never */
static int calls;

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at);
ssize_t write(int fd, const void *data, size_t n);
int fdatasync(int fd);
int fsync(int fd);
int ftruncate64(int fd, off64_t n);

static void
count(void)
{
	if (kill_at > 0 && ++calls >= kill_at)
		syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
}

ssize_t
pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	count();
	return syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t
write(int fd, const void *data, size_t n)
{
	count();
	return syscall(SYS_write, fd, data, n);
}

int
fdatasync(int fd)
{
	count();
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	count();
	return (int)syscall(SYS_fsync, fd);
}

int
ftruncate64(int fd, off64_t n)
{
	count();
	return (int)syscall(SYS_ftruncate, fd, n);
}

static void
remove_database(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char name[80];

	for (size_t i = 0; i < CL_COUNT(ends); i++) {
		snprintf(name, sizeof name, "%s%s", path, ends[i]);
		unlink(name);
	}
}

static int
setup(void **state)
{
	kill_at = 0;
	remove_database();
	return 0;
}

/* Everything that the schema says, as text. */
static char *
schema_of(struct store *s)
{
	struct store_row *r = store_query(s,
	    "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema"
	    " WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name", "");
	struct buf b;

	buf_init(&b, 1 << 20);
	while (store_next(r))
		buf_printf(&b, "%s\n", store_str(r, 0));
	assert_int_equal(store_end(r, NULL), 0);
	return buf_take(&b, NULL);
}

static void
every_old_version_becomes_the_newest(void **state)
{
	struct store *fresh = store_open(":memory:", NULL);
	cl_autofree char *want = schema_of(fresh);

	store_close(fresh);
	for (int v = 0; v <= migrations_count; v++) {
		struct store *s;
		cl_autofree char *got = NULL;

		remove_database();
		s = store_open_at(path, v, NULL);
		assert_non_null(s);
		assert_int_equal(store_version(s), v);
		store_close(s);
		s = store_open(path, NULL);
		assert_non_null(s);
		assert_int_equal(store_version(s), migrations_count);
		got = schema_of(s);
		assert_string_equal(got, want);
		assert_int_equal(store_check(s, NULL), 0);
		store_close(s);
	}
}

static void
versions_are_numbered_without_a_gap(void **state)
{
	for (int i = 0; i < migrations_count; i++)
		assert_int_equal(migrations_table[i].version, i + 1);
}

/* A child that opens the database and is killed at its n-th write; true if it was. */
static bool
killed_at(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct store *s;

		kill_at = n;
		s = store_open(path, NULL);
		_exit(s == NULL ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void
a_kill_at_any_write_leaves_a_whole_version(void **state)
{
	struct store *fresh = store_open(":memory:", NULL);
	cl_autofree char *want = schema_of(fresh);
	int n = 0;
	bool killed = true;

	store_close(fresh);
	while (killed && n < 2000) {
		struct store *s;
		cl_autofree char *got = NULL;

		remove_database();
		killed = killed_at(++n);
		/* What is there now is either nothing yet or whole: opening goes on from it. */
		s = store_open(path, NULL);
		assert_non_null(s);
		got = schema_of(s);
		assert_string_equal(got, want);
		assert_int_equal(store_check(s, NULL), 0);
		store_close(s);
	}
	print_message("killed at %d writes\n", n - 1);
	assert_true(n > 5); /* the kills did happen */
	assert_false(killed);
}

static void
a_newer_database_is_refused(void **state)
{
	struct cl_err err = {0};
	struct store *s = store_open(path, NULL);

	assert_true(store_run(s, NULL, "PRAGMA user_version = 999", "") >= 0);
	store_close(s);
	assert_null(store_open(path, &err));
	assert_int_equal(err.code, CL_PRECONDITION);
	assert_non_null(strstr(err.message, "999"));
	assert_non_null(strstr(err.message, "newer"));
	assert_true(err.hint[0] != '\0');
}

static void
another_programs_database_is_refused(void **state)
{
	struct cl_err err = {0};
	struct store *s = store_open(path, NULL);

	assert_true(store_run(s, NULL, "PRAGMA application_id = 7", "") >= 0);
	store_close(s);
	assert_null(store_open(path, &err));
	assert_int_equal(err.code, CL_PRECONDITION);
}

static void
a_damaged_file_is_refused(void **state)
{
	char junk[8192];
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	struct cl_err err = {0};

	memset(junk, 'x', sizeof junk);
	assert_int_equal(syscall(SYS_write, fd, junk, sizeof junk), sizeof junk);
	close(fd);
	assert_null(store_open(path, &err));
	assert_true(err.message[0] != '\0');
}

static int
make_folder(void **state)
{
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/t.db", dir);
	return 0;
}

static int
remove_folder(void **state)
{
	remove_database();
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(versions_are_numbered_without_a_gap, setup),
	    cmocka_unit_test_setup(every_old_version_becomes_the_newest, setup),
	    cmocka_unit_test_setup(a_kill_at_any_write_leaves_a_whole_version, setup),
	    cmocka_unit_test_setup(a_newer_database_is_refused, setup),
	    cmocka_unit_test_setup(another_programs_database_is_refused, setup),
	    cmocka_unit_test_setup(a_damaged_file_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
