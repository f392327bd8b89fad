/* Messages with a hard end, descriptors beside them, and the sockets they travel on. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"

static struct ipc_out out;
static struct ipc_in in;
static int fds[2];

static int setup(void **state)
{
	return ipc_pair(fds, NULL);
}

static int teardown(void **state)
{
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void pass(void)
{
	assert_int_equal(ipc_send(fds[0], &out), 0);
	assert_int_equal(ipc_recv(fds[1], &in), 1);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void every_field_goes_round(void **state)
{
	int before = open_fds(), p[2], got;
	char text[16], c;
	const void *bytes;
	size_t n;

	assert_int_equal(pipe(p), 0);
	ipc_begin(&out, 0x123);
	ipc_put_u32(&out, 0xdeadbeef);
	ipc_put_i32(&out, -5);
	ipc_put_i64(&out, -1234567890123);
	ipc_put_str(&out, "재고");
	ipc_put_str(&out, NULL);
	ipc_put_bytes(&out, "a\0b", 3);
	ipc_put_fd(&out, p[1]);
	pass();
	assert_int_equal(in.type, 0x123);
	assert_int_equal(ipc_get_u32(&in), 0xdeadbeef);
	assert_int_equal(ipc_get_i32(&in), -5);
	assert_true(ipc_get_i64(&in) == -1234567890123);
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "재고");
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "");
	bytes = ipc_get_bytes(&in, &n, 3);
	assert_int_equal(n, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	got = ipc_get_fd(&in);
	assert_true(got >= 0 && (fcntl(got, F_GETFD) & FD_CLOEXEC));
	assert_int_equal(ipc_end(&in), 0);
	assert_int_equal(write(got, "x", 1), 1);
	assert_int_equal(read(p[0], &c, 1), 1);
	close(got);
	close(p[0]);
	close(p[1]);
	assert_int_equal(open_fds(), before);
}

static void leftovers_are_an_error(void **state)
{
	int before = open_fds();

	ipc_begin(&out, 1);
	ipc_put_u32(&out, 2);
	pass();
	assert_int_equal(ipc_end(&in), -1);
	ipc_begin(&out, 1);
	ipc_put_fd(&out, 0);
	pass();
	assert_int_equal(ipc_end(&in), -1);
	assert_int_equal(open_fds(), before);
	ipc_begin(&out, 1);
	pass();
	assert_int_equal(ipc_end(&in), 0);
}

static void cut_fields_are_an_error(void **state)
{
	char text[8];
	size_t n;

	ipc_begin(&out, 1);
	pass();
	assert_int_equal(ipc_get_u32(&in), 0);
	assert_int_equal(ipc_end(&in), -1);
	ipc_begin(&out, 1);
	ipc_put_u32(&out, 7);
	pass();
	assert_true(ipc_get_i64(&in) == 0);
	assert_int_equal(ipc_end(&in), -1);
	/* A length that says more than there is. */
	ipc_begin(&out, 1);
	ipc_put_u32(&out, 0xffffffff);
	pass();
	ipc_get_bytes(&in, &n, SIZE_MAX);
	assert_int_equal(n, 0);
	assert_int_equal(ipc_end(&in), -1);
	/* Too long for its place, and with a NUL inside. */
	ipc_begin(&out, 1);
	ipc_put_str(&out, "12345678");
	pass();
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ipc_end(&in), -1);
	ipc_begin(&out, 1);
	ipc_put_bytes(&out, "a\0b", 3);
	pass();
	ipc_get_str(&in, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ipc_end(&in), -1);
	ipc_begin(&out, 1);
	pass();
	assert_int_equal(ipc_get_fd(&in), -1);
	assert_int_equal(ipc_end(&in), -1);
}

static void ranges(void **state)
{
	static const struct {
		uint32_t v;
		int64_t lo, hi, want;
		int ok;
	} rows[] = {{5, 1, 10, 5, 0}, {0, 1, 10, 1, -1}, {11, 1, 10, 1, -1}, {0xffffffff, -1, 3, -1, 0},
	    {0xffffffff, 0, 0xffffffffLL, 0xffffffffLL, 0}, {0x80000000, 0, 100, 0, -1}};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		ipc_begin(&out, 1);
		ipc_put_u32(&out, rows[i].v);
		pass();
		assert_true(ipc_get_range(&in, rows[i].lo, rows[i].hi) == rows[i].want);
		assert_int_equal(ipc_end(&in), rows[i].ok);
	}
}

