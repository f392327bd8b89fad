/* Streams of the container engine: frames of stdout and stderr, in any pieces; lines; statistics. */
#include "tests/unit/broker/head.h"

#include "base/buf.h"
#include "engine/broker/line.h"
#include "engine/broker/mux.h"
#include "engine/broker/observe.h"
#include "engine/broker/stats.h"

struct got {
	struct buf s[3];
};

static void got_cb(void *arg, int stream, const char *data, size_t n)
{
	buf_add(&((struct got *)arg)->s[stream], data, n);
}

static void frame(struct buf *b, int stream, const char *text)
{
	size_t n = strlen(text);
	char head[8] = {(char)stream, 0, 0, 0, 0, 0, (char)(n >> 8), (char)n};

	buf_add(b, head, sizeof(head));
	buf_add(b, text, n);
}

static void test_frames_in_any_pieces(void **state)
{
	struct buf in;

	buf_init(&in, 1 << 16);
	frame(&in, 1, "hello ");
	frame(&in, 2, "oops\n");
	frame(&in, 1, "");
	frame(&in, 1, "world\n");
	for (size_t step = 1; step <= in.len; step++) {
		struct got g = {0};
		struct mux m;

		for (int i = 0; i < 3; i++)
			buf_init(&g.s[i], 1 << 16);
		mux_init(&m);
		for (size_t at = 0; at < in.len; at += step)
			assert_int_equal(mux_feed(&m, in.data + at, in.len - at < step ? in.len - at : step,
			    got_cb, &g), 0);
		assert_string_equal(g.s[1].data, "hello world\n");
		assert_string_equal(g.s[2].data, "oops\n");
		for (int i = 0; i < 3; i++)
			buf_clear(&g.s[i]);
	}
	buf_clear(&in);
}

static void test_a_garbled_stream_is_bad_for_ever(void **state)
{
	struct got g = {0};
	struct mux m;

	buf_init(&g.s[1], 100);
	mux_init(&m);
	assert_int_equal(mux_feed(&m, "HTTP/1.1 200 OK", 15, got_cb, &g), -1);
	assert_int_equal(mux_feed(&m, "\1\0\0\0\0\0\0\1x", 9, got_cb, &g), -1);
	assert_int_equal(g.s[1].len, 0);
}

static void next_line(int sock, const char *want)
{
	struct ipc_in *in = mem_alloc(sizeof(*in));
	const void *p;
	size_t n;

	assert_int_equal(ipc_recv(sock, in), 1);
	assert_int_equal(in->type, BROKER_LINE);
	p = ipc_get_bytes(in, &n, BROKER_LINE_MAX);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(p, want, n);
	assert_int_equal(ipc_end(in), 0);
	mem_free(in);
}

static void test_lines(void **state)
{
	struct line *l = mem_alloc(sizeof(*l));
	cl_autofree char *longer = mem_alloc(BROKER_LINE_MAX + 3);
	int fds[2];

	assert_int_equal(ipc_pair(fds, NULL), 0);
	line_init(l, fds[0]);
	line_add(l, 1, "one\r\ntw", 7);
	line_add(l, 2, "error\npart", 10);
	line_add(l, 1, "o\n\nthree", 8);
	line_flush(l);
	next_line(fds[1], "one");
	next_line(fds[1], "error");
	next_line(fds[1], "two");
	next_line(fds[1], "");
	next_line(fds[1], "three");
	next_line(fds[1], "part");
	memset(longer, 'x', BROKER_LINE_MAX + 2);
	line_add(l, 1, longer, BROKER_LINE_MAX + 2);
	line_add(l, 1, "\n", 1);
	longer[BROKER_LINE_MAX] = '\0';
	next_line(fds[1], longer);
	next_line(fds[1], "xx");
	close(fds[0]);
	close(fds[1]);
	mem_free(l);
}

static char dir[] = "/tmp/cl-stats-XXXXXX";

static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (slash = full + strlen(dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void look(int pid, struct stats *s)
{
	char proc[64], group[64];

	snprintf(proc, sizeof(proc), "%s/proc", dir);
	snprintf(group, sizeof(group), "%s/cg", dir);
	stats_read_at(proc, group, pid, s);
}

static void test_statistics(void **state)
{
	struct stats s;

	put("proc/10/cgroup", "9:name=systemd:/\n4:memory:/c/a\n2:cpu,cpuacct:/c/a\n0::/c/a\n");
	put("cg/cpu,cpuacct/c/a/cpuacct.usage", "123456789\n");
	put("cg/memory/c/a/memory.usage_in_bytes", "1000000\n");
	put("cg/memory/c/a/memory.stat", "cache 5\ntotal_inactive_file 400000\n");
	look(10, &s);
	assert_int_equal(s.cpu_ns, 123456789);
	assert_int_equal(s.memory, 600000);
	put("proc/11/cgroup", "0::/c/b\n");
	put("cg/c/b/cpu.stat", "usage_usec 77\nuser_usec 1\n");
	put("cg/c/b/memory.current", "5000\n");
	put("cg/c/b/memory.stat", "anon 1\ninactive_file 9000\n");
	look(11, &s);
	assert_int_equal(s.cpu_ns, 77000);
	assert_int_equal(s.memory, 5000);
	look(12, &s);
	assert_true(s.cpu_ns < 0 && s.memory < 0);
	look(0, &s);
	assert_true(s.cpu_ns < 0 && s.memory < 0);
	put("proc/13/cgroup", "garbage\n::\n5:cpuacct\n");
	look(13, &s);
	assert_true(s.cpu_ns < 0 && s.memory < 0);
}

static void test_times(void **state)
{
	assert_int_equal(observe_time("1970-01-01T00:00:01Z"), 1000);
	assert_int_equal(observe_time("2026-11-23T01:13:36.654866565Z"), 1795396416654);
	assert_int_equal(observe_time("0001-01-01T00:00:00Z"), 0);
	assert_int_equal(observe_time(""), 0);
	assert_int_equal(observe_time("yesterday"), 0);
}

static int remove_dir(void **state)
{
	cl_autofree char *command = mem_printf("rm -rf %s", dir);
	FILE *f = popen(command, "r");

	return f ? pclose(f) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames_in_any_pieces),
	    cmocka_unit_test(test_a_garbled_stream_is_bad_for_ever),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_statistics),
	    cmocka_unit_test(test_times),
	};

	if (!mkdtemp(dir))
		return 1;
	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
