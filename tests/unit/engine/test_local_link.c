/*
 * The engine's connections to the runtime broker: kept and shared, made anew when the broker was
 * restarted, thrown away after any answer that is odd; a request always ends with a reason.
 */
#include "tests/unit/engine/fake_broker.h"

#include <stdatomic.h>

#include "engine/local_link.h"

static struct fake_broker broker;
static struct local_link *link_;

static bool serve_ok(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_ok(fd);
	return true;
}

static int setup(void **state)
{
	fake_broker_start(&broker, serve_ok);
	link_ = local_link_new(broker.path);
	return 0;
}

static int teardown(void **state)
{
	local_link_free(link_);
	fake_broker_stop(&broker);
	return 0;
}

static int ask(const struct local_link_call *call, struct cl_err *err)
{
	memset(err, 0, sizeof(*err));
	return local_link_ask(link_, local_link_begin(BROKER_PING), call, err);
}

/* -- the life of a connection -- */

static void test_one_connection_serves_one_after_another(void **state)
{
	struct cl_err err;

	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(NULL, &err), 0);
	assert_int_equal(broker.count, 1);
	assert_int_equal(broker.requests, 20);
	assert_int_equal(err.code, CL_OK);
}

static void test_nothing_is_connected_before_it_is_needed(void **state)
{
	struct cl_err err;

	assert_int_equal(broker.count, 0);
	assert_int_equal(ask(NULL, &err), 0);
	assert_int_equal(broker.count, 1);
}

static void test_no_broker(void **state)
{
	struct local_link *l = local_link_new("/nonexistent/broker.sock");
	struct cl_err err = {0};

	assert_int_equal(local_link_ask(l, local_link_begin(BROKER_PING), NULL, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.hint, "./lab up"));
	assert_int_equal(local_link_ask(l, local_link_begin(BROKER_PING), NULL, NULL), -1);
	local_link_free(l);
	local_link_free(NULL);
}

static void test_a_restarted_broker(void **state)
{
	struct cl_err err;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(NULL, &err), 0);
		fake_broker_down(&broker);
		assert_int_equal(ask(NULL, &err), -1);
		assert_int_equal(err.code, CL_UNAVAILABLE);
		fake_broker_up(&broker);
	}
	/* and one that nobody asked between */
	assert_int_equal(ask(NULL, &err), 0);
	fake_broker_down(&broker);
	fake_broker_up(&broker);
	assert_int_equal(ask(NULL, &err), 0);
}

static bool serve_dies(struct fake_broker *b, int fd, struct ipc_in *m)
{
	if (b->arg)
		fake_broker_bytes(fd, BROKER_LINE, "half a build", 12);
	return false;
}

static void count_part(void *arg, struct ipc_in *part)
{
	size_t n;

	ipc_get_bytes(part, &n, BROKER_LINE_MAX);
	++*(int *)arg;
}

static void test_cut_in_the_middle(void **state)
{
	int parts = 0, before;
	struct local_link_call call = {.part = count_part, .arg = &parts};
	struct cl_err err;

	before = fake_broker_fds();
	broker.serve = serve_dies;
	assert_int_equal(ask(&call, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_non_null(strstr(err.message, "in the middle"));
	broker.arg = &parts;
	assert_int_equal(ask(&call, &err), -1);
	assert_int_equal(err.code, CL_UNAVAILABLE);
	assert_int_equal(parts, 1);
	broker.serve = serve_ok;
	assert_int_equal(ask(&call, &err), 0);
	/* one connection of ours, and the broker's end of all three */
	assert_int_equal(fake_broker_fds(), before + 1 + 3);
}

/* -- errors of the broker's -- */

static bool serve_error(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_error(fd, CL_PRECONDITION, "image django: not built yet", "`image build` makes it");
	return true;
}

static void test_an_error_arrives_whole(void **state)
{
	struct cl_err err;

	broker.serve = serve_error;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask(NULL, &err), -1);
		assert_int_equal(err.code, CL_PRECONDITION);
		assert_string_equal(err.message, "image django: not built yet");
		assert_string_equal(err.hint, "`image build` makes it");
	}
	/* that is an answer: the connection stays */
	assert_int_equal(broker.count, 1);
	assert_int_equal(local_link_ask(link_, local_link_begin(BROKER_PING), NULL, NULL), -1);
	broker.serve = serve_ok;
	assert_int_equal(ask(NULL, &err), 0);
	assert_int_equal(broker.count, 1);
}

/* -- answers that make no sense -- */

