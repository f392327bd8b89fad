/*
 * Ctrl-P: a file by a few letters of its name.  A worker thread walks the project (with ceilings, and
 * past folders that hold what others wrote); the list is ranked again at each key.
 *
 *      vws_
 *      shop/views.py          Enter opens, Esc leaves
 *      shop/tests/views.py
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/field.h"
#include "tui/fuzzy.h"
#include "tui/tree_internal.h"
#include "tui/ui.h"

#define FILES_MAX 50000
#define WALK_MS 3000
#define SHOWN_MAX 200

struct paths {
	char **names; /* owned, each beneath the project */
	size_t n, cap;
};

struct walk { /* outlives the view when that is closed early */
	int root;
	struct paths files;
	bool cut, dead;
	struct pick *pick;
};

struct hit {
	int score;
	const char *name;
};

struct pick {
	struct view view; /* first */
	struct field field;
	struct paths files;
	bool walking, cut;
	bool entered;     /* Enter came before the list was there */
	struct walk *walk;
	struct hit hits[SHOWN_MAX];
	size_t nhits, chosen, top;
	struct ui_timer *leave;
	char *open;       /* what to open when it has closed */
};

static struct pick *of(struct view *v)
{
	return (struct pick *)v;
}

static void paths_add(struct paths *p, char *name)
{
	if (p->n == p->cap) {
		p->cap = p->cap > 0 ? p->cap * 2 : 256;
		p->names = mem_resize(p->names, p->cap, sizeof(*p->names));
	}
	p->names[p->n++] = name;
}

static void paths_clear(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		mem_free(p->names[i]);
	mem_free(p->names);
	memset(p, 0, sizeof(*p));
}

/* ---- walking ---- */

static bool skipped(const char *name)
{
	static const char *const others[] = { ".git", "node_modules", "__pycache__", ".venv", "venv",
					      "vendor", "target", ".cache", ".tox" };

	for (size_t i = 0; i < CL_COUNT(others); i++)
		if (strcmp(name, others[i]) == 0)
			return true;
	return false;
}

static void walk_cb(void *arg)
{
	struct walk *w = arg;
	struct paths dirs = { 0 };
	int64_t end = clock_ms() + WALK_MS;

	paths_add(&dirs, mem_strdup(""));
	for (size_t at = 0; at < dirs.n && !w->cut; at++) { /* breadth first: near files come first */
		const char *dir = dirs.names[at];
		struct tree_list l;

		if (tree_list_read(&l, w->root, dir, NULL) < 0)
			continue;
		w->cut = l.cut || clock_ms() > end;
		for (size_t i = 0; i < l.n; i++) {
			const struct tree_entry *e = &l.entries[i];
			char *path = mem_printf("%s%s%s", dir, dir[0] ? "/" : "", e->name);

			if (strlen(path) >= TREE_PATH_MAX || e->kind == TREE_OTHER ||
			    (e->kind == TREE_DIR && skipped(e->name)))
				mem_free(path);
			else if (w->files.n + dirs.n >= FILES_MAX) {
				mem_free(path);
				w->cut = true;
			} else
				paths_add(e->kind == TREE_DIR ? &dirs : &w->files, path);
		}
		tree_list_clear(&l);
	}
	paths_clear(&dirs);
}

/* ---- ranking ---- */

static int better_cb(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	size_t n = strlen(x->name), m = strlen(y->name);

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return n != m ? (n < m ? -1 : 1) : strcmp(x->name, y->name);
}

/* A match in the last part of the name is worth more than one spread over folders. */
static int score_of(const char *pattern, const char *name)
{
	const char *slash = strrchr(name, '/');
	int leaf = fuzzy_score(pattern, slash ? slash + 1 : name), whole = fuzzy_score(pattern, name);

	return leaf < 0 ? whole : leaf + 1000;
}

static void rank(struct pick *p)
{
	size_t worst = 0;

	p->nhits = p->chosen = p->top = 0;
	for (size_t i = 0; i < p->files.n; i++) {
		struct hit h = { score_of(p->field.text, p->files.names[i]), p->files.names[i] };

		if (h.score < 0)
			continue;
		if (p->nhits < SHOWN_MAX) {
			p->hits[p->nhits++] = h;
			if (better_cb(&p->hits[worst], &h) < 0)
				worst = p->nhits - 1;
			continue;
		}
		if (better_cb(&h, &p->hits[worst]) > 0)
			continue;
		p->hits[worst] = h;
		for (size_t k = 0; k < SHOWN_MAX; k++)
			if (better_cb(&p->hits[k], &p->hits[worst]) > 0)
				worst = k;
	}
	if (p->nhits > 1)
		qsort(p->hits, p->nhits, sizeof(p->hits[0]), better_cb);
	view_redraw(&p->view);
}

/* A view may not close itself from its own hook. */
static void leave_cb(void *arg)
{
	struct pick *p = arg;
	struct ui *ui = p->view.ui;
	char *open = p->open;

	p->open = NULL;
	ui_close(ui, &p->view);
	if (open)
		ui_open(ui, "editor", open, true);
	mem_free(open);
}

