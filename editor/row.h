/*
 * Rows: lines as the screen shows them.  A row is a line, except that a line longer than
 * ROW_MAX is cut at multiples of ROW_MAX in the text, so that a 1 GB line costs no more than any
 * other.  A cut is where [cut - ROW_MAX, cut) holds no newline: every call finds the same ones
 * by looking at no more than 3 * ROW_MAX bytes.
 */
#ifndef EDITOR_ROW_H
#define EDITOR_ROW_H

#include <stdbool.h>
#include "editor/text.h"

#ifdef CL_FUZZ
#define ROW_MAX ((size_t)64) /* so that short inputs meet every edge */
#else
#define ROW_MAX ((size_t)16384)
#endif
#define ROW_BYTES_MAX (2 * ROW_MAX + 4) /* no row is longer than this */

size_t row_start(struct text *t, size_t pos);   /* of the row that holds pos */
size_t row_end(struct text *t, size_t pos);     /* before its newline (CR LF counts as one) */
size_t row_next(struct text *t, size_t pos);    /* start of the next row; text_len() at the end */
size_t row_prev(struct text *t, size_t pos);    /* start of the row before; 0 at the first */
bool row_is_line(struct text *t, size_t start); /* the row starts a line (is not a cut) */
/* Is pos in the last row? */
bool row_is_last(struct text *t, size_t pos);
/* Column (cells from the row's start) of pos, and the position nearest to a column. */
size_t row_column(struct text *t, size_t pos, int tab);
size_t row_at_column(struct text *t, size_t start, size_t column, int tab);

#endif