enum garbage {
	G_UNKNOWN, G_OWN_VERB, G_OK_LONG, G_OK_SHORT, G_ERROR_EMPTY, G_ERROR_LONG, G_ERROR_CODE_OK,
	G_ERROR_CODE_WILD, G_ERROR_NUL, G_PART_UNASKED, G_STUB, G_EMPTY_PACKET, G_DESCRIPTOR, G_KINDS,
};

static void put_garbage(struct ipc_out *m, enum garbage how)
{
	static const struct cl_err wrong = {.code = CL_FAILED, .message = "x"};

	switch (how) {
	case G_UNKNOWN: ipc_begin(m, 0xdeadbeef); break;
	case G_OWN_VERB: ipc_begin(m, BROKER_APPLY); break;
	case G_OK_LONG:
		ipc_begin(m, BROKER_OK);
		ipc_put_u32(m, 1);
		ipc_put_u32(m, 2);
		break;
	case G_OK_SHORT: ipc_begin(m, BROKER_OK); break;
	case G_ERROR_EMPTY: ipc_begin(m, BROKER_ERROR); break;
	case G_ERROR_LONG:
		ipc_begin(m, BROKER_ERROR);
		ipc_put_err(m, &wrong);
		ipc_put_u32(m, 7);
		break;
	case G_ERROR_CODE_OK:
	case G_ERROR_CODE_WILD:
		ipc_begin(m, BROKER_ERROR);
		ipc_put_u32(m, how == G_ERROR_CODE_OK ? CL_OK : 100000);
		ipc_put_str(m, "a message");
		ipc_put_str(m, "");
		break;
	case G_ERROR_NUL:
		ipc_begin(m, BROKER_ERROR);
		ipc_put_u32(m, CL_FAILED);
		ipc_put_bytes(m, "a\0b", 3);
		ipc_put_str(m, "");
		break;
	case G_PART_UNASKED:
		ipc_begin(m, BROKER_LINE);
		ipc_put_bytes(m, "x", 1);
		break;
	case G_DESCRIPTOR:
		ipc_begin(m, BROKER_OK);
		ipc_put_u32(m, 1);
		ipc_put_fd(m, 2);
		break;
	default: break;
	}
}

static bool serve_garbage(struct fake_broker *b, int fd, struct ipc_in *m)
{
	enum garbage how = *(enum garbage *)b->arg;
	struct ipc_out *out;

	if (how == G_STUB || how == G_EMPTY_PACKET) {
		send(fd, "\1\2", how == G_STUB ? 2 : 0, MSG_NOSIGNAL);
		return how == G_STUB; /* an empty packet looks like the end */
	}
	out = mem_alloc(sizeof(*out));
	put_garbage(out, how);
	fake_broker_send(fd, out);
	mem_free(out);
	return true;
}

static void ok_u32(void *arg, struct ipc_in *ok)
{
	ipc_get_u32(ok);
}

static void test_garbage_ends_the_connection_with_a_reason(void **state)
{
	struct local_link_call call = {.ok = ok_u32};
	struct cl_err err;

	for (int how = 0; how < G_KINDS; how++) {
		broker.arg = &how;
		broker.serve = serve_garbage;
		if (ask(&call, &err) == 0)
			fail_msg("garbage %d was taken", how);
		if (!err.code || !err.message[0])
			fail_msg("garbage %d: no reason", how);
		broker.serve = serve_ok;
		if (ask(NULL, &err) < 0)
			fail_msg("after garbage %d: %s", how, err.message);
		assert_int_equal(fake_broker_open(&broker), 1);
		/* the garbage had its own connection, and the next request another */
		if (how > 0)
			assert_true(broker.count > how);
	}
}

static void test_descriptors_that_came_along_are_closed(void **state)
{
	enum garbage how = G_DESCRIPTOR;
	struct cl_err err;
	int before, brokers;

	assert_int_equal(ask(NULL, &err), 0);
	broker.arg = &how;
	broker.serve = serve_garbage;
	before = fake_broker_fds();
	brokers = broker.count;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(NULL, &err), -1);
	assert_int_equal(fake_broker_fds(), before - 1 + broker.count - brokers);
}

static bool serve_twice(struct fake_broker *b, int fd, struct ipc_in *m)
{
	fake_broker_ok(fd);
	fake_broker_error(fd, CL_FAILED, "nobody asked", "");
	++*(volatile int *)b->arg;
	return true;
}

