/* Terminals on libvterm: what a program's output looks like, and that hostile output does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane/emu.h"

static const char *row_text(struct emu *t, int row)
{
	static char out[PANE_COLS_MAX * 8];
	size_t n = 0;

	for (int c = 0; c < t->grid->cols; c++) {
		const struct pane_cell *cell = grid_cell(t->grid, row, c);

		if (cell->ch & PANE_CELL_TAIL)
			continue;
		n += utf8_encode(cell->ch & PANE_CELL_CP ? cell->ch & PANE_CELL_CP : ' ', out + n);
		for (int i = 0; cell->mark && i < PANE_MARK_LEN && t->marks[cell->mark][i]; i++)
			n += utf8_encode(t->marks[cell->mark][i], out + n);
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static void feed(struct emu *t, const char *s)
{
	emu_feed(t, s, strlen(s));
}

/* A 4 x 10 screen after s; rows joined by '|'. */
static void shows(const char *s, const char *want)
{
	for (size_t chunk = 1; chunk <= 64; chunk *= 4) {
		struct emu *t = emu_new(4, 10);
		char got[1024];
		size_t n = 0;

		for (size_t i = 0; i < strlen(s); i += chunk)
			emu_feed(t, s + i, strlen(s) - i < chunk ? strlen(s) - i : chunk);
		for (int r = 0; r < 4; r++)
			n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", r ? "|" : "", row_text(t, r));
		assert_string_equal(got, want);
		emu_free(t);
	}
}

static void test_text(void **state)
{
	shows("hello", "hello|||");
	shows("a\r\nb\nc", "a|b| c|");
	shows("abc\bX", "abX|||");
	shows("a\tb", "a       b|||");
	shows("0123456789ab", "0123456789|ab||");
	shows("\033[?7l0123456789ab", "012345678b|||");
	shows("1\r\n2\r\n3\r\n4\r\n5", "2|3|4|5");
	shows("\xED\x95\x9C\xEA\xB8\x80x", "\xED\x95\x9C\xEA\xB8\x80x|||");
	shows("012345678\xED\x95\x9C", "012345678|\xED\x95\x9C||");
	shows("e\xCC\x81.", "e\xCC\x81.|||");
	shows("012345678e\xCC\x81", "012345678e\xCC\x81|||"); /* a mark at the right edge stays there */
	shows("\xED\x95\x9C\033[1;2HX", " X|||");               /* half a wide glyph does not stay */
	shows("\xED\x95\x9C\033[1;1HX", "X|||");
	shows("x\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81",
	    "x\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81|||");
}

/* Row 0 of a screen after these bytes, cut into pieces of `chunk` (the first one of `first`). */
static void cut_row(const char *in, size_t n, size_t first, size_t chunk, char *out, size_t size)
{
	struct emu *t = emu_new(24, 80);

	emu_feed(t, in, first);
	for (size_t i = first; i < n; i += chunk)
		emu_feed(t, in + i, n - i < chunk ? n - i : chunk);
	out[0] = '\0';
	for (int r = 0; r < 24; r++)
		snprintf(out + strlen(out), size - strlen(out), "%s|", row_text(t, r));
	emu_free(t);
}

/* What a decoder of its own makes of bytes: valid UTF-8 as it is, U+FFFD for each maximal broken part
 * (Unicode 15, 3.9, best practice). */
static void decoded(const char *in, size_t n, char *out)
{
	size_t at = 0, used;

	for (size_t i = 0; i < n; i += used) {
		const unsigned char *p = (const unsigned char *)in + i;
		int want = p[0] < 0x80 ? 0 : p[0] >= 0xC2 && p[0] < 0xE0 ? 1 : p[0] >= 0xE0 && p[0] < 0xF0 ? 2 :
		    p[0] >= 0xF0 && p[0] < 0xF5 ? 3 : -1;
		int got = 0;

		while (got < want && i + (size_t)got + 1 < n) {
			unsigned char c = p[got + 1], low = 0x80, high = 0xBF;

			if (got == 0 && p[0] == 0xE0)
				low = 0xA0;
			if (got == 0 && p[0] == 0xED)
				high = 0x9F;
			if (got == 0 && p[0] == 0xF0)
				low = 0x90;
			if (got == 0 && p[0] == 0xF4)
				high = 0x8F;
			if (c < low || c > high)
				break;
			got++;
		}
		used = (size_t)got + 1;
		if (want == 1 && got == 1 && p[0] == 0xC2 && p[1] < 0xA0)
			continue; /* a C1 control has no glyph and, in UTF-8, no meaning */
		if (want >= 0 && got == want)
			memcpy(out + at, p, used);
		else
			memcpy(out + at, "\xEF\xBF\xBD", 3);
		at += want >= 0 && got == want ? used : 3;
	}
	out[at] = '\0';
}

