/*
 * The frame around the views.
 *
 *    row 0        menu line (or the top line of a full view)
 *    rows 1..R-2  panes with shared borders, or one full view
 *    row R-1      key bar and status, or the newest message
 */
#include "tui/chrome.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/action.h"
#include "tui/dialog.h"
#include "tui/keymap.h"
#include "tui/menu.h"
#include "tui/palette.h"
#include "tui/text.h"
#include "tui/ui.h"
#include "tui/ui_internal.h"

#define BAR_MAX 24
#define SAY_SEED 14695981039346656037ull

/* ---- where things are ---- */

static struct rect body(void)
{
	struct rect r = { 1, 0, term_rows() - 2, term_cols() };

	return r;
}

/* Panes that the width or height has no room for show only while they have the focus. */
static void decide(struct ui *ui, bool *shown)
{
	enum view_place focus = ui->focused ? ui->focused->ops->place : VIEW_MAIN;
	int rows = term_rows(), cols = term_cols();

	for (int p = 0; p < VIEW_PLACES; p++) {
		bool room = p == VIEW_RIGHT ? cols >= 100
			    : p == VIEW_LEFT ? cols >= 60
			    : p == VIEW_BELOW ? rows >= 16
					      : true;
		shown[p] = ui->current[p] && !ui->hidden[p] && (room || focus == (enum view_place)p);
		if (ui->zoomed && focus <= VIEW_RIGHT)
			shown[p] = (enum view_place)p == focus;
	}
	shown[VIEW_MAIN] = shown[VIEW_MAIN] || (!ui->zoomed && !ui->current[VIEW_MAIN]);
	shown[VIEW_FULL] = shown[VIEW_POPUP] = false;
}

static void place_view(struct view *v, struct rect r)
{
	bool resized = v->rect.h != r.h || v->rect.w != r.w || !v->visible;

	v->rect = r;
	v->visible = r.h > 0 && r.w > 0;
	v->dirty = true;
	if (v->visible && resized && v->ops->resize)
		v->ops->resize(v, r.h, r.w);
}

static struct rect inside(struct rect r)
{
	if (r.h < 3 || r.w < 3)
		return (struct rect){ 0, 0, 0, 0 };
	return (struct rect){ r.y + 1, r.x + 1, r.h - 2, r.w - 2 };
}

static struct rect popup_rect(void)
{
	int rows = term_rows(), cols = term_cols();
	struct rect r = { 2, cols / 12, rows - 4, cols - 2 * (cols / 12) };

	return r;
}

static struct rect rect_of(struct ui *ui, const struct view *v, bool covered)
{
	enum view_place p = v->ops->place;

	if (ui->current[p] != v)
		return (struct rect){ 0, 0, 0, 0 };
	if (p == VIEW_POPUP)
		return ui->popup ? inside(popup_rect()) : (struct rect){ 0, 0, 0, 0 };
	if (p == VIEW_FULL && covered) {
		struct rect r = body();
		if (v->ops->title)
			r.y--, r.h++;
		return r;
	}
	return covered ? (struct rect){ 0, 0, 0, 0 } : inside(layout_rect(ui->layout, (int)p));
}

void chrome_arrange(struct ui *ui)
{
	bool shown[VIEW_PLACES], covered = ui->full && ui->current[VIEW_FULL];
	struct rect area = body();

	decide(ui, shown);
	layout_arrange(ui->layout, &area, shown);
	for (int i = 0; i < ui->nviews; i++)
		place_view(ui->views[i], rect_of(ui, ui->views[i], covered));
	ui->arrange = false;
	ui->redraw_all = true;
}

static bool panes_shown(const struct ui *ui)
{
	return !(ui->full && ui->current[VIEW_FULL]);
}

struct view *chrome_view_at(struct ui *ui, int y, int x)
{
	struct view *hit = NULL;

