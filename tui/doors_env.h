/*
 * What a client says of its terminal: the name of its kind, and the variables of its locale
 * (LC_ALL, then LC_CTYPE or LANG) and NO_COLOR.  No state but this struct, nothing to free.
 */
#ifndef TUI_DOORS_ENV_H
#define TUI_DOORS_ENV_H

#include <stdbool.h>
#include "tui/term_paint.h"

struct doors_env {
	char all[64], ctype[64], lang[64];
	enum term_paint_colors colors;
	bool agent; /* it has one that terminals may use */
};

/* Names of terminals say little; colours are refused only to those known to lack them. */
enum term_paint_colors doors_env_colors(const char *term);
/* One "NAME=value". */
void doors_env_line(struct doors_env *e, const char *line);
bool doors_env_ascii(const struct doors_env *e);        /* a locale without UTF-8 */
const char *doors_env_lang(const struct doors_env *e);  /* "en" or "ko" */

#endif
