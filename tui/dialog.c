/*
 * Dialogs.
 *
 *     ┌ New project ───────────────────┐   focus runs 0..nfields-1 over the fields, then over
 *     │ Name         shop              │   the buttons; Tab and arrows move it
 *     │ Stack        ◂ django ▸        │
 *     │ Description                    │   error: what a check found, under the fields
 *     │                                │
 *     │   [ Create ]  [ Cancel ]       │
 *     └────────────────────────────────┘
 */
#include "tui/dialog.h"

#include <ctype.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/field.h"
#include "tui/text.h"

#define WIDTH 64

struct entry {
	char *label, *hint;
	struct field text;
	char **choices, **notes;
	int nchoices, chosen;
	uint64_t *with; /* of each choice, or NULL */
	const char *(*check)(const char *value);
};

struct dialog {
	char *title, *text;
	struct entry entries[DIALOG_FIELDS_MAX];
	int nfields;
	char *buttons[DIALOG_BUTTONS_MAX];
	int nbuttons;
	int focus;
	char *must_type;
	bool danger;
	const char *error; /* borrowed from a check, or a literal */
	int label_width;
	int button_row;    /* where the last draw put the buttons */
};

static char **copy_list(const char *const *list, int n)
{
	char **out = mem_array((size_t)n + 1, sizeof(*out));

	for (int i = 0; i < n; i++)
		out[i] = mem_strdup(list[i]);
	return out;
}

static void free_list(char **list, int n)
{
	for (int i = 0; list && i < n; i++)
		mem_free(list[i]);
	mem_free(list);
}

static void add_field(struct dialog *d, const struct dialog_field_spec *spec)
{
	struct entry *e = &d->entries[d->nfields++];
	const char *label = text_of(spec->label);
	int width = utf8_width(label, strlen(label));

	e->label = mem_strdup(label);
	e->hint = mem_strdup(text_of(spec->hint));
	e->check = spec->check;
	field_init(&e->text, spec->initial);
	if (spec->choices) {
		e->nchoices = spec->nchoices;
		e->choices = copy_list(spec->choices, spec->nchoices);
		e->notes = spec->notes ? copy_list(spec->notes, spec->nchoices) : NULL;
		if (spec->with && spec->nchoices > 0)
			e->with = mem_dup(spec->with, (size_t)spec->nchoices * sizeof(*e->with));
		for (int i = 0; i < e->nchoices; i++)
			if (spec->initial && strcmp(spec->initial, e->choices[i]) == 0)
				e->chosen = i;
	}
	if (width > d->label_width)
		d->label_width = width;
}

struct dialog *dialog_new(const char *title, const char *text,
    const struct dialog_field_spec *fields, int nfields, const char *const *buttons, int nbuttons)
{
	struct dialog *d = mem_alloc(sizeof(*d));

	d->title = mem_strdup(text_of(title));
	d->text = mem_strdup(text ? text_of(text) : "");
	for (int i = 0; i < nfields && i < DIALOG_FIELDS_MAX; i++)
		add_field(d, &fields[i]);
	for (int i = 0; i < nbuttons && i < DIALOG_BUTTONS_MAX; i++)
		d->buttons[d->nbuttons++] = mem_strdup(text_of(buttons[i]));
	return d;
}

void dialog_free(struct dialog *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->nfields; i++) {
		struct entry *e = &d->entries[i];
		mem_free(e->label);
		mem_free(e->hint);
		field_clear(&e->text);
		free_list(e->choices, e->nchoices);
		free_list(e->notes, e->nchoices);
		mem_free(e->with);
	}
	for (int i = 0; i < d->nbuttons; i++)
		mem_free(d->buttons[i]);
	mem_free(d->title);
	mem_free(d->text);
	mem_free(d->must_type);
	mem_free(d);
}

void dialog_must_type(struct dialog *d, const char *name)
{
	d->must_type = mem_strdup(name);
}

void dialog_set_danger(struct dialog *d, bool danger)
{
	d->danger = danger;
}

int dialog_button(const struct dialog *d)
{
	return d->focus - d->nfields;
}

const char *dialog_value(const struct dialog *d, int field)
{
	const struct entry *e;

	if (field < 0 || field >= d->nfields)
		return "";
	e = &d->entries[field];
	if (e->choices)
		return e->nchoices ? e->choices[e->chosen] : "";
	return e->text.text;
}

/* ---- keys ---- */

