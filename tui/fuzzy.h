/* How well a typed pattern fits a name, as in a command palette. Pure. */
#ifndef TUI_FUZZY_H
#define TUI_FUZZY_H

/* -1: the characters of pattern do not occur in text in that order (ASCII case ignored).
 * Otherwise larger is better: runs, starts of words and short names win.  "" fits all (0). */
int fuzzy_score(const char *pattern, const char *text);

#endif
