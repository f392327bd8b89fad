/*
 * The palette: a line to type a command into, with the actions and verbs that fit it.  Enter runs
 * the chosen one, or asks for its arguments; Tab completes.
 */
#ifndef TUI_PALETTE_H
#define TUI_PALETTE_H

#include "tui/key.h"
#include "tui/rect.h"

enum palette_state { PALETTE_OPEN, PALETTE_RUN, PALETTE_CLOSED };

struct palette;

/* context: of the focused view, whose actions are offered. project: are there verbs for one? */
struct palette *palette_new(const char *context, bool project, const char *initial);
void palette_free(struct palette *p);
enum palette_state palette_key(struct palette *p, const struct term_key *k);
/* On a screen of this size: a press chooses and runs, the wheel moves; beside it: closed. */
enum palette_state palette_mouse(struct palette *p, const struct term_mouse *m, int rows, int cols);
void palette_paste(struct palette *p, const char *text, size_t n);
const char *palette_text(const struct palette *p); /* what to run */
struct rect palette_rect(int rows, int cols);
void palette_draw(struct palette *p);

#endif
