/*
 * What goes wrong around the base: log lines of anyone's bytes, buffers at their ceiling, sockets
 * left behind, children with odd descriptors, odd configuration files, servers that talk nonsense.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/utf8.h"
#include "tests/unit/fake_http.h"

static char dir[32];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/cl-faults-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* -- the log -- */

/* What fn writes to stderr; the caller frees. */
static char *stderr_of(void (*fn)(const void *arg), const void *arg)
{
	char *text = mem_alloc(65536);
	int saved = dup(2), fds[2];
	size_t at = 0;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	(void)dup2(fds[1], 2);
	(void)close(fds[1]);
	fn(arg);
	(void)dup2(saved, 2);
	(void)close(saved);
	while ((n = read(fds[0], text + at, 65535 - at)) > 0)
		at += (size_t)n;
	(void)close(fds[0]);
	return text;
}

static void write_line(const void *arg)
{
	log_info("got %s.", (const char *)arg);
}

static void nothing_received_makes_a_second_line(void **state)
{
	static const char *const evil[] = { "a\nb", "a\r\nb", "a\x0b" "b", "a\x0c" "b", "a\xc2\x85" "b",
		"a\xe2\x80\xa8" "b", "a\xe2\x80\xa9" "b", "\x1b[2J\x1b]0;t\x07", "\x9b" "31m", "\x7f",
		"\xe2\x80\xae" "evil", "\xff\xfe", "2026-01-01T00:00:00.000Z error engine: forged\n",
		"%s%n%d", "\xed\xa0\x80", "\xf4\x90\x80\x80" };

	(void)state;
	log_open("test", LOG_INFO_L);
	for (size_t i = 0; i < CL_COUNT(evil); i++) {
		cl_autofree char *text = stderr_of(write_line, evil[i]);
		size_t n = strlen(text);

		assert_true(n > 30);
		assert_ptr_equal(strchr(text, '\n'), text + n - 1);
		assert_true(utf8_valid(text, n));
		assert_non_null(strstr(text, "Z info test: got "));
		assert_string_equal(text + n - 2, ".\n"); /* nothing of the line is lost */
		for (size_t k = 0; k + 1 < n; k++)
			assert_false((unsigned char)text[k] < 0x20 || text[k] == 0x7f);
		assert_null(strstr(text, "\xe2\x80\xae"));
	}
}

static void long_texts_stay_one_whole_line(void **state)
{
	static const char *const units[] = { "x", "\x1b", "\xff", "\xed\x95\x9c", "\xe2\x80\xae", "\n" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(units); i++) {
		cl_autofree char *long_text = mem_alloc(20001), *text = NULL;
		size_t len = strlen(units[i]);

		for (size_t at = 0; at + len <= 20000; at += len)
			memcpy(long_text + at, units[i], len);
		text = stderr_of(write_line, long_text);
		len = strlen(text);
		assert_in_range(len, 500, 8192);
		assert_ptr_equal(strchr(text, '\n'), text + len - 1);
		assert_true(utf8_valid(text, len));
	}
}

static void write_all_levels(const void *arg)
{
	log_open("test", *(const enum log_level *)arg);
	log_debug("one");
	log_info("two");
	log_warn("three");
	log_error("four");
}

static void levels_below_the_chosen_one_are_silent(void **state)
{
	static const enum log_level levels[] = { LOG_DEBUG_L, LOG_INFO_L, LOG_WARN_L, LOG_ERROR_L };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(levels); i++) {
		cl_autofree char *text = stderr_of(write_all_levels, &levels[i]);
		size_t lines = 0;

		for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
			lines++;
		assert_int_equal(lines, CL_COUNT(levels) - i);
		assert_non_null(strstr(text, "error test: four"));
	}
}

static void write_to_nowhere(const void *arg)
{
	(void)arg;
	(void)close(2);
	errno = EXDEV;
	log_error("nobody reads this");
	assert_int_equal(errno, EXDEV); /* a caller's errno is its own */
}

static void a_closed_log_stops_nobody(void **state)
{
	cl_autofree char *text = stderr_of(write_to_nowhere, NULL);

	(void)state;
	assert_string_equal(text, "");
}

/* -- buffers -- */

