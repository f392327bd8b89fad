/* Writing and replaying the swap journal.  See swap.h. */
#include "editor/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "editor/hash.h"

#define MAGIC "CLSWAP1\n"
#define SUFFIX ".swp"
#define NAME_KEY 0x636c73776170ULL
#define PENDING_MAX ((size_t)1 << 20) /* larger insertions are written at once */

struct header {
	char magic[8];
	uint64_t root_dev, root_ino;
	uint64_t dev, ino, size, mtime_s, mtime_ns, hash, key;
	uint64_t name_len;
};

enum record_kind { RECORD_SNAPSHOT = 1, RECORD_EDIT = 2 };

struct record {
	uint64_t kind, pos, del, ins; /* followed by ins bytes, then the checksum */
};

struct swap {
	int dir;           /* borrowed */
	struct file *file; /* borrowed */
	struct text *text; /* listened to */
	int fd;            /* -1 before the first edit */
	char name[64];     /* of the journal */
	struct buf pending;
	struct buf inserted; /* text of the open record, typed on and on */
	struct record open;  /* kind 0: none */
	uint64_t sum;
	size_t written;
	bool full;
};

static void on_change_cb(void *arg, size_t pos, size_t del, size_t ins);
static void close_record(struct swap *s);
static void add_record(struct swap *s, const struct record *r, const void *data);
static int start(struct swap *s, struct cl_err *err);
static void snapshot(struct swap *s);
static void slot_name(char *out, size_t size, int root, const char *name, int slot);
static int open_slot(int dir, const char *slot, bool *alive);
static char *read_journal(int fd, size_t *len);
static bool header_read(const char *data, size_t len, struct header *h, const char **name,
			size_t *at, uint64_t *sum);
static bool header_is(const struct header *h, const char *name, const struct file *f);
static bool record_read(const char *data, size_t len, size_t *at, uint64_t *sum, struct record *r,
			const char **ins);
static char *find_dead(int dir, const struct file *f, size_t *len, char *slot, size_t size,
		       bool *alive);
static int replay(struct file *f, const char *data, size_t len, int64_t now_ms, struct cl_err *err);

enum swap_found swap_find(int dir, const struct file *f)
{
	bool alive = false;
	char slot[64];
	size_t len;
	cl_autofree char *data = find_dead(dir, f, &len, slot, sizeof slot, &alive);

	if (data != NULL)
		return SWAP_DEAD;
	return alive ? SWAP_ALIVE : SWAP_NONE;
}

int swap_recover(int dir, struct file *f, int64_t now_ms, struct cl_err *err)
{
	bool alive = false;
	char slot[64];
	size_t len;
	cl_autofree char *data = find_dead(dir, f, &len, slot, sizeof slot, &alive);

	if (data == NULL)
		return err_set(err, CL_NOT_FOUND, "recover %s: there is nothing to recover",
			       f->name);
	return replay(f, data, len, now_ms, err);
}

void swap_discard(int dir, const struct file *f)
{
	bool alive = false;
	char slot[64];
	size_t len;

	for (int i = 0; i < SWAP_SLOTS; i++) {
		cl_autofree char *data = find_dead(dir, f, &len, slot, sizeof slot, &alive);

		if (data == NULL)
			return;
		unlinkat(dir, slot, 0);
	}
}

struct swap *swap_new(int dir, struct file *f)
{
	struct swap *s = mem_alloc(sizeof *s);

	s->dir = dir;
	s->file = f;
	s->fd = -1;
	buf_init(&s->pending, SWAP_MAX + PENDING_MAX);
	buf_init(&s->inserted, PENDING_MAX);
	swap_renew(s);
	return s;
}

void swap_renew(struct swap *s)
{
	s->text = s->file->text;
	text_listen(s->text, on_change_cb, s);
	swap_saved(s);
}

void swap_saved(struct swap *s)
{
	if (s->fd != -1) {
		unlinkat(s->dir, s->name, 0);
		close(s->fd);
	}
	s->fd = -1;
	s->open.kind = 0;
	s->written = 0;
	s->full = false;
	buf_clear(&s->pending);
	buf_clear(&s->inserted);
}

