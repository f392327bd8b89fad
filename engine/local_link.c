/*
 * Connections to the broker: taken from a list for one request, given back when it ended cleanly,
 * closed when anything about it was odd.
 */
#include "engine/local_link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/broker/broker_proto.h"

#define LINK_KEPT 8
#define LINK_POLL_MS 200
/* After CANCEL the broker still removes what it had started. */
#define LINK_CANCEL_MS 20000

struct local_link {
	char *socket;
	pthread_mutex_t lock;
	int idle[LINK_KEPT];
	int nidle;
	int wake; /* an eventfd, readable once somebody woke the calls that rest */
};

struct local_link *local_link_new(const char *socket)
{
	struct local_link *l = mem_alloc(sizeof(*l));

	l->socket = mem_strdup(socket);
	pthread_mutex_init(&l->lock, NULL);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake < 0)
		log_fatal("eventfd: %s", strerror(errno));
	return l;
}

void local_link_free(struct local_link *l)
{
	if (l == NULL)
		return;
	while (l->nidle > 0)
		close(l->idle[--l->nidle]);
	close(l->wake);
	pthread_mutex_destroy(&l->lock);
	mem_free(l->socket);
	mem_free(l);
}

struct ipc_out *local_link_begin(uint32_t verb)
{
	struct ipc_out *out = mem_alloc(sizeof(*out));

	ipc_begin(out, verb);
	return out;
}

/* An idle connection that the broker has not closed meanwhile, or -1. */
static int take_idle(struct local_link *l)
{
	int fd = -1;

	pthread_mutex_lock(&l->lock);
	while (fd < 0 && l->nidle > 0) {
		struct pollfd p = {.events = POLLIN};

		p.fd = fd = l->idle[--l->nidle];
		if (poll(&p, 1, 0) != 0) { /* closed, or words that nobody asked for */
			close(fd);
			fd = -1;
		}
	}
	pthread_mutex_unlock(&l->lock);
	return fd;
}

static void give_back(struct local_link *l, int fd)
{
	pthread_mutex_lock(&l->lock);
	if (l->nidle < LINK_KEPT) {
		l->idle[l->nidle++] = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&l->lock);
	if (fd >= 0)
		close(fd);
}

static int send_request(struct local_link *l, const struct ipc_out *out, struct cl_err *err)
{
	int fd = take_idle(l);

	if (fd >= 0 && ipc_send(fd, out) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	fd = sock_connect(l->socket, SOCK_SEQPACKET, err);
	if (fd < 0)
		return err_hint(err, "the runtime broker is not running: see its log, or run ./lab up");
	if (ipc_send(fd, out) == 0)
		return fd;
	err_errno(err, errno == EMSGSIZE ? CL_USAGE : CL_UNAVAILABLE, "runtime broker: sending a request");
	close(fd);
	return -1;
}

/* Waits for the next message, or for the time to ask whether it is still wanted; as poll(). */
static int wait_message(const struct local_link *l, int fd, const struct local_link_call *call,
    bool cancelled)
{
	const struct backend_job *job = call->job;
	bool ends = job != NULL && job->cancelled != NULL, rests = ends && call->rests && !cancelled;
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = rests ? l->wake : -1, .events = POLLIN}};
	int n = poll(p, 2, ends && !rests ? LINK_POLL_MS : -1);
	eventfd_t woken;

	if (n > 0 && p[1].revents)
		(void)eventfd_read(l->wake, &woken);
	return n > 0 && !p[0].revents ? 0 : n;
}

/* Asks the broker to end what is not wanted any more; -1: the connection is gone. */
static int cancel(int fd, int64_t *cancel_ms)
{
	struct ipc_out *out = local_link_begin(BROKER_CANCEL);
	int n;

	*cancel_ms = clock_ms() + LINK_CANCEL_MS;
	n = ipc_send(fd, out);
	mem_free(out);
	return n;
}

/* One message: 1; 0 the end is too long in coming after a cancel; -1 the connection is gone. */
static int next_message(const struct local_link *l, int fd, struct ipc_in *in,
    const struct local_link_call *call, int64_t *cancel_ms)
{
	const struct backend_job *job = call->job;
	bool ends = job != NULL && job->cancelled != NULL;
	int n = 0;

	for (bool first = true;; first = false) {
		/* one that rests may have been woken before it began */
		if ((!first || call->rests) && *cancel_ms == 0 && ends && job->cancelled(job->arg) &&
		    cancel(fd, cancel_ms) < 0)
			return -1;
		if (!first && *cancel_ms != 0 && clock_ms() > *cancel_ms)
			return 0;
		n = wait_message(l, fd, call, *cancel_ms != 0);
		if (n > 0)
			return ipc_recv(fd, in) == 1 ? 1 : -1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

/* The broker's reason into err (may be NULL); -1 when the message is not well formed. */
static int read_error(struct ipc_in *in, struct cl_err *err)
{
	struct cl_err why = {0};

	ipc_get_err(in, &why);
	if (ipc_end(in) < 0)
		return -1;
	err_set(err, why.code, "%s", why.message);
	if (why.hint[0])
		err_hint(err, "%s", why.hint);
	return 0;
}

/* True: m was one of the parts that this call may bring, and whole. */
static bool take_part(struct ipc_in *m, const struct local_link_call *call)
{
	if (m->type == BROKER_LINE && call->job != NULL) {
		size_t n;
		const void *line = ipc_get_bytes(m, &n, BROKER_LINE_MAX);

		if (!m->bad && call->job->line != NULL)
			call->job->line(call->job->arg, line, n);
	} else if (m->type != BROKER_ERROR && call->part != NULL) {
		call->part(call->arg, m);
	} else {
		return false;
	}
	return ipc_end(m) == 0;
}

/* 1 the request ended well, 0 it ended with an error, -1 the connection is not to be used again. */
static int read_answer(struct local_link *l, int fd, struct ipc_in *in,
    const struct local_link_call *call, struct cl_err *err)
{
	int64_t cancel_ms = 0;

	for (;;) {
		int n = next_message(l, fd, in, call, &cancel_ms);

		if (n <= 0) {
			if (cancel_ms != 0)
				err_set(err, CL_FAILED, "cancelled");
			err_set(err, CL_UNAVAILABLE, "runtime broker: it ended in the middle of a request");
			return -1;
		}
		if (in->type == BROKER_ERROR && read_error(in, err) == 0)
			return 0;
		if (in->type == BROKER_OK) {
			if (call->ok != NULL)
				call->ok(call->arg, in);
			if (ipc_end(in) == 0)
				return 1;
		} else if (take_part(in, call)) {
			continue;
		}
		ipc_close_fds(in);
		err_set(err, CL_FAILED, "runtime broker: an answer that makes no sense (%u)", in->type);
		return -1;
	}
}

void local_link_wake(struct local_link *l)
{
	(void)eventfd_write(l->wake, 1);
}

int local_link_ask(struct local_link *l, struct ipc_out *out, const struct local_link_call *call,
    struct cl_err *err)
{
	static const struct local_link_call plain;
	struct ipc_in *in;
	int fd = send_request(l, out, err), rc;

	mem_free(out);
	if (fd < 0)
		return -1;
	in = mem_alloc(sizeof(*in));
	rc = read_answer(l, fd, in, call != NULL ? call : &plain, err);
	if (rc < 0)
		close(fd);
	else
		give_back(l, fd);
	mem_free(in);
	return rc == 1 ? 0 : -1;
}
