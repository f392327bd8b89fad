/*
 * Keys and mouse as the bytes that a program in a terminal expects (xterm's), by the modes that
 * its pane publishes.  Pure.  A mode can only choose between fixed encodings.
 */
#ifndef TUI_PANE_KEYS_H
#define TUI_PANE_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "tui/key.h"
#include "tui/term.h"

#define PANE_KEYS_MAX 32

/* modes: enum pane_mode.  Bytes written to out, 0 for a key that has no encoding. */
size_t pane_keys_encode(const struct term_key *k, uint32_t modes, char out[PANE_KEYS_MAX]);
/* 0 when the program does not want this event. y, x from 0. */
size_t pane_keys_mouse(const struct term_mouse *m, uint32_t modes, char out[PANE_KEYS_MAX]);
/* Pasted text: newlines as Enter, other controls left out, so that it cannot end a bracketed
 * paste or drive the program; bracketed when the program asked for it.  0, -1: does not fit. */
int pane_keys_paste(struct buf *out, const char *text, size_t n, uint32_t modes);

#endif