void swap_free(struct swap *s, bool keep)
{
	if (s == NULL)
		return;
	text_unlisten(s->text, on_change_cb, s);
	if (keep)
		swap_write(s, NULL);
	if (keep && s->fd != -1) {
		close(s->fd);
		s->fd = -1;
	}
	swap_saved(s);
	mem_free(s);
}

bool swap_pending(const struct swap *s)
{
	return s->pending.len > 0 || s->open.kind != 0;
}

int swap_fd(const struct swap *s)
{
	return s->fd;
}

bool swap_full(const struct swap *s)
{
	return s->full;
}

int swap_write(struct swap *s, struct cl_err *err)
{
	size_t at = 0;

	close_record(s);
	while (at < s->pending.len) {
		ssize_t n = s->fd == -1 ? -1
					: pwrite(s->fd, s->pending.data + at, s->pending.len - at,
						 (off_t)(s->written + at));

		if (n == -1 && errno == EINTR && s->fd != -1)
			continue;
		if (n <= 0) {
			s->full = true; /* what is on disk stays whole up to its last record */
			return err_errno(err, CL_FAILED, "swap journal of %s", s->file->name);
		}
		at += (size_t)n;
	}
	s->written += at;
	buf_drop(&s->pending, at);
	return 0;
}

void swap_list(int dir, int root, swap_list_cb *cb, void *arg)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy == -1 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct stat st;

	if (d == NULL || fstat(root, &st) != 0) {
		if (d != NULL)
			closedir(d);
		else if (copy != -1)
			close(copy);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name), len = 0, at;
		cl_autofree char *data = NULL, *file = NULL;
		cl_autoclose int fd = -1;
		const char *name;
		struct header h;
		uint64_t sum;
		bool alive;

		if (n < 4 || strcmp(e->d_name + n - 4, SUFFIX) != 0)
			continue;
		if ((fd = open_slot(dir, e->d_name, &alive)) == -1 || alive)
			continue;
		data = read_journal(fd, &len);
		close(fd); /* and its lock: the callback may look for this very journal */
		fd = -1;
		if (data == NULL || !header_read(data, len, &h, &name, &at, &sum) ||
		    h.root_dev != st.st_dev || h.root_ino != st.st_ino || at == len)
			continue;
		file = mem_strndup(name, h.name_len);
		cb(arg, file);
	}
	closedir(d);
}

/* Typing on joins the open record, so that a key costs a few bytes. */
static void on_change_cb(void *arg, size_t pos, size_t del, size_t ins)
{
	struct swap *s = arg;
	void *space;

	if (s->full)
		return;
	if (s->fd == -1) {
		if (start(s, NULL) != 0) {
			s->full = true;
			return;
		}
		if (text_len(s->text) <= SWAP_SNAPSHOT_MAX) {
			snapshot(s);
			return;
		}
	}
	if (s->open.kind == 0 || del > 0 || pos != s->open.pos + s->open.ins ||
	    s->inserted.len + ins > PENDING_MAX) {
		close_record(s);
		s->open = (struct record){RECORD_EDIT, pos, del, 0};
	}
	if (ins > PENDING_MAX) { /* a large paste or undo goes by itself */
		size_t len;
		cl_autofree char *all = text_take(s->text, pos, ins, &len);

		s->open.ins = len;
		add_record(s, &s->open, all);
		s->open.kind = 0;
		return;
	}
	s->open.ins += ins;
	if (ins > 0 && (space = buf_space(&s->inserted, ins)) != NULL) {
		text_copy(s->text, pos, space, ins);
		buf_used(&s->inserted, ins);
	}
}

static void close_record(struct swap *s)
{
	if (s->open.kind != 0)
		add_record(s, &s->open, s->inserted.data);
	s->open.kind = 0;
	buf_drop(&s->inserted, s->inserted.len);
}

