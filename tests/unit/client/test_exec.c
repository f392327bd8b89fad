/*
 * Programs behind verbs: exit statuses, signals, end of input, binary bytes, stderr apart, over the
 * real messages, with a broker of the test's own that runs /bin/sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/sock.h"
#include "engine/api/exec_proto.h"
#include "engine/client/verb.h"
#include "engine/client/verbs.h"
#include "tests/unit/fake_call.h"

static struct fake engine;
static struct bridge bridge;
static char broker_path[64], command[4096], asked[8192];
static int broker = -1;
static pthread_t broker_thread, main_thread;
static volatile bool stop_broker;
static struct ipc_out out_msg;
static struct ipc_in in_msg;

/* Give the client three pipes of `sh -c command`; returns its pid. */
static pid_t open_program(int sock)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
	int in[2], out[2], err[2];
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv, .nfds = 3};
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		abort();
	spec.fds[0] = in[0];
	spec.fds[1] = out[1];
	spec.fds[2] = err[1];
	pid = proc_start(&spec, NULL);
	ipc_begin(&out_msg, EXEC_OPENED);
	ipc_put_u32(&out_msg, 0);
	ipc_put_bytes(&out_msg, "early ", strstr(command, "EARLY") ? 6 : 0);
	ipc_put_fd(&out_msg, in[1]);
	ipc_put_fd(&out_msg, out[0]);
	ipc_put_fd(&out_msg, err[0]);
	ipc_send(sock, &out_msg);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
		close(err[i]);
	}
	return pid;
}

static void pass_signal(pid_t pid)
{
	char name[16];

	ipc_get_str(&in_msg, name, sizeof(name));
	kill(pid, strcmp(name, "TERM") == 0 ? SIGTERM : strcmp(name, "INT") == 0 ? SIGINT : SIGUSR1);
}

/* Does a process (its first thread) catch, or block, SIGTERM by now?  field: "SigCgt:" or "SigBlk:". */
static bool knows_term(pid_t pid, const char *field)
{
	char path[64], line[256];
	bool knows = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, field, strlen(field)) == 0)
			knows = strtoull(line + strlen(field), NULL, 16) >> (SIGTERM - 1) & 1;
	if (f)
		fclose(f);
	return knows;
}

static void serve_exec(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	bool interrupted = false;
	char ticket[64];
	int status;
	pid_t pid;

	sock_nonblock(sock, 0);
	if (ipc_recv(sock, &in_msg) != 1)
		return;
	ipc_get_str(&in_msg, ticket, sizeof(ticket));
	if (strcmp(ticket, "good") != 0) {
		struct cl_err err = {.code = CL_FORBIDDEN, .message = "ticket: not yours"};

		ipc_begin(&out_msg, EXEC_FAILED);
		ipc_put_err(&out_msg, &err);
		ipc_send(sock, &out_msg);
		return;
	}
	pid = open_program(sock);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (poll(&p, 1, 5) > 0) {
			if (ipc_recv(sock, &in_msg) != 1 || strstr(command, "LOSE")) {
				kill(pid, SIGKILL);
				waitpid(pid, &status, 0);
				return;
			}
			if (in_msg.type == EXEC_SIGNAL)
				pass_signal(pid);
		}
		/* Once, when the verb waits for it and the program has its trap: sooner or again it would
		 * end one of them as any signal does. */
		if (strstr(command, "INTERRUPT") && !interrupted && knows_term(pid, "SigCgt:") &&
		    knows_term(getpid(), "SigBlk:")) {
			interrupted = true;
			pthread_kill(main_thread, SIGTERM);
		}
		if (strstr(command, "LOSE")) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return;
		}
	}
	ipc_begin(&out_msg, EXEC_EXITED);
	ipc_put_u32(&out_msg, WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0);
	ipc_put_u32(&out_msg, WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0);
	ipc_send(sock, &out_msg);
}

static void *run_broker(void *arg)
{
	struct pollfd p = {.fd = broker, .events = POLLIN};
	int sock;

	while (!stop_broker) {
		if (poll(&p, 1, 10) <= 0)
			continue;
		sock = sock_accept(broker);
		if (sock < 0)
			continue;
		serve_exec(sock);
		close(sock);
	}
	return NULL;
}

