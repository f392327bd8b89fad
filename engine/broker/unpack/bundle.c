/*
 * Packing: see bundle.h.  The workspace may change meanwhile: a file is opened once, and what is
 * written is as long as it was then (zeros where it got shorter).
 */
#include "engine/broker/unpack/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/unpack/tree.h"

#define EXTRA_MAX (4 << 20)
#define CHUNK 65536

struct packing {
	const struct bundle *b;
	struct archive *a;
	struct unpack_result *r;
	struct tree count;       /* only its counters serve */
	char top[128];           /* where the workspace goes: "shop/app/" */
	int left_out;
};

static int failed(struct packing *p, struct cl_err *err)
{
	const char *why = archive_error_string(p->a);

	return err_set(err, CL_FAILED, "archive: %.300s", why ? why : "it cannot be written");
}

static int set_format(struct archive *a, const char *format)
{
	static const struct kind {
		const char *name;
		int (*filter)(struct archive *a);
	} kinds[] = {{"tar", archive_write_add_filter_none}, {"tar.gz", archive_write_add_filter_gzip},
	    {"tar.xz", archive_write_add_filter_xz}, {"tar.bz2", archive_write_add_filter_bzip2},
	    {"tar.zst", archive_write_add_filter_zstd}};

	if (strcmp(format, "zip") == 0)
		return archive_write_set_format_zip(a);
	for (size_t i = 0; i < CL_COUNT(kinds); i++)
		if (strcmp(kinds[i].name, format) == 0)
			return kinds[i].filter(a) == ARCHIVE_OK ? archive_write_set_format_pax_restricted(a)
			    : ARCHIVE_FATAL;
	return ARCHIVE_FATAL;
}

/* An entry with a name below the workspace's place; the caller frees. */
static struct archive_entry *entry(const char *name, int type, mode_t mode, const struct stat *st)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, (unsigned)type);
	archive_entry_set_perm(e, mode);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	archive_entry_set_mtime(e, st ? st->st_mtime : 0, 0);
	return e;
}

static int put(struct packing *p, struct archive_entry *e, struct cl_err *err)
{
	int rc = archive_write_header(p->a, e);

	archive_entry_free(e);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return failed(p, err);
	if (++p->count.files > p->b->max.files)
		return err_set(err, CL_QUOTA, "more than %d files and folders", p->b->max.files);
	return 0;
}

static int put_text(struct packing *p, const char *name, const char *text, bool executable,
    struct cl_err *err)
{
	size_t n = strlen(text);
	struct archive_entry *e = entry(name, AE_IFREG, executable ? 0755 : 0644, NULL);

	archive_entry_set_size(e, (la_int64_t)n);
	if (put(p, e, err) < 0)
		return -1;
	return n == 0 || archive_write_data(p->a, text, n) == (la_ssize_t)n ? 0 : failed(p, err);
}

static void leave_out(struct packing *p, const char *name)
{
	size_t n = strlen(p->r->note);

	p->left_out++;
	if (n + strlen(name) + 4 < sizeof(p->r->note) / 2)
		snprintf(p->r->note + n, sizeof(p->r->note) - n, "%s%s", n ? ", " : "", name);
}

static int put_content(struct packing *p, int fd, int64_t size, struct cl_err *err)
{
	static const char zeros[CHUNK];
	char data[CHUNK];

	for (int64_t at = 0; at < size;) {
		size_t want = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		ssize_t n = read(fd, data, want);
		const char *from = n > 0 ? data : zeros;
		size_t len = n > 0 ? (size_t)n : want;

		if (n < 0 && errno == EINTR)
			continue;
		if (archive_write_data(p->a, from, len) != (la_ssize_t)len)
			return failed(p, err);
		at += (int64_t)len;
	}
	return 0;
}

static int put_file(struct packing *p, int dir, const char *leaf, const char *name,
    struct cl_err *err)
{
	cl_autoclose int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct archive_entry *e;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		leave_out(p, name);
		return 0;
	}
	if (tree_grow(&p->count, st.st_size, err) < 0)
		return -1;
	e = entry(name, AE_IFREG, st.st_mode & 0100 ? 0755 : 0644, &st);
	archive_entry_set_size(e, st.st_size);
	return put(p, e, err) < 0 ? -1 : put_content(p, fd, st.st_size, err);
}

static int put_link(struct packing *p, int dir, const char *leaf, const char *name,
    const struct stat *st, struct cl_err *err)
{
	char target[UNPACK_PATH];
	ssize_t n = readlinkat(dir, leaf, target, sizeof(target) - 1);
	struct archive_entry *e;

	if (n < 0)
		return 0; /* gone meanwhile */
	target[n] = '\0';
	/* as it will be seen from inside the workspace */
	if (tree_link_check(name + strlen(p->top), target, NULL) < 0) {
		leave_out(p, name);
		return 0;
	}
	e = entry(name, AE_IFLNK, 0777, st);
	archive_entry_set_symlink(e, target);
	return put(p, e, err);
}

