/* A terminal on libvterm's state layer: see emu.h. */
#include "tui/pane/emu.h"

#include <stdio.h>
#include <string.h>
#include <vterm.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane/emu_internal.h"

/* Stand-ins for glyphs of one and two cells; no character set of libvterm maps to these. */
#define NARROW "\xC2\xA1"
#define NARROW_CP 0xA1
#define WIDE "\xEA\xB0\x80"
#define WIDE_CP 0xAC00

static void write_vt(struct emu *t, const char *p, size_t n)
{
	vterm_input_write(t->vt, p, n);
}

static void write_str(struct emu *t, const char *s)
{
	write_vt(t, s, strlen(s));
}

void emu_cursor(const struct emu *t, int *row, int *col)
{
	VTermPos pos;

	vterm_state_get_cursorpos(t->state, &pos);
	*row = pos.row < 0 ? 0 : pos.row >= t->grid->rows ? t->grid->rows - 1 : pos.row;
	*col = pos.col < 0 ? 0 : pos.col >= t->grid->cols ? t->grid->cols - 1 : pos.col;
}

static void move_to(struct emu *t, int row, int col)
{
	char s[32];

	snprintf(s, sizeof(s), "\033[%d;%dH", row + 1, col + 1);
	write_str(t, s);
}

/* What libvterm calls */

static int putglyph_cb(VTermGlyphInfo *info, VTermPos pos, void *arg)
{
	struct emu *t = arg;
	uint32_t cp = info->chars[0];
	int width = cp == WIDE_CP ? 2 : 1;

	if ((cp == NARROW_CP || cp == WIDE_CP) && t->queue_at < t->queue_n)
		cp = t->queue[t->queue_at++];
	/* A glyph at the start of a row, just after one that filled the row above: it wrapped. */
	if (t->joined && pos.col == 0 && t->last_col + t->last_width >= t->grid->cols) {
		int above = pos.row - 1;

		if (above >= 0 && above < t->grid->rows)
			t->grid->flags[above] |= PANE_LINE_WRAPPED;
	}
	grid_put(t->grid, pos.row, pos.col, cp, width, &t->pen);
	t->last_row = pos.row;
	t->last_col = pos.col;
	t->last_width = width;
	t->joined = true;
	return 1;
}

static int movecursor_cb(VTermPos pos, VTermPos old, int visible, void *arg)
{
	struct emu *t = arg;
	bool after_text = pos.row == t->last_row &&
	    (pos.col == t->last_col + t->last_width || pos.col == t->last_col);

	if (!after_text)
		t->joined = false;
	return 1;
}

static struct grid_rect rect_of(VTermRect r)
{
	struct grid_rect g = {r.start_row, r.end_row, r.start_col, r.end_col};

	return g;
}

static void save_lines(struct emu *t, int n)
{
	struct grid *g = &t->screens[0];

	for (int i = 0; i < n && i < g->rows; i++)
		ring_push(&t->ring, g->row[i], g->used[i], g->flags[i],
		    (const ring_marks *)t->marks);
}

static int scrollrect_cb(VTermRect r, int down, int right, void *arg)
{
	struct emu *t = arg;

	if (down > 0 && t->grid == &t->screens[0] && r.start_row == 0 && r.start_col == 0 &&
	    r.end_col >= t->grid->cols)
		save_lines(t, down < r.end_row ? down : r.end_row);
	grid_scroll(t->grid, rect_of(r), down, right, &t->pen);
	return 1;
}

static int erase_cb(VTermRect r, int selective, void *arg)
{
	struct emu *t = arg;

	grid_erase(t->grid, rect_of(r), &t->pen);
	return 1;
}

/* The row of a cursor stays on the screen; what must go above it goes to the ring. */
static int shrink(struct emu *t, struct grid *g, int rows, int cols, int row)
{
	int drop = row >= rows ? row - rows + 1 : 0;

	if (g == &t->screens[0])
		save_lines(t, drop);
	grid_resize(g, rows, cols, drop);
	return drop;
}

