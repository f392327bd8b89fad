/*
 * Texts of the interface in the language of its user.  The English text is the key: code says what
 * it means in English, text_of() gives what is shown.  Only texts that are written in the code are
 * looked up, never names or output.
 */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include <stdbool.h>

struct text_row {
	const char *en, *ko; /* the same conversions in the same order; "&" marks a button's key */
};
extern const struct text_row text_table[]; /* ends with en NULL */

/* "ko": Korean; anything else: English.  true: it was another one before. */
bool text_use(const char *lang);
const char *text_lang(void); /* "en" or "ko" */
/* The text in the language in use; itself where there is no row.  Never NULL but for NULL. */
const char *text_of(const char *en) __attribute__((format_arg(1)));

#endif
