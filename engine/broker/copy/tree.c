/* Copying a tree: see copy.h.  Everything is read beneath the descriptor of the root. */
#include "engine/broker/copy/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 200
#define CHUNK 65536

void tree_die(const char *what, const char *path)
{
	fprintf(stderr, "COPY: %s: %s\n", path, errno ? strerror(errno) : what);
	exit(1);
}

static void own(const char *path, const struct stat *st, const struct tree_how *how)
{
	mode_t mode = how->has_mode ? how->mode : st->st_mode & 0777;

	if (lchown(path, how->own ? how->uid : st->st_uid, how->own ? how->gid : st->st_gid) < 0)
		tree_die("owner", path);
	if (!S_ISLNK(st->st_mode) && chmod(path, mode) < 0)
		tree_die("mode", path);
}

void tree_folder(const char *dir, const struct tree_how *how)
{
	char path[COPY_PATH];
	size_t n = strlen(dir);

	if (n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		tree_die("", dir);
	}
	memcpy(path, dir, n + 1);
	for (char *p = path + 1; n > 1; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) == 0) {
			if (how->own && chown(path, how->uid, how->gid) < 0)
				tree_die("owner", path);
		} else if (errno != EEXIST) {
			tree_die("", path);
		}
		*p = was;
		if (was == '\0')
			return;
	}
}

/* A new file of these bytes; false when it cannot be one. */
static bool bytes(int in, const char *path)
{
	static char chunk[CHUNK];
	ssize_t n;
	int out;

	if (unlink(path) < 0 && errno != ENOENT) {
		if (errno == EBUSY) /* the platform has mounted something there */
			return false;
		tree_die("", path);
	}
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		tree_die("", path);
	while ((n = read(in, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			tree_die("", path);
		for (ssize_t at = 0, w; at < n; at += w)
			if ((w = write(out, chunk + at, (size_t)(n - at))) < 0)
				tree_die("", path);
	}
	if (close(out) < 0)
		tree_die("", path);
	return true;
}

static void entry(int dir, const char *name, const char *rel, const char *dest, int depth,
    const struct tree_how *how);

/* What is in the open folder (taken) into dest. */
static void folder(int fd, const char *rel, const char *dest, int depth, const struct tree_how *how)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d || depth > DEPTH) {
		errno = d ? ELOOP : errno;
		tree_die("", rel);
	}
	while ((e = readdir(d)) != NULL) {
		char r[COPY_PATH], to[COPY_PATH];
		int n, m;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n = snprintf(r, sizeof(r), "%s%s%s", rel, *rel ? "/" : "", e->d_name);
		m = snprintf(to, sizeof(to), "%s/%s", dest, e->d_name);
		if (n >= COPY_PATH || m >= COPY_PATH) {
			errno = ENAMETOOLONG;
			tree_die("", rel);
		}
		entry(dirfd(d), e->d_name, r, to, depth, how);
	}
	closedir(d);
}

static void file(int dir, const char *name, const struct stat *st, const char *dest,
    const struct tree_how *how)
{
	int in = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (in < 0)
		tree_die("", name);
	if (bytes(in, dest))
		own(dest, st, how);
	close(in);
}

static void symbolic(int dir, const char *name, const struct stat *st, const char *dest,
    const struct tree_how *how)
{
	char target[COPY_PATH];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		tree_die("", name);
	target[n] = '\0';
	if ((unlink(dest) < 0 && errno != ENOENT) || symlink(target, dest) < 0)
		tree_die("", dest);
	own(dest, st, how);
}

static void entry(int dir, const char *name, const char *rel, const char *dest, int depth,
    const struct tree_how *how)
{
	bool skip = how->ignore && ignore_skips(rel);
	struct stat st, there;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		tree_die("", rel);
	if (skip && (!S_ISDIR(st.st_mode) || !ignore_has_exceptions()))
		return;
	/* Of a whole image: not what is mounted into it. */
	if (S_ISDIR(st.st_mode) ? fstat(dir, &there) == 0 && there.st_dev != st.st_dev
	    : strncmp(rel, "run/codinglab-", 14) == 0)
		return;
	if (S_ISREG(st.st_mode)) {
		file(dir, name, &st, dest, how);
	} else if (S_ISLNK(st.st_mode)) {
		symbolic(dir, name, &st, dest, how);
	} else if (S_ISDIR(st.st_mode)) {
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			tree_die("", rel);
		if (!skip && (stat(dest, &there) < 0 || !S_ISDIR(there.st_mode))) {
			tree_folder(dest, how);
			own(dest, &st, how);
		}
		folder(fd, rel, dest, depth + 1, how);
	}
	/* Pipes, sockets and devices are nobody's sources. */
}

void tree_copy(int root, const char *rel, const char *dest, const struct tree_how *how)
{
	struct open_how in = {.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT |
	    RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, *rel ? rel : ".", &in, sizeof(in));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		tree_die("", *rel ? rel : ".");
	if (S_ISDIR(st.st_mode)) {
		tree_folder(dest, how);
		folder(fd, rel, dest, 0, how);
		return;
	}
	if (!S_ISREG(st.st_mode)) {
		errno = 0;
		tree_die("is no file and no folder", rel);
	}
	if (bytes(fd, dest))
		own(dest, &st, how);
	close(fd);
}
