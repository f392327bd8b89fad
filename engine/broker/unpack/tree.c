/* A tree from strangers' names: see tree.h. */
#include "engine/broker/unpack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
#define PART_MAX 255

static int beneath(int root, const char *name, int flags, mode_t mode)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode,
	    .resolve = BENEATH};
	int fd, tries = 0;

	do
		fd = (int)syscall(SYS_openat2, root, name[0] ? name : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 64)));
	return fd;
}

static int refuse(struct cl_err *err, const char *name, const char *why)
{
	return err_set(err, CL_FORBIDDEN, "%.200s: %s", name, why);
}

/* One part of a name into out at *n.  1: nothing to add. */
static int add_part(const char *part, size_t len, char *out, size_t *n)
{
	if (len == 0 || (len == 1 && part[0] == '.'))
		return 1;
	if (*n + len + 2 > UNPACK_PATH)
		return -1;
	if (*n > 0)
		out[(*n)++] = '/';
	memcpy(out + *n, part, len);
	*n += len;
	out[*n] = '\0';
	return 0;
}

int tree_name(const char *name, char *out, struct cl_err *err)
{
	size_t n = 0, len;
	int depth = 0;

	out[0] = '\0';
	if (name[0] == '/')
		return refuse(err, name, "an absolute name leads out of the project");
	if (strlen(name) >= UNPACK_PATH)
		return refuse(err, name, "the name is too long");
	for (const char *p = name; *p; p += len + (p[len] == '/')) {
		len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return refuse(err, name, "\"..\" leads out of the project");
		if (len > PART_MAX)
			return refuse(err, name, "a part of the name is longer than 255 bytes");
		if (add_part(p, len, out, &n) == 0 && ++depth > UNPACK_DEPTH)
			return refuse(err, name, "folders are nested too deeply");
	}
	return 0;
}

int tree_link_check(const char *name, const char *target, struct cl_err *err)
{
	int depth = 0;
	bool inside = false;
	size_t len;

	for (const char *p = name; *p; p++)
		depth += *p == '/';
	if (target[0] == '/' || !target[0])
		return refuse(err, name, "a link that leads out of the project");
	for (const char *p = target; *p; p += len + (p[len] == '/')) {
		len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			if (inside || --depth < 0)
				return refuse(err, name, "a link that leads out of the project");
		} else if (len > 1 || (len == 1 && p[0] != '.')) {
			inside = true;
		}
	}
	return 0;
}

static int count(struct tree *t, struct cl_err *err)
{
	if (++t->files <= t->max.files)
		return 0;
	err_set(err, CL_QUOTA, "more than %d files and folders", t->max.files);
	return err_hint(err, "Leave out what a build makes; an operator raises import.max_files");
}

int tree_grow(struct tree *t, int64_t bytes, struct cl_err *err)
{
	if (bytes >= 0 && bytes <= t->max.bytes - t->bytes) {
		t->bytes += bytes;
		return 0;
	}
	err_set(err, CL_QUOTA, "more than %lld MB when unpacked", (long long)(t->max.bytes >> 20));
	return err_hint(err, "Leave out what a build makes; an operator raises import.max_mb");
}

static int made(const char *name, struct cl_err *err)
{
	if (errno == EEXIST)
		return refuse(err, name, "it is there twice");
	if (errno == ELOOP || errno == EXDEV || errno == ENOTDIR)
		return refuse(err, name, "it lies behind a link or a file");
	if (errno == ENOSPC || errno == EDQUOT)
		return err_errno(err, CL_QUOTA, "%.200s", name);
	return err_errno(err, CL_FAILED, "%.200s", name);
}

/* One folder whose parent is there. */
static int make_dir(struct tree *t, int parent, const char *leaf, const char *name,
    struct cl_err *err)
{
	struct stat st;

