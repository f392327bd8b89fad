/* Tar files for the container engine: see pack.h. */
#include "engine/broker/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define FILE_MAX (16u << 20)
#define DEPTH_MAX 32

static la_ssize_t write_cb(struct archive *a, void *arg, const void *data, size_t n)
{
	return buf_add(arg, data, n) < 0 ? -1 : (la_ssize_t)n;
}

static struct archive *begin(struct buf *out)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	archive_write_set_bytes_per_block(a, 0);
	if (archive_write_open(a, out, NULL, write_cb, NULL) != ARCHIVE_OK) {
		archive_write_free(a);
		return NULL;
	}
	return a;
}

static int add(struct archive *a, const char *name, mode_t mode, const void *data, size_t len)
{
	struct archive_entry *e = archive_entry_new();
	int rc;

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, mode);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	/* A fixed time: the same files make the same context, so the build cache holds. */
	archive_entry_set_mtime(e, 0, 0);
	archive_entry_set_size(e, (la_int64_t)len);
	rc = archive_write_header(a, e) == ARCHIVE_OK &&
	    (len == 0 || archive_write_data(a, data, len) == (la_ssize_t)len) ? 0 : -1;
	archive_entry_free(e);
	return rc;
}

static int finish(struct archive *a, int rc, struct cl_err *err)
{
	if (!a || archive_write_close(a) != ARCHIVE_OK || rc < 0)
		rc = err_set(err, CL_FAILED, "tar: %s", a ? archive_error_string(a) : "no memory");
	if (a)
		archive_write_free(a);
	return rc;
}

int pack_text(struct buf *out, const char *name, const char *text, struct cl_err *err)
{
	struct archive *a = begin(out);

	return finish(a, a ? add(a, name, 0644, text, strlen(text)) : -1, err);
}

static const char *home_of(const struct spec *s)
{
	for (size_t i = 0; i < s->vars.n; i++)
		if (strcmp(s->vars.items[i].name, "HOME") == 0 && s->vars.items[i].value[0] == '/' &&
		    !strpbrk(s->vars.items[i].value, ":\n"))
			return s->vars.items[i].value;
	return "/";
}

int pack_user(struct buf *out, const struct spec *s, struct cl_err *err)
{
	cl_autofree char *passwd = mem_printf(
	    "root:x:0:0:root:/root:/bin/bash\n"
	    "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	    "%s:x:%u:%u:%s:%s:/bin/bash\n",
	    s->user_name, s->uid, s->gid, s->user_name, home_of(s));
	cl_autofree char *group = mem_printf(
	    "root:x:0:\nnogroup:x:65534:\nproject:x:%u:\n", s->gid);
	struct archive *a = begin(out);
	int rc = -1;

	if (a)
		rc = add(a, "passwd", 0644, passwd, strlen(passwd)) < 0 ||
		    add(a, "group", 0644, group, strlen(group)) < 0 ? -1 : 0;
	return finish(a, rc, err);
}

/* One walk over a context's files: into an archive, or (a NULL) into a stamp of what they are. */
struct walk {
	struct archive *a;
	crypto_hash_sha256_state stamp;
	struct timespec newest; /* change of any of them */
};

static int add_tree(struct walk *w, int root, const char *dir, const char *prefix, int depth,
    struct cl_err *err);

