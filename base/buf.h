/*
 * A growable byte buffer with a ceiling.  Bytes are taken from the front (buf_drop) and added
 * at the back; data is always NUL-terminated one past len, so text can be read as a C string.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;    /* owned; NULL while empty and unused */
	size_t len;    /* bytes held */
	size_t cap;    /* bytes allocated */
	size_t max;    /* ceiling in bytes; adding past it fails and sets full */
	bool full;     /* an addition was refused */
};

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b);                       /* frees; usable again */
int buf_add(struct buf *b, const void *p, size_t n); /* 0, or -1 past the ceiling (adds nothing) */
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *buf_space(struct buf *b, size_t n);            /* n writable bytes at the end, or NULL */
void buf_used(struct buf *b, size_t n);              /* n of that space were filled */
void buf_drop(struct buf *b, size_t n);              /* forget n bytes at the front */
char *buf_take(struct buf *b, size_t *len);          /* caller owns the bytes; b is empty again */

#endif
