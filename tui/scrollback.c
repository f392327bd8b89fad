/* Looking back in a terminal: see scrollback.h. */
#include "tui/scrollback.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#define TEXT_MAX ((size_t)1 << 20)

struct scrollback *scrollback_new(const void *area, int h, int w)
{
	struct scrollback *s = mem_alloc(sizeof(*s));

	s->area = area;
	if (!pane_grid_screen(area, &s->screen)) {
		mem_free(s);
		return NULL;
	}
	s->rows = mem_array((size_t)s->screen.rows * s->screen.cols, sizeof(*s->rows));
	s->row_flags = mem_alloc(s->screen.rows);
	for (uint32_t r = 0; r < s->screen.rows; r++)
		s->row_flags[r] = (uint8_t)pane_grid_row(area, &s->screen, r,
		    s->rows + (size_t)r * s->screen.cols);
	s->head = pane_grid_head(area);
	s->top = SCROLLBACK_ROW;
	s->cur_y = (int)s->screen.cur_row;
	s->cur_x = (int)s->screen.cur_col;
	scrollback_resize(s, h, w);
	return s;
}

void scrollback_free(struct scrollback *s)
{
	if (!s)
		return;
	mem_free(s->rows);
	mem_free(s->row_flags);
	mem_free(s);
}

void scrollback_resize(struct scrollback *s, int h, int w)
{
	s->h = h < 1 ? 1 : h;
	s->w = w < 1 ? 1 : w;
	if (s->cur_y >= s->h)
		s->cur_y = s->h - 1;
	if (s->cur_x >= s->w)
		s->cur_x = s->w - 1;
}

static bool step_back(const struct scrollback *s, uint64_t *addr)
{
	if (*addr > SCROLLBACK_ROW) {
		(*addr)--;
		return true;
	}
	if (*addr == SCROLLBACK_ROW)
		*addr = s->head;
	if (pane_grid_prev(s->area, addr))
		return true;
	if (*addr == s->head)
		*addr = SCROLLBACK_ROW;
	return false;
}

static bool step_on(const struct scrollback *s, uint64_t *addr)
{
	uint64_t old = *addr;

	if (*addr >= SCROLLBACK_ROW) {
		if (*addr - SCROLLBACK_ROW + 1 >= s->screen.rows)
			return false;
		(*addr)++;
		return true;
	}
	/* A line that is gone: go on with the oldest that is left. */
	if (!pane_grid_next(s->area, addr))
		*addr = pane_grid_tail(s->area);
	if (*addr >= s->head || *addr <= old)
		*addr = SCROLLBACK_ROW;
	return true;
}

bool scrollback_at_end(const struct scrollback *s)
{
	return s->top >= SCROLLBACK_ROW;
}

int scrollback_scroll(struct scrollback *s, int lines)
{
	int n = 0;

	for (; lines < 0 && step_back(s, &s->top); lines++)
		n--;
	/* The screen is the end: its rows fill the view already. */
	for (; lines > 0 && s->top < SCROLLBACK_ROW && step_on(s, &s->top); lines--)
		n++;
	return n;
}

static bool addr_of(const struct scrollback *s, int y, uint64_t *addr)
{
	*addr = s->top;
	while (y-- > 0)
		if (!step_on(s, addr))
			return false;
	return true;
}

static int read_line(const struct scrollback *s, uint64_t addr, struct pane_glyph *out,
    unsigned *flags)
{
	int n;

	*flags = 0;
	if (addr >= SCROLLBACK_ROW) {
		uint64_t row = addr - SCROLLBACK_ROW;

		if (row >= s->screen.rows)
			return 0;
		memcpy(out, s->rows + row * s->screen.cols, s->screen.cols * sizeof(*out));
		*flags = s->row_flags[row];
		return (int)s->screen.cols;
	}
	n = pane_grid_line(s->area, addr, out, PANE_COLS_MAX, flags);
	return n < 0 ? 0 : n;
}

int scrollback_line(const struct scrollback *s, int y, struct pane_glyph *out, unsigned *flags)
{
	uint64_t addr;

	*flags = 0;
	return addr_of(s, y, &addr) ? read_line(s, addr, out, flags) : 0;
}

void scrollback_move(struct scrollback *s, int dy, int dx)
{
	uint64_t addr;

	s->cur_x += dx;
	s->cur_x = s->cur_x < 0 ? 0 : s->cur_x >= s->w ? s->w - 1 : s->cur_x;
	s->cur_y += dy;
	if (s->cur_y < 0) {
		scrollback_scroll(s, s->cur_y);
		s->cur_y = 0;
	} else if (s->cur_y >= s->h) {
		scrollback_scroll(s, s->cur_y - s->h + 1);
		s->cur_y = s->h - 1;
	}
	while (s->cur_y > 0 && !addr_of(s, s->cur_y, &addr))
		s->cur_y--;
}

void scrollback_select(struct scrollback *s, bool on)
{
	s->selecting = on && addr_of(s, s->cur_y, &s->anchor);
	s->anchor_x = s->cur_x;
}

