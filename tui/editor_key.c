/* Keys, mouse, pasting and the clipboard of the editor: everything that moves or types. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "editor/motion.h"
#include "editor/row.h"
#include "tui/editor_internal.h"

#define INDENT_MAX 256
#define CLIP_MAX ((size_t)1 << 20)

static bool move(struct editor *e, const struct term_key *k);
static bool edit(struct editor *e, const struct term_key *k);

bool editor_key_press(struct editor *e, const struct term_key *k)
{
	if (move(e, k))
		return true;
	if (key_is(k, "Esc")) {
		e->anchor = EDITOR_NONE;
		view_redraw(&e->view);
		return true;
	}
	return edit(e, k);
}

/* ---- moving ---- */

static size_t vertical(struct editor *e, size_t pos, int rows)
{
	struct text *t = e->file->text;

	if (e->want == EDITOR_NONE)
		e->want = row_column(t, pos, e->tab);
	return motion_rows(t, pos, rows, e->want, e->tab);
}

/* Where an arrow or its like leads from pos, or EDITOR_NONE for other keys. */
static size_t target(struct editor *e, const struct term_key *k, size_t pos, bool *keep_want)
{
	struct text *t = e->file->text;
	bool ctrl = k->mods & KEY_MOD_CTRL;
	int page = e->height > 2 ? e->height - 2 : 1;

	switch (k->code) {
	case KEYC_LEFT:
		return ctrl ? motion_word_prev(t, pos) : motion_prev(t, pos);
	case KEYC_RIGHT:
		return ctrl ? motion_word_next(t, pos) : motion_next(t, pos);
	case KEYC_HOME:
		return ctrl ? 0 : motion_row_start(t, pos);
	case KEYC_END:
		return ctrl ? text_len(t) : row_end(t, pos);
	case KEYC_UP:
	case KEYC_DOWN:
	case KEYC_PGUP:
	case KEYC_PGDN:
		*keep_want = true;
		if (k->code == KEYC_UP || k->code == KEYC_DOWN)
			page = 1;
		return vertical(e, pos,
		    k->code == KEYC_UP || k->code == KEYC_PGUP ? -page : page);
	default:
		return EDITOR_NONE;
	}
}

static bool move(struct editor *e, const struct term_key *k)
{
	size_t start, end, to;
	bool keep = false, shift = k->mods & KEY_MOD_SHIFT;

	if (k->mods & KEY_MOD_ALT || (to = target(e, k, e->cursor, &keep)) == EDITOR_NONE)
		return false;
	if (shift && e->anchor == EDITOR_NONE)
		e->anchor = e->cursor;
	if (!shift) {
		/* Left and Right leave a selection at its end. */
		if (editor_selection(e, &start, &end) && !(k->mods & KEY_MOD_CTRL)) {
			to = k->code == KEYC_LEFT ? start : k->code == KEYC_RIGHT ? end : to;
		}
		e->anchor = EDITOR_NONE;
	}
	if (!keep)
		e->want = EDITOR_NONE;
	e->cursor = to;
	editor_moved(e);
	return true;
}

/* ---- typing ---- */

static const char *newline(const struct editor *e)
{
	return e->file->crlf ? "\r\n" : "\n";
}

/* One edit by a key: the selection goes, then the text comes. */
static void type(struct editor *e, enum text_kind kind, const char *ins, size_t n)
{
	size_t start = e->cursor, end = e->cursor;

	if (!editor_may_edit(e))
		return;
	editor_selection(e, &start, &end);
	text_step(e->file->text, start != end ? TEXT_OTHER : kind, clock_ms());
	editor_replace(e, start, end - start, ins, n);
}

/* A new line begins with the indent of this one, one level more after ':' or an open bracket. */
static void enter(struct editor *e)
{
	struct text *t = e->file->text;
	size_t row = row_start(t, e->cursor), n = motion_indent(t, row), len;
	char out[INDENT_MAX + 32], last = 0;

	if (row + n > e->cursor)
		n = e->cursor - row;
	if (n > INDENT_MAX)
		n = INDENT_MAX;
	len = strlen(newline(e));
	memcpy(out, newline(e), len);
	len += text_copy(t, row, out + len, n);
	if (e->cursor > row)
		text_copy(t, e->cursor - 1, &last, 1);
	if (last != 0 && strchr(":{[(", last) != NULL) {
		int width = e->spaces ? e->tab : 1;

		memset(out + len, e->spaces ? ' ' : '\t', (size_t)width);
		len += (size_t)width;
	}
	type(e, TEXT_TYPE, out, len);
}

static void tab(struct editor *e)
{
	static const char blanks[] = "                ";
	size_t col = row_column(e->file->text, e->cursor, e->tab);

	if (e->spaces)
		type(e, TEXT_TYPE, blanks, (size_t)e->tab - col % (size_t)e->tab);
	else
		type(e, TEXT_TYPE, "\t", 1);
}

/* Bytes of one indent level at the row's start, 0: none. */
static size_t level_at(struct editor *e, size_t row)
{
	size_t n = 0;
	char c;

	while (n < (size_t)e->tab && text_copy(e->file->text, row + n, &c, 1) == 1) {
		if (c == '\t')
			return n + 1;
		if (c != ' ')
			break;
		n++;
	}
	return n;
}

