/*
 * Painting the current screen for a door that cannot take ncurses' own bytes: another size, fewer
 * colours, no UTF-8, or one that missed a frame.
 */
#ifndef TUI_TERM_PAINT_H
#define TUI_TERM_PAINT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "tui/term.h"

enum term_paint_colors { PAINT_COLORS_NONE, PAINT_COLORS_16, PAINT_COLORS_256 };

struct term_paint {
	int rows, cols;                 /* of the door */
	enum term_paint_colors colors;
	bool ascii;                     /* no UTF-8: lines as + - |, other characters as '?' */
	uint64_t *seen;                 /* rows hashes of what this door shows; 0 = unknown. NULL: all */
};

/* Append the bytes that make the door show the screen.  Afterwards its terminal is in the state
 * that ncurses expects, so a door of the session's size can go on with ncurses' own bytes. */
void term_paint_screen(struct buf *out, const struct term_paint *how);

#endif
