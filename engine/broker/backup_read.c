/* Reading a backup: see backup.h. */
#include "engine/broker/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "engine/broker/backup_internal.h"
#include "engine/broker/docker.h"

#define CHUNK 262144
#define JSON_MAX_BYTES 65536
#define ACCOUNTS 8

const char *const backup_accounts[] = {"codinglab", "codinglab-ssh", "codinglab-pane",
    "codinglab-registry", "codinglab-proxy", NULL};

struct reading {
	int root;
	struct tarball *in;
	struct backup_sum sum;
	char *chunk;
	struct {
		int64_t from_uid, from_gid;
		uid_t uid;
		gid_t gid;
	} accounts[ACCOUNTS];
	size_t naccounts;
};

static int damaged(struct cl_err *err, const char *what)
{
	err_set(err, CL_FAILED, "restore: %s", what);
	return err_hint(err, "Nothing of it was used; take another copy of the backup");
}

static void learn_accounts(struct reading *r, const json_t *accounts)
{
	for (const char *const *n = backup_accounts; *n && r->naccounts < ACCOUNTS; n++) {
		const json_t *pair = json_object_get(accounts, *n);
		const struct passwd *p = getpwnam(*n);

		if (!p || !json_is_integer(json_array_get(pair, 1)))
			continue;
		r->accounts[r->naccounts].from_uid = json_integer_value(json_array_get(pair, 0));
		r->accounts[r->naccounts].from_gid = json_integer_value(json_array_get(pair, 1));
		r->accounts[r->naccounts].uid = p->pw_uid;
		r->accounts[r->naccounts++].gid = p->pw_gid;
	}
}

static int own(const struct reading *r, int fd, const struct tarball_entry *e, struct cl_err *err)
{
	uid_t uid = (uid_t)e->uid;
	gid_t gid = (gid_t)e->gid;

	for (size_t i = 0; i < r->naccounts; i++) {
		if (r->accounts[i].from_uid == e->uid)
			uid = r->accounts[i].uid;
		if (r->accounts[i].from_gid == e->gid)
			gid = r->accounts[i].gid;
	}
	/* Set-group-id is for folders: what is made in a workspace is the project's. */
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, e->mode & (e->type == 'd' ? 02777u : 0777u)) < 0)
		return err_errno(err, CL_FAILED, "restore: %s", e->name);
	return 0;
}

static int make_folder(const struct reading *r, const struct tarball_entry *e, struct cl_err *err)
{
	cl_autoclose int fd = -1;

	if (path_mkdir(r->root, e->name, err) < 0)
		return -1;
	fd = path_open_dir(r->root, e->name, err);
	return fd < 0 ? -1 : own(r, fd, e, err);
}

/* A link belongs to whoever made it; it is never followed here. */
static int make_link(const struct reading *r, const struct tarball_entry *e, struct cl_err *err)
{
	return path_symlink(r->root, e->name, e->target, err);
}

static int make_file(struct reading *r, const struct tarball_entry *e, struct cl_err *err)
{
	cl_autofree char *name = mem_strdup(e->name);
	cl_autoclose int fd = path_open_new(r->root, name, 0600, err);
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
	    {.tv_sec = (time_t)(e->mtime / 1000000000), .tv_nsec = (long)(e->mtime % 1000000000)}};
	struct tarball_entry copy = *e;
	int64_t size = 0, n;

	copy.name = name;
	if (fd < 0)
		return -1;
	while ((n = tarball_read(r->in, r->chunk, CHUNK, err)) > 0) {
		size += n;
		tree_digest_add(&r->sum.digest, r->chunk, (size_t)n);
		if (write(fd, r->chunk, (size_t)n) != n)
			return err_errno(err, CL_UNAVAILABLE, "restore: %s", name);
	}
	if (n < 0)
		return -1;
	if (size != copy.size)
		return damaged(err, "a file is shorter than it says");
	if (own(r, fd, &copy, err) < 0)
		return -1;
	return t[1].tv_nsec < 0 || futimens(fd, t) == 0 ? 0
	    : err_errno(err, CL_FAILED, "restore: %s", name);
}