/* The two ends of the selection in order. */
struct span {
	uint64_t from, to;
	int from_x, to_x;
};

static bool span_of(const struct scrollback *s, struct span *p)
{
	if (!s->selecting || !addr_of(s, s->cur_y, &p->to))
		return false;
	p->from = s->anchor;
	p->from_x = s->anchor_x;
	p->to_x = s->cur_x;
	if (p->to < p->from || (p->to == p->from && p->to_x < p->from_x)) {
		p->to = s->anchor;
		p->to_x = s->anchor_x;
		addr_of(s, s->cur_y, &p->from);
		p->from_x = s->cur_x;
	}
	return true;
}

bool scrollback_selected(const struct scrollback *s, int y, int x)
{
	struct span p;
	uint64_t addr;

	if (!span_of(s, &p) || !addr_of(s, y, &addr) || addr < p.from || addr > p.to)
		return false;
	return (addr > p.from || x >= p.from_x) && (addr < p.to || x <= p.to_x);
}

/* Columns [from, to] of a line as text; blanks at its end are left out unless it goes on. */
static void add_text(struct buf *b, const struct pane_glyph *line, int n, int from, int to, bool trim)
{
	if (to >= n)
		to = n - 1;
	while (trim && to >= from && line[to].n == 0 && line[to].width == 1)
		to--;
	for (int x = from; x <= to; x++) {
		char out[4];

		if (line[x].width && line[x].n == 0)
			buf_add(b, " ", 1);
		for (int i = 0; i < line[x].n; i++)
			buf_add(b, out, utf8_encode(line[x].cps[i], out));
	}
}

char *scrollback_text(const struct scrollback *s, size_t *n)
{
	static struct pane_glyph line[PANE_COLS_MAX];
	struct span p = {.from_x = 0, .to_x = PANE_COLS_MAX};
	struct buf b;
	unsigned flags;

	buf_init(&b, TEXT_MAX);
	if (!span_of(s, &p) && !addr_of(s, s->cur_y, &p.from))
		return mem_strdup("");
	if (!s->selecting)
		p.to = p.from;
	for (uint64_t addr = p.from; addr <= p.to;) {
		int len = read_line(s, addr, line, &flags);
		bool last = addr == p.to, wrapped = flags & PANE_LINE_WRAPPED;

		add_text(&b, line, len, addr == p.from ? p.from_x : 0, last ? p.to_x : len,
		    !wrapped || last);
		if (last || !step_on(s, &addr))
			break;
		if (!wrapped)
			buf_add(&b, "\n", 1);
	}
	if (!b.data)
		buf_add(&b, "", 0);
	return b.data ? buf_take(&b, n) : (*n = 0, mem_strdup(""));
}

static uint32_t fold(uint32_t cp)
{
	return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
}

/* Does text start at column x of the line? */
static bool matches(const struct pane_glyph *line, int n, int x, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; x++) {
		uint32_t cp;

		while (x < n && line[x].width == 0)
			x++;
		i += utf8_decode(text + i, len - i, &cp);
		if (x >= n || fold(line[x].n ? line[x].cps[0] : ' ') != fold(cp))
			return false;
	}
	return true;
}

/* Bring a line into the view and put the cursor there. */
static void show(struct scrollback *s, uint64_t addr, int x)
{
	uint64_t seen = s->top;

	s->cur_x = x < s->w ? x : s->w - 1;
	for (int y = 0; y < s->h; y++) {
		if (seen == addr) {
			s->cur_y = y;
			return;
		}
		if (!step_on(s, &seen))
			break;
	}
	if (addr >= SCROLLBACK_ROW) {
		s->top = SCROLLBACK_ROW;
		s->cur_y = (int)(addr - SCROLLBACK_ROW);
		if (s->cur_y >= s->h)
			s->cur_y = s->h - 1;
		return;
	}
	s->top = addr;
	s->cur_y = 0;
	for (int i = 0; i < s->h / 2 && step_back(s, &s->top); i++)
		s->cur_y++;
}

static int find_in(const struct pane_glyph *line, int n, int from, const char *text, bool older)
{
	for (int x = from; older ? x >= 0 : x < n; x += older ? -1 : 1)
		if (x < n && line[x].width && matches(line, n, x, text))
			return x;
	return -1;
}

bool scrollback_find(struct scrollback *s, const char *text, bool older)
{
	static struct pane_glyph line[PANE_COLS_MAX];
	unsigned flags;
	uint64_t addr;
	int from = s->cur_x + (older ? -1 : 1);

	if (!text[0] || !addr_of(s, s->cur_y, &addr))
		return false;
	for (;;) {
		int n = read_line(s, addr, line, &flags), x = find_in(line, n, from, text, older);

		if (x >= 0) {
			show(s, addr, x);
			return true;
		}
		if (older ? !step_back(s, &addr) : !step_on(s, &addr))
			return false;
		from = older ? PANE_COLS_MAX - 1 : 0;
	}
}
