/* SGR: what colours and attributes the next glyphs get. */
#include <string.h>
#include "tui/pane/emu.h"
#include "tui/pane/emu_internal.h"

static void underline(struct pane_pen *pen, unsigned style)
{
	/* dotted and dashed are shown as single, as ncurses has one kind */
	if (style > 3)
		style = 1;
	pen->attr = (uint16_t)((pen->attr & ~PANE_UNDER_MASK) | style << PANE_UNDER_SHIFT);
}

static void attr_code(struct pane_pen *pen, int v)
{
	static const uint16_t on[10] = {0, PANE_BOLD, PANE_DIM, PANE_ITALIC, 0, PANE_BLINK, 0,
	    PANE_REVERSE, PANE_CONCEAL, PANE_STRIKE};

	if (v >= 400)
		underline(pen, (unsigned)(v - 400));
	else if (v == 4)
		underline(pen, 1);
	else if (v == 21)
		underline(pen, 2);
	else if (v == 24)
		underline(pen, 0);
	else if (v == 22)
		pen->attr &= (uint16_t)~(PANE_BOLD | PANE_DIM);
	else if (v == 6)
		pen->attr |= PANE_BLINK;
	else if (v > 0 && v < 10)
		pen->attr |= on[v];
	else if (v > 22 && v < 30)
		pen->attr &= (uint16_t)~on[v - 20];
}

static void color_code(struct pane_pen *pen, int v)
{
	bool back = (v >= 40 && v < 50) || v >= 100;
	uint32_t c = PANE_COLOR_DEFAULT;
	int base = v >= 100 ? 100 : v >= 90 ? 90 : v >= 40 ? 40 : 30;

	if (v != 39 && v != 49)
		c = PANE_COLOR_INDEX | (uint32_t)(v - base + (v >= 90 ? 8 : 0));
	if (back)
		pen->bg = c;
	else
		pen->fg = c;
}

void emu_pen_apply(struct pane_pen *pen, const int *args, int n)
{
	for (int i = 0; i < n; i++) {
		int v = args[i];

		if (v == 0) {
			memset(pen, 0, sizeof(*pen));
		} else if ((v == 38 || v == 48) && i + 2 < n) {
			uint32_t c = PANE_COLOR_INDEX | (uint32_t)args[i + 2];

			if (args[i + 1] == 2 && i + 4 < n)
				c = PANE_COLOR_RGB | (uint32_t)args[i + 2] << 16 |
				    (uint32_t)args[i + 3] << 8 | (uint32_t)args[i + 4];
			if (v == 38)
				pen->fg = c;
			else
				pen->bg = c;
			i += args[i + 1] == 2 ? 4 : 2;
		} else if (v < 30 || v >= 400) {
			attr_code(pen, v);
		} else {
			color_code(pen, v);
		}
	}
}
