/*
 * The screen: the only module that includes ncurses.  It draws cells into ncurses' model of the
 * screen, makes the bytes of a frame from it (for doors of the session's size) or paints any other
 * door from the same cells, and turns typed bytes into keys.
 *
 * Drawing is relative to the current clip rectangle, which ui.c sets before it calls a view:
 * (0,0) is the rectangle's upper left cell and nothing can be drawn outside it.
 *
 * One screen per process, main thread only.
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "tui/key.h"
#include "tui/rect.h"

/* Colours: default, one of the 256 palette entries, or 24 bits (shown as the nearest there is). */
#define TERM_COLOR_DEFAULT 0u
#define TERM_COLOR_INDEX(n) (0x01000000u | ((uint32_t)(n)&0xff))
#define TERM_COLOR_RGB(rgb) (0x02000000u | ((uint32_t)(rgb)&0xffffff))

enum term_attr {
	TERM_BOLD = 1,
	TERM_DIM = 2,
	TERM_ITALIC = 4,
	TERM_UNDERLINE = 8,
	TERM_REVERSE = 16,
	TERM_BLINK = 32,
	TERM_INVISIBLE = 64,
};

struct term_style {
	uint32_t fg, bg; /* TERM_COLOR_* */
	unsigned attr;   /* enum term_attr */
};

/* The styles that views share; term_theme() gives them. */
enum term_theme {
	THEME_TEXT,
	THEME_DIM,       /* less important text */
	THEME_BORDER,
	THEME_BORDER_FOCUS,
	THEME_TITLE,
	THEME_TITLE_FOCUS,
	THEME_MENU,      /* menu line and menus */
	THEME_MENU_SELECTED,
	THEME_BAR,       /* key bar and status */
	THEME_BAR_KEY,
	THEME_SELECTED,  /* the chosen row of a list, selected text */
	THEME_ERROR,
	THEME_WARN,
	THEME_OK,
	THEME_PROD,      /* everything that says production */
	THEME_INPUT,     /* text fields */
	THEME_HEADING,
	THEME_NAME,      /* names of people */
	THEME_LINK,
	THEME_GRAPH,
	THEME_COUNT
};
const struct term_style *term_theme(enum term_theme id);

/* ---- drawing, for views ---- */

/* Text from anywhere: made safe by screen_safe(), cut at w cells by whole graphemes, "…" where it
 * was cut if w > 1.  n = -1: strlen.  Returns cells used. This is the only way for text. */
int term_text(int y, int x, int w, const struct term_style *st, const char *s, int n);
/* As printf, into at most 1 KiB, then term_text(). */
int term_textf(int y, int x, int w, const struct term_style *st, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* One cell (or two, width 2) from sanitized code points: a base and up to 5 combining marks.
 * Controls and unassigned code points are shown as a blank.  n = 0: a blank. */
void term_cell(int y, int x, const uint32_t *cps, int n, int width, const struct term_style *st);
/* w copies of an ASCII character, or of one of enum term_line. */
void term_fill(int y, int x, int w, const struct term_style *st, uint32_t ch);
void term_clear(const struct term_style *st); /* the whole clip rectangle */
/* Give w cells another style and keep their text (selections). */
void term_restyle(int y, int x, int w, const struct term_style *st);

/* Line drawing characters; a door with LANG=C is shown + - | instead (tui/term_paint.h). */
enum term_line {
	TERM_HLINE = 0x2500,
	TERM_VLINE = 0x2502,
	TERM_ULCORNER = 0x250c,
	TERM_URCORNER = 0x2510,
	TERM_LLCORNER = 0x2514,
	TERM_LRCORNER = 0x2518,
	TERM_LTEE = 0x251c,
	TERM_RTEE = 0x2524,
	TERM_TTEE = 0x252c,
	TERM_BTEE = 0x2534,
	TERM_CROSS = 0x253c,
	TERM_ARROW_RIGHT = 0x25b8, /* closed folder, chosen row */
	TERM_ARROW_DOWN = 0x25be,  /* open folder */
	TERM_DOT = 0x25cf,         /* changed, running */
	TERM_BAR1 = 0x2581,        /* ..TERM_BAR1 + 7: sparkline */
};
/* A frame around the clip rectangle's part r, with a title in its upper line. */
void term_box(const struct rect *r, const struct term_style *line, const char *title,
    const struct term_style *title_style);

/* Where the cursor stands after this frame, relative to the clip; hidden when nobody calls it
 * or when it falls outside. */
void term_cursor(int y, int x);

/* Rows and columns of the current clip rectangle. */
int term_height(void);
int term_width(void);

/* ---- the screen itself, for ui.c ---- */

int term_open(int rows, int cols, struct cl_err *err);
void term_close(void);
void term_resize(int rows, int cols);
int term_rows(void);
int term_cols(void);
/* Set the clip rectangle (NULL: whole screen). Cursor calls of views without focus are ignored:
 * allow_cursor says whether this one may place it. */
void term_clip(const struct rect *r, bool allow_cursor);
/* Between begin and end of a frame the views draw. end gives the bytes that bring a door which
 * has seen every frame so far up to date (appended to out). */
void term_frame_begin(void);
void term_frame_end(struct buf *out);
bool term_cursor_shown(void); /* in the frame that was made last */

/* Bytes that a door's terminal needs before its first and after its last frame. */
const char *term_enter(bool mouse);
const char *term_leave(void);
const char *term_mouse(bool on); /* reports of presses, drags and the wheel */

#endif
