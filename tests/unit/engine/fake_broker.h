/*
 * A runtime broker of the test's own: it listens where the engine looks for one, gives each
 * request to the test's function, which answers as it likes, and keeps what was asked.
 */
#ifndef TESTS_UNIT_ENGINE_FAKE_BROKER_H
#define TESTS_UNIT_ENGINE_FAKE_BROKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/broker/broker_proto.h"

#define FAKE_BROKER_CONNECTIONS 64

struct fake_broker {
	char dir[40], path[64];
	int listener;
	volatile bool stop;
	pthread_t accepter, threads[FAKE_BROKER_CONNECTIONS];
	int clients[FAKE_BROKER_CONNECTIONS];
	int count;                 /* connections so far */
	pthread_mutex_t lock;
	/* Answer m on fd; false hangs up. */
	bool (*serve)(struct fake_broker *b, int fd, struct ipc_in *m);
	void *arg;
	int requests, cancels;
	struct ipc_in last;        /* the last request, read up to its type */
};

struct fake_broker_connection {
	struct fake_broker *b;
	int fd, index;
};

/* -- answers -- */

static inline void fake_broker_send(int fd, const struct ipc_out *m)
{
	if (ipc_send(fd, m) < 0 && errno != EPIPE && errno != ECONNRESET)
		abort();
}

static inline void fake_broker_ok(int fd)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, BROKER_OK);
	fake_broker_send(fd, m);
	mem_free(m);
}

static inline void fake_broker_ok_str(int fd, const char *text)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, BROKER_OK);
	ipc_put_str(m, text);
	fake_broker_send(fd, m);
	mem_free(m);
}

static inline void fake_broker_ok_i32(int fd, int32_t v)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, BROKER_OK);
	ipc_put_i32(m, v);
	fake_broker_send(fd, m);
	mem_free(m);
}

static inline void fake_broker_bytes(int fd, uint32_t type, const void *data, size_t n)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, type);
	ipc_put_bytes(m, data, n);
	fake_broker_send(fd, m);
	mem_free(m);
}

static inline void fake_broker_error(int fd, enum cl_code code, const char *message, const char *hint)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));
	struct cl_err err = {.code = code};

	mem_copy_str(err.message, sizeof(err.message), message);
	mem_copy_str(err.hint, sizeof(err.hint), hint);
	ipc_begin(m, BROKER_ERROR);
	ipc_put_err(m, &err);
	fake_broker_send(fd, m);
	mem_free(m);
}

/* -- its life -- */

static inline void *fake_broker_connection(void *arg)
{
	struct fake_broker_connection *c = arg;
	struct fake_broker *b = c->b;
	struct ipc_in *m = mem_alloc(sizeof(*m));
	bool more = true;

	while (more && ipc_recv(c->fd, m) == 1) {
		pthread_mutex_lock(&b->lock);
		if (m->type == BROKER_CANCEL) {
			b->cancels++;
		} else {
			b->requests++;
			b->last = *m;
		}
		pthread_mutex_unlock(&b->lock);
		more = b->serve(b, c->fd, m);
		ipc_close_fds(m);
	}
	shutdown(c->fd, SHUT_RDWR);
	mem_free(m);
	mem_free(c);
	return NULL;
}

static inline void *fake_broker_accept(void *arg)
{
	struct fake_broker *b = arg;
	struct pollfd p = {.fd = b->listener, .events = POLLIN};

	while (!b->stop) {
		struct fake_broker_connection *c;
		int fd = poll(&p, 1, 10) > 0 ? accept4(b->listener, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (fd < 0)
			continue;
		if (b->count == FAKE_BROKER_CONNECTIONS)
			abort();
		c = mem_alloc(sizeof(*c));
		c->b = b;
		c->fd = b->clients[b->count] = fd;
		pthread_create(&b->threads[b->count++], NULL, fake_broker_connection, c);
	}
	return NULL;
}

/* Listen (again) at b->path. */
static inline void fake_broker_up(struct fake_broker *b)
{
	b->listener = sock_listen(b->path, SOCK_SEQPACKET, 0600, NULL);
	assert_true(b->listener >= 0);
	b->stop = false;
	b->count = 0;
	pthread_create(&b->accepter, NULL, fake_broker_accept, b);
}

/* End as a killed broker does: every connection is cut. */
static inline void fake_broker_down(struct fake_broker *b)
{
	b->stop = true;
	pthread_join(b->accepter, NULL);
	close(b->listener);
	for (int i = 0; i < b->count; i++)
		shutdown(b->clients[i], SHUT_RDWR);
	for (int i = 0; i < b->count; i++) {
		pthread_join(b->threads[i], NULL);
		close(b->clients[i]);
	}
}

static inline void fake_broker_start(struct fake_broker *b,
    bool (*serve)(struct fake_broker *b, int fd, struct ipc_in *m))
{
	memset(b, 0, sizeof(*b));
	snprintf(b->dir, sizeof(b->dir), "/tmp/cl-broker-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/broker.sock", b->dir);
	pthread_mutex_init(&b->lock, NULL);
	b->serve = serve;
	fake_broker_up(b);
}

static inline void fake_broker_stop(struct fake_broker *b)
{
	fake_broker_down(b);
	pthread_mutex_destroy(&b->lock);
	unlink(b->path);
	rmdir(b->dir);
}

/* Connections that are open at this moment, as the broker sees them. */
static inline int fake_broker_open(struct fake_broker *b)
{
	int n = 0;

	for (int i = 0; i < b->count; i++) {
		struct pollfd p = {.fd = b->clients[i], .events = POLLIN};

		n += poll(&p, 1, 0) == 0;
	}
	return n;
}

/* Descriptors of this process. */
static inline int fake_broker_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
