/*
 * Looking back in a terminal: the lines that scrolled off, followed by the screen as it was when
 * the look began, with a cursor, a selection and a search.  What the program prints meanwhile does
 * not move the picture; only its oldest lines may vanish.  Pure: knows no screen.
 *
 *      oldest line        <- tail of the ring
 *      ...                   addr = its offset in the ring
 *      newest line        <- head when the look began
 *      row 0 of the screen
 *      ...                   addr = SCROLLBACK_ROW + row
 */
#ifndef TUI_SCROLLBACK_H
#define TUI_SCROLLBACK_H

#include <stdbool.h>
#include <stdint.h>
#include "tui/pane_grid.h"

#define SCROLLBACK_ROW ((uint64_t)1 << 63)

struct scrollback {
	const void *area;            /* borrowed */
	struct pane_screen screen;
	struct pane_glyph *rows;     /* screen.rows * screen.cols, owned */
	uint8_t *row_flags;          /* owned */
	uint64_t head;
	int h, w;                    /* of the view */
	uint64_t top;                /* address of the view's first line */
	int cur_y, cur_x;            /* in the view */
	bool selecting;
	uint64_t anchor;             /* address and column where the selection began */
	int anchor_x;
};

/* NULL when the terminal has shown nothing yet. */
struct scrollback *scrollback_new(const void *area, int h, int w);
void scrollback_free(struct scrollback *s);
void scrollback_resize(struct scrollback *s, int h, int w);
/* Older (negative) or newer lines; returns how many it moved. */
int scrollback_scroll(struct scrollback *s, int lines);
bool scrollback_at_end(const struct scrollback *s);
void scrollback_move(struct scrollback *s, int dy, int dx); /* the cursor; scrolls at the edges */
/* Glyphs of line y of the view into out (PANE_COLS_MAX); their number, 0 past the end. */
int scrollback_line(const struct scrollback *s, int y, struct pane_glyph *out, unsigned *flags);
/* Begin or drop a selection at the cursor. */
void scrollback_select(struct scrollback *s, bool on);
bool scrollback_selected(const struct scrollback *s, int y, int x);
/* The selected text (without a selection: the cursor's line); the caller frees. */
char *scrollback_text(const struct scrollback *s, size_t *n);
/* Put the cursor on the next occurrence, ignoring case of ASCII; false: none. */
bool scrollback_find(struct scrollback *s, const char *text, bool older);

#endif
