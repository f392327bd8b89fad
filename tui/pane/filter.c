/* The filter's outer part: UTF-8, text, escape sequences.  See filter.h. */
#include "tui/pane/filter.h"

#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane/filter_internal.h"

static void on_cp(struct filter *f, uint32_t cp);

void filter_init(struct filter *f, int rows, int cols, filter_cb *cb, void *arg)
{
	memset(f, 0, sizeof(*f));
	f->cb = cb;
	f->arg = arg;
	f->text_ascii = true;
	filter_resize(f, rows, cols);
}

void filter_clear(struct filter *f)
{
	mem_free(f->clip);
	f->clip = NULL;
}

void filter_resize(struct filter *f, int rows, int cols)
{
	f->rows = rows;
	f->cols = cols;
}

static void flush(struct filter *f)
{
	struct filter_item item = {.kind = FILTER_TEXT, .bytes = f->text, .n = f->text_n};

	if (f->text_n == 0)
		return;
	item.ascii = f->text_ascii;
	f->text_n = 0;
	f->text_ascii = true;
	f->cb(f->arg, &item);
}

/*
 * Sequences and controls that come out separate a glyph from marks and REP.  Those that vanish do
 * not: in the output the glyph and what follows stand side by side.
 */
static void forget_glyph(struct filter *f)
{
	f->last = 0;
	f->zwj = false;
}

void filter_emit(struct filter *f, const struct filter_item *item)
{
	flush(f);
	if (item->kind != FILTER_MARK)
		forget_glyph(f);
	f->cb(f->arg, item);
}

void filter_add(struct filter *f, uint32_t cp)
{
	if (f->text_n + 4 > FILTER_TEXT_MAX)
		flush(f);
	f->text_n += utf8_encode(cp, f->text + f->text_n);
	if (cp >= 0x80)
		f->text_ascii = false;
}

/* Invisible code points that only serve to deceive, or that mean nothing in a cell. */
static bool is_dropped(uint32_t cp)
{
	return cp == 0x061C || cp == 0x200B || cp == 0x200E || cp == 0x200F || cp == 0xFEFF ||
	       (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x206F) ||
	       (cp >= 0xFFF9 && cp <= 0xFFFB) || (cp >= 0xE0000 && cp <= 0xE00FF);
}

static void mark(struct filter *f, uint32_t cp)
{
	char bytes[4];
	struct filter_item item = {.kind = FILTER_MARK, .bytes = bytes, .cp = cp};

	/* A joiner needs room for what it joins, or the next glyph would be taken for its
	 * partner when the output is filtered again. */
	if (!f->last || f->marks + (cp == 0x200D) >= FILTER_MARKS)
		return;
	f->marks++;
	f->zwj = cp == 0x200D;
	item.n = utf8_encode(cp, bytes);
	filter_emit(f, &item);
}

void filter_glyph(struct filter *f, uint32_t cp)
{
	int width;

	if ((cp & 0xFFFE) == 0xFFFE || (cp >= 0xFDD0 && cp <= 0xFDEF))
		cp = UTF8_BAD;
	if (is_dropped(cp))
		return;
	width = utf8_cell_width(cp);
	if (f->last && f->last_width == 2 && width == 2 &&
	    (f->zwj || (cp >= 0x1F3FB && cp <= 0x1F3FF)))
		width = 0;
	if (width == 0) {
		mark(f, cp);
		return;
	}
	filter_add(f, cp);
	f->last = cp;
	f->last_width = width;
	f->marks = 0;
	f->zwj = false;
}

static void seq(struct filter *f, const char *bytes)
{
	struct filter_item item = {.kind = FILTER_SEQ, .bytes = bytes, .n = strlen(bytes)};

	filter_emit(f, &item);
}

static void simple(struct filter *f, enum filter_kind kind, bool on, int num, const char *bytes)
{
	struct filter_item item = {.kind = kind, .on = on, .num = num, .bytes = bytes};

	item.n = strlen(bytes);
	filter_emit(f, &item);
}

static void control(struct filter *f, uint32_t c)
{
	if (c == 0x07) {
		simple(f, FILTER_BELL, true, 0, "\a");
	} else if (c >= 0x08 && c <= 0x0F) {
		forget_glyph(f);
		filter_add(f, c);
	}
}

/* What ends an escape sequence, without an intermediate byte; also the C1 controls less 0x40. */
static void escape_plain(struct filter *f, uint32_t c)
{
	char bytes[3] = {0x1b, (char)c, 0};

	switch (c) {
	case 'D': case 'E': case 'H': case 'M':
		seq(f, bytes);
		break;
	case '7':
		simple(f, FILTER_SAVE, true, 0, bytes);
		break;
	case '8':
		simple(f, FILTER_RESTORE, true, 0, bytes);
		break;
	case '=': case '>':
		simple(f, FILTER_KEYPAD, c == '=', 0, bytes);
		break;
	case 'c':
		f->margins = false;
		simple(f, FILTER_RESET, true, 0, bytes);
		break;
	case 'Z':
		simple(f, FILTER_QUERY, true, FILTER_Q_DA1, "\033[c");
		break;
	case '[':
		filter_csi_begin(f);
		f->state = FS_CSI;
		break;
	case ']': case 'P': case '_': case '^': case 'X':
		filter_str_begin(f, (int)c);
		f->state = FS_STRING;
		break;
	default:
		break;
	}
}

static void escape_inter(struct filter *f, uint32_t c)
{
	char bytes[4] = {0x1b, f->inter, (char)c, 0};

	if (f->bad)
		return;
	if ((f->inter == '(' || f->inter == ')') && (c == 'B' || c == '0' || c == 'A'))
		seq(f, bytes);
	else if (f->inter == '#' && c == '8')
		seq(f, bytes);
}

