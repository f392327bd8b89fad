/* The users' own folders: see files.h.  The template is copied by files_template.c. */
#include "engine/broker/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/priv.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/files_template.h"

static void child(int sock, uint32_t uid, uint32_t gid, int (*fn)(void *, struct cl_err *),
    void *arg) __attribute__((noreturn));

static void child(int sock, uint32_t uid, uint32_t gid, int (*fn)(void *, struct cl_err *),
    void *arg)
{
	struct cl_err err = {0};
	struct ipc_out m;
	int rc;

	if (uid != geteuid() || gid != getegid())
		priv_drop(uid, gid, NULL, 0);
	umask(007);
	rc = fn(arg, &err);
	if (rc < 0) {
		if (!err.code)
			err_set(&err, CL_FAILED, "it failed without a reason");
		ipc_begin(&m, BROKER_ERROR);
		ipc_put_err(&m, &err);
	} else {
		ipc_begin(&m, BROKER_OK);
	}
	ipc_send(sock, &m);
	_exit(0);
}

int files_as(uint32_t uid, uint32_t gid, int (*fn)(void *arg, struct cl_err *err), void *arg,
    struct cl_err *err)
{
	struct cl_err why = {0};
	struct ipc_in m;
	int fds[2], got, status;
	pid_t pid;

	if (ipc_pair(fds, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child(fds[1], uid, gid, fn, arg);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_errno(err, CL_FAILED, "fork");
	}
	got = ipc_recv(fds[0], &m);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (got == 1 && m.type == BROKER_OK && ipc_end(&m) == 0)
		return 0;
	if (got == 1 && m.type == BROKER_ERROR) {
		ipc_get_err(&m, &why);
		if (ipc_end(&m) == 0 && why.code) {
			err_set(err, why.code, "%s", why.message);
			return why.hint[0] ? err_hint(err, "%s", why.hint) : -1;
		}
	}
	return err_set(err, CL_FAILED, "the helper that acts for user %u died", uid);
}

int files_folder(const char *dir, uid_t uid, gid_t gid, mode_t mode, struct cl_err *err)
{
	cl_autoclose int fd = -1;
	int rc = -1;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, CL_FAILED, "%s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Without CAP_FSETID only a member of the group may set its set-group-id bit. */
	setfsgid(gid);
	if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		err_errno(err, CL_FAILED, "%s", dir);
	else
		rc = 0;
	setfsgid(getegid());
	return rc;
}

static int parent(const struct broker *b, const char *name, struct cl_err *err)
{
	char dir[PLACE_PATH];

	snprintf(dir, sizeof(dir), "%s/%s", b->place.state, name);
	return files_folder(dir, 0, 0, 0711, err);
}

static int remove_below(const struct broker *b, const char *dir, const char *leaf, struct cl_err *err)
{
	char path[PLACE_PATH];
	cl_autoclose int root = -1;
	struct cl_err why = {0};

	snprintf(path, sizeof(path), "%s/%s", b->place.state, dir);
	root = path_root(path, &why);
	if (root >= 0 && path_remove(root, leaf, &why) == 0)
		return 0;
	if (why.code == CL_NOT_FOUND)
		return 0;
	return err_set(err, why.code, "%s/%s: %s", dir, leaf, why.message);
}

struct fill {
	char work[PLACE_PATH], from[PLACE_PATH];
	const struct spec_vars *subst;
};

static int fill_cb(void *arg, struct cl_err *err)
{
	struct fill *f = arg;

	return files_template_copy(f->from, f->work, f->subst, err);
}

int files_create(const struct broker *b, int64_t project, uint32_t uid, uint32_t gid,
    const char *template, const struct spec_vars *subst, struct cl_err *err)
{
	char dir[PLACE_PATH], home[PLACE_PATH], stack[64];
	struct fill f = {.subst = subst};
	size_t n;

	place_project(&b->place, project, dir);
	place_work(&b->place, project, f.work);
	place_home(&b->place, project, home);
	if (parent(b, "projects", err) < 0 || files_folder(dir, 0, 0, 0711, err) < 0 ||
	    files_folder(home, uid, gid, 02770, err) < 0 || files_folder(f.work, uid, gid, 02770, err) < 0)
		return -1;
	if (!template[0])
		return 0;
	snprintf(stack, sizeof(stack), "%.*s", (int)strcspn(template, "/"), template);
	place_stack(&b->place, stack, f.from);
	n = strlen(f.from);
	snprintf(f.from + n, sizeof(f.from) - n, "%s", template + strlen(stack));
	return files_as(uid, gid, fill_cb, &f, err);
}

int files_remove(const struct broker *b, int64_t project, struct cl_err *err)
{
	char leaf[32];

	snprintf(leaf, sizeof(leaf), "%lld", (long long)project);
	return remove_below(b, "projects", leaf, err);
}

struct reading {
	char work[PLACE_PATH];
	const char *name;
	size_t max;
	int sock;
};

int files_send(int sock, const char *data, size_t len, struct cl_err *err)
{
	struct ipc_out m;

	for (size_t at = 0; at < len;) {
		size_t n = len - at < IPC_DATA_MAX ? len - at : IPC_DATA_MAX;

		ipc_begin(&m, BROKER_DATA);
		ipc_put_bytes(&m, data + at, n);
		if (ipc_send(sock, &m) < 0)
			return err_errno(err, CL_FAILED, "send");
		at += n;
	}
	return 0;
}

static int read_cb(void *arg, struct cl_err *err)
{
	struct reading *r = arg;
	cl_autoclose int root = path_root(r->work, err);
	cl_autofree char *data = NULL;
	size_t len;

	if (root < 0)
		return -1;
	data = path_read(root, r->name, r->max, &len, err);
	return data ? files_send(r->sock, data, len, err) : -1;
}

int files_read(const struct broker *b, int sock, int64_t project, uint32_t uid, const char *name,
    size_t max, struct cl_err *err)
{
	struct reading r = {.name = name, .max = max, .sock = sock};
	struct stat st;

	place_work(&b->place, project, r.work);
	if (stat(r.work, &st) < 0)
		return err_errno(err, CL_NOT_FOUND, "workspace of project %lld", (long long)project);
	return files_as(uid, st.st_gid, read_cb, &r, err);
}

int files_user(const struct broker *b, uint32_t uid, bool present, struct cl_err *err)
{
	char leaf[16], dir[PLACE_PATH], swap[PLACE_PATH + 8];

	snprintf(leaf, sizeof(leaf), "%u", uid);
	if (!present)
		return remove_below(b, "users", leaf, err);
	snprintf(dir, sizeof(dir), "%s/users/%s", b->place.state, leaf);
	snprintf(swap, sizeof(swap), "%s/swap", dir);
	if (parent(b, "users", err) < 0 || files_folder(dir, uid, uid, 0700, err) < 0)
		return -1;
	return files_folder(swap, uid, uid, 0700, err);
}

int files_build_begin(const struct broker *b, int64_t op, uint32_t uid, uint32_t gid,
    struct cl_err *err)
{
	char dir[PLACE_PATH];

	if (files_build_end(b, op, err) < 0 || parent(b, "builds", err) < 0)
		return -1;
	place_build(&b->place, op, dir);
	return files_folder(dir, uid, gid, 0700, err);
}

int files_build_end(const struct broker *b, int64_t op, struct cl_err *err)
{
	char leaf[32];

	snprintf(leaf, sizeof(leaf), "%lld", (long long)op);
	return remove_below(b, "builds", leaf, err);
}
