/* The actions that the session does by itself (rows of action_table without a context). */
#ifndef TUI_ACTIONS_H
#define TUI_ACTIONS_H

struct ui;

/* argv[0] is the action's name. */
void actions_run(struct ui *ui, int argc, char **argv);

#endif