static void bad_messages_are_not_sent(void **state)
{
	static char big[IPC_MAX + 1];

	ipc_begin(&out, 1);
	ipc_put_bytes(&out, big, IPC_MAX - 8);
	pass();
	ipc_close_fds(&in);
	ipc_begin(&out, 1);
	ipc_put_bytes(&out, big, IPC_MAX - 7);
	assert_int_equal(ipc_send(fds[0], &out), -1);
	assert_int_equal(errno, EMSGSIZE);
	ipc_begin(&out, 1);
	for (int i = 0; i < IPC_FDS + 1; i++)
		ipc_put_fd(&out, 0);
	assert_int_equal(ipc_send(fds[0], &out), -1);
	ipc_begin(&out, 1);
	ipc_put_fd(&out, -1);
	assert_int_equal(ipc_send(fds[0], &out), -1);
}

/* Send raw bytes and n copies of descriptor 0 the way a hostile peer would. */
static void send_raw(const void *p, size_t len, int n)
{
	char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
	struct iovec iov = {(void *)(uintptr_t)p, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (n) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	}
	assert_true(sendmsg(fds[0], &msg, 0) >= 0);
}

static void malformed_packets(void **state)
{
	static char big[IPC_MAX + 100];
	int before = open_fds();

	send_raw("abc", 3, 0);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	assert_int_equal(errno, EPROTO);
	send_raw("abc", 3, 2);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	send_raw("\1\0\0\0", 4, IPC_FDS + 1);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	assert_int_equal(errno, EPROTO);
	send_raw("\1\0\0\0", 4, 60);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	send_raw(big, sizeof(big), 0);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(open_fds(), before);
	sock_nonblock(fds[1], 1);
	assert_int_equal(ipc_recv(fds[1], &in), -1);
	assert_int_equal(errno, EAGAIN);
	close(fds[0]);
	assert_int_equal(ipc_recv(fds[1], &in), 0);
	fds[0] = dup(0);
}

static void errors_travel(void **state)
{
	struct cl_err a = {0}, b = {0};

	err_set(&a, CL_QUOTA, "scale: too many");
	err_hint(&a, "Ask");
	ipc_begin(&out, 9);
	ipc_put_err(&out, &a);
	pass();
	ipc_get_err(&in, &b);
	assert_int_equal(ipc_end(&in), 0);
	assert_int_equal(b.code, CL_QUOTA);
	assert_string_equal(b.message, a.message);
	assert_string_equal(b.hint, "Ask");
}

static void sockets(void **state)
{
	char dir[] = "/tmp/cl-unit-XXXXXX", path[64], longer[200];
	struct cl_err err = {0};
	int l, c, a, before = open_fds();
	struct stat st;
	uid_t uid = 1;
	pid_t pid = 0;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	l = sock_listen(path, SOCK_SEQPACKET, 0600, &err);
	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(sock_listen(path, SOCK_SEQPACKET, 0600, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	a = sock_accept(l);
	if (a >= 0)
		close(a); /* the look of the second listener */
	c = sock_connect(path, SOCK_SEQPACKET, NULL);
	a = sock_accept(l);
	assert_true(c >= 0 && a >= 0);
	assert_int_equal(sock_peer(a, &uid, NULL, &pid), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(pid, getpid());
	assert_int_equal(sock_accept(l), -1);
	close(l);
	close(c);
	close(a);
	err_clear(&err);
	assert_int_equal(sock_connect(path, SOCK_SEQPACKET, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	l = sock_listen(path, SOCK_STREAM, 0666, NULL); /* the old file is of a dead one */
	assert_true(l >= 0);
	close(l);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	err_clear(&err);
	assert_int_equal(sock_listen(path, SOCK_STREAM, 0600, &err), -1);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	rmdir(dir);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	err_clear(&err);
	assert_int_equal(sock_listen(longer, SOCK_STREAM, 0600, &err), -1);
	assert_int_equal(err.code, CL_USAGE);
	assert_int_equal(open_fds(), before);
}

/* A peer that says its last words and closes while something of ours is unread: they arrive. */
static void last_words_of_one_that_closed(void **state)
{
	struct cl_err err = {0};
	int pair[2];

	assert_int_equal(ipc_pair(pair, &err), 0);
	ipc_begin(&out, 7);
	assert_int_equal(ipc_send(pair[1], &out), 0); /* never read */
	ipc_begin(&out, 8);
	ipc_put_u32(&out, 42);
	assert_int_equal(ipc_send(pair[0], &out), 0);
	close(pair[0]);
	assert_int_equal(ipc_recv(pair[1], &in), 1);
	assert_int_equal(in.type, 8);
	assert_int_equal(ipc_get_u32(&in), 42);
	assert_int_equal(ipc_end(&in), 0);
	assert_int_equal(ipc_recv(pair[1], &in), 0);
	close(pair[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(every_field_goes_round), T(leftovers_are_an_error), T(cut_fields_are_an_error),
	    T(ranges), T(bad_messages_are_not_sent), T(malformed_packets), T(errors_travel),
	    T(sockets), T(last_words_of_one_that_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
