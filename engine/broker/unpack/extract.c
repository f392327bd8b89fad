/*
 * Unpacking: see extract.h.  libarchive decodes; every name, kind and size is judged here and every
 * file is made by tree.c, so nothing of libarchive's own writing to disk is used.
 */
#include "engine/broker/unpack/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/broker/unpack/survey.h"
#include "engine/broker/unpack/tree.h"

#define BLOCK 65536

struct extract {
	struct archive *a;
	struct tree tree;
	bool dot;        /* it has an entry for its own root: nothing was wrapped around the project */
	char name[UNPACK_PATH];
};

static int broken(struct extract *x, struct cl_err *err)
{
	const char *why = archive_error_string(x->a);

	err_set(err, CL_USAGE, "archive: %.300s", why ? why : "damaged");
	return err_hint(err, "It may be cut short: make it again");
}

static struct archive *reader(int fd, struct cl_err *err)
{
	struct archive *a = archive_read_new();

	if (!a) {
		err_set(err, CL_FAILED, "archive: no memory");
		return NULL;
	}
	/* Only what is decoded inside this process; a filter that wants a program is refused. */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_gnutar(a);
	archive_read_support_format_zip_seekable(a);
	if (archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK)
		return a;
	err_set(err, CL_USAGE, "archive: neither tar nor zip, or damaged");
	err_hint(err, "tar (plain, .gz, .bz2, .xz or .zst) and zip are read");
	archive_read_free(a);
	return NULL;
}

static int content(struct extract *x, int fd, struct cl_err *err)
{
	int64_t end = 0;
	const void *data;
	la_int64_t at;
	size_t n;
	int rc;

	while ((rc = archive_read_data_block(x->a, &data, &n, &at)) == ARCHIVE_OK) {
		if (at < end || at > INT64_MAX - BLOCK || n > INT32_MAX)
			return err_set(err, CL_FORBIDDEN, "%.200s: its parts overlap", x->name);
		if (tree_grow(&x->tree, at + (int64_t)n - end, err) < 0 ||
		    tree_write(&x->tree, fd, data, n, at, err) < 0)
			return -1;
		end = at + (int64_t)n;
	}
	return rc == ARCHIVE_EOF ? 0 : broken(x, err);
}

static int file(struct extract *x, struct archive_entry *e, struct cl_err *err)
{
	cl_autoclose int fd = -1;

	if (archive_entry_perm(e) & (S_ISUID | S_ISGID))
		return err_set(err, CL_FORBIDDEN, "%.200s: a set-user-id program", x->name);
	/* A size that is said and too large needs no unpacking to be refused. */
	if (archive_entry_size_is_set(e) && archive_entry_size(e) > x->tree.max.bytes - x->tree.bytes)
		return tree_grow(&x->tree, archive_entry_size(e), err);
	fd = tree_file(&x->tree, x->name, archive_entry_perm(e) & 0111, err);
	if (fd < 0 || content(x, fd, err) < 0)
		return -1;
	/* A hole at the end is no block. */
	if (archive_entry_size_is_set(e)) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			return err_errno(err, CL_FAILED, "%.200s", x->name);
		if (archive_entry_size(e) > st.st_size &&
		    (tree_grow(&x->tree, archive_entry_size(e) - st.st_size, err) < 0 ||
		    ftruncate(fd, archive_entry_size(e)) < 0))
			return err_errno(err, CL_FAILED, "%.200s", x->name);
	}
	if (archive_entry_mtime_is_set(e))
		tree_time(fd, archive_entry_mtime(e));
	return 0;
}

static int hard_link(struct extract *x, const char *target, struct cl_err *err)
{
	char from[UNPACK_PATH];

	if (tree_name(target, from, err) < 0)
		return -1;
	return tree_copy(&x->tree, from, x->name, err);
}

static int entry(struct extract *x, struct archive_entry *e, struct cl_err *err)
{
	const char *name = archive_entry_pathname(e), *target = archive_entry_hardlink(e);

	if (!name)
		return err_set(err, CL_FORBIDDEN, "archive: an entry without a name");
	if (tree_name(name, x->name, err) < 0)
		return -1;
	if (archive_entry_is_encrypted(e))
		return err_set(err, CL_USAGE, "%.200s: it is encrypted", x->name);
	if (target)
		return hard_link(x, target, err);
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return file(x, e, err);
	case AE_IFDIR:
		x->dot |= !x->name[0];
		return tree_folder(&x->tree, x->name, err);
	case AE_IFLNK:
		target = archive_entry_symlink(e);
		return tree_link(&x->tree, x->name, target ? target : "", err);
	default:
		err_set(err, CL_FORBIDDEN, "%.200s: a device, pipe or socket", x->name);
		return err_hint(err, "Files, folders and links can be imported");
	}
}

/* A plain tar ends with blocks of zeros; one that was cut between two files does not. */
static int whole(struct extract *x, int fd, struct cl_err *err)
{
	char tail[512];
	off_t end = lseek(fd, 0, SEEK_END);

	if ((archive_format(x->a) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_TAR ||
	    archive_filter_code(x->a, 0) != ARCHIVE_FILTER_NONE)
		return 0;
	if (end >= 1024 && pread(fd, tail, sizeof(tail), end - 512) == sizeof(tail)) {
		size_t i = 0;

		while (i < sizeof(tail) && !tail[i])
			i++;
		if (i == sizeof(tail))
			return 0;
	}
	err_set(err, CL_USAGE, "archive: it ends without an end, so a part is missing");
	return err_hint(err, "It may be cut short: make it again");
}

static int entries(struct extract *x, struct cl_err *err)
{
	struct archive_entry *e;
	int rc, seen = 0;

	while ((rc = archive_read_next_header(x->a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (++seen > x->tree.max.files) {
			x->tree.files = x->tree.max.files;
			err_set(err, CL_QUOTA, "more than %d files and folders", x->tree.max.files);
			return err_hint(err,
			    "Leave out what a build makes; an operator raises import.max_files");
		}
		if (entry(x, e, err) < 0)
			return -1;
	}
	if (rc != ARCHIVE_EOF)
		return broken(x, err);
	return seen ? 0 : err_set(err, CL_USAGE, "archive: there is nothing in it");
}

int extract_run(int archive, int root, const struct unpack_limits *max, struct unpack_result *r,
    struct cl_err *err)
{
	struct extract *x = mem_alloc(sizeof(*x));
	int rc = -1;

	memset(r, 0, sizeof(*r));
	x->tree.root = root;
	x->tree.max = *max;
	x->a = reader(archive, err);
	if (x->a) {
		rc = entries(x, err);
		if (rc == 0)
			rc = whole(x, archive, err);
		archive_read_free(x->a);
	}
	r->bytes = x->tree.bytes;
	r->files = x->tree.files;
	if (rc == 0)
		rc = survey_find(root, !x->dot, r, err);
	mem_free(x);
	return rc;
}
