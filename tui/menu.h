/* The menu line and its menus: every entry is verb or action text, its key read from the keymap. */
#ifndef TUI_MENU_H
#define TUI_MENU_H

#include "tui/key.h"

enum menu_state { MENU_OPEN, MENU_CHOSEN, MENU_CLOSED };

struct menu;

/* which: 0.. of the menus on the line. home: the entries of the home screen. */
struct menu *menu_new(int which, bool home);
void menu_free(struct menu *m);
enum menu_state menu_key(struct menu *m, const struct term_key *k);
/* A press at a cell of the screen. */
enum menu_state menu_mouse(struct menu *m, int y, int x);
const char *menu_text(const struct menu *m); /* what was chosen */
void menu_draw(const struct menu *m);        /* the open menu; clip: whole screen */
/* The menu line in row 0, with m (or NULL) open; returns the column after it. */
int menu_draw_line(const struct menu *m);
/* Which menu's title is at this column of row 0, or -1. */
int menu_at(int x);

#endif