	for (int i = 0; i < ui->nviews; i++) {
		struct view *v = ui->views[i];
		if (v->visible && rect_has(&v->rect, y, x))
			if (!hit || v->ops->place == VIEW_POPUP)
				hit = v;
	}
	return hit;
}

int chrome_neighbour(struct ui *ui, int dir)
{
	int place;

	if (!ui->focused || !panes_shown(ui))
		return -1;
	place = (int)ui->focused->ops->place;
	do /* a pane without a view cannot have the focus: what is behind it */
		place = layout_next(ui->layout, place, (enum layout_dir)dir);
	while (place >= 0 && !ui->current[place]);
	return place;
}

/* ---- borders ---- */

enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8 };

static uint32_t line_char(int mask)
{
	static const uint32_t chars[16] = {
		[LEFT | RIGHT] = TERM_HLINE,	  [LEFT] = TERM_HLINE,
		[RIGHT] = TERM_HLINE,		  [UP | DOWN] = TERM_VLINE,
		[UP] = TERM_VLINE,		  [DOWN] = TERM_VLINE,
		[DOWN | RIGHT] = TERM_ULCORNER,	  [DOWN | LEFT] = TERM_URCORNER,
		[UP | RIGHT] = TERM_LLCORNER,	  [UP | LEFT] = TERM_LRCORNER,
		[UP | DOWN | RIGHT] = TERM_LTEE,  [UP | DOWN | LEFT] = TERM_RTEE,
		[DOWN | LEFT | RIGHT] = TERM_TTEE, [UP | LEFT | RIGHT] = TERM_BTEE,
		[15] = TERM_CROSS,
	};

	return chars[mask];
}

static void trace(unsigned char *grid, int cols, struct rect r)
{
	int bottom = r.y + r.h - 1, right = r.x + r.w - 1;

	for (int x = r.x; x <= right; x++) {
		int mask = (x > r.x ? LEFT : 0) | (x < right ? RIGHT : 0);
		grid[r.y * cols + x] |= (unsigned char)mask;
		grid[bottom * cols + x] |= (unsigned char)mask;
	}
	for (int y = r.y; y <= bottom; y++) {
		int mask = (y > r.y ? UP : 0) | (y < bottom ? DOWN : 0);
		grid[y * cols + r.x] |= (unsigned char)mask;
		grid[y * cols + right] |= (unsigned char)mask;
	}
}

static bool on_edge(const struct rect *r, int y, int x)
{
	return rect_has(r, y, x) &&
	       (y == r->y || y == r->y + r->h - 1 || x == r->x || x == r->x + r->w - 1);
}

static void draw_lines(struct ui *ui)
{
	int rows = term_rows(), cols = term_cols();
	cl_autofree unsigned char *grid = mem_array((size_t)rows, (size_t)cols);
	struct rect focus = { 0, 0, 0, 0 };

	for (int p = VIEW_LEFT; p <= VIEW_RIGHT; p++) {
		struct rect r = layout_rect(ui->layout, p);
		if (r.h > 1 && r.w > 1)
			trace(grid, cols, r);
		if (ui->focused && (int)ui->focused->ops->place == p)
			focus = r;
	}
	for (int y = 0; y < rows; y++)
		for (int x = 0; x < cols; x++)
			if (grid[y * cols + x])
				term_fill(y, x, 1,
				    term_theme(on_edge(&focus, y, x) ? THEME_BORDER_FOCUS
								     : THEME_BORDER),
				    line_char(grid[y * cols + x]));
}

static const char *title_of(struct view *v)
{
	const char *title = v->ops->title ? v->ops->title(v) : v->ops->name;

	return v->ops->many ? title : text_of(title); /* not names of files */
}

/* Walk the tabs of a pane: draws them, or (draw false) looks for the one at column `hit`. */
static struct view *tabs(struct ui *ui, int place, struct rect r, bool draw, int hit)
{
	int x = r.x + 1, end = r.x + r.w - 2;
	bool focus = ui->focused && (int)ui->focused->ops->place == place;

