/* What the files of the terminal share. */
#ifndef TUI_PANE_TERM_INTERNAL_H
#define TUI_PANE_TERM_INTERNAL_H

#include "tui/pane/term.h"

/* term_pen.c: SGR codes as the filter normalised them. */
void term_pen_apply(struct pane_pen *pen, const int *args, int n);
/* term_reply.c: fixed answers; nothing of the query is repeated. */
void term_reply_query(struct term *t, int query);
/* term_mark.c: join a combining code point to the glyph placed last. */
void term_mark_add(struct term *t, uint32_t cp);

#endif
