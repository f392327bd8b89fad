/* The writer of the ring of lines: see ring.h. */
#include "tui/pane/ring.h"

#include <string.h>
#include "base/utf8.h"

/* A record being built; a line longer than it is cut. */
struct record {
	size_t n;
	uint8_t body[PANE_LINE_MAX];
};

static void publish(struct ring *r)
{
	atomic_store_explicit(&r->term->ring_head, r->head, memory_order_release);
	atomic_store_explicit(&r->term->ring_lines, r->lines, memory_order_release);
}

void ring_open(struct ring *r, struct pane_term *term, uint8_t *data, uint32_t cap, bool keep)
{
	memset(r, 0, sizeof(*r));
	r->term = term;
	r->data = data;
	r->cap = cap;
	if (keep && term->ring_cap == cap) {
		r->head = atomic_load(&term->ring_head);
		r->tail = atomic_load(&term->ring_tail);
		r->lines = atomic_load(&term->ring_lines);
		if (r->head < r->tail || r->head - r->tail > cap)
			r->head = r->tail = r->lines = 0;
	}
	term->ring_cap = cap;
	atomic_store(&term->ring_tail, r->tail);
	publish(r);
}

void ring_erase(struct ring *r)
{
	if (!r->term)
		return;
	r->tail = r->head;
	atomic_store(&r->term->ring_tail, r->tail);
}

static void copy_in(struct ring *r, uint64_t at, const void *p, size_t n)
{
	size_t from = (size_t)(at % r->cap), first = r->cap - from;

	if (first > n)
		first = n;
	memcpy(r->data + from, p, first);
	memcpy(r->data, (const uint8_t *)p + first, n - first);
}

static uint16_t len_at(const struct ring *r, uint64_t at)
{
	return (uint16_t)(r->data[at % r->cap] | r->data[(at + 1) % r->cap] << 8);
}

/* Forget whole lines until n bytes are free.  The memory is shared: a length that makes no sense
 * empties the ring. */
static void make_room(struct ring *r, size_t n)
{
	while (r->head - r->tail + n > r->cap) {
		uint64_t next = r->tail + len_at(r, r->tail) + 4u;

		if (r->head - r->tail < 4 || next > r->head)
			next = r->head;
		r->tail = next;
	}
	atomic_store_explicit(&r->term->ring_tail, r->tail, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
}

static void add(struct record *b, const void *p, size_t n)
{
	if (b->n + n > sizeof(b->body)) {
		b->n = sizeof(b->body) + 1;
		return;
	}
	memcpy(b->body + b->n, p, n);
	b->n += n;
}

static void add_cp(struct record *b, uint32_t cp)
{
	char out[4];
	size_t n = utf8_encode(cp < 0x20 ? ' ' : cp, out);

	add(b, out, n);
}

static void add_cell(struct record *b, const struct pane_cell *c, struct pane_pen *pen,
    const ring_marks *marks)
{
	uint32_t cp = c->ch & PANE_CELL_CP;

	if (c->fg != pen->fg || c->bg != pen->bg || c->attr != pen->attr) {
		uint8_t tag = PANE_LINE_PEN;

		*pen = (struct pane_pen){.fg = c->fg, .bg = c->bg, .attr = c->attr};
		add(b, &tag, 1);
		add(b, pen, sizeof(*pen));
	}
	if (c->ch & PANE_CELL_TAIL)
		return;
	add_cp(b, cp);
	if (c->mark && marks && c->mark < PANE_MARKS)
		for (int i = 0; i < PANE_MARK_LEN && marks[c->mark][i]; i++)
			add_cp(b, marks[c->mark][i]);
}

void ring_push(struct ring *r, const struct pane_cell *cells, int n, uint8_t flags,
    const ring_marks *marks)
{
	static struct record b;
	struct pane_pen pen = {0};
	size_t whole;
	uint8_t len[2];

	if (!r->term)
		return;
	while (n > 0 && cells[n - 1].ch == 0 && cells[n - 1].bg == PANE_COLOR_DEFAULT)
		n--;
	b.body[0] = flags;
	b.n = 1;
	whole = b.n;
	for (int i = 0; i < n; i++) {
		add_cell(&b, cells + i, &pen, marks);
		if (b.n > sizeof(b.body))
			break;
		whole = b.n;
	}
	if (whole + 4 > r->cap)
		return;
	len[0] = (uint8_t)whole;
	len[1] = (uint8_t)(whole >> 8);
	make_room(r, whole + 4);
	copy_in(r, r->head, len, 2);
	copy_in(r, r->head + 2, b.body, whole);
	copy_in(r, r->head + 2 + whole, len, 2);
	r->head += whole + 4;
	r->lines++;
	publish(r);
}
