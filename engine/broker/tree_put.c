/* Making the files of a saved tree anew: see tree_put.h. */
#include "engine/broker/tree_put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define CHUNK 262144
#define NS 1000000000

struct put {
	const struct tree *tree;
	int root;
	struct tarball *in;
	const struct tree_entry **files; /* by hash */
	size_t n, done;
	bool *have;                      /* by their place in files */
	char *chunk;
};

int tree_put_parents(int root, const char *name, struct cl_err *err)
{
	cl_autofree char *path = mem_strdup(name);

	for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
		struct cl_err why = {0};

		*p = '\0';
		if (path_mkdir(root, path, &why) < 0 && why.code != CL_CONFLICT)
			return err_set(err, why.code, "%s", why.message);
		*p = '/';
	}
	return 0;
}

static int put_folders(const struct put *p, struct cl_err *err)
{
	for (size_t i = 0; i < p->tree->n; i++) {
		const struct tree_entry *e = &p->tree->items[i];
		struct cl_err why = {0};

		if (tree_put_parents(p->root, e->path, err) < 0)
			return -1;
		if (e->type == 'd' && path_mkdir(p->root, e->path, &why) < 0 && why.code != CL_CONFLICT)
			return err_set(err, why.code, "%s", why.message);
	}
	return 0;
}

static int full_write(int fd, const char *data, size_t n, const char *path, struct cl_err *err)
{
	while (n) {
		ssize_t got = write(fd, data, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno == ENOSPC || errno == EDQUOT ? CL_UNAVAILABLE : CL_FAILED,
			    "load: %s", path);
		data += got;
		n -= (size_t)got;
	}
	return 0;
}

/* The file is written: its time and mode last. */
static int finish(int fd, const struct tree_entry *e, struct cl_err *err)
{
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}};

	t[1].tv_sec = (time_t)(e->mtime / NS);
	t[1].tv_nsec = (long)(e->mtime % NS);
	if (t[1].tv_nsec < 0) {
		t[1].tv_nsec += NS;
		t[1].tv_sec--;
	}
	if (fchmod(fd, e->mode & 0777) < 0 || futimens(fd, t) < 0)
		return err_errno(err, CL_FAILED, "load: %s", e->path);
	return 0;
}

static int copy(const struct put *p, const struct tree_entry *from, const struct tree_entry *to,
    struct cl_err *err)
{
	cl_autoclose int in = path_open_read(p->root, from->path, NULL, err);
	cl_autoclose int out = in < 0 ? -1 : path_open_new(p->root, to->path, 0600, err);
	ssize_t n;

	if (out < 0)
		return -1;
	while ((n = read(in, p->chunk, CHUNK)) > 0)
		if (full_write(out, p->chunk, (size_t)n, to->path, err) < 0)
			return -1;
	return n < 0 ? err_errno(err, CL_FAILED, "load: %s", to->path) : finish(out, to, err);
}

static int damaged(const struct tree_entry *e, struct cl_err *err)
{
	return err_set(err, CL_FAILED, "load: %s: what the save holds of it is damaged", e->path);
}

/* The entry's bytes into the file, judged by their hash. */
static int extract(const struct put *p, const struct tree_entry *e, struct cl_err *err)
{
	cl_autoclose int fd = path_open_new(p->root, e->path, 0600, err);
	struct tree_digest d;
	char hash[TREE_HASH];
	int64_t size = 0, n;

	if (fd < 0)
		return -1;
	tree_digest_begin(&d);
	while ((n = tarball_read(p->in, p->chunk, CHUNK, err)) > 0) {
		size += n;
		if (size > e->size)
			return damaged(e, err);
		tree_digest_add(&d, p->chunk, (size_t)n);
		if (full_write(fd, p->chunk, (size_t)n, e->path, err) < 0)
			return -1;
	}
	tree_digest_end(&d, hash);
	if (n < 0)
		return -1;
	return size != e->size || strcmp(hash, e->hash) != 0 ? damaged(e, err) : finish(fd, e, err);
}

/* The first file of that hash, or n. */
static size_t first(const struct put *p, const char *hash)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(p->files[mid]->hash, hash) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && strcmp(p->files[lo]->hash, hash) == 0 ? lo : p->n;
}

static int put_object(struct put *p, const char *hash, struct cl_err *err)
{
	size_t at = first(p, hash);

	if (at == p->n || p->have[at])
		return 0;
	if (extract(p, p->files[at], err) < 0)
		return -1;
	p->have[at] = true;
	p->done++;
	for (size_t i = at + 1; i < p->n && strcmp(p->files[i]->hash, hash) == 0; i++) {
		if (copy(p, p->files[at], p->files[i], err) < 0)
			return -1;
		p->done++;
	}
	return 0;
}

static int put_objects(struct put *p, struct cl_err *err)
{
	struct tarball_entry e;
	int got;

	while ((got = tarball_next(p->in, &e, err)) == 1)
		if (e.type == 'f' && strncmp(e.name, "objects/", 8) == 0 &&
		    put_object(p, e.name + 8, err) < 0)
			return -1;
	if (got < 0)
		return -1;
	if (p->done != p->n)
		return err_set(err, CL_FAILED, "load: the save lacks the contents of %zu files",
		    p->n - p->done);
	return 0;
}

static int put_links(const struct put *p, struct cl_err *err)
{
	for (size_t i = 0; i < p->tree->n; i++) {
		const struct tree_entry *e = &p->tree->items[i];

		if (e->type == 'l' && path_symlink(p->root, e->path, e->target, err) < 0)
			return -1;
	}
	return 0;
}

/* Innermost first: a folder that its owner may not enter ends the way to those in it. */
static int put_modes(const struct put *p, struct cl_err *err)
{
	for (size_t i = p->tree->n; i > 0; i--) {
		const struct tree_entry *e = &p->tree->items[i - 1];
		cl_autoclose int fd = -1;

		if (e->type != 'd')
			continue;
		fd = path_open_dir(p->root, e->path, err);
		/* set-group-id on folders alone: what is made in them stays the project's */
		if (fd < 0 || fchmod(fd, 02000 | (e->mode & 0777)) < 0)
			return err_errno(err, CL_FAILED, "load: %s", e->path);
	}
	return 0;
}

static int by_hash(const void *a, const void *b)
{
	return strcmp((*(const struct tree_entry *const *)a)->hash,
	    (*(const struct tree_entry *const *)b)->hash);
}

int tree_put_all(const struct tree *t, int root, struct tarball *in, struct cl_err *err)
{
	struct put p = {.tree = t, .root = root, .in = in, .chunk = mem_alloc(CHUNK)};
	int rc;

	p.files = mem_array(t->n + 1, sizeof(struct tree_entry *));
	for (size_t i = 0; i < t->n; i++)
		if (t->items[i].type == 'f')
			p.files[p.n++] = &t->items[i];
	qsort(p.files, p.n, sizeof(struct tree_entry *), by_hash);
	p.have = mem_array(p.n + 1, sizeof(*p.have));
	rc = put_folders(&p, err);
	if (rc == 0)
		rc = put_objects(&p, err);
	if (rc == 0)
		rc = put_links(&p, err);
	if (rc == 0)
		rc = put_modes(&p, err);
	mem_free(p.files);
	mem_free(p.have);
	mem_free(p.chunk);
	return rc;
}
