/*
 * Scrolling text: lines with a style each, wrapped to the width, shown from the end (follow) or
 * from wherever the reader has scrolled to.  Used by output, help, events and chat.
 */
#ifndef TUI_SCROLL_H
#define TUI_SCROLL_H

#include <stdbool.h>
#include <stddef.h>
#include "tui/term.h"

struct scroll_line {
	char *text;           /* owned */
	int width;            /* cells */
	enum term_theme theme;
	int lead;             /* cells at its start that are drawn in `lead_theme` */
	enum term_theme lead_theme;
};

struct scroll {
	struct scroll_line *lines;
	int n, max;           /* max lines kept; the oldest go */
	int up;               /* rows scrolled up from the end; 0 follows new lines */
	int h, w;             /* of the last draw */
};

void scroll_init(struct scroll *s, int max);
void scroll_clear(struct scroll *s); /* frees; usable again */
/* Add one line (up to a newline or n); keeps what the reader sees where it is. */
void scroll_add(struct scroll *s, enum term_theme theme, const char *text, size_t n);
/* The same with a styled start, e.g. "10:02 bob". */
void scroll_add_lead(struct scroll *s, enum term_theme lead_theme, const char *lead,
    enum term_theme theme, const char *text);
/* Add text of many lines. */
void scroll_add_text(struct scroll *s, enum term_theme theme, const char *text, size_t n);
/* "up", "down", "page-up", "page-down", "top", "bottom". */
void scroll_move(struct scroll *s, const char *how);
void scroll_by(struct scroll *s, int rows_up);
/* The wheel; false: something else was done with the mouse. */
bool scroll_mouse(struct scroll *s, const struct term_mouse *m);
/* Into rows y..y+h-1 of the clip, over its whole width less x on the left. */
void scroll_draw(struct scroll *s, int y, int x, int h, int w);

#endif
