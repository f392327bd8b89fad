/*
 * The pump: see pump.h.  A program is read only while the client takes what it says (out.h); and
 * libssh grows a client's window only when data was taken, so what the program does not read is
 * left there.
 */
#include "sshd/conn/pump.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/conn/back.h"
#include "sshd/conn/door.h"
#include "sshd/conn/forward.h"
#include "sshd/conn/out.h"

#define PUMP_CHUNK 32000 /* below the common packet size of 32768, so one read is one packet */

static char pump_chunk[PUMP_CHUNK];

/* --- to the program --- */

/* Bytes taken; on an error nothing will ever be taken again, so all of it is swallowed. */
static size_t give(struct chan *c, const char *data, size_t len)
{
	ssize_t n;

	if (c->state == CHAN_DOOR)
		return door_input(c, data, len);
	if (c->in < 0)
		return len;
	do
		n = c->socket ? send(c->in, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(c->in, data, len);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN)
		return 0;
	if (c->in != c->out)
		close(c->in);
	c->in = -1;
	return len;
}

int pump_data(struct chan *c, const char *data, uint32_t len)
{
	size_t n = 0;

	if (c->ending || (c->state != CHAN_DOOR && c->state != CHAN_PROGRAM && c->state != CHAN_ASKED &&
	    c->state != CHAN_IDLE))
		n = len;
	else if ((c->state == CHAN_DOOR || c->state == CHAN_PROGRAM) && c->in_len == 0)
		n = give(c, data, len);
	c->backlog = len - n;
	if (c->backlog > CONN_BACKLOG_MAX) /* it sends past its window */
		conn.over = true;
	return (int)n;
}

/* Give what was taken from libssh before; true when nothing of it is left. */
static bool give_kept(struct chan *c)
{
	size_t n = c->in_len ? give(c, c->in_buf + c->in_off, c->in_len) : 0;

	c->in_off += n;
	c->in_len -= n;
	return c->in_len == 0;
}

/*
 * libssh opens the window wide again at each read, however much it still holds: reading piece by
 * piece would let a client fill it without end.  So all of the backlog is taken at once, and only
 * when everything taken before is gone: at most two windows are held.
 */
void pump_in(struct chan *c)
{
	while (give_kept(c) && c->backlog > 0) {
		size_t want = c->backlog;
		int n;

		mem_free(c->in_buf);
		c->in_buf = mem_resize(NULL, want, 1);
		c->backlog = 0;
		n = ssh_channel_read_nonblocking(c->ssh, c->in_buf, (uint32_t)want, 0);
		if (n <= 0)
			break;
		c->in_off = 0;
		c->in_len = (size_t)n;
	}
	if (c->in_len == 0) {
		mem_free(c->in_buf);
		c->in_buf = NULL;
	}
	pump_in_end(c);
}

void pump_in_end(struct chan *c)
{
	struct termios tio;

	if (!c->client_eof || c->in_len || c->backlog || c->state != CHAN_PROGRAM || c->in < 0)
		return;
	if (c->socket && c->in == c->out) {
		shutdown(c->in, SHUT_WR);
		c->in = -1;
		return;
	}
	if (c->in == c->out) {
		/* A terminal has no end of input but the key for it. */
		if (tcgetattr(c->in, &tio) == 0 && tio.c_lflag & ICANON &&
		    write(c->in, &tio.c_cc[VEOF], 1) != 1)
			return;
		c->client_eof = false;
		return;
	}
	close(c->in);
	c->in = -1;
}

/* --- to the client --- */

/* Nothing more comes from the program. */
static void end_output(struct chan *c, int *fd, bool failed)
{
	if (!c->socket || failed || c->in != *fd) { /* a socket's other way may go on */
		if (c->in == *fd)
			c->in = -1;
		close(*fd);
	}
	*fd = -1;
	if (c->out < 0 && (c->err < 0 || c->forwarded) && !c->eof_sent) {
		c->eof_sent = true;
		ssh_channel_send_eof(c->ssh);
	}
}

/* Read once from the program; its end closes the descriptor. */
static void read_program(struct chan *c, int *fd, bool is_err)
{
	size_t window, want = PUMP_CHUNK;
	ssize_t n;

	if (*fd < 0 || !out_writable(c))
		return;
	window = ssh_channel_window_size(c->ssh);
	if (want > window)
		want = window;
	n = c->socket && fd == &c->out ? recv(*fd, pump_chunk, want, MSG_DONTWAIT) : read(*fd, pump_chunk, want);
	if (n > 0 && is_err && c->forwarded)
		return; /* a connection has no second stream */
	if (n > 0) {
		out_write(c, pump_chunk, (size_t)n, is_err);
		return;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_output(c, fd, n < 0);
}

static void resize(struct chan *c)
{
	struct winsize size = {.ws_row = (unsigned short)c->rows, .ws_col = (unsigned short)c->cols};

	if (c->state == CHAN_DOOR)
		c->resize_due = !door_resize(c);
	else if (c->state == CHAN_PROGRAM && c->in >= 0 && c->in == c->out) {
		ioctl(c->in, TIOCSWINSZ, &size);
		c->resize_due = false;
	} else if (c->state == CHAN_PROGRAM) {
		c->resize_due = false;
	}
}

int pump_poll(const struct chan *c, struct pollfd *p)
{
	bool waiting = c->in_len || c->backlog || (c->state == CHAN_DOOR && c->resize_due);
	bool can_write = out_writable(c);
	int n = 0;

	if (c->ending || (c->state != CHAN_DOOR && c->state != CHAN_PROGRAM))
		return 0;
	if (c->back) {
		p[0] = (struct pollfd){.fd = c->out, .events = POLLIN};
		return c->out >= 0;
	}
	if (c->forward) { /* not confirmed: a sign of the program, or its end */
		p[0] = (struct pollfd){.fd = c->out, .events = POLLIN};
		return c->out >= 0;
	}
	if (c->in >= 0 && waiting)
		p[n++] = (struct pollfd){.fd = c->in, .events = POLLOUT};
	if (c->out >= 0 && can_write)
		p[n++] = (struct pollfd){.fd = c->out, .events = POLLIN};
	if (c->err >= 0 && can_write)
		p[n++] = (struct pollfd){.fd = c->err, .events = POLLIN};
	return n;
}

void pump_ready(struct chan *c, const struct pollfd *p, int n)
{
	for (int i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (c->back) {
			back_ready(c);
		} else if (c->forward) {
			forward_ready(c);
		} else if (p[i].events == POLLOUT && p[i].fd == c->in) {
			pump_in(c);
		} else if (p[i].fd == c->out && c->state == CHAN_DOOR) {
			door_ready(c);
		} else if (p[i].fd == c->out) {
			read_program(c, &c->out, false);
		} else if (p[i].fd == c->err) {
			read_program(c, &c->err, true);
		}
	}
	if (c->resize_due)
		resize(c);
}
