/* Importing: see import.h. */
#include "engine/broker/import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/check.h"
#include "engine/broker/files.h"
#include "engine/broker/helper.h"
#include "engine/broker/spec.h"
#include "engine/broker/transfer.h"

#define CLEAN_TRIES 20

int import_read(struct import *s, struct ipc_in *m, struct cl_err *err)
{
	memset(s, 0, sizeof(*s));
	s->project = spec_read_wide(m, 1, CHECK_ID_MAX);
	s->uid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	s->gid = (uint32_t)ipc_get_range(m, CHECK_UID_MIN, CHECK_UID_MAX);
	s->upload_uid = (uint32_t)ipc_get_range(m, 0, CHECK_UID_MAX);
	ipc_get_str(m, s->upload, sizeof(s->upload));
	ipc_get_str(m, s->url, sizeof(s->url));
	ipc_get_str(m, s->branch, sizeof(s->branch));
	s->depth = (int)ipc_get_range(m, 0, 1000000);
	s->replace = ipc_get_range(m, 0, 1);
	if (m->bad)
		return err_set(err, CL_USAGE, "import: a field is out of range");
	if ((s->upload[0] && !check_ticket(s->upload)) || !s->upload[0] == !s->url[0] ||
	    !check_text(s->url) || !check_text(s->branch) || s->branch[0] == '-')
		return err_set(err, CL_USAGE, "import: source: not allowed");
	return 0;
}

static void staging(const struct broker *b, const struct import *s, char out[PLACE_PATH])
{
	char dir[PLACE_PATH];

	place_project(&b->place, s->project, dir);
	snprintf(out, PLACE_PATH, "%.490s/import", dir);
}

/* Gone, also while a killed helper's last write still lands. */
static int remove_staging(const struct broker *b, const struct import *s, struct cl_err *err)
{
	cl_autoclose int root = -1;
	char dir[PLACE_PATH];

	place_project(&b->place, s->project, dir);
	root = path_root(dir, err);
	if (root < 0)
		return -1;
	for (int i = 0;; i++) {
		struct cl_err why = {0};

		if (path_remove(root, "import", &why) == 0 || why.code == CL_NOT_FOUND)
			return 0;
		if (i == CLEAN_TRIES)
			return err_set(err, why.code, "staging folder: %s", why.message);
		usleep(50000);
	}
}

static int make_staging(const struct broker *b, const struct import *s, struct cl_err *err)
{
	char dir[PLACE_PATH];

	if (remove_staging(b, s, err) < 0)
		return -1;
	staging(b, s, dir);
	return files_folder(dir, s->uid, s->gid, 02770, err);
}

/* -- in a child that is the user -- */

struct move {
	char staging[PLACE_PATH], work[PLACE_PATH];
	const char *root;
	bool replace;
};

static bool dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Everything in one folder into another. */
static int move_all(int from, int to, struct cl_err *err)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return err_errno(err, CL_FAILED, "folder");
	while (rc == 0 && (e = readdir(d))) {
		if (dots(e->d_name))
			continue;
		if (renameat2(from, e->d_name, to, e->d_name, RENAME_NOREPLACE) < 0)
			rc = err_errno(err, errno == EEXIST ? CL_CONFLICT : CL_FAILED, "%.200s", e->d_name);
		else
			rewinddir(d); /* what readdir() gives after a removal is anyone's guess */
	}
	closedir(d);
	return rc;
}

static int folder_empty(const char *path, struct cl_err *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return err_errno(err, CL_FAILED, "workspace");
	while (rc == 0 && (e = readdir(d)))
		if (!dots(e->d_name))
			rc = 1;
	closedir(d);
	return rc;
}

static int empty_cb(void *arg, struct cl_err *err)
{
	const struct move *m = arg;
	int rc = m->replace ? 0 : folder_empty(m->work, err);

	if (rc <= 0)
		return rc;
	err_set(err, CL_CONFLICT, "import: the project has files already");
	return err_hint(err, "--force puts the imported ones in their place");
}

