/* The session's end of the pane process: see pane_client.h. */
#include "tui/pane_client.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pane.h"
#include "base/sock.h"

struct pane_client {
	int sock;
	bool lost;
	const struct pane_client_ops *ops;
	void *arg;
	uint8_t *mem;
	struct ipc_in in;
	struct ipc_out out;
};

static struct pane_head *head(const struct pane_client *c)
{
	return (struct pane_head *)c->mem;
}

struct pane_client *pane_client_new(int sock, int memfd, const struct pane_client_ops *ops, void *arg,
    struct cl_err *err)
{
	struct pane_client *c;
	void *mem;

	if (ftruncate(memfd, (off_t)PANE_SHARED_SIZE) < 0) {
		err_errno(err, CL_UNAVAILABLE, "terminals: shared memory");
		return NULL;
	}
	mem = mmap(NULL, PANE_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memfd, 0);
	if (mem == MAP_FAILED) {
		err_errno(err, CL_UNAVAILABLE, "terminals: shared memory");
		return NULL;
	}
	sock_nonblock(sock, 1);
	c = mem_alloc(sizeof(*c));
	c->sock = sock;
	c->ops = ops;
	c->arg = arg;
	c->mem = mem;
	return c;
}

void pane_client_free(struct pane_client *c)
{
	if (!c)
		return;
	munmap(c->mem, PANE_SHARED_SIZE);
	mem_free(c);
}

const void *pane_client_area(const struct pane_client *c, int id)
{
	return c->mem + PANE_PAGE + (size_t)id * PANE_TERM_SIZE;
}

static void lose(struct pane_client *c)
{
	if (c->lost)
		return;
	c->lost = true;
	c->ops->lost(c->arg);
}

static int send_out(struct pane_client *c)
{
	if (c->lost)
		return -1;
	if (ipc_send(c->sock, &c->out) == 0)
		return 0;
	if (errno != EAGAIN)
		lose(c);
	return -1;
}

static void release(struct pane_client *c)
{
	atomic_store(&head(c)->slot, 0);
	atomic_store(&head(c)->want, 0);
}

void pane_client_looked(struct pane_client *c)
{
	atomic_store(&head(c)->slot, 0);
	if (!atomic_exchange(&head(c)->want, 0))
		return;
	ipc_begin(&c->out, PANE_LOOKED);
	send_out(c);
}

/* A message that is none ends the trust in that process: it is hostile or broken. */
static void on_message(struct pane_client *c)
{
	uint32_t type = c->in.type, value = 0;
	const char *data = NULL;
	size_t n = 0;

	if (type == PANE_ENDED || type == PANE_CLIPBOARD)
		value = (uint32_t)ipc_get_range(&c->in, 0, PANE_TERMS - 1);
	else if (type == PANE_NOTE || type == PANE_RESTARTED)
		value = ipc_get_u32(&c->in);
	else
		c->in.bad = true;
	if (type == PANE_CLIPBOARD)
		data = ipc_get_bytes(&c->in, &n, IPC_DATA_MAX);
	if (ipc_end(&c->in) < 0) {
		log_error("pane: malformed message %#x", type);
		lose(c);
		return;
	}
	if (type == PANE_NOTE) {
		c->ops->changed(c->arg, value);
	} else if (type == PANE_ENDED) {
		c->ops->ended(c->arg, (int)value);
	} else if (type == PANE_CLIPBOARD) {
		c->ops->clipboard(c->arg, (int)value, data, n);
	} else {
		log_warn("pane: worker restarted (%u)", value);
		release(c);
		c->ops->restarted(c->arg);
	}
}

void pane_client_read(struct pane_client *c)
{
	for (int i = 0; i < 64 && !c->lost; i++) {
		int rc = ipc_recv(c->sock, &c->in);

		if (rc == 1) {
			bool note = c->in.type == PANE_NOTE; /* one in flight: no more until it was looked at */

			on_message(c);
			if (note)
				return;
		} else if (rc < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		else
			lose(c);
	}
}

int pane_client_open(struct pane_client *c, int id, int fd, int rows, int cols, uint32_t ring,
    uint32_t flags)
{
	ipc_begin(&c->out, PANE_OPEN);
	ipc_put_u32(&c->out, (uint32_t)id);
	ipc_put_u32(&c->out, (uint32_t)rows);
	ipc_put_u32(&c->out, (uint32_t)cols);
	ipc_put_u32(&c->out, ring);
	ipc_put_u32(&c->out, flags);
	ipc_put_fd(&c->out, fd);
	return send_out(c);
}

int pane_client_resize(struct pane_client *c, int id, int rows, int cols)
{
	ipc_begin(&c->out, PANE_RESIZE);
	ipc_put_u32(&c->out, (uint32_t)id);
	ipc_put_u32(&c->out, (uint32_t)rows);
	ipc_put_u32(&c->out, (uint32_t)cols);
	return send_out(c);
}

int pane_client_feed(struct pane_client *c, int id, const char *p, size_t n)
{
	while (n > 0) {
		size_t part = n < IPC_DATA_MAX ? n : IPC_DATA_MAX;

		ipc_begin(&c->out, PANE_FEED);
		ipc_put_u32(&c->out, (uint32_t)id);
		ipc_put_bytes(&c->out, p, part);
		if (send_out(c) < 0)
			return -1;
		p += part;
		n -= part;
	}
	return 0;
}

void pane_client_close(struct pane_client *c, int id)
{
	ipc_begin(&c->out, PANE_CLOSE);
	ipc_put_u32(&c->out, (uint32_t)id);
	send_out(c);
	if (madvise((void *)(uintptr_t)pane_client_area(c, id), PANE_TERM_SIZE, MADV_REMOVE) < 0)
		log_debug("pane: give memory back: %s", strerror(errno));
}
