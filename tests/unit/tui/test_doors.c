/* Doors: the protocol with a client of our own on the other end of a socket. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "tui/doors.h"
#include "tui/term.h"

struct world {
	uv_loop_t loop;
	char dir[64], path[96];
	int listen_fd;
	struct doors *doors;
	int attached, resized, ready, gone;
	char input[256];
	struct door *door;
	struct ipc_out out;
	struct ipc_in in;
};

static void attach_cb(void *arg, struct door *d)
{
	struct world *w = arg;

	w->attached++;
	w->door = d;
}

static void resize_cb(void *arg, struct door *d)
{
	((struct world *)arg)->resized++;
}

static void input_cb(void *arg, struct door *d, const void *data, size_t n)
{
	struct world *w = arg;

	strncat(w->input, data, n < 100 ? n : 100);
}

static void ready_cb(void *arg)
{
	((struct world *)arg)->ready++;
}

static void gone_cb(void *arg)
{
	((struct world *)arg)->gone++;
}

static const struct doors_ops ops = { attach_cb, resize_cb, input_cb, ready_cb, gone_cb };

static int setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct cl_err err = { 0 };

	uv_loop_init(&w->loop);
	snprintf(w->dir, sizeof(w->dir), "/tmp/cl-doors-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/s", w->dir);
	w->listen_fd = sock_listen(w->path, SOCK_SEQPACKET, 0600, &err);
	assert_true(w->listen_fd >= 0);
	w->doors = doors_new(&w->loop, w->listen_fd, geteuid(), &ops, w);
	*state = w;
	return term_open(24, 80, &err);
}

static void turn(struct world *w)
{
	for (int i = 0; i < 6; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

static int teardown(void **state)
{
	struct world *w = *state;

	doors_free(w->doors);
	turn(w);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	term_close();
	close(w->listen_fd);
	unlink(w->path);
	rmdir(w->dir);
	mem_free(w);
	return 0;
}

static int dial(struct world *w)
{
	struct cl_err err = { 0 };
	int fd = sock_connect(w->path, SOCK_SEQPACKET, &err);

	assert_true(fd >= 0);
	sock_nonblock(fd, 1);
	return fd;
}

static void admit(struct world *w, int fd, uint32_t mode)
{
	ipc_begin(&w->out, DOOR_ADMIT);
	ipc_put_str(&w->out, "alice");
	ipc_put_u32(&w->out, mode);
	ipc_put_str(&w->out, "127.0.0.1");
	assert_int_equal(ipc_send(fd, &w->out), 0);
}

static void hello(struct world *w, int fd, uint32_t rows, uint32_t cols, const char *term)
{
	ipc_begin(&w->out, DOOR_HELLO);
	ipc_put_u32(&w->out, DOOR_VERSION);
	ipc_put_u32(&w->out, rows);
	ipc_put_u32(&w->out, cols);
	ipc_put_str(&w->out, term);
	ipc_put_u32(&w->out, 1);
	ipc_put_str(&w->out, "LANG=ko_KR.UTF-8");
	assert_int_equal(ipc_send(fd, &w->out), 0);
	turn(w);
}

static int open_door(struct world *w, uint32_t rows, uint32_t cols)
{
	int fd = dial(w);

	admit(w, fd, DOOR_OWNER);
	hello(w, fd, rows, cols, "xterm-256color");
	return fd;
}

static void send_type(struct world *w, int fd, uint32_t type)
{
	ipc_begin(&w->out, type);
	assert_int_equal(ipc_send(fd, &w->out), 0);
	turn(w);
}

static void ack(struct world *w, int fd, uint32_t frame)
{
	ipc_begin(&w->out, DOOR_ACK);
	ipc_put_u32(&w->out, frame);
	ipc_send(fd, &w->out);
	turn(w);
}

static void say(struct world *w, int fd, const char *text)
{
	ipc_begin(&w->out, DOOR_INPUT);
	ipc_put_bytes(&w->out, text, strlen(text));
	ipc_send(fd, &w->out);
	turn(w);
}

/* A frame of the screen with this text, as the session makes it. */
static void frame(struct world *w, const char *text)
{
	struct buf b;

	buf_init(&b, 1u << 20);
	term_frame_begin();
	term_clip(NULL, false);
	term_text(0, 0, 80, term_theme(THEME_TEXT), text, -1);
	term_frame_end(&b);
	doors_frame(w->doors, &b);
	buf_clear(&b);
	turn(w);
}

