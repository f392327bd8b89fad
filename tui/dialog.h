/*
 * A dialog: a title, some text, fields to fill in and buttons, over everything else.  It knows no
 * session: ui.c shows it, gives it keys and calls back when it is done.
 */
#ifndef TUI_DIALOG_H
#define TUI_DIALOG_H

#include <stdbool.h>
#include <stdint.h>
#include "tui/key.h"
#include "tui/rect.h"
#include "tui/term.h"

#define DIALOG_FIELDS_MAX 5
#define DIALOG_BUTTONS_MAX 6

/* One thing to fill in: a line of text, or with choices one of them. All strings are copied. */
struct dialog_field_spec {
	const char *label;
	const char *hint;                       /* shown under the field while focused, or NULL */
	const char *initial;
	const char *const *choices;             /* NULL: text */
	const char *const *notes;               /* beside each choice, or NULL */
	int nchoices;
	const char *(*check)(const char *value); /* what is wrong with it, or NULL; may be NULL */
	/* NULL, or for each choice a set of bits: the choices (the first 64) of the field before this
	 * one with which it is offered.  The first choice is always offered. */
	const uint64_t *with;
};

enum dialog_state { DIALOG_OPEN, DIALOG_DONE, DIALOG_CANCELLED };

struct dialog;

/* buttons: "&Save"; the letter after & chooses it where no text field has the focus.  With fields
 * the first button is what Enter in the last field does. */
struct dialog *dialog_new(const char *title, const char *text,
    const struct dialog_field_spec *fields, int nfields, const char *const *buttons, int nbuttons);
void dialog_free(struct dialog *d);
/* The first field must be exactly this before button 0 works. */
void dialog_must_type(struct dialog *d, const char *name);
/* Destructive in production: drawn in its colour. */
void dialog_set_danger(struct dialog *d, bool danger);

enum dialog_state dialog_key(struct dialog *d, const struct term_key *k);
void dialog_paste(struct dialog *d, const char *text, size_t n);
enum dialog_state dialog_mouse(struct dialog *d, int y, int x); /* a press, relative to its rect */
/* Which button ended it; values of the fields (borrowed). */
int dialog_button(const struct dialog *d);
const char *dialog_value(const struct dialog *d, int field);
/* Rectangle that it wants on a screen of this size, and drawing into the current clip. */
struct rect dialog_rect(const struct dialog *d, int rows, int cols);
void dialog_draw(struct dialog *d);

#endif