/* Every lead byte with 0 to 5 continuation bytes, cut at every place: the grid is what the decoder
 * above makes of them, wherever the cut was. */
static void test_every_split_on_the_grid(void **state)
{
	static char whole[24 * 400], got[24 * 400];

	for (int lead = 0xC0; lead < 0x100; lead++) {
		for (int tail = 0; tail <= 5; tail++) {
			char in[16] = {'a', (char)lead}, want[64];
			size_t n = 2;

			for (int i = 0; i < tail; i++)
				in[n++] = (char)(0x95 + 3 * i);
			in[n++] = 'z';
			cut_row(in, n, n, n, whole, sizeof(whole));
			decoded(in, n, want);
			if (memcmp(whole, want, strlen(want)) != 0)
				fail_msg("%02x and %d more: %s, not %s", lead, tail, whole, want);
			for (size_t cut = 1; cut < n; cut++) {
				cut_row(in, n, cut, n, got, sizeof(got));
				assert_string_equal(got, whole);
			}
		}
	}
}

static void test_chunk_sizes_on_the_grid(void **state)
{
	static char in[8192], whole[24 * 400], got[24 * 400];
	size_t n = 0;

	while (n < sizeof(in) - 200)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "\xED\x95\x9C\xEA\xB8\x80 %zu \033[3%zum\xF0\x9F\x91\xA9 e\xCC\x81"
		    "\033[%zu;%zuHx\xE2\x82\xAC\r\n\xC3", n, n % 8, 1 + n % 30, 1 + n % 90);
	cut_row(in, n, n, n, whole, sizeof(whole));
	for (size_t chunk = 1; chunk <= 1030; chunk++) {
		cut_row(in, n, chunk, chunk, got, sizeof(got));
		assert_string_equal(got, whole);
	}
}

static void test_motion(void **state)
{
	shows("\033[2;3Hx\033[Ay\033[5Dz", "z  y|  x||");
	shows("abcdef\033[1;3H\033[2P", "abef|||");
	shows("abcdef\033[1;3H\033[2@", "ab  cdef|||");
	shows("abcdef\033[1;3H\033[2X", "ab  ef|||");
	shows("abcdef\033[1;3H\033[K", "ab|||");
	shows("abcdef\033[1;3H\033[1K", "   def|||");
	shows("1\r\n2\r\n3\r\n4\033[2;1H\033[L", "1||2|3");
	shows("1\r\n2\r\n3\r\n4\033[2;1H\033[M", "1|3|4|");
	shows("1\r\n2\r\n3\r\n4\033[2;3r\033[3;1H\nx", "1|3|x|4");
	shows("1\r\n2\r\n3\r\n4\033[2;3r\033[2;1H\033My", "1|y|2|4");
	shows("1\r\n2\r\n3\r\n4\033[S", "2|3|4|");
	shows("1\r\n2\r\n3\r\n4\033[2T", "||1|2");
	shows("1\r\n2\033[2J\033[Hx", "x|||");
	shows("\033[4hab\033[1Gx", "xab|||");
	shows("\033#8\033[2;1H\033[J", "EEEEEEEEEE|||");
	shows("\033[3g\033[1;4H\033H\r\tx", "   x|||");
	shows("\033[2;4r\033[?6h\033[1;1Hx", "|x||");
	shows("abcdefghij\033[?69h\033[3;6s\033[1;3H\033[P", "abdef ghij|||");
	shows("A\033[3b", "AAAA|||");
	shows("\033[2b", "|||");
}

