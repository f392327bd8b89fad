/*
 * One execution in a pod between its client and the cluster (kube_exec.h), on the executions' loop.
 *
 *   OPENING   its first message (a ticket) is awaited, then the WebSocket
 *   RUNNING   bytes, sizes and signals pass; each direction stops while the other end takes nothing
 *   ENDING    the cluster said how it ended, or the connection was cut: what is still to be written is,
 *             then the client is told: EXITED only when the cluster said a status
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/exec_proto.h"
#include "engine/kube_exec_internal.h"
#include "engine/kube_frame.h"

#define PIECE 32768
#define AHEAD (256u << 10)       /* bytes that may wait for the cluster, or for the client */
#define BACK_MAX (4u << 20)
#define STATUS_MAX 65536
#define OPEN_MS 10000

enum { SIDE_IN, SIDE_OUT, SIDE_ERR, SIDES };

struct side {                    /* a descriptor of the client's: with a terminal SIDE_IN is both ways */
	uv_poll_t poll;
	int fd;                  /* -1: none, or over */
	int events;              /* that are asked for */
	struct buf back;         /* bytes for it */
};

struct kube_relay {
	struct kube_relay *next, **at;
	struct kube_exec *x;
	int sock;
	uid_t peer;
	uv_poll_t control;
	uv_timer_t timer;
	struct side sides[SIDES];
	int theirs[SIDES];       /* the client's ends, until they were sent */
	struct kube_exec_ticket *ticket;
	struct kube_stream *stream;
	struct buf ended;        /* channel 3 */
	struct cl_err why;       /* of a cut */
	bool running, v5, input_ended, held, over, gone;
	int signal;              /* last one that was sent */
	int handles;             /* that libuv knows */
};

static void settle(struct kube_relay *r);

/* --- its end ---------------------------------------------------------------------------------- */

static void handle_closed_cb(uv_handle_t *h)
{
	struct kube_relay *r = h->data;

	if (--r->handles > 0)
		return;
	for (int i = 0; i < SIDES; i++) {
		buf_clear(&r->sides[i].back);
		if (r->theirs[i] >= 0)
			close(r->theirs[i]);
	}
	close(r->sock);
	buf_clear(&r->ended);
	mem_free(r);
}

/* The handle goes before its descriptor does: closed later it would take the number, which may be that of
 * another execution's connection by then, out of the loop's epoll. */
static void side_over(struct side *s)
{
	if (s->fd < 0)
		return;
	uv_close((uv_handle_t *)&s->poll, handle_closed_cb);
	close(s->fd);
	s->fd = -1;
	s->events = 0;
	buf_drop(&s->back, s->back.len);
}

/* Nothing more will be said to anybody: the program is hung up when it still runs. */
static void end(struct kube_relay *r)
{
	if (r->gone)
		return;
	r->gone = true;
	kube_stream_close(r->stream);
	r->stream = NULL;
	if (r->ticket)
		kube_exec_ticket_free(r->ticket);
	r->ticket = NULL;
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	r->x->nrelays--;
	for (int i = 0; i < SIDES; i++)
		side_over(&r->sides[i]);
	uv_close((uv_handle_t *)&r->control, handle_closed_cb);
	uv_close((uv_handle_t *)&r->timer, handle_closed_cb);
}

void kube_relay_end_all(struct kube_exec *x)
{
	while (x->relays)
		end(x->relays);
}

static void fail(struct kube_relay *r, const struct cl_err *err)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, EXEC_FAILED);
	ipc_put_err(m, err);
	(void)ipc_send(r->sock, m);
	mem_free(m);
	end(r);
}

static void tell_exit(struct kube_relay *r, int status)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, EXEC_EXITED);
	ipc_put_u32(m, (uint32_t)status);
	/* 128 + n is a signal for certain only when we sent it */
	ipc_put_u32(m, r->signal && status == 128 + r->signal ? (uint32_t)r->signal : 0);
	(void)ipc_send(r->sock, m);
	mem_free(m);
	end(r);
}

