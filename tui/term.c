/*
 * The screen.  ncurses draws into its own model; its output goes to a memory file, so no write of
 * ncurses can ever block, whatever the size of a frame.  The file's beginning is mapped: a key's
 * frame is taken from there by one look at how far ncurses has written, and the file is begun anew
 * when OUT_KEPT bytes are full.  Its input is a pipe that term_input.c fills.
 *
 * Colours: ncurses knows the 256 palette entries of xterm-256color; 24-bit colours become the
 * nearest of those.
 */
#include "tui/term.h"

#include <curses.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>
#include "base/log.h"
#include "base/mem.h"
#include "base/screen.h"
#include "base/utf8.h"
#include "tui/term_info.h"
#include "tui/term_input.h"

#define OUT_KEPT 16384  /* bytes of the memory file that are mapped, and kept */
#define COMBINING_MAX 4 /* ncurses keeps 5 code points in a cell */

static struct {
	SCREEN *screen;
	FILE *in, *out;
	int out_fd;
	const char *out_map;           /* its first OUT_KEPT bytes */
	off_t out_at;                  /* where the next frame begins */
	struct rect clip;
	bool allow_cursor;
	int cursor_y, cursor_x;        /* -1: hidden */
	bool cursor_shown;
	/* the last style and its ncurses form */
	struct term_style style;
	bool style_known;
	attr_t attr;
	int pair;
} term;

#define I(n) TERM_COLOR_INDEX(n)
#define D TERM_COLOR_DEFAULT
static const struct term_style themes[THEME_COUNT] = {
	[THEME_TEXT] = { D, D, 0 },
	[THEME_DIM] = { I(245), D, 0 },
	[THEME_BORDER] = { I(240), D, 0 },
	[THEME_BORDER_FOCUS] = { I(39), D, 0 },
	[THEME_TITLE] = { I(248), D, 0 },
	[THEME_TITLE_FOCUS] = { I(39), D, TERM_BOLD },
	[THEME_MENU] = { I(254), I(24), 0 },
	[THEME_MENU_SELECTED] = { I(16), I(39), TERM_BOLD },
	[THEME_BAR] = { I(252), I(236), 0 },
	[THEME_BAR_KEY] = { I(39), I(236), TERM_BOLD },
	[THEME_SELECTED] = { I(231), I(25), 0 },
	[THEME_ERROR] = { I(203), D, TERM_BOLD },
	[THEME_WARN] = { I(215), D, 0 },
	[THEME_OK] = { I(78), D, 0 },
	[THEME_PROD] = { I(231), I(124), TERM_BOLD },
	[THEME_INPUT] = { I(231), I(237), 0 },
	[THEME_HEADING] = { I(117), D, TERM_BOLD },
	[THEME_NAME] = { I(114), D, 0 },
	[THEME_LINK] = { I(75), D, TERM_UNDERLINE },
	[THEME_GRAPH] = { I(79), D, 0 },
};
#undef I
#undef D

const struct term_style *term_theme(enum term_theme id)
{
	return &themes[id];
}

/* ---- styles ---- */

static int nearest(uint32_t rgb)
{
	static const int steps[] = { 0, 95, 135, 175, 215, 255 };
	int c[3] = { rgb >> 16 & 0xff, rgb >> 8 & 0xff, rgb & 0xff }, q[3], gray, far_cube = 0,
	    far_gray = 0, level;

	for (int i = 0; i < 3; i++) {
		q[i] = c[i] < 48 ? 0 : c[i] < 115 ? 1 : (c[i] - 35) / 40;
		far_cube += (c[i] - steps[q[i]]) * (c[i] - steps[q[i]]);
	}
	gray = (c[0] + c[1] + c[2]) / 3;
	gray = gray < 8 ? 0 : gray > 238 ? 23 : (gray - 3) / 10;
	level = 8 + gray * 10;
	for (int i = 0; i < 3; i++)
		far_gray += (c[i] - level) * (c[i] - level);
	return far_gray < far_cube ? 232 + gray : 16 + 36 * q[0] + 6 * q[1] + q[2];
}

