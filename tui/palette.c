/* The command palette. */
#include "tui/palette.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "engine/client/verb.h"
#include "tui/action.h"
#include "tui/field.h"
#include "tui/fuzzy.h"
#include "tui/keymap.h"
#include "tui/term.h"
#include "tui/text.h"

#define ROWS 12
#define WIDTH 72

struct entry {
	const char *name, *args, *help;
	int score;
};

struct palette {
	struct field field;
	struct entry *all;  /* everything offered here */
	int nall;
	struct entry *hits; /* what fits the typed text, best first */
	int nhits, chosen, top;
	char *run;
};

static void add(struct palette *p, const char *name, const char *args, const char *help)
{
	p->all = mem_resize(p->all, (size_t)p->nall + 1, sizeof(*p->all));
	p->all[p->nall++] = (struct entry){ name, args, help, 0 };
}

static int by_score(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->score != y->score ? y->score - x->score : strcmp(x->name, y->name);
}

/* The name itself counts most; a help text with every typed word still finds it. */
static int score(const struct entry *e, const char *typed)
{
	int name = fuzzy_score(typed, e->name);

	if (name >= 0)
		return name + 1000;
	return strlen(typed) > 2 && fuzzy_has_words(typed, e->help) ? 1 : -1;
}

static void filter(struct palette *p)
{
	size_t len;

	p->nhits = p->chosen = p->top = 0;
	for (int i = 0; i < p->nall; i++) {
		struct entry e = p->all[i];
		len = strlen(e.name);
		/* while the arguments are typed, the command stays in sight */
		if (strncmp(p->field.text, e.name, len) == 0 && p->field.text[len] == ' ')
			e.score = 5000 + (int)len;
		else
			e.score = score(&e, p->field.text);
		if (e.score >= 0)
			p->hits[p->nhits++] = e;
	}
	qsort(p->hits, (size_t)p->nhits, sizeof(*p->hits), by_score);
}

struct palette *palette_new(const char *context, bool project, const char *initial)
{
	struct palette *p = mem_alloc(sizeof(*p));

	field_init(&p->field, initial);
	for (const struct action *a = action_table; a->name; a++)
		if (a->palette && (!a->context || strcmp(a->context, context) == 0) &&
		    (project || !action_needs_project(a->name)))
			add(p, a->name, a->args, a->help);
	for (const struct verb *v = verb_table; v->name; v++)
		if (!(v->flags & VERB_NO_IDE) && (project || !(v->flags & VERB_PROJECT)))
			add(p, v->name, v->args ? v->args : "", v->help ? v->help : "");
	p->hits = mem_array((size_t)p->nall + 1, sizeof(*p->hits));
	filter(p);
	return p;
}

void palette_free(struct palette *p)
{
	if (!p)
		return;
	field_clear(&p->field);
	mem_free(p->all);
	mem_free(p->hits);
	mem_free(p->run);
	mem_free(p);
}

const char *palette_text(const struct palette *p)
{
	return p->run ? p->run : "";
}

/* Does the typed text hold a whole command and something after it? */
static bool complete(const struct palette *p, const struct entry *e)
{
	size_t n = strlen(e->name);

	return strncmp(p->field.text, e->name, n) == 0 &&
	       (p->field.text[n] == ' ' || p->field.text[n] == 0);
}

static enum palette_state enter(struct palette *p)
{
	const struct entry *e = p->nhits ? &p->hits[p->chosen] : NULL;
	bool typed = e && complete(p, e) && strlen(p->field.text) > strlen(e->name) + 1;

	mem_free(p->run);
	p->run = NULL;
	if (!e || typed) { /* run what was typed: an unknown command says so itself */
		p->run = mem_strdup(p->field.text);
		return p->field.len ? PALETTE_RUN : PALETTE_CLOSED;
	}
	if (e->args[0] && e->args[0] != '[' && e->args[0] != '-') {
		cl_autofree char *line = mem_printf("%s ", e->name);
		field_set(&p->field, line);
		filter(p);
		return PALETTE_OPEN;
	}
	p->run = mem_strdup(e->name);
	return PALETTE_RUN;
}

