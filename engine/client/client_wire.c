/*
 * Calls as messages; see client_wire.h.
 *
 *   connect --> send BEGIN, BODY... --> receive REPLY, DATA... --> whole, or a stream's end
 *
 * Both ways of waiting (poll of a blocking call, a libuv handle) drive the same steps.  Messages pass
 * through two buffers of the process, which worker threads share: a session then has no more
 * memory for them than what is in use.
 */
#include "engine/client/client_wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/call_proto.h"

#define REPLY_MAX (16u << 20)
#define CONNECT_MS 5000
#define LOOK_MS 500   /* a blocking call looks whether it was cancelled */
#define MESSAGES 16   /* in one turn of the loop */

enum step {
	STEP_WAIT,  /* for the engine */
	STEP_TAKEN, /* a message came */
	STEP_DONE,
	STEP_FAILED,
};

struct client_wire {
	struct client_wire_request r;
	char *path, *method, *target, *last_event, *body;
	size_t length, sent;       /* of the body */
	int fd;
	bool begun, deaf;          /* deaf: the engine takes no more of the request */
	struct client_wire_head head;
	struct client_wire_reply reply;
	struct buf piece;          /* of a stream, on its way to data_cb */
	int64_t started;
	struct cl_err err;
	/* on a loop */
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer;
	int events;                /* polled for */
	int handles;               /* to be closed before it is freed */
	bool polling, cancelled, busy;
	client_wire_done_cb *done;
	void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ipc_in shared_in;
static struct ipc_out shared_out;

static void init(struct client_wire *w, const char *socket, const struct client_wire_request *r)
{
	memset(w, 0, sizeof(*w));
	w->r = *r;
	w->path = mem_printf("%s" CALL_SUFFIX, socket);
	w->method = mem_strdup(r->method);
	w->target = mem_strdup(r->target);
	w->last_event = mem_strdup(r->last_event ? r->last_event : "");
	w->body = mem_strdup(r->body);
	w->length = r->body ? strlen(r->body) : 0;
	w->fd = -1;
	w->started = clock_ms();
	buf_init(&w->reply.body, REPLY_MAX);
	buf_init(&w->piece, IPC_DATA_MAX);
}

static void clear(struct client_wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->body)
		mem_wipe(w->body, w->length); /* passwords go this way */
	mem_free(w->body);
	mem_free(w->path);
	mem_free(w->method);
	mem_free(w->target);
	mem_free(w->last_event);
	buf_clear(&w->reply.body);
	buf_clear(&w->piece);
}

static enum step fail(struct client_wire *w, enum cl_code code, const char *why)
{
	err_set(&w->err, code, "%s", why);
	return STEP_FAILED;
}

static enum step fail_errno(struct client_wire *w)
{
	err_errno(&w->err, CL_UNAVAILABLE, "call");
	return STEP_FAILED;
}

/* STEP_WAIT without a descriptor: its queue is full, try again. */
static enum step open_socket(struct client_wire *w)
{
	w->fd = sock_dial(w->path, SOCK_SEQPACKET);
	if (w->fd >= 0)
		return STEP_DONE;
	if (errno != EAGAIN || clock_ms() - w->started > CONNECT_MS)
		return fail_errno(w);
	return STEP_WAIT;
}

/* -- sending -- */

static int send_piece(struct client_wire *w)
{
	size_t n = w->length - w->sent < IPC_DATA_MAX ? w->length - w->sent : IPC_DATA_MAX;
	int rc;

	pthread_mutex_lock(&lock);
	ipc_begin(&shared_out, w->begun ? CALL_BODY : CALL_BEGIN);
	if (!w->begun) {
		ipc_put_str(&shared_out, w->method);
		ipc_put_str(&shared_out, w->target);
		ipc_put_str(&shared_out, "");
		ipc_put_str(&shared_out, w->last_event);
		ipc_put_u32(&shared_out, (uint32_t)w->length);
	}
	ipc_put_bytes(&shared_out, w->body ? w->body + w->sent : "", n);
	rc = ipc_send(w->fd, &shared_out);
	mem_wipe(shared_out.data, shared_out.len);
	pthread_mutex_unlock(&lock);
	if (rc < 0)
		return -1;
	w->begun = true;
	w->sent += n;
	return 0;
}

