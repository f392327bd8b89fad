/* Words of a Containerfile's instruction: variables, quotes, JSON arrays.  Pure. */
#ifndef IMAGES_DOCKERFILE_WORDS_H
#define IMAGES_DOCKERFILE_WORDS_H

#include <stddef.h>
#include "base/err.h"
#include "images/dockerfile_vars.h"

#define DOCKERFILE_WORDS 60   /* of one instruction */
#define DOCKERFILE_WORD 16384 /* bytes of one */

/* Where $NAME is looked for, in this order; each may be NULL. */
struct dockerfile_scope {
	const struct dockerfile_vars *first, *second;
};

/* Text without its quotes, variables filled in; NULL with CL_USAGE.  The caller owns it. */
char *dockerfile_words_expand(const char *text, const struct dockerfile_scope *scope, int line,
    struct cl_err *err);
/* Cut at blanks outside of quotes, each word expanded (raw: as it is).  NULL-terminated, at least min. */
char **dockerfile_words_split(const char *text, const struct dockerfile_scope *scope, size_t min,
    int line, struct cl_err *err);
/* ["a", "b"]: the words; NULL without an error when the text is no such array. */
char **dockerfile_words_json(const char *text);
char **dockerfile_words_dup(char *const *words);
size_t dockerfile_words_count(char *const *words);

#endif
