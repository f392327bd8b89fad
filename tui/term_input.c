/*
 * Typed bytes wait in `inbox`.  Keys go on to ncurses through its pipe, in small parts; a bracketed
 * paste never does: its bytes are cut out here, so nothing inside it can act as a key.
 *
 *   inbox:  ls -l ⏎ ESC[A ESC[200~ anything at all ESC[201~ x
 *           └── ncurses ┘          └─── TERM_PASTE ──┘      └ ncurses
 */
#include "tui/term_input.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wctype.h>
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

#define PASTE_BEGIN "\033[200~"
#define PASTE_END "\033[201~"
#define PART 2048 /* bytes handed to ncurses at once; far below a pipe's size */

/* Our key codes above those of ncurses: OWN + modifiers * 64 + index into own_keys. */
#define OWN 0x1000
#define OWN_MOUSE 0x2000

static struct {
	int pipe;
	bool drained; /* ncurses has none of what it was given */
	struct buf inbox;
	bool pasting;
	struct buf paste;
	char mouse[32]; /* "0;10;5" so far */
	size_t mouse_len;
	bool in_mouse;
	int held; /* mouse button that is down, 0 none */
} input;

static const struct {
	uint32_t code;
	char letter; /* ESC [ 1 ; mod letter, or */
	int number;  /* ESC [ number ; mod ~ */
} own_keys[] = {
	{ KEYC_UP, 'A', 0 },	   { KEYC_DOWN, 'B', 0 },     { KEYC_RIGHT, 'C', 0 },
	{ KEYC_LEFT, 'D', 0 },	   { KEYC_HOME, 'H', 1 },     { KEYC_END, 'F', 4 },
	{ KEYC_INS, 0, 2 },	   { KEYC_DEL, 0, 3 },	      { KEYC_PGUP, 0, 5 },
	{ KEYC_PGDN, 0, 6 },	   { KEYC_F1, 'P', 11 },      { KEYC_F1 + 1, 'Q', 12 },
	{ KEYC_F1 + 2, 'R', 13 },  { KEYC_F1 + 3, 'S', 14 },  { KEYC_F1 + 4, 0, 15 },
	{ KEYC_F1 + 5, 0, 17 },	   { KEYC_F1 + 6, 0, 18 },    { KEYC_F1 + 7, 0, 19 },
	{ KEYC_F1 + 8, 0, 20 },	   { KEYC_F1 + 9, 0, 21 },    { KEYC_F1 + 10, 0, 23 },
	{ KEYC_F1 + 11, 0, 24 },
};

static void define(int code, const char *fmt, int a, int b)
{
	char seq[24];

	/* the formats are ours, with at most two numbers or a number and a letter */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(seq, sizeof(seq), fmt, a, b);
#pragma GCC diagnostic pop
	define_key(seq, code);
}

static void define_keys(void)
{
	for (size_t i = 0; i < CL_COUNT(own_keys); i++) {
		int code = OWN + (int)i;
		if (own_keys[i].letter) {
			define(code, "\033[%c", own_keys[i].letter, 0);
			define(code, "\033O%c", own_keys[i].letter, 0);
		}
		if (own_keys[i].number)
			define(code, "\033[%d~", own_keys[i].number, 0);
		/* xterm's modifier number is 1 + shift + 2 alt + 4 ctrl: our enum's own bits */
		for (int mods = 1; mods < 8; mods++) {
			if (own_keys[i].letter)
				define(code + mods * 64, "\033[1;%d%c", mods + 1,
				    own_keys[i].letter);
			if (own_keys[i].number)
				define(code + mods * 64, "\033[%d;%d~", own_keys[i].number,
				    mods + 1);
		}
	}
	for (int f = 0; f < 5; f++) /* the Linux console's F1-F5 */
		define(OWN + 10 + f, "\033[[%c", 'A' + f, 0);
	define_key("\033[Z", OWN + KEY_MOD_SHIFT * 64 + 63);
	define_key("\033[<", OWN_MOUSE);
}

