/*
 * A tiny HTTP server on a unix socket, for tests of what talks to one: it reads one whole request
 * (Content-Length or chunked) for each connection and gives it to the test's function, which writes
 * whatever it wants to the descriptor.  One thread for each connection; all end in fake_stop().
 */
#ifndef TESTS_UNIT_FAKE_HTTP_H
#define TESTS_UNIT_FAKE_HTTP_H

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FAKE_CONNECTIONS 600

struct fake {
	char dir[32], path[48];
	int fd;
	volatile bool stop;
	pthread_t accepter, threads[FAKE_CONNECTIONS];
	int clients[FAKE_CONNECTIONS];
	int count;
	pthread_mutex_t lock;
	void (*serve)(struct fake *f, int fd, const char *request, const char *body);
	char log[65536]; /* "METHOD PATH BODY\n" of each request */
	void *arg;
};

struct fake_connection {
	struct fake *f;
	int fd;
};

static inline void fake_write(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

		if (k <= 0)
			return;
		text += k;
		n -= (size_t)k;
	}
}

static inline void fake_reply(int fd, int status, const char *body)
{
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
	    "ETag: \"tag-1\"\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, strlen(body));
	fake_write(fd, head, strlen(head));
	fake_write(fd, body, strlen(body));
}

/* The value of a header, or "". */
static inline const char *fake_header(const char *request, const char *name, char *out, size_t size)
{
	const char *p = strcasestr(request, name);

	out[0] = '\0';
	if (p)
		snprintf(out, size, "%.*s", (int)strcspn(p + strlen(name), "\r"), p + strlen(name));
	return out;
}

static inline bool fake_whole(const char *request, const char *body, size_t have)
{
	char length[32];

	if (strcasestr(request, "Transfer-Encoding: chunked"))
		return strstr(body, "0\r\n\r\n") != NULL;
	return have >= (size_t)atol(fake_header(request, "Content-Length: ", length, sizeof(length)));
}

static inline void *fake_serve(void *arg)
{
	struct fake_connection *c = arg;
	char *text = calloc(1, 1 << 20), *body = NULL;
	size_t at = 0;
	ssize_t n;

	while (at < (1 << 20) - 1 && (n = recv(c->fd, text + at, (1 << 20) - 1 - at, 0)) > 0) {
		at += (size_t)n;
		body = strstr(text, "\r\n\r\n");
		if (body && fake_whole(text, body + 4, at - (size_t)(body + 4 - text)))
			break;
	}
	if (body) {
		pthread_mutex_lock(&c->f->lock);
		at = strlen(c->f->log);
		snprintf(c->f->log + at, sizeof(c->f->log) - at, "%.*s %s\n",
		    (int)(strstr(text, " HTTP/") - text), text, body + 4);
		pthread_mutex_unlock(&c->f->lock);
		*body = '\0';
		c->f->serve(c->f, c->fd, text, body + 4);
	}
	shutdown(c->fd, SHUT_RDWR);
	free(text);
	free(c);
	return NULL;
}

static inline void *fake_accept(void *arg)
{
	struct fake *f = arg;
	struct pollfd p = {.fd = f->fd, .events = POLLIN};
	struct fake_connection *c;
	int fd;

	while (!f->stop) {
		if (poll(&p, 1, 20) <= 0 || f->count == FAKE_CONNECTIONS)
			continue;
		fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		c = calloc(1, sizeof(*c));
		c->f = f;
		c->fd = fd;
		f->clients[f->count] = fd;
		pthread_create(&f->threads[f->count++], NULL, fake_serve, c);
	}
	return NULL;
}

static inline void fake_start(struct fake *f,
    void (*serve)(struct fake *f, int fd, const char *request, const char *body))
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/cl-fake-XXXXXX");
	if (!mkdtemp(f->dir))
		abort();
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	memcpy(sa.sun_path, f->path, sizeof(f->path));
	f->serve = serve;
	pthread_mutex_init(&f->lock, NULL);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(f->fd, 64) < 0)
		abort();
	pthread_create(&f->accepter, NULL, fake_accept, f);
}

/* The same on a TCP port of the loopback address, which it returns. */
static inline int fake_start_tcp(struct fake *f,
    void (*serve)(struct fake *f, int fd, const char *request, const char *body))
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);

	memset(f, 0, sizeof(*f));
	f->serve = serve;
	pthread_mutex_init(&f->lock, NULL);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(f->fd, 64) < 0 ||
	    getsockname(f->fd, (struct sockaddr *)&sa, &n) < 0)
		abort();
	pthread_create(&f->accepter, NULL, fake_accept, f);
	return ntohs(sa.sin_port);
}

static inline void fake_stop(struct fake *f)
{
	f->stop = true;
	pthread_join(f->accepter, NULL);
	for (int i = 0; i < f->count; i++)
		shutdown(f->clients[i], SHUT_RDWR);
	for (int i = 0; i < f->count; i++) {
		pthread_join(f->threads[i], NULL);
		close(f->clients[i]);
	}
	close(f->fd);
	if (f->path[0]) {
		unlink(f->path);
		rmdir(f->dir);
	}
}

#endif
