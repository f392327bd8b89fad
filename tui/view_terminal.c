/*
 * The terminal view: shows a terminal (tui/terminal.h) cell by cell from the memory shared with
 * the pane process, and turns keys, mouse and pastes into what the program expects.  Shift-PgUp,
 * the wheel or the prefix and [ look back (tui/scrollback.h): arrows or hjkl move, v selects, y
 * copies, / searches, n and N go on, q ends.
 */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/pane.h"
#include "tui/pane_grid.h"
#include "tui/pane_keys.h"
#include "tui/scrollback.h"
#include "tui/terminal.h"
#include "tui/text.h"
#include "tui/ui.h"

#define WHEEL_LINES 3
#define BELL_MS 500

struct view_terminal {
	struct view v;
	struct terminal *t;
	struct scrollback *back; /* not NULL: looking back */
	char *search;
	bool older;              /* direction of the last search */
	bool dragging;
	struct pane_screen screen; /* as last drawn */
	bool drawn;
	const void *live;        /* what was drawn last is screen, of this memory; or NULL */
	uint32_t bells;
	int64_t belled;
	unsigned shape;          /* cursor shape that the owner's terminal was told */
	char *paste;             /* waits for a confirmation */
	char label[96], status[PANE_TITLE_SIZE];
};

static struct view_terminal *of(struct view *v)
{
	return (struct view_terminal *)v;
}

static bool shown_cb(const struct terminal *t)
{
	const struct view *v = t->owner;

	return v->visible;
}

static void changed_cb(struct terminal *t)
{
	struct view *v = t->owner;

	view_redraw(v);
	if (!v->visible)
		terminal_drawn(t, shown_cb);
}

/* Only the focused view can be closed by a command; another one shows how it ended. */
static bool closing_cb(struct terminal *t)
{
	struct view *v = t->owner;

	if (v->focused)
		view_command(v, "close");
	return v->focused;
}

static void leave_back(struct view_terminal *vt)
{
	scrollback_free(vt->back);
	vt->back = NULL;
	vt->dragging = false;
	view_redraw(&vt->v);
}

static struct view *create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct terminal *t = terminal_find_ended(arg);
	struct view_terminal *vt;

	if (t) {
		leave_back(of(t->owner));
		terminal_restart(t);
		return t->owner;
	}
	t = terminal_new(ui, arg, err);
	if (!t)
		return NULL;
	vt = mem_alloc(sizeof(*vt));
	view_init(&vt->v, &view_terminal_ops, ui);
	vt->t = t;
	vt->older = true;
	t->owner = vt;
	t->changed = changed_cb;
	t->closing = closing_cb;
	return &vt->v;
}

static void free_cb(struct view *v)
{
	struct view_terminal *vt = of(v);

	ui_dialog_drop(v->ui, vt);
	leave_back(vt);
	terminal_free(vt->t);
	mem_free(vt->search);
	mem_free(vt->paste);
	mem_free(vt);
}

static void resize(struct view *v, int h, int w)
{
	struct view_terminal *vt = of(v);

	if (h < 1 || w < 1)
		return;
	terminal_resize(vt->t, h, w);
	if (vt->back)
		scrollback_resize(vt->back, h, w);
}

/* ---- drawing ---- */

static struct term_style style_of(const struct pane_glyph *g, bool reverse)
{
	struct term_style st = {.fg = g->fg, .bg = g->bg};

	st.attr = g->attr & (PANE_BOLD | PANE_DIM | PANE_ITALIC);
	if (g->attr & PANE_UNDER_MASK)
		st.attr |= TERM_UNDERLINE;
	if (!(g->attr & PANE_REVERSE) != !reverse)
		st.attr |= TERM_REVERSE;
	if (g->attr & PANE_BLINK)
		st.attr |= TERM_BLINK;
	if (g->attr & PANE_CONCEAL)
		st.attr |= TERM_INVISIBLE;
	return st;
}