static void test_screens(void **state)
{
	shows("main\033[?1049halt\033[?1049l", "main|||");
	shows("main\033[?1049halt", "    alt|||");
	shows("ab\0337\033[3;3Hx\0338c", "abc||  x|");
	shows("ab\033[scd\033[ux", "abxd|||");
	shows("\033(0lqk\033(Bx", "\xE2\x94\x8C\xE2\x94\x80\xE2\x94\x90x|||");
	shows("\033)0\016x\017x", "\xE2\x94\x82x|||");
	shows("abc\033cX", "X|||");
	shows("\033[2;3r\033[4habc\033[!p\033[1;1HXY", "XYc|||");
}

static void test_pen(void **state)
{
	struct emu *t = emu_new(4, 20);
	const struct pane_cell *c;

	feed(t, "\033[1;2;3;4;5;7;8;9;31;104mx\033[22;23;24;25;27;28;29;39;49my\033[38;5;200;48;2;1;2;3mz");
	c = grid_cell(t->grid, 0, 0);
	assert_int_equal(c->attr, PANE_BOLD | PANE_DIM | PANE_ITALIC | PANE_BLINK | PANE_REVERSE |
	    PANE_CONCEAL | PANE_STRIKE | 1 << PANE_UNDER_SHIFT);
	assert_int_equal(c->fg, PANE_COLOR_INDEX | 1);
	assert_int_equal(c->bg, PANE_COLOR_INDEX | 12);
	c = grid_cell(t->grid, 0, 1);
	assert_int_equal(c->attr, 0);
	assert_int_equal(c->fg, 0);
	assert_int_equal(c->bg, 0);
	c = grid_cell(t->grid, 0, 2);
	assert_int_equal(c->fg, PANE_COLOR_INDEX | 200);
	assert_int_equal(c->bg, PANE_COLOR_RGB | 0x010203);
	feed(t, "\033[K");
	assert_int_equal(grid_cell(t->grid, 0, 19)->bg, PANE_COLOR_RGB | 0x010203);
	feed(t, "\033[0m\033[4:3m~\033[21m=\033[24m");
	assert_int_equal(grid_cell(t->grid, 0, 3)->attr, 3 << PANE_UNDER_SHIFT);
	assert_int_equal(grid_cell(t->grid, 0, 4)->attr, 2 << PANE_UNDER_SHIFT);
	emu_free(t);
}

static void replies(const char *ask, const char *want)
{
	struct emu *t = emu_new(24, 80);

	feed(t, "\033[3;5H");
	feed(t, ask);
	t->reply[t->reply_n] = '\0';
	assert_string_equal(t->reply, want);
	emu_free(t);
}

/* D9: answers come from a table; what was asked is not repeated. */
static void test_replies(void **state)
{
	replies("\033[c", "\033[?1;2c");
	replies("\033[>c", "\033[>0;100;0c");
	replies("\033[5n", "\033[0n");
	replies("\033[6n", "\033[3;5R");
	replies("\033[?6n", "\033[?3;5R");
	replies("\033[18t", "\033[8;24;80t");
	replies("\033P$qm\033\\", "\033P0$r\033\\");
	replies("\033P$qevil\033\\\033[21t\005\033]52;c;?\007\033]2;evil\007\033[20t\033]4;1;?\007", "");
	replies("\033[?2004h\033[?2004$p", "\033[?2004;1$y");
	replies("\033[?25$p\033[?25l\033[?25$p", "\033[?25;1$y\033[?25;2$y");
	replies("\033[?4242$p", "");
}

static void test_flood_of_queries(void **state)
{
	struct emu *t = emu_new(24, 80);

	for (int i = 0; i < 1000; i++)
		feed(t, "\033[c\033[6n");
	assert_true(t->reply_n < sizeof(t->reply));
	assert_memory_equal(t->reply, "\033[?1;2c", 7);
	emu_free(t);
}

