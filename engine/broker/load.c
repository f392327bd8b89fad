/* Bringing a save's files back: see load.h. */
#include "engine/broker/load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"
#include "engine/broker/container.h"
#include "engine/broker/files.h"
#include "engine/broker/save.h"
#include "engine/broker/tarball.h"
#include "engine/broker/tree_put.h"

#define READY_MAX 32

int load_read(struct load *l, struct ipc_in *m, struct cl_err *err)
{
	memset(l, 0, sizeof(*l));
	l->project = spec_read_wide(m, 1, CHECK_ID_MAX);
	l->op = spec_read_wide(m, 1, INT32_MAX);
	l->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	l->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	ipc_get_str(m, l->work, sizeof(l->work));
	ipc_get_str(m, l->dev, sizeof(l->dev));
	l->max_bytes = spec_read_wide(m, 0, 1LL << 42);
	if (m->bad)
		return err_set(err, CL_USAGE, "load: a number is out of range");
	if (!check_digest(l->work) || !check_digest(l->dev))
		return err_set(err, CL_USAGE, "load: digest: not allowed");
	return 0;
}

int load_copy(const struct broker *b, const struct load *l, const char *name, struct cl_err *err)
{
	char id[96];

	if (strlen(name) > 31 || !check_owned(name, l->project))
		return err_set(err, CL_USAGE, "save: name: not allowed");
	snprintf(id, sizeof(id), "save/%s", name);
	if (save_tag(b, l->dev, id, err) < 0)
		return -1;
	snprintf(id, sizeof(id), "work/%s", name);
	return save_tag(b, l->work, id, err);
}

static void new_name(int64_t op, char out[48])
{
	snprintf(out, 48, "new-%" PRId64, op);
}

static void old_name(int64_t op, char out[48])
{
	snprintf(out, 48, "old-%" PRId64, op);
}

static int project_root(const struct broker *b, int64_t project, struct cl_err *err)
{
	char dir[PLACE_PATH];

	place_project(&b->place, project, dir);
	return path_root(dir, err);
}

/* -- prepare -- */

struct putting {
	char dir[PLACE_PATH + 64];
	int list, objects;
	int64_t max_bytes;
};

static int read_list(const struct putting *p, struct tree *t, struct cl_err *err)
{
	struct tarball *in = tarball_open(p->list, false, err);
	cl_autofree char *text = NULL;
	struct tarball_entry e;
	size_t len = 0;
	int rc = -1;

	memset(t, 0, sizeof(*t));
	if (!in)
		return -1;
	if (tarball_next(in, &e, err) == 1)
		text = tarball_read_all(in, TREE_TEXT, &len, err);
	if (text)
		rc = tree_read(t, text, len, err);
	tarball_close(in, NULL);
	if (rc == 0 && t->bytes > p->max_bytes) {
		tree_clear(t);
		rc = err_set(err, CL_QUOTA, "load: its files are more than %lld MB",
		    (long long)(p->max_bytes >> 20));
	}
	return rc < 0 ? err_set(err, CL_FAILED, "load: the save has no list of files") : 0;
}

/* A part of the home that the save lacks comes back as an empty folder. */
static int home_parts(int root, struct cl_err *err)
{
	for (size_t i = 0; save_home[i]; i++) {
		cl_autofree char *name = mem_printf("home/%s", save_home[i]);

		if (tree_put_parents(root, name, err) < 0 || path_mkdir(root, name, err) < 0)
			return -1;
	}
	return 0;
}

/* As the owner. */
static int put_cb(void *arg, struct cl_err *err)
{
	struct putting *p = arg;
	cl_autoclose int root = path_root(p->dir, err);
	cl_autoclose int disk = root < 0 ? -1 : path_open_dir(root, "work", err);
	struct tarball *in;
	struct tree t;
	int rc;

	if (disk < 0 || read_list(p, &t, err) < 0)
		return -1;
	in = tarball_open(p->objects, false, err);
	rc = in ? home_parts(root, err) : -1;
	if (rc == 0)
		rc = tree_put_all(&t, root, in, err);
	if (in)
		tarball_close(in, NULL);
	tree_clear(&t);
	if (rc == 0 && syncfs(disk) < 0)
		rc = err_errno(err, CL_UNAVAILABLE, "load: writing to the disk");
	return rc;
}