void term_input_open(int pipe_write)
{
	memset(&input, 0, sizeof(input));
	input.pipe = pipe_write;
	buf_init(&input.inbox, TERM_INPUT_MAX);
	buf_init(&input.paste, TERM_INPUT_MAX);
	define_keys();
}

void term_input_close(void)
{
	close(input.pipe);
	buf_clear(&input.inbox);
	buf_clear(&input.paste);
}

bool term_input_feed(const void *data, size_t n)
{
	return buf_add(&input.inbox, data, n) == 0;
}

/* How much of the end of s may be the start of `mark` (at least 3 bytes of it, so that a lone Esc
 * is not held back). */
static size_t partial(const char *s, size_t n, const char *mark)
{
	for (size_t k = strlen(mark) - 1; k >= 3; k--)
		if (n >= k && memcmp(s + n - k, mark, k) == 0)
			return k;
	return 0;
}

/* Whole, valid UTF-8 only: ncurses stalls on anything else. */
static void to_ncurses(const char *s, size_t n)
{
	uint32_t cp;

	for (size_t at = 0, len; at < n; at += len) {
		len = utf8_decode(s + at, n - at, &cp);
		if (cp == UTF8_BAD && len == 1)
			continue;
		if (write(input.pipe, s + at, len) < 0 && errno != EAGAIN)
			log_fatal("input pipe: %m");
		input.drained = false;
	}
}

/* Move the next part of the inbox to ncurses; false when there was none. */
static bool pump(void)
{
	struct buf *in = &input.inbox;
	char *mark;
	size_t n = in->len, whole;

	if (n == 0)
		return false;
	mark = memmem(in->data, n, PASTE_BEGIN, strlen(PASTE_BEGIN));
	if (mark)
		n = (size_t)(mark - in->data);
	else
		n -= partial(in->data, n, PASTE_BEGIN);
	if (mark && n == 0) {
		buf_drop(in, strlen(PASTE_BEGIN));
		input.pasting = true;
		return true;
	}
	if (n > PART)
		n = PART;
	whole = utf8_whole(in->data, n);
	if (whole == 0 && mark)
		whole = n;
	if (whole == 0)
		return false;
	to_ncurses(in->data, whole);
	buf_drop(in, whole);
	return true;
}

/* \r\n and \r become \n: terminals send newlines as \r. */
static void unix_lines(struct buf *b)
{
	size_t to = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\r' && i + 1 < b->len && b->data[i + 1] == '\n')
			continue;
		b->data[to++] = b->data[i] == '\r' ? '\n' : b->data[i];
	}
	b->len = to;
	if (b->data)
		b->data[to] = 0;
}

static bool read_paste(struct term_event *ev)
{
	struct buf *in = &input.inbox;
	char *end = in->len ? memmem(in->data, in->len, PASTE_END, strlen(PASTE_END)) : NULL;

	if (!end && !in->full)
		return false;
	buf_clear(&input.paste);
	buf_add(&input.paste, in->data, end ? (size_t)(end - in->data) : in->len);
	buf_drop(in, end ? input.paste.len + strlen(PASTE_END) : in->len);
	in->full = false;
	input.pasting = false;
	unix_lines(&input.paste);
	ev->kind = TERM_PASTE;
	ev->paste = input.paste.data ? input.paste.data : "";
	ev->paste_len = input.paste.len;
	return true;
}

static void end_mouse(struct term_event *ev, bool released)
{
	int b, x, y;
	struct term_mouse *m = &ev->mouse;

	input.in_mouse = false;
	input.mouse[input.mouse_len] = 0;
	if (sscanf(input.mouse, "%4d;%5d;%5d", &b, &x, &y) != 3 || x < 1 || y < 1)
		return;
	memset(m, 0, sizeof(*m));
	m->x = x - 1;
	m->y = y - 1;
	m->mods = (b & 4 ? KEY_MOD_SHIFT : 0) | (b & 8 ? KEY_MOD_ALT : 0) |
		  (b & 16 ? KEY_MOD_CTRL : 0);
	if (b & 64)
		m->kind = b & 1 ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP;
	else {
		m->button = (b & 3) + 1;
		m->kind = released ? MOUSE_RELEASE : b & 32 ? MOUSE_DRAG : MOUSE_PRESS;
	}
	ev->kind = TERM_MOUSE;
}