	for (int i = 0; i < ui->nviews && x < end; i++) {
		struct view *v = ui->views[i];
		bool now = ui->current[place] == v;
		const char *title = title_of(v);
		int w = utf8_width(title, strlen(title));
		if ((int)v->ops->place != place)
			continue;
		if (x > r.x + 1 && draw)
			term_fill(r.y, x, 1, term_theme(THEME_BORDER), TERM_VLINE);
		x += x > r.x + 1;
		w = w > end - x - 2 ? end - x - 2 : w;
		if (w <= 0)
			break;
		if (!draw && hit >= x && hit < x + w + 2)
			return v;
		if (draw) {
			term_fill(r.y, x, w + 2, term_theme(THEME_TITLE), ' ');
			term_text(r.y, x + 1, w,
			    term_theme(now && focus ? THEME_TITLE_FOCUS
					: now	    ? THEME_TITLE
						    : THEME_DIM),
			    title, -1);
		}
		x += w + 2;
	}
	return NULL;
}

struct view *chrome_tab_at(struct ui *ui, int y, int x)
{
	for (int p = VIEW_LEFT; p <= VIEW_RIGHT && panes_shown(ui); p++) {
		struct rect r = layout_rect(ui->layout, p);
		struct view *v = r.h && r.y == y ? tabs(ui, p, r, false, x) : NULL;
		if (v)
			return v;
	}
	return NULL;
}

static void draw_titles(struct ui *ui)
{
	for (int p = VIEW_LEFT; p <= VIEW_RIGHT; p++) {
		struct rect r = layout_rect(ui->layout, p);
		if (r.h > 0)
			tabs(ui, p, r, true, 0);
	}
}

static void draw_empty_main(struct ui *ui)
{
	struct rect r = inside(layout_rect(ui->layout, VIEW_MAIN));

	if (ui->current[VIEW_MAIN] || r.h < 3)
		return;
	term_text(r.y + r.h / 2 - 1, r.x + 2, r.w - 4, term_theme(THEME_DIM),
	    text_of("No file is open.  Ctrl-P goes to a file, F3 to the tree,"), -1);
	term_text(r.y + r.h / 2, r.x + 2, r.w - 4, term_theme(THEME_DIM),
	    text_of("F4 to a terminal, F2 shows every command."), -1);
}

/* ---- menu line ---- */

static void draw_top(struct ui *ui)
{
	char text[512];
	int w, x = menu_draw_line(ui->menu), dot = strcmp(ui->dev_state, "running") == 0;
	const struct term_style *st = term_theme(THEME_MENU);

	if (ui->engine_down) {
		snprintf(text, sizeof(text), text_of(" engine away: %s "), ui->engine_why);
		st = term_theme(THEME_PROD);
	} else if (ui->info->project_id)
		snprintf(text, sizeof(text), "%s%s%s %s %s %s dev %s%s  %s ",
		    strcmp(ui->info->owner, ui->info->user) == 0 ? "" : ui->info->owner,
		    strcmp(ui->info->owner, ui->info->user) == 0 ? "" : ".", ui->info->project,
		    ui->stack[0] ? "\u00b7" : "", ui->stack, "\u00b7",
		    dot ? "" : ui->dev_state, dot ? "\u25cf" : "", ui->info->user);
	else
		snprintf(text, sizeof(text), "%s ", ui->info->user);
	w = utf8_width(text, strlen(text));
	if (w > term_width() - x - 2)
		w = term_width() - x - 2;
	term_text(0, term_width() - w, w, st, text, -1);
}

/* ---- key bar ---- */

static const char *context_of(const struct ui *ui)
{
	return ui->focused ? ui->focused->ops->context : "global";
}

/* Rows that are true now: in a raw view without the prefix only the prefix works, and on the home
 * screen there is nothing to run. */