static void test_modes(void **state)
{
	struct emu *t = emu_new(24, 80);

	feed(t, "\033[?1;2004;1002;1006;1004h\033=\033[?25l\033[?12h\033[6 q\033]2;a title\007\007");
	assert_int_equal(t->modes, PANE_MODE_CURSOR_KEYS | PANE_MODE_PASTE | PANE_MODE_MOUSE_DRAG |
	    PANE_MODE_MOUSE_SGR | PANE_MODE_FOCUS | PANE_MODE_KEYPAD | PANE_MODE_CURSOR_HIDDEN);
	assert_int_equal(t->shape, 2);
	assert_int_equal(t->bells, 1);
	assert_string_equal(t->title, "a title");
	feed(t, "\033[?1003h\033[?1003l");
	assert_false(t->modes & (PANE_MODE_MOUSE_DRAG | PANE_MODE_MOUSE_MOVE));
	feed(t, "\033c");
	assert_int_equal(t->modes, 0);
	emu_free(t);
}

static void test_resize(void **state)
{
	struct emu *t = emu_new(6, 10);
	int row, col;

	feed(t, "1\r\n2\r\n3\r\n4\r\n5\r\n6 words");
	emu_resize(t, 3, 5);
	assert_string_equal(row_text(t, 0), "4");
	assert_string_equal(row_text(t, 2), "6 wor");
	emu_cursor(t, &row, &col);
	assert_int_equal(row, 2);
	assert_int_equal(col, 4);
	emu_resize(t, 100000, -5);
	assert_int_equal(t->grid->rows, PANE_ROWS_MAX);
	assert_int_equal(t->grid->cols, PANE_COLS_MIN);
	emu_free(t);
	t = emu_new(6, 10);
	feed(t, "main\033[?1049h\033[6;1Halt");
	emu_resize(t, 3, 8);
	feed(t, "\033[?1049l");
	assert_string_equal(row_text(t, 0), "main");
	emu_free(t);
}

/* Memory of a terminal for its ring, as the pane shares it. */
struct shared {
	struct pane_term term;
	uint8_t ring[PANE_RING_MIN];
};

static void test_lines_that_scroll_off(void **state)
{
	struct shared *m = mem_alloc(sizeof(*m));
	struct emu *t = emu_new(2, 10);

	ring_open(&t->ring, &m->term, m->ring, sizeof(m->ring), false);
	feed(t, "one\r\n\033[31mred\033[0m\r\n3\r\n4");
	assert_int_equal(m->term.ring_lines, 2);
	assert_memory_equal(m->ring, "\x04\0\0one\x04\0", 8);
	assert_int_equal(m->ring[8 + 3], PANE_LINE_PEN);
	feed(t, "\033[?1049h1\r\n2\r\n3\r\n4\r\n5\033[?1049l");
	assert_int_equal(m->term.ring_lines, 2); /* the alternate screen leaves none */
	for (int i = 0; i < 5000; i++)
		feed(t, "a line that fills and wraps\r\n");
	assert_true(m->term.ring_head - m->term.ring_tail <= sizeof(m->ring));
	feed(t, "\033[3J");
	assert_int_equal(m->term.ring_head, m->term.ring_tail);
	emu_free(t);
	mem_free(m);
}

static void test_wrapped_lines(void **state)
{
	struct emu *t = emu_new(4, 10);

	feed(t, "0123456789ab\r\nx");
	assert_int_equal(t->grid->flags[0], PANE_LINE_WRAPPED);
	assert_int_equal(t->grid->flags[1], 0);
	feed(t, "\033[4;1H0123456789\r\nx");
	assert_int_equal(t->grid->flags[2], 0);
	emu_free(t);
}

