/*
 * Find and replace: a bar at the bottom of the editor.  The search runs while the pattern is typed,
 * in steps between the loop's other work, so that a 1 GB file stops nothing.
 *
 *      Find     rows_                       2 lines when replacing; keys are in the bar's right end
 *      Replace  items_
 */
#include "tui/editor_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "editor/motion.h"

#define LABEL 9
#define NOTE_MIN 24
#define SPANS_BUDGET ((size_t)256 << 10)
#define REPLACE_TURNS 2000 /* replacements in one step of the loop */

static void begin(struct editor *e, size_t from, bool back);
static void step_cb(void *arg);
static void replace_one(struct editor *e);
static void replace_all(struct editor *e);

static void stop(struct editor *e)
{
	ui_timer_stop(e->find_timer);
	e->find_timer = NULL;
	e->find.running = e->find.all = false;
}

/* The pattern or its options changed. */
static void compile(struct editor *e)
{
	struct editor_find *f = &e->find;
	struct cl_err err = { 0 };

	stop(e);
	search_free(f->search);
	f->search = NULL;
	f->note[0] = '\0';
	if (f->pattern.len == 0)
		return;
	f->search = search_new(f->pattern.text, f->pattern.len, f->flags, &err);
	if (!f->search)
		mem_copy_str(f->note, sizeof(f->note), strncmp(err.message, "search: ", 8) == 0
		    ? err.message + 8 : err.message);
}

void editor_find_open(struct editor *e, enum editor_bar bar, const char *pattern)
{
	struct editor_find *f = &e->find;
	size_t start, end;

	if (bar == EDITOR_BAR_REPLACE && !editor_may_edit(e))
		return;
	f->origin = e->cursor;
	if (f->bar == EDITOR_BAR_NONE && editor_selection(e, &start, &end) && end - start < 200) {
		size_t n;
		cl_autofree char *chosen = text_take(e->file->text, start, end - start, &n);

		if (!memchr(chosen, '\n', n) && strlen(chosen) == n)
			field_set(&f->pattern, chosen);
		f->origin = start;
	}
	f->on_with = false;
	f->bar = bar;
	if (pattern)
		field_set(&f->pattern, pattern);
	compile(e);
	if (pattern && f->search)
		begin(e, f->origin, false);
	editor_moved(e);
}

void editor_find_close(struct editor *e)
{
	stop(e);
	e->find.bar = EDITOR_BAR_NONE;
	editor_moved(e);
}

void editor_find_step(struct editor *e, bool back)
{
	size_t start = e->cursor, end = e->cursor;

	if (!e->find.search) {
		if (e->find.bar == EDITOR_BAR_NONE)
			editor_find_open(e, EDITOR_BAR_FIND, NULL);
		return;
	}
	editor_selection(e, &start, &end);
	begin(e, back ? start : end, back);
}

/* Look from there to the end of the text, then from its other end. */
static void begin(struct editor *e, size_t from, bool back)
{
	struct editor_find *f = &e->find;

	stop(e);
	f->note[0] = '\0';
	f->scan = (struct search_scan){ .pos = from, .back = back, .limit = back ? 0 : SIZE_MAX };
	f->origin = from;
	f->running = true;
	f->wrapped = false;
	step_cb(e);
}

static void later(struct editor *e)
{
	if (!e->find_timer)
		e->find_timer = ui_timer_start(e->view.ui, 1, 1, step_cb, e);
}

static void found(struct editor *e)
{
	struct editor_find *f = &e->find;

	e->anchor = f->scan.start;
	e->cursor = f->scan.end;
	e->want = EDITOR_NONE;
	stop(e);
	if (f->wrapped)
		mem_copy_str(f->note, sizeof(f->note), "from the other end");
	editor_moved(e);
}

