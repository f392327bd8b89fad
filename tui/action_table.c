/*
 * The one table of actions.  Palette, key bindings and help read it.  Rows with a context are done
 * by the focused view of that context (struct view_ops.action).
 */
#include "tui/action.h"

#include <stddef.h>

const struct action action_table[] = {
	/* done by the session */
	{ "help", "", "Keys and commands", NULL, true },
	{ "palette", "", "Find a command by name", NULL, false },
	{ "menu", "", "Open the menu", NULL, false },
	{ "focus", "tree|editor|terminal|chat|next|left|right|up|down", "Move the focus", NULL, false },
	{ "terminal", "[next|new]", "Go to the terminal; again: the next one", NULL, true },
	{ "view", "NAME [ARG]", "Open a view", NULL, false },
	{ "tab", "N|next|prev", "Go to a tab of this pane", NULL, false },
	{ "close", "", "Close this tab", NULL, true },
	{ "back", "", "Leave this view", NULL, false },
	{ "zoom", "", "This pane alone, or all panes again", NULL, true },
	{ "hide", "tree|terminal|chat", "Hide or show a pane", NULL, false },
	{ "grow", "left|right|up|down", "Move a border of this pane", NULL, false },
	{ "run-project", "", "Compile and run in the container", NULL, true },
	{ "test-project", "", "Run its tests in the container", NULL, true },
	{ "repl-project", "", "The language's prompt, in the container", NULL, true },
	{ "debug-project", "", "The debugger, in the container", NULL, true },
	{ "ship-project", "", "Build and bring up in production, after asking", NULL, true },
	{ "operate", "", "Tiers, instances and their load", NULL, true },
	{ "git", "", "Changes and commits (not implemented yet)", NULL, false },
	{ "home", "", "Back to the list of projects", NULL, true },
	{ "open-project", "NAME", "Open another project", NULL, false },
	{ "detach", "", "Leave; the session lives on", NULL, true },
	{ "take-over", "", "Close this session's other windows", NULL, true },
	{ "quit", "", "End this session", NULL, true },
	{ "mouse", "[on|off]", "Give the mouse to the IDE, or back to the terminal", NULL, true },
	{ "language", "en|ko", "English or Korean, until one comes again with another LANG", NULL, true },
	{ "redraw", "", "Paint the screen afresh", NULL, true },
	{ "prefix", "", "The next key is for the IDE, not for the program", NULL, false },
	/* lists */
	{ "list-down", "", "Next row", "list", false },
	{ "list-up", "", "Previous row", "list", false },
	{ "list-first", "", "First row", "list", false },
	{ "list-last", "", "Last row", "list", false },
	{ "list-page-down", "", "Next page", "list", false },
	{ "list-page-up", "", "Previous page", "list", false },
	/* home */
	{ "project-open", "", "Open the chosen project", "home", false },
	{ "project-new", "", "New project", "home", true },
	{ "project-remove", "", "Remove the chosen project", "home", false },
	{ "reload", "", "Read the list again", "home", false },
	/* operations */
	{ "tier-more", "", "One instance more in the chosen tier", "ops", false },
	{ "tier-less", "", "One instance less in the chosen tier", "ops", false },
	{ "tier-logs", "", "Log of the chosen tier", "ops", false },
	{ "tier-shell", "", "A shell in an instance of the chosen tier", "ops", false },
	{ "ops-events", "", "Events of this project", "ops", false },
	{ "ops-load-test", "", "Load test (not implemented yet)", "ops", false },
	{ "ops-releases", "", "Releases", "ops", false },
	{ "ops-rollback", "", "Back to the release before", "ops", false },
	{ "ops-env", "", "Change between dev and prod", "ops", false },
	/* chat */
	{ "chat-scroll", "up|down", "Older or newer messages", "chat", false },
	/* output, help, events: scrolling text */
	{ "scroll", "up|down|page-up|page-down|top|bottom", "Scroll", "text", false },
	/* editor */
	{ "save", "", "Save the file", "editor", true },
	{ "undo", "", "Undo", "editor", true },
	{ "redo", "", "Redo", "editor", true },
	{ "find", "[TEXT]", "Find in the file", "editor", true },
	{ "find-next", "", "Next occurrence", "editor", true },
	{ "find-prev", "", "Previous occurrence", "editor", true },
	{ "replace", "", "Find and replace", "editor", true },
	{ "goto-file", "[NAME]", "Go to a file", NULL, true },
	{ "goto-line", "[N]", "Go to a line", "editor", true },
	{ "cut", "", "Cut", "editor", true },
	{ "copy", "", "Copy", "editor", true },
	{ "paste", "", "Paste", "editor", true },
	{ "select-all", "", "Select everything", "editor", true },
	/* tree */
	{ "tree-open", "", "Open the file, or fold the folder", "tree", false },
	{ "tree-new-file", "", "New file", "tree", true },
	{ "tree-new-dir", "", "New folder", "tree", true },
	{ "tree-rename", "", "Rename", "tree", true },
	{ "tree-delete", "", "Delete, after asking", "tree", true },
	{ "tree-fold", "", "Fold the folder", "tree", false },
	{ "tree-unfold", "", "Unfold the folder", "tree", false },
	/* terminal (after the prefix) */
	{ "scrollback", "up|down|page-up|page-down|top|bottom", "Look back in the terminal", "terminal", false },
	{ "terminal-copy", "", "Copy what the terminal shows", "terminal", false },
	{ NULL, NULL, NULL, NULL, false },
};