static int bar_rows(struct ui *ui, const struct keymap_row **rows)
{
	int n = keymap_bar(context_of(ui), rows, BAR_MAX), kept = 0;
	bool raw = ui->focused && ui->focused->ops->raw_keys;

	for (int i = 0; i < n; i++) {
		bool prefix = strcmp(rows[i]->text, "prefix") == 0;
		if (raw && prefix == ui->prefix)
			continue;
		if (!ui->info->project_id && action_needs_project(rows[i]->text))
			continue;
		rows[kept++] = rows[i];
	}
	return kept;
}

static const char *bar_key(const char *key, char *out, size_t size)
{
	if (key[0] == 'C' && key[1] == '-' && key[2] && !key[3])
		snprintf(out, size, "^%c", key[2] >= 'a' && key[2] <= 'z' ? key[2] - 32 : key[2]);
	else
		snprintf(out, size, "%s", key);
	return out;
}

/* Walk the bar's entries up to column `end`: draws, or finds the one at column hit. */
static const char *bar(struct ui *ui, int end, bool draw, int hit)
{
	const struct keymap_row *rows[BAR_MAX];
	int n = bar_rows(ui, rows), x = 1, y = term_height() - 1;
	char key[32];

	for (int i = 0; i < n; i++) {
		const char *note = text_of(rows[i]->note);
		int w = (int)strlen(bar_key(rows[i]->key, key, sizeof(key))) + 1 +
			utf8_width(note, strlen(note));
		if (x + w > end)
			break;
		if (!draw && hit >= x && hit < x + w)
			return rows[i]->text;
		if (draw) {
			int at = x + term_text(y, x, w, term_theme(THEME_BAR_KEY), key, -1) + 1;
			term_text(y, at, w, term_theme(THEME_BAR), note, -1);
		}
		x += w + 2;
	}
	return NULL;
}

static int status_width(struct ui *ui, char *text, size_t size)
{
	struct view *v = ui->focused;
	const char *status = v && v->ops->status ? v->ops->status(v) : "";

	if (ui->online > 1)
		snprintf(text, size, text_of("%s  %d online "), status, ui->online);
	else
		snprintf(text, size, "%s ", status);
	return utf8_width(text, strlen(text));
}

const char *chrome_bar_at(struct ui *ui, int x)
{
	char status[256];
	int w = status_width(ui, status, sizeof(status));

	return bar(ui, term_cols() - w - 1, false, x);
}

static void draw_bar(struct ui *ui)
{
	char status[256];
	int y = term_height() - 1, w = term_width(), sw = status_width(ui, status, sizeof(status));
	static const enum term_theme levels[] = { THEME_BAR, THEME_WARN, THEME_PROD };

	term_fill(y, 0, w, term_theme(THEME_BAR), ' ');
	if (ui->message_until && !ui->prefix) {
		const struct term_style *st = term_theme(levels[ui->message_level]);
		term_fill(y, 0, w, st, ' ');
		term_text(y, 1, w - 2, st, ui->message, -1);
		return;
	}
	if (sw > w / 2)
		sw = w / 2;
	bar(ui, w - sw - 1, true, 0);
	term_text(y, w - sw, sw, term_theme(THEME_BAR), status, -1);
}

/* ---- what they say ---- */

/* Most frames are a key's echo, which changes neither titles nor bar: they are drawn again when what
 * they are made of is not what it was. */
static uint64_t add(uint64_t h, const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 1099511628211ull;
	return h;
}

static uint64_t add_text(uint64_t h, const char *s)
{
	return add(h, s, strlen(s) + 1);
}

static uint64_t titles_say(struct ui *ui)
{
	uint64_t h = add(SAY_SEED, &ui->focused, sizeof(ui->focused));

	for (int i = 0; i < ui->nviews; i++) {
		struct view *v = ui->views[i];
		bool now = ui->current[v->ops->place] == v;

		if (v->ops->place > VIEW_RIGHT)
			continue;
		h = add(h, &v, sizeof(struct view *));
		h = add(h, &now, sizeof(now));
		h = add_text(h, title_of(v));
	}
	return h;
}