static void stamp_entry(struct walk *w, const char *name, const struct stat *st)
{
	const uint64_t facts[] = {st->st_dev, st->st_ino, st->st_mode, (uint64_t)st->st_size,
	    (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
	    (uint64_t)st->st_ctim.tv_nsec};

	crypto_hash_sha256_update(&w->stamp, (const unsigned char *)name, strlen(name) + 1);
	crypto_hash_sha256_update(&w->stamp, (const unsigned char *)facts, sizeof(facts));
	if (st->st_ctim.tv_sec > w->newest.tv_sec)
		w->newest = st->st_ctim;
}

static int add_entry(struct walk *w, int root, const char *name, const char *prefix, int depth,
    struct cl_err *err)
{
	cl_autofree char *full = mem_printf("%s%s", prefix, name);
	cl_autofree char *data = NULL;
	struct stat st;
	size_t len;

	if (path_stat(root, name, &st, err) < 0)
		return -1;
	if (!w->a)
		stamp_entry(w, full, &st);
	if (S_ISDIR(st.st_mode))
		return add_tree(w, root, name, prefix, depth + 1, err);
	if (!S_ISREG(st.st_mode) || !w->a)
		return 0;
	data = path_read(root, name, FILE_MAX, &len, err);
	if (!data)
		return -1;
	if (add(w->a, full, st.st_mode & 0111 ? 0755 : 0644, data, len) < 0)
		return err_set(err, CL_TOO_LARGE,
		    "%s: the folders of this image have more than %u MiB", full, PACK_MIB);
	return 0;
}

/* Names in order, so that the same files make the same bytes. */
static int list(int root, const char *dir, struct dirent ***names, struct cl_err *err)
{
	cl_autoclose int fd = path_open_dir(root, dir, err);
	int n;

	if (fd < 0)
		return -1;
	n = scandirat(fd, ".", names, NULL, alphasort);
	return n < 0 ? err_errno(err, CL_FAILED, "%s", dir) : n;
}

/* dir beneath root; "" is the root itself, where names with a dot in front are ours, not the
 * recipe's. */
static int add_tree(struct walk *w, int root, const char *dir, const char *prefix, int depth,
    struct cl_err *err)
{
	struct dirent **names = NULL;
	int n, rc = 0;

	if (depth > DEPTH_MAX)
		return err_set(err, CL_TOO_LARGE, "%s: deeper than %d folders", dir, DEPTH_MAX);
	n = list(root, dir, &names, err);
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		const char *leaf = names[i]->d_name;
		cl_autofree char *name = mem_printf("%s%s%s", dir, dir[0] ? "/" : "", leaf);
		bool skip = strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0 ||
		    (!dir[0] && leaf[0] == '.');

		if (rc == 0 && !skip)
			rc = add_entry(w, root, name, prefix, depth, err);
		mem_free(names[i]);
	}
	mem_free(names);
	return rc;
}

static int add_item(struct walk *w, const struct pack_item *item, struct cl_err *err)
{
	cl_autoclose int root = -1;
	cl_autofree char *prefix = mem_printf("%s/", item->name);

	if (item->text && w->a)
		return add(w->a, item->name, 0644, item->text, strlen(item->text));
	if (item->text) {
		crypto_hash_sha256_update(&w->stamp, (const unsigned char *)item->text,
		    strlen(item->text) + 1);
		return 0;
	}
	root = path_root(item->dir, err);
	return root < 0 ? -1 : add_tree(w, root, "", prefix, 0, err);
}

static int walk_all(struct walk *w, int root, const struct pack_item *more, size_t n, struct cl_err *err)
{
	int rc = root >= 0 ? add_tree(w, root, "", "", 0, err) : 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_item(w, &more[i], err);
	return rc;
}

int pack_folder(struct buf *out, const char *dir, const struct pack_item *more, size_t n,
    struct cl_err *err)
{
	cl_autoclose int root = dir ? path_root(dir, err) : -1;
	struct walk w = {0};
	int rc = 0;

	if (dir && root < 0)
		return -1;
	w.a = begin(out);
	if (w.a)
		rc = walk_all(&w, root, more, n, err);
	return finish(w.a, rc, err);
}

int pack_stamp(const char *dir, const struct pack_item *more, size_t n, unsigned char stamp[PACK_STAMP],
    struct timespec *newest, struct cl_err *err)
{
	cl_autoclose int root = path_root(dir, err);
	struct walk w = {0};

	crypto_hash_sha256_init(&w.stamp);
	if (root < 0 || walk_all(&w, root, more, n, err) < 0)
		return -1;
	crypto_hash_sha256_final(&w.stamp, stamp);
	*newest = w.newest;
	return 0;
}
