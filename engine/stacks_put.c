/*
 *   files ──► .new/ID ──stacks_read()──► ID        remove: ID ──► .old/ID ──► nothing
 *             (all of them, checked)   rename                (a rename back undoes it)
 *
 * Names beginning with a dot are no stacks, so what a kill leaves is never loaded.
 */
#include "engine/stacks_put.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/path.h"
#include "base/utf8.h"
#include "engine/stacks.h"

static int stacks_put_id(struct stacks_put *p, struct cl_err *err);
static int stacks_put_may(const struct stacks_put *p, struct cl_err *err);
static int stacks_put_files(const struct stacks_put *p, int root, struct cl_err *err);
static int stacks_put_file(int root, const json_t *file, size_t *total, struct cl_err *err);
static int stacks_put_write(int root, const char *path, bool exec, const char *data, size_t n,
    struct cl_err *err);
static int stacks_put_parents(int root, const char *path, struct cl_err *err);
static const char *stacks_put_wrong(const char *path);
static char *stacks_put_decode(const char *path, const json_t *file, size_t *n, struct cl_err *err);
static int stacks_put_check(const struct stacks_put *p, const char *folder, struct cl_err *err);
static int stacks_put_recipe(const struct stack_image *i, const char *folder, struct cl_err *err);
static int stacks_put_others(const struct stacks_put *p, const struct stack_set *made,
    struct cl_err *err);
static void stacks_put_shorten(const char *folder, struct cl_err *err);
static int stacks_put_swap(const struct stacks_put *p, const char *from, struct cl_err *err);

int stacks_put_add(struct stacks_put *p, struct cl_err *err)
{
	cl_autofree char *dir = stacks_dir(), *folder = mem_printf("%s/.new", dir);
	cl_autofree char *made = NULL;
	cl_autoclose int root = -1;
	int rc = -1;

	if (stacks_put_id(p, err) != 0 || stacks_put_may(p, err) != 0)
		return -1;
	made = mem_printf("%s/%s", folder, p->id);
	stacks_put_sweep();
	if (mkdir(folder, 0755) != 0 || mkdir(made, 0755) != 0)
		return err_errno(err, CL_FAILED, "%s", made);
	root = path_root(made, err);
	if (root >= 0 && fchmodat(root, ".", 0755, 0) == 0 && stacks_put_files(p, root, err) == 0 &&
	    stacks_put_check(p, folder, err) == 0)
		rc = stacks_put_swap(p, made, err);
	stacks_put_sweep();
	if (rc == 0)
		p->made = stacks_read(NULL, p->id, NULL, err);
	return p->made != NULL ? 0 : -1;
}

int stacks_put_remove(struct stacks_put *p, struct cl_err *err)
{
	cl_autofree char *dir = stacks_dir(), *old = mem_printf("%s/.old", dir);
	cl_autofree char *from = mem_printf("%s/%s", dir, p->id), *to = mem_printf("%s/%s", old, p->id);

	stacks_put_sweep();
	p->made = stacks_read(NULL, NULL, p->id, err);
	if (p->made != NULL && stacks_put_others(p, p->made, err) == 0 &&
	    (mkdir(old, 0755) == 0 || errno == EEXIST) && rename(from, to) == 0)
		return 0;
	if (err->code == CL_OK)
		(void)err_errno(err, CL_FAILED, "stack %s", p->id);
	stacks_give(p->made);
	p->made = NULL;
	return -1;
}

int stacks_put_take_back(const struct stacks_put *p, struct cl_err *err)
{
	cl_autofree char *dir = stacks_dir(), *from = mem_printf("%s/.old/%s", dir, p->id);
	cl_autofree char *to = mem_printf("%s/%s", dir, p->id);

	return rename(from, to) == 0 ? 0 : err_errno(err, CL_FAILED, "stack %s", p->id);
}

void stacks_put_sweep(void)
{
	cl_autofree char *dir = stacks_dir();
	cl_autoclose int root = path_root(dir, NULL);

	if (root < 0)
		return;
	(void)path_remove(root, ".new", NULL);
	(void)path_remove(root, ".old", NULL);
}

/* --- what it is ------------------------------------------------------------------------------- */