/* Once all output is delivered. */
static void tell(struct kube_relay *r)
{
	struct cl_err err = { 0 };
	int status = 0;

	for (int i = 0; i < SIDES; i++)
		if (r->sides[i].fd >= 0 && r->sides[i].back.len > 0)
			return;
	if (r->ended.len == 0)
		fail(r, &r->why);
	else if (kube_frame_status(r->ended.data, r->ended.len, &status, &err) == 0)
		tell_exit(r, status);
	else
		fail(r, &err);
}

/* --- to the client ---------------------------------------------------------------------------- */

static void flush(struct side *s)
{
	while (s->fd >= 0 && s->back.len > 0) {
		ssize_t n = write(s->fd, s->back.data, s->back.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			side_over(s); /* nobody reads it any more */
		else
			buf_drop(&s->back, (size_t)n);
	}
}

static void data_cb(void *arg, int channel, const char *p, size_t n)
{
	struct kube_relay *r = arg;
	struct side *s = r->ticket->tty ? &r->sides[SIDE_IN] : &r->sides[channel == KUBE_FRAME_ERR ?
	    SIDE_ERR : SIDE_OUT];

	if (channel == KUBE_FRAME_STATUS)
		(void)buf_add(&r->ended, p, n);
	if ((channel != KUBE_FRAME_OUT && channel != KUBE_FRAME_ERR) || s->fd < 0)
		return;
	if (buf_add(&s->back, p, n) < 0) {
		err_set(&r->why, CL_FAILED, "execution: its output is not taken");
		r->over = true;
	}
	flush(s);
	settle(r);
}

/* --- to the cluster --------------------------------------------------------------------------- */

static void send_frame(struct kube_relay *r, char type, const void *p, size_t n)
{
	struct buf b;

	buf_init(&b, PIECE + 16);
	kube_frame_put(&b, type, p, n);
	kube_stream_send(r->stream, KUBE_FRAME_IN, b.data, b.len);
	buf_clear(&b);
}

static void end_input(struct kube_relay *r)
{
	static const unsigned char channel = KUBE_FRAME_IN;

	r->input_ended = true;
	if (!r->ticket->tty)
		side_over(&r->sides[SIDE_IN]);
	if (r->ticket->helper)
		send_frame(r, 'E', "", 0);
	else if (r->v5)
		kube_stream_send(r->stream, KUBE_FRAME_CLOSE, &channel, 1);
	else if (!r->ticket->tty)
		log_info("an execution's input ended, which this cluster cannot be told");
}

static void read_input(struct kube_relay *r)
{
	char data[PIECE];
	ssize_t n = read(r->sides[SIDE_IN].fd, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		end_input(r);
	else if (r->ticket->helper)
		send_frame(r, 'D', data, (size_t)n);
	else
		kube_stream_send(r->stream, KUBE_FRAME_IN, data, (size_t)n);
}

static void side_cb(uv_poll_t *h, int status, int events)
{
	struct kube_relay *r = h->data;
	struct side *s = (struct side *)h; /* its first member */

	if (events & UV_WRITABLE)
		flush(s);
	if ((events & UV_READABLE) && s == &r->sides[SIDE_IN] && s->fd >= 0 && r->stream)
		read_input(r);
	if (status < 0)
		side_over(s);
	settle(r);
}

/* What each descriptor is asked for now. */
static void settle(struct kube_relay *r)
{
	bool full = false;

	if (!r->running || r->gone)
		return;
	for (int i = 0; i < SIDES; i++) {
		struct side *s = &r->sides[i];
		int events = s->back.len > 0 ? UV_WRITABLE : 0;

		if (i == SIDE_IN && r->stream && !r->input_ended && kube_stream_waiting(r->stream) < AHEAD)
			events |= UV_READABLE;
		if (s->fd >= 0 && events != s->events) {
			s->events = events;
			if (events)
				(void)uv_poll_start(&s->poll, events, side_cb);
			else
				(void)uv_poll_stop(&s->poll);
		}
		full = full || s->back.len > AHEAD;
	}
	if (r->stream && full != r->held) {
		r->held = full;
		kube_stream_hold(r->stream, full);
	}
	if (r->over)
		tell(r);
}

static void drained_cb(void *arg)
{
	settle(arg);
}

static void closed_cb(void *arg, const struct cl_err *err)
{
	struct kube_relay *r = arg;

	kube_stream_close(r->stream);
	r->stream = NULL;
	r->why = *err;
	if (!r->running) {
		fail(r, err);
		return;
	}
	if (r->ended.len == 0)
		log_info("%s (no status came)", err->message);
	r->over = true;
	settle(r);
}

/* --- beginning -------------------------------------------------------------------------------- */

static int side_open(struct kube_relay *r, int i, int ours)
{
	struct side *s = &r->sides[i];

	(void)sock_nonblock(ours, 1);
	if (uv_poll_init(&r->x->loop, &s->poll, ours) != 0) {
		close(ours);
		return -1;
	}
	s->poll.data = r;
	s->fd = ours;
	r->handles++;
	return 0;
}

static int open_sides(struct kube_relay *r)
{
	int fds[2];

	if (r->ticket->tty) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return -1;
		r->theirs[0] = fds[1];
		return side_open(r, SIDE_IN, fds[0]);
	}
	for (int i = 0; i < SIDES; i++) {
		if (pipe2(fds, O_CLOEXEC) < 0)
			return -1;
		r->theirs[i] = fds[i == SIDE_IN];
		if (side_open(r, i, fds[i != SIDE_IN]) != 0)
			return -1;
	}
	return 0;
}

static int tell_opened(struct kube_relay *r)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));
	int rc;

	ipc_begin(m, EXEC_OPENED);
	ipc_put_u32(m, r->ticket->tty ? EXEC_TTY : EXEC_PIPES);
	ipc_put_bytes(m, "", 0);
	for (int i = 0; i < (r->ticket->tty ? 1 : SIDES); i++)
		ipc_put_fd(m, r->theirs[i]);
	rc = ipc_send(r->sock, m);
	for (int i = 0; i < SIDES; i++) {
		if (r->theirs[i] >= 0)
			close(r->theirs[i]);
		r->theirs[i] = -1;
	}
	mem_free(m);
	return rc;
}

