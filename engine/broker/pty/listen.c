/* Listening for `ssh -R` and `ssh -A`: see listen.h. */
#include "engine/broker/pty/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/broker/pty/hand.h"
#include "engine/broker/pty/take.h"

#define BACKLOG 16

static int at_port(unsigned short port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	return -1; /* what is open ends with us */
}

/* The mask is set before, so that there is no moment in which others may open it. */
static int at_path(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path));
	umask(0177);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	return -1;
}

/* The path's folder belongs to its user, and nobody else may enter. */
static int own_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[128];
	struct stat st;

	if (!slash || slash == path || (size_t)(slash - path) >= sizeof(folder)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	if ((mkdir(folder, 0700) < 0 && errno != EEXIST) || lstat(folder, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return 0;
	errno = EPERM;
	return -1;
}

static int in_place_of(const char *path)
{
	char next[160];
	int fd, why;

	if (own_folder(path) < 0)
		return -1;
	snprintf(next, sizeof(next), "%s.%ld", path, (long)getpid());
	unlink(next);
	fd = at_path(next);
	if (fd < 0 || rename(next, path) == 0)
		return fd;
	why = errno;
	unlink(next);
	errno = why;
	return -1; /* what is open ends with us */
}

/* It may be another's by now. */
static void remove_own(const char *path, const struct stat *own)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino)
		unlink(path);
}

static void wait_for_the_end(const sigset_t *ends)
{
	int number;

	while (sigwait(ends, &number) != 0)
		;
}

int listen_run(const char *where, bool over)
{
	const char *door = getenv(TAKE_VARIABLE);
	struct stat own = {0};
	int fd, rc;
	sigset_t ends;

	sigemptyset(&ends);
	for (const int *n = (const int[]){SIGHUP, SIGTERM, SIGINT, SIGQUIT, 0}; *n; n++)
		sigaddset(&ends, *n);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	if (!door || !*door) {
		fprintf(stderr, "codinglab: forwarding: only a dev container can be listened in\n");
		return 1;
	}
	fd = over ? in_place_of(where) : where[0] == '/' ? at_path(where) :
	    at_port((unsigned short)strtoul(where, NULL, 10));
	if (fd < 0)
		return hand_failure(door, errno) < 0 ? HAND_FAILED : 1;
	if (where[0] == '/')
		lstat(where, &own);
	rc = hand_over(door, fd);
	close(fd);
	if (rc == 0)
		wait_for_the_end(&ends);
	if (where[0] == '/')
		remove_own(where, &own);
	return rc < 0 ? HAND_FAILED : 0;
}
