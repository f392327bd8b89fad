/*
 * CSI sequences of the filter: collected as numbers, checked against what the emulator may see,
 * and written anew.  Numbers are clamped to the screen, lists are split, because libvterm reads
 * only the first number of a mode list and keeps no count of its 16 numbers.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "tui/pane/filter.h"
#include "tui/pane/filter_internal.h"

#define ARG_MAX_VALUE 65535

/* Sequences for the emulator that take one or two numbers within the screen. */
static const char motion[] = "@ABCDEFGHILMPSTXZ`adefjk";

/* Private modes that become MODE items, and those that the emulator keeps itself. */
static const int modes[] = {1, 5, 12, 25, 47, 1000, 1002, 1003, 1004, 1006, 1047, 1049, 2004};
static const int own_modes[] = {6, 7, 69};

void filter_csi_begin(struct filter *f)
{
	f->leader = 0;
	f->inter = 0;
	f->bad = false;
	f->nargs = 0;
	f->args[0] = -1;
	f->sub[0] = false;
}

static void next_arg(struct filter *f, bool sub)
{
	/* Past the last number everything goes into one that nobody reads. */
	if (f->nargs < FILTER_ARGS)
		f->nargs++;
	f->args[f->nargs] = -1;
	f->sub[f->nargs] = sub;
}

void filter_csi_byte(struct filter *f, uint8_t c)
{
	int *arg = &f->args[f->nargs];

	if (c < 0x30) {
		f->bad = f->bad || f->inter;
		f->inter = (char)c;
	} else if (f->inter) {
		f->bad = true;
	} else if (c <= '9') {
		*arg = (*arg < 0 ? 0 : *arg) * 10 + (c - '0');
		if (*arg > ARG_MAX_VALUE)
			*arg = ARG_MAX_VALUE;
	} else if (c == ';' || c == ':') {
		next_arg(f, c == ':');
	} else if (f->nargs == 0 && f->args[0] < 0 && !f->leader) {
		f->leader = (char)c;
	} else {
		f->bad = true;
	}
}

static int arg_or(const struct filter *f, int i, int fallback)
{
	return i < f->nargs && f->args[i] >= 0 ? f->args[i] : fallback;
}

static void put(struct filter *f, struct filter_item item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct filter *f, struct filter_item item, const char *fmt, ...)
{
	char bytes[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(bytes, sizeof(bytes), fmt, ap);
	va_end(ap);
	item.bytes = bytes;
	item.n = strlen(bytes);
	filter_emit(f, &item);
}

static const struct filter_item seq_item = {.kind = FILTER_SEQ};

static void do_motion(struct filter *f, char c)
{
	int max = f->rows > f->cols ? f->rows : f->cols;
	int a = arg_or(f, 0, -1), b = arg_or(f, 1, -1);

	if (c == 'T' && f->nargs > 1)
		return; /* mouse highlighting */
	if (a > max)
		a = max;
	if (b > max)
		b = max;
	if (c != 'H' && c != 'f')
		b = -1;
	if (a >= 0 && b >= 0)
		put(f, seq_item, "\033[%d;%d%c", a, b, c);
	else if (b >= 0)
		put(f, seq_item, "\033[;%d%c", b, c);
	else if (a >= 0)
		put(f, seq_item, "\033[%d%c", a, c);
	else
		put(f, seq_item, "\033[%c", c);
}

/* Margins reach the emulator only when they make sense: first < last <= size. */
static void do_margins(struct filter *f, char c)
{
	int size = c == 'r' ? f->rows : f->cols;
	int a = arg_or(f, 0, 1), b = arg_or(f, 1, size);

	if (a < 1)
		a = 1;
	if (b < 1 || b > size)
		b = size;
	if (a < b)
		put(f, seq_item, "\033[%d;%d%c", a, b, c);
}

static void do_erase(struct filter *f, char c)
{
	static const struct filter_item saved = {.kind = FILTER_ERASE_SAVED};
	int a = arg_or(f, 0, 0);

	if (a <= 2)
		put(f, seq_item, "\033[%d%c", a, c);
	else if (a == 3 && c == 'J')
		put(f, saved, "\033[3J");
}

static bool is_in(const int *list, size_t n, int v)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == v)
			return true;
	return false;
}