/* Button i was chosen: button 0 only with good fields. */
static enum dialog_state finish(struct dialog *d, int i)
{
	d->error = NULL;
	if (i == 0 && d->must_type && strcmp(dialog_value(d, 0), d->must_type) != 0) {
		d->error = "That is not the name.";
		d->focus = 0;
		return DIALOG_OPEN;
	}
	for (int f = 0; i == 0 && f < d->nfields; f++)
		if (d->entries[f].check &&
		    (d->error = d->entries[f].check(dialog_value(d, f)))) {
			d->focus = f;
			return DIALOG_OPEN;
		}
	d->focus = d->nfields + i;
	return DIALOG_DONE;
}

static void move_focus(struct dialog *d, int by)
{
	int n = d->nfields + d->nbuttons;

	if (n > 0)
		d->focus = (d->focus + by + n) % n;
}

/* Is choice i of this field one, with what the field before it says now? */
static bool offered(const struct dialog *d, const struct entry *e, int i)
{
	const struct entry *before = e == d->entries ? NULL : e - 1;

	return i == 0 || !e->with || !before || before->chosen > 63 || e->with[i] >> before->chosen & 1;
}

/* A choice that the field before does not leave falls back to the first. */
static void settle(struct dialog *d, struct entry *changed)
{
	struct entry *next = changed + 1;

	if (next < d->entries + d->nfields && next->choices && !offered(d, next, next->chosen))
		next->chosen = 0;
}

static bool choice_key(struct dialog *d, struct entry *e, const struct term_key *k)
{
	bool letter = k->code != ' ' && key_is_text(k);
	int by = k->code == KEYC_LEFT ? -1 : 1, at = e->chosen;

	if (e->nchoices == 0 || (!letter && k->code != KEYC_LEFT && k->code != KEYC_RIGHT && k->code != ' '))
		return false;
	for (int i = 0; i < e->nchoices; i++) {
		at = (at + by + e->nchoices) % e->nchoices;
		/* a letter goes to the next choice that begins with it */
		if (offered(d, e, at) && (!letter || tolower((unsigned char)e->choices[at][0]) ==
		    tolower((unsigned char)k->utf8[0]))) {
			e->chosen = at;
			break;
		}
	}
	settle(d, e);
	return true;
}

static int hot_button(const struct dialog *d, const struct term_key *k)
{
	for (int i = 0; i < d->nbuttons; i++) {
		const char *amp = strchr(d->buttons[i], '&');
		if (amp && k->code < 0x80 &&
		    tolower((unsigned char)amp[1]) == tolower((int)k->code))
			return i;
	}
	return -1;
}

static enum dialog_state button_key(struct dialog *d, const struct term_key *k)
{
	int hot;

	if (k->code == KEYC_ENTER || k->code == ' ')
		return finish(d, d->focus - d->nfields);
	if (k->code == KEYC_LEFT || k->code == KEYC_UP)
		move_focus(d, -1);
	else if (k->code == KEYC_RIGHT || k->code == KEYC_DOWN)
		move_focus(d, 1);
	else if (key_is_text(k) && (hot = hot_button(d, k)) >= 0)
		return finish(d, hot);
	return DIALOG_OPEN;
}

static enum dialog_state field_keys(struct dialog *d, const struct term_key *k)
{
	struct entry *e = &d->entries[d->focus];

	if (e->choices ? choice_key(d, e, k) : field_key(&e->text, k)) {
		d->error = NULL;
		return DIALOG_OPEN;
	}
	if (k->code == KEYC_ENTER && d->focus == d->nfields - 1)
		return finish(d, 0);
	if (k->code == KEYC_ENTER || k->code == KEYC_DOWN)
		move_focus(d, 1);
	else if (k->code == KEYC_UP)
		move_focus(d, -1);
	return DIALOG_OPEN;
}

enum dialog_state dialog_key(struct dialog *d, const struct term_key *k)
{
	if (k->code == KEYC_ESC || key_is(k, "C-c") || key_is(k, "C-q"))
		return DIALOG_CANCELLED;
	if (k->code == KEYC_TAB) {
		move_focus(d, k->mods & KEY_MOD_SHIFT ? -1 : 1);
		return DIALOG_OPEN;
	}
	return d->focus < d->nfields ? field_keys(d, k) : button_key(d, k);
}

void dialog_paste(struct dialog *d, const char *text, size_t n)
{
	if (d->focus < d->nfields && !d->entries[d->focus].choices)
		field_paste(&d->entries[d->focus].text, text, n);
}

/* ---- drawing ---- */

