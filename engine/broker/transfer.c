/* Uploads and exports: see transfer.h. */
#include "engine/broker/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "engine/api/exec_proto.h"
#include "engine/broker/backup.h"
#include "engine/broker/check.h"
#include "engine/broker/files.h"
#include "engine/broker/helper.h"

#define IDLE_MS 120000      /* nothing comes for so long: over */
#define PER_USER 4          /* uploads that wait for their import */
#define KEEP_S 1800         /* an upload whose client went away before it said what for */
#define CHUNK 65536

static void dir_of(const struct broker *b, char out[PLACE_PATH])
{
	snprintf(out, PLACE_PATH, "%s/uploads", b->place.state);
}

static char *path_of(const struct broker *b, uint32_t uid, const char *id)
{
	return mem_printf("%s/uploads/%u-%s", b->place.state, uid, id);
}

int transfer_open(const struct broker *b, uint32_t uid, const char *id, struct cl_err *err)
{
	cl_autofree char *path = path_of(b, uid, id);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err_set(err, CL_PRECONDITION, "import: there is no such upload");
	return err_hint(err, "Its bytes come first; one upload serves one import");
}

void transfer_forget(const struct broker *b, uint32_t uid, const char *id)
{
	cl_autofree char *path = path_of(b, uid, id);

	unlink(path);
}

void transfer_sweep(const struct broker *b)
{
	char path[PLACE_PATH];
	struct dirent *e;
	struct stat st;
	DIR *d;

	dir_of(b, path);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime + KEEP_S < clock_unix_ms() / 1000)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static void fail(int sock, struct cl_err *err)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, EXEC_FAILED);
	ipc_put_err(m, err);
	ipc_send(sock, m);
	mem_free(m);
}

static void done(int sock)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));

	ipc_begin(m, EXEC_EXITED);
	ipc_put_u32(m, 0);
	ipc_put_u32(m, 0);
	ipc_send(sock, m);
	mem_free(m);
}

/* The client's three descriptors; they stay ours to close. */
static int opened(int sock, int in, int out, int errs, struct cl_err *err)
{
	struct ipc_out *m = mem_alloc(sizeof(*m));
	int rc;

	ipc_begin(m, EXEC_OPENED);
	ipc_put_u32(m, 0);
	ipc_put_bytes(m, "", 0);
	ipc_put_fd(m, in);
	ipc_put_fd(m, out);
	ipc_put_fd(m, errs);
	rc = ipc_send(sock, m);
	mem_free(m);
	return rc == 0 ? 0 : err_errno(err, CL_FAILED, "send");
}

/* -- in -- */

static int room(const struct broker *b, uint32_t uid, struct cl_err *err)
{
	cl_autofree char *mine = mem_printf("%u-", uid);
	char path[PLACE_PATH];
	struct dirent *e;
	int n = 0;
	DIR *d;

	dir_of(b, path);
	if (files_folder(path, 0, 0, 0700, err) < 0)
		return -1;
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += strncmp(e->d_name, mine, strlen(mine)) == 0;
	if (d)
		closedir(d);
	return n < PER_USER ? 0
	    : err_set(err, CL_QUOTA, "upload: %d of yours wait already for their import", n);
}

/* 1 a chunk, 0 the end, -1 over. */
static ssize_t next(int sock, int from, char *data, struct cl_err *err)
{
	struct pollfd p[2] = {{.fd = from, .events = POLLIN}, {.fd = sock, .events = POLLRDHUP}};
	ssize_t n;

	for (;;) {
		int got = poll(p, 2, IDLE_MS);

		if (got == 0)
			return err_set(err, CL_TIMEOUT, "upload: nothing came for %d s", IDLE_MS / 1000);
		if (got < 0)
			continue;
		/* A client that is gone did not mean the end of its archive. */
		if (p[1].revents)
			return err_set(err, CL_FAILED, "upload: the client is gone");
		n = read(from, data, CHUNK);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n < 0 ? err_errno(err, CL_FAILED, "upload") : n;
	}
}