static void draw_line(int y, const struct pane_glyph *line, int n, bool reverse)
{
	for (int x = 0; x < n && x < term_width(); x++) {
		struct term_style st = style_of(&line[x], reverse);

		if (line[x].width)
			term_cell(y, x, line[x].cps, line[x].n, line[x].width, &st);
	}
}

static void ring_bell(struct view_terminal *vt, int64_t now)
{
	if (vt->screen.bells == vt->bells)
		return;
	if (vt->drawn && now - vt->belled > BELL_MS) {
		ui_emit(vt->v.ui, "\a", 1);
		vt->belled = now;
	}
	vt->bells = vt->screen.bells;
}

/* The owner's cursor takes the program's shape while the terminal has the focus. */
static void set_shape(struct view_terminal *vt, unsigned shape)
{
	char s[16];
	int n;

	if (shape == vt->shape)
		return;
	vt->shape = shape;
	n = snprintf(s, sizeof(s), "\033[%u q", shape);
	ui_emit(vt->v.ui, s, (size_t)n);
}

static unsigned shape_code(const struct pane_screen *s)
{
	bool blink = s->modes & PANE_MODE_CURSOR_BLINK;

	if (s->shape == 0 && !blink)
		return 0;
	return s->shape * 2 + (blink ? 1 : 2);
}

/* All of it, or what has changed since the snapshot of stamp. */
static void draw_live(struct view_terminal *vt, const void *area, bool whole, uint32_t stamp)
{
	static struct pane_glyph line[PANE_COLS_MAX];
	const struct pane_screen *s = &vt->screen;

	for (uint32_t r = 0; r < s->rows && (int)r < term_height(); r++) {
		if (!whole && !pane_grid_changed(area, r, stamp))
			continue;
		pane_grid_row(area, s, r, line);
		draw_line((int)r, line, (int)s->cols, s->modes & PANE_MODE_REVERSE);
	}
	if (!(s->modes & PANE_MODE_CURSOR_HIDDEN))
		term_cursor((int)s->cur_row, (int)s->cur_col);
	if (vt->v.focused)
		set_shape(vt, shape_code(s));
}

static void draw_back(struct view_terminal *vt)
{
	static struct pane_glyph line[PANE_COLS_MAX];
	unsigned flags;

	for (int y = 0; y < term_height(); y++) {
		int n = scrollback_line(vt->back, y, line, &flags);

		draw_line(y, line, n, false);
		if (vt->back->selecting)
			for (int x = 0; x < term_width(); x++)
				if (scrollback_selected(vt->back, y, x))
					term_restyle(y, x, 1, term_theme(THEME_SELECTED));
	}
	term_cursor(vt->back->cur_y, vt->back->cur_x);
}

/* May what has changed between them be drawn alone?  A terminal that was begun anew counts from 0. */
static bool same_shape(const struct pane_screen *a, const struct pane_screen *b)
{
	return a->rows == b->rows && a->cols == b->cols && b->stamp - a->stamp < UINT32_MAX / 2 &&
	    !((a->modes ^ b->modes) & PANE_MODE_REVERSE);
}

static void draw(struct view *v)
{
	struct view_terminal *vt = of(v);
	const void *area = terminal_area(vt->t);
	struct pane_screen before = vt->screen;
	struct term_style plain = {0};
	bool live = !vt->back && area && pane_grid_screen(area, &vt->screen);
	bool whole = !live || vt->live != area || !v->intact || !same_shape(&before, &vt->screen);

	vt->live = live ? area : NULL;
	if (whole)
		term_clear(&plain);
	if (vt->back)
		draw_back(vt);
	else if (live)
		draw_live(vt, area, whole, before.stamp);
	else if (vt->t->state == TERMINAL_OPENING)
		term_text(0, 1, term_width() - 1, term_theme(THEME_DIM),
		    text_of("starting the container's terminal ..."), -1);
	else if (vt->t->state == TERMINAL_ENDED)
		term_text(0, 1, term_width() - 1, term_theme(THEME_DIM),
		    text_of("not started.  Enter: again  q: close"), -1);
	if (area) {
		ring_bell(vt, uv_now(ui_loop(v->ui)));
		vt->drawn = true;
	}
	terminal_drawn(vt->t, shown_cb);
}