/* Words beyond the end of an answer must not become the answer of the next request. */
static void test_words_that_nobody_asked_for(void **state)
{
	volatile int said = 0;
	struct cl_err err;

	broker.serve = serve_twice;
	broker.arg = (void *)&said;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ask(NULL, &err), 0);
		while (said <= i)
			usleep(1000);
	}
	assert_int_equal(broker.count, 5);
}

/* -- parts -- */

struct lines {
	int n;
	size_t bytes, longest;
	bool mixed;
};

static void line_cb(void *arg, const char *s, size_t n)
{
	struct lines *l = arg;

	for (size_t i = 0; i < n; i++)
		l->mixed |= s[i] != (char)('a' + l->n % 26);
	l->n++;
	l->bytes += n;
	l->longest = n > l->longest ? n : l->longest;
}

static bool serve_lines(struct fake_broker *b, int fd, struct ipc_in *m)
{
	size_t longest = *(size_t *)b->arg;
	char *text = mem_alloc(longest + 1);

	for (int i = 0; i < 500; i++) {
		size_t n = i == 250 ? longest : (size_t)i % 7;

		memset(text, 'a' + i % 26, n);
		fake_broker_bytes(fd, BROKER_LINE, text, n);
	}
	fake_broker_ok(fd);
	mem_free(text);
	return true;
}

static void test_many_lines_in_order(void **state)
{
	size_t longest = BROKER_LINE_MAX;
	struct lines l = {0};
	const struct backend_job job = {.line = line_cb, .arg = &l};
	struct local_link_call call = {.job = &job};
	struct cl_err err;

	broker.serve = serve_lines;
	broker.arg = &longest;
	if (ask(&call, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(l.n, 500);
	assert_int_equal(l.longest, BROKER_LINE_MAX);
	assert_false(l.mixed);
}

static void test_a_line_longer_than_agreed(void **state)
{
	size_t longest = BROKER_LINE_MAX + 1;
	struct lines l = {0};
	const struct backend_job job = {.line = line_cb, .arg = &l};
	struct local_link_call call = {.job = &job};
	struct cl_err err;

	broker.serve = serve_lines;
	broker.arg = &longest;
	assert_int_equal(ask(&call, &err), -1);
	assert_non_null(strstr(err.message, "makes no sense"));
	assert_int_equal(l.n, 250);
}

static void test_a_request_that_does_not_fit(void **state)
{
	struct ipc_out *m = local_link_begin(BROKER_EXEC);
	cl_autofree char *word = mem_alloc(20000);
	struct cl_err err = {0};

	memset(word, 'w', 19999);
	for (int i = 0; i < 5; i++)
		ipc_put_str(m, word);
	assert_int_equal(local_link_ask(link_, m, NULL, &err), -1);
	assert_int_equal(err.code, CL_USAGE);
	assert_int_equal(broker.requests, 0);
	assert_int_equal(ask(NULL, &err), 0);
}

/* -- several at a time -- */

struct worker {
	pthread_t thread;
	uint32_t number;
	int wrong;
};

static bool serve_echo(struct fake_broker *b, int fd, struct ipc_in *m)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ipc_get_u32(m));
	usleep(1000);
	fake_broker_ok_str(fd, text);
	return true;
}

static void ok_text(void *arg, struct ipc_in *ok)
{
	ipc_get_str(ok, arg, 16);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < 20; i++) {
		struct ipc_out *m = local_link_begin(BROKER_PROBE);
		char text[16] = "", want[16];
		struct local_link_call call = {.ok = ok_text, .arg = text};

		ipc_put_u32(m, w->number * 1000 + i);
		snprintf(want, sizeof(want), "%u", w->number * 1000 + i);
		if (local_link_ask(link_, m, &call, NULL) < 0 || strcmp(text, want) != 0)
			w->wrong++;
	}
	return NULL;
}

static void test_everybody_gets_his_own_answer(void **state)
{
	struct worker w[12] = {0};

	broker.serve = serve_echo;
	for (uint32_t i = 0; i < CL_COUNT(w); i++) {
		w[i].number = i + 1;
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (size_t i = 0; i < CL_COUNT(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].wrong, 0);
	}
	assert_int_equal(broker.requests, 240);
	/* what a rush opened is not kept for ever */
	assert_true(fake_broker_open(&broker) <= 8);
}

/* -- cancelling -- */

enum after_cancel { A_ERROR, A_OK, A_HANGUP };

struct cancelling {
	volatile bool now;
	enum after_cancel then;
};

static bool is_cancelled(void *arg)
{
	return ((struct cancelling *)arg)->now;
}

