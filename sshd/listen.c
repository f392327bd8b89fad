/* Listening and admission: see listen.h.  Nothing of what a client sends is read here. */
#include "sshd/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/addr.h"
#include "sshd/gate.h"
#include "sshd/peer.h"
#include "sshd/penalty.h"
#include "sshd/room.h"

#define LISTEN_BACKLOG 1024 /* of the kernel: those it drops wait seconds to try again */
#define LISTEN_PAUSE_MS 500
#define LISTEN_BATCH 16 /* accepted in one turn of the loop */

static int open_one(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	int error;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int listen_open(struct listen *l, const char *host, int port, struct cl_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	char service[8];
	int rc, error = 0;

	memset(l, 0, sizeof(*l));
	snprintf(service, sizeof(service), "%d", port);
	rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, &list);
	if (rc != 0)
		return err_set(err, CL_USAGE, "listen on %s: %s", host, gai_strerror(rc));
	for (const struct addrinfo *ai = list; ai && l->n < LISTEN_MAX; ai = ai->ai_next) {
		int fd = open_one(ai);

		if (fd >= 0)
			l->fds[l->n++] = fd;
		else
			error = errno;
	}
	freeaddrinfo(list);
	if (l->n)
		return 0;
	errno = error;
	err_errno(err, error == EADDRINUSE ? CL_CONFLICT : CL_FAILED, "listen on %s port %d", host, port);
	return err_hint(err, "Choose another port with --sshd-port");
}

void listen_close(struct listen *l)
{
	for (int i = 0; i < l->n; i++)
		close(l->fds[i]);
	l->n = 0;
}

/* Why this source may not come in now; NULL = it may. */
static const char *refusal(struct gateway *g, const struct addr *a)
{
	uint32_t random = 0;

	if (addr_listed(a, g->exempt))
		return NULL;
	if (penalty_left(g->penalties, a, clock_ms()) > 0)
		return "Not allowed at this time";
	if (peer_unproven(g, a) >= g->per_source)
		return "Too many open logins from your address";
	if (room_near(g, a) == 0)
		return peer_unproven(g, NULL) < g->max_startups || room_make(g) ? NULL :
		    "Too many open logins";
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)clock_us();
	if (gate_drop(g->max_startups, peer_unproven(g, NULL), random))
		return "Too many open logins";
	return NULL;
}

/* RFC 4253 4.2 lets a server say lines before its version; the kernel's buffer takes it at once. */
static void say_no(int fd, const char *why)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "%s\r\n", why);

	if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("refused a client that is gone already");
}

static void tune(int fd)
{
	int on = 1, idle = 30, interval = 15, count = 3, user_ms = 75000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof(user_ms));
}

static void pause_accepting(struct listen *l, const char *why)
{
	if (!l->paused)
		log_warn("not accepting for a moment: %s", why);
	l->paused = true;
	l->resume_at = clock_ms() + LISTEN_PAUSE_MS;
}

void listen_accept(struct listen *l, int fd, struct gateway *g)
{
	for (int i = 0; i < LISTEN_BATCH; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		cl_autoclose int tcp = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);
		struct cl_err err = {0};
		struct addr a;
		const char *why;

		if (tcp < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				pause_accepting(l, strerror(errno));
			return;
		}
		addr_set(&a, (struct sockaddr *)&ss);
		why = refusal(g, &a);
		if (why) {
			log_info("refused %s: %s", a.text, why);
			say_no(tcp, why);
			continue;
		}
		tune(tcp);
		if (!peer_start(g, tcp, &a, &err)) {
			pause_accepting(l, err.message);
			return;
		}
	}
}