static int color(uint32_t c)
{
	if (c == TERM_COLOR_DEFAULT)
		return -1;
	return c >> 24 == 1 ? (int)(c & 0xff) : nearest(c & 0xffffff);
}

static void use_style(const struct term_style *st)
{
	static const attr_t attrs[] = { WA_BOLD,    WA_DIM,   WA_ITALIC, WA_UNDERLINE,
					WA_REVERSE, WA_BLINK, WA_INVIS };
	int fg, bg;

	if (term.style_known && memcmp(&term.style, st, sizeof(*st)) == 0)
		return;
	term.style = *st;
	term.style_known = true;
	term.attr = 0;
	for (size_t i = 0; i < CL_COUNT(attrs); i++)
		if (st->attr & (1u << i))
			term.attr |= attrs[i];
	fg = color(st->fg);
	bg = color(st->bg);
	term.pair = fg < 0 && bg < 0 ? 0 : alloc_pair(fg, bg);
	if (term.pair < 0)
		term.pair = 0;
}

/* ---- cells ---- */

static void put(int y, int x, const wchar_t *w)
{
	cchar_t c;

	if (setcchar(&c, w, term.attr, 0, &term.pair) == OK)
		mvadd_wch(y, x, &c);
}

/* Put one grapheme of `width` cells at a place that is known to be inside the screen.  What ncurses
 * (the C library) holds to have another width than we do would shift the row: only its sign is shown. */
static void put_cluster(int y, int x, const uint32_t *cps, int n, int width)
{
	wchar_t w[COMBINING_MAX + 2];
	int len = 0;

	for (int i = 0; i < n && len <= COMBINING_MAX; i++)
		if (i == 0 || wcwidth((wchar_t)cps[i]) == 0)
			w[len++] = (wchar_t)cps[i];
	w[len] = 0;
	if (len == 0 || cps[0] < ' ' || wcwidth(w[0]) != width) {
		for (int i = 0; i < width; i++)
			put(y, x + i, n == 0 || cps[0] <= ' ' ? L" " : L"\ufffd");
		return;
	}
	put(y, x, w);
}

void term_cell(int y, int x, const uint32_t *cps, int n, int width, const struct term_style *st)
{
	if (y < 0 || y >= term.clip.h || x < 0 || x >= term.clip.w)
		return;
	use_style(st);
	width = width == 2 ? 2 : 1;
	if (x + width > term.clip.w) { /* half a wide character does not exist */
		n = 0;
		width = 1;
	}
	put_cluster(term.clip.y + y, term.clip.x + x, cps, n, width);
}

void term_fill(int y, int x, int w, const struct term_style *st, uint32_t ch)
{
	wchar_t c[2] = { (wchar_t)ch, 0 };

	if (y < 0 || y >= term.clip.h)
		return;
	if (x < 0) {
		w += x;
		x = 0;
	}
	if (w > term.clip.w - x)
		w = term.clip.w - x;
	use_style(st);
	for (int i = 0; i < w; i++)
		put(term.clip.y + y, term.clip.x + x + i, c);
}

void term_clear(const struct term_style *st)
{
	for (int y = 0; y < term.clip.h; y++)
		term_fill(y, 0, term.clip.w, st, ' ');
}

void term_restyle(int y, int x, int w, const struct term_style *st)
{
	if (y < 0 || y >= term.clip.h || x < 0 || x >= term.clip.w)
		return;
	if (w > term.clip.w - x)
		w = term.clip.w - x;
	use_style(st);
	if (w > 0)
		mvchgat(term.clip.y + y, term.clip.x + x, w, term.attr, (short)term.pair,
		    &term.pair);
}

/* Decode one grapheme cluster; returns how many code points. */
static int cluster(const char *s, size_t n, uint32_t *cps, int max)
{
	int count = 0;

	for (size_t at = 0; at < n && count < max; count++)
		at += utf8_decode(s + at, n - at, &cps[count]);
	return count;
}