static json_t *read_json(struct reading *r, bool sum, struct cl_err *err)
{
	size_t len = 0;
	cl_autofree char *text = tarball_read_all(r->in, JSON_MAX_BYTES, &len, err);
	json_t *j = text ? json_loadb(text, len, 0, NULL) : NULL;

	if (text && sum)
		tree_digest_add(&r->sum.digest, text, len);
	if (!j)
		damaged(err, "it is damaged");
	return j;
}

static int read_head(struct reading *r, struct cl_err *err)
{
	struct tarball_entry e;
	json_t *j;

	if (tarball_next(r->in, &e, err) != 1 || strcmp(e.name, BACKUP_HEAD) != 0 || e.type != 'f') {
		err_clear(err);
		return err_set(err, CL_PRECONDITION, "restore: this is no backup of CodingLab");
	}
	backup_sum_entry(&r->sum, &e);
	j = read_json(r, true, err);
	if (!j)
		return -1;
	if (docker_int(j, "format") != BACKUP_FORMAT) {
		err_set(err, CL_PRECONDITION, "restore: the backup has format %lld, this program knows %d",
		    (long long)docker_int(j, "format"), BACKUP_FORMAT);
		err_hint(err, "A newer CodingLab wrote it: restore it with that one");
	} else {
		learn_accounts(r, json_object_get(j, "accounts"));
	}
	json_decref(j);
	return err->code ? -1 : 0;
}

static int read_end(struct reading *r, struct cl_err *err)
{
	char hash[TREE_HASH];
	struct tarball_entry e;
	json_t *j = read_json(r, false, err);
	bool good;

	if (!j)
		return -1;
	tree_digest_end(&r->sum.digest, hash);
	good = docker_int(j, "entries") == r->sum.entries && strcmp(docker_str(j, "sha256"), hash) == 0;
	json_decref(j);
	if (!good)
		return damaged(err, "its checksum is another: it was changed or damaged");
	return tarball_next(r->in, &e, err) == 0 ? 0 : damaged(err, "something follows its end");
}

static int read_entry(struct reading *r, const struct tarball_entry *e, struct cl_err *err)
{
	if (!tree_path_ok(e->name) || e->type == '?' || e->uid < 0 || e->gid < 0 ||
	    e->uid > UINT32_MAX - 1 || e->gid > UINT32_MAX - 1)
		return damaged(err, "it holds a name, link or device that no backup has");
	backup_sum_entry(&r->sum, e);
	switch (e->type) {
	case 'd':
		return make_folder(r, e, err);
	case 'l':
		return make_link(r, e, err);
	default:
		return make_file(r, e, err);
	}
}

static int read_all(struct reading *r, struct cl_err *err)
{
	char name[TREE_PATH_MAX];
	struct tarball_entry e;
	int got;

	if (read_head(r, err) < 0)
		return -1;
	while ((got = tarball_next(r->in, &e, err)) == 1) {
		size_t len = strlen(e.name);

		if (strcmp(e.name, BACKUP_END) == 0)
			return read_end(r, err);
		if (len == 0 || len >= sizeof(name))
			return damaged(err, "a path is too long");
		/* folders are written with a slash at their end */
		memcpy(name, e.name, len + 1);
		if (e.type == 'd' && name[len - 1] == '/')
			name[len - 1] = '\0';
		e.name = name;
		if (read_entry(r, &e, err) < 0)
			return -1;
	}
	return got < 0 ? -1 : damaged(err, "it has no end: it was cut");
}

int backup_read_all(int fd, const char *dir, struct cl_err *err)
{
	struct reading *r = mem_alloc(sizeof(*r));
	struct cl_err own_err = {0};
	int rc = -1;

	err = err ? err : &own_err;
	r->root = path_root(dir, err);
	r->chunk = mem_alloc(CHUNK);
	tree_digest_begin(&r->sum.digest);
	r->in = r->root < 0 ? NULL : tarball_open(fd, true, err);
	if (r->in)
		rc = read_all(r, err);
	if (rc == 0)
		rc = path_rename(r->root, BACKUP_COPY, "engine/codinglab.db", err);
	if (r->in)
		tarball_close(r->in, NULL);
	if (r->root >= 0)
		close(r->root);
	mem_free(r->chunk);
	mem_free(r);
	return rc;
}
