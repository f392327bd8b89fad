/*
 * UTF-8 and the width of text in terminal cells: see utf8.h.  Decoding is by hand (a hard end at
 * every cut); widths and grapheme breaks come from utf8proc.
 */
#include "base/utf8.h"

#include <string.h>
#include <utf8proc.h>

size_t utf8_decode(const char *s, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s;
	size_t need;
	uint32_t c;

	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	*cp = UTF8_BAD;
	if (p[0] >= 0xC2 && p[0] < 0xE0)
		need = 2, c = p[0] & 0x1F;
	else if ((p[0] & 0xF0) == 0xE0)
		need = 3, c = p[0] & 0x0F;
	else if (p[0] >= 0xF0 && p[0] < 0xF5)
		need = 4, c = p[0] & 0x07;
	else
		return 1;
	if (n < need)
		return 1;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3F);
	}
	if (c < least[need] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return 1;
	*cp = c;
	return need;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		if (cp >= 0xD800 && cp < 0xE000)
			return 0;
		out[0] = (char)(0xE0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
		out[2] = (char)(0x80 | (cp & 0x3F));
		return 3;
	}
	if (cp > 0x10FFFF)
		return 0;
	out[0] = (char)(0xF0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
	out[3] = (char)(0x80 | (cp & 0x3F));
	return 4;
}

bool utf8_valid(const char *s, size_t n)
{
	uint32_t cp;

	for (size_t i = 0, used; i < n; i += used) {
		used = utf8_decode(s + i, n - i, &cp);
		/* U+FFFD itself takes three bytes; a bad byte takes one. */
		if (cp == UTF8_BAD && used == 1)
			return false;
	}
	return true;
}

size_t utf8_whole(const char *s, size_t n)
{
	size_t back, need;
	unsigned char c;

	for (back = 1; back <= 3 && back <= n; back++) {
		c = (unsigned char)s[n - back];
		if ((c & 0xC0) == 0x80)
			continue;
		need = c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 1;
		return need > back ? n - back : n;
	}
	return n;
}

int utf8_cell_width(uint32_t cp)
{
	int w;

	if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0))
		return 0;
	if (cp < 0x300)
		return 1;
	/* Jamo that join a leading consonant occupy no cells of their own. */
	if (cp >= 0x1160 && cp <= 0x11FF)
		return 0;
	w = utf8proc_charwidth((utf8proc_int32_t)cp);
	return w < 0 ? 0 : w > 2 ? 2 : w;
}

size_t utf8_grapheme(const char *s, size_t n, int *width)
{
	utf8proc_int32_t state = 0;
	uint32_t cp, next;
	size_t used, at;
	int w;

	at = utf8_decode(s, n, &cp);
	w = utf8_cell_width(cp);
	while (at < n) {
		used = utf8_decode(s + at, n - at, &next);
		if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state))
			break;
		/* An emoji presentation selector or a second regional indicator makes it wide. */
		if (next == 0xFE0F || (next >= 0x1F1E6 && next <= 0x1F1FF))
			w = 2;
		else if (w == 0)
			w = utf8_cell_width(next);
		cp = next;
		at += used;
	}
	if (width)
		*width = w;
	return at;
}

int utf8_width(const char *s, size_t n)
{
	int w, sum = 0;

	for (size_t i = 0; i < n; sum += w) {
		if (s[i] >= 0x20 && s[i] < 0x7F && (i + 1 == n || (unsigned char)s[i + 1] < 0x80)) {
			w = 1;
			i++;
		} else {
			i += utf8_grapheme(s + i, n - i, &w);
		}
	}
	return sum;
}

size_t utf8_fit(const char *s, size_t n, int cells, int *used)
{
	int w, sum = 0;
	size_t at = 0, len;

	while (at < n) {
		len = utf8_grapheme(s + at, n - at, &w);
		if (sum + w > cells)
			break;
		sum += w;
		at += len;
	}
	if (used)
		*used = sum;
	return at;
}