static int resize_cb(int rows, int cols, VTermPos *delta, void *arg)
{
	struct emu *t = arg;
	int row, col;

	emu_cursor(t, &row, &col);
	if (t->grid == &t->screens[1])
		t->saved[0].row -= shrink(t, &t->screens[0], rows, cols, t->saved[0].row);
	delta->row = -shrink(t, t->grid, rows, cols, row);
	delta->col = 0;
	return 1;
}

/* Its own replies, titles and modes are not ours. */
static void output_cb(const char *s, size_t n, void *arg)
{
}

static const VTermStateCallbacks callbacks = {
	.putglyph = putglyph_cb,
	.movecursor = movecursor_cb,
	.scrollrect = scrollrect_cb,
	.erase = erase_cb,
	.resize = resize_cb,
};

/* What the filter calls */

static void on_ascii(struct emu *t, const char *p, size_t n)
{
	const char *so = memchr(p, 0x0E, n), *si = memchr(p, 0x0F, n);

	if (so || si)
		for (size_t i = 0; i < n; i++)
			if (p[i] == 0x0E || p[i] == 0x0F)
				t->shifted = p[i] == 0x0E;
	write_vt(t, p, n);
}

/* Text with glyphs beyond ASCII: stand-ins go to libvterm, glyphs into the queue. */
static void on_glyphs(struct emu *t, const char *p, size_t n)
{
	char out[FILTER_TEXT_MAX * 2];
	size_t len = 0;

	t->queue_n = t->queue_at = 0;
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		bool wide;

		i += utf8_decode(p + i, n - i, &cp);
		if (cp < 0x80) {
			out[len++] = (char)cp;
			continue;
		}
		wide = utf8_cell_width(cp) == 2;
		memcpy(out + len, wide ? WIDE : NARROW, wide ? 3 : 2);
		len += wide ? 3 : 2;
		t->queue[t->queue_n++] = cp;
	}
	for (size_t at = 0; at < len;) {
		size_t part = len - at > FILTER_TEXT_MAX ? utf8_whole(out + at, FILTER_TEXT_MAX) : len - at;

		on_ascii(t, out + at, part);
		at += part;
	}
	t->queue_n = t->queue_at = 0;
}

static void on_seq(struct emu *t, const char *p, size_t n)
{
	char last = p[n - 1];

	if (p[1] == '(' || p[1] == ')')
		t->sets[p[1] == ')'] = last;
	if (p[1] == '[' && (last == 'r' || last == 's' || (p[2] == '?' && last == 'h')))
		t->margins = true;
	write_vt(t, p, n);
}

static void save(struct emu *t)
{
	struct emu_saved *s = &t->saved[t->grid == &t->screens[1]];

	emu_cursor(t, &s->row, &s->col);
	s->pen = t->pen;
	memcpy(s->sets, t->sets, sizeof(s->sets));
	s->shifted = t->shifted;
}

static void use_sets(struct emu *t, const char sets[2], bool shifted)
{
	char s[16];

	memcpy(t->sets, sets, sizeof(t->sets));
	t->shifted = shifted;
	snprintf(s, sizeof(s), "\033(%c\033)%c%c", sets[0], sets[1], shifted ? 0x0E : 0x0F);
	write_str(t, s);
}

static void restore(struct emu *t)
{
	const struct emu_saved *s = &t->saved[t->grid == &t->screens[1]];

	t->pen = s->pen;
	if (t->margins)
		write_str(t, "\033[?6l");
	move_to(t, s->row, s->col);
	use_sets(t, s->sets, s->shifted);
}

