/*
 * codinglab-net: the way from a container to the platform's package proxy.  It runs a program with
 * 127.0.0.1:3128 of the container joined to a unix socket that is mounted into it, so the container
 * needs no network for that, and shares none.  The broker puts it before the container's command; it
 * is linked statically, since it must run in any image.
 *
 *   codinglab-net SOCKET PROGRAM [ARGUMENT...]
 *
 * The port listens before the program starts.  A process of its own, nobody's child, carries the
 * bytes of all connections with one buffer for each direction; it lives as long as the container.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 3128
#define JOINTS 128 /* connections at a time; more wait in the listener's queue */
#define CHUNK 16384

struct way { /* bytes read from one end and not yet written to the other */
	char data[CHUNK];
	size_t from, to;
	bool ended; /* the one end has nothing more to say, and the other was told */
};

struct joint {
	int fd[2]; /* [0] the program's, [1] the proxy's; -1 = a free place */
	struct way way[2];
};

static struct joint joints[JOINTS];

static int listen_here(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 128) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(at.sun_path)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static struct joint *free_joint(void)
{
	for (size_t i = 0; i < JOINTS; i++)
		if (joints[i].fd[0] < 0)
			return &joints[i];
	return NULL;
}

static void join(int listener, const char *path)
{
	struct joint *j = free_joint();
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), other;

	if (fd < 0)
		return;
	other = dial(path);
	if (other < 0) {
		close(fd); /* the proxy is away: the program sees its connection end */
		return;
	}
	j->fd[0] = fd;
	j->fd[1] = other;
	j->way[0].from = j->way[0].to = j->way[1].from = j->way[1].to = 0;
	j->way[0].ended = j->way[1].ended = false;
}

static void part(struct joint *j)
{
	close(j->fd[0]);
	close(j->fd[1]);
	j->fd[0] = j->fd[1] = -1;
}

static bool again(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Bytes from fd[i] to the other end, as far as neither blocks.  -1 = the connection is over. */
static int carry(struct joint *j, int i)
{
	struct way *w = &j->way[i];
	ssize_t n;

	if (w->from == w->to && !w->ended) {
		n = read(j->fd[i], w->data, sizeof(w->data));
		if (n < 0)
			return again(n) ? 0 : -1;
		w->from = 0;
		w->to = (size_t)n;
		if (n == 0) {
			w->ended = true;
			shutdown(j->fd[1 - i], SHUT_WR);
		}
	}
	if (w->from < w->to) {
		n = write(j->fd[1 - i], w->data + w->from, w->to - w->from);
		if (n < 0)
			return again(n) ? 0 : -1;
		w->from += (size_t)n;
	}
	return j->way[0].ended && j->way[1].ended ? -1 : 0;
}

/* What to wait for at end i: bytes to read when this way is empty, room when the other is not. */
static short events(const struct joint *j, int i)
{
	const struct way *in = &j->way[i], *out = &j->way[1 - i];

	return (short)((in->from == in->to && !in->ended ? POLLIN : 0) |
	    (out->from < out->to ? POLLOUT : 0));
}

/* The end i takes nothing any more: what was meant for it is dropped. */
static int give_up(struct joint *j, int i)
{
	struct way *out = &j->way[1 - i];

	out->from = out->to = 0;
	out->ended = true;
	return j->way[i].ended ? -1 : 0;
}

static void look(struct joint *j, const struct pollfd *p)
{
	for (int i = 0; i < 2; i++) {
		bool gone = (p[i].revents & POLLHUP) && !(p[i].events & POLLIN);

		if ((p[i].revents & (POLLERR | POLLNVAL)) || (gone && give_up(j, i) < 0)) {
			part(j);
			return;
		}
	}
	for (int i = 0; i < 2; i++)
		if ((p[i].revents & (POLLIN | POLLHUP)) || (p[1 - i].revents & POLLOUT))
			if (carry(j, i) < 0) {
				part(j);
				return;
			}
}

static void relay(int listener, const char *path) __attribute__((noreturn));

static void relay(int listener, const char *path)
{
	static struct pollfd p[1 + 2 * JOINTS];
	static struct joint *of[JOINTS];

	for (size_t i = 0; i < JOINTS; i++)
		joints[i].fd[0] = joints[i].fd[1] = -1;
	for (;;) {
		nfds_t n = 1;

		p[0] = (struct pollfd){.fd = free_joint() ? listener : -1, .events = POLLIN};
		for (size_t i = 0; i < JOINTS; i++) {
			if (joints[i].fd[0] < 0)
				continue;
			of[n / 2] = &joints[i];
			for (int end = 0; end < 2; end++, n++) {
				p[n].events = events(&joints[i], end);
				/* One that nothing is waited for from would tell its hang-up for ever. */
				p[n].fd = p[n].events ? joints[i].fd[end] : -1;
				p[n].revents = 0;
			}
		}
		if (poll(p, n, -1) < 0)
			continue;
		for (nfds_t i = 1; i < n; i += 2)
			look(of[i / 2], &p[i]);
		if (p[0].revents)
			join(listener, path);
	}
}

/* A grandchild in a session of its own: whoever reaps it, it is not the program. */
static void start(int listener, const char *path)
{
	pid_t pid = fork();
	int null;

	if (pid < 0 || (pid > 0 && waitpid(pid, NULL, 0) >= 0))
		return;
	setsid();
	if (fork() != 0)
		_exit(0);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "codinglab-net");
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	relay(listener, path);
}

int main(int argc, char **argv)
{
	int listener;

	if (argc < 3) {
		fprintf(stderr, "usage: codinglab-net SOCKET PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	listener = listen_here();
	if (listener < 0)
		fprintf(stderr, "codinglab-net: port %d: %s; the package proxy is not reached\n", PORT,
		    strerror(errno));
	else
		start(listener, argv[1]);
	execvp(argv[2], argv + 2);
	fprintf(stderr, "codinglab-net: %s: %s\n", argv[2], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
