/*
 * Combining marks: a cell points to an entry of a small table.  Entries are not counted; when
 * the table is full it is swept, at most once per 64 KiB of input, and marks that still find no
 * room are left out.  So any flood of marks costs time linear in its length.
 */
#include <string.h>
#include "base/mem.h"
#include "tui/pane/emu.h"
#include "tui/pane/emu_internal.h"

#define SWEEP_EVERY 65536

static bool used(const struct emu *t, int i)
{
	return t->marks_used[i / 8] >> (i % 8) & 1;
}

static void use(struct emu *t, int i)
{
	t->marks_used[i / 8] |= (uint8_t)(1 << (i % 8));
}

static void sweep_grid(struct emu *t, const struct grid *g)
{
	size_t n = g->mem ? (size_t)g->rows * (size_t)g->cols : 0;

	for (size_t i = 0; i < n; i++)
		if (g->mem[i].mark)
			use(t, g->mem[i].mark);
}

static void sweep(struct emu *t)
{
	memset(t->marks_used, 0, sizeof(t->marks_used));
	use(t, 0);
	sweep_grid(t, &t->screens[0]);
	sweep_grid(t, &t->screens[1]);
	t->swept = t->fed;
	t->marks_at = 1;
}

static int find_free(struct emu *t)
{
	for (; t->marks_at < PANE_MARKS; t->marks_at++)
		if (!used(t, t->marks_at))
			return t->marks_at++;
	return 0;
}

static int take_entry(struct emu *t)
{
	int i;

	if (!t->marks) {
		t->marks = mem_array(PANE_MARKS, sizeof(*t->marks));
		sweep(t);
	}
	i = find_free(t);
	if (i == 0 && t->fed - t->swept >= SWEEP_EVERY) {
		sweep(t);
		i = find_free(t);
	}
	if (i == 0)
		return 0;
	use(t, i);
	memset(t->marks[i], 0, sizeof(t->marks[i]));
	if (t->marks_top <= i)
		t->marks_top = i + 1;
	return i;
}

void emu_mark_add(struct emu *t, uint32_t cp)
{
	struct pane_cell *c = grid_cell(t->grid, t->last_row, t->last_col);
	int i = 0;

	if (!c || !(c->ch & PANE_CELL_CP))
		return;
	if (!c->mark)
		c->mark = (uint16_t)take_entry(t);
	if (!c->mark)
		return;
	while (i < PANE_MARK_LEN && t->marks[c->mark][i])
		i++;
	if (i == PANE_MARK_LEN)
		return;
	t->marks[c->mark][i] = cp;
	t->marks_dirty = true;
	t->grid->dirty[t->last_row] = true;
}