static void in_escape(struct filter *f, uint32_t c)
{
	if (c >= 0x20 && c <= 0x2F) {
		f->bad = f->bad || f->inter;
		f->inter = (char)c;
		return;
	}
	f->state = FS_GROUND;
	if (f->inter)
		escape_inter(f, c);
	else
		escape_plain(f, c);
}

static void begin_escape(struct filter *f)
{
	f->state = FS_ESC;
	f->inter = 0;
	f->bad = false;
}

/* ESC and CSI: controls act at once, anything beyond ASCII ends the sequence unseen. */
static void in_sequence(struct filter *f, uint32_t cp)
{
	if (cp == 0x1B) {
		begin_escape(f);
	} else if (cp == 0x18 || cp == 0x1A) {
		f->state = FS_GROUND;
	} else if (cp < 0x20) {
		control(f, cp);
	} else if (cp >= 0x80) {
		f->state = FS_GROUND;
		on_cp(f, cp);
	} else if (cp == 0x7F) {
		return;
	} else if (f->state == FS_ESC) {
		in_escape(f, cp);
	} else if (cp < 0x40) {
		filter_csi_byte(f, (uint8_t)cp);
	} else {
		f->state = FS_GROUND;
		filter_csi_final(f, (uint8_t)cp);
	}
}

static void in_string(struct filter *f, uint32_t cp)
{
	bool esc = f->state == FS_STRING_ESC;

	f->state = FS_STRING;
	if ((esc && cp == '\\') || cp == 0x9C || (cp == 0x07 && f->str_kind == ']')) {
		f->state = FS_GROUND;
		filter_str_end(f);
	} else if (cp == 0x18 || cp == 0x1A) {
		f->state = FS_GROUND;
		filter_str_cancel(f);
	} else if (esc) {
		filter_str_cancel(f);
		begin_escape(f);
		in_sequence(f, cp);
	} else if (cp == 0x1B) {
		f->state = FS_STRING_ESC;
	} else if (cp >= 0x20 && (cp < 0x7F || cp >= 0xA0)) {
		filter_str_add(f, cp);
	}
}

static void on_cp(struct filter *f, uint32_t cp)
{
	if (f->state >= FS_STRING)
		in_string(f, cp);
	else if (f->state != FS_GROUND)
		in_sequence(f, cp);
	else if (cp == 0x1B)
		begin_escape(f);
	else if (cp < 0x20)
		control(f, cp);
	else if (cp == 0x7F)
		return;
	else if (cp >= 0x80 && cp < 0xA0) {
		begin_escape(f);
		in_escape(f, cp - 0x40);
	} else {
		filter_glyph(f, cp);
	}
}

/* Start of a sequence, or U+FFFD: as a decoder that replaces each maximal wrong part by one. */
static void utf8_lead(struct filter *f, uint8_t c)
{
	f->u_lo = 0x80;
	f->u_hi = 0xBF;
	if (c >= 0xC2 && c <= 0xDF) {
		f->u_need = 1;
		f->u_cp = c & 0x1F;
	} else if (c >= 0xE0 && c <= 0xEF) {
		f->u_need = 2;
		f->u_cp = c & 0x0F;
		f->u_lo = c == 0xE0 ? 0xA0 : 0x80;
		f->u_hi = c == 0xED ? 0x9F : 0xBF;
	} else if (c >= 0xF0 && c <= 0xF4) {
		f->u_need = 3;
		f->u_cp = c & 0x07;
		f->u_lo = c == 0xF0 ? 0x90 : 0x80;
		f->u_hi = c == 0xF4 ? 0x8F : 0xBF;
	} else {
		on_cp(f, UTF8_BAD);
	}
}

static void on_byte(struct filter *f, uint8_t c)
{
	if (f->u_need) {
		if (c >= f->u_lo && c <= f->u_hi) {
			f->u_lo = 0x80;
			f->u_hi = 0xBF;
			f->u_cp = f->u_cp << 6 | (c & 0x3F);
			if (--f->u_need == 0)
				on_cp(f, f->u_cp);
			return;
		}
		f->u_need = 0;
		on_cp(f, UTF8_BAD);
	}
	if (c < 0x80)
		on_cp(f, c);
	else
		utf8_lead(f, c);
}

/* Plain ASCII, which is nearly everything, is copied by the run.  Returns bytes taken. */
static size_t ascii_run(struct filter *f, const char *p, size_t n)
{
	size_t room, i;

	if (f->text_n == FILTER_TEXT_MAX)
		flush(f);
	room = FILTER_TEXT_MAX - f->text_n;
	if (n > room)
		n = room;
	for (i = 0; i < n && (uint8_t)(p[i] - 0x20) < 0x5F; i++)
		f->text[f->text_n + i] = p[i];
	if (i == 0)
		return 0;
	f->text_n += i;
	f->last = (uint8_t)p[i - 1];
	f->last_width = 1;
	f->marks = 0;
	f->zwj = false;
	return i;
}

/* What a string that will be dropped holds is passed over by the run: see filter_str.c. */
static size_t skip_run(struct filter *f, const char *p, size_t n)
{
	size_t i = 0;

	if (f->str_over)
		while (i < n && (uint8_t)(p[i] - 0x20) < 0x5F)
			i++;
	return i;
}

void filter_feed(struct filter *f, const char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t run = 0;

		if (!f->u_need && f->state == FS_GROUND)
			run = ascii_run(f, p + i, n - i);
		else if (!f->u_need && f->state == FS_STRING)
			run = skip_run(f, p + i, n - i);
		if (run)
			i += run;
		else
			on_byte(f, (uint8_t)p[i++]);
	}
	flush(f);
}
