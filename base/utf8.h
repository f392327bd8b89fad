/*
 * UTF-8: decoding with a hard end, widths in terminal cells, grapheme clusters (utf8proc), and
 * screen_safe(), the only way for text from people or machines to reach a screen.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD 0xFFFD

/* Decode one code point from s[0..n); n >= 1.  Returns bytes used (>= 1).  Invalid, overlong,
 * surrogate or cut input: *cp = UTF8_BAD and 1 byte used. */
size_t utf8_decode(const char *s, size_t n, uint32_t *cp);
/* Encode; returns 1..4 bytes written to out, 0 if cp is no scalar value. */
size_t utf8_encode(uint32_t cp, char out[4]);
bool utf8_valid(const char *s, size_t n);
/* Length of the longest prefix that does not end inside a sequence (for chunked input). */
size_t utf8_whole(const char *s, size_t n);
/* Terminal cells of one code point: 0 (combining, zero width), 1 or 2; control: 0. */
int utf8_cell_width(uint32_t cp);
/* Bytes of the grapheme cluster at s[0..n), n >= 1; *width (may be NULL) gets its cells (0..2). */
size_t utf8_grapheme(const char *s, size_t n, int *width);
/* Cells of a whole string, by graphemes. */
int utf8_width(const char *s, size_t n);
/* Longest prefix, in bytes, that fits into `cells` cells; *used (may be NULL) gets its cells. */
size_t utf8_fit(const char *s, size_t n, int cells, int *used);

#endif