static void every_ceiling_is_exact(void **state)
{
	(void)state;
	for (size_t max = 0; max < 300; max += max < 70 ? 1 : 37) {
		struct buf b;

		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(buf_add(&b, "x", 1), 0);
		assert_int_equal(b.len, max);
		assert_false(b.full);
		assert_int_equal(buf_add(&b, "y", 1), -1);
		assert_int_equal(buf_add_str(&b, "y"), -1);
		assert_int_equal(buf_printf(&b, "%c", 'y'), -1);
		assert_true(b.full);
		assert_int_equal(b.len, max);
		if (max > 0)
			assert_int_equal(strspn(b.data, "x"), max);
		assert_int_equal(buf_add(&b, "", 0), 0); /* nothing always fits */
		assert_int_equal(buf_add_str(&b, ""), 0);
		buf_clear(&b);
	}
}

static void a_refused_piece_adds_nothing_of_itself(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	assert_int_equal(buf_add_str(&b, "12345"), 0);
	assert_int_equal(buf_printf(&b, "%d", 6789), -1);
	assert_int_equal(buf_add(&b, "6789", 4), -1);
	assert_null(buf_space(&b, 4));
	assert_string_equal(b.data, "12345");
	buf_drop(&b, 1);
	assert_int_equal(buf_add(&b, "6789", 4), 0);
	assert_string_equal(b.data, "23456789");
	buf_drop(&b, 8);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_clear(&b);
}

static void bytes_in_and_out_in_any_order_are_the_same(void **state)
{
	struct buf b;
	unsigned in = 0, out = 0, seed = 7;

	(void)state;
	buf_init(&b, 700);
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		unsigned n = (seed >> 16) % 90;

		if ((seed >> 8) % 2 == 0) {
			char piece[90];

			for (unsigned i = 0; i < n; i++)
				piece[i] = (char)(in + i);
			if (buf_add(&b, piece, n) == 0)
				in += n;
		} else {
			n = n > b.len ? (unsigned)b.len : n;
			for (unsigned i = 0; i < n; i++)
				assert_int_equal((unsigned char)b.data[i], (unsigned char)(out + i));
			buf_drop(&b, n);
			out += n;
		}
		assert_int_equal(b.len, in - out);
	}
	buf_clear(&b);
}

/* -- sockets -- */

static char *at(const char *name)
{
	return mem_printf("%s/%s", dir, name);
}

static void the_socket_of_a_dead_listener_is_replaced(void **state)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	cl_autofree char *path = at("s");

	(void)state;
	for (size_t i = 0; i < CL_COUNT(types); i++) {
		struct cl_err err = { 0 };
		struct stat st;
		int a = sock_listen(path, types[i], 0600, &err), b;

		assert_true(a >= 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(sock_listen(path, types[i], 0600, &err), -1); /* it lives */
		assert_int_equal(err.code, CL_CONFLICT);
		assert_non_null(strstr(err.message, path));
		(void)close(a); /* as a killed process: the file stays */
		err_clear(&err);
		b = sock_listen(path, types[i], 0666, &err);
		assert_true(b >= 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0666);
		(void)close(b);
		(void)unlink(path);
	}
}

static void what_is_no_socket_is_left_alone(void **state)
{
	cl_autofree char *file = at("file"), *link = at("link"), *folder = at("folder");
	const char *all[] = { file, link, folder };
	int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "precious", 8), 8);
	(void)close(fd);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	for (size_t i = 0; i < CL_COUNT(all); i++) {
		struct cl_err err = { 0 };
		struct stat st;

		assert_int_equal(sock_listen(all[i], SOCK_STREAM, 0600, &err), -1);
		assert_int_equal(err.code, CL_CONFLICT);
		assert_int_equal(lstat(all[i], &st), 0);
	}
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void paths_that_cannot_be_are_errors(void **state)
{
	cl_autofree char *large = mem_alloc(300), *missing = at("no/such/s"), *nobody = at("nobody");
	const char *bad[] = { "", large, missing };

	(void)state;
	memset(large, 'a', 299);
	large[0] = '/';
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		struct cl_err err = { 0 };

		assert_int_equal(sock_listen(bad[i], SOCK_STREAM, 0600, &err), -1);
		assert_int_not_equal(err.code, CL_OK);
		err_clear(&err);
		assert_int_equal(sock_connect(bad[i], SOCK_STREAM, &err), -1);
		assert_int_equal(err.code, i < 2 ? CL_USAGE : CL_UNAVAILABLE);
	}
	struct cl_err err = { 0 };

	assert_int_equal(sock_connect(nobody, SOCK_STREAM, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.message, nobody));
}

