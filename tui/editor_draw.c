/*
 * Drawing the text: rows to screen lines, glyphs to cells.
 *
 *        gutter   left ─┐              right edge: a wide character that would be cut is not shown
 *         12 │def index(request):
 *         13 │    rows = Item.objects.all()
 */
#include "tui/editor_internal.h"

#include <string.h>

#include "base/mem.h"
#include "editor/glyph.h"
#include "editor/lines.h"
#include "editor/row.h"

#define SPANS_MAX 256
#define RUN_MAX 1024
#define MARGIN 4 /* columns kept visible beside the cursor */

struct run { /* characters of one style, drawn together */
	int y, x, width;
	struct term_style style;
	size_t len;
	char text[RUN_MAX];
};

static int gutter(struct editor *e)
{
	size_t count = 0;
	int digits = 3;

	if (lines_count(e->file->text, LINES_BUDGET / 4, &count) != LINES_OK) {
		editor_index(e);
		/* As many as it may turn out to have: the text must not jump aside later. */
		count = text_len(e->file->text) / 8;
	} else {
		e->indexed = true;
	}
	for (; count >= 1000; count /= 10)
		digits++;
	return digits + 2 < e->width / 2 ? digits + 2 : 0;
}

static int text_rows(const struct editor *e)
{
	int rows = e->height - (e->find.bar == EDITOR_BAR_NONE ? 0
				: e->find.bar == EDITOR_BAR_FIND ? 1 : 2);

	return rows > 1 ? rows : 1;
}

/* Rows from the first to the second position, at most max. */
static int rows_between(struct text *t, size_t from, size_t to, int max)
{
	int n = 0;

	for (; from < to && n < max; n++) {
		size_t next = row_next(t, from);

		if (next > to || row_is_last(t, from))
			break;
		from = next;
	}
	return n;
}

void editor_draw_follow(struct editor *e)
{
	struct text *t = e->file->text;
	size_t row = row_start(t, e->cursor), col = row_column(t, e->cursor, e->tab);
	int rows = text_rows(e), w = e->width - gutter(e);

	e->top = row_start(t, e->top);
	if (row < e->top || rows_between(t, e->top, row, rows) >= rows) {
		/* A small step scrolls by as much; a jump puts the cursor in the middle. */
		bool near = row < e->top ? rows_between(t, row, e->top, 3) < 3
					 : rows_between(t, e->top, row, rows + 3) < rows + 3;
		int above = near ? (row < e->top ? 0 : rows - 1) : rows / 2;

		for (e->top = row; above > 0 && e->top > 0; above--)
			e->top = row_prev(t, e->top);
	}
	if (w < 2)
		w = 2;
	if (col < e->left || col + 1 >= e->left + (size_t)w)
		e->left = col + 1 < (size_t)w ? 0 : col + 1 + MARGIN - (size_t)w;
	if (e->left > 0 && col < e->left + MARGIN)
		e->left = col > (size_t)w / 2 ? col - (size_t)w / 2 : 0;
}

static int add_span(struct editor_span *out, int n, size_t start, size_t end, enum term_theme id)
{
	out[n] = (struct editor_span){ start, end, *term_theme(id) };
	return n + 1;
}

/* Everything that colours [from, to): syntax first (none yet), then matches, then the selection. */
static int collect(struct editor *e, size_t from, size_t to, struct editor_span *out)
{
	size_t start, end;
	int n = 0;

	n += editor_find_spans(e, from, to, out, SPANS_MAX - 1);
	if (editor_selection(e, &start, &end) && start < to && end >= from)
		n = add_span(out, n, start, end, THEME_SELECTED);
	return n;
}

static const struct term_style *style_at(const struct editor_span *spans, int n, size_t pos,
    const struct term_style *plain)
{
	for (int i = n - 1; i >= 0; i--)
		if (pos >= spans[i].start && pos < spans[i].end)
			return &spans[i].style;
	return plain;
}

static void flush(struct run *r)
{
	if (r->len > 0)
		term_text(r->y, r->x, r->width, &r->style, r->text, (int)r->len);
	r->x += r->width;
	r->len = 0;
	r->width = 0;
}

static void put(struct run *r, const char *text, int width, const struct term_style *st)
{
	size_t n = strlen(text);

	if (r->len + n > RUN_MAX || memcmp(&r->style, st, sizeof(*st)) != 0)
		flush(r);
	r->style = *st;
	memcpy(r->text + r->len, text, n);
	r->len += n;
	r->width += width;
}

