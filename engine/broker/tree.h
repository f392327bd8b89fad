/*
 * The list of a saved tree: every folder, file and link by its path, with what a file holds named
 * by the SHA-256 of its bytes.  As text it is the file "manifest" of a save's workspace image:
 *
 *   "codinglab-tree 1" NUL
 *   TYPE MODE SIZE MTIME_NS HASH NUL path NUL [target NUL]     d, f or l; sorted by path
 *
 * Paths begin with "work/" (the workspace) or "home/" (the parts of the home that are kept).
 * Text that is read may come from anywhere: tree_read() refuses what could lead out of the tree.
 */
#ifndef ENGINE_BROKER_TREE_H
#define ENGINE_BROKER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define TREE_HASH 65        /* hex and NUL */
#define TREE_PATH_MAX 4096
#define TREE_ENTRIES 1000000
#define TREE_TEXT (512u << 20) /* a manifest has no more bytes */

struct tree_entry {
	char type;      /* 'd', 'f', 'l' */
	unsigned mode;  /* permission bits, no set-id and no sticky bit */
	int64_t size;   /* bytes of a file */
	int64_t mtime;  /* nanoseconds, of a file */
	char hash[TREE_HASH];
	char *path;     /* owned */
	char *target;   /* of a link; owned */
};

struct tree {
	struct tree_entry *items;
	size_t n, cap;
	int64_t bytes;  /* of all files */
	size_t files;   /* files and links */
};

void tree_clear(struct tree *t);
/* The new entry, zeroed but for its path and type; valid until the next is added. */
struct tree_entry *tree_add(struct tree *t, char type, const char *path);
void tree_drop_last(struct tree *t); /* a folder */
void tree_sort(struct tree *t);
const struct tree_entry *tree_find(const struct tree *t, const char *path); /* sorted, or NULL */
/* Do both name the same thing with the same content?  Times do not count. */
bool tree_same(const struct tree_entry *a, const struct tree_entry *b);
/* Hash over all that tree_same() compares: equal trees, equal hashes. */
void tree_hash(const struct tree *t, char out[TREE_HASH]);
int tree_print(const struct tree *t, struct buf *out);
int tree_read(struct tree *t, const char *text, size_t len, struct cl_err *err);
/* A path that stays in the tree: relative, no empty, "." or ".." part, no NUL, not too long. */
bool tree_path_ok(const char *path);

/* A set of hashes. */
struct tree_set {
	char (*items)[TREE_HASH];
	size_t n, cap;
};
void tree_set_clear(struct tree_set *s);
bool tree_set_has(const struct tree_set *s, const char *hash);
void tree_set_add(struct tree_set *s, const char *hash);

/* SHA-256 in steps; the state is opaque. */
struct tree_digest {
	_Alignas(16) unsigned char state[128];
};
void tree_digest_begin(struct tree_digest *d);
void tree_digest_add(struct tree_digest *d, const void *p, size_t n);
void tree_digest_end(struct tree_digest *d, char out[TREE_HASH]);

#endif
