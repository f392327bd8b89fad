/* From typed bytes to keys, mouse actions and pastes. */
#ifndef TUI_TERM_INPUT_H
#define TUI_TERM_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include "tui/key.h"

#define TERM_INPUT_MAX (4u << 20) /* bytes that may wait, a paste included */

/* Called by term_open() with ncurses' reading end made from the pipe. */
void term_input_open(int pipe_write);
void term_input_close(void);
/* Bytes typed at a door; false: too much is waiting, they were dropped. */
bool term_input_feed(const void *data, size_t n);
/* Next key, mouse action or paste; TERM_NOTHING when there is none yet. */
void term_input_read(struct term_event *ev);

#endif
