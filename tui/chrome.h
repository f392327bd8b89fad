/* What surrounds the views: where they are, borders, titles, menu line, key bar, overlays. */
#ifndef TUI_CHROME_H
#define TUI_CHROME_H

#include "tui/term.h"

struct ui;
struct view;

/* Give every view its rectangle for a screen of the current size (ui->arrange). */
void chrome_arrange(struct ui *ui);
/* Draw what changed into the screen's model. */
void chrome_draw(struct ui *ui);
/* The visible view at a cell, or NULL. */
struct view *chrome_view_at(struct ui *ui, int y, int x);
/* The tab whose title is at a cell of a border, or NULL. */
struct view *chrome_tab_at(struct ui *ui, int y, int x);
/* Text of the key bar's entry at a column of the last row, or NULL. */
const char *chrome_bar_at(struct ui *ui, int x);
/* The place a pane's neighbour is in, or -1 (enum layout_dir). */
int chrome_neighbour(struct ui *ui, int dir);

#endif
