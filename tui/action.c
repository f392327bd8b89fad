/* Looking up actions by name; the rows are in action_table.c. */
#include "tui/action.h"

#include <string.h>

const struct action *action_find(const char *name, const char *context)
{
	const struct action *any = NULL;
	for (const struct action *a = action_table; a->name; a++) {
		if (strcmp(a->name, name) != 0)
			continue;
		if (!a->context || (context && strcmp(a->context, context) == 0))
			return a;
		any = any ? any : a;
	}
	return any;
}