static int put_folder(struct packing *p, int dir, const char *name, int depth, struct cl_err *err);

static int put_any(struct packing *p, int dir, const char *leaf, const char *name, int depth,
    struct cl_err *err)
{
	cl_autoclose int below = -1;
	cl_autofree char *slash = NULL;
	struct stat st;

	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone meanwhile */
	if (S_ISREG(st.st_mode))
		return put_file(p, dir, leaf, name, err);
	if (S_ISLNK(st.st_mode))
		return put_link(p, dir, leaf, name, &st, err);
	below = S_ISDIR(st.st_mode) && depth < UNPACK_DEPTH
	    ? openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (below < 0) {
		leave_out(p, name);
		return 0;
	}
	slash = mem_printf("%s/", name);
	if (put(p, entry(slash, AE_IFDIR, 0755, &st), err) < 0)
		return -1;
	return put_folder(p, below, slash, depth + 1, err);
}

/* name ends in '/'.  By name, so the same tree makes the same archive. */
static int put_folder(struct packing *p, int dir, const char *name, int depth, struct cl_err *err)
{
	struct dirent **list = NULL;
	int n = scandirat(dir, ".", &list, NULL, alphasort), rc = 0;

	if (n < 0)
		return err_errno(err, CL_FAILED, "%.200s", name);
	for (int i = 0; i < n; i++) {
		const char *leaf = list[i]->d_name;
		cl_autofree char *path = mem_printf("%s%s", name, leaf);

		if (rc == 0 && strcmp(leaf, ".") != 0 && strcmp(leaf, "..") != 0 &&
		    (depth > 0 || strcmp(leaf, p->b->skip) != 0))
			rc = put_any(p, dir, leaf, path, depth, err);
		mem_free(list[i]);
	}
	mem_free(list);
	return rc;
}

static int put_extra(struct packing *p, const json_t *files, struct cl_err *err)
{
	const char *name;
	json_t *text;

	json_object_foreach((json_t *)(uintptr_t)files, name, text) {
		cl_autofree char *path = mem_printf("%s%s%s", p->b->prefix, p->b->prefix[0] ? "/" : "",
		    name);

		bool x = json_is_true(json_object_get(text, "executable"));
		const char *s = json_string_value(json_is_string(text) ? text
		    : json_object_get(text, "text"));

		if (s && put_text(p, path, s, x, err) < 0)
			return -1;
	}
	return 0;
}

static json_t *read_extra(int fd, struct cl_err *err)
{
	json_error_t why;
	struct stat st;
	json_t *j = NULL;

	if (fstat(fd, &st) == 0 && st.st_size <= EXTRA_MAX)
		j = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(j)) {
		json_decref(j);
		err_set(err, CL_FAILED, "archive: its files are malformed");
		return NULL;
	}
	return j;
}

static int put_all(struct packing *p, const json_t *extra, struct cl_err *err)
{
	bool beside = json_object_size(extra) > 0;
	const char *prefix = p->b->prefix;

	snprintf(p->top, sizeof(p->top), "%s%s%s", prefix, prefix[0] ? "/" : "",
	    beside ? UNPACK_APP "/" : "");
	if (put_extra(p, extra, err) < 0)
		return -1;
	if (p->top[0] && put(p, entry(p->top, AE_IFDIR, 0755, NULL), err) < 0)
		return -1;
	return put_folder(p, p->b->work, p->top, 0, err);
}

int bundle_run(const struct bundle *b, struct unpack_result *r, struct cl_err *err)
{
	struct packing p = {.b = b, .r = r, .a = archive_write_new()};
	json_t *extra = read_extra(b->extra, err);
	int rc = -1;

	p.count.max = b->max;
	if (extra && set_format(p.a, b->format) != ARCHIVE_OK)
		rc = err_set(err, CL_USAGE, "archive: there is no format \"%s\"", b->format);
	else if (extra && archive_write_open_fd(p.a, b->out) != ARCHIVE_OK)
		rc = failed(&p, err);
	else if (extra)
		rc = put_all(&p, extra, err);
	if (rc == 0 && archive_write_close(p.a) != ARCHIVE_OK)
		rc = failed(&p, err);
	archive_write_free(p.a);
	json_decref(extra);
	r->bytes = p.count.bytes;
	r->files = p.count.files;
	if (p.left_out) {
		cl_autofree char *names = mem_strdup(r->note);

		snprintf(r->note, sizeof(r->note), "left out (links out of the project, devices): %.300s%s",
		    names, p.left_out > 5 ? ", ..." : "");
	}
	return rc;
}
