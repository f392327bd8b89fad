/* Unix sockets: see sock.h. */
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

static int address(struct sockaddr_un *sa, const char *path, struct cl_err *err)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (!path[0] || mem_copy_str(sa->sun_path, sizeof(sa->sun_path), path) < 0)
		return err_set(err, CL_USAGE, "socket %s: the path is longer than %zu bytes", path,
		    sizeof(sa->sun_path) - 1);
	return 0;
}

/* Somebody answers at sa?  A socket file whose owner died refuses. */
static bool alive(const struct sockaddr_un *sa, int type)
{
	cl_autoclose int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return true;
	return errno != ECONNREFUSED && errno != ENOENT;
}

int sock_listen(const char *path, int type, mode_t mode, struct cl_err *err)
{
	struct sockaddr_un sa;
	struct stat st;
	mode_t old;
	int fd, rc;

	if (address(&sa, path, err) < 0)
		return -1;
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(err, CL_CONFLICT, "listen on %s: it is not a socket", path);
		if (alive(&sa, type)) {
			err_set(err, CL_CONFLICT, "listen on %s: another process listens there", path);
			return err_hint(err, "Stop it first");
		}
		unlink(path);
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, CL_FAILED, "socket");
	/* Never wider than asked, not even for the moment before chmod. */
	old = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (rc < 0 || listen(fd, SOMAXCONN) < 0) {
		err_errno(err, CL_FAILED, "listen on %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

int sock_connect(const char *path, int type, struct cl_err *err)
{
	struct sockaddr_un sa;
	int fd, rc;

	if (address(&sa, path, err) < 0)
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, CL_FAILED, "socket");
	do
		rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		err_errno(err, errno == EACCES ? CL_FORBIDDEN : CL_UNAVAILABLE, "connect to %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

int sock_dial(const char *path, int type)
{
	struct sockaddr_un sa;
	int fd, rc, why;

	if (address(&sa, path, NULL) < 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	do
		rc = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

int sock_accept(int fd)
{
	int got;

	do
		got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (got < 0 && (errno == EINTR || errno == ECONNABORTED));
	return got;
}

int sock_peer(int fd, uid_t *uid, gid_t *gid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || len != sizeof(cred))
		return -1;
	if (uid)
		*uid = cred.uid;
	if (gid)
		*gid = cred.gid;
	if (pid)
		*pid = cred.pid;
	return 0;
}

int sock_nonblock(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags);
}

int sock_send_fds(int fd, char byte, const int *given, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * SOCK_FDS)];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t sent;

	if (n < 1 || n > SOCK_FDS) {
		errno = EINVAL;
		return -1;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), given, sizeof(int) * n);
	do
		sent = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == 1 ? 0 : -1;
}

int sock_send_fd(int fd, char byte, int given)
{
	return sock_send_fds(fd, byte, &given, 1);
}

int sock_recv_fd(int fd, char *byte, int *given)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	*given = -1;
	if (n < 0 && errno == ENOTSOCK)
		return (int)read(fd, byte, 1);
	/* There is room for one; the kernel closes any more. */
	for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(given, CMSG_DATA(c), sizeof(int));
	return (int)n;
}
