/*
 * Which stack is this?  One table of files that say so, looked through from the most telling to the
 * least.  Pure: the caller says what stands at the top of the tree and reads files for us.
 */
#ifndef IMAGES_DETECT_H
#define IMAGES_DETECT_H

#include <stddef.h>

#define DETECT_READ_MAX 65536

/* The first bytes of a file at the top, NUL-terminated, borrowed until the next call; or NULL. */
typedef const char *detect_read_cb(void *arg, const char *name);

struct detect_row {
	const char *stack;
	const char *file;     /* "manage.py", or "*.py": any file that ends so */
	const char *contains; /* ... in which this stands (any case), or NULL */
};
extern const struct detect_row detect_table[]; /* ends with stack NULL */

/* names: one a line, as they stand at the top.  The row that fits, or NULL; *file (may be NULL, of
 * 256 bytes) is the name that it fits. */
const struct detect_row *detect_stack(const char *names, detect_read_cb *read, void *arg,
    char *file);

#endif