/* Read one whole frame into text (NUL-terminated); returns its number, 0 when there is none. */
static uint32_t take_frame(struct world *w, int fd, char *text, size_t size)
{
	uint32_t number = 0, last = 0;
	size_t at = 0, n;

	while (!last && ipc_recv(fd, &w->in) == 1) {
		assert_int_equal(w->in.type, DOOR_FRAME);
		number = ipc_get_u32(&w->in);
		last = ipc_get_u32(&w->in);
		const char *p = ipc_get_bytes(&w->in, &n, IPC_DATA_MAX);
		assert_int_equal(ipc_end(&w->in), 0);
		n = n < size - at - 1 ? n : size - at - 1;
		memcpy(text + at, p, n);
		at += n;
	}
	text[at] = 0;
	return number;
}

static bool cut(struct world *w, int fd)
{
	turn(w);
	int got = ipc_recv(fd, &w->in);
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static void a_door_says_hello_and_gets_frames(void **state)
{
	struct world *w = *state;
	char text[65536];
	int fd = open_door(w, 24, 80);

	assert_int_equal(w->attached, 1);
	assert_string_equal(doors_info_of(w->door)->user, "alice");
	assert_string_equal(doors_info_of(w->door)->lang, "ko");
	assert_int_equal(doors_idle(w->doors), 1);
	frame(w, "first");
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "\033[?1049h"));
	assert_non_null(strstr(text, "first"));
	assert_int_equal(doors_idle(w->doors), 0);
	/* no frame before the ACK; then the newest one, whole */
	frame(w, "second");
	frame(w, "third ");
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 0);
	ack(w, fd, 1);
	assert_int_equal(w->ready, 1);
	doors_paint_stale(w->doors);
	turn(w);
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 2);
	assert_non_null(strstr(text, "third"));
	assert_null(strstr(text, "second"));
	/* in step again: only what changed */
	ack(w, fd, 2);
	frame(w, "thirty");
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 3);
	assert_true(strlen(text) < 60);
	close(fd);
	turn(w);
	assert_int_equal(w->gone, 1);
	assert_int_equal(doors_count(w->doors), 0);
}

static void input_and_size_arrive(void **state)
{
	struct world *w = *state;
	int fd = open_door(w, 24, 80);

	say(w, fd, "abc");
	assert_string_equal(w->input, "abc");
	assert_ptr_equal(doors_last(w->doors), w->door);
	ipc_begin(&w->out, DOOR_RESIZE);
	ipc_put_u32(&w->out, 8);
	ipc_put_u32(&w->out, 30);
	ipc_send(fd, &w->out);
	turn(w);
	assert_int_equal(w->resized, 1);
	assert_true(doors_info_of(w->door)->small);
	close(fd);
}

static void who_only_looks_cannot_type(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	admit(w, fd, DOOR_VIEW);
	hello(w, fd, 24, 80, "xterm");
	say(w, fd, "rm -rf");
	assert_string_equal(w->input, "");
	close(fd);
}

