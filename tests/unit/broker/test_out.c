/* Sockets that come out of a container (ssh -L, -R, -A): which are taken, what an error's number becomes, what else is closed. */
#include "tests/unit/broker/head.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sock.h"
#include "engine/broker/exec_pty.h"

static char dir[] = "/tmp/cl-out-XXXXXX";
static struct exec_pty door;
static int stream[2];

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(door.path, sizeof(door.path), "%s/door", dir);
	door.listener = sock_listen(door.path, SOCK_STREAM, 0666, NULL);
	assert_true(door.listener >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	return 0;
}

static int teardown(void **state)
{
	exec_pty_close(&door);
	close(stream[0]);
	close(stream[1]);
	return rmdir(dir);
}

/* A program in the container sends fd, or the number of an error. */
static pid_t sends(int fd, unsigned char why)
{
	unsigned char text[2] = {'e', why};
	pid_t pid = fork();
	int sock;

	if (pid)
		return pid;
	sock = sock_connect(door.path, SOCK_STREAM, NULL);
	if (fd >= 0)
		_exit(sock_send_fd(sock, 'm', fd) < 0);
	_exit(write(sock, text, sizeof(text)) != sizeof(text));
}

static int take(int fd, unsigned char error, int *why)
{
	pid_t pid = sends(fd, error);
	int got = exec_pty_wait_socket(&door, stream[0], why), status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(door.listener, -1); /* one only */
	return got;
}

static void test_a_listening_port_comes_out(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), got, why = -1, on = 0;
	socklen_t n = sizeof(on);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)) + listen(fd, 1), 0);
	got = take(fd, 0, &why);
	assert_true(got >= 0 && why == 0);
	assert_int_equal(getsockopt(got, SOL_SOCKET, SO_ACCEPTCONN, &on, &n), 0);
	assert_true(on && fcntl(got, F_GETFD) & FD_CLOEXEC);
	close(got);
	close(fd);
}

static void test_both_ends_are_joined(void **state)
{
	int pair[2], got, why;
	char text[8] = "";

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	got = take(pair[1], 0, &why);
	assert_true(got >= 0);
	assert_int_equal(write(got, "hello", 5), 5);
	assert_int_equal(read(pair[0], text, sizeof(text)), 5);
	close(got);
	close(pair[0]);
	close(pair[1]);
}

static void test_nothing_else_comes_out(void **state)
{
	int p[2], why, others[5], n = 0;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	others[n++] = p[0];
	others[n++] = open("/dev/null", O_RDWR | O_CLOEXEC);
	others[n++] = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	others[n++] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	others[n++] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	for (int i = 0; i < n; i++) {
		if (others[i] < 0)
			continue; /* a file system without O_TMPFILE */
		assert_int_equal(take(others[i], 0, &why), -1);
		assert_int_equal(why, 0);
		close(others[i]);
		door.listener = sock_listen(door.path, SOCK_STREAM, 0666, NULL);
	}
	close(p[1]);
}

static void test_an_error_is_only_its_number(void **state)
{
	int why;

	assert_int_equal(take(-1, ECONNREFUSED, &why), -1);
	assert_int_equal(why, ECONNREFUSED);
}

static void test_nobody_comes(void **state)
{
	int why = -1;

	close(stream[1]); /* the program ended */
	stream[1] = -1;
	assert_int_equal(exec_pty_wait_socket(&door, stream[0], &why), -1);
	assert_int_equal(why, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_a_listening_port_comes_out), T(test_both_ends_are_joined), T(test_nothing_else_comes_out),
	    T(test_an_error_is_only_its_number), T(test_nobody_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
