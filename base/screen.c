/*
 * screen_safe(): see screen.h.  The one gate between text that somebody else wrote and a
 * terminal.  It is a filter by code point: what is allowed is copied, everything else becomes a
 * printable ASCII escape, so the output holds no C0, C1, DEL, bidi control or invalid UTF-8.
 */
#include "base/screen.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"

#define SCREEN_ESCAPE_MAX 12 /* "\u{10ffff}" and its NUL */

static bool hidden(uint32_t cp)
{
	if ((cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069))
		return true;
	if (cp == 0x200E || cp == 0x200F || cp == 0x061C || cp == 0x2028 || cp == 0x2029)
		return true;
	/* Zero-width joiner and non-joiner shape real scripts and emoji; the rest of Cf and all of
	 * the tag characters only hide things. */
	if (cp == 0x200C || cp == 0x200D)
		return false;
	switch (utf8proc_category((utf8proc_int32_t)cp)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_CN:
		return true;
	default:
		return false;
	}
}

/* The form of one code point (or bad byte) at s; returns its length in out. */
static size_t form(char out[SCREEN_ESCAPE_MAX], const char *s, size_t used, uint32_t cp,
    unsigned flags)
{
	int n;

	if (cp == UTF8_BAD && used == 1)
		n = snprintf(out, SCREEN_ESCAPE_MAX, "\\x%02x", (unsigned char)s[0]);
	else if (cp == '\t')
		n = snprintf(out, SCREEN_ESCAPE_MAX, "%c", flags & SCREEN_KEEP_TAB ? '\t' : ' ');
	else if (cp == '\n')
		n = snprintf(out, SCREEN_ESCAPE_MAX, "%s", flags & SCREEN_KEEP_NEWLINE ? "\n" : "^J");
	else if (cp < 0x20 || cp == 0x7F)
		n = snprintf(out, SCREEN_ESCAPE_MAX, "^%c", (int)(cp ^ 0x40));
	else if (cp < 0x80 || !hidden(cp)) {
		memcpy(out, s, used);
		return used;
	} else if (cp < 0xA0)
		n = snprintf(out, SCREEN_ESCAPE_MAX, "\\x%02x", (unsigned)cp);
	else
		n = snprintf(out, SCREEN_ESCAPE_MAX, "\\u{%04x}", (unsigned)cp);
	return (size_t)n;
}

size_t screen_safe(char *dst, size_t size, const char *src, size_t n, unsigned flags)
{
	char one[SCREEN_ESCAPE_MAX];
	size_t at = 0, used, len;
	uint32_t cp;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_decode(src + i, n - i, &cp);
		len = form(one, src + i, used, cp, flags);
		if (at + len >= size)
			break;
		memcpy(dst + at, one, len);
		at += len;
	}
	dst[at] = '\0';
	return at;
}

char *screen_safe_dup(const char *src, size_t n, unsigned flags)
{
	char one[SCREEN_ESCAPE_MAX];
	size_t need = 1, used;
	uint32_t cp;
	char *dst;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_decode(src + i, n - i, &cp);
		need += form(one, src + i, used, cp, flags);
	}
	dst = mem_alloc(need);
	screen_safe(dst, need, src, n, flags);
	return dst;
}