static void mouse_char(struct term_event *ev, wint_t c)
{
	if (c == 'M' || c == 'm')
		end_mouse(ev, c == 'm');
	else if ((iswdigit(c) || c == ';') && input.mouse_len < sizeof(input.mouse) - 1)
		input.mouse[input.mouse_len++] = (char)c;
	else
		input.in_mouse = false;
}

static void own_key(struct term_key *k, int code)
{
	int index = code & 63;

	memset(k, 0, sizeof(*k));
	k->mods = (unsigned)(code - OWN) / 64;
	k->code = index == 63 ? KEYC_TAB : own_keys[index].code;
}

/* Keys that ncurses' terminfo entry knows itself. */
static uint32_t ncurses_key(wint_t c)
{
	static const struct {
		int from;
		uint32_t to;
	} map[] = {
		{ KEY_UP, KEYC_UP },	     { KEY_DOWN, KEYC_DOWN },	{ KEY_LEFT, KEYC_LEFT },
		{ KEY_RIGHT, KEYC_RIGHT },   { KEY_HOME, KEYC_HOME },	{ KEY_END, KEYC_END },
		{ KEY_PPAGE, KEYC_PGUP },    { KEY_NPAGE, KEYC_PGDN },	{ KEY_IC, KEYC_INS },
		{ KEY_DC, KEYC_DEL },	     { KEY_ENTER, KEYC_ENTER }, { KEY_BACKSPACE, KEYC_BACKSPACE },
	};

	for (size_t i = 0; i < CL_COUNT(map); i++)
		if ((wint_t)map[i].from == c)
			return map[i].to;
	if (c >= (wint_t)KEY_F(1) && c <= (wint_t)KEY_F(12))
		return KEYC_F1 + (c - (wint_t)KEY_F(1));
	return 0;
}

/* One key from ncurses into *k; false: nothing there, or no key. */
static bool translate(int kind, wint_t c, struct term_key *k)
{
	if (kind == OK) {
		*k = key_of_char(c, 0);
		return true;
	}
	if (c >= OWN && c < OWN_MOUSE) {
		own_key(k, (int)c);
		return true;
	}
	memset(k, 0, sizeof(*k));
	k->code = ncurses_key(c);
	return k->code != 0;
}

static bool read_key(struct term_event *ev)
{
	wint_t c, next;
	int kind = get_wch(&c);

	input.drained = kind == ERR;
	if (kind == ERR)
		return false;
	if (input.in_mouse) {
		mouse_char(ev, kind == OK ? c : 0);
		return true;
	}
	if (kind == KEY_CODE_YES && c == OWN_MOUSE) {
		input.in_mouse = true;
		input.mouse_len = 0;
		return true;
	}
	if (kind == OK && c == 0x1b) { /* Esc and a key in one go: Alt */
		int more = get_wch(&next);
		if (more != ERR && !(more == KEY_CODE_YES && next == OWN_MOUSE) &&
		    translate(more, next, &ev->key)) {
			ev->key.mods |= KEY_MOD_ALT;
			ev->key.utf8[0] = 0;
			ev->kind = TERM_KEY;
			return true;
		}
	}
	if (translate(kind, c, &ev->key))
		ev->kind = TERM_KEY;
	return true;
}

/* A letter with nothing before it that ncurses still has: it needs no decoding, and that would cost five
 * calls. */
static bool read_plain(struct term_event *ev)
{
	struct buf *in = &input.inbox;

	if (in->len == 0 || in->data[0] < 0x20 || in->data[0] > 0x7e || input.in_mouse)
		return false;
	ev->kind = TERM_KEY;
	ev->key = key_of_char((unsigned char)in->data[0], 0);
	buf_drop(in, 1);
	return true;
}

void term_input_read(struct term_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	while (ev->kind == TERM_NOTHING) {
		if (input.pasting) {
			if (!read_paste(ev))
				return;
			continue;
		}
		if (!input.drained && read_key(ev))
			continue;
		if (read_plain(ev))
			continue;
		if (!pump())
			return;
	}
}
