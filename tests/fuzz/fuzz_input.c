/* link: cl_client cl_base */
/*
 * The small readers that meet text of strangers, chosen by the first byte: screen_safe() (no byte of
 * its output may drive a terminal), widths, message fields, SSH user names, words of a command line
 * against every verb's usage, and server-sent events (the same in any pieces).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ipc.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/screen.h"
#include "base/utf8.h"
#include "engine/client/client_sse.h"
#include "engine/client/verb.h"
#include "engine/client/verb_args.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cells of a code point by Unicode's East Asian Width, where no two tables disagree; -1 elsewhere. */
static int known_width(uint32_t cp)
{
	static const struct {
		uint32_t from, to;
		int cells;
	} rows[] = {{0x20, 0x7E, 1}, {0xA1, 0xA7, 1}, {0xC0, 0x2FF, 1}, {0x391, 0x3FF, 1}, {0x410, 0x481, 1},
	    {0x5D0, 0x5EA, 1}, {0x3041, 0x3096, 2}, {0x30A1, 0x30FA, 2}, {0x3400, 0x4DBF, 2},
	    {0x4E00, 0x9FFF, 2}, {0xAC00, 0xD7A3, 2}, {0xF900, 0xFA6D, 2}, {0xFF01, 0xFF60, 2},
	    {0x20000, 0x2A6DF, 2}};

	for (size_t i = 0; i < CL_COUNT(rows); i++)
		if (cp >= rows[i].from && cp <= rows[i].to)
			return rows[i].cells;
	return -1;
}

/* Columns that are counted are columns that a terminal moves by. */
static void width(const char *s, size_t n)
{
	int cells = 0, one;
	uint32_t cp;

	for (size_t i = 0; i < n;) {
		i += utf8_decode(s + i, n - i, &cp);
		one = known_width(cp);
		if (one < 0)
			return;
		cells += one;
	}
	if (utf8_width(s, n) != cells)
		abort();
}

static void screen(const char *s, size_t n)
{
	cl_autofree char *heap = screen_safe_dup(s, n, 0);
	size_t len = strlen(heap), size = n ? (unsigned char)s[0] + 1u : 1;
	cl_autofree char *cut = mem_alloc(size);
	uint32_t cp;

	for (size_t i = 0; i < len;) {
		i += utf8_decode(heap + i, len - i, &cp);
		if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || (cp >= 0x202A && cp <= 0x202E) ||
		    (cp >= 0x2066 && cp <= 0x2069))
			abort();
	}
	width(heap, len);
	/* A cut form is the beginning of the whole one. */
	if (memcmp(cut, heap, screen_safe(cut, size, s, n, 0)) != 0 || !utf8_valid(heap, len))
		abort();
}

static void widths(const char *s, size_t n)
{
	int used, width = utf8_width(s, n), w;
	size_t at;

	for (int cells = 0; cells <= 8; cells++)
		if (utf8_fit(s, n, cells, &used) > n || used > cells || used > width)
			abort();
	for (at = 0; at < n;) {
		at += utf8_grapheme(s + at, n - at, &w);
		if (w < 0 || w > 2)
			abort();
	}
	if (at != n || utf8_whole(s, n) > n)
		abort();
}

static void fields(const char *s, size_t n)
{
	static struct ipc_in in;
	char text[16];
	size_t len;

	n = n < sizeof(in.data) ? n : sizeof(in.data);
	memset(&in, 0, offsetof(struct ipc_in, data));
	memcpy(in.data, s, n);
	in.len = n;
	in.type = ipc_get_u32(&in);
	for (int i = 0; i < 12; i++) {
		switch ((in.type >> (i * 2)) & 3) {
		case 0:
			ipc_get_str(&in, text, sizeof(text));
			break;
		case 1:
			if (ipc_get_range(&in, 3, 9) < 3)
				abort();
			break;
		case 2:
			ipc_get_bytes(&in, &len, 100);
			if (len > 100)
				abort();
			break;
		default:
			ipc_get_i64(&in);
		}
	}
	if (in.pos > in.len || ipc_get_fd(&in) != -1 || ipc_end(&in) != -1)
		abort();
}

static void line(const char *s, size_t n)
{
	cl_autofree char *text = mem_strndup(s, n), **words = NULL;
	struct verb_args args;
	struct name_target target;
	int count = verb_args_split(text, &words), used;
	const struct verb *v = count > 0 ? verb_find(count, words, &used) : NULL;

	name_parse_target(&target, text);
	verb_known_word(text);
	for (const struct verb *row = v ? v : verb_table; row->name && count > 0; row++) {
		struct verb_ctx ctx = {.in = -1};
		struct cl_err err = {0};
		bool help = false;
		int skip = v ? used : 0;

		verb_args_parse(&args, row->args, row->flags & VERB_RAW, count - skip, words + skip, &ctx,
		    &help, &err);
		mem_free(args.rest);
		if (v)
			break;
	}
}

static uint64_t sum;

static void event_cb(void *arg, const char *type, const char *id, const char *data)
{
	for (const char *p = type; *p; p++)
		sum = sum * 31 + (unsigned char)*p;
	for (const char *p = id; *p; p++)
		sum = sum * 37 + (unsigned char)*p;
	for (const char *p = data; *p; p++)
		sum = sum * 41 + (unsigned char)*p;
}

static void events(const char *s, size_t n)
{
	size_t piece = n ? (unsigned char)s[0] % 7 + 1 : 1;
	struct client_sse sse;
	uint64_t whole;

	sum = 0;
	client_sse_init(&sse, event_cb, NULL);
	client_sse_feed(&sse, s, n);
	client_sse_clear(&sse);
	whole = sum;
	sum = 0;
	client_sse_init(&sse, event_cb, NULL);
	for (size_t at = 0; at < n; at += piece)
		client_sse_feed(&sse, s + at, n - at < piece ? n - at : piece);
	client_sse_clear(&sse);
	if (sum != whole)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const char *, size_t) = {screen, widths, fields, line, events};

	if (size)
		readers[data[0] % CL_COUNT(readers)]((const char *)data + 1, size - 1);
	return 0;
}
