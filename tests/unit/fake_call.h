/*
 * Lets a fake engine of HTTP (fake_http.h) take calls as messages (engine/api/call_proto.h): listens
 * beside its socket and turns each call into a request of HTTP, and the answer into messages.
 * One thread for each call; all end in bridge_stop(), which comes before fake_stop().
 */
#ifndef TESTS_UNIT_FAKE_CALL_H
#define TESTS_UNIT_FAKE_CALL_H

#include "base/ipc.h"
#include "base/sock.h"
#include "engine/api/call_proto.h"
#include "tests/unit/fake_http.h"

struct bridge {
	char path[64];      /* of the HTTP socket */
	char own[80];
	int fd, count;
	volatile bool stop;
	pthread_t accepter, threads[FAKE_CONNECTIONS];
	int clients[FAKE_CONNECTIONS];
};

struct bridge_call {
	struct bridge *b;
	int call, http;
	struct ipc_in in;
	struct ipc_out out;
	char text[1 << 20]; /* the request, then the answer */
	size_t len;
};

static inline bool bridge_request(struct bridge_call *c)
{
	char method[8], target[4097], idem[130], last[24];
	size_t n, length, at, body;
	const void *data;

	if (ipc_recv(c->call, &c->in) != 1)
		return false;
	ipc_get_str(&c->in, method, sizeof(method));
	ipc_get_str(&c->in, target, sizeof(target));
	ipc_get_str(&c->in, idem, sizeof(idem));
	ipc_get_str(&c->in, last, sizeof(last));
	length = ipc_get_u32(&c->in);
	data = ipc_get_bytes(&c->in, &n, IPC_DATA_MAX);
	at = (size_t)snprintf(c->text, sizeof(c->text), "%s %s HTTP/1.1\r\nHost: engine\r\n"
	    "Content-Length: %zu\r\n%s%s%s\r\n", method, target, length, last[0] ? "Last-Event-ID: " : "",
	    last, last[0] ? "\r\n" : "");
	body = at;
	while (!c->in.bad && at + n < sizeof(c->text)) {
		memcpy(c->text + at, data, n);
		at += n;
		if (ipc_end(&c->in) < 0)
			return false;
		if (at - body >= length) {
			fake_write(c->http, c->text, at);
			return true;
		}
		if (ipc_recv(c->call, &c->in) != 1)
			return false;
		data = ipc_get_bytes(&c->in, &n, IPC_DATA_MAX);
	}
	return false;
}

/* False at the end of either side. */
static inline bool bridge_read(struct bridge_call *c)
{
	struct pollfd p[2] = {{.fd = c->call, .events = POLLIN}, {.fd = c->http, .events = POLLIN}};
	ssize_t n;

	if (poll(p, 2, -1) < 0 || p[0].revents)
		return false;
	n = recv(c->http, c->text + c->len, sizeof(c->text) - 1 - c->len, 0);
	if (n <= 0)
		return false;
	c->len += (size_t)n;
	c->text[c->len] = '\0';
	return true;
}

static inline bool bridge_data(struct bridge_call *c, const char *data, size_t len)
{
	for (size_t n; len; data += n, len -= n) {
		n = len < IPC_DATA_MAX ? len : IPC_DATA_MAX;
		ipc_begin(&c->out, CALL_DATA);
		ipc_put_bytes(&c->out, data, n);
		if (ipc_send(c->call, &c->out) < 0)
			return false;
	}
	return true;
}

static inline void bridge_answer(struct bridge_call *c)
{
	char length[32];
	size_t left;
	char *body;

	while (!strstr(c->text, "\r\n\r\n"))
		if (!bridge_read(c))
			return;
	body = strstr(c->text, "\r\n\r\n") + 4;
	body[-2] = '\0';
	fake_header(c->text, "Content-Length: ", length, sizeof(length));
	left = length[0] ? (size_t)atol(length) : SIZE_MAX;
	ipc_begin(&c->out, CALL_REPLY);
	ipc_put_u32(&c->out, (uint32_t)atol(c->text + 9));
	ipc_put_u32(&c->out, length[0] ? (uint32_t)left : CALL_STREAM);
	ipc_put_str(&c->out, "");
	ipc_put_bytes(&c->out, "", 0);
	if (ipc_send(c->call, &c->out) < 0)
		return;
	c->len -= (size_t)(body - c->text);
	memmove(c->text, body, c->len);
	do {
		if (!bridge_data(c, c->text, c->len))
			return;
		left -= length[0] ? c->len : 0;
		c->len = 0;
	} while (left && bridge_read(c));
}

static inline void *bridge_serve(void *arg)
{
	struct bridge_call *c = arg;
	struct cl_err err = {0};

	c->http = sock_connect(c->b->path, SOCK_STREAM, &err);
	if (c->http >= 0 && bridge_request(c)) {
		c->text[0] = '\0';
		bridge_answer(c);
	}
	if (c->http >= 0)
		close(c->http);
	shutdown(c->call, SHUT_RDWR);
	free(c);
	return NULL;
}

static inline void *bridge_accept(void *arg)
{
	struct bridge *b = arg;
	struct pollfd p = {.fd = b->fd, .events = POLLIN};
	struct bridge_call *c;
	int fd;

	while (!b->stop) {
		if (poll(&p, 1, 20) <= 0 || b->count == FAKE_CONNECTIONS)
			continue;
		fd = accept4(b->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		c = calloc(1, sizeof(*c));
		c->b = b;
		c->call = fd;
		b->clients[b->count] = fd;
		pthread_create(&b->threads[b->count++], NULL, bridge_serve, c);
	}
	return NULL;
}

static inline void bridge_start(struct bridge *b, const struct fake *f)
{
	struct cl_err err = {0};

	memset(b, 0, sizeof(*b));
	snprintf(b->path, sizeof(b->path), "%s", f->path);
	snprintf(b->own, sizeof(b->own), "%s" CALL_SUFFIX, f->path);
	b->fd = sock_listen(b->own, SOCK_SEQPACKET, 0666, &err);
	if (b->fd < 0)
		abort();
	pthread_create(&b->accepter, NULL, bridge_accept, b);
}

static inline void bridge_stop(struct bridge *b)
{
	b->stop = true;
	pthread_join(b->accepter, NULL);
	for (int i = 0; i < b->count; i++)
		shutdown(b->clients[i], SHUT_RDWR);
	for (int i = 0; i < b->count; i++) {
		pthread_join(b->threads[i], NULL);
		close(b->clients[i]);
	}
	close(b->fd);
	unlink(b->own);
}

#endif
