/*
 * Files beneath a directory descriptor: see path.h.  The kernel resolves every name once and
 * refuses to leave the root (openat2); what was opened is then judged by fstat, never by name.
 */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#define PATH_FOLLOW (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
#define PATH_STRICT (PATH_FOLLOW | RESOLVE_NO_SYMLINKS)
#define PATH_DEPTH_MAX 2000
#define PATH_TEMP_PREFIX ".codinglab-save-"

static int open_beneath(int root, const char *name, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
	    .flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};
	int fd, tries = 0;

	/* EAGAIN: a rename raced with the walk and the kernel could not be sure; ask again. */
	do
		fd = (int)syscall(SYS_openat2, root, name[0] ? name : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 64)));
	return fd;
}

/* The failure of a call on name, in the words of path.h. */
static int fail(struct cl_err *err, const char *name)
{
	switch (errno) {
	case EXDEV:
	case ELOOP:
		return err_set(err, CL_FORBIDDEN, "%s: outside the project", name);
	case ENOENT:
	case ENOTDIR:
		return err_errno(err, CL_NOT_FOUND, "%s", name);
	case EACCES:
	case EPERM:
		return err_errno(err, CL_FORBIDDEN, "%s", name);
	case EEXIST:
	case ENOTEMPTY:
		return err_errno(err, CL_CONFLICT, "%s", name);
	case EISDIR:
		return err_set(err, CL_PRECONDITION, "%s: not a regular file", name);
	case ENXIO:
	case ENODEV:
		return err_set(err, CL_PRECONDITION, "%s: not a regular file", name);
	case ENAMETOOLONG:
	case EINVAL:
		return err_errno(err, CL_USAGE, "%s", name);
	default:
		return err_errno(err, CL_FAILED, "%s", name);
	}
}

int path_root(const char *dir, struct cl_err *err)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? fail(err, dir) : fd;
}

int path_open_read(int root, const char *name, struct stat *st, struct cl_err *err)
{
	struct stat own;
	int fd;

	fd = open_beneath(root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, PATH_FOLLOW);
	if (fd < 0)
		return fail(err, name);
	st = st ? st : &own;
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
		close(fd);
		return err_set(err, CL_PRECONDITION, "%s: not a regular file", name);
	}
	return fd;
}

int path_open_dir(int root, const char *name, struct cl_err *err)
{
	int fd = open_beneath(root, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, PATH_FOLLOW);

	return fd < 0 ? fail(err, name) : fd;
}

int path_stat(int root, const char *name, struct stat *st, struct cl_err *err)
{
	cl_autoclose int fd = open_beneath(root, name, O_PATH | O_NOFOLLOW, 0, PATH_FOLLOW);

	if (fd < 0 || fstat(fd, st) < 0)
		return fail(err, name);
	return 0;
}

/*
 * The directory of name, opened without following any link, and its last part.  The root itself
 * has no parent here: "", ".", ".." and names ending in them are refused.
 */
static int open_parent(int root, const char *name, char leaf[256], struct cl_err *err)
{
	cl_autofree char *dir = NULL;
	const char *slash;
	size_t n = strlen(name);
	int fd;

	while (n && name[n - 1] == '/')
		n--;
	slash = memrchr(name, '/', n);
	dir = slash ? mem_strndup(name, slash == name ? 1 : (size_t)(slash - name)) : mem_strdup(".");
	if (slash)
		n -= (size_t)(slash + 1 - name);
	if (n == 0 || n > 255) {
		errno = n ? ENAMETOOLONG : EINVAL;
		return fail(err, name);
	}
	memcpy(leaf, slash ? slash + 1 : name, n);
	leaf[n] = '\0';
	if (strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0)
		return err_set(err, CL_FORBIDDEN, "%s: outside the project", name);
	fd = open_beneath(root, dir, O_RDONLY | O_DIRECTORY, 0, PATH_STRICT);
	return fd < 0 ? fail(err, name) : fd;
}

/* Look at the target once more, just before it is replaced: it may be a link by now. */
static int check_target(int dir, const char *leaf, struct stat *st, struct cl_err *err)
{
	if (fstatat(dir, leaf, st, AT_SYMLINK_NOFOLLOW) < 0) {
		memset(st, 0, sizeof(*st));
		return errno == ENOENT ? 0 : fail(err, leaf);
	}
	if (S_ISLNK(st->st_mode))
		return err_set(err, CL_FORBIDDEN, "%s: outside the project (a symbolic link)", leaf);
	if (!S_ISREG(st->st_mode))
		return err_set(err, CL_PRECONDITION, "%s: not a regular file", leaf);
	if (st->st_nlink > 1)
		return err_set(err, CL_FORBIDDEN, "%s: has %u hard links; not written", leaf,
		    (unsigned)st->st_nlink);
	return 0;
}

