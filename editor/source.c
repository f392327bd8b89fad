/* Original bytes: heap copy, or a verified block cache over pread().  See source.h. */
#include "editor/source.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "editor/hash.h"

#define COUNT_UNKNOWN UINT32_MAX

struct slot {
	size_t block;  /* which block is here, SIZE_MAX = none */
	uint64_t used; /* tick of the last use */
	char *data;
};

struct source {
	char *mem; /* heap copy, or NULL */
	int fd;    /* -1 for a heap copy */
	size_t skip, len;
	size_t block; /* bytes of a block */
	size_t nblocks;
	uint32_t *counts; /* newlines of each block, COUNT_UNKNOWN until read */
	uint64_t *sums;   /* checksum of each block at its first reading, 0 = not read */
	uint64_t key;
	struct slot *slots;
	size_t nslots;
	uint64_t tick;
	struct timespec mtime;
	off_t size;
	bool lost;
};

static struct source *new_source(size_t len, size_t block);
static size_t block_len(const struct source *s, size_t b);
static const char *load(struct source *s, size_t b);
static bool read_block(struct source *s, size_t b, char *out);
static uint32_t count_newlines(const char *p, size_t n);
static int64_t count_block(struct source *s, size_t b, size_t *budget);

struct source *source_new_mem(char *data, size_t len)
{
	struct source *s = new_source(len, SOURCE_BLOCK);

	s->mem = data;
	return s;
}

struct source *source_new_fd(int fd, size_t skip, size_t len, size_t block, size_t cache)
{
	struct source *s = new_source(len, block > 0 ? block : SOURCE_BLOCK);
	struct stat st;

	s->fd = fd;
	s->skip = skip;
	s->key = hash_key();
	s->sums = mem_array(s->nblocks + 1, sizeof *s->sums);
	s->nslots = cache > 0 ? cache : SOURCE_CACHE;
	s->slots = mem_array(s->nslots, sizeof *s->slots);
	for (size_t i = 0; i < s->nslots; i++)
		s->slots[i].block = SIZE_MAX;
	if (fstat(fd, &st) == 0) {
		s->mtime = st.st_mtim;
		s->size = st.st_size;
	}
	return s;
}

void source_free(struct source *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->nslots; i++)
		mem_free(s->slots[i].data);
	mem_free(s->slots);
	mem_free(s->counts);
	mem_free(s->sums);
	mem_free(s->mem);
	if (s->fd != -1)
		close(s->fd);
	mem_free(s);
}

size_t source_len(const struct source *s)
{
	return s->len;
}

bool source_on_disk(const struct source *s)
{
	return s->fd != -1;
}

bool source_lost(const struct source *s)
{
	return s->lost;
}

bool source_changed(const struct source *s)
{
	struct stat st;

	if (s->fd == -1)
		return false;
	return fstat(s->fd, &st) != 0 || st.st_size != s->size ||
	       st.st_mtim.tv_sec != s->mtime.tv_sec || st.st_mtim.tv_nsec != s->mtime.tv_nsec;
}

size_t source_get(struct source *s, size_t off, const char **data)
{
	size_t b;

	if (off >= s->len)
		return 0;
	if (s->mem != NULL) {
		*data = s->mem + off;
		return s->len - off;
	}
	b = off / s->block;
	*data = load(s, b) + off % s->block;
	return block_len(s, b) - off % s->block;
}

size_t source_get_back(struct source *s, size_t off, const char **data)
{
	size_t b;

	if (off == 0 || off > s->len)
		return 0;
	if (s->mem != NULL) {
		*data = s->mem;
		return off;
	}
	b = (off - 1) / s->block;
	*data = load(s, b);
	return off - b * s->block;
}

int64_t source_newlines(struct source *s, size_t off, size_t len, size_t *budget)
{
	int64_t total = 0, n;
	const char *p;
	size_t have;

	while (len > 0) {
		size_t b = off / s->block, in = off % s->block, whole = block_len(s, b);

		if (in == 0 && len >= whole) {
			if ((n = count_block(s, b, budget)) < 0)
				return -1;
			have = whole;
		} else {
			have = source_get(s, off, &p);
			if (have > whole - in)
				have = whole - in;
			if (have > len)
				have = len;
			n = count_newlines(p, have);
		}
		total += n;
		off += have;
		len -= have;
	}
	return total;
}