static void private_mode(struct filter *f, int num, char c)
{
	struct filter_item item = {.kind = FILTER_MODE, .num = num, .on = c == 'h'};

	if (num == 1048) {
		item.kind = item.on ? FILTER_SAVE : FILTER_RESTORE;
		put(f, item, "\033%c", item.on ? '7' : '8');
	} else if (is_in(modes, CL_COUNT(modes), num)) {
		put(f, item, "\033[?%d%c", num, c);
	} else if (is_in(own_modes, CL_COUNT(own_modes), num)) {
		if (num == 69)
			f->margins = item.on;
		put(f, seq_item, "\033[?%d%c", num, c);
	}
}

static void do_modes(struct filter *f, char c)
{
	for (int i = 0; i < f->nargs; i++) {
		int num = f->args[i];
		struct filter_item item = {.kind = FILTER_MODE, .num = num, .on = c == 'h'};

		if (f->sub[i])
			continue;
		if (f->leader == '?')
			private_mode(f, num, c);
		else if (num == 4)
			put(f, seq_item, "\033[4%c", c);
		else if (num == 20)
			put(f, item, "\033[20%c", c);
	}
}

struct pen_list {
	int args[FILTER_ARGS * 2];
	int n;
};

static void pen_add(struct pen_list *l, int v)
{
	if (l->n < FILTER_ARGS * 2)
		l->args[l->n++] = v;
}

static int byte_of(int v)
{
	return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* 38, 48 or 58 at args[i], spelled with ';' or ':'.  Returns how many numbers it took. */
static int pen_color(struct filter *f, int i, struct pen_list *l)
{
	int code = f->args[i], kind = arg_or(f, i + 1, -1), first = i + 2, taken;
	bool colons = i + 1 < f->nargs && f->sub[i + 1];
	int end = i + 1;

	while (end < f->nargs && f->sub[end])
		end++;
	if (kind == 2 && colons && end - i >= 6)
		first++; /* 38:2:colourspace:r:g:b */
	taken = kind == 5 ? first + 1 - i : kind == 2 ? first + 3 - i : 2;
	if (colons)
		taken = end - i;
	if ((kind != 5 && kind != 2) || i + taken > f->nargs || first + (kind == 2 ? 3 : 1) > i + taken)
		return colons ? taken : f->nargs - i;
	if (code == 58)
		return taken;
	pen_add(l, code);
	pen_add(l, kind);
	for (int k = 0; k < (kind == 2 ? 3 : 1); k++)
		pen_add(l, byte_of(f->args[first + k]));
	return taken;
}

static int pen_code(struct filter *f, int i, struct pen_list *l)
{
	int v = arg_or(f, i, 0), taken = 1;

	if (v == 38 || v == 48 || v == 58)
		return pen_color(f, i, l);
	while (i + taken < f->nargs && f->sub[i + taken])
		taken++;
	if (v == 4 && taken > 1)
		pen_add(l, 400 + (arg_or(f, i + 1, 1) > 5 ? 1 : arg_or(f, i + 1, 1)));
	else if (v <= 9 || (v >= 21 && v <= 49) || (v >= 90 && v <= 97) || (v >= 100 && v <= 107))
		pen_add(l, v);
	return taken;
}

static void do_pen(struct filter *f)
{
	struct pen_list l = {.n = 0};
	char bytes[FILTER_ARGS * 2 * 4 + 8];
	size_t n = 2;
	struct filter_item item = {.kind = FILTER_PEN, .bytes = bytes, .args = l.args};

	if (f->nargs == 0)
		pen_add(&l, 0);
	for (int i = 0; i < f->nargs;)
		i += pen_code(f, i, &l);
	if (l.n == 0)
		return;
	memcpy(bytes, "\033[", 2);
	for (int i = 0; i < l.n; i++) {
		int v = l.args[i];

		n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, v >= 400 ? "%s4:%d" : "%s%d",
		    i ? ";" : "", v >= 400 ? v - 400 : v);
	}
	bytes[n++] = 'm';
	item.n = n;
	item.nargs = l.n;
	filter_emit(f, &item);
}