static void random_name(char *out, size_t size)
{
	uint64_t r;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)getpid();
	snprintf(out, size, PATH_TEMP_PREFIX "%016llx", (unsigned long long)r);
}

int path_save_begin(struct path_save *s, int root, const char *name, struct cl_err *err)
{
	struct stat st;
	mode_t mode;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->dir = open_parent(root, name, s->leaf, err);
	if (s->dir < 0)
		return -1;
	if (check_target(s->dir, s->leaf, &st, err) < 0) {
		path_save_abort(s);
		return -1;
	}
	/* A file that its user may not write is not to be replaced either. */
	if (st.st_mode && faccessat(s->dir, s->leaf, W_OK, AT_EACCESS) < 0) {
		fail(err, name);
		path_save_abort(s);
		return -1;
	}
	mode = st.st_mode ? st.st_mode & 07777 : 0666;
	random_name(s->temp, sizeof(s->temp));
	s->fd = openat(s->dir, s->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    st.st_mode ? 0600 : mode);
	if (s->fd < 0) {
		s->temp[0] = '\0';
		fail(err, name);
		path_save_abort(s);
		return -1;
	}
	/* Held until the descriptor closes, however that comes: path_save_sweep() asks for it. */
	flock(s->fd, LOCK_EX | LOCK_NB);
	if (!st.st_mode)
		return 0;
	/* Group first: chown clears set-id bits that chmod then restores. What is not permitted
	 * (another's group) is left as the directory gives it. */
	if (fchown(s->fd, (uid_t)-1, st.st_gid) < 0)
		mode &= ~(mode_t)06000;
	if (fchown(s->fd, st.st_uid, (gid_t)-1) < 0 && st.st_uid != geteuid())
		mode &= ~(mode_t)06000;
	if (fchmod(s->fd, mode) < 0) {
		fail(err, name);
		path_save_abort(s);
		return -1;
	}
	return 0;
}

int path_save_commit(struct path_save *s, struct stat *st, struct cl_err *err)
{
	struct stat now, own;

	st = st ? st : &own;
	if (fsync(s->fd) < 0 || fstat(s->fd, st) < 0) {
		err_errno(err, CL_FAILED, "save %s", s->leaf);
		path_save_abort(s);
		return -1;
	}
	if (check_target(s->dir, s->leaf, &now, err) < 0) {
		path_save_abort(s);
		return -1;
	}
	if (renameat(s->dir, s->temp, s->dir, s->leaf) < 0) {
		err_errno(err, CL_FAILED, "save %s", s->leaf);
		path_save_abort(s);
		return -1;
	}
	s->temp[0] = '\0';
	/* The new file is in place; a directory that cannot be synced is a warning at most. */
	fsync(s->dir);
	fstat(s->fd, st);
	path_save_abort(s);
	return 0;
}

void path_save_abort(struct path_save *s)
{
	if (s->temp[0] && s->dir >= 0)
		unlinkat(s->dir, s->temp, 0);
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir >= 0)
		close(s->dir);
	s->fd = s->dir = -1;
	s->temp[0] = '\0';
}

