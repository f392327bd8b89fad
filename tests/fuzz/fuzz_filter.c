/* link: cl_pane cl_base */
/*
 * Z1: the filter alone.  Whatever comes in, the canonical bytes that come out are valid UTF-8
 * without REP, in pieces of at most FILTER_TEXT_MAX; they do not depend on the cuts of the input;
 * filtered again they are the same.
 * Input: byte 0 seeds the cuts, byte 1 the size, the rest is output of a program.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/utf8.h"
#include "tui/pane/filter.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void check_numbers(const struct filter_item *i)
{
	size_t digits = 0;

	CHECK(i->n < 128 && i->bytes[i->n - 1] != 'b');
	for (size_t k = 0; k < i->n; k++) {
		digits = i->bytes[k] >= '0' && i->bytes[k] <= '9' ? digits + 1 : 0;
		CHECK(digits <= 4);
	}
}

static void out_cb(void *arg, const struct filter_item *i)
{
	CHECK(i->n > 0 && utf8_valid(i->bytes, i->n));
	CHECK(i->kind != FILTER_TEXT || i->n <= FILTER_TEXT_MAX);
	CHECK(i->kind != FILTER_PEN || i->nargs <= FILTER_ARGS);
	if (i->kind == FILTER_SEQ)
		check_numbers(i);
	CHECK(buf_add(arg, i->bytes, i->n) == 0);
}

static void run(struct buf *out, const char *p, size_t n, unsigned seed, unsigned size)
{
	static struct filter f;

	buf_init(out, (size_t)256 << 20);
	filter_init(&f, 2 + (int)(size % 60), 4 + (int)size, out_cb, out);
	f.clipboard = size & 1;
	while (n > 0) {
		size_t part = seed ? 1 + seed % 37 : n;

		if (part > n)
			part = n;
		filter_feed(&f, p, part);
		p += part;
		n -= part;
		if (seed)
			seed = seed * 1103515245 + 12345;
	}
	filter_clear(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut, again;
	const char *p = (const char *)data + 2;

	if (size < 2 || size > 65536)
		return 0;
	run(&whole, p, size - 2, 0, data[1]);
	run(&cut, p, size - 2, data[0] + 1u, data[1]);
	CHECK(whole.len == cut.len && (whole.len == 0 || memcmp(whole.data, cut.data, cut.len) == 0));
	run(&again, whole.data, whole.len, data[0] + 7u, data[1]);
	CHECK(whole.len == again.len && (whole.len == 0 || memcmp(whole.data, again.data, again.len) == 0));
	buf_clear(&whole);
	buf_clear(&cut);
	buf_clear(&again);
	return 0;
}
