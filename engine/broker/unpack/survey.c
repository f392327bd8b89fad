/* Looking at a tree that is there already: see survey.h. */
#include "engine/broker/unpack/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define MARKER_MAX 65536

static int walk(struct tree *t, int dir, char *name, size_t len, int depth, struct cl_err *err);

static int walk_link(int dir, const char *leaf, const char *name, struct cl_err *err)
{
	char target[UNPACK_PATH];
	ssize_t n = readlinkat(dir, leaf, target, sizeof(target) - 1);

	if (n < 0)
		return err_errno(err, CL_FAILED, "%.200s", name);
	target[n] = '\0';
	return tree_link_check(name, target, err);
}

/* name[0..len) is what leaf is called from the root. */
static int walk_entry(struct tree *t, int dir, const char *leaf, char *name, size_t len, int depth,
    struct cl_err *err)
{
	cl_autoclose int below = -1;
	struct stat st;

	if (++t->files > t->max.files)
		return err_set(err, CL_QUOTA, "more than %d files and folders", t->max.files);
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, CL_FAILED, "%.200s", name);
	if (S_ISREG(st.st_mode))
		return tree_grow(t, st.st_size, err);
	if (S_ISLNK(st.st_mode))
		return walk_link(dir, leaf, name, err);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, CL_FORBIDDEN, "%.200s: neither a file nor a folder", name);
	below = openat(dir, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return err_errno(err, CL_FAILED, "%.200s", name);
	return walk(t, below, name, len, depth + 1, err);
}

static int walk(struct tree *t, int dir, char *name, size_t len, int depth, struct cl_err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return err_errno(err, CL_FAILED, "%.200s", name);
	if (depth > 2 * UNPACK_DEPTH)
		rc = err_set(err, CL_FORBIDDEN, "%.200s: folders are nested too deeply", name);
	while (rc == 0 && (e = readdir(d))) {
		int n;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n = snprintf(name + len, UNPACK_PATH - len, "%s%s", len ? "/" : "", e->d_name);
		if (n < 0 || len + (size_t)n >= UNPACK_PATH)
			rc = err_set(err, CL_FORBIDDEN, "%.200s: the name is too long", name);
		else
			rc = walk_entry(t, dir, e->d_name, name, len + (size_t)n, depth, err);
		name[len] = '\0';
	}
	closedir(d);
	return rc;
}

int survey_walk(struct tree *t, struct cl_err *err)
{
	char name[UNPACK_PATH] = "";

	return walk(t, t->root, name, 0, 0, err);
}

/* -- where the project is in it -- */

/* Names in a folder, newline-separated, and how many; names with a newline are left out. */
static int list(int root, const char *dir, char *out, size_t size, struct cl_err *err)
{
	int fd = path_open_dir(root, dir, err), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t at = 0;

	out[0] = '\0';
	if (!d)
		return -1;
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (strchr(e->d_name, '\n') || at + len + 2 > size)
			continue;
		memcpy(out + at, e->d_name, len);
		at += len;
		out[at++] = '\n';
		out[at] = '\0';
	}
	closedir(d);
	return n;
}

static bool is_folder(int root, const char *name)
{
	struct stat st;

	return path_stat(root, name, &st, NULL) == 0 && S_ISDIR(st.st_mode);
}

/* An archive that `project export` made: its workspace is a folder of it. */
static bool marked(int root, const char *dir, struct unpack_result *r)
{
	cl_autofree char *name = mem_printf("%s%s" UNPACK_MARKER, dir, dir[0] ? "/" : "");
	cl_autofree char *app = mem_printf("%s%s" UNPACK_APP, dir, dir[0] ? "/" : "");
	size_t len;
	cl_autofree char *text = path_read(root, name, MARKER_MAX, &len, NULL);
	json_t *j = text ? json_loadb(text, len, 0, NULL) : NULL;
	const char *stack = json_string_value(json_object_get(j, "stack"));
	bool ours = json_is_object(j) && json_integer_value(json_object_get(j, "format")) == 1 &&
	    is_folder(root, app);

	if (ours) {
		mem_copy_str(r->stack, sizeof(r->stack), stack ? stack : "");
		mem_copy_str(r->root, sizeof(r->root), app);
	}
	json_decref(j);
	return ours;
}

int survey_find(int root, bool whole, struct unpack_result *r, struct cl_err *err)
{
	char only[256];
	int n = list(root, ".", r->top, sizeof(r->top), err);

	if (n < 0)
		return -1;
	snprintf(only, sizeof(only), "%.*s", (int)strcspn(r->top, "\n"), r->top);
	if (!marked(root, "", r) && whole && n == 1 && only[0] && is_folder(root, only) &&
	    !marked(root, only, r))
		mem_copy_str(r->root, sizeof(r->root), only);
	return r->root[0] && list(root, r->root, r->top, sizeof(r->top), err) < 0 ? -1 : 0;
}