/* Draw already safe text; returns the cells used. */
static int draw(int y, int x, int w, const char *s, size_t n)
{
	uint32_t cps[COMBINING_MAX + 1];
	int used = 0, width;

	for (size_t at = 0; at < n;) {
		size_t len = utf8_grapheme(s + at, n - at, &width);
		if (used + width > w)
			break;
		if (width > 0 && x + used >= 0 && x + used + width <= term.clip.w)
			put_cluster(term.clip.y + y, term.clip.x + x + used, cps,
			    cluster(s + at, len, cps, COMBINING_MAX + 1), width);
		used += width;
		at += len;
	}
	return used;
}

int term_text(int y, int x, int w, const struct term_style *st, const char *s, int n)
{
	char small[1024], *safe = small;
	size_t len = n < 0 ? strlen(s) : (size_t)n;
	int used;

	if (y < 0 || y >= term.clip.h || w <= 0 || x >= term.clip.w)
		return 0;
	if (w > term.clip.w - x)
		w = term.clip.w - x;
	if (len > (size_t)w * 32) /* more cannot be seen */
		len = utf8_whole(s, (size_t)w * 32);
	use_style(st);
	if (len < sizeof(small) / 10)
		len = screen_safe(small, sizeof(small), s, len, 0);
	else
		len = strlen(safe = screen_safe_dup(s, len, 0));
	if (w > 1 && utf8_width(safe, len) > w) {
		used = draw(y, x, w - 1, safe, len);
		used += draw(y, x + used, 1, "\u2026", 3);
	} else
		used = draw(y, x, w, safe, len);
	if (safe != small)
		mem_free(safe);
	return used;
}

int term_textf(int y, int x, int w, const struct term_style *st, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return term_text(y, x, w, st, text, -1);
}

void term_box(const struct rect *r, const struct term_style *line, const char *title,
    const struct term_style *title_style)
{
	int right = r->x + r->w - 1, bottom = r->y + r->h - 1;

	if (r->h < 2 || r->w < 2)
		return;
	term_fill(r->y, r->x + 1, r->w - 2, line, TERM_HLINE);
	term_fill(bottom, r->x + 1, r->w - 2, line, TERM_HLINE);
	for (int y = r->y + 1; y < bottom; y++) {
		term_fill(y, r->x, 1, line, TERM_VLINE);
		term_fill(y, right, 1, line, TERM_VLINE);
	}
	term_fill(r->y, r->x, 1, line, TERM_ULCORNER);
	term_fill(r->y, right, 1, line, TERM_URCORNER);
	term_fill(bottom, r->x, 1, line, TERM_LLCORNER);
	term_fill(bottom, right, 1, line, TERM_LRCORNER);
	if (title && *title && r->w > 6) {
		int used = term_text(r->y, r->x + 2, r->w - 5, title_style, title, -1);
		term_fill(r->y, r->x + 1, 1, line, ' ');
		term_fill(r->y, r->x + 2 + used, 1, line, ' ');
	}
}

void term_cursor(int y, int x)
{
	if (!term.allow_cursor || y < 0 || y >= term.clip.h || x < 0 || x >= term.clip.w)
		return;
	term.cursor_y = term.clip.y + y;
	term.cursor_x = term.clip.x + x;
}

int term_height(void)
{
	return term.clip.h;
}

int term_width(void)
{
	return term.clip.w;
}

/* ---- the screen itself ---- */

static void clip_all(void)
{
	term.clip = (struct rect){ 0, 0, LINES, COLS };
}

void term_clip(const struct rect *r, bool allow_cursor)
{
	int bottom, right;

	clip_all();
	term.allow_cursor = allow_cursor;
	if (!r)
		return;
	bottom = r->y + r->h < LINES ? r->y + r->h : LINES;
	right = r->x + r->w < COLS ? r->x + r->w : COLS;
	term.clip = *r;
	term.clip.h = bottom > r->y ? bottom - r->y : 0;
	term.clip.w = right > r->x ? right - r->x : 0;
}

static int open_files(int *pipe_write, struct cl_err *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, CL_FAILED, "screen: pipe");
	term.out_fd = memfd_create("screen", MFD_CLOEXEC);
	if (term.out_fd < 0)
		return err_errno(err, CL_FAILED, "screen: memory file");
	term.out_map = mmap(NULL, OUT_KEPT, PROT_READ, MAP_SHARED, term.out_fd, 0);
	if (term.out_map == MAP_FAILED)
		return err_errno(err, CL_FAILED, "screen: memory file");
	term.out_at = 0;
	term.in = fdopen(p[0], "r");
	term.out = fdopen(term.out_fd, "w");
	*pipe_write = p[1];
	return 0;
}