/* Each of these closes that door, and no other. */
static void broken_doors_are_closed(void **state)
{
	struct world *w = *state;
	int good = open_door(w, 24, 80), fd;

	fd = dial(w);
	send_type(w, fd, DOOR_HELLO); /* not admitted */
	assert_true(cut(w, fd));
	close(fd);
	fd = dial(w);
	admit(w, fd, 7); /* no such mode */
	assert_true(cut(w, fd));
	close(fd);
	fd = dial(w);
	admit(w, fd, DOOR_OWNER);
	admit(w, fd, DOOR_OWNER);
	assert_true(cut(w, fd));
	close(fd);
	fd = dial(w);
	admit(w, fd, DOOR_OWNER);
	hello(w, fd, 100000, 80, "xterm");
	assert_true(cut(w, fd));
	close(fd);
	fd = open_door(w, 24, 80);
	ack(w, fd, 1); /* of no frame */
	assert_true(cut(w, fd));
	close(fd);
	fd = open_door(w, 24, 80);
	send_type(w, fd, 0xdead);
	assert_true(cut(w, fd));
	close(fd);
	turn(w);
	assert_int_equal(doors_count(w->doors), 1);
	say(w, good, "still");
	assert_string_equal(w->input, "still");
	close(good);
}

static void leaving_restores_the_terminal(void **state)
{
	struct world *w = *state;
	char text[65536];
	int fd = open_door(w, 24, 80);

	frame(w, "x");
	take_frame(w, fd, text, sizeof(text));
	doors_end(w->door, 0, "bye");
	turn(w);
	assert_true(doors_pending(w->doors)); /* waits for the ACK */
	ack(w, fd, 1);
	assert_false(doors_pending(w->doors));
	take_frame(w, fd, text, sizeof(text));
	assert_non_null(strstr(text, "\033[?1049l"));
	assert_int_equal(ipc_recv(fd, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_EXIT);
	assert_int_equal(ipc_get_u32(&w->in), 0);
	ipc_get_str(&w->in, text, sizeof(text));
	assert_string_equal(text, "bye");
	close(fd);
}

static void a_switch_names_its_target(void **state)
{
	struct world *w = *state;
	char text[64];
	int fd = open_door(w, 24, 80);

	doors_switch(w->door, "bob:shop");
	turn(w);
	assert_int_equal(ipc_recv(fd, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_SWITCH);
	ipc_get_str(&w->in, text, sizeof(text));
	assert_string_equal(text, "bob:shop");
	assert_true(cut(w, fd));
	close(fd);
}

static void only_so_many_doors(void **state)
{
	struct world *w = *state;
	int fds[DOORS_MAX], extra;
	char text[256];

	for (int i = 0; i < DOORS_MAX; i++)
		fds[i] = open_door(w, 24, 80);
	assert_int_equal(doors_count(w->doors), DOORS_MAX);
	extra = open_door(w, 24, 80);
	assert_int_equal(ipc_recv(extra, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_EXIT);
	assert_int_equal(ipc_get_u32(&w->in), err_exit(CL_QUOTA));
	ipc_get_str(&w->in, text, sizeof(text));
	assert_non_null(strstr(text, "shown in 64 windows already"));
	assert_true(cut(w, extra));
	close(extra);
	assert_int_equal(doors_count(w->doors), DOORS_MAX);
	close(fds[0]);
	turn(w);
	fds[0] = open_door(w, 24, 80);
	assert_int_equal(doors_count(w->doors), DOORS_MAX);
	for (int i = 0; i < DOORS_MAX; i++)
		close(fds[i]);
}

/* Those who never say hello take no place of others, and are not many themselves. */
static void so_many_silent_doors(void **state)
{
	struct world *w = *state;
	int fds[DOORS_MAX], extra;

	for (int i = 0; i < DOORS_MAX; i++) {
		fds[i] = dial(w);
		turn(w);
	}
	extra = dial(w);
	assert_true(cut(w, extra));
	close(extra);
	close(fds[0]);
	turn(w);
	fds[0] = open_door(w, 24, 80);
	assert_int_equal(doors_count(w->doors), 1);
	for (int i = 0; i < DOORS_MAX; i++)
		close(fds[i]);
}

/* The listener asks who is here. */
static void the_list_names_each_door(void **state)
{
	struct world *w = *state;
	int a = open_door(w, 24, 80), b = open_door(w, 30, 100), ask = dial(w);
	char text[64];

	send_type(w, ask, DOOR_LIST);
	assert_int_equal(ipc_recv(ask, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_LISTED);
	assert_in_range(ipc_get_i64(&w->in), 0, 60000);
	assert_in_range(ipc_get_i64(&w->in), 0, 60000);
	assert_int_equal(ipc_get_u32(&w->in), 2);
	for (uint32_t number = 2; number > 0; number--) { /* the newest first */
		assert_int_equal(ipc_get_u32(&w->in), number);
		ipc_get_str(&w->in, text, sizeof(text));
		assert_string_equal(text, "alice");
		assert_int_equal(ipc_get_u32(&w->in), DOOR_OWNER);
		ipc_get_str(&w->in, text, sizeof(text));
		assert_string_equal(text, "127.0.0.1");
		assert_int_equal(ipc_get_u32(&w->in), number == 2 ? 30 : 24);
		assert_int_equal(ipc_get_u32(&w->in), number == 2 ? 100 : 80);
		assert_in_range(ipc_get_i64(&w->in), 0, 60000);
		assert_in_range(ipc_get_i64(&w->in), 0, 60000);
	}
	assert_int_equal(ipc_end(&w->in), 0);
	assert_true(cut(w, ask));
	close(ask);
	assert_int_equal(doors_count(w->doors), 2);
	close(a);
	close(b);
}

static uint32_t kick(struct world *w, uint32_t number)
{
	int ask = dial(w);
	uint32_t n;

	ipc_begin(&w->out, DOOR_KICK);
	ipc_put_u32(&w->out, number);
	ipc_put_str(&w->out, "go away");
	assert_int_equal(ipc_send(ask, &w->out), 0);
	turn(w);
	assert_int_equal(ipc_recv(ask, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_KICKED);
	n = ipc_get_u32(&w->in);
	assert_true(cut(w, ask));
	close(ask);
	return n;
}

static void expect_exit(struct world *w, int fd, const char *want)
{
	char text[64];

	assert_int_equal(ipc_recv(fd, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_EXIT);
	assert_int_equal(ipc_get_u32(&w->in), 0);
	ipc_get_str(&w->in, text, sizeof(text));
	assert_string_equal(text, want);
	assert_true(cut(w, fd));
	close(fd);
}

static void a_kick_closes_that_door(void **state)
{
	struct world *w = *state;
	int a = open_door(w, 24, 80), b = open_door(w, 24, 80), c = open_door(w, 24, 80);

	assert_int_equal(kick(w, 9), 0);
	assert_int_equal(kick(w, 2), 1);
	expect_exit(w, b, "go away");
	assert_int_equal(doors_count(w->doors), 2);
	b = open_door(w, 24, 80); /* takes the number that is free */
	assert_int_equal(kick(w, 2), 1);
	expect_exit(w, b, "go away");
	assert_int_equal(kick(w, 0), 2);
	expect_exit(w, a, "go away");
	expect_exit(w, c, "go away");
	assert_int_equal(w->gone, 4);
}

/* A client that takes nothing more must not keep its door for ever. */
static void a_stopped_door_goes_too(void **state)
{
	struct world *w = *state;
	char text[65536];
	int fd = open_door(w, 24, 80);

	frame(w, "never acknowledged");
	assert_int_equal(kick(w, 1), 1);
	assert_true(doors_pending(w->doors));
	while (doors_pending(w->doors))
		uv_run(&w->loop, UV_RUN_ONCE);
	turn(w);
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 1);
	expect_exit(w, fd, "go away");
}

static void taking_over_closes_the_others(void **state)
{
	struct world *w = *state;
	int a = open_door(w, 24, 80), b = open_door(w, 24, 80), c;

	assert_int_equal(doors_end_others(w->doors, w->door, 0, "taken over"), 1);
	turn(w);
	expect_exit(w, a, "taken over");
	c = open_door(w, 24, 80);
	assert_int_equal(doors_count(w->doors), 2);
	close(b);
	close(c);
}

static void questions_are_no_doors(void **state)
{
	struct world *w = *state;
	int fd = open_door(w, 24, 80), bad;

	send_type(w, fd, DOOR_LIST); /* not from somebody admitted */
	assert_true(cut(w, fd));
	close(fd);
	bad = dial(w);
	send_type(w, bad, DOOR_KICK); /* fields are missing */
	assert_true(cut(w, bad));
	close(bad);
	assert_int_equal(doors_count(w->doors), 0);
}

static int open_with(struct world *w, uint32_t mode, const char *variable)
{
	int fd = dial(w);

	admit(w, fd, mode);
	ipc_begin(&w->out, DOOR_HELLO);
	ipc_put_u32(&w->out, DOOR_VERSION);
	ipc_put_u32(&w->out, 24);
	ipc_put_u32(&w->out, 80);
	ipc_put_str(&w->out, "xterm");
	ipc_put_u32(&w->out, 1);
	ipc_put_str(&w->out, variable);
	assert_int_equal(ipc_send(fd, &w->out), 0);
	turn(w);
	return fd;
}

static void an_agent_is_the_owners(void **state)
{
	struct world *w = *state;
	int guest = open_with(w, DOOR_PAIR, DOOR_OFFERS_AGENT), other, fd;
	char path[DOOR_AGENT_MAX], project[64];

	assert_false(doors_info_of(w->door)->agent);
	other = open_with(w, DOOR_OWNER, "CODINGLAB_AGENT=/tmp/x"); /* a client's own variable */
	assert_false(doors_info_of(w->door)->agent);
	fd = open_with(w, DOOR_OWNER, DOOR_OFFERS_AGENT);
	assert_true(doors_info_of(w->door)->agent);
	doors_agent(w->door, "/tmp/codinglab-agent-1/agent", "alice.shop");
	assert_int_equal(ipc_recv(fd, &w->in), 1);
	assert_int_equal(w->in.type, DOOR_AGENT);
	ipc_get_str(&w->in, path, sizeof(path));
	ipc_get_str(&w->in, project, sizeof(project));
	assert_int_equal(ipc_end(&w->in), 0);
	assert_string_equal(path, "/tmp/codinglab-agent-1/agent");
	assert_string_equal(project, "alice.shop");
	close(guest);
	close(other);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void the_mouse_is_given_back_and_taken(void **state)
{
	struct world *w = *state;
	char text[65536];
	int fd, other;

	assert_true(doors_mouse(w->doors));
	fd = open_door(w, 24, 80);
	frame(w, "first");
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "\033[?1002h"));
	ack(w, fd, 1);
	doors_set_mouse(w->doors, false);
	frame(w, "second");
	assert_int_equal(take_frame(w, fd, text, sizeof(text)), 2);
	assert_non_null(strstr(text, "\033[?1002l"));
	/* a door that comes later is not asked for reports either */
	other = open_door(w, 24, 80);
	frame(w, "third");
	assert_int_equal(take_frame(w, other, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "\033[?1049h"));
	assert_null(strstr(text, "\033[?1002h"));
	close(fd);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_door_says_hello_and_gets_frames),
		TEST(input_and_size_arrive),
		TEST(who_only_looks_cannot_type),
		TEST(broken_doors_are_closed),
		TEST(leaving_restores_the_terminal),
		TEST(a_switch_names_its_target),
		TEST(the_list_names_each_door),
		TEST(a_kick_closes_that_door),
		TEST(a_stopped_door_goes_too),
		TEST(taking_over_closes_the_others),
		TEST(questions_are_no_doors),
		TEST(the_mouse_is_given_back_and_taken),
		TEST(an_agent_is_the_owners),
		TEST(only_so_many_doors), TEST(so_many_silent_doors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
