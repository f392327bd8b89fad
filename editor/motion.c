/* Cursor motions.  See motion.h. */
#include "editor/motion.h"

#include "base/mem.h"
#include "editor/glyph.h"
#include "editor/row.h"

#define WORD_FAR 4096 /* bytes that one word motion may cross */

enum char_class { CLASS_BLANK, CLASS_WORD, CLASS_OTHER, CLASS_NEWLINE };

static enum char_class class_at(struct text *t, size_t pos);

size_t motion_next(struct text *t, size_t pos)
{
	char s[GLYPH_MAX];
	size_t n = text_copy(t, pos, s, sizeof s);
	struct glyph g;

	if (n == 0)
		return text_len(t);
	glyph_read(&g, s, n, 0, 8);
	return pos + g.len;
}

size_t motion_prev(struct text *t, size_t pos)
{
	size_t start, at, next;

	if (pos == 0)
		return 0;
	start = row_start(t, pos - 1);
	at = start;
	/* An ASCII letter or digit after another starts a cluster: no need to walk the whole row.
	 */
	for (size_t back = 2 * GLYPH_MAX; pos - start > back && back < 8 * GLYPH_MAX; back++) {
		char c[2];

		if (text_copy(t, pos - back, c, 2) == 2 && c[0] >= ' ' && c[0] < 0x7f &&
		    c[1] >= ' ' && c[1] < 0x7f) {
			at = pos - back + 1;
			break;
		}
	}
	while ((next = motion_next(t, at)) < pos)
		at = next;
	return at;
}

size_t motion_word_next(struct text *t, size_t pos)
{
	size_t far = text_len(t) - pos > WORD_FAR ? pos + WORD_FAR : text_len(t);
	enum char_class c = pos < far ? class_at(t, pos) : CLASS_BLANK;

	if (c == CLASS_NEWLINE)
		return motion_next(t, pos);
	while (c != CLASS_BLANK && pos < far && class_at(t, pos) == c)
		pos = motion_next(t, pos);
	while (pos < far && class_at(t, pos) == CLASS_BLANK)
		pos = motion_next(t, pos);
	return pos;
}

size_t motion_word_prev(struct text *t, size_t pos)
{
	size_t far = pos > WORD_FAR ? pos - WORD_FAR : 0, before;
	enum char_class c;

	if (pos == 0)
		return 0;
	before = motion_prev(t, pos);
	if (class_at(t, before) == CLASS_NEWLINE)
		return before;
	while (pos > far && class_at(t, before = motion_prev(t, pos)) == CLASS_BLANK)
		pos = before;
	if (pos <= far)
		return pos;
	c = class_at(t, before);
	while (c != CLASS_NEWLINE && pos > far && class_at(t, before = motion_prev(t, pos)) == c)
		pos = before;
	return pos;
}

void motion_word(struct text *t, size_t pos, size_t *start, size_t *end)
{
	*start = *end = pos;
	while (*start > 0 && pos - *start < WORD_FAR) {
		size_t before = motion_prev(t, *start);

		if (class_at(t, before) != CLASS_WORD)
			break;
		*start = before;
	}
	while (*end < text_len(t) && *end - pos < WORD_FAR && class_at(t, *end) == CLASS_WORD)
		*end = motion_next(t, *end);
}

size_t motion_rows(struct text *t, size_t pos, int n, size_t column, int tab)
{
	size_t row = row_start(t, pos);

	for (; n > 0; n--) {
		if (row_is_last(t, row))
			return text_len(t);
		row = row_next(t, row);
	}
	for (; n < 0; n++) {
		if (row == 0)
			return 0;
		row = row_prev(t, row);
	}
	return row_at_column(t, row, column, tab);
}

size_t motion_indent(struct text *t, size_t row)
{
	size_t n = 0;
	char c;

	while (n < 1024 && text_copy(t, row + n, &c, 1) == 1 && (c == ' ' || c == '\t'))
		n++;
	return n;
}

size_t motion_row_start(struct text *t, size_t pos)
{
	size_t row = row_start(t, pos), text = row + motion_indent(t, row);

	return pos == text ? row : text;
}

static enum char_class class_at(struct text *t, size_t pos)
{
	unsigned char c;

	if (text_copy(t, pos, (char *)&c, 1) == 0 || c == '\n' || c == '\r')
		return CLASS_NEWLINE;
	if (c == ' ' || c == '\t')
		return CLASS_BLANK;
	if (c == '_' || c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
		return CLASS_WORD;
	return CLASS_OTHER;
}
