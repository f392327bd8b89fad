/* Rows.  See row.h. */
#include "editor/row.h"

#include <string.h>

#include "base/mem.h"
#include "editor/glyph.h"

static size_t newline_back(struct text *t, size_t from, size_t least);
static size_t newline_on(struct text *t, size_t from, size_t most);
static size_t align(struct text *t, size_t cut);

size_t row_start(struct text *t, size_t pos)
{
	size_t least, nl;

	if (pos > text_len(t))
		pos = text_len(t);
	least = pos > 3 * ROW_MAX ? pos - 3 * ROW_MAX : 0;
	nl = newline_back(t, pos, least);
	/* The last cut at or before pos with no newline in the ROW_MAX bytes before it; two turns
	 * at most, as a cut that lies inside a sequence at pos moves past pos. */
	for (size_t cut = pos - pos % ROW_MAX; cut >= ROW_MAX && cut - ROW_MAX >= nl;
	     cut -= ROW_MAX) {
		size_t at = align(t, cut);

		if (at <= pos)
			return at;
	}
	return nl;
}

size_t row_end(struct text *t, size_t pos)
{
	size_t start = row_start(t, pos), next = row_next(t, start);
	char tail[2];

	if (next == start)
		return next;
	if (text_copy(t, next - 1, tail, 1) == 1 && tail[0] == '\n') {
		next--;
		if (next > start && text_copy(t, next - 1, tail, 1) == 1 && tail[0] == '\r')
			next--;
	}
	return next;
}

size_t row_next(struct text *t, size_t pos)
{
	size_t start = row_start(t, pos), cut, next;

	if (row_is_line(t, start))
		cut = (start + 2 * ROW_MAX - 1) / ROW_MAX * ROW_MAX;
	else
		cut = start - start % ROW_MAX + ROW_MAX;
	next = newline_on(t, start, cut);
	if (next < cut || next == start || row_is_line(t, next))
		return next;
	return align(t, cut);
}

size_t row_prev(struct text *t, size_t pos)
{
	size_t start = row_start(t, pos);

	return start == 0 ? 0 : row_start(t, start - 1);
}

bool row_is_line(struct text *t, size_t start)
{
	char c;

	return start == 0 || (text_copy(t, start - 1, &c, 1) == 1 && c == '\n');
}

bool row_is_last(struct text *t, size_t pos)
{
	return row_start(t, pos) == row_start(t, text_len(t));
}

size_t row_column(struct text *t, size_t pos, int tab)
{
	size_t start = row_start(t, pos), col = 0, n, at = 0;
	cl_autofree char *row = text_take(t, start, pos - start + GLYPH_MAX, &n);
	struct glyph g;

	while (at < n && at < pos - start) {
		glyph_read(&g, row + at, n - at, col, tab);
		if (at + g.len > pos - start)
			break;
		col += (size_t)g.width;
		at += g.len;
	}
	return col;
}

size_t row_at_column(struct text *t, size_t start, size_t column, int tab)
{
	size_t end = row_end(t, start), col = 0, n, at = 0;
	cl_autofree char *row = text_take(t, start, end - start, &n);
	struct glyph g;

	while (at < n) {
		glyph_read(&g, row + at, n - at, col, tab);
		if (col + (size_t)g.width > column)
			break;
		col += (size_t)g.width;
		at += g.len;
	}
	return start + at;
}

/* Position just past the last newline in [least, from), or least. */
static size_t newline_back(struct text *t, size_t from, size_t least)
{
	const char *p, *nl;
	size_t n;

	while (from > least && (n = text_span_back(t, from, &p)) > 0) {
		if (n > from - least) {
			p += n - (from - least);
			n = from - least;
		}
		if ((nl = memrchr(p, '\n', n)) != NULL)
			return from - n + (size_t)(nl - p) + 1;
		from -= n;
	}
	return least;
}

/* Position just past the first newline in [from, most), or the least of most and the text's end. */
static size_t newline_on(struct text *t, size_t from, size_t most)
{
	const char *p, *nl;
	size_t n;

	while (from < most && (n = text_span(t, from, &p)) > 0) {
		if (n > most - from)
			n = most - from;
		if ((nl = memchr(p, '\n', n)) != NULL)
			return from + (size_t)(nl - p) + 1;
		from += n;
	}
	return from;
}

/* A cut never falls inside a UTF-8 sequence: move it past continuation bytes. */
static size_t align(struct text *t, size_t cut)
{
	char c[3];
	size_t n = text_copy(t, cut, c, sizeof c), i = 0;

	while (i < n && ((unsigned char)c[i] & 0xc0) == 0x80)
		i++;
	return cut + i;
}
