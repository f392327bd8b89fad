/*
 * screen_safe(): makes any bytes harmless to show.  C0, C1, DEL, bidi controls (U+202A-202E,
 * U+2066-2069, U+200E, U+200F, U+061C), line and paragraph separators, other unassigned or
 * private controls and invalid UTF-8 become visible escapes: ^[ for ESC, \x9b for stray bytes,
 * \u{202e} for code points.  TAB becomes a space and newline a visible mark unless kept.
 */
#ifndef BASE_SCREEN_H
#define BASE_SCREEN_H

#include <stddef.h>

enum screen_flags { SCREEN_KEEP_NEWLINE = 1, SCREEN_KEEP_TAB = 2 };

/* Write the safe form of src[0..n) to dst (size >= 1, NUL-terminated, cut at a whole escape or
 * code point).  Returns bytes written without the NUL. */
size_t screen_safe(char *dst, size_t size, const char *src, size_t n, unsigned flags);
/* The same on the heap; the caller frees. */
char *screen_safe_dup(const char *src, size_t n, unsigned flags);

#endif
