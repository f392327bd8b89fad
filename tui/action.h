/* Actions: what the IDE does by itself, without the engine (split, focus, save a file). */
#ifndef TUI_ACTION_H
#define TUI_ACTION_H

#include <stdbool.h>

struct action {
	const char *name;    /* one word: "focus", "save" */
	const char *args;    /* usage: "tree|main|terminal|chat" */
	const char *help;    /* one line */
	const char *context; /* NULL: done by the session; else the view context whose action() does it */
	bool palette;        /* offered in the palette without arguments */
};
extern const struct action action_table[]; /* ends with name NULL */

/* Does it make sense only in a project's session?  (by its name, arguments may follow) */
bool action_needs_project(const char *text);
/* Row of a word, or NULL.  The row of this context is preferred where several views share a name. */
const struct action *action_find(const char *name, const char *context);

#endif