static void add_record(struct swap *s, const struct record *r, const void *data)
{
	struct record copy = *r;

	if (s->full)
		return;
	if (s->written + s->pending.len + sizeof copy + copy.ins > SWAP_MAX) {
		if (text_len(s->text) <= SWAP_SNAPSHOT_MAX && copy.kind != RECORD_SNAPSHOT) {
			swap_saved(s); /* begin anew with the text as it is now */
			if (start(s, NULL) == 0) {
				snapshot(s);
				return;
			}
		}
		s->full = true;
		return;
	}
	s->sum = hash_bytes(s->sum, &copy, sizeof copy);
	if (copy.ins > 0)
		s->sum = hash_bytes(s->sum, data, copy.ins);
	buf_add(&s->pending, &copy, sizeof copy);
	if (copy.ins > 0)
		buf_add(&s->pending, data, copy.ins);
	buf_add(&s->pending, &s->sum, sizeof s->sum);
}

static void snapshot(struct swap *s)
{
	size_t len;
	cl_autofree char *all = text_take(s->text, 0, text_len(s->text), &len);
	struct record r = {RECORD_SNAPSHOT, 0, 0, len};

	add_record(s, &r, all);
}

/* Take the first free slot, lock it, and put the header into the pending bytes. */
static int start(struct swap *s, struct cl_err *err)
{
	const struct file_id *id = &s->file->id;
	struct header h = {.magic = MAGIC,
			   .dev = id->dev,
			   .ino = id->ino,
			   .size = (uint64_t)id->size,
			   .mtime_s = (uint64_t)id->mtime.tv_sec,
			   .mtime_ns = (uint64_t)id->mtime.tv_nsec,
			   .hash = id->hash,
			   .key = s->file->key,
			   .name_len = strlen(s->file->name)};
	struct stat root;

	if (fstat(s->file->root, &root) != 0)
		return err_errno(err, CL_FAILED, "swap journal");
	for (int i = 0; i < SWAP_SLOTS && s->fd == -1; i++) {
		slot_name(s->name, sizeof s->name, s->file->root, s->file->name, i);
		s->fd = openat(s->dir, s->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       0600);
	}
	if (s->fd == -1)
		return err_errno(err, CL_FAILED, "swap journal of %s", s->file->name);
	flock(s->fd, LOCK_EX | LOCK_NB);
	h.root_dev = root.st_dev;
	h.root_ino = root.st_ino;
	s->sum = hash_bytes(NAME_KEY, &h, sizeof h);
	s->sum = hash_bytes(s->sum, s->file->name, h.name_len);
	buf_add(&s->pending, &h, sizeof h);
	buf_add(&s->pending, s->file->name, h.name_len);
	buf_add(&s->pending, &s->sum, sizeof s->sum);
	return 0;
}

static void slot_name(char *out, size_t size, int root, const char *name, int slot)
{
	struct stat st = {0};
	uint64_t h = NAME_KEY, where[2];

	fstat(root, &st);
	where[0] = st.st_dev;
	where[1] = st.st_ino;
	h = hash_bytes(h, where, sizeof where);
	h = hash_bytes(h, name, strlen(name));
	snprintf(out, size, "%016llx-%d" SUFFIX, (unsigned long long)h, slot);
}

/* *alive: somebody holds its lock (the descriptor is then of no use). */
static int open_slot(int dir, const char *slot, bool *alive)
{
	int fd = openat(dir, slot, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*alive = false;
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -1;
	}
	*alive = flock(fd, LOCK_EX | LOCK_NB) != 0;
	return fd;
}

