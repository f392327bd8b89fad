/* Tar files for the container engine: see pack.h. */
#include "engine/broker/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define FILE_MAX (16u << 20)

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

static int add_file(struct archive *a, int root, const char *name, struct cl_err *err)
{
	cl_autofree char *data = NULL;
	struct stat st;
	size_t len;

	if (path_stat(root, name, &st, err) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	data = path_read(root, name, FILE_MAX, &len, err);
	if (!data)
		return -1;
	return add(a, name, st.st_mode & 0111 ? 0755 : 0644, data, len);
}

int pack_folder(struct buf *out, const char *dir, struct cl_err *err)
{
	cl_autoclose int root = path_root(dir, err);
	struct dirent **names = NULL;
	struct archive *a;
	int n, rc = 0;

	if (root < 0)
		return -1;
	n = scandir(dir, &names, NULL, alphasort);
	if (n < 0)
		return err_errno(err, CL_FAILED, "%s", dir);
	a = begin(out);
	for (int i = 0; i < n; i++) {
		if (a && rc == 0 && names[i]->d_name[0] != '.')
			rc = add_file(a, root, names[i]->d_name, err);
		mem_free(names[i]);
	}
	mem_free(names);
	return finish(a, rc, err);
}
