/* Collecting files: one list that counts, fed by a walk or by libarchive's tar reader. */
#include "engine/client/folder.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"

#define DEPTH_MAX 8
#define ENTRIES_MAX 2000 /* of a tar, folders too */

struct list {
	json_t *files;
	size_t total;
};

static int add(struct list *l, const char *path, bool exec, const char *data, size_t n,
    struct cl_err *err)
{
	size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
	cl_autofree char *text = NULL;

	if (json_array_size(l->files) >= FOLDER_FILES)
		return err_set(err, CL_TOO_LARGE, "stack: more than %d files", FOLDER_FILES);
	l->total += n;
	if (l->total > FOLDER_MAX)
		return err_set(err, CL_TOO_LARGE, "stack: its files have more than %d MiB",
		    FOLDER_MAX >> 20);
	text = mem_alloc(size);
	sodium_bin2base64(text, size, (const unsigned char *)data, n, sodium_base64_VARIANT_ORIGINAL);
	json_array_append_new(l->files, json_pack("{s:s, s:b, s:s}", "path", path, "exec", exec, "data",
	    text));
	return 0;
}

static int refuse(struct cl_err *err, const char *path, const char *why)
{
	cl_autofree char *shown = utf8_valid(path, strlen(path)) ? mem_strdup(path) : mem_strdup("(name)");

	return err_set(err, CL_USAGE, "stack: %.200s: %s", shown, why);
}

/* ---- a folder ---- */

static int walk(struct list *l, int root, const char *dir, int depth, struct cl_err *err);

static int take(struct list *l, int root, const char *path, int depth, struct cl_err *err)
{
	cl_autofree char *data = NULL;
	struct stat st;
	size_t n;

	if (!utf8_valid(path, strlen(path)))
		return refuse(err, path, "is not UTF-8");
	if (path_stat(root, path, &st, err) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return depth < DEPTH_MAX ? walk(l, root, path, depth + 1, err)
		                         : refuse(err, path, "is too deep");
	if (!S_ISREG(st.st_mode))
		return refuse(err, path, "is a link or a special file");
	if (st.st_size > FOLDER_FILE_MAX)
		return refuse(err, path, "is larger than 1 MiB");
	data = path_read(root, path, FOLDER_FILE_MAX, &n, err);
	return data ? add(l, path, st.st_mode & 0111, data, n, err) : -1;
}

/* Version control's own folder is no part of a stack. */
static int wanted(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
	    strcmp(e->d_name, ".git") != 0;
}

static int walk(struct list *l, int root, const char *dir, int depth, struct cl_err *err)
{
	cl_autoclose int fd = path_open_dir(root, dir, err);
	struct dirent **names = NULL;
	int n, rc = 0;

	if (fd < 0)
		return -1;
	n = scandirat(fd, ".", &names, wanted, alphasort);
	if (n < 0)
		return err_errno(err, CL_FAILED, "%s", dir);
	for (int i = 0; i < n; i++) {
		cl_autofree char *path = mem_printf("%s%s%s", dir, dir[0] ? "/" : "", names[i]->d_name);

		if (rc == 0)
			rc = take(l, root, path, depth, err);
		mem_free(names[i]);
	}
	mem_free(names);
	return rc;
}

static json_t *finish(struct list *l, int rc)
{
	if (rc == 0)
		return l->files;
	json_decref(l->files);
	return NULL;
}

json_t *folder_read(const char *dir, struct cl_err *err)
{
	cl_autoclose int root = path_root(dir, err);
	struct list l = {.files = json_array()};

	return finish(&l, root < 0 ? -1 : walk(&l, root, "", 0, err));
}

/* ---- a tar ---- */

static bool leads_elsewhere(const char *path)
{
	const char *part = path;

	if (path[0] == '/' || !path[0])
		return true;
	while (part) {
		size_t n = strcspn(part, "/");

		if (n == 2 && strncmp(part, "..", 2) == 0)
			return true;
		part = part[n] ? part + n + 1 : NULL;
	}
	return false;
}

static int take_entry(struct list *l, struct archive *a, struct archive_entry *e, struct cl_err *err)
{
	const char *path = archive_entry_pathname(e);
	cl_autofree char *data = mem_alloc(FOLDER_FILE_MAX + 1);
	size_t n = 0;
	la_ssize_t got;

	if (!path || !utf8_valid(path, strlen(path)))
		return refuse(err, "", "a path is not UTF-8");
	if (leads_elsewhere(path))
		return refuse(err, path, "the path leads elsewhere");
	if (archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
		return refuse(err, path, "is a link or a special file");
	while (n <= FOLDER_FILE_MAX &&
	    (got = archive_read_data(a, data + n, FOLDER_FILE_MAX + 1 - n)) > 0)
		n += (size_t)got;
	if (n > FOLDER_FILE_MAX)
		return refuse(err, path, "is larger than 1 MiB");
	if (got < 0)
		return refuse(err, path, "the archive is damaged");
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	return add(l, path, archive_entry_perm(e) & 0111, data, n, err);
}

/* "mystack/stack.json", "mystack/template/x" -> "stack.json", "template/x" */
static void strip(json_t *files)
{
	const char *first = json_string_value(json_object_get(json_array_get(files, 0), "path"));
	size_t n = first ? strcspn(first, "/") : 0, i;
	json_t *f;

	if (!first || !first[n])
		return;
	json_array_foreach(files, i, f)
		if (strncmp(json_string_value(json_object_get(f, "path")), first, n + 1) != 0)
			return;
	/* the first one's name is changed last: the others are compared with it no more */
	json_array_foreach(files, i, f) {
		cl_autofree char *rest = mem_strdup(json_string_value(json_object_get(f, "path")) + n + 1);

		json_object_set_new(f, "path", json_string(rest));
	}
}

static int read_tar(struct list *l, struct archive *a, const char *data, size_t n, struct cl_err *err)
{
	struct archive_entry *e;
	int rc, entries = 0;

	archive_read_support_format_tar(a);
	archive_read_support_filter_gzip(a);
	if (archive_read_open_memory(a, data, n) != ARCHIVE_OK)
		return err_set(err, CL_USAGE, "stack: this is no tar: %s", archive_error_string(a));
	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (++entries > ENTRIES_MAX)
			return err_set(err, CL_TOO_LARGE, "stack: more than %d entries", ENTRIES_MAX);
		if (take_entry(l, a, e, err) < 0)
			return -1;
	}
	return rc == ARCHIVE_EOF && entries > 0 ? 0
	    : err_set(err, CL_USAGE, "stack: the tar is damaged or empty");
}

json_t *folder_untar(const char *data, size_t n, struct cl_err *err)
{
	struct list l = {.files = json_array()};
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return finish(&l, err_set(err, CL_FAILED, "stack: no memory for the tar"));
	rc = read_tar(&l, a, data, n, err);
	archive_read_free(a);
	if (rc == 0)
		strip(l.files);
	return finish(&l, rc);
}
