/*
 * Pipes of the SSH client's connection as a program's stdin, stdout and stderr: see take.h.  We
 * become the program, so its status and signals are what the container engine sees.
 */
#include "engine/broker/pty/take.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/broker/pty/hand.h"

#define PIPES 3

/* The three descriptors that come with one byte; 0 or -1. */
static int receive(int sock, int fds[PIPES])
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * PIPES)];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int) * PIPES)) {
		errno = n < 0 ? errno : EPROTO;
		return -1;
	}
	memcpy(fds, CMSG_DATA(c), sizeof(int) * PIPES);
	return 0;
}

int take_run(char **argv)
{
	const char *path = getenv(TAKE_VARIABLE);
	int fds[PIPES], sock = path ? hand_connect(path) : -1;

	if (sock < 0 || receive(sock, fds) < 0) {
		fprintf(stderr, "codinglab-pty: no pipes: %s\n", path ? strerror(errno) : "none named");
		return TAKE_FAILED;
	}
	unsetenv(TAKE_VARIABLE);
	for (int i = 0; i < PIPES; i++)
		dup2(fds[i], i); /* they are above 2, as our own 0 to 2 are open */
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
