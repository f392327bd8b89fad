/* Loading, noticing changes on disk, saving.  See file.h. */
#include "editor/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "editor/hash.h"

#define SNIFF 65536
#define READ_TRIES 3
static const char BOM[3] = {'\xef', '\xbb', '\xbf'};

static int load(struct file *f, struct text **text, struct cl_err *err);
static char *slurp(int fd, struct stat *st, struct cl_err *err);
static int sniff(struct file *f, int fd, struct cl_err *err);
static void set_id(struct file *f, const struct stat *st, uint64_t hash);
static bool same_stat(const struct file_id *id, const struct stat *st);
static int write_all(int fd, const char *p, size_t n);
static int write_text(struct file *f, struct path_save *s, uint64_t *hash, struct cl_err *err);
static int ask(struct file *f, enum file_state *state, struct cl_err *err);

struct file *file_open(int root, const char *name, struct cl_err *err)
{
	struct file *f = mem_alloc(sizeof *f);

	f->root = root;
	f->name = mem_strdup(name);
	f->key = hash_key();
	if (load(f, &f->text, err) != 0) {
		file_free(f);
		return NULL;
	}
	path_save_sweep(root, name);
	return f;
}

void file_free(struct file *f)
{
	if (f == NULL)
		return;
	text_free(f->text);
	mem_free(f->name);
	mem_free(f);
}

enum file_state file_check(struct file *f)
{
	struct cl_err err = {0};
	cl_autofree char *data = NULL;
	cl_autoclose int fd = -1;
	struct stat st;

	fd = path_open_read(f->root, f->name, &st, &err);
	if (fd == -1)
		return err.code == CL_NOT_FOUND ? FILE_GONE : FILE_CHANGED;
	if (same_stat(&f->id, &st))
		return FILE_SAME;
	if (st.st_size != f->id.size || f->id.hash == 0)
		return FILE_CHANGED;
	if ((data = slurp(fd, &st, NULL)) == NULL || st.st_size != f->id.size ||
	    hash_bytes(f->key, data, (size_t)st.st_size) != f->id.hash)
		return FILE_CHANGED;
	set_id(f, &st, f->id.hash);
	return FILE_SAME;
}

int file_save(struct file *f, bool force, enum file_state *state, struct cl_err *err)
{
	struct path_save s;
	struct stat st;
	uint64_t hash = 0;

	if (f->readonly)
		return err_set(err, CL_FORBIDDEN, "save %s: %s", f->name,
			       f->binary ? "it is a binary file" : "it is read-only");
	if (!force && ask(f, state, err) != 0)
		return -1;
	if (path_save_begin(&s, f->root, f->name, err) != 0)
		return -1;
	if (write_text(f, &s, &hash, err) != 0) {
		path_save_abort(&s);
		return -1;
	}
	/* Once more, as late as can be: writing a large file takes a while. */
	if (!force && ask(f, state, err) != 0) {
		path_save_abort(&s);
		return -1;
	}
	if (path_save_commit(&s, &st, err) != 0)
		return -1;
	set_id(f, &st, (size_t)st.st_size <= FILE_COPY_MAX ? hash : 0);
	text_set_saved(f->text);
	return 0;
}

int file_reload(struct file *f, int64_t now_ms, bool *fresh, struct cl_err *err)
{
	struct text *text = NULL;
	const char *p;
	size_t n, len;

	*fresh = false;
	if (load(f, &text, err) != 0)
		return -1;
	len = text_len(text);
	if (source_on_disk(text_source(text)) || source_on_disk(text_source(f->text))) {
		text_free(f->text);
		f->text = text;
		*fresh = true;
		return 0;
	}
	text_step(f->text, TEXT_OTHER, now_ms);
	text_delete(f->text, 0, text_len(f->text), NULL);
	n = text_span(text, 0, &p);
	if (n == len && text_insert(f->text, 0, p, n, NULL) == 0) {
		text_set_saved(f->text);
		text_free(text);
		return 0;
	}
	text_free(f->text);
	f->text = text;
	*fresh = true;
	return 0;
}