static void leave(struct pick *p, const char *open)
{
	if (p->leave)
		return;
	p->open = open ? mem_strdup(open) : NULL;
	p->leave = ui_timer_start(p->view.ui, 0, 0, leave_cb, p);
}

static void enter(struct pick *p)
{
	p->entered = p->walking;
	if (!p->walking)
		leave(p, p->nhits > 0 ? p->hits[p->chosen].name
		    : p->field.len > 0 ? p->field.text : NULL);
}

static void walked_cb(void *arg)
{
	struct walk *w = arg;
	struct pick *p = w->pick;

	if (w->dead) {
		paths_clear(&w->files);
	} else {
		p->files = w->files;
		p->cut = w->cut;
		p->walking = false;
		p->walk = NULL;
		rank(p);
		if (p->entered)
			enter(p);
	}
	mem_free(w);
}

/* ---- hooks ---- */

static struct view *goto_create(struct ui *ui, const char *arg, struct cl_err *err)
{
	struct pick *p;

	if (ui_info(ui)->root == -1) {
		err_set(err, CL_PRECONDITION, "go to file: no project is open");
		return NULL;
	}
	p = mem_alloc(sizeof(*p));
	view_init(&p->view, &view_goto_ops, ui);
	field_init(&p->field, arg);
	p->walk = mem_alloc(sizeof(*p->walk));
	p->walk->root = ui_info(ui)->root;
	p->walk->pick = p;
	p->walking = true;
	ui_work(ui, walk_cb, walked_cb, p->walk);
	return &p->view;
}

static void goto_free(struct view *v)
{
	struct pick *p = of(v);

	if (p->walk)
		p->walk->dead = true;
	ui_timer_stop(p->leave);
	field_clear(&p->field);
	paths_clear(&p->files);
	mem_free(p->open);
	mem_free(p);
}

static void goto_draw(struct view *v)
{
	struct pick *p = of(v);
	int h = term_height(), w = term_width();

	term_clear(term_theme(THEME_TEXT));
	field_draw(&p->field, 0, 0, w, term_theme(THEME_INPUT), v->focused);
	if (p->chosen < p->top)
		p->top = p->chosen;
	if (h > 1 && p->chosen >= p->top + (size_t)(h - 1))
		p->top = p->chosen + 2 - (size_t)h;
	if (p->nhits == 0 && h > 1)
		term_text(1, 1, w - 1, term_theme(THEME_DIM), p->walking ? "reading…"
		    : "no file matches; Enter opens exactly this name", -1);
	for (int y = 1; y < h && p->top + (size_t)y - 1 < p->nhits; y++) {
		size_t i = p->top + (size_t)y - 1;
		const struct term_style *st = term_theme(i == p->chosen ? THEME_SELECTED : THEME_TEXT);

		term_fill(y, 0, w, st, ' ');
		term_text(y, 1, w - 1, st, p->hits[i].name, -1);
	}
}

static bool goto_key(struct view *v, const struct term_key *k)
{
	struct pick *p = of(v);
	size_t page = v->rect.h > 2 ? (size_t)v->rect.h - 2 : 1, last = p->nhits > 0 ? p->nhits - 1 : 0;

	if (key_is(k, "Esc"))
		leave(p, NULL);
	else if (key_is(k, "Enter"))
		enter(p);
	else if (key_is(k, "Down") || key_is(k, "PgDn"))
		p->chosen += k->code == KEYC_DOWN ? p->chosen < last
			  : p->chosen + page < last ? page : last - p->chosen;
	else if (key_is(k, "Up") || key_is(k, "PgUp"))
		p->chosen -= k->code == KEYC_UP ? p->chosen > 0
			  : p->chosen > page ? page : p->chosen;
	else if (field_key(&p->field, k))
		rank(p);
	else
		return false;
	view_redraw(v);
	return true;
}

static bool goto_mouse(struct view *v, const struct term_mouse *m)
{
	struct pick *p = of(v);
	size_t row = p->top + (size_t)(m->y > 0 ? m->y - 1 : 0);

	if (m->kind == MOUSE_WHEEL_UP && p->chosen > 0)
		p->chosen--;
	else if (m->kind == MOUSE_WHEEL_DOWN && p->chosen + 1 < p->nhits)
		p->chosen++;
	else if (m->kind == MOUSE_PRESS && m->y > 0 && row < p->nhits) {
		p->chosen = row;
		enter(p);
	}
	view_redraw(v);
	return true;
}

static bool goto_paste(struct view *v, const char *text, size_t n)
{
	field_paste(&of(v)->field, text, n);
	rank(of(v));
	return true;
}

static const char *goto_title(struct view *v)
{
	return of(v)->cut ? "Go to file (a part of them)" : "Go to file";
}

const struct view_ops view_goto_ops = {
	.name = "goto",
	.help = "A file by a few letters of its name",
	.context = "goto",
	.place = VIEW_POPUP,
	.create = goto_create,
	.free = goto_free,
	.draw = goto_draw,
	.key = goto_key,
	.mouse = goto_mouse,
	.paste = goto_paste,
	.title = goto_title,
};
