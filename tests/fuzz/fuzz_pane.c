/* link: cl_pane cl_base */
/*
 * Z2: filter, libvterm, grid and ring, with resizes between.  The cursor stays on the screen, no
 * glyph is left in halves, marks point into their table, records of the ring can be walked.
 * Input: records of 1 byte kind and length; 0xFE rows cols: resize; else that many bytes of output.
 * Debian's libvterm is not built with the sanitizers: for a deeper look build it so from its source
 * package and give it by cmake -DCL_VTERM=/path/libvterm.a.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "tui/pane/emu.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct {
	struct pane_term term;
	uint8_t ring[PANE_RING_MIN];
} shared;

static void check_cell(struct emu *t, int r, int c)
{
	const struct pane_cell *cell = grid_cell(t->grid, r, c);
	uint32_t ch = cell->ch;

	CHECK((ch & PANE_CELL_CP) <= 0x10FFFF);
	CHECK(cell->mark < PANE_MARKS && (!cell->mark || t->marks));
	if (ch & PANE_CELL_WIDE)
		CHECK(c + 1 < t->grid->cols && cell[1].ch & PANE_CELL_TAIL);
	if (ch & PANE_CELL_TAIL)
		CHECK(c > 0 && cell[-1].ch & PANE_CELL_WIDE);
}

static void check(struct emu *t)
{
	uint64_t at = t->ring.tail;
	int row, col;

	emu_cursor(t, &row, &col);
	CHECK(row >= 0 && row < t->grid->rows && col >= 0 && col < t->grid->cols);
	for (int r = 0; r < t->grid->rows; r++)
		for (int c = 0; c < t->grid->cols; c++)
			check_cell(t, r, c);
	CHECK(t->reply_n < sizeof(t->reply));
	CHECK(t->ring.head - t->ring.tail <= t->ring.cap);
	while (at < t->ring.head)
		at += 4u + (shared.ring[at % t->ring.cap] | shared.ring[(at + 1) % t->ring.cap] << 8);
	CHECK(at == t->ring.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emu *t;

	if (size < 2 || size > 16384)
		return 0;
	t = emu_new(2 + data[0] % 60, 4 + data[1]);
	ring_open(&t->ring, &shared.term, shared.ring, sizeof(shared.ring), false);
	for (size_t i = 2; i < size;) {
		uint8_t n = data[i++];

		if (n == 0xFE && i + 2 <= size) {
			emu_resize(t, data[i] % 80, data[i + 1]);
			check(t);
			i += 2;
			continue;
		}
		if (n > size - i)
			n = (uint8_t)(size - i);
		emu_feed(t, (const char *)data + i, n);
		t->reply_n = 0;
		i += n;
	}
	check(t);
	emu_free(t);
	return 0;
}
