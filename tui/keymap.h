/*
 * Key bindings: one table (keymap_table.c) of "context, key, note, text".  The keymap, the key bar
 * and help all read it.  A key is looked up in the focused view's context, then in the layer under
 * it ("list" for views that are lists), then in "global".
 */
#ifndef TUI_KEYMAP_H
#define TUI_KEYMAP_H

#include <stdbool.h>
#include "tui/key.h"

struct keymap_row {
	const char *context; /* "global", "list", or a view's context */
	const char *key;     /* key_parse() name */
	const char *note;    /* help, and the label in the key bar */
	const char *text;    /* verb or action text that it runs */
	int bar;             /* place in the key bar, 1 first; 0 = only in help */
};
extern const struct keymap_row keymap_table[]; /* ends with context NULL */

/* Contexts that are lists take the rows of "list" too. */
bool keymap_is_list(const char *context);
/* The text bound to a key there, or NULL. */
const char *keymap_find(const char *context, const struct term_key *key);
/* Only rows of exactly that context. */
const struct keymap_row *keymap_row_of(const char *context, const struct term_key *key);
/* Rows for the key bar of a context, own rows before global ones, by `bar`; returns how many. */
int keymap_bar(const char *context, const struct keymap_row **out, int max);

#endif