static uint64_t bar_says(struct ui *ui)
{
	char status[256];
	uint64_t h = add(SAY_SEED, &ui->focused, sizeof(ui->focused));

	status_width(ui, status, sizeof(status));
	h = add(h, &ui->prefix, sizeof(ui->prefix));
	h = add(h, &ui->message_until, sizeof(ui->message_until));
	return add_text(h, status);
}

/* Draw what has changed of them. */
static void draw_news(struct ui *ui)
{
	uint64_t titles = panes_shown(ui) ? titles_say(ui) : ui->titles_seen, bar_now = bar_says(ui);

	if (titles != ui->titles_seen)
		draw_titles(ui);
	if (bar_now != ui->bar_seen)
		draw_bar(ui);
	ui->titles_seen = titles;
	ui->bar_seen = bar_now;
}

/* ---- all together ---- */

static bool overlays(const struct ui *ui)
{
	return ui->dialogs || ui->menu || ui->palette || ui->popup;
}

static void draw_view(struct ui *ui, struct view *v)
{
	bool cursor = v->focused && !ui->dialogs && !ui->menu && !ui->palette;

	term_clip(&v->rect, cursor);
	v->ops->draw(v);
	term_clip(NULL, false);
	v->dirty = false;
}

static void draw_popup(struct ui *ui)
{
	struct view *v = ui->current[VIEW_POPUP];
	struct rect r = popup_rect();

	if (!ui->popup || !v || !v->visible)
		return;
	for (int y = 0; y < r.h; y++)
		term_fill(r.y + y, r.x, r.w, term_theme(THEME_TEXT), ' ');
	term_box(&r, term_theme(THEME_BORDER_FOCUS), title_of(v), term_theme(THEME_TITLE_FOCUS));
	draw_view(ui, v);
}

static void draw_overlays(struct ui *ui)
{
	int rows = term_rows(), cols = term_cols();

	draw_popup(ui);
	if (ui->menu)
		menu_draw(ui->menu);
	if (ui->palette) {
		struct rect r = palette_rect(rows, cols);
		term_clip(&r, !ui->dialogs);
		palette_draw(ui->palette);
	}
	if (ui->dialogs) {
		ui->dialogs->rect = dialog_rect(ui->dialogs->dialog, rows, cols);
		term_clip(&ui->dialogs->rect, true);
		dialog_draw(ui->dialogs->dialog);
	}
	term_clip(NULL, false);
}

static void draw_everything(struct ui *ui)
{
	term_clear(term_theme(THEME_TEXT));
	if (panes_shown(ui) || !ui->current[VIEW_FULL]->ops->title)
		draw_top(ui);
	if (panes_shown(ui)) {
		draw_lines(ui);
		draw_titles(ui);
		draw_empty_main(ui);
	}
	for (int i = 0; i < ui->nviews; i++) {
		ui->views[i]->intact = false;
		if (ui->views[i]->visible && ui->views[i]->ops->place != VIEW_POPUP)
			draw_view(ui, ui->views[i]);
	}
	draw_bar(ui);
	ui->titles_seen = titles_say(ui);
	ui->bar_seen = bar_says(ui);
	draw_overlays(ui);
}

void chrome_draw(struct ui *ui)
{
	bool focus_drawn = false;

	term_clip(NULL, false);
	if (ui->redraw_all || overlays(ui))
		draw_everything(ui);
	else {
		for (int i = 0; i < ui->nviews; i++) {
			struct view *v = ui->views[i];
			/* the focused view places the cursor, so it always draws */
			if (!v->visible || !(v->dirty || v->focused))
				continue;
			v->intact = true;
			draw_view(ui, v);
			focus_drawn = focus_drawn || v->focused;
		}
		draw_news(ui);
	}
	ui->redraw = ui->redraw_all = false;
}
