/*
 * Typed messages over SOCK_SEQPACKET: see ipc.h.  The writer marks a message bad when a field does
 * not fit and ipc_send() then refuses it; the reader marks it bad at the first field that is cut
 * and gives zeros from then on, so a parser reads straight through and asks once, at ipc_end().
 */
#include "base/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IPC_SNDBUF (256 * 1024)

union ipc_control {
	char bytes[CMSG_SPACE(sizeof(int) * IPC_FDS)];
	struct cmsghdr align;
};

int ipc_pair(int fds[2], struct cl_err *err)
{
	int size = IPC_SNDBUF;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, CL_FAILED, "socketpair");
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static void put(struct ipc_out *m, const void *p, size_t n)
{
	if (m->bad || n > sizeof(m->data) - m->len) {
		m->bad = true;
		return;
	}
	if (n)
		memcpy(m->data + m->len, p, n);
	m->len += n;
}

void ipc_begin(struct ipc_out *m, uint32_t type)
{
	m->len = 0;
	m->nfds = 0;
	m->bad = false;
	ipc_put_u32(m, type);
}

void ipc_put_u32(struct ipc_out *m, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};

	put(m, b, sizeof(b));
}

void ipc_put_i32(struct ipc_out *m, int32_t v)
{
	ipc_put_u32(m, (uint32_t)v);
}

void ipc_put_i64(struct ipc_out *m, int64_t v)
{
	ipc_put_u32(m, (uint32_t)(uint64_t)v);
	ipc_put_u32(m, (uint32_t)((uint64_t)v >> 32));
}

void ipc_put_bytes(struct ipc_out *m, const void *p, size_t n)
{
	if (n > IPC_MAX) {
		m->bad = true;
		return;
	}
	ipc_put_u32(m, (uint32_t)n);
	put(m, p, n);
}

void ipc_put_str(struct ipc_out *m, const char *s)
{
	ipc_put_bytes(m, s ? s : "", s ? strlen(s) : 0);
}

void ipc_put_fd(struct ipc_out *m, int fd)
{
	if (m->nfds == IPC_FDS || fd < 0) {
		m->bad = true;
		return;
	}
	m->fds[m->nfds++] = fd;
}

int ipc_send(int sock, const struct ipc_out *m)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m->data, .iov_len = m->len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union ipc_control control;
	struct cmsghdr *c;
	ssize_t n;

	if (m->bad || m->len < 4) {
		errno = EMSGSIZE;
		return -1;
	}
	if (m->nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)m->nfds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)m->nfds);
		memcpy(CMSG_DATA(c), m->fds, sizeof(int) * (size_t)m->nfds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* Take descriptors out of the control data; more than IPC_FDS are closed and make it bad. */
static void take_fds(struct ipc_in *m, struct msghdr *msg)
{
	int fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (m->nfds < IPC_FDS) {
				m->fds[m->nfds++] = fd;
			} else {
				close(fd);
				m->bad = true;
			}
		}
	}
}

int ipc_recv(int sock, struct ipc_in *m)
{
	struct iovec iov = {.iov_base = m->data, .iov_len = sizeof(m->data)};
	union ipc_control control;
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	m->type = 0;
	m->len = m->pos = 0;
	m->nfds = m->fdpos = 0;
	m->bad = false;
	/* A peer that closed with something of ours unread resets us once, before its last words. */
	for (int reset = 0;;) {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == ECONNRESET && !reset++)
			continue;
		if (n >= 0 || errno != EINTR)
			break;
	}
	if (n < 0)
		return -1;
	take_fds(m, &msg);
	/* An empty packet and end of file look the same; neither is a message. */
	if (n == 0 && m->nfds == 0 && !m->bad)
		return 0;
	if (n < 4 || m->bad || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		ipc_close_fds(m);
		errno = EPROTO;
		return -1;
	}
	m->len = (size_t)n;
	m->type = ipc_get_u32(m);
	return 1;
}

uint32_t ipc_get_u32(struct ipc_in *m)
{
	const uint8_t *b = m->data + m->pos;

	if (m->bad || m->len - m->pos < 4) {
		m->bad = true;
		return 0;
	}
	m->pos += 4;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int32_t ipc_get_i32(struct ipc_in *m)
{
	return (int32_t)ipc_get_u32(m);
}

int64_t ipc_get_i64(struct ipc_in *m)
{
	uint64_t lo = ipc_get_u32(m), hi = ipc_get_u32(m);

	return m->bad ? 0 : (int64_t)(hi << 32 | lo);
}

int64_t ipc_get_range(struct ipc_in *m, int64_t lo, int64_t hi)
{
	int64_t v = ipc_get_u32(m);

	if (lo < 0 && v > INT32_MAX)
		v = (int32_t)(uint32_t)v;
	if (v < lo || v > hi) {
		m->bad = true;
		return lo;
	}
	return m->bad ? lo : v;
}

const void *ipc_get_bytes(struct ipc_in *m, size_t *n, size_t max)
{
	size_t len = ipc_get_u32(m);
	const void *p = m->data + m->pos;

	*n = 0;
	if (m->bad || len > max || len > m->len - m->pos) {
		m->bad = true;
		return m->data;
	}
	m->pos += len;
	*n = len;
	return p;
}

void ipc_get_str(struct ipc_in *m, char *out, size_t size)
{
	size_t n;
	const void *p = ipc_get_bytes(m, &n, size - 1);

	if (memchr(p, 0, n)) {
		m->bad = true;
		n = 0;
	}
	memcpy(out, p, n);
	out[n] = '\0';
}

int ipc_get_fd(struct ipc_in *m)
{
	if (m->fdpos == m->nfds) {
		m->bad = true;
		return -1;
	}
	return m->fds[m->fdpos++];
}

int ipc_end(struct ipc_in *m)
{
	bool whole = !m->bad && m->pos == m->len && m->fdpos == m->nfds;

	ipc_close_fds(m);
	m->bad = !whole;
	return whole ? 0 : -1;
}

void ipc_close_fds(struct ipc_in *m)
{
	while (m->fdpos < m->nfds)
		close(m->fds[m->fdpos++]);
}

void ipc_put_err(struct ipc_out *m, const struct cl_err *err)
{
	ipc_put_u32(m, err->code);
	ipc_put_str(m, err->message);
	ipc_put_str(m, err->hint);
}

void ipc_get_err(struct ipc_in *m, struct cl_err *err)
{
	err->code = (enum cl_code)ipc_get_range(m, 1, CL_CODES - 1);
	ipc_get_str(m, err->message, sizeof(err->message));
	ipc_get_str(m, err->hint, sizeof(err->hint));
}