static void both_ends_know_each_other(void **state)
{
	cl_autofree char *path = at("s");
	int listener = sock_listen(path, SOCK_STREAM, 0600, NULL), a, b;
	uid_t uid = 1;
	pid_t pid = 0;

	(void)state;
	assert_int_equal(sock_accept(listener), -1); /* nobody yet, and it does not wait */
	assert_int_equal(errno, EAGAIN);
	a = sock_connect(path, SOCK_STREAM, NULL);
	b = sock_accept(listener);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(sock_peer(b, &uid, NULL, &pid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(pid, getpid());
	assert_true((fcntl(a, F_GETFD) & FD_CLOEXEC) && (fcntl(b, F_GETFD) & FD_CLOEXEC));
	assert_true(fcntl(b, F_GETFL) & O_NONBLOCK);
	assert_int_equal(sock_nonblock(b, 0), 0);
	assert_false(fcntl(b, F_GETFL) & O_NONBLOCK);
	(void)close(a);
	(void)close(b);
	assert_int_equal(sock_peer(b, &uid, NULL, NULL), -1);
	assert_int_equal(sock_nonblock(b, 1), -1);
	(void)close(listener);
	(void)unlink(path);
}

/* -- children -- */

/* Exit status of a shell script; out: what it wrote to descriptor 1. */
static int shell(struct proc_spec *spec, const char *script, char *out, size_t size)
{
	cl_autofree char *sh = mem_strdup("sh"), *c = mem_strdup("-c"), *text = mem_strdup(script);
	char *const argv[] = { sh, c, text, NULL };
	int p[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	spec->path = "/bin/sh";
	spec->argv = argv;
	spec->fds[1] = p[1];
	spec->nfds = spec->nfds < 3 ? 3 : spec->nfds;
	pid = proc_start(spec, NULL);
	assert_true(pid > 0);
	(void)close(p[1]);
	while (len < size - 1 && (n = read(p[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	(void)close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return proc_exit_code(status);
}

static void descriptors_may_be_crossed(void **state)
{
	cl_autofree char *one = at("one"), *two = at("two");
	int a = open(one, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int b = open(two, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	char out[256];

	(void)state;
	assert_int_equal(write(a, "A", 1), 1);
	assert_int_equal(write(b, "B", 1), 1);
	/* each goes where the other is in the parent */
	for (int low = 3; low <= 4; low++) {
		int x = fcntl(a, F_DUPFD_CLOEXEC, 3), y = fcntl(b, F_DUPFD_CLOEXEC, 3);
		struct proc_spec spec = { .fds = { -1, -1, -1, low == 3 ? y : x, low == 3 ? x : y },
			.nfds = 5 };

		assert_int_equal(lseek(a, 0, SEEK_SET) | lseek(b, 0, SEEK_SET), 0);
		assert_int_equal(shell(&spec, "head -c1 <&3; head -c1 <&4", out, sizeof(out)), 0);
		assert_string_equal(out, low == 3 ? "BA" : "AB");
		(void)close(x);
		(void)close(y);
	}
	(void)close(a);
	(void)close(b);
	(void)unlink(one);
	(void)unlink(two);
}

static void a_gap_among_the_descriptors_stays_one(void **state)
{
	struct proc_spec spec = { .fds = { -1, -1, -1, -1, -1, -1, -1, -1 }, .nfds = 8 };
	int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
	char out[256];

	(void)state;
	spec.fds[6] = leak;
	assert_int_equal(shell(&spec, "for i in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$i ] &&"
	    " printf $i; done; exit 0", out, sizeof(out)), 0);
	assert_string_equal(out, "6");
	(void)close(leak);
}

static void one_descriptor_in_many_places(void **state)
{
	cl_autofree char *path = at("all");
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct proc_spec spec = { .fds = { fd, -1, fd, fd, fd }, .nfds = 5 };
	char out[64], text[64] = "";

	(void)state;
	assert_int_equal(shell(&spec, "printf 2 >&2; printf 3 >&3; printf 4 >&4", out, sizeof(out)), 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 3);
	assert_string_equal(text, "234");
	(void)close(fd);
	(void)unlink(path);
}

static void a_closed_descriptor_is_an_error_of_the_start(void **state)
{
	cl_autofree char *sh = mem_strdup("sh");
	char *const argv[] = { sh, NULL };
	struct proc_spec spec = { .path = "/bin/sh", .argv = argv, .fds = { -1, -1, -1, 999 }, .nfds = 4 };
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(proc_start(&spec, &err), -1);
	assert_non_null(strstr(err.message, "descriptors"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void what_cannot_be_executed_is_said(void **state)
{
	cl_autofree char *plain = at("plain"), *name = mem_strdup("x");
	char *const argv[] = { name, NULL };
	const char *paths[] = { plain, dir, "/no/such", "relative", "" };
	int fd = open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	(void)close(fd);
	for (size_t i = 0; i < CL_COUNT(paths); i++) {
		struct proc_spec spec = { .path = paths[i], .argv = argv, .fds = { -1, -1, -1 }, .nfds = 3 };
		struct cl_err err = { 0 };

		assert_int_equal(proc_start(&spec, &err), -1);
		assert_non_null(strstr(err.message, "exec"));
		assert_int_equal(err.code, i < 2 ? CL_FAILED : CL_NOT_FOUND);
	}
	(void)unlink(plain);
}

static void standard_descriptors_are_never_missing(void **state)
{
	struct proc_spec spec = { .fds = { -1, -1, -1 } };
	char out[64];

	(void)state;
	assert_int_equal(shell(&spec, "cat; echo x >&2; readlink /proc/self/fd/2", out, sizeof(out)), 0);
	assert_string_equal(out, "/dev/null\n");
	assert_int_equal(shell(&spec, "exit 255", out, sizeof(out)), 255);
	assert_int_equal(shell(&spec, "kill -KILL $$", out, sizeof(out)), 137);
}

/* -- configuration -- */

static int load(const char *text, struct cl_err *err)
{
	cl_autofree char *path = at("conf");
	FILE *f = fopen(path, "w");
	int rc;

	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
	rc = config_load(path, NULL, NULL, err);
	(void)unlink(path);
	return rc;
}

static void odd_layouts_mean_what_they_say(void **state)
{
	static const struct {
		const char *text;
		int64_t port;
	} rows[] = {
		{ "[edge]\nport=1", 1 }, { "  [ edge ]  \n\tport\t=\t2\t\n", 2 }, { "edge.port = \"3\"", 3 },
		{ "edge.port=4\nedge.port=5", 5 }, { "[sshd]\nedge.port = 6", 6 },
		{ "# edge.port = 9\n; edge.port = 9\nedge.port = 7", 7 }, { "\r\nedge.port = 8\r\n", 8 },
		{ "[edge]\nport = 9\n[sshd]\nport = 10", 9 }, { "", 8080 }, { "\n\n\n", 8080 },
		{ "edge.port = 0011", 11 }, { "edge.port = +12", 12 },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		struct cl_err err = { 0 };

		if (load(rows[i].text, &err) != 0)
			fail_msg("%s: %s", rows[i].text, err.message);
		if (config_int("edge.port") != rows[i].port)
			fail_msg("%s: %d", rows[i].text, (int)config_int("edge.port"));
	}
}

static void numbers_are_decimal_and_whole(void **state)
{
	static const char *const bad[] = { "0x50", "8e1", "80.0", "8 0", "80,", "\"80", "eighty", "-1",
		"9223372036854775808", "-9223372036854775809", "\xd9\xa8\xd9\xa0", "80;", "80 # web" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		cl_autofree char *text = mem_printf("\nedge.port = %s\n", bad[i]);
		struct cl_err err = { 0 };

		if (load(text, &err) == 0)
			fail_msg("%s was accepted", bad[i]);
		assert_int_equal(err.code, CL_USAGE);
		assert_non_null(strstr(err.message, ":2: edge.port"));
	}
}

static void every_number_is_checked_at_both_ends(void **state)
{
	(void)state;
	for (int i = 0; i < config_table_count; i++) {
		const struct config_option *o = &config_table[i];
		const int64_t tries[] = { o->min - 1, o->min, o->max, o->max + 1 };

		if (o->type != CONFIG_INT)
			continue;
		for (size_t k = 0; k < CL_COUNT(tries); k++) {
			cl_autofree char *text = mem_printf("%s = %lld\n", o->name, (long long)tries[k]);
			struct cl_err err = { 0 };
			bool good = k == 1 || k == 2;

			if ((load(text, &err) == 0) != good)
				fail_msg("%s: %s", text, err.message);
			if (good)
				assert_int_equal(config_int(o->name), tries[k]);
			else
				assert_non_null(strstr(err.message, o->name));
		}
	}
}

static void every_word_of_a_choice_is_taken_and_numbered(void **state)
{
	(void)state;
	for (int i = 0; i < config_table_count; i++) {
		const struct config_option *o = &config_table[i];
		int number = 0;

		if (o->type != CONFIG_WORD)
			continue;
		for (const char *w = o->words; *w; number++) {
			int n = (int)strcspn(w, "|");
			cl_autofree char *text = mem_printf("%s = %.*s\n", o->name, n, w);
			cl_autofree char *cut = mem_printf("%s = %.*s\n", o->name, n - 1, w);
			struct cl_err err = { 0 };

			assert_int_equal(load(cut, &err), -1);
			assert_int_equal(load(text, NULL), 0);
			assert_int_equal(config_word(o->name), number);
			assert_int_equal(strncmp(config_str(o->name), w, (size_t)n), 0);
			w += n + (w[n] == '|');
		}
		assert_true(number > 1);
	}
}

static void switches_take_words_of_both_kinds(void **state)
{
	static const char *const yes[] = { "yes", "YES", "true", "On", "1" };
	static const char *const no[] = { "no", "False", "off", "0" };
	static const char *const bad[] = { "", "y", "2", "yess", "yes no" };
	char text[64];

	(void)state;
	for (size_t i = 0; i < CL_COUNT(yes); i++) {
		(void)snprintf(text, sizeof(text), "user.register = %s", yes[i]);
		assert_int_equal(load(text, NULL), 0);
		assert_true(config_bool("user.register"));
	}
	for (size_t i = 0; i < CL_COUNT(no); i++) {
		(void)snprintf(text, sizeof(text), "user.register = %s", no[i]);
		assert_int_equal(load(text, NULL), 0);
		assert_false(config_bool("user.register"));
	}
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		(void)snprintf(text, sizeof(text), "user.register = %s", bad[i]);
		assert_int_equal(load(text, NULL), -1);
	}
}

static void arguments_are_taken_out_and_others_left(void **state)
{
	static const char *const words[] = { "prog", "--edge-port", "81", "scale", "--edge-slots=7",
		"--unknown-thing", "--json", "--", "--edge-port", "99" };
	char *argv[CL_COUNT(words) + 1] = { NULL };
	int argc = CL_COUNT(words);
	struct cl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(words); i++)
		argv[i] = (char *)(uintptr_t)words[i];
	assert_int_equal(config_load("/dev/null", &argc, argv, &err), 0);
	assert_int_equal(config_int("edge.port"), 81);
	assert_int_equal(config_int("edge.slots"), 7);
	assert_int_equal(argc, 7);
	assert_string_equal(argv[1], "scale");
	assert_string_equal(argv[2], "--unknown-thing");
	assert_string_equal(argv[3], "--json");
	assert_string_equal(argv[4], "--");
	assert_string_equal(argv[6], "99");
	assert_null(argv[7]);
}

static void a_configuration_that_is_no_file_is_an_error(void **state)
{
	struct cl_err err = { 0 };

	(void)state;
	assert_int_equal(config_load(dir, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.message, dir));
	err_clear(&err);
	assert_int_equal(load("sshd.listen = \xff\x1b[2J", &err), 0); /* any bytes are a text */
}

/* -- servers that misbehave -- */

static struct fake fake;

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	static const struct {
		const char *path, *reply;
	} rows[] = {
		{ "/length-", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello" },
		{ "/length-huge", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx" },
		{ "/chunk-bad", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n" },
		{ "/chunk-cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" },
		{ "/chunk-huge", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nab" },
		{ "/nothing", "" },
		{ "/head-cut", "HTTP/1.1 200 OK\r\nContent-Le" },
		{ "/moved", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n" },
		{ "/status", "HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\nhi" },
		{ "/etag", "HTTP/1.1 200 OK\r\nETag: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaa\"\r\nContent-Length: 2\r\n\r\nok" },
		{ "/empty", "HTTP/1.1 204 No Content\r\n\r\n" },
	};
	char want[64];

	(void)f;
	(void)body;
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		(void)snprintf(want, sizeof(want), "GET %s ", rows[i].path);
		if (strncmp(request, want, strlen(want)) == 0)
			fake_write(fd, rows[i].reply, strlen(rows[i].reply));
	}
}

static void nonsense_of_servers_is_an_error_or_a_bounded_reply(void **state)
{
	static const struct {
		const char *path;
		int status; /* 0: no reply can be given */
	} rows[] = {
		{ "/length-huge", 200 }, { "/chunk-bad", 0 }, { "/chunk-cut", 0 }, { "/chunk-huge", 0 },
		{ "/nothing", 0 }, { "/head-cut", 200 }, { "/moved", 302 }, { "/status", 999 },
		{ "/etag", 200 }, { "/empty", 204 },
	};

	(void)state;
	fake_start(&fake, serve);
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		cl_autofree char *url = mem_printf("http://x%s", rows[i].path);
		struct fetch_request r = { .method = "GET", .url = url, .unix_path = fake.path,
			.timeout_ms = 3000, .max_reply = 1000 };
		struct fetch_reply reply = { 0 };
		struct cl_err err = { 0 };
		int rc = fetch_run(&r, &reply, &err);

		if (rows[i].status == 0) {
			if (rc == 0)
				fail_msg("%s gave %d", rows[i].path, reply.status);
			assert_int_not_equal(err.code, CL_OK);
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", rows[i].path, err.message);
		assert_int_equal(reply.status, rows[i].status); /* redirects are not followed */
		assert_true(strlen(reply.etag) < sizeof(reply.etag));
		buf_clear(&reply.body);
	}
	fake_stop(&fake);
}

static void odd_addresses_go_nowhere(void **state)
{
	static const char *const urls[] = { "", "http://", "ftp://127.0.0.1/", "file:///etc/passwd",
		"gopher://127.0.0.1:1/", "dict://127.0.0.1:1/x", "not a url", "http://127.0.0.1:99999/",
		"http://[::1" };

	(void)state;
	for (size_t i = 0; i < CL_COUNT(urls); i++) {
		struct fetch_request r = { .method = "GET", .url = urls[i], .timeout_ms = 2000 };
		struct fetch_reply reply = { 0 };
		struct cl_err err = { 0 };

		if (fetch_run(&r, &reply, &err) == 0)
			fail_msg("%s answered %d", urls[i], reply.status);
		assert_int_not_equal(err.code, CL_OK);
		assert_string_not_equal(err.message, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_received_makes_a_second_line),
		cmocka_unit_test(long_texts_stay_one_whole_line),
		cmocka_unit_test(levels_below_the_chosen_one_are_silent),
		cmocka_unit_test(a_closed_log_stops_nobody),
		cmocka_unit_test(every_ceiling_is_exact),
		cmocka_unit_test(a_refused_piece_adds_nothing_of_itself),
		cmocka_unit_test(bytes_in_and_out_in_any_order_are_the_same),
		cmocka_unit_test(the_socket_of_a_dead_listener_is_replaced),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(paths_that_cannot_be_are_errors),
		cmocka_unit_test(both_ends_know_each_other),
		cmocka_unit_test(descriptors_may_be_crossed),
		cmocka_unit_test(a_gap_among_the_descriptors_stays_one),
		cmocka_unit_test(one_descriptor_in_many_places),
		cmocka_unit_test(a_closed_descriptor_is_an_error_of_the_start),
		cmocka_unit_test(what_cannot_be_executed_is_said),
		cmocka_unit_test(standard_descriptors_are_never_missing),
		cmocka_unit_test(odd_layouts_mean_what_they_say),
		cmocka_unit_test(numbers_are_decimal_and_whole),
		cmocka_unit_test(every_number_is_checked_at_both_ends),
		cmocka_unit_test(every_word_of_a_choice_is_taken_and_numbered),
		cmocka_unit_test(switches_take_words_of_both_kinds),
		cmocka_unit_test(arguments_are_taken_out_and_others_left),
		cmocka_unit_test(a_configuration_that_is_no_file_is_an_error),
		cmocka_unit_test(nonsense_of_servers_is_an_error_or_a_bounded_reply),
		cmocka_unit_test(odd_addresses_go_nowhere),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