/* SECURITY 0.1 to 0.6, each on fresh screens of odd sizes, with resizes between. */
static void test_known_killers(void **state)
{
	static const char *const killers[] = {
		"\033[2b", "\033[24;1H\xED\x95\x9C\033[99b", "\xC3" "AAAA", "\xE2\x82" "\033[AB\xF0\x9F",
		"\033[5;10r\033[?6h", "\033[?69h\033[20;40s\033[?6h\033[99;99H",
		"\0337\033[999;999H\0337", "\033#6\033[99C\xED\x95\x9C\033#5", "\033[80;3s\033[81s",
		"\033[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1m",
		"\033[38;2m\033[48m\033[38;5", "\033P$qxxxxxxxx\033\\", "\033[99999999999L\033[99999M",
		"\033N\xED\x95\x9C\033O\xED", "\033[?1049h\033[99;99H\033[?1049l\0338",
	};

	for (int cols = 4; cols <= 200; cols += 7) {
		struct emu *t = emu_new(24, cols);

		for (size_t i = 0; i < CL_COUNT(killers); i++) {
			feed(t, killers[i]);
			emu_resize(t, 2 + (int)(i * 7) % 30, 4 + (cols * (int)(i + 3)) % 120);
			feed(t, "\0338\033[M\033[L\033M\033D\xED\x95\x9C" "e\xCC\x81\033[4@\033[4P");
			emu_resize(t, 24, cols);
		}
		feed(t, "\033calive");
		assert_string_equal(row_text(t, 0), cols > 5 ? "alive" : "aliv");
		emu_free(t);
	}
}

/* D4, D8: huge input in one piece, and marks without end. */
static void test_huge(void **state)
{
	struct emu *t = emu_new(24, 80);
	size_t n = 3000000;
	char *p = mem_alloc(n);

	memset(p, 'a', n);
	emu_feed(t, p, n);
	for (size_t i = 0; i + 1 < n; i += 2)
		memcpy(p + i, "\xCC\x81", 2);
	emu_feed(t, "x", 1);
	emu_feed(t, p, n);
	for (size_t i = 0; i < n / 3; i++) { /* a mark on every glyph: the table overflows */
		p[i * 3] = 'y';
		memcpy(p + i * 3 + 1, "\xCC\x81", 2);
	}
	emu_feed(t, p, n - n % 3);
	feed(t, "\033[H\033[Jdone");
	assert_string_equal(row_text(t, 0), "done");
	mem_free(p);
	emu_free(t);
}

/* Whatever comes: cells stay within their ranges, wide glyphs keep both halves. */
static void check_grid(struct emu *t)
{
	int row, col;

	emu_cursor(t, &row, &col);
	assert_in_range(row, 0, t->grid->rows - 1);
	for (int r = 0; r < t->grid->rows; r++)
		for (int c = 0; c < t->grid->cols; c++) {
			uint32_t ch = grid_cell(t->grid, r, c)->ch;

			if (ch & PANE_CELL_WIDE)
				assert_true(c + 1 < t->grid->cols &&
				    grid_cell(t->grid, r, c + 1)->ch & PANE_CELL_TAIL);
			if (ch & PANE_CELL_TAIL)
				assert_true(c > 0 && grid_cell(t->grid, r, c - 1)->ch & PANE_CELL_WIDE);
		}
}

static void test_random(void **state)
{
	static const char *const parts[] = {"\033[", ";", "A", "H", "m", "r", "s", "\xED\x95\x9C", "L", "M", "P",
	    "@", "\033M", "\n", "5", "12", "?69h", "?6h", "4h", "\xCC\x81", "text", "\033[?1049h",
	    "\033[?1049l", "\0337", "\0338", "\t", "\r", "J", "K", "X", "S", "T", "'}", "'~", "\033(0", "b"};
	unsigned seed = 12345;
	struct emu *t = emu_new(24, 81);

	for (int i = 0; i < 60000; i++) {
		seed = seed * 1103515245 + 12345;
		feed(t, parts[(seed >> 16) % CL_COUNT(parts)]);
		if (i % 500 == 0) {
			emu_resize(t, 2 + (int)(seed >> 20) % 30, 4 + (int)(seed >> 8) % 90);
			check_grid(t);
		}
	}
	emu_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_every_split_on_the_grid),
		cmocka_unit_test(test_chunk_sizes_on_the_grid), cmocka_unit_test(test_motion), cmocka_unit_test(test_screens),
		cmocka_unit_test(test_pen), cmocka_unit_test(test_replies),
		cmocka_unit_test(test_flood_of_queries), cmocka_unit_test(test_modes),
		cmocka_unit_test(test_resize), cmocka_unit_test(test_lines_that_scroll_off),
		cmocka_unit_test(test_wrapped_lines), cmocka_unit_test(test_known_killers),
		cmocka_unit_test(test_huge), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
