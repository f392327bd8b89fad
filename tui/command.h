/*
 * Running text: the one way that keys, menus, palette and views make something happen.  The first
 * word is an action (action_table) or the line is a verb (verb_table); a verb runs on a worker
 * thread and its output goes to the message line, or to a popup when it is long.
 */
#ifndef TUI_COMMAND_H
#define TUI_COMMAND_H

struct ui;

/* Verbs that are dangerous, and everything that changes production, ask first. */
void command_run(struct ui *ui, const char *text);
/* Run all that ui_command() has queued. */
void command_run_pending(struct ui *ui);
/* Split into words as a POSIX shell does (quotes, backslash, no expansion) into a heap array that
 * ends with NULL, one block, mem_free(); NULL for an open quote.  Pure. */
char **command_split(const char *line, int *argc);

#endif
