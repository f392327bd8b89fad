/* The rows that the tree shows. */
#include "tui/tree_internal.h"

#include "base/mem.h"

/* The node after n in the order of the screen, going into it if asked. */
static struct tree_node *next_node(struct tree_node *n, bool into, size_t *at, int *depth)
{
	if (into && n->nkids > 0) {
		at[++*depth] = 0;
		return n->kids[0];
	}
	while (n->parent) {
		struct tree_node *p = n->parent;

		if (++at[*depth] < p->nkids)
			return p->kids[at[*depth]];
		--*depth;
		n = p;
	}
	return NULL;
}

size_t tree_rows_make(struct tree_node *root, bool dotfiles, struct tree_node ***out)
{
	/* A path of TREE_PATH_MAX bytes cannot be deeper than this. */
	size_t *at = mem_array(TREE_PATH_MAX + 8, sizeof(*at)), n = 0, cap = 0;
	struct tree_node **rows = NULL, *node = root;
	bool into = true;
	int depth = 0;

	while ((node = next_node(node, into, at, &depth)) != NULL) {
		into = false;
		if (!dotfiles && node->name[0] == '.')
			continue;
		if (n == cap) {
			cap = cap > 0 ? cap * 2 : 256;
			rows = mem_resize(rows, cap, sizeof(struct tree_node *));
		}
		rows[n++] = node;
		into = node->open && depth < TREE_PATH_MAX;
	}
	mem_free(at);
	*out = rows;
	return n;
}
