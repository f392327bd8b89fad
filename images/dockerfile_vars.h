/* Variables and labels while a Containerfile is read: names with values, few and short.  Pure. */
#ifndef IMAGES_DOCKERFILE_VARS_H
#define IMAGES_DOCKERFILE_VARS_H

#include <stddef.h>

#define DOCKERFILE_VARS 200
#define DOCKERFILE_VARS_BYTES 24576 /* of all names and values */

struct dockerfile_var {
	char *name, *value;
};

struct dockerfile_vars {
	struct dockerfile_var *items;
	size_t n;
};

/* Replaces one of that name; -1 when it would be too many or too much. */
int dockerfile_vars_set(struct dockerfile_vars *v, const char *name, const char *value);
const char *dockerfile_vars_get(const struct dockerfile_vars *v, const char *name); /* NULL = not there */
void dockerfile_vars_clear(struct dockerfile_vars *v);

#endif