static void show_screen(struct emu *t, bool alt, bool wipe)
{
	struct grid *g = &t->screens[alt];
	struct grid_rect all = {0, t->grid->rows, 0, t->grid->cols};

	if (g == t->grid)
		return;
	if (!g->mem)
		grid_init(g, t->grid->rows, t->grid->cols);
	t->grid = g;
	if (alt && wipe)
		grid_erase(g, all, &t->pen);
	grid_touch(g);
	if (!alt) {
		/* The alternate screen has no memory between its uses. */
		grid_clear(&t->screens[1]);
	}
	t->modes = alt ? t->modes | PANE_MODE_ALT : t->modes & ~(uint32_t)PANE_MODE_ALT;
}

static void set_mode(struct emu *t, uint32_t bit, bool on)
{
	t->modes = on ? t->modes | bit : t->modes & ~bit;
}

static void set_mouse(struct emu *t, uint32_t bit, bool on)
{
	const uint32_t all = PANE_MODE_MOUSE_CLICK | PANE_MODE_MOUSE_DRAG | PANE_MODE_MOUSE_MOVE;

	t->modes &= ~all;
	set_mode(t, bit, on);
}

static void alt_screen(struct emu *t, int num, bool on)
{
	if (num == 1049 && on && t->grid == &t->screens[0])
		save(t);
	if (num == 1049 && !on && t->grid == &t->screens[1]) {
		show_screen(t, false, true);
		restore(t);
		return;
	}
	show_screen(t, on, true);
}

static void on_mode(struct emu *t, const struct filter_item *i)
{
	switch (i->num) {
	case 1:
		set_mode(t, PANE_MODE_CURSOR_KEYS, i->on);
		break;
	case 5:
		set_mode(t, PANE_MODE_REVERSE, i->on);
		grid_touch(t->grid);
		break;
	case 12:
		set_mode(t, PANE_MODE_CURSOR_BLINK, i->on);
		break;
	case 20:
		set_mode(t, PANE_MODE_NEWLINE, i->on);
		write_vt(t, i->bytes, i->n);
		break;
	case 25:
		set_mode(t, PANE_MODE_CURSOR_HIDDEN, !i->on);
		break;
	case 1000:
		set_mouse(t, PANE_MODE_MOUSE_CLICK, i->on);
		break;
	case 1002:
		set_mouse(t, PANE_MODE_MOUSE_DRAG, i->on);
		break;
	case 1003:
		set_mouse(t, PANE_MODE_MOUSE_MOVE, i->on);
		break;
	case 1004:
		set_mode(t, PANE_MODE_FOCUS, i->on);
		break;
	case 1006:
		set_mode(t, PANE_MODE_MOUSE_SGR, i->on);
		break;
	case 2004:
		set_mode(t, PANE_MODE_PASTE, i->on);
		break;
	default: /* 47, 1047, 1049 */
		alt_screen(t, i->num, i->on);
		break;
	}
}

static void reset_margins(struct emu *t)
{
	int row, col;

	if (!t->margins)
		return;
	emu_cursor(t, &row, &col);
	write_str(t, "\033[?6l\033[r\033[?69h\033[s\033[?69l");
	move_to(t, row, col);
	t->margins = false;
}

/* DECSTR, which libvterm does not know. */
static void soft_reset(struct emu *t)
{
	reset_margins(t);
	write_str(t, "\033[4l\033[?7h");
	use_sets(t, "BB", false);
	memset(&t->pen, 0, sizeof(t->pen));
	set_mode(t, PANE_MODE_CURSOR_KEYS | PANE_MODE_KEYPAD | PANE_MODE_CURSOR_HIDDEN, false);
	for (int i = 0; i < 2; i++)
		t->saved[i] = (struct emu_saved){.sets = {'B', 'B'}};
}

static void hard_reset(struct emu *t)
{
	show_screen(t, false, true);
	soft_reset(t);
	t->modes = 0;
	t->shape = 0;
	t->title[0] = '\0';
	t->titles++;
	t->joined = false;
	write_str(t, "\033c");
	grid_touch(t->grid);
}

