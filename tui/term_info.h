/* The description of the terminal that ncurses writes for. */
#ifndef TUI_TERM_INFO_H
#define TUI_TERM_INFO_H

/*
 * Make ncurses use the system's entry of `name` without the capabilities that only some of the
 * terminals with that name have: repeat character, back tab, hard tabs, scrolling parts.  Sets TERMINFO to the changed
 * entry itself (ncurses 6.1 takes one in base64).  Where that cannot be done, nothing changes.
 */
void term_info_trim(const char *name);

#endif
