/* The one table of views; their hooks are in tui/view_*.c. */
#include "tui/view_table.h"

#include <string.h>

const struct view_ops *const view_table[] = {
	&view_home_ops,     &view_tree_ops, &view_editor_ops, &view_terminal_ops, &view_chat_ops,
	&view_ops_ops,      &view_output_ops, &view_events_ops, &view_help_ops, &view_goto_ops,   NULL,
};

const struct view_ops *view_table_find(const char *name)
{
	for (int i = 0; view_table[i]; i++)
		if (strcmp(view_table[i]->name, name) == 0)
			return view_table[i];
	return NULL;
}