static int open_dir(int at, const char *path)
{
	return openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int move_cb(void *arg, struct cl_err *err)
{
	struct move *m = arg;
	cl_autoclose int stage = open_dir(AT_FDCWD, m->staging);
	cl_autoclose int work = open_dir(AT_FDCWD, m->work);
	cl_autoclose int all = -1, root = -1, old = -1;

	all = stage < 0 ? -1 : path_open_dir(stage, "new", err);
	root = all < 0 ? -1 : path_open_dir(all, m->root[0] ? m->root : ".", err);
	if (root < 0 || work < 0)
		return err_errno(err, CL_FAILED, "staging folder");
	if (m->replace) {
		if (mkdirat(stage, "old", 0770) < 0 || (old = open_dir(stage, "old")) < 0)
			return err_errno(err, CL_FAILED, "staging folder");
		if (move_all(work, old, err) < 0)
			return -1;
	}
	if (move_all(root, work, err) == 0)
		return 0;
	if (old >= 0)
		move_all(old, work, NULL); /* as far as it goes */
	return -1;
}

/* -- the helper -- */

static int home(const struct broker *b, const struct import *s, char out[PLACE_PATH],
    struct cl_err *err)
{
	if (files_user(b, s->uid, true, err) < 0)
		return -1;
	snprintf(out, PLACE_PATH, "%.240s/users/%u/git", b->place.state, s->uid);
	return files_folder(out, s->uid, s->uid, 0700, err);
}

static int request(const struct broker *b, const struct import *s, const struct unpack_limits *max,
    int folder, int archive, struct ipc_out *m, struct cl_err *err)
{
	char dir[PLACE_PATH];

	ipc_begin(m, archive >= 0 ? UNPACK_EXTRACT : UNPACK_FETCH);
	helper_put_limits(m, max);
	if (archive < 0) {
		if (home(b, s, dir, err) < 0)
			return -1;
		ipc_put_str(m, s->url);
		ipc_put_str(m, s->branch);
		ipc_put_i32(m, s->depth);
		ipc_put_str(m, config_str("import.private"));
		ipc_put_str(m, dir);
		ipc_put_str(m, config_str("trust.bundle"));
	}
	ipc_put_fd(m, folder);
	if (archive >= 0)
		ipc_put_fd(m, archive);
	return m->bad ? err_set(err, CL_USAGE, "import: the source is too long") : 0;
}

static int fetch(const struct broker *b, const struct import *s, struct line *out,
    struct unpack_result *r, struct cl_err *err)
{
	struct helper h = {.uid = s->uid, .gid = s->gid, .out = out, .watch = -1};
	struct ipc_out *m = mem_alloc(sizeof(*m));
	cl_autoclose int folder = -1, archive = -1;
	struct unpack_limits max;
	char dir[PLACE_PATH];
	int rc = 0;

	helper_limits(&max);
	h.seconds = max.seconds;
	staging(b, s, dir);
	folder = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0)
		rc = err_errno(err, CL_FAILED, "staging folder");
	if (rc == 0 && s->upload[0])
		rc = archive = transfer_open(b, s->upload_uid, s->upload, err);
	if (rc >= 0)
		rc = request(b, s, &max, folder, archive, m, err);
	if (rc == 0)
		rc = helper_run(&h, m, r, err);
	mem_wipe(m, sizeof(*m));
	mem_free(m);
	return rc < 0 ? -1 : 0;
}

static int check_root(const char *root)
{
	return root[0] == '/' || strstr(root, "..") || strlen(root) > 200 ? -1 : 0;
}

int import_run(const struct broker *b, const struct import *s, struct line *out,
    struct unpack_result *r, struct cl_err *err)
{
	struct move m = {.root = r->root, .replace = s->replace};
	int rc;

	staging(b, s, m.staging);
	place_work(&b->place, s->project, m.work);
	rc = files_as(s->uid, s->gid, empty_cb, &m, err);
	if (rc == 0)
		rc = make_staging(b, s, err);
	if (rc == 0)
		rc = fetch(b, s, out, r, err);
	if (rc == 0 && check_root(r->root) < 0)
		rc = err_set(err, CL_FAILED, "import: its helper's answer is malformed");
	if (rc == 0)
		rc = files_as(s->uid, s->gid, move_cb, &m, err);
	if (remove_staging(b, s, rc == 0 ? err : NULL) < 0)
		rc = -1;
	if (s->upload[0])
		transfer_forget(b, s->upload_uid, s->upload);
	return rc;
}

void import_clean(const struct broker *b, const struct import *s)
{
	remove_staging(b, s, NULL);
}
