/* What the files of the terminal share. */
#ifndef TUI_PANE_EMU_INTERNAL_H
#define TUI_PANE_EMU_INTERNAL_H

#include <stdint.h>

struct emu;
struct pane_pen;

/* emu_pen.c: SGR codes as the filter normalised them. */
void emu_pen_apply(struct pane_pen *pen, const int *args, int n);
/* emu_reply.c: fixed answers; nothing of the query is repeated. */
void emu_reply_query(struct emu *t, int query);
/* emu_mark.c: join a combining code point to the glyph placed last. */
void emu_mark_add(struct emu *t, uint32_t cp);

#endif
