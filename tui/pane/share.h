/*
 * One terminal's place in the memory shared with the session (base/pane.h): mapped piece by piece,
 * as much as its size needs, and written as whole snapshots.
 */
#ifndef TUI_PANE_SHARE_H
#define TUI_PANE_SHARE_H

#include <stdbool.h>
#include "tui/pane/emu.h"

struct share {
	int memfd;             /* borrowed */
	int id;                /* 0..PANE_TERMS-1 */
	uint8_t *base;         /* head and marks; NULL = not open */
	struct pane_term *term;
	struct pane_cell *cells;
	size_t cells_size;     /* bytes mapped */
	uint8_t *ring;
	size_t ring_size;
	uint32_t stamp;
};

/* The page that both sides write. NULL with errno set on failure. */
struct pane_head *share_head(int memfd);
/* Map, and give the emulator its ring.  0, or -1 with errno set. */
int share_open(struct share *s, int memfd, int id, struct emu *emu, uint32_t ring_bytes, bool keep);
void share_close(struct share *s);
/* Write what changed since the last snapshot.  0, or -1 with errno set (no memory). */
int share_publish(struct share *s, struct emu *emu);

#endif
