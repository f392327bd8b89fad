/* The grid of cells of one screen: see grid.h. */
#include "tui/pane/grid.h"

#include <string.h>
#include "base/mem.h"

void grid_init(struct grid *g, int rows, int cols)
{
	memset(g, 0, sizeof(*g));
	g->rows = rows;
	g->cols = cols;
	g->mem = mem_array((size_t)rows * (size_t)cols, sizeof(*g->mem));
	for (int r = 0; r < rows; r++)
		g->row[r] = g->mem + (size_t)r * (size_t)cols;
	grid_touch(g);
}

void grid_clear(struct grid *g)
{
	mem_free(g->mem);
	memset(g, 0, sizeof(*g));
}

void grid_touch(struct grid *g)
{
	memset(g->dirty, true, sizeof(g->dirty));
}

static void blank(struct pane_cell *c, uint32_t bg)
{
	memset(c, 0, sizeof(*c));
	c->bg = bg;
}

/* A boundary before column col must not cut a glyph: if it would, both halves become blank. */
static void split(struct grid *g, int row, int col)
{
	struct pane_cell *c;

	if (col <= 0 || col >= g->cols)
		return;
	c = g->row[row] + col;
	if (c->ch & PANE_CELL_TAIL) {
		blank(c, c->bg);
		blank(c - 1, c[-1].bg);
	}
}

void grid_resize(struct grid *g, int rows, int cols, int drop)
{
	struct grid n;

	grid_init(&n, rows, cols);
	for (int r = 0; r < rows && r + drop < g->rows; r++) {
		int keep = cols < g->cols ? cols : g->cols;

		split(g, r + drop, keep);
		memcpy(n.row[r], g->row[r + drop], (size_t)keep * sizeof(struct pane_cell));
		n.used[r] = g->used[r + drop] < keep ? g->used[r + drop] : (uint16_t)keep;
		n.flags[r] = cols == g->cols ? g->flags[r + drop] : 0;
	}
	mem_free(g->mem);
	*g = n;
}

struct pane_cell *grid_cell(struct grid *g, int row, int col)
{
	if (row < 0 || row >= g->rows || col < 0 || col >= g->cols)
		return NULL;
	return g->row[row] + col;
}

void grid_put(struct grid *g, int row, int col, uint32_t cp, int width, const struct pane_pen *pen)
{
	struct pane_cell *c;

	if (row < 0 || row >= g->rows || col < 0 || width < 1 || width > 2 || col + width > g->cols)
		return;
	c = g->row[row] + col;
	if (c->ch & PANE_CELL_TAIL)
		split(g, row, col);
	if (c[width - 1].ch & PANE_CELL_WIDE)
		split(g, row, col + width);
	c->ch = (cp & PANE_CELL_CP) | (width == 2 ? PANE_CELL_WIDE : 0);
	c->mark = 0;
	c->attr = pen->attr;
	c->fg = pen->fg;
	c->bg = pen->bg;
	if (width == 2) {
		c[1] = c[0];
		c[1].ch = PANE_CELL_TAIL;
	}
	g->dirty[row] = true;
	if (g->used[row] < col + width)
		g->used[row] = (uint16_t)(col + width);
}

static bool clamp(const struct grid *g, struct grid_rect *r)
{
	if (r->row < 0)
		r->row = 0;
	if (r->col < 0)
		r->col = 0;
	if (r->end_row > g->rows)
		r->end_row = g->rows;
	if (r->end_col > g->cols)
		r->end_col = g->cols;
	return r->row < r->end_row && r->col < r->end_col;
}

static void erase_row(struct grid *g, int row, int col, int end, uint32_t bg)
{
	g->dirty[row] = true;
	if (end == g->cols)
		g->flags[row] = 0;
	split(g, row, col);
	split(g, row, end);
	if (bg == PANE_COLOR_DEFAULT) {
		int stop = end < g->used[row] ? end : g->used[row];

		if (stop > col)
			memset(g->row[row] + col, 0, (size_t)(stop - col) * sizeof(struct pane_cell));
		if (end >= g->used[row] && g->used[row] > col)
			g->used[row] = (uint16_t)col;
		return;
	}
	for (int c = col; c < end; c++)
		blank(g->row[row] + c, bg);
	if (g->used[row] < end)
		g->used[row] = (uint16_t)end;
}

