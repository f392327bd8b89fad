/*
 * A grid of cells: what libvterm's state layer draws on.  Rows are reached through an array of
 * pointers, so scrolling whole rows moves pointers, not cells.  A two-cell glyph is a cell marked
 * PANE_CELL_WIDE and one marked PANE_CELL_TAIL; no operation leaves half of one.
 */
#ifndef TUI_PANE_GRID_H
#define TUI_PANE_GRID_H

#include <stdbool.h>
#include <stdint.h>
#include "base/pane.h"

struct grid {
	int rows, cols;
	struct pane_cell *mem;                   /* rows * cols, owned */
	struct pane_cell *row[PANE_ROWS_MAX];
	uint16_t used[PANE_ROWS_MAX];            /* no cell at or after this column was touched */
	uint8_t flags[PANE_ROWS_MAX];            /* PANE_LINE_* */
	bool dirty[PANE_ROWS_MAX];               /* changed since the snapshot */
};

void grid_init(struct grid *g, int rows, int cols);
void grid_clear(struct grid *g);
/* New size; keeps the top left corner, after `drop` rows of the top are gone. */
void grid_resize(struct grid *g, int rows, int cols, int drop);
/* Positions and rectangles outside the grid are clamped or ignored. */
void grid_put(struct grid *g, int row, int col, uint32_t cp, int width, const struct pane_pen *pen);
struct pane_cell *grid_cell(struct grid *g, int row, int col); /* NULL outside */
/* Rectangle [row, end_row) x [col, end_col). */
struct grid_rect {
	int row, end_row, col, end_col;
};
void grid_erase(struct grid *g, struct grid_rect r, const struct pane_pen *pen);
/* Content moves up by `down` rows and left by `right` columns (negative: the other way); what it
 * leaves becomes blank in the pen's background. */
void grid_scroll(struct grid *g, struct grid_rect r, int down, int right,
    const struct pane_pen *pen);
void grid_touch(struct grid *g);            /* all rows are dirty */

#endif