static bool serve_until_cancelled(struct fake_broker *b, int fd, struct ipc_in *m)
{
	struct cancelling *c = b->arg;

	if (m->type != BROKER_CANCEL) {
		c->now = true;
		return true;
	}
	if (c->then == A_ERROR)
		fake_broker_error(fd, CL_FAILED, "cancelled", "");
	else if (c->then == A_OK)
		fake_broker_ok(fd);
	return c->then != A_HANGUP;
}

static void test_cancelling(void **state)
{
	struct cancelling c = {0};
	const struct backend_job job = {.cancelled = is_cancelled, .arg = &c};
	struct local_link_call call = {.job = &job};
	struct cl_err err;

	broker.serve = serve_until_cancelled;
	broker.arg = &c;
	c.then = A_ERROR;
	assert_int_equal(ask(&call, &err), -1);
	assert_string_equal(err.message, "cancelled");
	assert_int_equal(broker.cancels, 1); /* said once, however long it takes */
	/* it was done before the word came: done is done */
	c = (struct cancelling){.then = A_OK};
	assert_int_equal(ask(&call, &err), 0);
	assert_int_equal(broker.cancels, 2);
	assert_int_equal(broker.count, 1);
	/* a broker that dies of it */
	c = (struct cancelling){.then = A_HANGUP};
	assert_int_equal(ask(&call, &err), -1);
	assert_string_equal(err.message, "cancelled");
	broker.serve = serve_ok;
	assert_int_equal(ask(NULL, &err), 0);
}

/* One that may take for ever sleeps until it is woken, and asks then. */
struct resting {
	atomic_bool over;
	atomic_int asked;
	struct local_link_call call;
	struct cl_err err;
};

static bool is_over(void *arg)
{
	struct resting *r = arg;

	atomic_fetch_add(&r->asked, 1);
	return atomic_load(&r->over);
}

static void *rest(void *arg)
{
	struct resting *r = arg;

	return ask(&r->call, &r->err) < 0 ? r : NULL;
}

static void test_who_rests_is_woken(void **state)
{
	struct cancelling c = {.then = A_ERROR};
	struct resting r = {0};
	const struct backend_job job = {.cancelled = is_over, .arg = &r};
	pthread_t thread;
	void *failed;

	r.call = (struct local_link_call){.job = &job, .rests = true};
	broker.serve = serve_until_cancelled;
	broker.arg = &c;
	assert_int_equal(pthread_create(&thread, NULL, rest, &r), 0);
	while (broker.requests == 0)
		usleep(1000);
	usleep(700000); /* three times as long as others are left alone */
	assert_int_equal(atomic_load(&r.asked), 1);
	local_link_wake(link_); /* for nothing */
	while (atomic_load(&r.asked) < 2)
		usleep(1000);
	assert_int_equal(broker.cancels, 0);
	atomic_store(&r.over, true);
	local_link_wake(link_);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_non_null(failed);
	assert_string_equal(r.err.message, "cancelled");
	assert_int_equal(broker.cancels, 1);
	/* woken before it began */
	c = (struct cancelling){.then = A_ERROR};
	atomic_store(&r.asked, 0);
	assert_ptr_equal(rest(&r), &r);
	assert_int_equal(broker.cancels, 2);
}

static bool never(void *arg)
{
	++*(int *)arg;
	return false;
}

static bool serve_slowly(struct fake_broker *b, int fd, struct ipc_in *m)
{
	usleep(700000);
	fake_broker_ok(fd);
	return true;
}

static void test_who_waits_is_asked_whether_he_still_wants_it(void **state)
{
	int asked = 0;
	const struct backend_job job = {.cancelled = never, .arg = &asked};
	struct local_link_call call = {.job = &job};
	struct cl_err err;

	broker.serve = serve_slowly;
	assert_int_equal(ask(&call, &err), 0);
	assert_true(asked >= 1);
	assert_int_equal(broker.cancels, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_one_connection_serves_one_after_another),
	    T(test_nothing_is_connected_before_it_is_needed),
	    T(test_no_broker),
	    T(test_a_restarted_broker),
	    T(test_cut_in_the_middle),
	    T(test_an_error_arrives_whole),
	    T(test_garbage_ends_the_connection_with_a_reason),
	    T(test_descriptors_that_came_along_are_closed),
	    T(test_words_that_nobody_asked_for),
	    T(test_many_lines_in_order),
	    T(test_a_line_longer_than_agreed),
	    T(test_a_request_that_does_not_fit),
	    T(test_everybody_gets_his_own_answer),
	    T(test_cancelling),
	    T(test_who_rests_is_woken),
	    T(test_who_waits_is_asked_whether_he_still_wants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
