/* Looking up actions by name; the rows are in action_table.c. */
#include "tui/action.h"

#include <string.h>
#include "base/mem.h"

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

bool action_needs_project(const char *text)
{
	static const char *const names[] = { "run-project", "ship-project", "operate",	 "terminal",
					     "focus",	    "goto-file",    "home",	 "zoom",
					     "hide",	    "grow",	    "tab",	 "close" };
	size_t n = strcspn(text, " ");

	for (size_t i = 0; i < CL_COUNT(names); i++)
		if (strlen(names[i]) == n && strncmp(names[i], text, n) == 0)
			return true;
	return false;
}
