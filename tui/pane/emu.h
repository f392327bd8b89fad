/*
 * A terminal: filter -> libvterm's state layer -> grid.  The only user of libvterm.
 *
 * libvterm keeps the cursor, margins, tab stops, character sets and the meaning of motion; what
 * it draws goes into our own grid.  It never sees a code point of the program's: for each glyph
 * it is given a stand-in of the same width, and the glyph itself waits in a queue until
 * libvterm says where it goes.  Colours, saved cursors, both screens, private modes and all
 * replies are kept here.
 */
#ifndef TUI_PANE_EMU_H
#define TUI_PANE_EMU_H

#include <stdbool.h>
#include <stdint.h>
#include "tui/pane/filter.h"
#include "tui/pane/grid.h"
#include "tui/pane/ring.h"

struct VTerm;
struct VTermState;

#define EMU_REPLY_MAX 512
#define EMU_CLIP_SIZE (FILTER_CLIP_MAX + 1)

struct emu_saved {
	int row, col;
	struct pane_pen pen;
	char sets[2];
	bool shifted;
};

struct emu {
	struct VTerm *vt;
	struct VTermState *state;
	struct filter filter;
	struct grid screens[2];      /* main, alternate (made at its first use) */
	struct grid *grid;           /* the one shown */
	struct pane_pen pen;
	struct emu_saved saved[2];  /* of each screen */
	char sets[2];                /* G0 and G1 as designated: 'B', '0', 'A' */
	bool shifted;                /* SO: G1 is in use */
	bool margins;                /* margins, origin or DECLRMM may be set */
	uint32_t modes;              /* enum pane_mode */
	uint32_t shape, bells, titles;
	char title[PANE_TITLE_SIZE];
	/* glyphs that libvterm has not placed yet */
	uint32_t queue[FILTER_TEXT_MAX];
	int queue_n, queue_at;
	/* the glyph placed last, for marks and for lines that wrap */
	int last_row, last_col, last_width;
	bool joined;
	/* combining marks */
	ring_marks *marks;           /* PANE_MARKS entries, made at the first mark */
	uint8_t marks_used[PANE_MARKS / 8];
	int marks_at, marks_top;     /* search from here; highest ever used + 1 */
	bool marks_dirty;
	uint64_t fed, swept;         /* bytes fed; fed at the last sweep of marks */
	struct ring ring;
	char reply[EMU_REPLY_MAX];  /* to be written to the program */
	size_t reply_n;
	char *clip;                  /* base64 of the last OSC 52, until taken; heap */
	size_t clip_n;
};

/* Sizes are clamped to PANE_ROWS_* and PANE_COLS_*. */
struct emu *emu_new(int rows, int cols);
void emu_free(struct emu *t);
void emu_feed(struct emu *t, const char *p, size_t n);
void emu_resize(struct emu *t, int rows, int cols);
void emu_cursor(const struct emu *t, int *row, int *col);

#endif
