/*
 * The layout: a tree of splits whose leaves are places for views.  Pure: rectangles in, rectangles
 * out.  Neighbours share their border line, so the outer rectangles of two panes overlap by one
 * column or row:
 *
 *     side by side                  ┌ LEFT ┬ MAIN ───┬ RIGHT ┐      a hidden leaf gives its room
 *       LEFT                        │      │         │       │      to the other side
 *       side by side                │      ├ BELOW ──┤       │
 *         stacked: MAIN, BELOW      │      │         │       │
 *         RIGHT                     └──────┴─────────┴───────┘
 */
#ifndef TUI_LAYOUT_H
#define TUI_LAYOUT_H

#include <stdbool.h>
#include "tui/rect.h"

#define LAYOUT_MIN_ROWS 3  /* of a pane with its border */
#define LAYOUT_MIN_COLS 10

enum layout_dir { LAYOUT_LEFT, LAYOUT_RIGHT, LAYOUT_UP, LAYOUT_DOWN };

struct layout;

/* A tree of one leaf; place is any number >= 0 (enum view_place). */
struct layout *layout_new(int place);
void layout_free(struct layout *l);
/* Put a new leaf beside a place.  size > 0: the new leaf wants that many cells (border included);
 * the rest takes what is left.  -1 when the place is not there. */
int layout_split(struct layout *l, int place, enum layout_dir side, int new_place, int size);
/* Give rectangles (with borders) to the leaves that are shown; shown is indexed by place. */
void layout_arrange(struct layout *l, const struct rect *area, const bool *shown);
/* Rectangle of a place with its border; all 0 when hidden or unknown. */
struct rect layout_rect(const struct layout *l, int place);
/* The shown place next to this one, or -1. */
int layout_next(const struct layout *l, int place, enum layout_dir dir);
/* The shown place at a cell, or -1.  On a shared border: the right or lower one. */
int layout_at(const struct layout *l, int y, int x);
/* Another wanted size for a leaf that has one (see layout_split); others: no effect. */
void layout_set_size(struct layout *l, int place, int size);
/* Move the border of a place by some cells; false when no border of it moves that way. */
bool layout_grow(struct layout *l, int place, enum layout_dir dir, int cells);

#endif
