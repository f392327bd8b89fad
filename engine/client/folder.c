/* Collecting files: one list that counts, fed by a walk here and by the tar reader (folder_tar.c). */
#include "engine/client/folder.h"
#include "engine/client/folder_internal.h"

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

int folder_internal_add(struct folder_list *l, const char *path, bool exec, const char *data,
    size_t n, struct cl_err *err)
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

int folder_internal_refuse(struct cl_err *err, const char *path, const char *why)
{
	cl_autofree char *shown = utf8_valid(path, strlen(path)) ? mem_strdup(path) : mem_strdup("(name)");

	return err_set(err, CL_USAGE, "stack: %.200s: %s", shown, why);
}

/* ---- a folder ---- */

static int walk(struct folder_list *l, int root, const char *dir, int depth, struct cl_err *err);

static int take(struct folder_list *l, int root, const char *path, int depth, struct cl_err *err)
{
	cl_autofree char *data = NULL;
	struct stat st;
	size_t n;

	if (!utf8_valid(path, strlen(path)))
		return folder_internal_refuse(err, path, "is not UTF-8");
	if (path_stat(root, path, &st, err) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return depth < DEPTH_MAX ? walk(l, root, path, depth + 1, err)
		                         : folder_internal_refuse(err, path, "is too deep");
	if (!S_ISREG(st.st_mode))
		return folder_internal_refuse(err, path, "is a link or a special file");
	if (st.st_size > FOLDER_FILE_MAX)
		return folder_internal_refuse(err, path, "is larger than 1 MiB");
	data = path_read(root, path, FOLDER_FILE_MAX, &n, err);
	return data ? folder_internal_add(l, path, st.st_mode & 0111, data, n, err) : -1;
}

/* Version control's own folder is no part of a stack. */
static int wanted(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
	    strcmp(e->d_name, ".git") != 0;
}

static int walk(struct folder_list *l, int root, const char *dir, int depth, struct cl_err *err)
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

json_t *folder_internal_end(struct folder_list *l, int rc)
{
	if (rc == 0)
		return l->files;
	json_decref(l->files);
	return NULL;
}

json_t *folder_read(const char *dir, struct cl_err *err)
{
	cl_autoclose int root = path_root(dir, err);
	struct folder_list l = {.files = json_array()};

	return folder_internal_end(&l, root < 0 ? -1 : walk(&l, root, "", 0, err));
}