static int stacks_put_id(struct stacks_put *p, struct cl_err *err)
{
	const json_t *file;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)p->files, i, file) {
		cl_autofree char *text = NULL;
		const char *id;
		json_error_t why;
		json_t *o;
		size_t n;

		if (strcmp(json_string_value(json_object_get(file, "path")), "stack.json") != 0)
			continue;
		text = stacks_put_decode("stack.json", file, &n, err);
		if (text == NULL)
			return -1;
		o = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
		if (o == NULL)
			return err_set(err, CL_USAGE, "stack.json: line %d: %s", why.line, why.text);
		id = json_string_value(json_object_get(o, "id"));
		if (id != NULL && name_valid(id))
			(void)mem_copy_str(p->id, sizeof(p->id), id);
		json_decref(o);
		return p->id[0] != '\0' ? 0 : err_set(err, CL_USAGE,
		    "stack.json: id: must be [a-z][a-z0-9-]{0,30}");
	}
	err_set(err, CL_USAGE, "stack: stack.json is missing");
	return err_hint(err, "A stack is a folder with a stack.json in it: docs/STACKS.md");
}

/* Those of the platform are never replaced: what they are is the same for all who use them. */
static int stacks_put_may(const struct stacks_put *p, struct cl_err *err)
{
	const struct stack *there = stack_find(p->now, p->id);

	if (there == NULL || (there->added && p->force))
		return 0;
	if (!there->added) {
		err_set(err, CL_FORBIDDEN, "stack %s: it came with the platform", p->id);
		return err_hint(err, "Give yours another id, in stack.json and of its images");
	}
	err_set(err, CL_CONFLICT, "stack %s: there is one of that name", p->id);
	return err_hint(err, "--force replaces it");
}

/* --- its files -------------------------------------------------------------------------------- */

static int stacks_put_files(const struct stacks_put *p, int root, struct cl_err *err)
{
	const json_t *file;
	size_t i, total = 0;

	json_array_foreach((json_t *)(uintptr_t)p->files, i, file)
		if (stacks_put_file(root, file, &total, err) != 0)
			return -1;
	return 0;
}

static int stacks_put_file(int root, const json_t *file, size_t *total, struct cl_err *err)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *wrong = stacks_put_wrong(path);
	cl_autofree char *data = NULL;
	size_t n = 0;

	if (wrong != NULL)
		return err_set(err, CL_USAGE, "stack: %.240s: %s", path, wrong);
	data = stacks_put_decode(path, file, &n, err);
	if (data == NULL)
		return -1;
	*total += n;
	if (*total > STACKS_PUT_MAX)
		return err_set(err, CL_TOO_LARGE, "stack: its files have more than %d MiB",
		    STACKS_PUT_MAX >> 20);
	if (stacks_put_parents(root, path, err) != 0)
		return -1;
	return stacks_put_write(root, path, json_is_true(json_object_get(file, "exec")), data, n, err);
}

static int stacks_put_write(int root, const char *path, bool exec, const char *data, size_t n,
    struct cl_err *err)
{
	/* nobody else writes here, and no link was made: the path is what it says */
	cl_autoclose int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0644);
	size_t at = 0;

	if (fd < 0)
		return err_set(err, CL_USAGE, "stack: %.240s: %s", path, errno == EEXIST ?
		    "stands there twice" : strerror(errno));
	while (at < n) {
		ssize_t put = write(fd, data + at, n - at);

		if (put < 0 && errno != EINTR)
			return err_errno(err, CL_FAILED, "stack: %s", path);
		at += put > 0 ? (size_t)put : 0;
	}
	if (fchmod(fd, exec ? 0755 : 0644) != 0 || fsync(fd) != 0)
		return err_errno(err, CL_FAILED, "stack: %s", path);
	return 0;
}

static int stacks_put_parents(int root, const char *path, struct cl_err *err)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		cl_autofree char *folder = mem_strndup(path, (size_t)(slash - path));
		struct stat st;

		if (path_stat(root, folder, &st, NULL) == 0 && S_ISDIR(st.st_mode))
			continue;
		if (path_stat(root, folder, &st, NULL) == 0)
			return err_set(err, CL_USAGE, "stack: %.240s: %s is a file", path, folder);
		if (path_mkdir(root, folder, err) != 0)
			return -1;
		if (fchmodat(root, folder, 0755, 0) != 0)
			return err_errno(err, CL_FAILED, "stack: %s", folder);
	}
	return 0;
}