static bool sending(const struct client_wire *w)
{
	return !w->deaf && (!w->begun || w->sent < w->length);
}

static enum step send_all(struct client_wire *w)
{
	while (sending(w)) {
		if (send_piece(w) == 0)
			continue;
		if (errno == EAGAIN)
			return STEP_WAIT;
		if (errno != EPIPE && errno != ECONNRESET)
			return fail_errno(w);
		w->deaf = true; /* it may have answered already */
	}
	return STEP_WAIT;
}

/* -- receiving -- */

int client_wire_take(struct client_wire_head *h, struct ipc_in *in, const void **data, size_t *n)
{
	bool first = in->type == CALL_REPLY;
	char allow[64];

	*n = 0;
	if (h->begun == first || (!first && in->type != CALL_DATA)) {
		ipc_close_fds(in);
		return -1;
	}
	if (first) {
		h->status = (int)ipc_get_range(in, 100, 599);
		h->length = ipc_get_u32(in);
		ipc_get_str(in, allow, sizeof(allow));
	}
	*data = ipc_get_bytes(in, n, IPC_DATA_MAX);
	if (ipc_end(in) < 0 || (!first && *n == 0))
		return -1;
	h->begun = true;
	h->got += *n;
	return h->length != CALL_STREAM && h->got > h->length ? -1 : 0;
}

static bool streams(const struct client_wire *w)
{
	return w->r.data_cb && w->head.status >= 200 && w->head.status < 300;
}

/* One message into reply or piece; *begins: it was the first. */
static enum step receive(struct client_wire *w, bool *begins)
{
	bool begun = w->head.begun;
	const void *data;
	size_t n;
	int rc;

	pthread_mutex_lock(&lock);
	rc = ipc_recv(w->fd, &shared_in);
	if (rc == 1) {
		rc = client_wire_take(&w->head, &shared_in, &data, &n) < 0 ? -2 : 1;
		if (rc == 1 && buf_add(streams(w) ? &w->piece : &w->reply.body, data, n) < 0)
			rc = -3;
		mem_wipe(shared_in.data, shared_in.len);
	}
	pthread_mutex_unlock(&lock);
	*begins = rc == 1 && !begun;
	w->reply.status = w->head.status;
	if (rc == 1)
		return STEP_TAKEN;
	if (rc == 0)
		return w->head.begun && w->head.length == CALL_STREAM ? STEP_DONE
		    : fail(w, CL_UNAVAILABLE, "the engine closed the connection");
	if (rc == -2)
		return fail(w, CL_FAILED, "the engine's answer is malformed");
	if (rc == -3)
		return fail(w, CL_TOO_LARGE, "the reply is larger than 16 MiB");
	return errno == EAGAIN ? STEP_WAIT : fail_errno(w);
}

/* The callbacks may cancel the call, if it is on a loop. */
static enum step hand_out(struct client_wire *w, bool begins)
{
	int rc = 0;

	if (begins && streams(w) && w->r.head_cb)
		w->r.head_cb(w->r.arg, w->head.status);
	if (w->cancelled)
		return STEP_WAIT;
	if (w->piece.len)
		rc = w->r.data_cb(w->r.arg, w->piece.data, w->piece.len);
	buf_drop(&w->piece, w->piece.len);
	if (rc != 0 && !w->cancelled)
		return fail(w, CL_FAILED, "interrupted");
	return STEP_WAIT;
}

/* All that can be done now. */
static enum step step(struct client_wire *w)
{
	bool begins;
	enum step s = send_all(w);

	for (int i = 0; s != STEP_FAILED && i < MESSAGES && !w->cancelled; i++) {
		s = receive(w, &begins);
		if (s != STEP_TAKEN)
			return s;
		s = hand_out(w, begins);
		if (s == STEP_WAIT && w->head.length != CALL_STREAM && w->head.got == w->head.length)
			return STEP_DONE;
	}
	return s;
}

static bool late(const struct client_wire *w)
{
	return w->r.timeout_ms && clock_ms() - w->started >= w->r.timeout_ms;
}

/* -- blocking -- */

static void wait_for(struct client_wire *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	int64_t left = w->r.timeout_ms ? w->started + w->r.timeout_ms - clock_ms() : LOOK_MS;

	if (sending(w))
		p.events |= POLLOUT;
	if (left < 1)
		left = 1;
	if (w->fd < 0) /* its queue is full */
		left = 20;
	poll(&p, w->fd >= 0, left < LOOK_MS ? (int)left : LOOK_MS);
}

