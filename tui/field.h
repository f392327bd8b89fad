/* A one-line text field: edits by graphemes, scrolls sideways. Used by dialogs, palette and chat. */
#ifndef TUI_FIELD_H
#define TUI_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include "tui/key.h"
#include "tui/term.h"

#define FIELD_MAX 4096 /* bytes, NUL included */

struct field {
	char *text;    /* owned; UTF-8, NUL-terminated, never NULL after field_init() */
	size_t len;
	size_t cursor; /* byte offset, at a grapheme's start */
};

void field_init(struct field *f, const char *text);
void field_clear(struct field *f); /* frees */
void field_set(struct field *f, const char *text); /* cursor at the end */
/* true when the key was one of the field's: text, arrows, Home, End, Backspace, Del, C-u, C-w. */
bool field_key(struct field *f, const struct term_key *k);
/* Newlines become blanks, other controls and invalid bytes are left out. */
void field_paste(struct field *f, const char *text, size_t n);
/* Into w cells; the cursor is placed when focused. mask: show a dot for each grapheme. */
void field_draw(const struct field *f, int y, int x, int w, const struct term_style *st,
    bool focused);

#endif