static int make_folders(const struct load *l, const char *dir, struct cl_err *err)
{
	char sub[PLACE_PATH + 80];

	if (files_folder(dir, 0, 0, 0755, err) < 0)
		return -1;
	snprintf(sub, sizeof(sub), "%s/home", dir);
	if (files_folder(sub, l->uid, l->gid, 02770, err) < 0)
		return -1;
	snprintf(sub, sizeof(sub), "%s/work", dir);
	return files_folder(sub, l->uid, l->gid, 02770, err);
}

static int write_ready(const char *dir, struct cl_err *err)
{
	char sub[PLACE_PATH + 80], text[READY_MAX];
	cl_autoclose int fd = -1;
	struct stat st;
	int n;

	snprintf(sub, sizeof(sub), "%s/work", dir);
	if (stat(sub, &st) < 0)
		return err_errno(err, CL_FAILED, "%s", sub);
	snprintf(sub, sizeof(sub), "%s/ready", dir);
	fd = open(sub, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)st.st_ino);
	if (fd < 0 || write(fd, text, (size_t)n) != n || fsync(fd) < 0)
		return err_errno(err, CL_FAILED, "%s", sub);
	return 0;
}

static int fetch(const struct broker *b, const struct load *l, struct putting *p, struct cl_err *err)
{
	char name[80];
	int rc = -1;

	/* The container's image is only looked at: it must be there when the container is made. */
	if (save_scratch(b, l->dev, l->project, l->op, "dev", name, err) < 0 ||
	    save_scratch(b, l->work, l->project, l->op, "work", name, err) < 0) {
		save_clean(b, l->op);
		return -1;
	}
	p->list = save_fetch(b, name, "/manifest", TREE_TEXT + 65536, err);
	if (p->list >= 0)
		p->objects = save_fetch(b, name, "/objects", 1LL << 42, err);
	if (p->objects >= 0)
		rc = 0;
	save_clean(b, l->op);
	return rc;
}

int load_prepare(const struct broker *b, const struct load *l, struct cl_err *err)
{
	struct putting p = {.list = -1, .objects = -1, .max_bytes = l->max_bytes};
	char dir[PLACE_PATH], name[48];
	int rc;

	place_project(&b->place, l->project, dir);
	new_name(l->op, name);
	snprintf(p.dir, sizeof(p.dir), "%s/%s", dir, name);
	rc = load_drop(b, l->project, l->op, err);
	if (rc == 0)
		rc = fetch(b, l, &p, err);
	if (rc == 0)
		rc = make_folders(l, p.dir, err);
	if (rc == 0)
		rc = files_as(l->uid, l->gid, put_cb, &p, err);
	if (rc == 0)
		rc = write_ready(p.dir, err);
	if (p.list >= 0)
		close(p.list);
	if (p.objects >= 0)
		close(p.objects);
	if (rc < 0)
		load_drop(b, l->project, l->op, NULL);
	return rc;
}

/* -- swap -- */

struct homes {
	char from[PLACE_PATH + 64], to[PLACE_PATH];
};

/* One part of the home: the old one goes, the new one takes its place.  A part that is not in `from`
 * was put there before a crash. */