void grid_erase(struct grid *g, struct grid_rect r, const struct pane_pen *pen)
{
	if (!clamp(g, &r))
		return;
	for (int row = r.row; row < r.end_row; row++)
		erase_row(g, row, r.col, r.end_col, pen->bg);
}

static void swap_rows(struct grid *g, int a, int b)
{
	struct pane_cell *row = g->row[a];
	uint16_t used = g->used[a];
	uint8_t flags = g->flags[a];

	g->row[a] = g->row[b];
	g->used[a] = g->used[b];
	g->flags[a] = g->flags[b];
	g->row[b] = row;
	g->used[b] = used;
	g->flags[b] = flags;
}

/* Whole rows: the rows that fall off become the blank ones at the other end. */
static void scroll_rows(struct grid *g, struct grid_rect r, int down, const struct pane_pen *pen)
{
	int height = r.end_row - r.row, n = down < 0 ? -down : down;
	struct grid_rect gone = r;

	if (n > height)
		n = height;
	if (down > 0) {
		for (int i = r.row; i + n < r.end_row; i++)
			swap_rows(g, i, i + n);
		gone.row = r.end_row - n;
	} else {
		for (int i = r.end_row - 1; i - n >= r.row; i--)
			swap_rows(g, i, i - n);
		gone.end_row = r.row + n;
	}
	memset(g->dirty + r.row, true, (size_t)height);
	grid_erase(g, gone, pen);
}

static void move_row(struct grid *g, struct grid_rect r, int to, int from)
{
	int width = r.end_col - r.col;

	split(g, to, r.col);
	split(g, to, r.end_col);
	split(g, from, r.col);
	split(g, from, r.end_col);
	memcpy(g->row[to] + r.col, g->row[from] + r.col, (size_t)width * sizeof(struct pane_cell));
	g->dirty[to] = true;
	if (g->used[to] < r.end_col)
		g->used[to] = (uint16_t)r.end_col;
}

/* Part of the rows, up or down. */
static void scroll_part(struct grid *g, struct grid_rect r, int down, const struct pane_pen *pen)
{
	int height = r.end_row - r.row, n = down < 0 ? -down : down;
	struct grid_rect gone = r;

	if (n > height)
		n = height;
	if (down > 0) {
		for (int i = r.row; i + n < r.end_row; i++)
			move_row(g, r, i, i + n);
		gone.row = r.end_row - n;
	} else {
		for (int i = r.end_row - 1; i - n >= r.row; i--)
			move_row(g, r, i, i - n);
		gone.end_row = r.row + n;
	}
	grid_erase(g, gone, pen);
}

static void scroll_cols(struct grid *g, struct grid_rect r, int right, const struct pane_pen *pen)
{
	int width = r.end_col - r.col, n = right < 0 ? -right : right;
	size_t keep;

	if (n > width)
		n = width;
	keep = (size_t)(width - n) * sizeof(struct pane_cell);
	for (int row = r.row; row < r.end_row; row++) {
		struct pane_cell *c = g->row[row] + r.col;

		split(g, row, r.col);
		split(g, row, r.end_col);
		split(g, row, right > 0 ? r.col + n : r.end_col - n);
		if (g->used[row] < r.end_col)
			g->used[row] = (uint16_t)r.end_col;
		g->dirty[row] = true;
		if (right > 0)
			memmove(c, c + n, keep);
		else
			memmove(c + n, c, keep);
		/* Not erase_row(): what moved must not be taken for halves of what was here. */
		if (right > 0)
			c += width - n;
		for (int i = 0; i < n; i++)
			blank(c + i, pen->bg);
	}
}

void grid_scroll(struct grid *g, struct grid_rect r, int down, int right,
    const struct pane_pen *pen)
{
	if (!clamp(g, &r))
		return;
	if (down && r.col == 0 && r.end_col == g->cols)
		scroll_rows(g, r, down, pen);
	else if (down)
		scroll_part(g, r, down, pen);
	if (right)
		scroll_cols(g, r, right, pen);
}
