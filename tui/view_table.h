/* The views: layout, `view NAME` and help read this table. */
#ifndef TUI_VIEW_TABLE_H
#define TUI_VIEW_TABLE_H

#include "tui/view.h"

extern const struct view_ops *const view_table[]; /* ends with NULL */
const struct view_ops *view_table_find(const char *name);

#endif