/* Draw (or with draw false only measure) wrapped text; returns its lines. */
static int wrapped(const char *s, int y, int x, int w, const struct term_style *st, bool draw)
{
	int lines = 0;

	while (*s) {
		size_t n = strcspn(s, "\n"), fit = utf8_fit(s, n, w, NULL);
		if (fit < n) { /* break at the last blank that fits */
			size_t back = fit;
			while (back > 0 && s[back] != ' ')
				back--;
			fit = back ? back : fit;
		}
		if (fit == 0 && n > 0)
			break;
		if (draw)
			term_text(y + lines, x, w, st, s, (int)fit);
		lines++;
		s += fit;
		if (*s == '\n' || *s == ' ')
			s++;
	}
	return lines;
}

static int width_for(int cols)
{
	return cols - 4 < WIDTH ? cols - 4 : WIDTH;
}

struct rect dialog_rect(const struct dialog *d, int rows, int cols)
{
	struct rect r = { .w = width_for(cols) };
	int text = wrapped(d->text, 0, 0, r.w - 4, NULL, false);

	r.h = 2 + text + (text ? 1 : 0) + d->nfields + (d->nfields ? 2 : 0) + 1;
	if (r.h > rows)
		r.h = rows;
	r.y = (rows - r.h) / 3;
	r.x = (cols - r.w) / 2;
	return r;
}

static void draw_field(struct dialog *d, int i, int y)
{
	struct entry *e = &d->entries[i];
	bool on = d->focus == i;
	int x = 3 + d->label_width, w = term_width() - x - 2;
	const struct term_style *st = term_theme(on ? THEME_INPUT : THEME_BAR);

	term_text(y, 2, d->label_width, term_theme(THEME_TEXT), e->label, -1);
	if (!e->choices) {
		field_draw(&e->text, y, x, w, st, on);
		return;
	}
	term_fill(y, x, w, st, ' ');
	if (e->nchoices == 0)
		term_text(y, x, w, st, text_of("(none)"), -1);
	else if (e->notes)
		term_textf(y, x, w, st, "< %s >  %s", e->choices[e->chosen], e->notes[e->chosen]);
	else
		term_textf(y, x, w, st, "< %s >", e->choices[e->chosen]);
	if (on)
		term_cursor(y, x);
}

static int draw_label(int y, int x, const char *label, const struct term_style *st)
{
	const char *amp = strchr(label, '&');
	struct term_style hot = *st;
	int at = x;

	hot.attr |= TERM_UNDERLINE;
	at += term_text(y, at, term_width(), st, "[ ", 2);
	if (amp) {
		at += term_text(y, at, term_width(), st, label, (int)(amp - label));
		at += term_text(y, at, term_width(), &hot, amp + 1, 1);
		label = amp + 2;
	}
	at += term_text(y, at, term_width(), st, label, -1);
	at += term_text(y, at, term_width(), st, " ]", 2);
	return at - x;
}

static void draw_buttons(struct dialog *d, int y)
{
	int x = 2;

	d->button_row = y;
	for (int i = 0; i < d->nbuttons; i++) {
		bool on = d->focus == d->nfields + i;
		x += draw_label(y, x, d->buttons[i],
			 term_theme(on ? THEME_SELECTED : THEME_TEXT)) + 2;
	}
}

void dialog_draw(struct dialog *d)
{
	struct rect all = { 0, 0, term_height(), term_width() };
	const struct term_style *line = term_theme(d->danger ? THEME_PROD : THEME_BORDER_FOCUS);
	int y = 1, lines;

	term_clear(term_theme(THEME_TEXT));
	term_box(&all, line, d->title, d->danger ? line : term_theme(THEME_TITLE_FOCUS));
	lines = wrapped(d->text, y, 2, all.w - 4, term_theme(THEME_TEXT), true);
	y += lines + (lines ? 1 : 0);
	for (int i = 0; i < d->nfields; i++)
		draw_field(d, i, y++);
	if (d->error)
		term_text(y, 2, all.w - 4, term_theme(THEME_ERROR), text_of(d->error), -1);
	else if (d->focus < d->nfields && d->entries[d->focus].hint)
		term_text(y, 2, all.w - 4, term_theme(THEME_DIM), d->entries[d->focus].hint, -1);
	draw_buttons(d, all.h - 2);
}

enum dialog_state dialog_mouse(struct dialog *d, int y, int x)
{
	int at = 2;

	if (y != d->button_row)
		return DIALOG_OPEN;
	for (int i = 0; i < d->nbuttons; i++) {
		const char *label = d->buttons[i];
		int w = utf8_width(label, strlen(label)) + 4 - (strchr(label, '&') ? 1 : 0);
		if (x >= at && x < at + w)
			return finish(d, i);
		at += w + 2;
	}
	return DIALOG_OPEN;
}
