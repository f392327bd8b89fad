/* Copying a stack's template: see files_template.h. */
#include "engine/broker/files_template.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define FILE_MAX (8u << 20)
#define DEPTH_MAX 16

static const struct spec_var *lookup(const struct spec_vars *v, const char *name, size_t n)
{
	for (size_t i = 0; i < v->n; i++)
		if (strlen(v->items[i].name) == n && memcmp(v->items[i].name, name, n) == 0)
			return &v->items[i];
	return NULL;
}

int files_template_expand(struct buf *out, const char *text, size_t len,
    const struct spec_vars *subst)
{
	const char *end = text + len;

	while (text < end) {
		const char *open = memmem(text, (size_t)(end - text), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;
		const struct spec_var *v = close
		    ? lookup(subst, open + 2, (size_t)(close - open) - 2) : NULL;
		const char *upto = !close ? end : v ? open : open + 1;

		if (buf_add(out, text, (size_t)(upto - text)) < 0)
			return -1;
		text = upto;
		if (!v)
			continue;
		if (buf_add_str(out, v->value) < 0)
			return -1;
		text = close + 2;
	}
	return 0;
}

/* Write what is new; a file that is there already is the user's. */
static int put_file(int dir, const char *name, mode_t mode, const struct buf *b, struct cl_err *err)
{
	cl_autoclose int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    mode & 0111 ? 0770 : 0660);
	size_t at = 0;

	if (fd < 0)
		return errno == EEXIST ? 0 : err_errno(err, CL_FAILED, "%s", name);
	while (at < b->len) {
		ssize_t n = write(fd, b->data + at, b->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_errno(err, CL_FAILED, "%s", name);
			unlinkat(dir, name, 0); /* half a file would be taken for the user's */
			return -1;
		}
		at += (size_t)n;
	}
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st,
    const struct spec_vars *subst, struct cl_err *err)
{
	cl_autofree char *data = NULL;
	struct buf out;
	size_t len;
	int rc;

	data = path_read(from, name, FILE_MAX, &len, err);
	if (!data)
		return -1;
	buf_init(&out, FILE_MAX * 2);
	rc = memchr(data, '\0', len) ? buf_add(&out, data, len)
	    : files_template_expand(&out, data, len, subst);
	if (rc < 0)
		err_set(err, CL_TOO_LARGE, "template file %s: too large", name);
	else
		rc = put_file(to, name, st->st_mode, &out, err);
	buf_clear(&out);
	return rc;
}

static int copy_dir(int from, int to, const struct spec_vars *subst, int depth, struct cl_err *err);

static int copy_entry(int from, int to, const char *name, const struct spec_vars *subst, int depth,
    struct cl_err *err)
{
	cl_autoclose int in = -1, out = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, CL_FAILED, "template %s", name);
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, name, &st, subst, err);
	if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
		return 0;
	if (mkdirat(to, name, 0770) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "%s", name);
	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || out < 0)
		return err_errno(err, CL_FAILED, "%s", name);
	return copy_dir(in, out, subst, depth + 1, err);
}

static int copy_dir(int from, int to, const struct spec_vars *subst, int depth, struct cl_err *err)
{
	int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = list < 0 ? NULL : fdopendir(list);
	struct dirent *e;

	if (!d)
		return err_errno(err, CL_FAILED, "template");
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = copy_entry(from, to, e->d_name, subst, depth, err);
	closedir(d);
	return rc;
}

int files_template_copy(const char *from, const char *to, const struct spec_vars *subst,
    struct cl_err *err)
{
	cl_autoclose int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cl_autoclose int out = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (in < 0)
		return err_errno(err, CL_NOT_FOUND, "template %s", from);
	if (out < 0)
		return err_errno(err, CL_FAILED, "%s", to);
	return copy_dir(in, out, subst, 0, err);
}
