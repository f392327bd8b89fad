/* Scrolling text. */
#include "tui/scroll.h"

#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

void scroll_init(struct scroll *s, int max)
{
	memset(s, 0, sizeof(*s));
	s->max = max;
}

void scroll_clear(struct scroll *s)
{
	for (int i = 0; i < s->n; i++)
		mem_free(s->lines[i].text);
	mem_free(s->lines);
	s->lines = NULL;
	s->n = s->up = 0;
}

static int rows_of(const struct scroll_line *l, int w)
{
	size_t len, at = 0;
	int rows = 0;

	if (l->width <= w || w < 2)
		return 1;
	for (len = strlen(l->text); at < len; rows++) {
		size_t fit = utf8_fit(l->text + at, len - at, w, NULL);
		if (fit == 0)
			break;
		at += fit;
	}
	return rows ? rows : 1;
}

static int total(const struct scroll *s)
{
	int rows = 0;

	for (int i = 0; i < s->n; i++)
		rows += rows_of(&s->lines[i], s->w);
	return rows;
}

static void clamp(struct scroll *s)
{
	int most = s->up > 0 ? total(s) - s->h : 0;

	if (s->up > most)
		s->up = most;
	if (s->up < 0)
		s->up = 0;
}

static struct scroll_line *append(struct scroll *s)
{
	if (s->n == s->max) {
		mem_free(s->lines[0].text);
		memmove(s->lines, s->lines + 1, sizeof(*s->lines) * (size_t)--s->n);
	}
	if (s->n % 64 == 0)
		s->lines = mem_resize(s->lines, (size_t)s->n + 64, sizeof(*s->lines));
	memset(&s->lines[s->n], 0, sizeof(*s->lines));
	return &s->lines[s->n++];
}

static void added(struct scroll *s, struct scroll_line *l)
{
	l->width = utf8_width(l->text, strlen(l->text));
	if (s->up > 0)
		s->up += rows_of(l, s->w);
}

void scroll_add(struct scroll *s, enum term_theme theme, const char *text, size_t n)
{
	struct scroll_line *l = append(s);

	while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == '\n'))
		n--;
	l->text = mem_strndup(text, n);
	l->theme = theme;
	added(s, l);
}

void scroll_add_lead(struct scroll *s, enum term_theme lead_theme, const char *lead,
    enum term_theme theme, const char *text)
{
	struct scroll_line *l = append(s);

	l->text = mem_printf("%s %s", lead, text);
	l->theme = theme;
	l->lead_theme = lead_theme;
	l->lead = utf8_width(lead, strlen(lead));
	added(s, l);
}

void scroll_add_text(struct scroll *s, enum term_theme theme, const char *text, size_t n)
{
	for (size_t at = 0; at < n;) {
		const char *nl = memchr(text + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - text) - at : n - at;
		scroll_add(s, theme, text + at, len);
		at += len + 1;
	}
}

void scroll_by(struct scroll *s, int rows_up)
{
	s->up += rows_up;
	clamp(s);
}

void scroll_move(struct scroll *s, const char *how)
{
	static const struct {
		const char *how;
		int lines, pages;
	} moves[] = {
		{ "up", 1, 0 },	       { "down", -1, 0 },  { "page-up", -1, 1 },
		{ "page-down", 1, -1 }, { "top", 1 << 24, 0 }, { "bottom", -(1 << 24), 0 },
	};

	for (size_t i = 0; i < CL_COUNT(moves); i++)
		if (strcmp(moves[i].how, how) == 0)
			scroll_by(s, moves[i].lines + moves[i].pages * s->h);
}

bool scroll_mouse(struct scroll *s, const struct term_mouse *m)
{
	if (m->kind != MOUSE_WHEEL_UP && m->kind != MOUSE_WHEEL_DOWN)
		return false;
	scroll_by(s, m->kind == MOUSE_WHEEL_UP ? 3 : -3);
	return true;
}

/* Draw row `row` of a wrapped line. */
static void draw_row(const struct scroll_line *l, int row, int y, int x, int w)
{
	size_t at = 0, len = strlen(l->text), fit;

	for (fit = utf8_fit(l->text, len, w, NULL); row > 0 && at < len; row--) {
		at += fit;
		fit = utf8_fit(l->text + at, len - at, w, NULL);
	}
	term_text(y, x, w, term_theme(l->theme), l->text + at, (int)fit);
	if (at == 0 && l->lead)
		term_restyle(y, x, l->lead < w ? l->lead : w, term_theme(l->lead_theme));
}

void scroll_draw(struct scroll *s, int y, int x, int h, int w)
{
	int row, skip;

	s->h = h;
	s->w = w;
	clamp(s);
	skip = s->up;
	row = h - 1;
	if (s->up == 0 && total(s) < h)
		row = total(s) - 1; /* little text stands at the top */
	for (int i = 0; i < h; i++)
		term_fill(y + i, x, w, term_theme(THEME_TEXT), ' ');
	for (int i = s->n - 1; i >= 0 && row >= 0; i--) {
		int rows = rows_of(&s->lines[i], w);
		for (int r = rows - 1; r >= 0 && row >= 0; r--) {
			if (skip > 0) {
				skip--;
				continue;
			}
			draw_row(&s->lines[i], r, y + row--, x, w);
		}
	}
}