int client_wire_run(const char *socket, const struct client_wire_request *r,
    struct client_wire_reply *reply, struct cl_err *err)
{
	struct client_wire w;
	enum step s = STEP_WAIT;

	init(&w, socket, r);
	while (s == STEP_WAIT) {
		if (w.fd < 0)
			s = open_socket(&w);
		if (w.fd >= 0)
			s = step(&w);
		if (s == STEP_WAIT && r->cancelled && *r->cancelled)
			s = fail(&w, CL_FAILED, "interrupted");
		else if (s == STEP_WAIT && late(&w))
			s = fail(&w, CL_TIMEOUT, "no answer in time");
		else if (s == STEP_WAIT)
			wait_for(&w);
	}
	*reply = w.reply;
	buf_init(&w.reply.body, 0);
	if (s == STEP_FAILED) {
		buf_clear(&reply->body);
		if (err && !err->code)
			*err = w.err;
	}
	clear(&w);
	return s == STEP_FAILED ? -1 : 0;
}

/* -- on a loop -- */

static void timer_cb(uv_timer_t *t);

static void closed_cb(uv_handle_t *h)
{
	struct client_wire *w = h->data;

	if (--w->handles == 0) {
		clear(w);
		mem_free(w);
	}
}

static void shut(struct client_wire *w)
{
	w->handles = 1 + w->polling;
	uv_close((uv_handle_t *)&w->timer, closed_cb);
	if (w->polling)
		uv_close((uv_handle_t *)&w->poll, closed_cb);
}

static void settle(struct client_wire *w, enum step s)
{
	if (w->polling)
		uv_poll_stop(&w->poll);
	uv_timer_stop(&w->timer);
	w->busy = true;
	w->cancelled = true; /* too late to cancel from the callback */
	if (w->done)
		w->done(w->arg, &w->reply, s == STEP_FAILED ? &w->err : NULL);
	shut(w);
}

static void poll_cb(uv_poll_t *h, int status, int events);

static void listen_for(struct client_wire *w, int events)
{
	if (events != w->events) /* each start costs two calls */
		uv_poll_start(&w->poll, events, poll_cb);
	w->events = events;
}

static void drive(struct client_wire *w)
{
	enum step s;

	w->busy = true;
	s = step(w);
	w->busy = false;
	if (w->cancelled)
		shut(w);
	else if (s != STEP_WAIT)
		settle(w, s);
	else
		listen_for(w, UV_READABLE | (sending(w) ? UV_WRITABLE : 0));
}

static void poll_cb(uv_poll_t *h, int status, int events)
{
	drive(h->data);
}

/* The loop's first turn, another try to connect, or the end of its time. */
static void timer_cb(uv_timer_t *t)
{
	struct client_wire *w = t->data;
	enum step s;

	if (w->fd >= 0) {
		fail(w, CL_TIMEOUT, "no answer in time");
		settle(w, STEP_FAILED);
		return;
	}
	s = open_socket(w);
	if (s == STEP_FAILED) {
		settle(w, s);
		return;
	}
	if (s == STEP_WAIT) {
		uv_timer_start(t, timer_cb, 20, 0);
		return;
	}
	uv_poll_init(w->loop, &w->poll, w->fd);
	w->poll.data = w;
	w->polling = true;
	if (w->r.timeout_ms)
		uv_timer_start(t, timer_cb, (uint64_t)w->r.timeout_ms, 0);
	drive(w);
}

struct client_wire *client_wire_start(uv_loop_t *loop, const char *socket,
    const struct client_wire_request *r, client_wire_done_cb *done, void *arg)
{
	struct client_wire *w = mem_alloc(sizeof(*w));

	init(w, socket, r);
	w->loop = loop;
	w->done = done;
	w->arg = arg;
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, timer_cb, 0, 0);
	return w;
}

void client_wire_cancel(struct client_wire *w)
{
	if (w->cancelled)
		return;
	w->cancelled = true;
	if (w->polling)
		uv_poll_stop(&w->poll);
	uv_timer_stop(&w->timer);
	if (!w->busy)
		shut(w);
}
