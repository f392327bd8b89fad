/*
 * Where the cursor goes: by grapheme (never inside a Hangul syllable, a ZWJ emoji or CR LF), by
 * word, by row.  Each returns the new position and costs no more than a few rows, however large
 * the text is.
 */
#ifndef EDITOR_MOTION_H
#define EDITOR_MOTION_H

#include <stdbool.h>
#include "editor/text.h"

size_t motion_next(struct text *t, size_t pos); /* the next grapheme; text_len() at the end */
size_t motion_prev(struct text *t, size_t pos);
size_t motion_word_next(struct text *t, size_t pos); /* start of the next word */
size_t motion_word_prev(struct text *t, size_t pos);
/* The word around pos (letters, digits, '_', anything past ASCII); start == end if there is none.
 */
void motion_word(struct text *t, size_t pos, size_t *start, size_t *end);
/* n rows down (up if negative), keeping to a column. */
size_t motion_rows(struct text *t, size_t pos, int n, size_t column, int tab);
size_t motion_row_start(struct text *t, size_t pos); /* first of: past the indent, the start */
/* Length in bytes of the blanks that begin the row. */
size_t motion_indent(struct text *t, size_t row);

#endif