static void step_cb(void *arg)
{
	struct editor *e = arg;
	struct editor_find *f = &e->find;
	struct cl_err err = { 0 };

	if (e->saving || !f->search || !(f->running || f->all)) {
		if (!e->saving)
			stop(e);
		return;
	}
	if (f->all) {
		replace_all(e);
		return;
	}
	switch (search_step(f->search, e->file->text, &f->scan, SEARCH_BUDGET, &err)) {
	case SEARCH_FOUND:
		found(e);
		return;
	case SEARCH_MORE:
		mem_copy_str(f->note, sizeof(f->note), "searching…");
		later(e);
		break;
	case SEARCH_FAILED:
		stop(e);
		mem_copy_str(f->note, sizeof(f->note), err.message);
		break;
	case SEARCH_NONE:
		if (!f->wrapped) {
			f->wrapped = true;
			/* Up to where it began, and a little past it for a match across. */
			f->scan.pos = f->scan.back ? text_len(e->file->text) : 0;
			f->scan.limit = f->origin;
			later(e);
			break;
		}
		stop(e);
		snprintf(f->note, sizeof(f->note), "not found");
		if (f->bar == EDITOR_BAR_NONE)
			ui_message(e->view.ui, UI_INFO, "%s: not found", f->pattern.text);
		break;
	}
	view_redraw(&e->view);
}

/* ---- replacing ---- */

static bool replace_match(struct editor *e, const struct search_scan *scan, size_t *len)
{
	struct editor_find *f = &e->find;
	struct cl_err err = { 0 };
	struct buf out;
	bool ok;

	buf_init(&out, SEARCH_MATCH_MAX);
	ok = search_expand(f->search, e->file->text, scan, f->with.text, f->with.len, &out, &err) == 0;
	if (!ok)
		mem_copy_str(f->note, sizeof(f->note), err.message);
	else
		ok = editor_replace(e, scan->start, scan->end - scan->start, out.data ? out.data : "",
		    out.len);
	*len = out.len;
	buf_clear(&out);
	return ok;
}

/* The match that is selected, if it is one; then on to the next. */
static void replace_one(struct editor *e)
{
	struct editor_find *f = &e->find;
	struct search_scan scan = { 0 };
	size_t start, end, n;

	if (!f->search || !editor_may_edit(e))
		return;
	if (editor_selection(e, &start, &end)) {
		scan.pos = start;
		scan.limit = start + 1;
		if (search_step(f->search, e->file->text, &scan, SEARCH_BUDGET, NULL) ==
		    SEARCH_FOUND && scan.start == start && scan.end == end) {
			text_step(e->file->text, TEXT_OTHER, clock_ms());
			if (!replace_match(e, &scan, &n))
				return;
		}
	}
	begin(e, e->cursor, false);
}

static void replace_all(struct editor *e)
{
	struct editor_find *f = &e->find;
	struct cl_err err = { 0 };
	enum search_result r = SEARCH_MORE;
	size_t n;

	if (!f->all) {
		if (!f->search || !editor_may_edit(e))
			return;
		stop(e);
		f->all = true;
		f->count = 0;
		f->scan = (struct search_scan){ .limit = SIZE_MAX };
		text_step(e->file->text, TEXT_OTHER, clock_ms());
	}
	for (int i = 0; i < REPLACE_TURNS; i++) {
		r = search_step(f->search, e->file->text, &f->scan, SEARCH_BUDGET, &err);
		if (r != SEARCH_FOUND)
			break;
		if (!replace_match(e, &f->scan, &n)) {
			stop(e);
			return;
		}
		f->scan.pos = f->scan.start + n;
		f->count++;
		r = SEARCH_MORE;
	}
	if (r == SEARCH_MORE) {
		later(e);
		return;
	}
	stop(e);
	if (r == SEARCH_FAILED)
		mem_copy_str(f->note, sizeof(f->note), err.message);
	else
		snprintf(f->note, sizeof(f->note), "%zu replaced", f->count);
	editor_moved(e);
}

/* ---- the bar ---- */

static void toggle(struct editor *e, unsigned flag)
{
	e->find.flags ^= flag;
	compile(e);
	if (e->find.search)
		begin(e, e->find.origin, false);
}