static void put_blanks(struct run *r, int n, const struct term_style *st)
{
	while (n-- > 0)
		put(r, " ", 1, st);
}

/* One glyph at column col; the part left of the screen is cut off, as blanks where it is wide. */
static void put_glyph(struct run *r, const struct editor *e, const struct glyph *g, size_t col,
    const struct term_style *plain, const struct term_style *st)
{
	struct term_style dim = *st;
	int hidden = col < e->left ? (int)(e->left - col) : 0;

	if (hidden >= g->width)
		return;
	if (g->kind == GLYPH_ESCAPE && memcmp(st, plain, sizeof(*st)) == 0)
		dim = *term_theme(THEME_WARN);
	if (hidden > 0 || g->kind == GLYPH_TAB)
		put_blanks(r, g->width - hidden, st);
	else
		put(r, g->text, g->width, &dim);
}

static void draw_row(struct editor *e, int y, int x, int w, size_t row, size_t next,
    const struct editor_span *spans, int nspans)
{
	const struct term_style *plain = term_theme(THEME_TEXT);
	static char bytes[ROW_BYTES_MAX + 8];
	size_t n = text_copy(e->file->text, row, bytes, next - row), at = 0, col = 0;
	struct run r = { .y = y, .x = x };
	struct glyph g;

	while (at < n && col < e->left + (size_t)w) {
		const struct term_style *st = style_at(spans, nspans, row + at, plain);

		glyph_read(&g, bytes + at, n - at, col, e->tab);
		if (g.kind == GLYPH_NEWLINE) {
			if (st != plain && col >= e->left)
				put_blanks(&r, 1, st); /* a selected line end is seen */
			break;
		}
		if (g.kind == GLYPH_CHAR && col + (size_t)g.width > e->left + (size_t)w)
			break;
		put_glyph(&r, e, &g, col, plain, st);
		col += (size_t)g.width;
		at += g.len;
	}
	flush(&r);
	if (r.x < x + w)
		term_fill(y, r.x, x + w - r.x, plain, ' ');
}

static void draw_gutter(struct editor *e, int y, int w, bool line, bool known, size_t number)
{
	const struct term_style *st = term_theme(THEME_DIM);

	if (w == 0)
		return;
	term_fill(y, 0, w, st, ' ');
	if (line && known)
		term_textf(y, 0, w - 1, st, "%*zu", w - 2, number);
	else if (line)
		term_textf(y, 0, w - 1, st, "%*s", w - 2, "·");
}

static void draw_rows(struct editor *e, int rows, int g)
{
	struct text *t = e->file->text;
	struct editor_span spans[SPANS_MAX];
	size_t row = e->top, line = 0;
	bool known = lines_at(t, row, LINES_BUDGET / 4, &line) == LINES_OK, over = false;
	const struct term_style *plain = term_theme(THEME_TEXT);

	if (!known)
		editor_index(e);
	for (int y = 0; y < rows; y++) {
		size_t next = row_next(t, row);

		if (over) {
			draw_gutter(e, y, g, false, false, 0);
			term_fill(y, g, e->width - g, plain, ' ');
			continue;
		}
		if (y > 0)
			line += row_is_line(t, row);
		draw_gutter(e, y, g, row_is_line(t, row), known, line + 1);
		draw_row(e, y, g, e->width - g, row, next, spans, collect(e, row, next, spans));
		if (e->cursor >= row && row_start(t, e->cursor) == row &&
		    e->find.bar == EDITOR_BAR_NONE) {
			size_t col = row_column(t, e->cursor, e->tab);

			if (col >= e->left)
				term_cursor(y, g + (int)(col - e->left));
		}
		over = row_is_last(t, row);
		row = next;
	}
}

void editor_draw_all(struct editor *e)
{
	if (e->saving) {
		term_clear(term_theme(THEME_TEXT));
		term_textf(e->height / 2, 2, e->width - 4, term_theme(THEME_DIM), "Saving %s …",
		    e->file->name);
		return;
	}
	if (e->follow)
		editor_draw_follow(e);
	e->follow = false;
	draw_rows(e, text_rows(e), gutter(e));
	if (e->find.bar != EDITOR_BAR_NONE)
		editor_find_draw(e, text_rows(e));
}

size_t editor_draw_pos(struct editor *e, int y, int x)
{
	struct text *t = e->file->text;
	size_t row = e->top;
	int g = gutter(e);

	for (; y > 0 && !row_is_last(t, row); y--)
		row = row_next(t, row);
	return row_at_column(t, row, e->left + (size_t)(x > g ? x - g : 0), e->tab);
}
