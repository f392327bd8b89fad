/* The output view: scrolling text in a popup, from a finished verb, a running one, or an operation. */
#ifndef TUI_VIEW_OUTPUT_H
#define TUI_VIEW_OUTPUT_H

#include <stddef.h>

struct ui;

/* Show text that is there already. */
void view_output_show(struct ui *ui, const char *title, const char *text, size_t n);
/* Run a verb line and show what it prints, as it prints it; closing the view stops it. */
void view_output_follow(struct ui *ui, const char *line);

#endif
