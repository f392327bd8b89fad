/* The nodes of the tree: merging what was read, paths. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tui/tree_internal.h"

struct tree_node *tree_node_new(struct tree_node *parent, const char *name, enum tree_kind kind)
{
	struct tree_node *n = mem_alloc(sizeof(*n));

	n->parent = parent;
	n->name = mem_strdup(name);
	n->kind = kind;
	n->depth = parent ? parent->depth + 1 : -1;
	n->watch = -1;
	return n;
}

/* No recursion: a container can nest folders as deep as it likes. */
void tree_node_free(struct tree_node *n)
{
	struct tree_node *stop = n ? n->parent : NULL;

	while (n && n != stop) {
		struct tree_node *up = n->parent;

		if (n->nkids > 0) {
			n = n->kids[--n->nkids];
			continue;
		}
		mem_free(n->kids);
		mem_free(n->name);
		mem_free(n->error);
		mem_free(n);
		n = up;
	}
}

bool tree_node_path(const struct tree_node *n, char *out, size_t size)
{
	size_t at = size - 1;

	out[at] = '\0';
	for (; n->parent; n = n->parent) {
		size_t len = strlen(n->name);

		if (len + 1 > at)
			return false;
		if (out[at] != '\0')
			out[--at] = '/';
		at -= len;
		memcpy(out + at, n->name, len);
	}
	memmove(out, out + at, size - at);
	return true;
}

struct tree_node *tree_node_kid(const struct tree_node *n, const char *name)
{
	for (size_t i = 0; i < n->nkids; i++)
		if (strcmp(n->kids[i]->name, name) == 0)
			return n->kids[i];
	return NULL;
}

static int order(const struct tree_node *n, const struct tree_entry *e)
{
	struct tree_entry mine = { n->name, n->kind };

	return tree_list_compare(&mine, e);
}

/* Both sides are sorted alike, so one walk finds what came, stayed and went. */
void tree_node_merge(struct tree_node *n, struct tree_list *l,
    void (*gone)(void *arg, struct tree_node *n), void *arg)
{
	struct tree_node **kids = mem_array(l->n + 1, sizeof(struct tree_node *));
	size_t old = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct tree_entry *e = &l->entries[i];
		int r = 1;

		while (old < n->nkids && (r = order(n->kids[old], e)) < 0) {
			if (gone)
				gone(arg, n->kids[old]);
			tree_node_free(n->kids[old++]);
			r = 1;
		}
		if (old < n->nkids && r == 0 && n->kids[old]->kind == e->kind) {
			kids[i] = n->kids[old++];
			continue;
		}
		kids[i] = tree_node_new(n, e->name, e->kind);
	}
	for (; old < n->nkids; old++) {
		if (gone)
			gone(arg, n->kids[old]);
		tree_node_free(n->kids[old]);
	}
	mem_free(n->kids);
	n->kids = kids;
	n->nkids = l->n;
	n->cut = l->cut;
	n->loaded = true;
}
