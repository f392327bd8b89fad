/*
 * Strings of the filter: OSC, DCS, APC, PM, SOS.  At most FILTER_STR_MAX bytes are kept, only of
 * OSC and DCS; what is longer or of another kind runs through without a trace.
 */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane/filter.h"
#include "tui/pane/filter_internal.h"

void filter_str_begin(struct filter *f, int kind)
{
	filter_str_cancel(f);
	f->str_kind = kind;
	f->str_over = kind != ']' && kind != 'P';
}

void filter_str_cancel(struct filter *f)
{
	mem_free(f->clip);
	f->clip = NULL;
	f->str_n = 0;
	f->str_over = true;
}

static void over(struct filter *f)
{
	filter_str_cancel(f);
}

/* An OSC 52 outgrows the common limit: only then, and only by policy, memory is taken. */
static bool grow_clip(struct filter *f)
{
	if (f->clip)
		return true;
	if (!f->clipboard || f->str_kind != ']' || memcmp(f->str, "52;", 3) != 0)
		return false;
	f->clip = mem_alloc(FILTER_CLIP_MAX + 64);
	memcpy(f->clip, f->str, f->str_n);
	return true;
}

void filter_str_add(struct filter *f, uint32_t cp)
{
	char *to = f->str;
	size_t max = FILTER_STR_MAX;

	if (f->str_over)
		return;
	if (f->str_n + 4 > FILTER_STR_MAX) {
		if (!grow_clip(f)) {
			over(f);
			return;
		}
		to = f->clip;
		max = FILTER_CLIP_MAX + 64;
		if (f->str_n + 4 > max) {
			over(f);
			return;
		}
	}
	f->str_n += utf8_encode(cp, to + f->str_n);
}

static void query(struct filter *f, enum filter_query q, const char *bytes)
{
	struct filter_item item = {.kind = FILTER_QUERY, .num = (int)q, .bytes = bytes};

	item.n = strlen(bytes);
	filter_emit(f, &item);
}

static void title(struct filter *f, const char *s, size_t n)
{
	char bytes[FILTER_STR_MAX + 16];
	struct filter_item item = {.kind = FILTER_TITLE, .bytes = bytes, .data = s, .data_n = n};

	memcpy(bytes, "\033]2;", 4);
	memcpy(bytes + 4, s, n);
	memcpy(bytes + 4 + n, "\033\\", 2);
	item.n = n + 6;
	filter_emit(f, &item);
}

static bool is_base64(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (!alnum && c != '+' && c != '/' && c != '=')
			return false;
	}
	return n > 0;
}

/* s is "Pc;Pd".  A read ("?") is refused: it would give the user's clipboard to the program. */
static void clipboard(struct filter *f, const char *s, size_t n)
{
	struct filter_item item = {.kind = FILTER_CLIPBOARD};
	const char *data = memchr(s, ';', n);
	char *bytes;

	if (!f->clipboard || !data)
		return;
	data++;
	n -= (size_t)(data - s);
	if (n > FILTER_CLIP_MAX || !is_base64(data, n))
		return;
	bytes = mem_alloc(n + 16);
	memcpy(bytes, "\033]52;c;", 7);
	memcpy(bytes + 7, data, n);
	memcpy(bytes + 7 + n, "\033\\", 2);
	item.bytes = bytes;
	item.n = n + 9;
	item.data = bytes + 7;
	item.data_n = n;
	filter_emit(f, &item);
	mem_free(bytes);
}

static void osc(struct filter *f, const char *s, size_t n)
{
	int num = 0;
	size_t i = 0;

	while (i < n && i < 4 && s[i] >= '0' && s[i] <= '9')
		num = num * 10 + (s[i++] - '0');
	if (i == 0 || i >= n || s[i] != ';')
		return;
	s += i + 1;
	n -= i + 1;
	if (num == 0 || num == 2)
		title(f, s, n);
	else if (num == 52)
		clipboard(f, s, n);
	else if (num == 10 && n == 1 && *s == '?')
		query(f, FILTER_Q_FG, "\033]10;?\033\\");
	else if (num == 11 && n == 1 && *s == '?')
		query(f, FILTER_Q_BG, "\033]11;?\033\\");
	/* 1, 4, 7, 8, 12, 104, 110-112 are understood to mean nothing here; others are unknown. */
}

static void dcs(struct filter *f, const char *s, size_t n)
{
	static const char *const known[] = {"$q q", "$qm", "$qr", "$qs", "$q\"q", "$q\"p"};

	for (size_t i = 0; i < CL_COUNT(known); i++)
		if (n == strlen(known[i]) && memcmp(s, known[i], n) == 0)
			query(f, FILTER_Q_DECRQSS, "\033P$qm\033\\");
}

void filter_str_end(struct filter *f)
{
	if (!f->str_over) {
		const char *s = f->clip ? f->clip : f->str;

		if (f->str_kind == ']')
			osc(f, s, f->str_n);
		else
			dcs(f, s, f->str_n);
	}
	filter_str_cancel(f);
}
