/* Terminals that come out of a container: see exec_pty.h. */
#include "engine/broker/exec_pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sock.h"
#include "engine/broker/docker.h"

#define WAIT_MS 5000
#define SOCKET_WAIT_MS 20000 /* a port to listen at has no other way; what ends is seen at once */
#define PTMX_MAJOR 5
#define PTMX_MINOR 2

int exec_pty_prepare(const struct place *p, const char *name, struct cl_err *err)
{
	char folder[PLACE_PATH];

	place_tty(p, "", folder);
	if (mkdir(folder, 0711) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "making %s", folder);
	place_tty(p, name, folder);
	if (mkdir(folder, 0711) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "making %s", folder);
	/* Not to be listed: a socket's name is known to whom it is for. */
	return chmod(folder, 0711) < 0 ? err_errno(err, CL_FAILED, "opening %s", folder) : 0;
}

static bool has_folder(const json_t *inspect)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(inspect, "Mounts"), i, m)
		if (strcmp(docker_str(m, "Destination"), EXEC_PTY_FOLDER) == 0)
			return true;
	return false;
}

void exec_pty_open(struct exec_pty *t, const struct place *p, const char *name, const json_t *inspect)
{
	char folder[PLACE_PATH];
	uint64_t r;

	t->listener = -1;
	if (!has_folder(inspect) || getrandom(&r, sizeof(r), 0) != sizeof(r))
		return;
	place_tty(p, name, folder);
	snprintf(t->inside, sizeof(t->inside), EXEC_PTY_FOLDER "/%016llx", (unsigned long long)r);
	snprintf(t->path, sizeof(t->path), "%.400s/%016llx", folder, (unsigned long long)r);
	t->listener = sock_listen(t->path, SOCK_STREAM, 0666, NULL);
	if (t->listener < 0)
		log_warn("terminal of %s: no socket in %s; the container engine's serves", name, folder);
}

json_t *exec_pty_argv(const struct exec_pty *t, int rows, int cols, json_t *argv)
{
	char r[16], c[16];
	json_t *all;

	snprintf(r, sizeof(r), "%d", rows > 0 ? rows : 24);
	snprintf(c, sizeof(c), "%d", cols > 0 ? cols : 80);
	all = json_pack("[s, s, s, s]", EXEC_PTY_HELPER, t->inside, r, c);
	json_array_extend(all, argv);
	json_decref(argv);
	return all;
}

/* A pty's master and nothing else: it will be read and written by the user's session. */
static bool is_master(int fd)
{
	struct stat st;
	unsigned number;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == PTMX_MAJOR &&
	    minor(st.st_rdev) == PTMX_MINOR && ioctl(fd, TIOCGPTN, &number) == 0;
}

/* A stream that somebody is at the other end of, or that is listened at. */
static bool is_stream(int fd)
{
	int type = 0, domain = 0;
	socklen_t n = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	    (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX);
}

/* The descriptor of the right kind that came with one byte; others are closed.  In its place there may
 * be the number of an error. */
static int take_one(int sock, bool (*fits)(int fd), int *why)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	unsigned char text[2];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	ssize_t len = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	int found = -1;

	if (len < 1)
		return -1;
	if (len == 2 && text[0] == 'e')
		*why = text[1];
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		size_t n = c->cmsg_type == SCM_RIGHTS ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (found < 0 && fits(fd))
				found = fd;
			else
				close(fd);
		}
	}
	return found;
}

static int wait_for_one(struct exec_pty *t, int stream, int ms, bool (*fits)(int fd), int *why)
{
	int64_t end = clock_ms() + ms;
	int sock = -1, found = -1;

	while (sock < 0) {
		struct pollfd p[2] = {{.fd = t->listener, .events = POLLIN},
		    {.fd = stream, .events = POLLRDHUP}};
		int64_t left = end - clock_ms();

		if (left <= 0 || (poll(p, 2, (int)left) < 0 && errno != EINTR))
			break;
		if (p[0].revents)
			sock = sock_accept(t->listener);
		else if (p[1].revents)
			break;
	}
	if (sock >= 0) {
		struct pollfd p = {.fd = sock, .events = POLLIN};

		if (poll(&p, 1, WAIT_MS) == 1)
			found = take_one(sock, fits, why);
		close(sock);
	}
	exec_pty_close(t);
	return found;
}

int exec_pty_wait(struct exec_pty *t, int stream)
{
	int why = 0;

	return wait_for_one(t, stream, WAIT_MS, is_master, &why);
}

int exec_pty_wait_socket(struct exec_pty *t, int stream, int *why)
{
	*why = 0;
	return wait_for_one(t, stream, SOCKET_WAIT_MS, is_stream, why);
}

void exec_pty_close(struct exec_pty *t)
{
	if (t->listener < 0)
		return;
	close(t->listener);
	unlink(t->path);
	t->listener = -1;
}