/* ---- looking back ---- */

static bool look_back(struct view_terminal *vt)
{
	const void *area = terminal_area(vt->t);

	if (!vt->back && area)
		vt->back = scrollback_new(area, vt->v.rect.h, vt->v.rect.w);
	view_redraw(&vt->v);
	return vt->back != NULL;
}

static void copy_back(struct view_terminal *vt)
{
	size_t n;
	cl_autofree char *text = scrollback_text(vt->back, &n);

	ui_clip_set(vt->v.ui, text, n);
	ui_message(vt->v.ui, UI_INFO, "copied %zu bytes", n);
}

static void find(struct view_terminal *vt, bool older)
{
	if (!vt->search)
		return;
	if (!scrollback_find(vt->back, vt->search, older))
		ui_message(vt->v.ui, UI_INFO, "not found: %s", vt->search);
	view_redraw(&vt->v);
}

static void search_cb(void *arg, const char *text)
{
	struct view_terminal *vt = arg;

	if (!text || !vt->back)
		return;
	mem_free(vt->search);
	vt->search = mem_strdup(text);
	find(vt, true);
}

static const struct {
	const char *keys[3];
	int dy, dx; /* in lines and columns; PAGE and FAR stand for a page and for everything */
} moves[] = {
#define PAGE 100000
#define FAR 10000000
	{{"Up", "k"}, -1, 0}, {{"Down", "j"}, 1, 0}, {{"Left", "h"}, 0, -1}, {{"Right", "l"}, 0, 1},
	{{"PgUp", "b", "S-PgUp"}, -PAGE, 0}, {{"PgDn", "Space", "S-PgDn"}, PAGE, 0},
	{{"g"}, -FAR, 0}, {{"G"}, FAR, 0}, {{"Home", "0"}, 0, -PANE_COLS_MAX},
	{{"End", "$"}, 0, PANE_COLS_MAX},
};

static void move_back(struct view_terminal *vt, int dy, int dx)
{
	int page = vt->back->h > 2 ? vt->back->h - 1 : 1;

	if (dy == PAGE || dy == -PAGE) {
		if (!scrollback_scroll(vt->back, dy > 0 ? page : -page))
			scrollback_move(vt->back, dy > 0 ? page : -page, 0);
	} else if (dy == FAR || dy == -FAR) {
		scrollback_scroll(vt->back, dy);
		scrollback_move(vt->back, dy > 0 ? vt->back->h : -vt->back->h, 0);
	} else {
		scrollback_move(vt->back, dy, dx);
	}
	view_redraw(&vt->v);
}

static bool key_moves(struct view_terminal *vt, const struct term_key *k)
{
	for (size_t i = 0; i < CL_COUNT(moves); i++)
		for (int j = 0; j < 3 && moves[i].keys[j]; j++)
			if (key_is(k, moves[i].keys[j])) {
				move_back(vt, moves[i].dy, moves[i].dx);
				return true;
			}
	return false;
}

static void key_back(struct view_terminal *vt, const struct term_key *k)
{
	if (key_moves(vt, k))
		return;
	if (key_is(k, "v")) {
		scrollback_select(vt->back, !vt->back->selecting);
	} else if (key_is(k, "y") || key_is(k, "Enter")) {
		copy_back(vt);
		leave_back(vt);
	} else if (key_is(k, "/")) {
		ui_prompt(vt->v.ui, "Search back", "Text", vt->search ? vt->search : "", search_cb, vt);
	} else if (key_is(k, "n") || key_is(k, "N")) {
		find(vt, key_is(k, "n"));
	} else if (key_is(k, "q") || key_is(k, "Esc")) {
		leave_back(vt);
	}
	view_redraw(&vt->v);
}

static void scroll_back(struct view_terminal *vt, int lines)
{
	if (!vt->back && (lines > 0 || !look_back(vt)))
		return;
	scrollback_scroll(vt->back, lines);
	if (lines > 0 && scrollback_at_end(vt->back) && !vt->back->selecting)
		leave_back(vt);
	view_redraw(&vt->v);
}

