/*
 * Line numbers, found when they are needed.  Newlines are counted for each block of the original
 * and each piece once, so an edit costs one or two pieces, and a 1 GB file needs no scan before
 * it can be shown.  Calls take a budget in bytes that may be read; when it is used up they say
 * LINES_MORE, keep what they learned, and may be asked again.  Lines count from 0.
 */
#ifndef EDITOR_LINES_H
#define EDITOR_LINES_H

#include "editor/text.h"

#define LINES_BUDGET ((size_t)4 << 20) /* a few milliseconds */

enum lines_result { LINES_OK, LINES_MORE, LINES_NONE };

/* The line that holds pos. */
enum lines_result lines_at(struct text *t, size_t pos, size_t budget, size_t *line);
/* Where the line starts; LINES_NONE past the last line. */
enum lines_result lines_pos(struct text *t, size_t line, size_t budget, size_t *pos);
/* Number of lines (newlines + 1). */
enum lines_result lines_count(struct text *t, size_t budget, size_t *count);

#endif
