/*
 * Reading a terminal out of the memory shared with the pane process (base/pane.h).  Everything
 * there may be hostile and may change while it is read: each number is read once and checked,
 * each code point sanitized, each two-cell glyph checked for both of its halves.
 *
 * area: the start of the term's part, PANE_TERM_SIZE bytes.  Pure: knows no screen.
 */
#ifndef TUI_PANE_GRID_H
#define TUI_PANE_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/pane.h"

#define PANE_GLYPH_CPS 6

struct pane_glyph {
	uint32_t cps[PANE_GLYPH_CPS]; /* base and marks that occupy no cell */
	uint8_t n;                    /* 0 = blank */
	uint8_t width;                /* 1, 2; 0 = right half of the glyph before */
	uint16_t attr;                /* enum pane_attr */
	uint32_t fg, bg;              /* PANE_COLOR_* */
};

struct pane_screen {
	uint32_t rows, cols, cur_row, cur_col, modes, shape, bells, titles;
	uint32_t stamp; /* of the snapshot */
};

/* false: nothing was published yet, or the numbers make no sense. */
bool pane_grid_screen(const void *area, struct pane_screen *s);
/* s->cols glyphs of row (< s->rows) into out.  Returns PANE_LINE_* flags of the row. */
unsigned pane_grid_row(const void *area, const struct pane_screen *s, uint32_t row,
    struct pane_glyph *out);
/* Has row (< s->rows) changed since the snapshot of that stamp? */
bool pane_grid_changed(const void *area, uint32_t row, uint32_t stamp);
/* The program's title, valid UTF-8, NUL-terminated; still to be shown by screen_safe(). */
void pane_grid_title(const void *area, char *out, size_t size);

/* Lines that scrolled off, by offset.  false: no such line (any more). */
uint64_t pane_grid_head(const void *area);               /* offset after the newest line */
bool pane_grid_prev(const void *area, uint64_t *off);    /* from the start of a line, or head */
bool pane_grid_next(const void *area, uint64_t *off);    /* to the next line's start, or head */
bool pane_grid_has(const void *area, uint64_t off);      /* is that line still whole? */
uint64_t pane_grid_tail(const void *area);               /* the oldest line's start */
/* At most max glyphs of the line at off; -1 when it is gone. */
int pane_grid_line(const void *area, uint64_t off, struct pane_glyph *out, int max, unsigned *flags);

#endif
