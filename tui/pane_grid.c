/* Untrusted cells and lines of a terminal: see pane_grid.h. */
#include "tui/pane_grid.h"

#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

/* One read of memory that another process may change at any time. */
static uint32_t load32(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

static const struct pane_term *term_of(const void *area)
{
	return area;
}

static const uint8_t *at(const void *area, size_t offset)
{
	return (const uint8_t *)area + offset;
}

bool pane_grid_screen(const void *area, struct pane_screen *s)
{
	const struct pane_term *t = term_of(area);

	s->stamp = __atomic_load_n(&t->stamp, __ATOMIC_ACQUIRE); /* before any row is read */
	s->rows = load32(&t->rows);
	s->cols = load32(&t->cols);
	s->cur_row = load32(&t->cur_row);
	s->cur_col = load32(&t->cur_col);
	s->modes = load32(&t->modes);
	s->shape = load32(&t->shape);
	s->bells = load32(&t->bells);
	s->titles = load32(&t->titles);
	if (s->rows < PANE_ROWS_MIN || s->rows > PANE_ROWS_MAX || s->cols < PANE_COLS_MIN ||
	    s->cols > PANE_COLS_MAX)
		return false;
	if (s->cur_row >= s->rows)
		s->cur_row = s->rows - 1;
	if (s->cur_col >= s->cols)
		s->cur_col = s->cols - 1;
	if (s->shape > 2)
		s->shape = 0;
	return true;
}

static bool is_bidi(uint32_t cp)
{
	return cp == 0x061C || cp == 0x200E || cp == 0x200F || (cp >= 0x2028 && cp <= 0x202E) ||
	       (cp >= 0x2066 && cp <= 0x2069);
}

static bool is_scalar(uint32_t cp)
{
	return cp >= 0x20 && (cp < 0x7F || cp >= 0xA0) && cp <= 0x10FFFF &&
	       (cp < 0xD800 || cp > 0xDFFF) && !is_bidi(cp);
}

/* Give a glyph its base, as wide as its place is; what does not fit becomes U+FFFD. */
static void set_base(struct pane_glyph *g, uint32_t cp, int width)
{
	g->n = 0;
	g->width = (uint8_t)width;
	if (cp == 0)
		return;
	if (!is_scalar(cp) || utf8_cell_width(cp) != width)
		cp = width == 1 ? UTF8_BAD : 0;
	if (cp)
		g->cps[g->n++] = cp;
}

static void add_mark(struct pane_glyph *g, uint32_t cp)
{
	if (g->n > 0 && g->n < PANE_GLYPH_CPS && is_scalar(cp) && utf8_cell_width(cp) == 0)
		g->cps[g->n++] = cp;
}

/* A joiner that joins nothing here would join the next cell's glyph on some terminals. */
static void trim_joiner(struct pane_glyph *g)
{
	while (g->n > 1 && g->cps[g->n - 1] == 0x200D)
		g->n--;
}

static uint32_t color(uint32_t c)
{
	switch (c >> 24) {
	case 1:
		return PANE_COLOR_INDEX | (c & 0xff);
	case 2:
		return c & 0x02ffffff;
	default:
		return PANE_COLOR_DEFAULT;
	}
}

static void add_marks(const void *area, struct pane_glyph *g, unsigned mark)
{
	const uint8_t *p = at(area, PANE_OFF_MARKS + (size_t)mark * PANE_MARK_LEN * 4);

	for (int i = 0; i < PANE_MARK_LEN; i++) {
		uint32_t cp = load32(p + 4 * i);

		/* What follows a joiner in a cluster is not shown: ncurses takes marks only. */
		if (cp == 0 || utf8_cell_width(cp) != 0)
			break;
		add_mark(g, cp);
	}
	trim_joiner(g);
}

unsigned pane_grid_row(const void *area, const struct pane_screen *s, uint32_t row,
    struct pane_glyph *out)
{
	const uint8_t *cells = at(area, PANE_OFF_CELLS) + (size_t)row * s->cols * 16;
	const struct pane_term *t = term_of(area);

	for (uint32_t c = 0; c < s->cols; c++) {
		const uint8_t *p = cells + (size_t)c * 16;
		uint32_t ch = load32(p), more = load32(p + 4);
		struct pane_glyph *g = &out[c];
		bool wide = ch & PANE_CELL_WIDE && c + 1 < s->cols &&
		    load32(p + 16) & PANE_CELL_TAIL;

		g->attr = (uint16_t)(more >> 16) & (PANE_UNDER_MASK | (PANE_STRIKE * 2 - 1));
		g->fg = color(load32(p + 8));
		g->bg = color(load32(p + 12));
		if (c > 0 && out[c - 1].width == 2) {
			g->n = g->width = 0;
			continue;
		}
		set_base(g, ch & PANE_CELL_TAIL ? 0 : ch & PANE_CELL_CP, wide ? 2 : 1);
		if ((more & 0xffff) && (more & 0xffff) < PANE_MARKS)
			add_marks(area, g, more & 0xffff);
	}
	return __atomic_load_n(&t->row_flags[row], __ATOMIC_RELAXED);
}

bool pane_grid_changed(const void *area, uint32_t row, uint32_t stamp)
{
	return (int32_t)(load32(&term_of(area)->row_stamp[row]) - stamp) > 0;
}

void pane_grid_title(const void *area, char *out, size_t size)
{
	char raw[PANE_TITLE_SIZE];
	size_t n;

	memcpy(raw, term_of(area)->title, sizeof(raw));
	raw[sizeof(raw) - 1] = '\0';
	n = strlen(raw);
	if (!utf8_valid(raw, n))
		raw[0] = '\0';
	mem_copy_str(out, size, raw);
}

static uint64_t load64(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

/* The ring's bounds, checked: a ring of a size that cannot be is an empty one. */
struct bounds {
	uint64_t head, tail;
	uint32_t cap;
};

static struct bounds bounds_of(const void *area)
{
	const struct pane_term *t = term_of(area);
	struct bounds b;

	b.tail = load64(&t->ring_tail);
	b.head = load64(&t->ring_head);
	b.cap = load32(&t->ring_cap);
	if (b.cap < PANE_RING_MIN || b.cap > PANE_RING_MAX || b.head < b.tail ||
	    b.head - b.tail > b.cap || b.head > UINT64_MAX / 2) {
		b.cap = PANE_RING_MIN;
		b.head = b.tail = 0;
	}
	return b;
}

static uint8_t byte_at(const void *area, const struct bounds *b, uint64_t off)
{
	return *(const volatile uint8_t *)at(area, PANE_OFF_RING + (size_t)(off % b->cap));
}

static uint32_t len_at(const void *area, const struct bounds *b, uint64_t off)
{
	return byte_at(area, b, off) | (uint32_t)byte_at(area, b, off + 1) << 8;
}

uint64_t pane_grid_head(const void *area)
{
	return bounds_of(area).head;
}

uint64_t pane_grid_tail(const void *area)
{
	return bounds_of(area).tail;
}

bool pane_grid_has(const void *area, uint64_t off)
{
	struct bounds b = bounds_of(area);

	return off >= b.tail && off < b.head;
}

bool pane_grid_prev(const void *area, uint64_t *off)
{
	struct bounds b = bounds_of(area);
	uint64_t size;

	if (*off > b.head || *off < b.tail + 5)
		return false;
	size = len_at(area, &b, *off - 2) + 4u;
	if (size < 5 || *off - b.tail < size)
		return false;
	*off -= size;
	return true;
}

bool pane_grid_next(const void *area, uint64_t *off)
{
	struct bounds b = bounds_of(area);
	uint64_t size;

	if (*off < b.tail || *off + 5 > b.head)
		return false;
	size = len_at(area, &b, *off) + 4u;
	if (size < 5 || b.head - *off < size)
		return false;
	*off += size;
	return true;
}

/* A copy of a line's body that has not changed meanwhile; its length or -1. */
static int copy_line(const void *area, uint64_t off, uint8_t *body)
{
	struct bounds b = bounds_of(area);
	uint32_t n;

	if (off < b.tail || off + 5 > b.head)
		return -1;
	n = len_at(area, &b, off);
	if (n < 1 || n > PANE_LINE_MAX || b.head - off < n + 4u)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		body[i] = byte_at(area, &b, off + 2 + i);
	atomic_thread_fence(memory_order_seq_cst);
	return pane_grid_has(area, off) ? (int)n : -1;
}

static void read_pen(const uint8_t *p, struct pane_glyph *pen)
{
	struct pane_pen raw;

	memcpy(&raw, p, sizeof(raw));
	pen->fg = color(raw.fg);
	pen->bg = color(raw.bg);
	pen->attr = raw.attr & (PANE_UNDER_MASK | (PANE_STRIKE * 2 - 1));
}

/* One code point of a line goes to out[n]; the new count. */
static int put_cp(struct pane_glyph *out, int n, int max, uint32_t cp, const struct pane_glyph *pen)
{
	int width = cp == ' ' || !is_scalar(cp) ? 1 : utf8_cell_width(cp);

	if (width == 0) {
		int base = n > 0 && out[n - 1].width == 0 ? n - 2 : n - 1;

		if (base >= 0)
			add_mark(&out[base], cp);
		return n;
	}
	if (n + width > max)
		return n;
	out[n] = *pen;
	set_base(&out[n], cp == ' ' ? 0 : cp, width);
	if (width == 2) {
		out[n + 1] = *pen;
		out[n + 1].n = out[n + 1].width = 0;
	}
	return n + width;
}

int pane_grid_line(const void *area, uint64_t off, struct pane_glyph *out, int max, unsigned *flags)
{
	static uint8_t body[PANE_LINE_MAX];
	struct pane_glyph pen = {.width = 1};
	int size = copy_line(area, off, body), n = 0;

	if (size < 0)
		return -1;
	*flags = body[0];
	for (int i = 1; i < size;) {
		uint32_t cp;

		if (body[i] == PANE_LINE_PEN) {
			if (i + 1 + (int)sizeof(struct pane_pen) > size)
				break;
			read_pen(body + i + 1, &pen);
			i += 1 + (int)sizeof(struct pane_pen);
			continue;
		}
		i += (int)utf8_decode((const char *)body + i, (size_t)(size - i), &cp);
		n = put_cp(out, n, max, cp, &pen);
	}
	for (int i = 0; i < n; i++)
		trim_joiner(&out[i]);
	return n;
}
