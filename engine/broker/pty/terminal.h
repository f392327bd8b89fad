/* A new terminal for a program of ours. */
#ifndef ENGINE_BROKER_PTY_TERMINAL_H
#define ENGINE_BROKER_PTY_TERMINAL_H

/* *master and *slave are open, close-on-exec; rows or columns 0 = as it comes.  0, or -1 with errno. */
int terminal_open(unsigned long rows, unsigned long cols, int *master, int *slave);

#endif
