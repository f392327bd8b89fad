/*
 * A connection of `ssh -L` on its last steps: see dial.h.  Only the loopback and the sockets of the
 * container that we run in are dialled; whose that is, the engine decided.
 */
#include "engine/broker/pty/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/broker/pty/hand.h"
#include "engine/broker/pty/take.h"

#define CHUNK (256 << 10)

static char chunk[CHUNK];

static int dial(int family, unsigned short port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	if (fd < 0 || connect(fd, to, family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Port 80 of an instance is the one that its program was told to listen on. */
static int dial_any(unsigned short port)
{
	const char *own = getenv("PORT");
	int fd = dial(AF_INET, port), why = errno;

	if (fd < 0)
		fd = dial(AF_INET6, port);
	if (fd < 0 && port == 80)
		fd = dial(AF_INET, (unsigned short)(own ? strtoul(own, NULL, 10) : 8080));
	errno = why;
	return fd;
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t some = write(fd, p, n);

		if (some < 0 && errno != EINTR)
			return false;
		if (some > 0) {
			p += some;
			n -= (size_t)some;
		}
	}
	return true;
}

/* Everything from one descriptor to the other, until its end.  Not by splice(2): that holds the
 * pipe's lock while it waits for the socket, and the pipe's other end, the connection process, would
 * hang in a read or write that should not block. */
static void carry(int from, int to)
{
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && !write_all(to, chunk, (size_t)n))
			return;
}

/* One process for each way, so that neither waits for the other. */
static int join(int fd)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status;
	pid_t child = fork();

	if (child < 0) {
		perror("codinglab: forwarding: fork");
		return 1;
	}
	if (child == 0) {
		close(1); /* its end is for our parent to tell */
		carry(0, fd);
		shutdown(fd, SHUT_WR);
		_exit(0);
	}
	close(0);
	carry(fd, 1);
	/* Nothing more comes, but the other way may go on: that the far end is gone, writing tells. */
	dup2(null, 1);
	close(fd);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int dial_run(const char *where)
{
	const char *door = getenv(TAKE_VARIABLE);
	unsigned long number = strtoul(where, NULL, 10);
	int fd = -1, why = EINVAL;

	signal(SIGPIPE, SIG_IGN);
	if (where[0] == '/')
		fd = hand_connect(where);
	else if (number > 0 && number < 65536)
		fd = dial_any((unsigned short)number);
	if (fd < 0 && (where[0] == '/' || number))
		why = errno;
	if (door && *door)
		return (fd < 0 ? hand_failure(door, why) : hand_over(door, fd)) < 0 ? HAND_FAILED : fd < 0;
	if (fd < 0) {
		fprintf(stderr, "codinglab: forwarding: %s%s: %s\n", where[0] == '/' ? "" : "port ", where,
		    strerror(why));
		return 1;
	}
	return write_all(1, "+", 1) ? join(fd) : 1;
}
