/*
 * Descriptors for the runtime broker: see hand.h.  One message: 'm' with a descriptor, or 'e' and
 * the number of an error, which is all that the broker takes from inside a container.
 */
#include "engine/broker/pty/hand.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int hand_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), why;

	if (fd < 0)
		return -1;
	if (strlen(path) < sizeof(a.sun_path)) {
		memcpy(a.sun_path, path, strlen(path));
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		why = errno;
	} else {
		why = ENAMETOOLONG;
	}
	close(fd);
	errno = why;
	return -1;
}

static int say(const char *path, struct msghdr *m, ssize_t len)
{
	int fd = hand_connect(path), rc;

	if (fd < 0)
		return -1;
	rc = sendmsg(fd, m, MSG_NOSIGNAL) == len ? 0 : -1;
	close(fd);
	return rc;
}

int hand_over(const char *path, int given)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char byte = 'm';
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &given, sizeof(int));
	return say(path, &m, 1);
}

int hand_failure(const char *path, int why)
{
	unsigned char text[2] = {'e', (unsigned char)why};
	struct iovec iov = {text, sizeof(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	return say(path, &m, sizeof(text));
}
