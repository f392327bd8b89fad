/* Writing a backup: see backup.h.  Reading it is in backup_read.c. */
#include "engine/broker/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/screen.h"
#include "engine/broker/backup_internal.h"
#include "engine/broker/database.h"
#include "engine/broker/database_kept.h"
#include "engine/broker/tarball.h"

#define CHUNK 262144
#define DEPTH_MAX 300
#define FILE_MAX (INT64_C(64) << 30)

struct backup {
	struct tarball *out;
	struct backup_sum sum;
	int notes;
	char *chunk;
	char path[TREE_PATH_MAX];
};

static int add_folder(struct backup *k, int dir, int depth, struct cl_err *err);

void backup_sum_entry(struct backup_sum *s, const struct tarball_entry *e)
{
	char head[128];
	int n = snprintf(head, sizeof(head), "%c %o %lld %lld %lld", e->type, e->mode,
	    (long long)e->uid, (long long)e->gid, (long long)e->size);

	tree_digest_add(&s->digest, head, (size_t)n + 1);
	tree_digest_add(&s->digest, e->name, strlen(e->name) + 1);
	if (e->type == 'l')
		tree_digest_add(&s->digest, e->target, strlen(e->target) + 1);
	s->entries++;
}

static void left_out(const struct backup *k, const char *why)
{
	cl_autofree char *safe = screen_safe_dup(k->path, strlen(k->path), 0);

	dprintf(k->notes, "left out: %s: %s\n", safe, why);
}

/* At the top and in the engine's folder: what is not kept. */
static bool passing(const char *path)
{
	static const char *const names[] = {"run", "log", "lib", "containers", "images", "builds",
	    "saves", "uploads", "edge", DATABASE_DUMPS,
	    DATABASE_KEPT, "lab.env", "containers.conf", "engine/lock",
	    "engine/codinglab.mark", "engine/codinglab.db-wal", "engine/codinglab.db-shm", "engine/codinglab.db", BACKUP_DB,
	    "engine/backup.db-journal"};

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return strncmp(path, "before-restore-", 15) == 0 || strncmp(path, "restore.", 8) == 0;
}

static struct tarball_entry entry_of(const struct backup *k, char type, const struct stat *st)
{
	return (struct tarball_entry){.name = k->path, .type = type, .mode = st->st_mode & 02777,
	    .uid = st->st_uid, .gid = st->st_gid, .size = type == 'f' ? st->st_size : 0,
	    .mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};
}

static int put(struct backup *k, struct tarball_entry *e, struct cl_err *err)
{
	if (e->type == 'f')
		e->mode &= 0777;
	backup_sum_entry(&k->sum, e);
	return tarball_put(k->out, e, err);
}

/* Exactly as many bytes as the head says: one that became shorter ends in zeros. */
static int add_file(struct backup *k, int fd, const struct stat *st, struct cl_err *err)
{
	struct tarball_entry e = entry_of(k, 'f', st);
	int64_t left = e.size;

	if (e.size > FILE_MAX) {
		left_out(k, "larger than 64 GB");
		return 0;
	}
	if (put(k, &e, err) < 0)
		return -1;
	while (left > 0) {
		size_t want = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = read(fd, k->chunk, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			memset(k->chunk, 0, want);
			n = (ssize_t)want;
		}
		tree_digest_add(&k->sum.digest, k->chunk, (size_t)n);
		if (tarball_write(k->out, k->chunk, (size_t)n, err) < 0)
			return -1;
		left -= n;
	}
	return 0;
}

static int add_link(struct backup *k, int dir, const char *name, const struct stat *st,
    struct cl_err *err)
{
	struct tarball_entry e = entry_of(k, 'l', st);
	char target[TREE_PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0)
		return 0;
	target[n] = '\0';
	e.target = target;
	return put(k, &e, err);
}

static int add_opened(struct backup *k, int fd, int depth, struct cl_err *err)
{
	struct tarball_entry e;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return add_file(k, fd, &st, err);
	if (!S_ISDIR(st.st_mode))
		return 0;
	e = entry_of(k, 'd', &st);
	return put(k, &e, err) < 0 ? -1 : add_folder(k, fd, depth + 1, err);
}

/* What goes away meanwhile is none of it. */
static int add_name(struct backup *k, int dir, const char *name, int depth, struct cl_err *err)
{
	cl_autoclose int fd = -1;
	struct stat st;

	if (passing(k->path) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISLNK(st.st_mode))
		return add_link(k, dir, name, &st, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return add_opened(k, fd, depth, err);
	if (errno != ENOENT && errno != ELOOP)
		left_out(k, strerror(errno));
	return 0;
}

static int add_folder(struct backup *k, int dir, int depth, struct cl_err *err)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3), rc = 0;
	size_t len = strlen(k->path);
	DIR *d = fd < 0 || depth > DEPTH_MAX ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		left_out(k, "too deep");
		return 0;
	}
	while (rc == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (len + strlen(e->d_name) + 2 > sizeof(k->path)) {
			left_out(k, "its path is too long");
			continue;
		}
		snprintf(k->path + len, sizeof(k->path) - len, "%s%s", len ? "/" : "", e->d_name);
		rc = add_name(k, dir, e->d_name, depth, err);
		k->path[len] = '\0';
	}
	closedir(d);
	return rc;
}