/* A temp whose saver is gone: nobody holds its lock. */
static bool abandoned(int dir, const char *name)
{
	cl_autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

int path_save_sweep(int root, const char *name)
{
	size_t prefix = strlen(PATH_TEMP_PREFIX);
	char leaf[256];
	struct dirent *e;
	int dir, n = 0;
	DIR *d;

	dir = open_parent(root, name, leaf, NULL);
	d = dir < 0 ? NULL : fdopendir(dir);
	if (!d) {
		if (dir >= 0)
			close(dir);
		return 0;
	}
	while ((e = readdir(d)))
		if (strncmp(e->d_name, PATH_TEMP_PREFIX, prefix) == 0 &&
		    strlen(e->d_name) == prefix + 16 && abandoned(dirfd(d), e->d_name) &&
		    unlinkat(dirfd(d), e->d_name, 0) == 0)
			n++;
	closedir(d);
	return n;
}

int path_create(int root, const char *name, struct cl_err *err)
{
	char leaf[256];
	cl_autoclose int dir = open_parent(root, name, leaf, err);
	cl_autoclose int fd = -1;

	if (dir < 0)
		return -1;
	fd = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	return fd < 0 ? fail(err, name) : 0;
}

int path_open_new(int root, const char *name, mode_t mode, struct cl_err *err)
{
	char leaf[256];
	cl_autoclose int dir = open_parent(root, name, leaf, err);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return fd < 0 ? fail(err, name) : fd;
}

int path_symlink(int root, const char *name, const char *target, struct cl_err *err)
{
	char leaf[256];
	cl_autoclose int dir = open_parent(root, name, leaf, err);

	if (dir < 0)
		return -1;
	return symlinkat(target, dir, leaf) < 0 ? fail(err, name) : 0;
}

int path_mkdir(int root, const char *name, struct cl_err *err)
{
	char leaf[256];
	cl_autoclose int dir = open_parent(root, name, leaf, err);

	if (dir < 0)
		return -1;
	return mkdirat(dir, leaf, 0777) < 0 ? fail(err, name) : 0;
}

int path_rename(int root, const char *from, const char *to, struct cl_err *err)
{
	char a[256], b[256];
	cl_autoclose int da = open_parent(root, from, a, err);
	cl_autoclose int db = da < 0 ? -1 : open_parent(root, to, b, err);

	if (da < 0 || db < 0)
		return -1;
	if (renameat2(da, a, db, b, RENAME_NOREPLACE) < 0)
		return fail(err, errno == EEXIST ? to : from);
	return 0;
}

/*
 * Remove the tree leaf in dir without recursion: a stack of open directories, so that no link
 * planted meanwhile is ever followed.  Descriptors bound the depth.
 */
static int remove_tree(int dir, const char *leaf, struct cl_err *err)
{
	struct level {
		DIR *d;
		char name[256];
	} *stack = mem_array(PATH_DEPTH_MAX, sizeof(*stack));
	int depth = 0, rc = 0, fd, at;
	struct dirent *e;

	mem_copy_str(stack[0].name, sizeof(stack[0].name), leaf);
	fd = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	stack[0].d = fd < 0 ? NULL : fdopendir(fd);
	if (!stack[0].d)
		rc = fail(err, leaf), depth = -1;
	while (rc == 0 && depth >= 0) {
		e = readdir(stack[depth].d);
		if (!e) {
			closedir(stack[depth].d);
			at = depth ? dirfd(stack[depth - 1].d) : dir;
			if (unlinkat(at, stack[depth].name, AT_REMOVEDIR) < 0)
				rc = fail(err, stack[depth].name);
			depth--;
			continue;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		at = dirfd(stack[depth].d);
		if (unlinkat(at, e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			rc = fail(err, e->d_name);
			break;
		}
		fd = depth + 1 < PATH_DEPTH_MAX
		    ? openat(at, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
		if (fd < 0) {
			rc = fail(err, e->d_name);
			break;
		}
		mem_copy_str(stack[++depth].name, sizeof(stack->name), e->d_name);
		stack[depth].d = fdopendir(fd);
	}
	while (depth >= 0)
		closedir(stack[depth--].d);
	mem_free(stack);
	return rc;
}

int path_remove(int root, const char *name, struct cl_err *err)
{
	char leaf[256];
	cl_autoclose int dir = open_parent(root, name, leaf, err);
	struct stat st;

	if (dir < 0)
		return -1;
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(err, name);
	if (S_ISDIR(st.st_mode))
		return remove_tree(dir, leaf, err);
	return unlinkat(dir, leaf, 0) < 0 ? fail(err, name) : 0;
}

char *path_read(int root, const char *name, size_t max, size_t *len, struct cl_err *err)
{
	struct stat st;
	cl_autoclose int fd = path_open_read(root, name, &st, err);
	cl_autofree char *data = NULL;
	size_t at = 0, cap;
	ssize_t n;
	char *out;

	if (fd < 0)
		return NULL;
	if (st.st_size > 0 && (uint64_t)st.st_size > max) {
		err_set(err, CL_TOO_LARGE, "%s: larger than %zu bytes", name, max);
		return NULL;
	}
	/* One byte more than it should have, to notice a file that grows while it is read. */
	cap = (size_t)st.st_size + 1;
	data = mem_alloc(cap + 1);
	while ((n = read(fd, data + at, cap - at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_errno(err, CL_FAILED, "%s", name);
			return NULL;
		}
		at += (size_t)n;
		if (at > max) {
			err_set(err, CL_TOO_LARGE, "%s: larger than %zu bytes", name, max);
			return NULL;
		}
		if (at == cap) {
			cap = cap * 2 < max + 1 ? cap * 2 : max + 1;
			data = mem_resize(data, cap + 1, 1);
		}
	}
	data[at] = '\0';
	if (len)
		*len = at;
	out = data;
	data = NULL;
	return out;
}