static void serve(struct fake *f, int fd, const char *request, const char *body)
{
	cl_autofree char *reply = mem_printf("{\"ticket\":\"%s\",\"socket\":\"%s\"}",
	    strstr(body, "STOLEN") ? "bad" : "good", broker_path);
	json_t *json = json_loads(body, 0, NULL);
	const char *line = json_string_value(json_object_get(json, "command"));

	snprintf(asked, sizeof(asked), "%.200s %s", request, body);
	snprintf(command, sizeof(command), "%s", line ? line : "true");
	json_decref(json);
	fake_reply(fd, 200, reply);
}

static int setup(void **state)
{
	fake_start(&engine, serve);
	bridge_start(&bridge, &engine);
	snprintf(broker_path, sizeof(broker_path), "%s/b", engine.dir);
	broker = sock_listen(broker_path, SOCK_SEQPACKET, 0600, NULL);
	stop_broker = false;
	main_thread = pthread_self();
	signal(SIGPIPE, SIG_IGN);
	return pthread_create(&broker_thread, NULL, run_broker, NULL);
}

static int teardown(void **state)
{
	stop_broker = true;
	pthread_join(broker_thread, NULL);
	close(broker);
	unlink(broker_path);
	bridge_stop(&bridge);
	fake_stop(&engine);
	return 0;
}

static struct buf got_out, got_err;
static struct verb_ctx ctx;

static void out_cb(void *arg, const char *text, size_t len, bool raw)
{
	assert_int_equal(buf_add(&got_out, text, len), 0);
}

static void err_cb(void *arg, const char *text, size_t len)
{
	assert_int_equal(buf_add(&got_err, text, len), 0);
}

/* Run line as an SSH exec request would, with `in` as stdin. */
static int run(const char *line, int in)
{
	int rc;

	buf_clear(&got_out);
	buf_clear(&got_err);
	buf_init(&got_out, 64 << 20);
	buf_init(&got_err, 1 << 20);
	ctx = (struct verb_ctx){.socket = engine.path, .project = "shop", .wait = true, .in = in,
	    .out = out_cb, .err = err_cb};
	rc = verb_exec_command(&ctx, line);
	if (in >= 0)
		close(in);
	return rc;
}

static int input(const char *text)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], text, strlen(text)), strlen(text));
	close(p[1]);
	return p[0];
}

static void exit_statuses(void **state)
{
	static const int codes[] = {0, 1, 2, 3, 42, 75, 126, 127, 128, 200, 255};
	char line[32];

	for (size_t i = 0; i < CL_COUNT(codes); i++) {
		snprintf(line, sizeof(line), "exit %d", codes[i]);
		assert_int_equal(run(line, -1), codes[i]);
		assert_int_equal(ctx.signal, 0);
	}
	assert_non_null(strstr(asked, "POST /v1/projects/shop/exec"));
	assert_non_null(strstr(asked, "\"command\":\"exit 255\""));
	assert_non_null(strstr(asked, "\"tty\":false"));
}

static void signals_come_back(void **state)
{
	static const int signals[] = {SIGTERM, SIGKILL, SIGINT, SIGPIPE, SIGUSR1};
	char line[32];

	for (size_t i = 0; i < CL_COUNT(signals); i++) {
		snprintf(line, sizeof(line), "kill -%d $$", signals[i]);
		assert_int_equal(run(line, -1), 128 + signals[i]);
		assert_int_equal(ctx.signal, signals[i]);
	}
}

static void streams_are_apart(void **state)
{
	assert_int_equal(run("echo out; echo err >&2; echo more", -1), 0);
	assert_string_equal(got_out.data, "out\nmore\n");
	assert_string_equal(got_err.data, "err\n");
	assert_int_equal(run("echo EARLY", -1), 0);
	assert_string_equal(got_out.data, "early EARLY\n");
}

static void end_of_input_is_passed_on(void **state)
{
	assert_int_equal(run("cat; echo done", input("hi\n")), 0);
	assert_string_equal(got_out.data, "hi\ndone\n");
	assert_int_equal(run("cat; echo done", -1), 0);
	assert_string_equal(got_out.data, "done\n");
	assert_int_equal(run("cat", open("/dev/null", O_RDONLY)), 0);
}

struct feed {
	int fd;
	size_t n;
};

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

