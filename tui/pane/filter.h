/*
 * The filter between a program's output and libvterm.  Bytes in, items out: text that is whole,
 * valid UTF-8; sequences from an allow-list with clamped numbers; events for what the emulator
 * must not see (titles, queries, the clipboard, colours, private modes).  Pure and streaming: the
 * items do not depend on how the bytes were cut, nothing is allocated for what is dropped, and
 * the canonical bytes of the items, filtered again, give the same items.
 *
 *          +--------+     cp     +--------+  glyph   TEXT  MARK
 *   bytes  | UTF-8  | ---------> | ground | ------->
 *   -----> | decode |            | ESC    | ------->  SEQ PEN MODE SAVE ... QUERY
 *          +--------+            | CSI    |
 *                                | string | ------->  TITLE CLIPBOARD
 *                                +--------+
 */
#ifndef TUI_PANE_FILTER_H
#define TUI_PANE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_TEXT_MAX 512      /* bytes of one TEXT item */
#define FILTER_ARGS 32           /* numbers of one CSI that are read */
#define FILTER_STR_MAX 4096      /* bytes of an OSC or DCS that is kept; longer ones are dropped */
#define FILTER_CLIP_MAX 32768    /* bytes of base64 of an OSC 52 */
#define FILTER_MARKS 8           /* code points that join a glyph */

enum filter_kind {
	FILTER_TEXT,      /* glyphs one or two cells wide, and BS HT LF VT FF CR SO SI */
	FILTER_MARK,      /* cp joins the glyph just before */
	FILTER_SEQ,       /* for the emulator */
	FILTER_BELL,
	FILTER_PEN,       /* args: SGR codes; 38/48 are followed by 5,n or 2,r,g,b; 4:n is 400+n */
	FILTER_MODE,      /* DEC private mode num set to on; num 20: LNM, also sent as SEQ */
	FILTER_KEYPAD,    /* application keypad on or off */
	FILTER_SHAPE,     /* DECSCUSR num, 0..6 */
	FILTER_SAVE,
	FILTER_RESTORE,
	FILTER_RESET,     /* on: RIS, else DECSTR */
	FILTER_ERASE_SAVED,
	FILTER_QUERY,     /* num: enum filter_query */
	FILTER_TITLE,     /* data */
	FILTER_CLIPBOARD, /* data: base64 */
};

enum filter_query {
	FILTER_Q_DA1, FILTER_Q_DA2, FILTER_Q_STATUS, FILTER_Q_CURSOR, FILTER_Q_XCURSOR,
	FILTER_Q_SIZE, FILTER_Q_FG, FILTER_Q_BG, FILTER_Q_DECRQSS,
	FILTER_Q_MODE, /* + mode number */
};

struct filter_item {
	enum filter_kind kind;
	const char *bytes; /* canonical form, n bytes; borrowed during the callback */
	size_t n;
	bool ascii;        /* TEXT: every byte is below 0x80 */
	bool on;
	int num;
	uint32_t cp;
	const int *args;
	int nargs;
	const char *data;  /* TITLE, CLIPBOARD */
	size_t data_n;
};

typedef void filter_cb(void *arg, const struct filter_item *item);

struct filter {
	filter_cb *cb;
	void *arg;
	int rows, cols;          /* numbers are clamped to these */
	bool clipboard;          /* policy: OSC 52 writes become items */
	int state;
	/* UTF-8 being decoded: bytes wanted, value, range of the next byte */
	int u_need;
	uint32_t u_cp;
	uint8_t u_lo, u_hi;
	/* last glyph, for REP and for marks; 0 = none directly before */
	uint32_t last;
	int last_width;
	int marks;
	bool zwj;
	/* sequence being collected */
	char leader, inter;
	bool bad;
	int args[FILTER_ARGS + 1]; /* -1 = missing */
	bool sub[FILTER_ARGS + 1]; /* this number follows a ':' */
	int nargs;
	bool margins;              /* DECLRMM is on */
	/* string being collected */
	int str_kind;
	size_t str_n;
	bool str_over;
	char *clip;                /* heap, only while an OSC 52 is collected */
	char str[FILTER_STR_MAX];
	/* text not yet given out */
	size_t text_n;
	bool text_ascii;
	char text[FILTER_TEXT_MAX];
};

void filter_init(struct filter *f, int rows, int cols, filter_cb *cb, void *arg);
void filter_clear(struct filter *f);
void filter_resize(struct filter *f, int rows, int cols);
/* Everything complete in p[0..n) has been given to the callback when it returns. */
void filter_feed(struct filter *f, const char *p, size_t n);

#endif