/* Open and read; fills all of f but the text, which is a new one. */
static int load(struct file *f, struct text **text, struct cl_err *err)
{
	cl_autoclose int fd = -1;
	size_t skip, len;
	struct stat st;
	char *data;

	if ((fd = path_open_read(f->root, f->name, &st, err)) == -1)
		return -1;
	if ((uint64_t)st.st_size > FILE_SIZE_MAX)
		return err_set(err, CL_TOO_LARGE, "%s: larger than %d GiB", f->name,
			       (int)(FILE_SIZE_MAX >> 30));
	if (sniff(f, fd, err) != 0)
		return -1;
	/* What was opened decides, not a name: the descriptor itself is asked for the right. */
	f->readonly = f->binary || faccessat(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0;
	skip = f->bom ? sizeof BOM : 0;
	if ((size_t)st.st_size > FILE_COPY_MAX) {
		len = (size_t)st.st_size - skip;
		*text = text_new(source_new_fd(fd, skip, len, 0, 0));
		fd = -1;
		set_id(f, &st, 0);
		return 0;
	}
	if ((data = slurp(fd, &st, err)) == NULL)
		return -1;
	len = (size_t)st.st_size;
	set_id(f, &st, hash_bytes(f->key, data, len));
	if (skip > len)
		skip = len;
	memmove(data, data + skip, len - skip);
	*text = text_new(source_new_mem(data, len - skip));
	return 0;
}

/* All bytes of a file that may be written at this moment: read again until two looks agree. */
static char *slurp(int fd, struct stat *st, struct cl_err *err)
{
	for (int i = 0; i < READ_TRIES; i++) {
		cl_autofree char *data = NULL;
		struct file_id before = {0};
		size_t got = 0, size;
		ssize_t n = 1;

		if (fstat(fd, st) != 0)
			break;
		before = (struct file_id){.dev = st->st_dev,
					  .ino = st->st_ino,
					  .size = st->st_size,
					  .mtime = st->st_mtim};
		size = (size_t)st->st_size;
		if (size > FILE_COPY_MAX)
			break;
		data = mem_alloc(size + 1);
		while (got < size && n > 0) {
			n = pread(fd, data + got, size - got, (off_t)got);
			got += n > 0 ? (size_t)n : 0;
			n = n == -1 && errno == EINTR ? 1 : n;
		}
		if (n == -1) {
			err_errno(err, CL_FAILED, "read");
			return NULL;
		}
		if (got == size && fstat(fd, st) == 0 && same_stat(&before, st)) {
			char *out = data;

			data = NULL;
			return out;
		}
	}
	err_set(err, CL_CONFLICT, "read: the file is being written at this moment");
	err_hint(err, "Try again when the program that writes it is done.");
	return NULL;
}

static int sniff(struct file *f, int fd, struct cl_err *err)
{
	cl_autofree char *data = mem_alloc(SNIFF);
	const char *nl;
	ssize_t n;

	if ((n = pread(fd, data, SNIFF, 0)) < 0)
		return err_errno(err, CL_FAILED, "%s: read", f->name);
	f->bom = n >= (ssize_t)sizeof BOM && memcmp(data, BOM, sizeof BOM) == 0;
	f->binary = memchr(data, '\0', (size_t)n) != NULL;
	nl = memchr(data, '\n', (size_t)n);
	f->crlf = nl != NULL && nl > data && nl[-1] == '\r';
	return 0;
}

static void set_id(struct file *f, const struct stat *st, uint64_t hash)
{
	f->id = (struct file_id){.dev = st->st_dev,
				 .ino = st->st_ino,
				 .size = st->st_size,
				 .mtime = st->st_mtim,
				 .hash = hash};
}

static bool same_stat(const struct file_id *id, const struct stat *st)
{
	return id->dev == st->st_dev && id->ino == st->st_ino && id->size == st->st_size &&
	       id->mtime.tv_sec == st->st_mtim.tv_sec && id->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w == -1 && errno == EINTR)
			continue;
		if (w == 0)
			errno = ENOSPC;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Stream the pieces to the temp file. */
static int write_text(struct file *f, struct path_save *s, uint64_t *hash, struct cl_err *err)
{
	size_t len = text_len(f->text), total = len + (f->bom ? sizeof BOM : 0), n, have = 0;
	/* Small files are written from one buffer, which also gives their checksum. */
	cl_autofree char *all = total <= FILE_COPY_MAX ? mem_alloc(total + 1) : NULL;
	const char *p;

	if (all != NULL && f->bom)
		memcpy(all, BOM, have = sizeof BOM);
	else if (f->bom && write_all(s->fd, BOM, sizeof BOM) != 0)
		return err_errno(err, CL_FAILED, "save %s", f->name);
	for (size_t pos = 0; (n = text_span(f->text, pos, &p)) > 0; pos += n) {
		if (text_lost(f->text))
			break;
		if (all != NULL)
			memcpy(all + have, p, n);
		else if (write_all(s->fd, p, n) != 0)
			return err_errno(err, CL_FAILED, "save %s", f->name);
		have += n;
	}
	if (text_lost(f->text)) {
		err_set(err, CL_CONFLICT,
			"save %s: it was changed under us, and parts of it that "
			"were never read are gone",
			f->name);
		return err_hint(err, "Reload it to see what is there now.");
	}
	if (all != NULL) {
		if (write_all(s->fd, all, total) != 0)
			return err_errno(err, CL_FAILED, "save %s", f->name);
		*hash = hash_bytes(f->key, all, total);
	}
	return 0;
}

static int ask(struct file *f, enum file_state *state, struct cl_err *err)
{
	enum file_state found = file_check(f);

	if (state != NULL)
		*state = found;
	if (found == FILE_SAME)
		return 0;
	return err_set(err, CL_CONFLICT, "save %s: %s", f->name,
		       found == FILE_GONE ? "it is gone from the disk"
					  : "it was changed on disk meanwhile");
}
