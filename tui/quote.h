/* Quoting a value for a command line that command_split() or verb_run_line() takes apart again. */
#ifndef TUI_QUOTE_H
#define TUI_QUOTE_H

/* 'it'\''s': on the heap, the caller frees.  Newlines become blanks. */
char *quote_word(const char *s);

#endif
