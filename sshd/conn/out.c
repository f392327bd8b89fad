/*
 * To the client: see out.h.  libssh queues without bound what does not fit into the socket, so a
 * channel is written to only while nothing is pending there and its window is open.
 */
#include "sshd/conn/out.h"

#include "base/mem.h"

bool out_writable(const struct chan *c)
{
	return c->ssh && !c->client_closed && c->out_len == 0 && !conn.rekey.under_way &&
	    !(ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING) &&
	    ssh_channel_window_size(c->ssh) > 0;
}

/* Bytes that libssh took, not more than the window. */
static size_t send_some(struct chan *c, const char *data, size_t len, bool is_err)
{
	uint32_t window = ssh_channel_window_size(c->ssh);
	uint32_t want = len < window ? (uint32_t)len : window;
	int n;

	if (want == 0)
		return 0;
	n = is_err ? ssh_channel_write_stderr(c->ssh, data, want) : ssh_channel_write(c->ssh, data, want);
	if (n < 0) {
		c->client_closed = true;
		return 0;
	}
	return (size_t)n;
}

void out_write(struct chan *c, const char *data, size_t len, bool is_err)
{
	size_t n = send_some(c, data, len, is_err);

	if (n == len || c->client_closed)
		return;
	mem_free(c->out_buf);
	c->out_buf = mem_dup(data + n, len - n);
	c->out_off = 0;
	c->out_len = len - n;
	c->out_is_err = is_err;
}

bool out_can_send(const struct chan *c)
{
	return c->out_len > 0 && c->ssh && !c->client_closed && !conn.rekey.under_way &&
	    !(ssh_get_poll_flags(conn.session) & SSH_WRITE_PENDING) &&
	    ssh_channel_window_size(c->ssh) > 0;
}

void out_send(struct chan *c)
{
	size_t n;

	if (!out_can_send(c))
		return;
	n = send_some(c, c->out_buf + c->out_off, c->out_len, c->out_is_err);
	c->out_off += n;
	c->out_len -= n;
	if (c->out_len == 0) {
		mem_free(c->out_buf);
		c->out_buf = NULL;
	}
}