int term_open(int rows, int cols, struct cl_err *err)
{
	void (*stop)(int);
	int pipe_write;

	if (term.screen)
		return 0;
	setlocale(LC_CTYPE, "C.UTF-8");
	if (open_files(&pipe_write, err) < 0)
		return -1;
	use_env(FALSE);
	use_tioctl(FALSE);
	set_escdelay(15);
	term_info_trim("xterm-256color");
	/* ncurses then leaves that signal alone, else it asks twice in each frame. */
	stop = signal(SIGTSTP, SIG_IGN);
	term.screen = newterm("xterm-256color", term.out, term.in);
	signal(SIGTSTP, stop);
	if (!term.screen)
		return err_set(err, CL_FAILED, "screen: no terminfo entry xterm-256color");
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	typeahead(-1); /* no look for keys in the middle of a frame */
	nodelay(stdscr, TRUE);
	meta(stdscr, TRUE);
	start_color();
	use_default_colors();
	term_input_open(pipe_write);
	resizeterm(rows, cols);
	term.cursor_y = -1;
	clip_all();
	return 0;
}

void term_close(void)
{
	if (!term.screen)
		return;
	term_input_close();
	endwin();
	delscreen(term.screen);
	fclose(term.in);
	fclose(term.out);
	munmap((void *)(uintptr_t)term.out_map, OUT_KEPT);
	memset(&term, 0, sizeof(term));
}

void term_resize(int rows, int cols)
{
	if (rows == LINES && cols == COLS)
		return;
	resizeterm(rows, cols);
	clearok(curscr, TRUE);
	clip_all();
}

int term_rows(void)
{
	return term.screen ? LINES : 0;
}

int term_cols(void)
{
	return term.screen ? COLS : 0;
}

void term_frame_begin(void)
{
	term.cursor_y = -1;
	clip_all();
}

/* What ncurses has written since the last frame, into out. */
static void take_output(struct buf *out)
{
	off_t end = lseek(term.out_fd, 0, SEEK_CUR);
	size_t len = end > term.out_at ? (size_t)(end - term.out_at) : 0;
	char *space;

	if (end < 0)
		log_fatal("screen: memory file");
	if (len > 0 && end <= OUT_KEPT)
		buf_add(out, term.out_map + term.out_at, len);
	else if (len > 0 && (space = buf_space(out, len))) {
		ssize_t got = pread(term.out_fd, space, len, term.out_at);
		buf_used(out, got > 0 ? (size_t)got : 0);
	}
	term.out_at = end;
	if (end < OUT_KEPT / 2)
		return;
	if (lseek(term.out_fd, 0, SEEK_SET) < 0 || (end > OUT_KEPT && ftruncate(term.out_fd, OUT_KEPT) < 0))
		log_fatal("screen: memory file");
	term.out_at = 0;
}

void term_frame_end(struct buf *out)
{
	bool show = term.cursor_y >= 0;

	if (show)
		move(term.cursor_y, term.cursor_x);
	curs_set(show ? 1 : 0);
	term.cursor_shown = show;
	wnoutrefresh(stdscr);
	doupdate();
	take_output(out);
}

bool term_cursor_shown(void)
{
	return term.cursor_shown;
}

const char *term_enter(bool mouse)
{
	return mouse ? "\033[?1049h\033[?1h\033=\033[?2004h\033[?1000h\033[?1002h\033[?1006h\033[m"
		       "\033[H\033[2J"
		     : "\033[?1049h\033[?1h\033=\033[?2004h\033[m\033[H\033[2J";
}

const char *term_mouse(bool on)
{
	return on ? "\033[?1000h\033[?1002h\033[?1006h" : "\033[?1006l\033[?1002l\033[?1000l";
}

const char *term_leave(void)
{
	return "\033[?1006l\033[?1002l\033[?1000l\033[?2004l\033[?1l\033>\033[m\033[?25h\033[?1049l";
}
