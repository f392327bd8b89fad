/*
 * The model under the tree view: what has been read of the project's folders.  A folder is read
 * when it is opened, by a worker thread; the main thread merges the outcome, so that open folders
 * and the chosen row stay.  Links are leaves: they are shown and never followed.
 */
#ifndef TUI_TREE_INTERNAL_H
#define TUI_TREE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define TREE_ENTRIES_MAX 200000 /* shown of one folder */
#define TREE_PATH_MAX 4000      /* bytes of a name beneath the project */

enum tree_kind { TREE_DIR, TREE_FILE, TREE_LINK, TREE_OTHER };

struct tree_entry {
	char *name;             /* owned; any bytes */
	enum tree_kind kind;
};

/* A folder's entries as they are on disk: folders first, natural order ("a2" before "a10"). */
struct tree_list {
	struct tree_entry *entries;
	size_t n;
	bool cut;               /* there are more than TREE_ENTRIES_MAX */
};

struct tree_node {
	struct tree_node *parent; /* NULL: the root */
	char *name;             /* owned; "" for the root */
	enum tree_kind kind;
	bool open;              /* its entries are shown (once they are read) */
	bool loaded, loading, stale, cut;
	int depth;              /* 0 for what lies in the root */
	int watch;              /* inotify, -1: none */
	struct tree_node **kids;
	size_t nkids;
	char *error;            /* why it could not be read, or NULL */
};

/* May run on any thread.  Returns -1 with the reason. */
int tree_list_read(struct tree_list *l, int root, const char *name, struct cl_err *err);
void tree_list_clear(struct tree_list *l);
int tree_list_compare(const struct tree_entry *a, const struct tree_entry *b);

struct tree_node *tree_node_new(struct tree_node *parent, const char *name, enum tree_kind kind);
void tree_node_free(struct tree_node *n);
/* Path beneath the root, "" for the root itself; false when it is too long. */
bool tree_node_path(const struct tree_node *n, char *out, size_t size);
/* Make the kids those of the list; kids of the same name and kind stay what they are.  gone() is
 * called for each that leaves, before it is freed (NULL is fine).  Takes the names from l. */
void tree_node_merge(struct tree_node *n, struct tree_list *l,
    void (*gone)(void *arg, struct tree_node *n), void *arg);
/* The kid of that name, or NULL. */
struct tree_node *tree_node_kid(const struct tree_node *n, const char *name);

/* Rows in order: every kid of every open folder.  Returns how many; *out is the caller's. */
size_t tree_rows_make(struct tree_node *root, bool dotfiles, struct tree_node ***out);

#endif