static int swap_part(int from, int to, const char *part, struct cl_err *err)
{
	cl_autofree char *dup = mem_strdup(part);
	char *leaf = strrchr(dup, '/');
	cl_autoclose int a = -1, b = -1;
	struct cl_err why = {0};
	struct stat st;

	if (path_stat(from, part, &st, &why) < 0)
		return why.code == CL_NOT_FOUND ? 0 : err_set(err, why.code, "%s", why.message);
	if (tree_put_parents(to, part, err) < 0)
		return -1;
	*leaf++ = '\0';
	a = path_open_dir(from, dup, err);
	b = a < 0 ? -1 : path_open_dir(to, dup, err);
	if (b < 0)
		return -1;
	if (path_remove(b, leaf, &why) < 0 && why.code != CL_NOT_FOUND)
		return err_set(err, why.code, "%s", why.message);
	/* An empty folder says that the save has none. */
	if (unlinkat(a, leaf, AT_REMOVEDIR) < 0 && renameat(a, leaf, b, leaf) < 0)
		return err_errno(err, CL_FAILED, "load: ~/%s", part);
	return 0;
}

/* As the owner.  A home whose parts are links into elsewhere keeps them: the workspace counts. */
static int homes_cb(void *arg, struct cl_err *err)
{
	struct homes *h = arg;
	cl_autoclose int from = path_root(h->from, err);
	cl_autoclose int to = from < 0 ? -1 : path_root(h->to, err);

	if (to < 0)
		return -1;
	for (size_t i = 0; save_home[i]; i++) {
		struct cl_err why = {0};

		if (swap_part(from, to, save_home[i], &why) < 0 && why.code != CL_FORBIDDEN)
			return err_set(err, why.code, "%s", why.message);
	}
	return 0;
}

static int read_ready(int root, const char *name, ino_t *out, struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/ready", name);
	cl_autofree char *text = path_read(root, path, READY_MAX, NULL, err);

	if (!text)
		return -1;
	*out = (ino_t)strtoull(text, NULL, 10);
	return *out ? 0 : err_set(err, CL_FAILED, "load: what was prepared is damaged");
}

static int swap_work(int root, const char *name, struct cl_err *err)
{
	cl_autofree char *fresh = mem_printf("%s/work", name);
	struct stat st;
	ino_t ready;

	if (read_ready(root, name, &ready, err) < 0 || path_stat(root, "work", &st, err) < 0)
		return -1;
	if (st.st_ino == ready)
		return 0; /* before a crash */
	/* Both names are below folders of root's alone. */
	if (renameat2(root, fresh, root, "work", RENAME_EXCHANGE) < 0)
		return err_errno(err, CL_FAILED, "load: the workspace could not be replaced");
	return 0;
}

int load_swap(const struct broker *b, int64_t project, int64_t op, struct cl_err *err)
{
	cl_autoclose int root = project_root(b, project, err);
	struct homes h;
	struct stat st;
	char name[48], old[48], dir[PLACE_PATH];

	if (root < 0)
		return -1;
	new_name(op, name);
	if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return load_drop(b, project, op, err); /* all but that was done */
	place_project(&b->place, project, dir);
	place_home(&b->place, project, h.to);
	snprintf(h.from, sizeof(h.from), "%s/%s/home", dir, name);
	if (swap_work(root, name, err) < 0)
		return -1;
	if (stat(h.to, &st) < 0)
		return err_errno(err, CL_FAILED, "load: the home");
	if (files_as(st.st_uid, st.st_gid, homes_cb, &h, err) < 0)
		return -1;
	/* Under another name first: half removed it must not look prepared. */
	old_name(op, old);
	if (renameat(root, name, root, old) < 0)
		return err_errno(err, CL_FAILED, "load: what was there before");
	return load_drop(b, project, op, err);
}

int load_drop(const struct broker *b, int64_t project, int64_t op, struct cl_err *err)
{
	cl_autoclose int root = project_root(b, project, err);
	char names[2][48];

	save_clean(b, op);
	if (root < 0)
		return -1;
	new_name(op, names[0]);
	old_name(op, names[1]);
	for (int i = 0; i < 2; i++) {
		struct cl_err why = {0};

		if (path_remove(root, names[i], &why) < 0 && why.code != CL_NOT_FOUND)
			return err_set(err, why.code, "load: %s", why.message);
	}
	return 0;
}
