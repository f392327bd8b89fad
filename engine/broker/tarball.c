/* Tar files as streams: see tarball.h. */
#include "engine/broker/tarball.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK 65536
#define NS 1000000000

struct tarball {
	struct archive *a;
	struct archive_entry *e;
	bool writing;
};

static int fail(const struct tarball *t, struct cl_err *err)
{
	const char *why = archive_error_string(t->a);
	int no = archive_errno(t->a);

	if (no == ENOSPC || no == EDQUOT) {
		err_set(err, CL_UNAVAILABLE, "archive: the disk is full");
		return err_hint(err, "Free some space where the state is kept");
	}
	return err_set(err, CL_FAILED, "archive: %s", why ? why : "damaged");
}

static int made(struct tarball *t, int rc, struct cl_err *err)
{
	if (rc == ARCHIVE_OK)
		return 0;
	fail(t, err);
	tarball_close(t, NULL);
	return -1;
}

static struct tarball *start(struct archive *a, bool writing)
{
	struct tarball *t = mem_alloc(sizeof(*t));

	t->a = a;
	t->writing = writing;
	t->e = writing ? archive_entry_new() : NULL;
	return t;
}

struct tarball *tarball_create(int fd, bool zstd, struct cl_err *err)
{
	struct tarball *t = start(archive_write_new(), true);
	int rc = archive_write_set_format_pax_restricted(t->a);

	if (rc == ARCHIVE_OK && zstd)
		rc = archive_write_add_filter_zstd(t->a);
	if (rc == ARCHIVE_OK)
		rc = archive_write_set_bytes_in_last_block(t->a, 1);
	if (rc == ARCHIVE_OK)
		rc = archive_write_open_fd(t->a, fd);
	return made(t, rc, err) < 0 ? NULL : t;
}

static void split(int64_t ns, time_t *s, long *rest)
{
	*s = (time_t)(ns / NS);
	*rest = (long)(ns % NS);
	if (*rest < 0) {
		*rest += NS;
		*s -= 1;
	}
}

int tarball_put(struct tarball *t, const struct tarball_entry *e, struct cl_err *err)
{
	time_t s;
	long ns;

	archive_entry_clear(t->e);
	archive_entry_set_pathname(t->e, e->name);
	archive_entry_set_filetype(t->e, e->type == 'd' ? AE_IFDIR : e->type == 'l' ? AE_IFLNK :
	    AE_IFREG);
	archive_entry_set_perm(t->e, (mode_t)e->mode);
	archive_entry_set_uid(t->e, e->uid);
	archive_entry_set_gid(t->e, e->gid);
	split(e->mtime, &s, &ns);
	archive_entry_set_mtime(t->e, s, ns);
	archive_entry_set_size(t->e, e->type == 'f' ? e->size : 0);
	if (e->type == 'l')
		archive_entry_set_symlink(t->e, e->target);
	return archive_write_header(t->a, t->e) == ARCHIVE_OK ? 0 : fail(t, err);
}

int tarball_write(struct tarball *t, const void *p, size_t n, struct cl_err *err)
{
	const char *at = p;

	while (n) {
		la_ssize_t got = archive_write_data(t->a, at, n);

		if (got <= 0)
			return fail(t, err);
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

int tarball_put_fd(struct tarball *t, const struct tarball_entry *e, int fd, struct cl_err *err)
{
	cl_autofree char *chunk = mem_alloc(CHUNK);
	int64_t left = e->size;

	if (tarball_put(t, e, err) < 0)
		return -1;
	while (left > 0) {
		ssize_t n = read(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, CL_FAILED, "%s", e->name);
		if (n == 0)
			return err_set(err, CL_FAILED, "%s: became shorter while it was read", e->name);
		if (tarball_write(t, chunk, (size_t)n, err) < 0)
			return -1;
		left -= n;
	}
	return 0;
}

int tarball_put_text(struct tarball *t, const char *name, const void *p, size_t n,
    struct cl_err *err)
{
	struct tarball_entry e = {.name = name, .type = 'f', .mode = 0400, .size = (int64_t)n};

	return tarball_put(t, &e, err) < 0 ? -1 : tarball_write(t, p, n, err);
}

struct tarball *tarball_open(int fd, bool zstd, struct cl_err *err)
{
	struct tarball *t = start(archive_read_new(), false);
	int rc = archive_read_support_format_tar(t->a);

	if (rc == ARCHIVE_OK && zstd)
		rc = archive_read_support_filter_zstd(t->a);
	if (rc == ARCHIVE_OK)
		rc = archive_read_open_fd(t->a, fd, CHUNK);
	return made(t, rc, err) < 0 ? NULL : t;
}

int tarball_next(struct tarball *t, struct tarball_entry *e, struct cl_err *err)
{
	int rc = archive_read_next_header(t->a, &t->e);
	mode_t type;

	memset(e, 0, sizeof(*e));
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK || !archive_entry_pathname(t->e))
		return fail(t, err);
	type = archive_entry_filetype(t->e);
	e->name = archive_entry_pathname(t->e);
	e->target = archive_entry_symlink(t->e);
	e->type = archive_entry_hardlink(t->e) ? '?' : type == AE_IFREG ? 'f' : type == AE_IFDIR ? 'd' :
	    type == AE_IFLNK && e->target ? 'l' : '?';
	e->mode = (unsigned)archive_entry_perm(t->e);
	e->uid = archive_entry_uid(t->e);
	e->gid = archive_entry_gid(t->e);
	e->size = e->type == 'f' ? archive_entry_size(t->e) : 0;
	e->mtime = (int64_t)archive_entry_mtime(t->e) * NS + archive_entry_mtime_nsec(t->e);
	return e->size < 0 ? err_set(err, CL_FAILED, "archive: damaged") : 1;
}

int64_t tarball_read(struct tarball *t, void *p, size_t n, struct cl_err *err)
{
	la_ssize_t got = archive_read_data(t->a, p, n);

	return got < 0 ? fail(t, err) : got;
}

char *tarball_read_all(struct tarball *t, size_t max, size_t *len, struct cl_err *err)
{
	cl_autofree char *chunk = mem_alloc(CHUNK);
	char *all = mem_alloc(1);
	size_t cap = 1;
	int64_t n;

	*len = 0;
	while ((n = tarball_read(t, chunk, CHUNK, err)) > 0) {
		if (*len + (size_t)n > max) {
			err_set(err, CL_TOO_LARGE, "archive: an entry is larger than %zu bytes", max);
			n = -1;
			break;
		}
		if (*len + (size_t)n + 1 > cap) {
			cap = (*len + (size_t)n + 1) * 2;
			all = mem_resize(all, cap, 1);
		}
		memcpy(all + *len, chunk, (size_t)n);
		*len += (size_t)n;
		all[*len] = '\0';
	}
	if (n == 0)
		return all;
	mem_free(all);
	return NULL;
}

int tarball_close(struct tarball *t, struct cl_err *err)
{
	int rc = 0;

	if (t->writing) {
		if (archive_write_close(t->a) != ARCHIVE_OK)
			rc = fail(t, err);
		archive_write_free(t->a);
		archive_entry_free(t->e);
	} else {
		archive_read_free(t->a);
	}
	mem_free(t);
	return rc;
}
