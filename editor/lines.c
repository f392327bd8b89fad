/* Lines over the piece chain.  See lines.h. */
#include "editor/lines.h"

#include <string.h>

#include "editor/text_internal.h"

static int64_t count_piece(struct text *t, struct piece *p, size_t len, size_t *budget);
static int64_t count_bytes(const char *p, size_t n);
static size_t nth_newline(struct text *t, const struct piece *p, size_t n);

enum lines_result lines_at(struct text *t, size_t pos, size_t budget, size_t *line)
{
	size_t at = 0, total = 0;

	for (struct piece *p = t->begin.next; p != &t->end && at < pos; p = p->next) {
		size_t len = pos - at < p->len ? pos - at : p->len;
		int64_t n = count_piece(t, p, len, &budget);

		if (n < 0)
			return LINES_MORE;
		total += (size_t)n;
		at += p->len;
	}
	*line = total;
	return LINES_OK;
}

enum lines_result lines_pos(struct text *t, size_t line, size_t budget, size_t *pos)
{
	size_t at = 0, block;

	*pos = 0;
	for (struct piece *p = t->begin.next; line > 0 && p != &t->end; p = p->next) {
		/* In steps, so that a line near the start of a huge piece is found soon. */
		for (size_t in = 0; in < p->len && line > 0; in += block) {
			struct piece part = *p;
			int64_t n;

			block = p->len - in < ((size_t)1 << 20) ? p->len - in : (size_t)1 << 20;
			part.off += in;
			part.data = p->data != NULL ? p->data + in : NULL;
			part.len = block;
			part.newlines = -1;
			if (in == 0 && p->newlines >= 0 && (size_t)p->newlines < line) {
				block = p->len;
				n = p->newlines;
			} else {
				n = count_piece(t, &part, block, &budget);
			}
			if (n < 0)
				return LINES_MORE;
			if ((size_t)n >= line) {
				*pos = at + in + nth_newline(t, &part, line);
				return LINES_OK;
			}
			line -= (size_t)n;
		}
		at += p->len;
	}
	return line == 0 ? LINES_OK : LINES_NONE;
}

enum lines_result lines_count(struct text *t, size_t budget, size_t *count)
{
	enum lines_result r = lines_at(t, t->len, budget, count);

	if (r == LINES_OK)
		++*count;
	return r;
}

/* Newlines in the first len bytes of a piece; the count of a whole piece is remembered. */
static int64_t count_piece(struct text *t, struct piece *p, size_t len, size_t *budget)
{
	int64_t n;

	if (len == p->len && p->newlines >= 0)
		return p->newlines;
	if (p->data != NULL)
		n = count_bytes(p->data, len);
	else
		n = source_newlines(t->source, p->off, len, budget);
	if (len == p->len)
		p->newlines = n;
	return n;
}

static int64_t count_bytes(const char *p, size_t n)
{
	int64_t count = 0;
	const char *end = p + n;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		count++;
		p++;
	}
	return count;
}

/* Offset in the piece just past its n-th newline, which is there. */
static size_t nth_newline(struct text *t, const struct piece *p, size_t n)
{
	const char *at = p->data, *end = at + p->len;

	if (p->data == NULL)
		return source_newline(t->source, p->off, p->len, n) - p->off;
	while (n-- > 0)
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
	return (size_t)(at - p->data);
}
