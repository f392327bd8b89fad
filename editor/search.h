/*
 * Finding text without flattening it: a window of the text is copied at a time and matched with
 * PCRE2; a match that reaches the window's end makes the window grow (to SEARCH_MATCH_MAX), so
 * matches across pieces, blocks and windows are found.  A call reads no more than its budget and
 * says SEARCH_MORE, so that a 1 GB file does not stop the session's loop.  Patterns are UTF-8;
 * bytes of the text that are not are never part of a match.  Runaway patterns end by limits.
 */
#ifndef EDITOR_SEARCH_H
#define EDITOR_SEARCH_H

#include <stdbool.h>
#include "base/buf.h"
#include "editor/text.h"

#define SEARCH_PATTERN_MAX 1024             /* bytes */
#define SEARCH_MATCH_MAX ((size_t)64 << 10) /* longest match that is found, bytes */
#define SEARCH_BUDGET ((size_t)2 << 20)     /* bytes a call; some milliseconds */

enum search_flags { SEARCH_REGEX = 1, SEARCH_CASE = 2 };
enum search_result { SEARCH_FOUND, SEARCH_MORE, SEARCH_NONE, SEARCH_FAILED };

struct search;
/* NULL with the reason (and place) when the pattern is malformed.  Without SEARCH_CASE, case is
 * ignored unless the pattern has a capital letter. */
struct search *search_new(const char *pattern, size_t n, unsigned flags, struct cl_err *err);
void search_free(struct search *s);
/* For tests: window bytes instead of 256 KiB. */
void search_window(struct search *s, size_t window);

struct search_scan {
	size_t pos;   /* where the search goes on; set it to start, kept between calls */
	size_t limit; /* forward: no match starts at or past it; backward: none starts before it */
	bool back;    /* the last match that starts before pos, instead of the first at or after */
	size_t start, end; /* the match found */
	size_t size;       /* of the window that the next call takes; 0 at first */
};
enum search_result search_step(struct search *s, struct text *t, struct search_scan *scan,
			       size_t budget, struct cl_err *err);
/* What a replacement for the match just found becomes ($1 and so on with SEARCH_REGEX). */
int search_expand(struct search *s, struct text *t, const struct search_scan *scan,
		  const char *with, size_t n, struct buf *out, struct cl_err *err);

#endif
