/*
 * The writer of a ring of lines (base/pane.h) that scrolled off a terminal.  Old lines give way
 * to new ones.  The offsets that others see are kept in struct pane_term.
 */
#ifndef TUI_PANE_RING_H
#define TUI_PANE_RING_H

#include <stdbool.h>
#include "base/pane.h"

typedef uint32_t ring_marks[PANE_MARK_LEN];

struct ring {
	struct pane_term *term; /* borrowed; NULL = lines are thrown away */
	uint8_t *data;          /* borrowed, cap bytes */
	uint32_t cap;
	uint64_t head, tail, lines;
};

/* keep: go on after the lines that are there, if they make sense. */
void ring_open(struct ring *r, struct pane_term *term, uint8_t *data, uint32_t cap, bool keep);
/* Append the first n cells as a line; blanks at its end are cut. marks may be NULL. */
void ring_push(struct ring *r, const struct pane_cell *cells, int n, uint8_t flags,
    const ring_marks *marks);
void ring_erase(struct ring *r);

#endif