static void query(struct filter *f, int q, const char *bytes)
{
	struct filter_item item = {.kind = FILTER_QUERY, .num = q};

	put(f, item, "%s", bytes);
}

static void do_query(struct filter *f, char c)
{
	int a = arg_or(f, 0, 0);

	if (c == 'c' && a == 0 && !f->leader)
		query(f, FILTER_Q_DA1, "\033[c");
	else if (c == 'c' && a == 0 && f->leader == '>')
		query(f, FILTER_Q_DA2, "\033[>c");
	else if (c == 'n' && a == 5 && !f->leader)
		query(f, FILTER_Q_STATUS, "\033[5n");
	else if (c == 'n' && a == 6 && !f->leader)
		query(f, FILTER_Q_CURSOR, "\033[6n");
	else if (c == 'n' && a == 6 && f->leader == '?')
		query(f, FILTER_Q_XCURSOR, "\033[?6n");
	else if (c == 't' && a == 18 && !f->leader)
		query(f, FILTER_Q_SIZE, "\033[18t");
}

static void do_mode_query(struct filter *f)
{
	int a = arg_or(f, 0, 0);
	struct filter_item item = {.kind = FILTER_QUERY, .num = FILTER_Q_MODE + a};

	if (is_in(modes, CL_COUNT(modes), a))
		put(f, item, "\033[?%d$p", a);
}

/* Repeat, as if the glyph had been sent again; at most one row of it. */
static void do_repeat(struct filter *f, uint32_t cp)
{
	int n = arg_or(f, 0, 1);

	if (!cp)
		return;
	if (n < 1)
		n = 1;
	if (n > f->cols)
		n = f->cols;
	while (n-- > 0)
		filter_glyph(f, cp);
}

static void do_inter(struct filter *f, char c)
{
	struct filter_item shape = {.kind = FILTER_SHAPE, .num = arg_or(f, 0, 0)};
	struct filter_item soft = {.kind = FILTER_RESET, .on = false};
	int a = arg_or(f, 0, 1);

	if (f->inter == ' ' && c == 'q' && !f->leader && shape.num <= 6)
		put(f, shape, "\033[%d q", shape.num);
	else if (f->inter == '!' && c == 'p' && !f->leader) {
		f->margins = false;
		put(f, soft, "\033[!p");
	} else if (f->inter == '$' && c == 'p' && f->leader == '?')
		do_mode_query(f);
	else if (f->inter == '\'' && (c == '}' || c == '~') && !f->leader)
		put(f, seq_item, "\033[%d'%c", a > f->cols ? f->cols : a, c);
}

static void do_plain(struct filter *f, char c)
{
	struct filter_item save = {.kind = c == 's' ? FILTER_SAVE : FILTER_RESTORE};

	if (c == 'J' || c == 'K')
		do_erase(f, c);
	else if (c == 'r' || (c == 's' && f->margins))
		do_margins(f, c);
	else if ((c == 's' || c == 'u') && f->nargs == 0)
		put(f, save, "\033%c", c == 's' ? '7' : '8');
	else if (c == 'g' && (arg_or(f, 0, 0) == 0 || arg_or(f, 0, 0) == 3))
		put(f, seq_item, "\033[%dg", arg_or(f, 0, 0));
	else if (c && strchr(motion, c))
		do_motion(f, c);
}

void filter_csi_final(struct filter *f, uint8_t final)
{
	char c = (char)final;

	if (f->nargs > 0 || f->args[0] >= 0)
		f->nargs += f->nargs < FILTER_ARGS;
	if (f->bad)
		return;
	if (f->inter)
		do_inter(f, c);
	else if (c == 'h' || c == 'l')
		do_modes(f, c);
	else if (c == 'c' || c == 'n' || c == 't')
		do_query(f, c);
	else if (f->leader == '?' && (c == 'J' || c == 'K'))
		do_erase(f, c);
	else if (f->leader)
		return;
	else if (c == 'm')
		do_pen(f);
	else if (c == 'b')
		do_repeat(f, f->zwj ? 0 : f->last);
	else
		do_plain(f, c);
}