static int put_json(struct backup *k, const char *name, json_t *j, bool sum, struct cl_err *err)
{
	char *text = json_dumps(j, JSON_COMPACT);
	struct tarball_entry e = {.name = name, .type = 'f', .mode = 0600,
	    .size = (int64_t)strlen(text)};
	int rc;

	if (sum) {
		backup_sum_entry(&k->sum, &e);
		tree_digest_add(&k->sum.digest, text, strlen(text));
	}
	rc = tarball_put(k->out, &e, err);
	if (rc == 0)
		rc = tarball_write(k->out, text, strlen(text), err);
	mem_free(text);
	json_decref(j);
	return rc;
}

static int put_head(struct backup *k, struct cl_err *err)
{
	json_t *accounts = json_object();
	char now[32];

	for (const char *const *n = backup_accounts; *n; n++) {
		const struct passwd *p = getpwnam(*n);

		if (p)
			json_object_set_new(accounts, *n, json_pack("[I, I]", (json_int_t)p->pw_uid,
			    (json_int_t)p->pw_gid));
	}
	clock_iso(clock_unix_ms(), now, sizeof(now));
	return put_json(k, BACKUP_HEAD, json_pack("{s:i, s:s, s:o}", "format", BACKUP_FORMAT, "created",
	    now, "accounts", accounts), true, err);
}

static int put_end(struct backup *k, struct cl_err *err)
{
	char hash[TREE_HASH];

	tree_digest_end(&k->sum.digest, hash);
	return put_json(k, BACKUP_END, json_pack("{s:I, s:s}", "entries", (json_int_t)k->sum.entries,
	    "sha256", hash), false, err);
}

/* The engine's copy, under the name that the database has. */
static int put_database(struct backup *k, int root, struct cl_err *err)
{
	struct stat st;
	cl_autoclose int fd = path_open_read(root, BACKUP_DB, &st, err);
	int rc;

	if (fd < 0)
		return -1;
	mem_copy_str(k->path, sizeof(k->path), BACKUP_COPY);
	rc = add_file(k, fd, &st, err);
	k->path[0] = '\0';
	path_remove(root, BACKUP_DB, NULL);
	return rc;
}

static int open_folder(int root, const char *name)
{
	return openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The files of one folder as databases/NAME, but those that the other folder (-1 = none) has. */
static int put_sql(struct backup *k, int dir, int but, struct cl_err *err)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3), rc = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct stat st;

	while (d && rc == 0 && (e = readdir(d))) {
		cl_autoclose int fd = -1;

		if (e->d_name[0] == '.' || (but >= 0 && fstatat(but, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0))
			continue;
		fd = openat(dir, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		snprintf(k->path, sizeof(k->path), DATABASE_KEPT "/%s", e->d_name);
		rc = add_file(k, fd, &st, err);
	}
	if (d)
		closedir(d);
	return rc;
}

/* What was dumped now, and what an earlier restore brought of databases that were not, under the names by
 * which a restore keeps them. */
static int put_dumps(struct backup *k, int root, struct cl_err *err)
{
	cl_autoclose int dumps = open_folder(root, DATABASE_DUMPS);
	cl_autoclose int kept = open_folder(root, DATABASE_KEPT);
	struct tarball_entry e;
	struct stat st;
	int rc;

	if (dumps < 0 || fstat(dumps, &st) < 0)
		return 0;
	mem_copy_str(k->path, sizeof(k->path), DATABASE_KEPT);
	e = entry_of(k, 'd', &st);
	rc = put(k, &e, err);
	if (rc == 0)
		rc = put_sql(k, dumps, -1, err);
	if (rc == 0 && kept >= 0)
		rc = put_sql(k, kept, dumps, err);
	k->path[0] = '\0';
	return rc;
}

int backup_write(const struct broker *b, int fd, int notes, struct cl_err *err)
{
	cl_autoclose int root = open(b->place.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct backup *k = mem_alloc(sizeof(*k));
	int rc = root < 0 ? err_errno(err, CL_FAILED, "%s", b->place.state) : 0;

	k->notes = notes;
	if (rc == 0)
		database_dump_all(b, notes);
	k->chunk = mem_alloc(CHUNK);
	tree_digest_begin(&k->sum.digest);
	k->out = rc == 0 ? tarball_create(fd, true, err) : NULL;
	rc = k->out ? put_head(k, err) : -1;
	if (rc == 0)
		rc = put_database(k, root, err);
	if (rc == 0)
		rc = put_dumps(k, root, err);
	if (rc == 0)
		rc = add_folder(k, root, 0, err);
	if (rc == 0)
		rc = put_end(k, err);
	if (k->out && tarball_close(k->out, err) < 0)
		rc = -1;
	database_dump_end(b);
	mem_free(k->chunk);
	mem_free(k);
	return rc;
}