static void send_size(struct kube_relay *r, int rows, int cols)
{
	struct buf b;

	if (!r->ticket->tty || rows < 1 || cols < 1)
		return;
	buf_init(&b, 64);
	if (r->ticket->helper)
		kube_frame_window(&b, rows, cols);
	else
		kube_frame_resize(&b, rows, cols);
	kube_stream_send(r->stream, r->ticket->helper ? KUBE_FRAME_IN : KUBE_FRAME_RESIZE, b.data, b.len);
	buf_clear(&b);
}

static void opened_cb(void *arg, bool v5)
{
	struct kube_relay *r = arg;
	struct cl_err err = { 0 };

	r->v5 = v5;
	if (open_sides(r) != 0 || tell_opened(r) != 0) {
		err_set(&err, CL_UNAVAILABLE, "execution: no descriptors are left");
		fail(r, &err);
		return;
	}
	r->running = true;
	if (r->ticket->helper)
		kube_stream_send(r->stream, KUBE_FRAME_IN, r->ticket->start.data, r->ticket->start.len);
	else
		send_size(r, r->ticket->rows, r->ticket->cols);
	settle(r);
}

static void take_ticket(struct kube_relay *r, struct ipc_in *m)
{
	static const struct kube_stream_hooks hooks = { opened_cb, data_cb, drained_cb, closed_cb };
	struct cl_err err = { 0 };
	char id[KUBE_EXEC_TICKET];

	ipc_get_str(m, id, sizeof(id));
	while (m->fdpos < m->nfds) /* the client's own pipes: of no use so far away */
		close(ipc_get_fd(m));
	if (m->type != EXEC_OPEN || ipc_end(m) < 0) {
		end(r);
		return;
	}
	r->ticket = kube_exec_ticket_take(r->x, id, r->peer);
	mem_wipe(id, sizeof(id));
	if (!r->ticket) {
		log_warn("exec: uid %u presented no valid ticket", (unsigned)r->peer);
		err_set(&err, CL_FORBIDDEN, "execution: no such ticket");
		fail(r, &err);
		return;
	}
	uv_timer_stop(&r->timer);
	r->stream = kube_stream_open(r->x->streams, &r->ticket->who, r->ticket->path, &hooks, r, &err);
	if (!r->stream)
		fail(r, &err);
}

