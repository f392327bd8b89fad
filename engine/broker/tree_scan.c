/* Reading the files of a project for a save: see tree_scan.h. */
#include "engine/broker/tree_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK 262144
#define DEPTH_MAX 200
#define TRIES 3

static int scan_folder(struct tree_scan *s, int dir, char *path, int depth, struct cl_err *err);

/* "work/src/x" is known to its people as src/x. */
static const char *shown(const char *path)
{
	return strncmp(path, "work/", 5) == 0 ? path + 5 : path;
}

static int unreadable(const char *path, struct cl_err *err)
{
	int no = errno;

	err_errno(err, no == EACCES ? CL_FORBIDDEN : CL_FAILED, "save: %s", shown(path));
	if (no == EACCES)
		err_hint(err, "Its owner alone may read it: chmod g+r makes it the project's, or "
		    "move it elsewhere");
	return -1;
}

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int check_room(const struct tree_scan *s, const char *path, int64_t size, struct cl_err *err)
{
	if (size <= s->max_bytes - s->tree.bytes)
		return 0;
	err_set(err, CL_QUOTA, "save: %s: with its %lld MB the files are more than the %lld MB a save "
	    "may have", shown(path), (long long)(size >> 20), (long long)(s->max_bytes >> 20));
	return err_hint(err, "Remove what can be made again (a build folder, a virtual environment); an "
	    "admin may raise saves.size_mb");
}

/* Once through the file: its hash and, copied into the spool, its bytes.  The size or -1. */
static int64_t copy_once(struct tree_scan *s, int fd, const char *path, char hash[TREE_HASH],
    struct cl_err *err)
{
	cl_autofree char *chunk = mem_alloc(CHUNK);
	struct tree_digest d;
	int64_t size = 0;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0 || lseek(s->spool, 0, SEEK_SET) < 0 ||
	    ftruncate(s->spool, 0) < 0)
		return err_errno(err, CL_FAILED, "save: %s", shown(path));
	tree_digest_begin(&d);
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return unreadable(path, err);
		size += n;
		if (check_room(s, path, size, err) < 0)
			return -1;
		tree_digest_add(&d, chunk, (size_t)n);
		if (write(s->spool, chunk, (size_t)n) != n)
			return err_errno(err, CL_FAILED, "save: %s: copying it", shown(path));
	}
	tree_digest_end(&d, hash);
	return size;
}

static bool still(const struct stat *a, const struct stat *b, int64_t size)
{
	return a->st_size == b->st_size && b->st_size == size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int put_object(struct tree_scan *s, const char *hash, int64_t size, struct cl_err *err)
{
	char name[16 + TREE_HASH];
	struct tarball_entry e = {.name = name, .type = 'f', .mode = 0400, .size = size};

	if (tree_set_has(&s->known, hash))
		return 0;
	tree_set_add(&s->known, hash);
	if (!s->out)
		return 0;
	snprintf(name, sizeof(name), "objects/%s", hash);
	s->written += size;
	if (lseek(s->spool, 0, SEEK_SET) < 0)
		return err_errno(err, CL_FAILED, "save");
	return tarball_put_fd(s->out, &e, s->spool, err);
}

static int scan_file(struct tree_scan *s, int fd, struct stat *st, const char *path,
    struct cl_err *err)
{
	struct tree_entry *e;
	char hash[TREE_HASH];
	struct stat after;
	int64_t size = 0;

	if (check_room(s, path, st->st_size, err) < 0)
		return -1;
	for (int i = 0; i < TRIES; i++) {
		size = copy_once(s, fd, path, hash, err);
		if (size < 0 || fstat(fd, &after) < 0)
			return -1;
		if (still(st, &after, size))
			break;
		*st = after;
	}
	if (put_object(s, hash, size, err) < 0)
		return -1;
	e = tree_add(&s->tree, 'f', path);
	e->mode = st->st_mode & 0777;
	e->size = size;
	e->mtime = mtime_of(st);
	memcpy(e->hash, hash, sizeof(hash));
	s->tree.files++;
	s->tree.bytes += size;
	return 0;
}

static int scan_link(struct tree_scan *s, int dir, const char *name, const char *path,
    struct cl_err *err)
{
	char target[TREE_PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	struct tree_entry *e;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : unreadable(path, err);
	if (n == 0)
		return 0;
	target[n] = '\0';
	e = tree_add(&s->tree, 'l', path);
	e->mode = 0777;
	e->target = mem_strdup(target);
	s->tree.files++;
	return 0;
}

static void leave_out(const struct tree_scan *s, const char *path, mode_t mode)
{
	if (s->left_out)
		s->left_out(s->arg, shown(path), S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" :
		    "a device");
}

/* A name in dir: path is its whole path. */
static int scan_name(struct tree_scan *s, int dir, const char *name, char *path, int depth,
    struct cl_err *err)
{
	cl_autoclose int fd = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : unreadable(path, err); /* gone meanwhile */
	if (S_ISLNK(st.st_mode))
		return scan_link(s, dir, name, path, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		leave_out(s, path, st.st_mode);
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : unreadable(path, err);
	/* It is what was opened that counts, not what was looked at. */
	if (fstat(fd, &st) < 0)
		return unreadable(path, err);
	if (S_ISDIR(st.st_mode))
		return scan_folder(s, fd, path, depth + 1, err);
	if (S_ISREG(st.st_mode))
		return scan_file(s, fd, &st, path, err);
	leave_out(s, path, st.st_mode);
	return 0;
}

static int scan_next(struct tree_scan *s, DIR *d, const char *name, char *path, int depth,
    struct cl_err *err)
{
	size_t len = strlen(path), n = strlen(name);
	int rc;

	if (len + 1 + n >= TREE_PATH_MAX)
		return err_set(err, CL_PRECONDITION, "save: %.200s...: a path of more than %d bytes",
		    shown(path), TREE_PATH_MAX);
	path[len] = '/';
	memcpy(path + len + 1, name, n + 1);
	rc = scan_name(s, dirfd(d), name, path, depth, err);
	path[len] = '\0';
	return rc;
}

static int scan_folder(struct tree_scan *s, int dir, char *path, int depth, struct cl_err *err)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d || fstat(dir, &st) < 0)
		return unreadable(path, err);
	if (strchr(path, '/'))
		tree_add(&s->tree, 'd', path)->mode = st.st_mode & 0777;
	if (depth > DEPTH_MAX)
		rc = err_set(err, CL_PRECONDITION, "save: %.200s...: more than %d folders deep",
		    shown(path), DEPTH_MAX);
	while (rc == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((int64_t)s->tree.n >= s->max_files)
			rc = err_set(err, CL_QUOTA, "save: more than %lld files", (long long)s->max_files);
		else
			rc = scan_next(s, d, e->d_name, path, depth, err);
	}
	closedir(d);
	return rc;
}

int tree_scan_add(struct tree_scan *s, int dir, const char *prefix, struct cl_err *err)
{
	cl_autofree char *path = mem_alloc(TREE_PATH_MAX);

	mem_copy_str(path, TREE_PATH_MAX, prefix);
	return scan_folder(s, dir, path, 0, err);
}

void tree_scan_clear(struct tree_scan *s)
{
	tree_clear(&s->tree);
	tree_set_clear(&s->known);
}
