/* Bytes to cells.  See glyph.h. */
#include "editor/glyph.h"

#include <string.h>

#include "base/screen.h"
#include "base/utf8.h"

void glyph_read(struct glyph *g, const char *s, size_t n, size_t col, int tab)
{
	int width = 0;

	g->text[0] = '\0';
	if (s[0] == '\n' || (s[0] == '\r' && n > 1 && s[1] == '\n')) {
		g->kind = GLYPH_NEWLINE;
		g->len = s[0] == '\n' ? 1 : 2;
		g->width = 0;
		return;
	}
	if (s[0] == '\t') {
		g->kind = GLYPH_TAB;
		g->len = 1;
		g->width = tab - (int)(col % (size_t)tab);
		return;
	}
	if (s[0] >= 0x20 && s[0] < 0x7f && (n == 1 || (s[1] >= 0 && s[1] < 0x7f))) {
		g->kind = GLYPH_CHAR; /* the common case, without a look at the tables */
		g->len = 1;
		g->width = 1;
		g->text[0] = s[0];
		g->text[1] = '\0';
		return;
	}
	g->len = utf8_grapheme(s, n < GLYPH_MAX ? n : GLYPH_MAX, &width);
	if (g->len == 0)
		g->len = 1;
	screen_safe(g->text, sizeof g->text, s, g->len, 0);
	if (strlen(g->text) == g->len && memcmp(g->text, s, g->len) == 0 && width > 0) {
		g->kind = GLYPH_CHAR;
		g->width = width;
		return;
	}
	g->kind = GLYPH_ESCAPE;
	g->width = utf8_width(g->text, strlen(g->text));
	if (g->width == 0) { /* a combining mark alone: give it a place to sit */
		memmove(g->text + 3, g->text, strlen(g->text) + 1);
		memcpy(g->text, "\xe2\x97\x8c", 3);
		g->width = 1;
	}
}
