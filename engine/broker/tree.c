/* The list of a saved tree: see tree.h. */
#include "engine/broker/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "base/mem.h"

#define HEAD "codinglab-tree 1"

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct tree_digest), "room for the state");

void tree_digest_begin(struct tree_digest *d)
{
	crypto_hash_sha256_init((crypto_hash_sha256_state *)(void *)d->state);
}

void tree_digest_add(struct tree_digest *d, const void *p, size_t n)
{
	crypto_hash_sha256_update((crypto_hash_sha256_state *)(void *)d->state, p, n);
}

void tree_digest_end(struct tree_digest *d, char out[TREE_HASH])
{
	unsigned char raw[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final((crypto_hash_sha256_state *)(void *)d->state, raw);
	sodium_bin2hex(out, TREE_HASH, raw, sizeof(raw));
}

void tree_clear(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		mem_free(t->items[i].path);
		mem_free(t->items[i].target);
	}
	mem_free(t->items);
	memset(t, 0, sizeof(*t));
}

struct tree_entry *tree_add(struct tree *t, char type, const char *path)
{
	struct tree_entry *e;

	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->items = mem_resize(t->items, t->cap, sizeof(*t->items));
	}
	e = &t->items[t->n++];
	memset(e, 0, sizeof(*e));
	e->type = type;
	e->path = mem_strdup(path);
	return e;
}

void tree_drop_last(struct tree *t)
{
	struct tree_entry *e = &t->items[--t->n];

	mem_free(e->path);
	mem_free(e->target);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tree_entry *)a)->path, ((const struct tree_entry *)b)->path);
}

void tree_sort(struct tree *t)
{
	if (t->n > 1)
		qsort(t->items, t->n, sizeof(*t->items), by_path);
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(t->items[mid].path, path);

		if (order == 0)
			return &t->items[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool tree_same(const struct tree_entry *a, const struct tree_entry *b)
{
	return a->type == b->type && a->mode == b->mode && a->size == b->size &&
	    strcmp(a->hash, b->hash) == 0 && strcmp(a->path, b->path) == 0 &&
	    strcmp(a->target ? a->target : "", b->target ? b->target : "") == 0;
}

void tree_hash(const struct tree *t, char out[TREE_HASH])
{
	struct tree_digest d;
	char head[160];

	tree_digest_begin(&d);
	for (size_t i = 0; i < t->n; i++) {
		const struct tree_entry *e = &t->items[i];
		int n = snprintf(head, sizeof(head), "%c %o %" PRId64 " %s", e->type, e->mode, e->size,
		    e->hash);

		tree_digest_add(&d, head, (size_t)n + 1);
		tree_digest_add(&d, e->path, strlen(e->path) + 1);
		if (e->target)
			tree_digest_add(&d, e->target, strlen(e->target) + 1);
	}
	tree_digest_end(&d, out);
}

int tree_print(const struct tree *t, struct buf *out)
{
	int rc = buf_add(out, HEAD, sizeof(HEAD));

	for (size_t i = 0; i < t->n && rc == 0; i++) {
		const struct tree_entry *e = &t->items[i];

		rc = buf_printf(out, "%c %o %" PRId64 " %" PRId64 " %s", e->type, e->mode, e->size,
		    e->mtime, e->hash);
		if (rc == 0)
			rc = buf_add(out, "", 1);
		if (rc == 0)
			rc = buf_add(out, e->path, strlen(e->path) + 1);
		if (rc == 0 && e->target)
			rc = buf_add(out, e->target, strlen(e->target) + 1);
	}
	return rc;
}

bool tree_path_ok(const char *path)
{
	const char *p = path;

	if (!*path || strlen(path) >= TREE_PATH_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

/* The string at *at, which a NUL before the end must close; NULL when there is none. */
static const char *word(const char *text, size_t len, size_t *at)
{
	const char *start = text + *at;
	const char *nul = *at < len ? memchr(start, '\0', len - *at) : NULL;

	if (!nul)
		return NULL;
	*at += (size_t)(nul - start) + 1;
	return start;
}

static bool hex64(const char *s)
{
	return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool read_head(struct tree_entry *e, const char *head)
{
	char hash[TREE_HASH + 1] = "";
	int64_t size, mtime;
	unsigned mode;
	char type;
	int got = sscanf(head, "%c %o %" SCNd64 " %" SCNd64 " %65s", &type, &mode, &size, &mtime, hash);

	if (got < 4 || type != e->type || mode > 0777 || size < 0 || size > INT64_MAX / 4)
		return false;
	e->mode = mode;
	e->size = size;
	e->mtime = mtime;
	mem_copy_str(e->hash, sizeof(e->hash), hash);
	return type == 'f' ? hex64(hash) : size == 0 && !hash[0];
}

static bool read_entry(struct tree *t, const char *text, size_t len, size_t *at)
{
	const char *head = word(text, len, at), *path = head ? word(text, len, at) : NULL;
	const char *target;
	struct tree_entry *e;

	if (!path || !tree_path_ok(path) || !strchr("dfl", head[0]) || !head[0])
		return false;
	if (strncmp(path, "work/", 5) != 0 && strncmp(path, "home/", 5) != 0)
		return false;
	if (t->n >= TREE_ENTRIES || (t->n && strcmp(t->items[t->n - 1].path, path) >= 0))
		return false;
	e = tree_add(t, head[0], path);
	if (!read_head(e, head))
		return false;
	t->files += e->type != 'd';
	t->bytes += e->size;
	if (e->type != 'l')
		return t->bytes >= 0;
	target = word(text, len, at);
	if (!target || !*target || strlen(target) >= TREE_PATH_MAX)
		return false;
	e->target = mem_strdup(target);
	return true;
}

int tree_read(struct tree *t, const char *text, size_t len, struct cl_err *err)
{
	size_t at = 0;
	const char *head = word(text, len, &at);

	memset(t, 0, sizeof(*t));
	if (!head || strcmp(head, HEAD) != 0)
		return err_set(err, CL_FAILED, "save: its list of files is none");
	while (at < len)
		if (!read_entry(t, text, len, &at)) {
			tree_clear(t);
			return err_set(err, CL_FAILED, "save: its list of files is damaged");
		}
	return 0;
}

/* -- sets of hashes: open addressing, at most half full -- */

static size_t slot(const struct tree_set *s, const char *hash)
{
	size_t h = 0;

	/* A hash is uniform already. */
	memcpy(&h, hash, sizeof(h));
	h ^= h >> 29;
	h *= 0x9E3779B97F4A7C15u;
	for (h >>= 16;; h++) {
		h &= s->cap - 1;
		if (!s->items[h][0] || strcmp(s->items[h], hash) == 0)
			return h;
	}
}

void tree_set_clear(struct tree_set *s)
{
	mem_free(s->items);
	memset(s, 0, sizeof(*s));
}

bool tree_set_has(const struct tree_set *s, const char *hash)
{
	return s->cap && s->items[slot(s, hash)][0];
}

void tree_set_add(struct tree_set *s, const char *hash)
{
	if (tree_set_has(s, hash))
		return;
	if (s->n * 2 >= s->cap) {
		struct tree_set old = *s;

		s->cap = old.cap ? old.cap * 2 : 256;
		s->items = mem_array(s->cap, sizeof(*s->items));
		for (size_t i = 0; i < old.cap; i++)
			if (old.items[i][0])
				memcpy(s->items[slot(s, old.items[i])], old.items[i], TREE_HASH);
		mem_free(old.items);
	}
	memcpy(s->items[slot(s, hash)], hash, TREE_HASH);
	s->n++;
}