static void *feed_bytes(void *arg)
{
	struct feed *f = arg;
	unsigned char part[1000];

	for (size_t at = 0; at < f->n; at += sizeof(part)) {
		for (size_t i = 0; i < sizeof(part); i++)
			part[i] = pattern(at + i);
		if (write(f->fd, part, sizeof(part)) < 0)
			break;
	}
	close(f->fd);
	return NULL;
}

static void binary_bytes_go_round(void **state)
{
	struct feed f = {.n = 3000000};
	pthread_t t;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	f.fd = p[1];
	pthread_create(&t, NULL, feed_bytes, &f);
	assert_int_equal(run("cat", p[0]), 0);
	pthread_join(t, NULL);
	assert_int_equal(got_out.len, f.n);
	for (size_t i = 0; i < f.n; i++)
		if ((unsigned char)got_out.data[i] != pattern(i))
			fail_msg("byte %zu differs", i);
}

static void a_program_may_close_its_input(void **state)
{
	struct feed f = {.n = 1000000};
	pthread_t t;
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	f.fd = p[1];
	pthread_create(&t, NULL, feed_bytes, &f);
	assert_int_equal(run("head -c 3 | wc -c; exec <&-; sleep 0.1; exit 5", p[0]), 5);
	pthread_join(t, NULL);
	assert_string_equal(got_out.data, "3\n");
}

static void our_signals_are_passed_on(void **state)
{
	assert_int_equal(run("trap 'exit 7' TERM; while :; do sleep 0.02; done # INTERRUPT", -1), 7);
}

static void failures_are_never_zero(void **state)
{
	assert_int_equal(run("STOLEN", -1), 5);
	assert_string_equal(got_err.data, "codinglab: ticket: not yours\n");
	assert_int_equal(run("sleep 10 # LOSE", -1), 1);
	assert_non_null(strstr(got_err.data, "was cut"));
	ctx.project = "";
	assert_int_equal(verb_exec_command(&ctx, "true"), 2);
}

static void time_is_bounded(void **state)
{
	struct verb_ctx c = {.socket = engine.path, .project = "shop", .in = -1, .out = out_cb, .err = err_cb};

	buf_clear(&got_err);
	assert_int_equal(verb_run_line(&c, "run --timeout 1s 'sleep 20 '"), 124);
	assert_non_null(strstr(got_err.data, "not done after 1 s"));
}

static void verbs_say_what_to_run(void **state)
{
	static const struct {
		const char *line, *part;
	} rows[] = {{"run", "\"run\":true"}, {"run ls -la", "\"argv\":[\"ls\",\"-la\"]"},
	    {"run 'a && b'", "\"command\":\"a && b\""}, {"shell", "\"shell\":true"},
	    {"test", "\"task\":\"test\""}, {"test -f 'a b'", "\"argv\":[\"test\",\"-f\",\"a b\"]"},
	    {"repl", "\"task\":\"repl\""}, {"debug", "\"task\":\"debug\""},
	    {"enter was-2", "\"tier\":\"was\",\"n\":2"}, {"enter db", "\"tier\":\"db\""},
	    {"enter web-1 --env dev", "\"tier\":\"web\""}, {"-p x run", "no such verb"}};

	for (size_t i = 0; i + 1 < CL_COUNT(rows); i++) {
		struct verb_ctx c = {.socket = engine.path, .project = "bob:shop", .in = -1, .out = out_cb,
		    .err = err_cb};

		verb_run_line(&c, rows[i].line);
		if (!strstr(asked, rows[i].part))
			fail_msg("%s: %s", rows[i].line, asked);
		assert_non_null(strstr(asked, "/v1/projects/bob.shop/exec"));
	}
	for (const char *const *bad = (const char *const[]){"enter x", "enter was-0", "enter was-x",
	    "enter was-100", "enter wasssssssss-1", NULL}; *bad; bad++) {
		struct verb_ctx c = {.socket = engine.path, .project = "shop", .in = -1, .out = out_cb,
		    .err = err_cb};

		assert_int_equal(verb_run_line(&c, *bad), 2);
	}
}

static int last(void **state)
{
	buf_clear(&got_out);
	buf_clear(&got_err);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(exit_statuses), T(signals_come_back), T(streams_are_apart), T(end_of_input_is_passed_on),
	    T(binary_bytes_go_round), T(a_program_may_close_its_input), T(our_signals_are_passed_on),
	    T(failures_are_never_zero), T(time_is_bounded), T(verbs_say_what_to_run),
	};

	return cmocka_run_group_tests(tests, NULL, last);
}