/* ---- input ---- */

static void key_ended(struct view_terminal *vt, const struct term_key *k)
{
	if (key_is(k, "Enter"))
		terminal_restart(vt->t);
	else if (key_is(k, "q") || key_is(k, "x") || key_is(k, "Esc"))
		view_command(&vt->v, "close");
}

static bool key(struct view *v, const struct term_key *k)
{
	struct view_terminal *vt = of(v);
	char bytes[PANE_KEYS_MAX];
	const void *area = terminal_area(vt->t);
	struct pane_screen now = {0};
	size_t n;

	if (vt->back) {
		key_back(vt, k);
	} else if (key_is(k, "S-PgUp")) {
		if (look_back(vt))
			move_back(vt, -PAGE, 0);
	} else if (vt->t->state == TERMINAL_ENDED) {
		key_ended(vt, k);
	} else {
		/* The newest modes, not those of the last frame. */
		if (area && !pane_grid_screen(area, &now))
			now.modes = 0;
		n = pane_keys_encode(k, now.modes, bytes);
		if (terminal_type(vt->t, bytes, n) < 0)
			ui_message(v->ui, UI_WARN, "terminal: the program reads nothing");
	}
	return true;
}

static void type_paste(struct view_terminal *vt, const char *text, size_t n, uint32_t modes)
{
	struct buf b;

	buf_init(&b, vt->t->out.max);
	if (pane_keys_paste(&b, text, n, modes) < 0 || terminal_type(vt->t, b.data, b.len) < 0)
		ui_message(vt->v.ui, UI_WARN, "paste: too large for a terminal");
	buf_clear(&b);
}

static void paste_cb(void *arg, bool yes)
{
	struct view_terminal *vt = arg;
	cl_autofree char *text = vt->paste;

	vt->paste = NULL;
	if (yes && text)
		type_paste(vt, text, strlen(text), 0);
}

/* Without bracketed paste a shell runs each line at once: ask first. */
static bool paste(struct view *v, const char *text, size_t n)
{
	struct view_terminal *vt = of(v);
	const void *area = terminal_area(vt->t);
	struct pane_screen now = {0};

	if (vt->back)
		leave_back(vt);
	if (!area || !pane_grid_screen(area, &now) || n == 0)
		return true;
	if (now.modes & PANE_MODE_PASTE || !memchr(text, '\n', n)) {
		type_paste(vt, text, n, now.modes);
		return true;
	}
	mem_free(vt->paste);
	vt->paste = mem_strndup(text, n);
	ui_confirm(v->ui, "Paste", "The text has several lines, and the program takes each as typed.",
	    NULL, paste_cb, vt);
	return true;
}

static void drag(struct view_terminal *vt, const struct term_mouse *m)
{
	if (m->kind == MOUSE_PRESS) {
		if (vt->back && !vt->back->selecting && scrollback_at_end(vt->back))
			leave_back(vt);
		vt->dragging = look_back(vt);
		if (!vt->dragging)
			return;
		vt->back->selecting = false;
		scrollback_move(vt->back, m->y - vt->back->cur_y, m->x - vt->back->cur_x);
	} else if (m->kind == MOUSE_DRAG && vt->dragging) {
		if (!vt->back->selecting)
			scrollback_select(vt->back, true);
		scrollback_move(vt->back, m->y - vt->back->cur_y, m->x - vt->back->cur_x);
	} else if (m->kind == MOUSE_RELEASE && vt->dragging) {
		vt->dragging = false;
		if (vt->back->selecting)
			copy_back(vt);
		if (scrollback_at_end(vt->back))
			leave_back(vt);
	}
	view_redraw(&vt->v);
}

/* On the alternate screen, which has no past, the wheel is arrow keys (less, man). */
static void wheel(struct view_terminal *vt, bool up, uint32_t modes)
{
	struct term_key k = {.code = up ? KEYC_UP : KEYC_DOWN};
	char bytes[PANE_KEYS_MAX];

	if (!(modes & PANE_MODE_ALT)) {
		scroll_back(vt, up ? -WHEEL_LINES : WHEEL_LINES);
		return;
	}
	for (int i = 0; i < WHEEL_LINES; i++)
		terminal_type(vt->t, bytes, pane_keys_encode(&k, modes, bytes));
}