static char *read_journal(int fd, size_t *len)
{
	struct stat st;
	char *data;

	if (fstat(fd, &st) != 0 || st.st_size > (off_t)(SWAP_MAX + PENDING_MAX))
		return NULL;
	data = mem_alloc((size_t)st.st_size + 1);
	for (*len = 0; *len < (size_t)st.st_size;) {
		ssize_t n = pread(fd, data + *len, (size_t)st.st_size - *len, (off_t)*len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	return data;
}

static bool header_read(const char *data, size_t len, struct header *h, const char **name,
			size_t *at, uint64_t *sum)
{
	uint64_t found;

	if (len < sizeof *h + sizeof found)
		return false;
	memcpy(h, data, sizeof *h);
	if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0 || h->name_len > 4096 ||
	    len - sizeof *h - sizeof found < h->name_len)
		return false;
	*name = data + sizeof *h;
	*sum = hash_bytes(hash_bytes(NAME_KEY, h, sizeof *h), *name, h->name_len);
	memcpy(&found, *name + h->name_len, sizeof found);
	*at = sizeof *h + h->name_len + sizeof found;
	return found == *sum;
}

static bool header_is(const struct header *h, const char *name, const struct file *f)
{
	struct stat st;

	return fstat(f->root, &st) == 0 && h->root_dev == st.st_dev && h->root_ino == st.st_ino &&
	       h->name_len == strlen(f->name) && memcmp(name, f->name, h->name_len) == 0;
}

static bool record_read(const char *data, size_t len, size_t *at, uint64_t *sum, struct record *r,
			const char **ins)
{
	uint64_t found, next;

	if (len - *at < sizeof *r + sizeof found)
		return false;
	memcpy(r, data + *at, sizeof *r);
	if (r->ins > len - *at - sizeof *r - sizeof found)
		return false;
	*ins = data + *at + sizeof *r;
	next = hash_bytes(*sum, r, sizeof *r);
	if (r->ins > 0)
		next = hash_bytes(next, *ins, r->ins);
	memcpy(&found, *ins + r->ins, sizeof found);
	if (found != next)
		return false;
	*sum = next;
	*at += sizeof *r + r->ins + sizeof found;
	return true;
}

/* The newest journal of this file that nobody holds and that has at least one whole record; empty
 * ones are removed on the way.  *alive: another session has one. */
static char *find_dead(int dir, const struct file *f, size_t *len, char *slot, size_t size,
		       bool *alive)
{
	struct timespec newest = {0};
	char *best = NULL, name[64];

	for (int i = 0; i < SWAP_SLOTS; i++) {
		cl_autofree char *data = NULL;
		const char *file, *ins;
		struct header h;
		struct record r;
		struct stat st;
		size_t n = 0, at;
		uint64_t sum;
		bool held;

		slot_name(name, sizeof name, f->root, f->name, i);
		cl_autoclose int fd = open_slot(dir, name, &held);

		*alive |= fd != -1 && held;
		if (fd == -1 || held || fstat(fd, &st) != 0)
			continue;
		data = read_journal(fd, &n);
		if (data == NULL || !header_read(data, n, &h, &file, &at, &sum) ||
		    !header_is(&h, file, f) || !record_read(data, n, &at, &sum, &r, &ins)) {
			unlinkat(dir, name, 0);
			continue;
		}
		if (best != NULL &&
		    (st.st_mtim.tv_sec < newest.tv_sec ||
		     (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec < newest.tv_nsec)))
			continue;
		mem_free(best);
		best = data;
		data = NULL;
		*len = n;
		newest = st.st_mtim;
		mem_copy_str(slot, size, name);
	}
	return best;
}

static int replay(struct file *f, const char *data, size_t len, int64_t now_ms, struct cl_err *err)
{
	const char *name, *ins;
	struct header h;
	struct record r;
	uint64_t sum;
	size_t at;
	bool based = false;

	if (!header_read(data, len, &h, &name, &at, &sum))
		return err_set(err, CL_FAILED, "recover %s: the journal is damaged", f->name);
	text_step(f->text, TEXT_OTHER, now_ms);
	while (record_read(data, len, &at, &sum, &r, &ins)) {
		if (r.kind == RECORD_SNAPSHOT) {
			r.pos = 0;
			r.del = text_len(f->text);
			based = true;
		}
		if (!based) {
			if (h.size != (uint64_t)f->id.size ||
			    h.mtime_s != (uint64_t)f->id.mtime.tv_sec ||
			    h.mtime_ns != (uint64_t)f->id.mtime.tv_nsec)
				return err_set(err, CL_CONFLICT,
					       "recover %s: the file on disk is "
					       "not the one that was edited",
					       f->name);
			based = true;
		}
		if (text_delete(f->text, r.pos, r.del, err) != 0 ||
		    text_insert(f->text, r.pos, ins, r.ins, err) != 0)
			return -1;
	}
	return 0;
}