/* What is wrong with the name of a file; NULL = nothing. */
static const char *stacks_put_wrong(const char *path)
{
	int depth = 1;

	if (path[0] == '/')
		return "the path must be relative";
	if (!utf8_valid(path, strlen(path)))
		return "the path is not UTF-8";
	for (const char *p = path; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
			return "the path has a control character or a backslash";
		depth += *p == '/';
	}
	if (depth > STACKS_PUT_DEPTH)
		return "the path is too deep";
	for (const char *part = path; part != NULL; part = strchr(part, '/')) {
		size_t n;

		part += *part == '/';
		n = strcspn(part, "/");
		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && strncmp(part, "..", 2) == 0))
			return "the path leads elsewhere";
	}
	return NULL;
}

static char *stacks_put_decode(const char *path, const json_t *file, size_t *n, struct cl_err *err)
{
	const json_t *v = json_object_get(file, "data");
	char *data = mem_alloc(STACKS_PUT_FILE_MAX + 1);
	const char *end;

	if (sodium_base642bin((unsigned char *)data, STACKS_PUT_FILE_MAX, json_string_value(v),
	    json_string_length(v), NULL, n, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    *end == '\0')
		return data;
	mem_free(data);
	if (json_string_length(v) > STACKS_PUT_FILE_MAX / 3 * 4)
		err_set(err, CL_TOO_LARGE, "stack: %.240s: larger than %d MiB", path,
		    STACKS_PUT_FILE_MAX >> 20);
	else
		err_set(err, CL_USAGE, "stack: %.240s: data: is no base64", path);
	return NULL;
}

/* --- does all of it work ---------------------------------------------------------------------- */

static int stacks_put_check(const struct stacks_put *p, const char *folder, struct cl_err *err)
{
	const struct stack_set *made = stacks_read(folder, p->id, NULL, err);
	cl_autofree char *own = NULL;
	const struct stack *s;
	int rc = -1;

	if (made == NULL) {
		stacks_put_shorten(folder, err);
		return -1;
	}
	s = stack_find(made, p->id);
	own = mem_printf("%s/%s", folder, p->id);
	if (stacks_put_recipe(&s->dev, own, err) == 0 && stacks_put_recipe(&s->run, own, err) == 0)
		rc = stacks_put_others(p, made, err);
	stacks_give(made);
	return rc;
}

static int stacks_put_recipe(const struct stack_image *i, const char *folder, struct cl_err *err)
{
	cl_autofree char *path = NULL;
	struct stat st;

	if (i->id[0] == '\0')
		return 0;
	/* as the broker will have it */
	if (strncmp(i->file, "Containerfile", 13) != 0 || (i->file[13] != '\0' && i->file[13] != '.'))
		return err_set(err, CL_USAGE, "stack.json: images.file: %s: must be Containerfile or "
		    "Containerfile.WORD", i->file);
	path = mem_printf("%s/%s", folder, i->file);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	return err_set(err, CL_USAGE, "stack.json: images.file: %s is not in the folder", i->file);
}

/* Whatever else was added is there still. */
static int stacks_put_others(const struct stacks_put *p, const struct stack_set *made,
    struct cl_err *err)
{
	for (size_t i = 0; i < p->now->n; i++) {
		const struct stack *s = &p->now->items[i];

		if (strcmp(s->id, p->id) != 0 && stack_find(made, s->id) == NULL)
			return err_set(err, CL_CONFLICT, "stack %s: stack %s needs it as it is", p->id,
			    s->id);
	}
	return 0;
}

/* "/var/lib/.../.new/x/stack.json: port: why" is "stack.json: port: why" to whoever sent it. */
static void stacks_put_shorten(const char *folder, struct cl_err *err)
{
	size_t n = strlen(folder);
	char *at = strncmp(err->message, folder, n) == 0 ? strchr(err->message + n + 1, '/') : NULL;

	if (at != NULL)
		memmove(err->message, at + 1, strlen(at + 1) + 1);
}

static int stacks_put_swap(const struct stacks_put *p, const char *from, struct cl_err *err)
{
	cl_autofree char *dir = stacks_dir(), *to = mem_printf("%s/%s", dir, p->id);

	/* one of that id is there, with --force or as what could not be loaded: they change places */
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0 &&
	    (errno != ENOENT || renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0))
		return err_errno(err, CL_FAILED, "stack %s", p->id);
	return 0;
}