static bool mouse(struct view *v, const struct term_mouse *m)
{
	struct view_terminal *vt = of(v);
	const void *area = terminal_area(vt->t);
	struct pane_screen now = {0};
	bool is_wheel = m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN;
	char bytes[PANE_KEYS_MAX];
	size_t n = 0;

	if (!area || !pane_grid_screen(area, &now))
		return true;
	if (!vt->back && !(m->mods & KEY_MOD_SHIFT))
		n = pane_keys_mouse(m, now.modes, bytes);
	if (n > 0)
		terminal_type(vt->t, bytes, n);
	else if (is_wheel)
		wheel(vt, m->kind == MOUSE_WHEEL_UP, vt->back ? 0 : now.modes);
	else if (m->button == 1 || m->kind != MOUSE_PRESS)
		drag(vt, m);
	return true;
}

static bool action(struct view *v, int argc, char **argv)
{
	struct view_terminal *vt = of(v);
	const char *how = argc > 1 ? argv[1] : "";

	if (strcmp(argv[0], "terminal-copy") == 0) {
		look_back(vt);
		return true;
	}
	if (strcmp(argv[0], "scrollback") != 0)
		return false;
	if (!look_back(vt))
		return true;
	if (strcmp(how, "up") == 0)
		scroll_back(vt, -1);
	else if (strcmp(how, "down") == 0)
		scroll_back(vt, 1);
	else if (strcmp(how, "page-up") == 0)
		move_back(vt, -PAGE, 0);
	else if (strcmp(how, "page-down") == 0)
		move_back(vt, PAGE, 0);
	else if (strcmp(how, "top") == 0)
		move_back(vt, -FAR, 0);
	else if (strcmp(how, "bottom") == 0)
		leave_back(vt);
	return true;
}

static void focus(struct view *v, bool on)
{
	struct view_terminal *vt = of(v);
	const void *area = terminal_area(vt->t);
	struct pane_screen now;

	if (!on)
		set_shape(vt, 0);
	if (area && pane_grid_screen(area, &now) && now.modes & PANE_MODE_FOCUS)
		terminal_type(vt->t, on ? "\033[I" : "\033[O", 3);
}

/* One that was hidden before it was drawn must not hold the others up. */
static void tick(struct view *v, int64_t now_ms)
{
	terminal_drawn(of(v)->t->pending ? NULL : of(v)->t, shown_cb);
}

static bool quiet(struct view *v)
{
	return !terminal_waiting();
}

static const char *title(struct view *v)
{
	struct view_terminal *vt = of(v);

	terminal_label(vt->t, vt->label, sizeof(vt->label));
	return vt->label;
}

static const char *status(struct view *v)
{
	struct view_terminal *vt = of(v);
	const void *area = terminal_area(vt->t);

	if (vt->back)
		return "looking back: v select  y copy  / search  q end";
	vt->status[0] = '\0';
	if (area)
		pane_grid_title(area, vt->status, sizeof(vt->status));
	return vt->status;
}

static bool unsaved(struct view *v)
{
	return false;
}

static json_t *save(struct view *v)
{
	/* A shell comes again with the next session; a run does not. */
	return of(v)->t->arg[0] ? NULL : json_pack("{s:s}", "arg", "");
}

const struct view_ops view_terminal_ops = {
	.name = "terminal",
	.help = "A terminal in the project's container",
	.context = "terminal",
	.place = VIEW_BELOW,
	.many = true,
	.raw_keys = true,
	.create = create,
	.free = free_cb,
	.resize = resize,
	.draw = draw,
	.key = key,
	.mouse = mouse,
	.paste = paste,
	.action = action,
	.focus = focus,
	.tick = tick,
	.quiet = quiet,
	.title = title,
	.status = status,
	.unsaved = unsaved,
	.save = save,
};
