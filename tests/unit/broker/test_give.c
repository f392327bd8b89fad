/* A client's pipes for a program in a container: what may go in, who gets it, what becomes of nobody asking. */
#include "tests/unit/broker/head.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sock.h"
#include "engine/broker/exec_give.h"

static char dir[] = "/tmp/cl-give-XXXXXX";
static struct exec_pty door;
static int stream[2], in[2], out[2], errs[2];

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0711), 0);
	snprintf(door.path, sizeof(door.path), "%s/door", dir);
	snprintf(door.inside, sizeof(door.inside), EXEC_PTY_FOLDER "/1234");
	door.listener = sock_listen(door.path, SOCK_STREAM, 0666, NULL);
	assert_true(door.listener >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_int_equal(pipe(in) + pipe(out) + pipe(errs), 0);
	return 0;
}

static int teardown(void **state)
{
	int all[] = {stream[0], stream[1], in[0], in[1], out[0], out[1], errs[0], errs[1]};

	exec_pty_close(&door);
	for (size_t i = 0; i < CL_COUNT(all); i++)
		close(all[i]);
	return rmdir(dir);
}

/* A process of that uid which asks at the door, and writes "mine" into the second pipe that it gets. */
static pid_t ask_as(uid_t uid)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char byte, control[CMSG_SPACE(3 * sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
	    .msg_controllen = sizeof(control)};
	pid_t pid = fork();
	int fd, got[3];

	if (pid)
		return pid;
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s", door.path);
	if (uid != getuid() && (setgid(uid) < 0 || setuid(uid) < 0))
		_exit(2);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || recvmsg(fd, &m, 0) != 1 ||
	    m.msg_controllen != sizeof(control))
		_exit(1);
	memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
	_exit(write(got[1], "mine", 4) == 4 && write(got[0], "x", 1) < 0 ? 0 : 3);
}

static int end_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status >> 8;
}

static bool give(uid_t uid)
{
	return exec_give_wait(&door, stream[0], uid, (int[]){in[0], out[1], errs[1]});
}

static void test_only_pipes_are_fit(void **state)
{
	char fifo[64];
	int null = open("/dev/null", O_RDWR), file = open(dir, O_TMPFILE | O_RDWR, 0600), named;

	assert_true(exec_give_fit((int[]){in[0], out[1], errs[1]}));
	assert_false(exec_give_fit((int[]){in[1], out[1], errs[1]})); /* the wrong ends */
	assert_false(exec_give_fit((int[]){in[0], out[0], errs[1]}));
	assert_false(exec_give_fit((int[]){null, out[1], errs[1]}));
	assert_false(exec_give_fit((int[]){in[0], null, errs[1]}));
	assert_false(exec_give_fit((int[]){in[0], out[1], stream[0]}));
	assert_false(exec_give_fit((int[]){in[0], out[1], -1}));
	if (file >= 0)
		assert_false(exec_give_fit((int[]){in[0], file, errs[1]}));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	named = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_false(exec_give_fit((int[]){named, out[1], errs[1]})); /* it has a place on a disk */
	unlink(fifo);
	close(named);
	close(null);
	close(file);
}

static void test_they_come_out_blocking(void **state)
{
	fcntl(out[1], F_SETFL, O_NONBLOCK);
	assert_true(exec_give_fit((int[]){in[0], out[1], errs[1]}));
	assert_false(fcntl(out[1], F_GETFL) & O_NONBLOCK);
}

static void test_the_program_gets_them(void **state)
{
	pid_t pid = ask_as(getuid());
	char text[8] = "";

	assert_true(give(getuid()));
	assert_int_equal(end_of(pid), 0);
	assert_int_equal(read(out[0], text, sizeof(text)), 4);
	assert_string_equal(text, "mine");
	assert_int_equal(door.listener, -1);
	assert_int_equal(access(door.path, F_OK), -1);
}

static void test_another_user_gets_nothing_and_holds_nobody_up(void **state)
{
	struct pollfd p = {.fd = door.listener, .events = POLLIN};
	pid_t thief, pid;

	if (getuid() != 0)
		skip();
	thief = ask_as(54321);
	assert_int_equal(poll(&p, 1, 5000), 1); /* it is first */
	pid = ask_as(0);
	assert_true(give(0));
	assert_int_equal(end_of(thief), 1);
	assert_int_equal(end_of(pid), 0);
}

static void test_one_that_connects_and_goes_is_nobody(void **state)
{
	pid_t pid;

	for (int i = 0; i < 3; i++)
		close(sock_connect(door.path, SOCK_STREAM, NULL));
	pid = ask_as(getuid());
	/* Of the same uid it is the user itself: what it took is lost with it. */
	assert_true(give(getuid()));
	kill(pid, SIGKILL);
	end_of(pid);
}

static void test_a_program_that_ended_leaves_them_here(void **state)
{
	close(stream[1]);
	stream[1] = -1;
	assert_false(give(getuid()));
	assert_int_equal(door.listener, -1);
}

static void test_the_command_line(void **state)
{
	json_t *argv = exec_give_argv(json_pack("[s, s]", "ls", "-l")), *env = json_pack("[s]", "A=b");
	cl_autofree char *text = json_dumps(argv, JSON_COMPACT), *vars = NULL;

	exec_give_env(&door, env);
	vars = json_dumps(env, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(text, "[\"/run/codinglab-pty\",\"take\",\"ls\",\"-l\"]");
	assert_string_equal(vars, "[\"A=b\",\"CODINGLAB_PIPES=/run/codinglab/1234\"]");
	json_decref(argv);
	json_decref(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_only_pipes_are_fit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_they_come_out_blocking, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_program_gets_them, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_another_user_gets_nothing_and_holds_nobody_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_that_connects_and_goes_is_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_program_that_ended_leaves_them_here, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_the_command_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
