/*
 * Painting from ncurses' own idea of the physical screen (curscr).  A door smaller than the session
 * sees the part around the cursor; a larger one sees it in its upper left corner.
 */
#include "tui/term_paint.h"

#include <curses.h>
#include <string.h>
#include <wchar.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/term.h"

#define HASH_SEED 14695981039346656037ull

struct pen {
	struct buf *out;
	const struct term_paint *how;
	attr_t attr;
	int pair;
	bool known;
};

static const struct {
	attr_t attr;
	int sgr;
} sgr_table[] = {
	{ WA_BOLD, 1 },	   { WA_DIM, 2 },   { WA_ITALIC, 3 }, { WA_UNDERLINE, 4 },
	{ WA_REVERSE, 7 }, { WA_BLINK, 5 }, { WA_INVIS, 8 },
};

/* One of the 16 colours for a palette entry: by which of its parts are strong. */
static int to_16(int c)
{
	int r, g, b, top;

	if (c < 16)
		return c;
	if (c >= 232)
		return c < 238 ? 0 : c < 244 ? 8 : c < 250 ? 7 : 15;
	c -= 16;
	r = c / 36, g = c / 6 % 6, b = c % 6;
	top = r > g ? (r > b ? r : b) : (g > b ? g : b);
	if (top < 1)
		return 0;
	return (r * 2 > top) | (g * 2 > top) << 1 | (b * 2 > top) << 2 | (top > 3 ? 8 : 0);
}

static void put_color(struct pen *p, int c, int base)
{
	if (c < 0 || p->how->colors == PAINT_COLORS_NONE)
		return;
	if (p->how->colors == PAINT_COLORS_256)
		buf_printf(p->out, ";%d;5;%d", base + 8, c);
	else {
		c = to_16(c);
		buf_printf(p->out, ";%d", c < 8 ? base + c : base + 60 + c - 8);
	}
}

static void set_pen(struct pen *p, attr_t attr, int pair)
{
	int fg = -1, bg = -1;

	attr &= WA_BOLD | WA_DIM | WA_ITALIC | WA_UNDERLINE | WA_REVERSE | WA_BLINK | WA_INVIS;
	if (p->known && attr == p->attr && pair == p->pair)
		return;
	p->attr = attr;
	p->pair = pair;
	p->known = true;
	if (pair > 0)
		extended_pair_content(pair, &fg, &bg);
	buf_add_str(p->out, "\033[0");
	for (size_t i = 0; i < CL_COUNT(sgr_table); i++)
		if (attr & sgr_table[i].attr)
			buf_printf(p->out, ";%d", sgr_table[i].sgr);
	/* without colours a background can only be shown as reverse */
	if (p->how->colors == PAINT_COLORS_NONE && bg >= 0 && !(attr & WA_REVERSE))
		buf_add_str(p->out, ";7");
	put_color(p, fg, 30);
	put_color(p, bg, 40);
	buf_add_str(p->out, "m");
}

static char ascii_of(wchar_t w)
{
	if (w < 0x80)
		return (char)w;
	if (w == TERM_HLINE)
		return '-';
	if (w == TERM_VLINE)
		return '|';
	if (w >= 0x2500 && w < 0x2580)
		return '+';
	if (w == TERM_ARROW_RIGHT)
		return '>';
	if (w == TERM_ARROW_DOWN)
		return 'v';
	if (w == TERM_DOT)
		return '*';
	if (w >= TERM_BAR1 && w <= TERM_BAR1 + 7)
		return "_.,-=+*#"[w - TERM_BAR1];
	return w == 0x2026 ? '~' : w == 0xb7 ? '.' : '?';
}

static void put_chars(struct pen *p, const wchar_t *w, int width)
{
	char out[4];

	if (p->how->ascii) {
		out[0] = ascii_of(w[0]);
		out[1] = '?';
		buf_add(p->out, out, (size_t)width);
		return;
	}
	for (; *w; w++)
		buf_add(p->out, out, utf8_encode((uint32_t)*w, out));
}

/* Cells of one row into the door's columns.  ncurses gives a wide character as one cell, without the
 * second half, and ends the row with an empty cell. */
static void put_row(struct pen *p, const cchar_t *cells, int n, int cols)
{
	wchar_t w[CCHARW_MAX + 1];
	attr_t attr;
	short pair16;
	int pair, width, x = 0;

	for (int i = 0; i < n && x < cols; i++, x += width) {
		memset(w, 0, sizeof(w));
		if (getcchar(&cells[i], w, &attr, &pair16, &pair) != OK || !w[0])
			break;
		width = wcwidth(w[0]) == 2 ? 2 : 1;
		set_pen(p, attr, pair);
		if (x + width > cols)
			w[0] = L' ', w[1] = 0, width = 1;
		put_chars(p, w, width);
	}
	if (x < cols) {
		set_pen(p, 0, 0);
		buf_add_str(p->out, "\033[K");
	}
}

static uint64_t hash(const char *s, size_t n)
{
	uint64_t h = HASH_SEED;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 1099511628211ull;
	return h ? h : 1;
}

/* Which row and column of the session the door's corner shows. */
static int corner(int cursor, int have, int door)
{
	if (have <= door || cursor < door)
		return 0;
	return cursor - door + 1 < have - door ? cursor - door + 1 : have - door;
}

static void paint_row(struct pen *p, cchar_t *cells, int row, int top, int left)
{
	size_t start = p->out->len;
	uint64_t h;

	buf_printf(p->out, "\033[%d;1H", row + 1);
	p->known = false; /* rows are independent, so that one can be left out */
	if (top + row < LINES) {
		int n = COLS - left;
		memset(cells, 0, sizeof(*cells) * (size_t)(n + 1));
		mvwin_wchnstr(curscr, top + row, left, cells, n);
		put_row(p, cells, n, p->how->cols);
	} else
		buf_add_str(p->out, "\033[0m\033[K");
	if (!p->how->seen)
		return;
	h = hash(p->out->data + start, p->out->len - start);
	if (p->how->seen[row] == h) {
		p->out->len = start;
		return;
	}
	p->how->seen[row] = h;
}

void term_paint_screen(struct buf *out, const struct term_paint *how)
{
	struct pen p = { .out = out, .how = how };
	cl_autofree cchar_t *cells = mem_array((size_t)COLS + 1, sizeof(*cells));
	int y, x, top, left;

	getyx(curscr, y, x);
	top = corner(y, LINES, how->rows);
	left = corner(x, COLS, how->cols);
	buf_add_str(out, "\033[?25l");
	for (int row = 0; row < how->rows; row++)
		paint_row(&p, cells, row, top, left);
	wmove(curscr, y, x); /* reading cells has moved it */
	buf_printf(out, "\033[0m\033[%d;%dH", y - top + 1, x - left + 1);
	if (term_cursor_shown())
		buf_add_str(out, "\033[?25h");
}