/* Tab and S-Tab with a selection: its rows, last first, so that earlier positions stay. */
static void indent_rows(struct editor *e, bool out)
{
	static const char blanks[] = "                ";
	struct text *t = e->file->text;
	size_t start = e->cursor, end = e->cursor, row;
	int mark_a, mark_c, turns = 0;

	if (!editor_may_edit(e))
		return;
	editor_selection(e, &start, &end);
	mark_a = text_mark_add(t, e->anchor == EDITOR_NONE ? e->cursor : e->anchor, true);
	mark_c = text_mark_add(t, e->cursor, true);
	text_step(t, TEXT_OTHER, clock_ms());
	if (end > start && row_start(t, end) == end)
		end--;
	for (row = row_start(t, end); turns < 100000; row = row_prev(t, row), turns++) {
		if (out)
			text_delete(t, row, level_at(e, row), NULL);
		else if (row_end(t, row) > row)
			text_insert(t, row, e->spaces ? blanks : "\t",
			    e->spaces ? (size_t)e->tab : 1, NULL);
		if (row <= start)
			break;
	}
	if (e->anchor != EDITOR_NONE)
		e->anchor = text_mark(t, mark_a);
	e->cursor = text_mark(t, mark_c);
	e->want = EDITOR_NONE;
	text_mark_remove(t, mark_a);
	text_mark_remove(t, mark_c);
	editor_moved(e);
}

/* Backspace in the indent takes a level of blanks at once. */
static size_t back_from(struct editor *e, bool word)
{
	struct text *t = e->file->text;
	size_t row = row_start(t, e->cursor), in = e->cursor - row, n = (size_t)e->tab;
	char c[16];

	if (word)
		return motion_word_prev(t, e->cursor);
	if (e->spaces && in > 0 && in <= motion_indent(t, row)) {
		n = in % n == 0 ? n : in % n;
		if (n <= sizeof(c) && text_copy(t, e->cursor - n, c, n) == n && !memchr(c, '\t', n))
			return e->cursor - n;
	}
	return motion_prev(t, e->cursor);
}

static void erase(struct editor *e, bool back, bool word)
{
	struct text *t = e->file->text;
	size_t start, end;

	if (!editor_may_edit(e))
		return;
	if (editor_selection(e, &start, &end)) {
		text_step(t, TEXT_OTHER, clock_ms());
	} else {
		start = back ? back_from(e, word) : e->cursor;
		end = back ? e->cursor : word ? motion_word_next(t, e->cursor) : motion_next(t, e->cursor);
		text_step(t, TEXT_ERASE, clock_ms());
	}
	if (end > start)
		editor_replace(e, start, end - start, "", 0);
}

static bool edit(struct editor *e, const struct term_key *k)
{
	bool ctrl = k->mods & KEY_MOD_CTRL;
	size_t start, end;

	if (k->mods & KEY_MOD_ALT)
		return false;
	switch (k->code) {
	case KEYC_ENTER:
		enter(e);
		return true;
	case KEYC_TAB:
		if (k->mods & KEY_MOD_SHIFT || editor_selection(e, &start, &end))
			indent_rows(e, k->mods & KEY_MOD_SHIFT);
		else
			tab(e);
		return true;
	case KEYC_BACKSPACE:
		erase(e, true, ctrl);
		return true;
	case KEYC_DEL:
		erase(e, false, ctrl);
		return true;
	default:
		if (!key_is_text(k))
			return false;
		type(e, TEXT_TYPE, k->utf8, strlen(k->utf8));
		return true;
	}
}

/* ---- pasting, clipboard, mouse ---- */

bool editor_key_paste(struct editor *e, const char *text, size_t n)
{
	cl_autofree char *out = NULL;
	size_t len = 0;

	if (n == 0)
		return true;
	/* Line ends become the file's own; the rest goes in as it is, and is shown escaped. */
	out = mem_array(n, 2);
	for (size_t i = 0; i < n; i++) {
		bool cr = text[i] == '\r', lf = text[i] == '\n';

		if (cr && i + 1 < n && text[i + 1] == '\n')
			continue;
		if (!cr && !lf) {
			out[len++] = text[i];
			continue;
		}
		if (e->file->crlf)
			out[len++] = '\r';
		out[len++] = '\n';
	}
	type(e, TEXT_OTHER, out, len);
	return true;
}

void editor_key_clip(struct editor *e, bool cut)
{
	struct text *t = e->file->text;
	cl_autofree char *copy = NULL;
	size_t start, end, n;

	if (!editor_selection(e, &start, &end)) { /* nothing selected: the whole row */
		start = row_start(t, e->cursor);
		end = row_next(t, e->cursor);
	}
	if (end - start > CLIP_MAX) {
		ui_message(e->view.ui, UI_WARN, "the clipboard takes at most %zu KiB", CLIP_MAX >> 10);
		return;
	}
	copy = text_take(t, start, end - start, &n);
	if (n == 0 || (cut && !editor_may_edit(e)))
		return;
	ui_clip_set(e->view.ui, copy, n);
	if (cut) {
		text_step(t, TEXT_OTHER, clock_ms());
		editor_replace(e, start, end - start, "", 0);
	}
}

bool editor_key_mouse(struct editor *e, const struct term_mouse *m)
{
	struct text *t = e->file->text;

	if (e->saving)
		return true;
	switch (m->kind) {
	case MOUSE_PRESS:
		if (m->button != 1)
			return false;
		e->cursor = editor_draw_pos(e, m->y, m->x);
		e->anchor = e->cursor;
		break;
	case MOUSE_DRAG:
		e->cursor = editor_draw_pos(e, m->y, m->x);
		break;
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		for (int i = 0; i < 3; i++)
			e->top = m->kind == MOUSE_WHEEL_UP ? row_prev(t, e->top)
			    : row_is_last(t, e->top) ? e->top : row_next(t, e->top);
		view_redraw(&e->view);
		return true;
	default:
		return false;
	}
	e->want = EDITOR_NONE;
	editor_moved(e);
	return true;
}