	if (mkdirat(parent, leaf, 02770) == 0)
		return count(t, err);
	if (errno != EEXIST)
		return made(name, err);
	if (fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return refuse(err, name, "it lies behind a link or a file");
	return 0;
}

/* Descriptor of the folder that name is in, made with its parents; *leaf is name's last part. */
static int parent_of(struct tree *t, const char *name, const char **leaf, struct cl_err *err)
{
	const char *slash = strrchr(name, '/');
	char dir[UNPACK_PATH];
	int fd;

	*leaf = slash ? slash + 1 : name;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - name) : 0, name);
	fd = beneath(t->root, dir, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : made(name, err);
	if (tree_folder(t, dir, err) < 0)
		return -1;
	fd = beneath(t->root, dir, O_PATH | O_DIRECTORY, 0);
	return fd >= 0 ? fd : made(name, err);
}

int tree_folder(struct tree *t, const char *name, struct cl_err *err)
{
	char part[UNPACK_PATH];

	for (size_t at = 0, len = strlen(name); at < len;) {
		cl_autoclose int parent = -1;
		const char *leaf;

		at += strcspn(name + at, "/");
		snprintf(part, sizeof(part), "%.*s", (int)at, name);
		at++;
		leaf = strrchr(part, '/');
		if (leaf)
			part[leaf - part] = '\0';
		parent = beneath(t->root, leaf ? part : "", O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return made(name, err);
		if (make_dir(t, parent, leaf ? leaf + 1 : part, name, err) < 0)
			return -1;
	}
	return 0;
}

int tree_link(struct tree *t, const char *name, const char *target, struct cl_err *err)
{
	cl_autoclose int parent = -1;
	const char *leaf;

	if (!name[0])
		return refuse(err, ".", "the project cannot be a link");
	if (strlen(target) >= UNPACK_PATH)
		return refuse(err, name, "a link with too long a target");
	if (tree_link_check(name, target, err) < 0 || count(t, err) < 0)
		return -1;
	parent = parent_of(t, name, &leaf, err);
	if (parent < 0)
		return -1;
	return symlinkat(target, parent, leaf) == 0 ? 0 : made(name, err);
}

int tree_file(struct tree *t, const char *name, bool executable, struct cl_err *err)
{
	cl_autoclose int parent = -1;
	const char *leaf;
	int fd;

	if (!name[0])
		return refuse(err, ".", "the project cannot be a file");
	if (count(t, err) < 0 || (parent = parent_of(t, name, &leaf, err)) < 0)
		return -1;
	fd = beneath(parent, leaf, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, executable ? 0770 : 0660);
	return fd >= 0 ? fd : made(name, err);
}

int tree_write(struct tree *t, int fd, const void *data, size_t n, int64_t at, struct cl_err *err)
{
	const char *p = data;

	if (at < 0)
		return err_set(err, CL_FORBIDDEN, "archive: a part of a file has no place");
	while (n > 0) {
		ssize_t done = pwrite(fd, p, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_errno(err, errno == ENOSPC || errno == EDQUOT ? CL_QUOTA : CL_FAILED,
			    "write");
		p += done;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

int tree_copy(struct tree *t, const char *from, const char *name, struct cl_err *err)
{
	cl_autoclose int in = beneath(t->root, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	cl_autoclose int out = -1;
	char data[65536];
	int64_t at = 0;
	struct stat st;
	ssize_t n = 0;

	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
		return refuse(err, name, "a hard link to what is not a file of the archive");
	out = tree_file(t, name, st.st_mode & 0111, err);
	if (out < 0 || tree_grow(t, st.st_size, err) < 0)
		return -1;
	while (at < st.st_size && (n = pread(in, data, sizeof(data), at)) > 0) {
		if (tree_write(t, out, data, (size_t)n, at, err) < 0)
			return -1;
		at += n;
	}
	return n < 0 ? err_errno(err, CL_FAILED, "%.200s", from) : 0;
}

void tree_time(int fd, time_t when)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = when}};

	futimens(fd, times);
}