static int take_all(int sock, int from, int to, struct cl_err *err)
{
	int64_t left = config_int("import.max_mb") << 20;
	char data[CHUNK];
	ssize_t n;

	while ((n = next(sock, from, data, err)) > 0) {
		left -= n;
		if (left < 0) {
			err_set(err, CL_QUOTA, "upload: larger than %lld MB",
			    (long long)config_int("import.max_mb"));
			return err_hint(err, "An operator raises import.max_mb");
		}
		if (write(to, data, (size_t)n) != n)
			return err_errno(err, CL_QUOTA, "upload");
	}
	return n < 0 ? -1 : 0;
}

static int upload(const struct broker *b, int sock, const struct ticket *t, const char *id,
    struct cl_err *err)
{
	cl_autofree char *path = path_of(b, t->peer_uid, id), *part = mem_printf("%s.part", path);
	cl_autoclose int to = -1, nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2], rc;

	if (room(b, t->peer_uid, err) < 0)
		return -1;
	to = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || nothing < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "upload");
	rc = opened(sock, fds[1], nothing, nothing, err);
	close(fds[1]);
	if (rc == 0)
		rc = take_all(sock, fds[0], to, err);
	close(fds[0]);
	if (rc == 0 && rename(part, path) < 0)
		rc = err_errno(err, CL_FAILED, "upload");
	if (rc < 0)
		unlink(part);
	return rc;
}

/* -- out -- */

static int extra_file(const char *text, struct cl_err *err)
{
	int fd = memfd_create("extra", MFD_CLOEXEC);
	size_t n = strlen(text);

	if (fd >= 0 && write(fd, text, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	err_errno(err, CL_FAILED, "export");
	if (fd >= 0)
		close(fd);
	return -1;
}

static int pack(const struct broker *b, int sock, const struct ticket *t, int out, int notes,
    struct cl_err *err)
{
	struct helper h = {.uid = t->uid, .gid = t->gid, .watch = sock};
	struct ipc_out *m = mem_alloc(sizeof(*m));
	struct unpack_result *r = mem_alloc(sizeof(*r));
	cl_autoclose int work = -1, extra = -1;
	struct unpack_limits max;
	char dir[PLACE_PATH];
	int rc = -1;

	helper_limits(&max);
	max.bytes = INT64_C(1) << 40; /* what the user has is what they may take along */
	max.files = INT32_MAX;
	max.seconds = 86400;
	h.seconds = max.seconds;
	place_work(&b->place, t->project, dir);
	work = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	extra = extra_file(t->extra ? t->extra : "{}", err);
	ipc_begin(m, UNPACK_PACK);
	helper_put_limits(m, &max);
	ipc_put_str(m, t->format);
	ipc_put_str(m, t->prefix);
	ipc_put_str(m, "");
	ipc_put_fd(m, work);
	ipc_put_fd(m, out);
	ipc_put_fd(m, extra);
	if (work < 0)
		err_errno(err, CL_NOT_FOUND, "workspace");
	else if (extra >= 0)
		rc = helper_run(&h, m, r, err);
	if (rc == 0 && r->note[0])
		dprintf(notes, "%s\n", r->note);
	mem_free(m);
	mem_free(r);
	return rc;
}

static int send_out(const struct broker *b, int sock, const struct ticket *t, struct cl_err *err)
{
	int out[2], notes[2], rc;
	cl_autoclose int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || pipe2(out, O_CLOEXEC) < 0)
		return err_errno(err, CL_FAILED, "export");
	if (pipe2(notes, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return err_errno(err, CL_FAILED, "export");
	}
	rc = opened(sock, nothing, out[0], notes[0], err);
	close(out[0]);
	close(notes[0]);
	if (rc == 0)
		rc = t->kind == TICKET_BACKUP ? backup_write(b, out[1], notes[1], err)
		    : pack(b, sock, t, out[1], notes[1], err);
	close(out[1]);
	close(notes[1]);
	return rc;
}

void transfer_serve(const struct broker *b, int sock, const struct ticket *t, const char *id)
{
	struct cl_err err = {0};
	int rc = t->kind == TICKET_UPLOAD ? upload(b, sock, t, id, &err) : send_out(b, sock, t, &err);

	if (rc == 0) {
		done(sock);
		return;
	}
	if (!err.code)
		err_set(&err, CL_FAILED, "transfer: failed");
	fail(sock, &err);
}
