/* The three pipes of an execution without a terminal: see exec_internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/api/exec_proto.h"
#include "engine/broker/exec_internal.h"
#include "engine/broker/mux.h"

#define CHUNK 65536
#define PIPE_SIZE (1 << 20)

struct pump {
	struct exec *x;
	int in;              /* what the client writes; -1 after its end */
	int out[3];          /* [1] stdout, [2] stderr; -1 once nobody reads it */
	struct buf back[3];  /* bytes waiting for that pipe */
	struct buf input;    /* bytes waiting for the stream */
	bool shut;           /* the program was told that its input ended */
	bool ended;          /* the program's output ended */
	struct mux mux;
};

static int open_pipes(struct pump *p)
{
	int in[2], out[2], errs[2];
	struct ipc_out m;
	int rc;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0)
		return -1; /* the process ends with this connection */
	fcntl(in[0], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(out[0], F_SETPIPE_SZ, PIPE_SIZE);
	p->in = in[0];
	p->out[1] = out[1];
	p->out[2] = errs[1];
	sock_nonblock(p->in, 1);
	sock_nonblock(p->out[1], 1);
	sock_nonblock(p->out[2], 1);
	sock_nonblock(p->x->stream, 1);
	ipc_begin(&m, EXEC_OPENED);
	ipc_put_u32(&m, 0);
	ipc_put_bytes(&m, "", 0);
	ipc_put_fd(&m, in[1]);
	ipc_put_fd(&m, out[0]);
	ipc_put_fd(&m, errs[0]);
	rc = ipc_send(p->x->sock, &m);
	close(in[1]);
	close(out[0]);
	close(errs[0]);
	return rc;
}

static void frame_cb(void *arg, int stream, const char *data, size_t n)
{
	struct pump *p = arg;

	if (p->out[stream] >= 0)
		buf_add(&p->back[stream], data, n);
}

/* Write what waits; -1 when the other end is gone. */
static int flush(int fd, struct buf *b)
{
	while (b->len) {
		ssize_t n = write(fd, b->data, b->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		buf_drop(b, (size_t)n);
	}
	return 0;
}

static void flush_out(struct pump *p, int i)
{
	if (p->out[i] < 0 || flush(p->out[i], &p->back[i]) == 0)
		return;
	close(p->out[i]);
	p->out[i] = -1;
	buf_drop(&p->back[i], p->back[i].len);
}

static int read_stream(struct pump *p)
{
	static char data[CHUNK];
	ssize_t n = read(p->x->stream, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		p->ended = true;
		return 0;
	}
	return mux_feed(&p->mux, data, (size_t)n, frame_cb, p);
}

static void read_input(struct pump *p)
{
	static char data[CHUNK];
	ssize_t n = read(p->in, data, sizeof(data));

	if (n > 0)
		buf_add(&p->input, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(p->in);
		p->in = -1;
	}
}

/* Move the client's input on; after its last byte, half-close. */
static void send_input(struct pump *p)
{
	if (flush(p->x->stream, &p->input) < 0)
		buf_drop(&p->input, p->input.len); /* the program is ending; so will the stream */
	if (p->in < 0 && !p->input.len && !p->shut) {
		shutdown(p->x->stream, SHUT_WR);
		p->shut = true;
	}
}

static int turn(struct pump *p)
{
	bool full = p->back[1].len || p->back[2].len;
	struct pollfd f[5] = {
	    {.fd = p->x->sock, .events = POLLIN},
	    {.fd = p->ended ? -1 : p->x->stream,
	        .events = (short)((full ? 0 : POLLIN) | (p->input.len ? POLLOUT : 0))},
	    {.fd = p->input.len ? -1 : p->in, .events = POLLIN},
	    {.fd = p->back[1].len ? p->out[1] : -1, .events = POLLOUT},
	    {.fd = p->back[2].len ? p->out[2] : -1, .events = POLLOUT},
	};

	if (full && !p->input.len)
		f[1].fd = -1; /* POLLHUP would make this loop spin */
	if (poll(f, 5, -1) < 0)
		return errno == EINTR ? 0 : -1;
	if (f[0].revents && exec_control(p->x) < 0)
		return -1;
	if (!full && (f[1].revents & (POLLIN | POLLHUP | POLLERR)) && read_stream(p) < 0)
		return -1;
	if (f[2].revents)
		read_input(p);
	send_input(p);
	flush_out(p, 1);
	flush_out(p, 2);
	return 0;
}

int exec_pump_run(struct exec *x)
{
	struct pump p = {.x = x, .in = -1, .out = {-1, -1, -1}};
	int rc;

	mux_init(&p.mux);
	buf_init(&p.back[1], CHUNK * 4);
	buf_init(&p.back[2], CHUNK * 4);
	buf_init(&p.input, CHUNK * 2);
	rc = open_pipes(&p);
	if (rc == 0 && x->early.len)
		rc = mux_feed(&p.mux, x->early.data, x->early.len, frame_cb, &p);
	while (rc == 0 && !(p.ended && !p.back[1].len && !p.back[2].len))
		rc = turn(&p);
	for (int i = 0; i < 3; i++) {
		if (p.out[i] >= 0)
			close(p.out[i]);
		buf_clear(&p.back[i]);
	}
	if (p.in >= 0)
		close(p.in);
	buf_clear(&p.input);
	return rc;
}
