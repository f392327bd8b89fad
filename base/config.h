/*
 * Options: one table (config_table.c) holds name, type, default, range and help of each.  A value
 * comes from the default, then /etc/codinglab/codinglab.conf ("section.name = value" lines or
 * [section] headings), then CODINGLAB_<SECTION>_<NAME>, then --section-name VALUE; the last wins.
 * Unknown names and values out of range are errors that name the file and line.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum config_type { CONFIG_STR, CONFIG_INT, CONFIG_BOOL, CONFIG_PATH, CONFIG_WORD };

struct config_option {
	const char *name;      /* "edge.listen" */
	enum config_type type;
	const char *fallback;  /* default, as text; "${state}" and "${run}" expand */
	int64_t min, max;      /* CONFIG_INT */
	const char *help;
	const char *words;     /* CONFIG_WORD: those it may be, "debug|info" */
};
extern const struct config_option config_table[];
extern const int config_table_count;

/* Read everything.  *argc and argv lose the options that were understood.  file NULL = default
 * (CODINGLAB_CONF or /etc/codinglab/codinglab.conf, absence is fine). */
int config_load(const char *file, int *argc, char **argv, struct cl_err *err);
/* Typed getters; an unknown name is a broken invariant. Strings are borrowed for ever. */
const char *config_str(const char *name);
/* CONFIG_WORD: which of its words it is, from 0 on. */
int config_word(const char *name);
int64_t config_int(const char *name);
bool config_bool(const char *name);
/* "name = value   # help" for every option. */
void config_print(FILE *f);

#endif
