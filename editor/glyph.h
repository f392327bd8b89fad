/*
 * What one step of the cursor is, and how it is shown: a grapheme cluster, a line end (LF or
 * CR LF), a TAB up to its stop, or something that a terminal must not get (controls, bidi marks,
 * invalid UTF-8), shown escaped.  Editor, selection and search agree on columns through this.
 */
#ifndef EDITOR_GLYPH_H
#define EDITOR_GLYPH_H

#include <stddef.h>

#define GLYPH_MAX 64   /* bytes of one glyph; a longer cluster is cut */
#define GLYPH_TEXT 320 /* bytes of its shown form, with NUL */

enum glyph_kind { GLYPH_CHAR, GLYPH_TAB, GLYPH_ESCAPE, GLYPH_NEWLINE };

struct glyph {
	enum glyph_kind kind;
	size_t len;            /* bytes of the text it stands for, >= 1 */
	int width;             /* cells; 0 for a newline */
	char text[GLYPH_TEXT]; /* what to show, safe for the screen ("" for TAB and newline) */
};

/* The glyph at s[0..n), n >= 1, shown at column col with TAB stops every `tab` cells. */
void glyph_read(struct glyph *g, const char *s, size_t n, size_t col, int tab);

#endif