size_t source_newline(struct source *s, size_t off, size_t len, size_t n)
{
	size_t end = off + len, unlimited = SIZE_MAX;
	const char *p, *nl;

	while (off < end) {
		size_t b = off / s->block, have;
		const char *at;

		if (off % s->block == 0 && end - off >= block_len(s, b)) {
			int64_t c = count_block(s, b, &unlimited);

			if ((size_t)c < n) {
				n -= (size_t)c;
				off += block_len(s, b);
				continue;
			}
		}
		have = source_get(s, off, &p);
		if (have > block_len(s, b) - off % s->block)
			have = block_len(s, b) - off % s->block;
		if (have > end - off)
			have = end - off;
		for (at = p; (nl = memchr(at, '\n', have - (size_t)(at - p))) != NULL; at = nl + 1)
			if (--n == 0)
				return off + (size_t)(nl - p) + 1;
		off += have;
	}
	return end;
}

static struct source *new_source(size_t len, size_t block)
{
	struct source *s = mem_alloc(sizeof *s);

	s->fd = -1;
	s->len = len;
	s->block = block;
	s->nblocks = (len + block - 1) / block;
	s->counts = mem_array(s->nblocks + 1, sizeof *s->counts);
	for (size_t i = 0; i < s->nblocks; i++)
		s->counts[i] = COUNT_UNKNOWN;
	return s;
}

static size_t block_len(const struct source *s, size_t b)
{
	size_t start = b * s->block;

	return s->len - start < s->block ? s->len - start : s->block;
}

/* The block's bytes in the cache; the slot that was used longest ago makes room. */
static const char *load(struct source *s, size_t b)
{
	struct slot *old = &s->slots[0];

	s->tick++;
	for (size_t i = 0; i < s->nslots; i++) {
		struct slot *c = &s->slots[i];

		if (c->block == b) {
			c->used = s->tick;
			return c->data;
		}
		if (c->used < old->used)
			old = c;
	}
	if (old->data == NULL)
		old->data = mem_alloc(s->block);
	old->block = b;
	old->used = s->tick;
	if (!read_block(s, b, old->data)) {
		memset(old->data, '?', block_len(s, b));
		s->lost = true;
		old->block = SIZE_MAX; /* it may come back: ask the disk each time */
		old->used = 0;
	}
	return old->data;
}

/* Read a block and compare it with what it was; learns its checksum and newlines at first. */
static bool read_block(struct source *s, size_t b, char *out)
{
	size_t want = block_len(s, b), got = 0;
	uint64_t sum;

	while (got < want) {
		ssize_t n =
		    pread(s->fd, out + got, want - got, (off_t)(s->skip + b * s->block + got));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	sum = hash_bytes(s->key, out, want) | 1;
	if (s->sums[b] != 0)
		return s->sums[b] == sum;
	/* Never seen before: only what belongs to the file that was opened may be taken. */
	if (source_changed(s))
		return false;
	s->sums[b] = sum;
	s->counts[b] = count_newlines(out, want);
	return true;
}

static uint32_t count_newlines(const char *p, size_t n)
{
	uint32_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += p[i] == '\n';
	return c;
}

static int64_t count_block(struct source *s, size_t b, size_t *budget)
{
	size_t len = block_len(s, b);
	const char *p;

	if (s->counts[b] != COUNT_UNKNOWN)
		return s->counts[b];
	if (*budget == 0)
		return -1;
	*budget -= *budget < len ? *budget : len;
	p = s->mem != NULL ? s->mem + b * s->block : load(s, b);
	if (s->counts[b] == COUNT_UNKNOWN && s->mem != NULL)
		s->counts[b] = count_newlines(p, len);
	/* A lost block counts as none, without being remembered. */
	return s->counts[b] != COUNT_UNKNOWN ? s->counts[b] : 0;
}
