/*
 * A growable byte buffer with a ceiling: see buf.h.  Capacity doubles; the front is given back by
 * moving the rest down, so taking many small bites of a large buffer costs a move each: readers
 * drop once per turn.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_clear(struct buf *b)
{
	size_t max = b->max;

	mem_free(b->data);
	buf_init(b, max);
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	void *to = buf_space(b, n);

	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	buf_used(b, n);
	return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	to = buf_space(b, (size_t)n);
	if (!to)
		return -1;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_used(b, (size_t)n);
	return 0;
}

void *buf_space(struct buf *b, size_t n)
{
	size_t cap;

	if (n > b->max || b->len > b->max - n) {
		b->full = true;
		return NULL;
	}
	if (!b->data || b->cap - b->len < n + 1) {
		cap = b->cap ? b->cap : 64;
		while (cap < b->len + n + 1)
			cap *= 2;
		if (cap > b->max + 1)
			cap = b->max + 1;
		b->data = mem_resize(b->data, cap, 1);
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_used(struct buf *b, size_t n)
{
	if (!b->data)
		return;
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	if (n >= b->len) {
		b->len = 0;
	} else {
		memmove(b->data, b->data + n, b->len - n);
		b->len -= n;
	}
	if (b->data)
		b->data[b->len] = '\0';
	b->full = false;
}

char *buf_take(struct buf *b, size_t *len)
{
	char *data = b->data ? b->data : mem_strdup("");

	if (len)
		*len = b->len;
	b->data = NULL;
	buf_clear(b);
	return data;
}