static void set_title(struct emu *t, const char *s, size_t n)
{
	if (n >= sizeof(t->title))
		n = utf8_whole(s, sizeof(t->title) - 1);
	memcpy(t->title, s, n);
	t->title[n] = '\0';
	t->titles++;
}

static void set_clip(struct emu *t, const char *s, size_t n)
{
	mem_free(t->clip);
	t->clip = mem_strndup(s, n);
	t->clip_n = n;
}

static void item_cb(void *arg, const struct filter_item *i)
{
	struct emu *t = arg;

	switch (i->kind) {
	case FILTER_TEXT:
		(i->ascii ? on_ascii : on_glyphs)(t, i->bytes, i->n);
		break;
	case FILTER_MARK:
		emu_mark_add(t, i->cp);
		break;
	case FILTER_SEQ:
		on_seq(t, i->bytes, i->n);
		break;
	case FILTER_BELL:
		t->bells++;
		break;
	case FILTER_PEN:
		emu_pen_apply(&t->pen, i->args, i->nargs);
		break;
	case FILTER_MODE:
		on_mode(t, i);
		break;
	case FILTER_KEYPAD:
		set_mode(t, PANE_MODE_KEYPAD, i->on);
		break;
	case FILTER_SHAPE:
		t->shape = i->num < 3 ? 0 : i->num < 5 ? 1 : 2;
		set_mode(t, PANE_MODE_CURSOR_BLINK, i->num % 2 == 1);
		break;
	case FILTER_SAVE:
		save(t);
		break;
	case FILTER_RESTORE:
		restore(t);
		break;
	case FILTER_RESET:
		(i->on ? hard_reset : soft_reset)(t);
		break;
	case FILTER_ERASE_SAVED:
		ring_erase(&t->ring);
		break;
	case FILTER_QUERY:
		emu_reply_query(t, i->num);
		break;
	case FILTER_TITLE:
		set_title(t, i->data, i->data_n);
		break;
	case FILTER_CLIPBOARD:
		set_clip(t, i->data, i->data_n);
		break;
	}
}

static int clamp(int v, int lo, int hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

struct emu *emu_new(int rows, int cols)
{
	struct emu *t = mem_alloc(sizeof(*t));

	rows = clamp(rows, PANE_ROWS_MIN, PANE_ROWS_MAX);
	cols = clamp(cols, PANE_COLS_MIN, PANE_COLS_MAX);
	grid_init(&t->screens[0], rows, cols);
	t->grid = &t->screens[0];
	filter_init(&t->filter, rows, cols, item_cb, t);
	t->vt = vterm_new(rows, cols);
	vterm_set_utf8(t->vt, 1);
	vterm_output_set_callback(t->vt, output_cb, t);
	t->state = vterm_obtain_state(t->vt);
	vterm_state_set_callbacks(t->state, &callbacks, t);
	vterm_state_reset(t->state, 1);
	soft_reset(t);
	t->modes = 0;
	return t;
}

void emu_free(struct emu *t)
{
	if (!t)
		return;
	vterm_free(t->vt);
	filter_clear(&t->filter);
	grid_clear(&t->screens[0]);
	grid_clear(&t->screens[1]);
	mem_free(t->marks);
	mem_free(t->clip);
	mem_free(t);
}

void emu_feed(struct emu *t, const char *p, size_t n)
{
	t->fed += n;
	filter_feed(&t->filter, p, n);
}

void emu_resize(struct emu *t, int rows, int cols)
{
	rows = clamp(rows, PANE_ROWS_MIN, PANE_ROWS_MAX);
	cols = clamp(cols, PANE_COLS_MIN, PANE_COLS_MAX);
	if (rows == t->grid->rows && cols == t->grid->cols)
		return;
	reset_margins(t);
	filter_resize(&t->filter, rows, cols);
	t->joined = false;
	vterm_set_size(t->vt, rows, cols);
}