/* --- control ---------------------------------------------------------------------------------- */

static unsigned char signal_number(const char *name)
{
	static const struct {
		const char *name;
		unsigned char number;
	} known[] = { { "INT", SIGINT }, { "TERM", SIGTERM }, { "QUIT", SIGQUIT }, { "HUP", SIGHUP },
		{ "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ALRM", SIGALRM } };

	for (size_t i = 0; i < CL_COUNT(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].number;
	return 0;
}

/* -1: the client misbehaves. */
static int obey(struct kube_relay *r, struct ipc_in *m)
{
	unsigned char number;
	char name[16];
	int rows, cols;

	if (m->type == EXEC_RESIZE) {
		rows = (int)ipc_get_range(m, 1, 1000);
		cols = (int)ipc_get_range(m, 1, 1000);
		if (ipc_end(m) == 0 && r->stream)
			send_size(r, rows, cols);
		return m->bad ? -1 : 0;
	}
	ipc_get_str(m, name, sizeof(name));
	if (m->type != EXEC_SIGNAL || ipc_end(m) < 0)
		return -1;
	number = signal_number(name);
	if (number && r->ticket->helper && r->stream) {
		r->signal = number;
		send_frame(r, 'K', &number, 1);
	}
	return 0;
}

static void control_cb(uv_poll_t *h, int status, int events)
{
	struct kube_relay *r = h->data;
	struct ipc_in *m = mem_alloc(sizeof(*m));
	int got = ipc_recv(r->sock, m);

	if (got == 1 && !r->ticket)
		take_ticket(r, m);
	else if (got == 1 && r->running && obey(r, m) == 0)
		settle(r);
	else if (got != -1 || (errno != EAGAIN && errno != EINTR)) {
		if (got == 1)
			ipc_close_fds(m);
		end(r);
	}
	mem_free(m);
}

static void late_cb(uv_timer_t *h)
{
	end(h->data);
}

void kube_relay_begin(struct kube_exec *x, int sock, uid_t peer)
{
	struct kube_relay *r = mem_alloc(sizeof(*r));

	r->x = x;
	r->sock = sock;
	r->peer = peer;
	for (int i = 0; i < SIDES; i++) {
		r->sides[i].fd = r->theirs[i] = -1;
		buf_init(&r->sides[i].back, BACK_MAX);
	}
	buf_init(&r->ended, STATUS_MAX);
	r->next = x->relays;
	r->at = &x->relays;
	if (r->next)
		r->next->at = &r->next;
	x->relays = r;
	x->nrelays++;
	(void)uv_poll_init(&x->loop, &r->control, sock);
	(void)uv_timer_init(&x->loop, &r->timer);
	r->control.data = r->timer.data = r;
	r->handles = 2;
	(void)uv_timer_start(&r->timer, late_cb, OPEN_MS, 0);
	(void)uv_poll_start(&r->control, UV_READABLE, control_cb);
}