static bool option_key(struct editor *e, const struct term_key *k)
{
	if (key_is(k, "M-r"))
		toggle(e, SEARCH_REGEX);
	else if (key_is(k, "M-c"))
		toggle(e, SEARCH_CASE);
	else if (key_is(k, "M-a") && e->find.bar == EDITOR_BAR_REPLACE)
		replace_all(e);
	else
		return false;
	return true;
}

bool editor_find_key(struct editor *e, const struct term_key *k)
{
	struct editor_find *f = &e->find;
	struct field *field = f->on_with ? &f->with : &f->pattern;

	if (key_is(k, "Esc"))
		editor_find_close(e);
	else if (key_is(k, "Enter") && f->bar == EDITOR_BAR_REPLACE)
		replace_one(e);
	else if (key_is(k, "Enter") || key_is(k, "Down"))
		editor_find_step(e, false);
	else if (key_is(k, "Up") || key_is(k, "S-Enter"))
		editor_find_step(e, true);
	else if (key_is(k, "Tab") && f->bar == EDITOR_BAR_REPLACE)
		f->on_with = !f->on_with;
	else if (!option_key(e, k)) {
		if (!field_key(field, k))
			return false;
		if (!f->on_with) {
			compile(e);
			if (f->search)
				begin(e, f->origin, false);
		}
	}
	view_redraw(&e->view);
	return true;
}

void editor_find_paste(struct editor *e, const char *text, size_t n)
{
	struct editor_find *f = &e->find;

	field_paste(f->on_with ? &f->with : &f->pattern, text, n < 1024 ? n : 1024);
	if (!f->on_with) {
		compile(e);
		if (f->search)
			begin(e, f->origin, false);
	}
	view_redraw(&e->view);
}

static void draw_field(struct editor *e, int y, const char *label, const struct field *field, int w,
    bool focused)
{
	term_fill(y, 0, e->width, term_theme(THEME_BAR), ' ');
	term_text(y, 1, LABEL - 1, term_theme(THEME_BAR_KEY), label, -1);
	field_draw(field, y, LABEL, w, term_theme(THEME_INPUT), focused);
}

void editor_find_draw(struct editor *e, int y)
{
	const struct editor_find *f = &e->find;
	bool focused = e->view.focused;
	char note[700];
	int w;

	/* What went wrong needs the room that the options have otherwise. */
	snprintf(note, sizeof(note), f->search || f->pattern.len == 0 ? "%s  M-r %s  M-c %s%s" : "%s",
	    f->note, f->flags & SEARCH_REGEX ? "[regex]" : "regex",
	    f->flags & SEARCH_CASE ? "[case]" : "case",
	    f->bar == EDITOR_BAR_REPLACE ? "  M-a all" : "");
	w = e->width - LABEL - 1 - (e->width > 60 ? e->width / 2 : NOTE_MIN);
	if (w < 8)
		w = e->width - LABEL - 1;
	if (w < 1)
		return;
	draw_field(e, y, "Find", &f->pattern, w, focused && !f->on_with);
	term_text(y, LABEL + w + 1, e->width - LABEL - w - 1, term_theme(THEME_BAR), note, -1);
	if (f->bar == EDITOR_BAR_REPLACE)
		draw_field(e, y + 1, "Replace", &f->with, w, focused && f->on_with);
}

int editor_find_spans(struct editor *e, size_t from, size_t to, struct editor_span *out, int max)
{
	struct search_scan scan = { .pos = from, .limit = to };
	struct term_style style = *term_theme(THEME_TEXT);
	int n = 0;

	style.attr |= TERM_UNDERLINE | TERM_BOLD;
	if (!e->find.search || e->find.bar == EDITOR_BAR_NONE)
		return 0;
	while (n < max && search_step(e->find.search, e->file->text, &scan, SPANS_BUDGET, NULL) ==
	    SEARCH_FOUND) {
		out[n++] = (struct editor_span){ scan.start, scan.end, style };
		scan.pos = scan.end;
	}
	return n;
}