static void move_choice(struct palette *p, int by)
{
	p->chosen += by;
	if (p->chosen >= p->nhits)
		p->chosen = p->nhits - 1;
	if (p->chosen < 0)
		p->chosen = 0;
	if (p->chosen < p->top)
		p->top = p->chosen;
	if (p->chosen >= p->top + ROWS)
		p->top = p->chosen - ROWS + 1;
}

enum palette_state palette_key(struct palette *p, const struct term_key *k)
{
	if (k->code == KEYC_ESC || key_is(k, "C-c") || key_is(k, "C-q") || key_is(k, "F2"))
		return PALETTE_CLOSED;
	if (k->code == KEYC_ENTER)
		return enter(p);
	if (k->code == KEYC_DOWN || key_is(k, "C-n"))
		move_choice(p, 1);
	else if (k->code == KEYC_UP || key_is(k, "C-p"))
		move_choice(p, -1);
	else if (k->code == KEYC_PGDN)
		move_choice(p, ROWS);
	else if (k->code == KEYC_PGUP)
		move_choice(p, -ROWS);
	else if (k->code == KEYC_TAB && p->nhits) {
		cl_autofree char *line = mem_printf("%s ", p->hits[p->chosen].name);
		field_set(&p->field, line);
		filter(p);
	} else if (field_key(&p->field, k))
		filter(p);
	return PALETTE_OPEN;
}

void palette_paste(struct palette *p, const char *text, size_t n)
{
	field_paste(&p->field, text, n);
	filter(p);
}

struct rect palette_rect(int rows, int cols)
{
	struct rect r = { 1, 0, ROWS + 3, cols - 4 < WIDTH ? cols - 4 : WIDTH };

	if (r.h > rows - 2)
		r.h = rows - 2;
	r.x = (cols - r.w) / 2;
	return r;
}

enum palette_state palette_mouse(struct palette *p, const struct term_mouse *m, int rows, int cols)
{
	struct rect r = palette_rect(rows, cols);
	int row = m->y - r.y - 2;

	if (m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN)
		move_choice(p, m->kind == MOUSE_WHEEL_UP ? -1 : 1);
	if (m->kind != MOUSE_PRESS)
		return PALETTE_OPEN;
	if (!rect_has(&r, m->y, m->x))
		return PALETTE_CLOSED;
	if (row < 0 || row >= r.h - 3 || p->top + row >= p->nhits)
		return PALETTE_OPEN;
	p->chosen = p->top + row;
	return enter(p);
}

static const char *key_of(const char *name)
{
	for (const struct keymap_row *r = keymap_table; r->context; r++)
		if (strcmp(r->text, name) == 0)
			return r->key;
	return "";
}

static void draw_row(const struct palette *p, int y, int i)
{
	const struct entry *e = &p->hits[i];
	const struct term_style *st = term_theme(i == p->chosen ? THEME_SELECTED : THEME_TEXT);
	const struct term_style *dim = term_theme(i == p->chosen ? THEME_SELECTED : THEME_DIM);
	const char *key = key_of(e->name);
	int w = term_width() - 2, x = 2, right = (int)strlen(key) + 1;

	term_fill(y, 1, w, st, ' ');
	x += term_text(y, x, w - x - right, st, e->name, -1) + 1;
	if (e->args[0])
		x += term_text(y, x, (w - x) / 2, dim, e->args, -1) + 1;
	x = x < 30 ? 30 : x + 1;
	term_text(y, x, w - x - right, dim, e->help, -1);
	term_text(y, w - right + 1, right, dim, key, -1);
}

void palette_draw(struct palette *p)
{
	struct rect all = { 0, 0, term_height(), term_width() };

	term_clear(term_theme(THEME_TEXT));
	term_box(&all, term_theme(THEME_BORDER_FOCUS), text_of("Palette"), term_theme(THEME_TITLE_FOCUS));
	term_text(1, 2, 1, term_theme(THEME_HEADING), ":", 1);
	field_draw(&p->field, 1, 3, all.w - 5, term_theme(THEME_INPUT), true);
	for (int i = 0; i < all.h - 3 && p->top + i < p->nhits; i++)
		draw_row(p, 2 + i, p->top + i);
	if (p->nhits == 0)
		term_text(2, 2, all.w - 4, term_theme(THEME_DIM), text_of("nothing fits; Enter tries it"), -1);
}
