/* The layout tree.  See layout.h for the picture. */
#include "tui/layout.h"

#include <stddef.h>
#include "base/mem.h"

struct node {
	struct node *parent;
	struct node *a, *b;  /* children; NULL in a leaf */
	bool side;           /* children side by side, otherwise stacked */
	bool fixed_b;        /* size belongs to b, otherwise to a */
	int size;            /* cells that the fixed child wants */
	int place;           /* of a leaf */
	bool shown;
	struct rect rect;
};

struct layout {
	struct node *root;
};

static struct node *find(struct node *n, int place)
{
	struct node *hit;

	if (!n->a)
		return n->place == place ? n : NULL;
	hit = find(n->a, place);
	return hit ? hit : find(n->b, place);
}

struct layout *layout_new(int place)
{
	struct layout *l = mem_alloc(sizeof(*l));

	l->root = mem_alloc(sizeof(*l->root));
	l->root->place = place;
	return l;
}

static void free_node(struct node *n)
{
	if (n->a) {
		free_node(n->a);
		free_node(n->b);
	}
	mem_free(n);
}

void layout_free(struct layout *l)
{
	if (!l)
		return;
	free_node(l->root);
	mem_free(l);
}

int layout_split(struct layout *l, int place, enum layout_dir side, int new_place, int size)
{
	struct node *old = find(l->root, place), *fresh, *moved;

	if (!old || find(l->root, new_place))
		return -1;
	/* the old leaf becomes the split, so that its parent's pointer stays right */
	moved = mem_alloc(sizeof(*moved));
	fresh = mem_alloc(sizeof(*fresh));
	*moved = *old;
	moved->parent = fresh->parent = old;
	fresh->place = new_place;
	old->side = side == LAYOUT_LEFT || side == LAYOUT_RIGHT;
	old->fixed_b = side == LAYOUT_RIGHT || side == LAYOUT_DOWN;
	old->a = old->fixed_b ? moved : fresh;
	old->b = old->fixed_b ? fresh : moved;
	old->size = size;
	return 0;
}

static bool mark(struct node *n, const bool *shown)
{
	bool a, b;

	if (!n->a)
		return n->shown = shown[n->place];
	a = mark(n->a, shown);
	b = mark(n->b, shown);
	return n->shown = a || b;
}

static int clamp(int v, int lo, int hi)
{
	if (v > hi)
		v = hi;
	return v < lo ? lo : v;
}

/* The least room that what is shown beneath n can do with, side by side or stacked. */
static int least(const struct node *n, bool side)
{
	int a, b;

	if (!n->shown)
		return 0;
	if (!n->a)
		return side ? LAYOUT_MIN_COLS : LAYOUT_MIN_ROWS;
	a = least(n->a, side);
	b = least(n->b, side);
	if (n->side == side && a && b)
		return a + b - 1;
	return a > b ? a : b;
}

static void place(struct node *n, struct rect r)
{
	struct rect ra = r, rb = r;
	int total, first;

	n->rect = r;
	if (!n->a)
		return;
	if (!n->a->shown || !n->b->shown) {
		if (n->a->shown)
			place(n->a, r);
		if (n->b->shown)
			place(n->b, r);
		return;
	}
	total = (n->side ? r.w : r.h) + 1; /* the shared line counts for both */
	first = n->fixed_b ? total - n->size : n->size;
	first = clamp(first, least(n->a, n->side), total - least(n->b, n->side));
	if (n->side) {
		ra.w = first;
		rb.x = r.x + first - 1;
		rb.w = total - first;
	} else {
		ra.h = first;
		rb.y = r.y + first - 1;
		rb.h = total - first;
	}
	place(n->a, ra);
	place(n->b, rb);
}

void layout_arrange(struct layout *l, const struct rect *area, const bool *shown)
{
	mark(l->root, shown);
	place(l->root, *area);
}

struct rect layout_rect(const struct layout *l, int place_)
{
	struct node *n = find(l->root, place_);

	return n && n->shown ? n->rect : (struct rect){ 0, 0, 0, 0 };
}

static int at(const struct node *n, int y, int x)
{
	int hit;

	if (!n->shown || !rect_has(&n->rect, y, x))
		return -1;
	if (!n->a)
		return n->place;
	hit = at(n->b, y, x); /* b first: it owns the shared line */
	return hit >= 0 ? hit : at(n->a, y, x);
}

int layout_at(const struct layout *l, int y, int x)
{
	return at(l->root, y, x);
}

int layout_next(const struct layout *l, int place_, enum layout_dir dir)
{
	struct rect r = layout_rect(l, place_);
	int y = r.y + (r.h > 2 ? 1 : 0), x = r.x + (r.w > 2 ? 1 : 0);

	if (r.h == 0)
		return -1;
	/* one cell past the shared line */
	if (dir == LAYOUT_LEFT)
		x = r.x - 1;
	else if (dir == LAYOUT_RIGHT)
		x = r.x + r.w;
	else if (dir == LAYOUT_UP)
		y = r.y - 1;
	else
		y = r.y + r.h;
	return layout_at(l, y, x);
}

void layout_set_size(struct layout *l, int place_, int size)
{
	struct node *n = find(l->root, place_), *p = n ? n->parent : NULL;

	if (p && n == (p->fixed_b ? p->b : p->a))
		p->size = size;
}

bool layout_grow(struct layout *l, int place_, enum layout_dir dir, int cells)
{
	struct node *n = find(l->root, place_);
	bool side = dir == LAYOUT_LEFT || dir == LAYOUT_RIGHT;
	bool forward = dir == LAYOUT_RIGHT || dir == LAYOUT_DOWN;

	if (!n || !n->shown)
		return false;
	for (struct node *p = n->parent; p; n = p, p = p->parent) {
		int total = (side ? p->rect.w : p->rect.h) + 1;
		int min = side ? LAYOUT_MIN_COLS : LAYOUT_MIN_ROWS;
		if (p->side != side || !p->a->shown || !p->b->shown)
			continue;
		p->size = clamp(p->size, min, total - min); /* what was really shown */
		p->size += (forward ? cells : -cells) * (p->fixed_b ? -1 : 1);
		p->size = clamp(p->size, min, total - min);
		return true;
	}
	return false;
}
