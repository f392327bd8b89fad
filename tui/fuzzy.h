/* How well a typed pattern fits a name, as in a command palette. Pure. */
#ifndef TUI_FUZZY_H
#define TUI_FUZZY_H

#include <stdbool.h>

/* -1: the characters of pattern do not occur in text in that order (ASCII case ignored).
 * Otherwise larger is better: runs, starts of words and short names win.  "" fits all (0). */
int fuzzy_score(const char *pattern, const char *text);

/* Does every word of words (parted by spaces) stand in text, whole or as a part of a word?  ASCII case
 * ignored.  For sentences: any few letters occur somewhere in a sentence in their order. */
bool fuzzy_has_words(const char *words, const char *text);

#endif
