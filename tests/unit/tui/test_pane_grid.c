/* Reading terminals out of shared memory that a hostile process may have written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "tui/pane_grid.h"
#include "tui/scrollback.h"

static uint8_t *area;

static struct pane_term *term(void)
{
	return (struct pane_term *)area;
}

static struct pane_cell *cell(int row, int col)
{
	return (struct pane_cell *)(area + PANE_OFF_CELLS) + (size_t)row * term()->cols + (size_t)col;
}

static int set_up(void **state)
{
	area = mem_alloc(PANE_TERM_SIZE);
	term()->rows = 4;
	term()->cols = 10;
	term()->ring_cap = PANE_RING_MIN;
	return 0;
}

static int tear_down(void **state)
{
	mem_free(area);
	return 0;
}

static void test_sizes(void **state)
{
	static const uint32_t bad[][2] = {{0, 0}, {1, 80}, {24, 3}, {501, 80}, {24, 1001},
	    {0xffffffff, 80}, {24, 0xffffffff}};
	struct pane_screen s;

	assert_true(pane_grid_screen(area, &s));
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		term()->rows = bad[i][0];
		term()->cols = bad[i][1];
		assert_false(pane_grid_screen(area, &s));
	}
	term()->rows = 4;
	term()->cols = 10;
	term()->cur_row = term()->cur_col = 0xffffffff;
	term()->shape = 77;
	assert_true(pane_grid_screen(area, &s));
	assert_int_equal(s.cur_row, 3);
	assert_int_equal(s.cur_col, 9);
	assert_int_equal(s.shape, 0);
}

static void row0(struct pane_glyph *out)
{
	struct pane_screen s;

	assert_true(pane_grid_screen(area, &s));
	pane_grid_row(area, &s, 0, out);
}

static void test_code_points(void **state)
{
	static const uint32_t bad[] = {0x1b, 7, 0x7f, 0x9b, 0xd800, 0x110000, 0x1fffff, 0x202e, 0x2066,
	    0x301, 0x200d};
	struct pane_glyph g[10];

	cell(0, 0)->ch = 'A';
	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		cell(0, 1)->ch = bad[i];
		row0(g);
		assert_int_equal(g[0].cps[0], 'A');
		assert_int_equal(g[1].width, 1);
		assert_true(g[1].n == 1 && g[1].cps[0] == UTF8_BAD);
	}
	cell(0, 1)->ch = 0;
	row0(g);
	assert_int_equal(g[1].n, 0);
}

static void test_wide(void **state)
{
	struct pane_glyph g[10];

	cell(0, 0)->ch = 0xD55C | PANE_CELL_WIDE;
	cell(0, 1)->ch = PANE_CELL_TAIL;
	cell(0, 2)->ch = 0xD55C | PANE_CELL_WIDE; /* without its half */
	cell(0, 3)->ch = 'x';
	cell(0, 4)->ch = PANE_CELL_TAIL;          /* without its owner */
	cell(0, 5)->ch = 'y' | PANE_CELL_WIDE;    /* not wide at all */
	cell(0, 6)->ch = PANE_CELL_TAIL;
	cell(0, 9)->ch = 0xD55C | PANE_CELL_WIDE; /* at the edge */
	row0(g);
	assert_int_equal(g[0].width, 2);
	assert_int_equal(g[0].cps[0], 0xD55C);
	assert_int_equal(g[1].width, 0);
	assert_true(g[2].width == 1 && g[2].cps[0] == UTF8_BAD);
	assert_int_equal(g[3].cps[0], 'x');
	assert_true(g[4].width == 1 && g[4].n == 0);
	assert_true(g[5].width == 2 && g[5].n == 0 && g[6].width == 0);
	assert_true(g[9].width == 1 && g[9].cps[0] == UTF8_BAD);
}

static void test_marks(void **state)
{
	uint32_t *marks = (uint32_t *)(area + PANE_OFF_MARKS);
	struct pane_glyph g[10];

	marks[8] = 0x301;
	marks[9] = 0x302;
	marks[10] = 0x1b;
	for (int i = 0; i < 8; i++)
		marks[16 + i] = 0x301;
	marks[24] = 0x200d;
	marks[25] = 0x1f4bb;
	cell(0, 0)->ch = cell(0, 1)->ch = cell(0, 2)->ch = cell(0, 3)->ch = 'e';
	cell(0, 0)->mark = 1;
	cell(0, 1)->mark = 2;
	cell(0, 2)->mark = 3;
	cell(0, 3)->mark = 65535;
	row0(g);
	assert_int_equal(g[0].n, 3);
	assert_int_equal(g[1].n, PANE_GLYPH_CPS);
	assert_int_equal(g[2].n, 1); /* a joiner is not left at the end */
	assert_int_equal(g[3].n, 1);
}

static void test_colors_and_title(void **state)
{
	struct pane_glyph g[10];
	char title[32];

	cell(0, 0)->fg = 0xff123456;
	cell(0, 0)->bg = PANE_COLOR_INDEX | 0xabcd;
	cell(0, 0)->attr = 0xffff;
	row0(g);
	assert_int_equal(g[0].fg, PANE_COLOR_DEFAULT);
	assert_int_equal(g[0].bg, PANE_COLOR_INDEX | 0xcd);
	assert_int_equal(g[0].attr, 0x1ff);
	memset(term()->title, 'x', PANE_TITLE_SIZE); /* no end */
	pane_grid_title(area, title, sizeof(title));
	assert_int_equal(strlen(title), 31);
	memcpy(term()->title, "\xff\xfe", 3);
	pane_grid_title(area, title, sizeof(title));
	assert_string_equal(title, "");
}

static void push(const char *text, unsigned flags)
{
	uint8_t *ring = area + PANE_OFF_RING;
	size_t n = strlen(text) + 1;
	uint64_t at = term()->ring_head;

	ring[at] = ring[at + n + 2] = (uint8_t)n;
	ring[at + 1] = ring[at + n + 3] = 0;
	ring[at + 2] = (uint8_t)flags;
	memcpy(ring + at + 3, text, n - 1);
	term()->ring_head = at + n + 4;
}

static void test_lines(void **state)
{
	struct pane_glyph g[PANE_COLS_MAX];
	uint64_t at = 0;
	unsigned flags;

	push("first", PANE_LINE_WRAPPED);
	push("\x01\x01\0\0\x01\0\0\0\0\0\0", 0); /* a pen that is cut */
	push("\xED\x95\x9C" "e\xCC\x81\x1b", 0);
	assert_int_equal(pane_grid_line(area, 0, g, PANE_COLS_MAX, &flags), 5);
	assert_int_equal(flags, PANE_LINE_WRAPPED);
	assert_true(pane_grid_next(area, &at));
	assert_int_equal(pane_grid_line(area, at, g, PANE_COLS_MAX, &flags), 0);
	assert_true(pane_grid_next(area, &at));
	assert_int_equal(pane_grid_line(area, at, g, PANE_COLS_MAX, &flags), 4);
	assert_int_equal(g[0].width, 2);
	assert_int_equal(g[2].n, 2);
	assert_int_equal(g[3].cps[0], UTF8_BAD);
	assert_true(pane_grid_next(area, &at));
	assert_false(pane_grid_next(area, &at));
	assert_true(pane_grid_prev(area, &at));
	assert_true(pane_grid_prev(area, &at));
	assert_true(pane_grid_prev(area, &at));
	assert_int_equal(at, 0);
	assert_false(pane_grid_prev(area, &at));
}

/* Any bytes in the ring and any offsets: nothing is read outside, every walk ends. */
static void test_hostile_ring(void **state)
{
	static const uint64_t heads[] = {0, 5, 4096, 5000, UINT64_MAX, (uint64_t)1 << 63, 4100};
	static const uint64_t tails[] = {0, 4, 4090, UINT64_MAX, 1000, 4096};
	static const uint32_t caps[] = {0, 1, 4096, PANE_RING_MAX, PANE_RING_MAX + 1, 0xffffffff};
	struct pane_glyph *g = mem_array(PANE_COLS_MAX, sizeof(*g));
	unsigned flags, seed = 1;

	for (unsigned round = 0; round < 60; round++) {
		term()->ring_head = heads[round % CL_COUNT(heads)];
		term()->ring_tail = tails[round / 2 % CL_COUNT(tails)];
		term()->ring_cap = caps[round / 3 % CL_COUNT(caps)];
		for (size_t i = 0; i < 8192; i++)
			area[PANE_OFF_RING + i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16) & 0x1f;
		for (uint64_t at = 0, n = 0; at < 9000 && n < 9000; n++) {
			uint64_t next = at, back = at;

			pane_grid_line(area, at, g, PANE_COLS_MAX, &flags);
			pane_grid_prev(area, &back);
			assert_true(back <= at);
			at = pane_grid_next(area, &next) ? next : at + 1;
		}
	}
	mem_free(g);
}

static void put(int row, const char *s)
{
	for (int i = 0; s[i]; i++)
		cell(row, i)->ch = (uint8_t)s[i];
}

static void test_look_back(void **state)
{
	struct scrollback *s;
	struct pane_glyph g[PANE_COLS_MAX];
	unsigned flags;
	size_t n;
	char *text;

	push("alpha", 0);
	push("beta gamma", PANE_LINE_WRAPPED);
	push(" delta", 0);
	put(0, "row0");
	put(3, "row3");
	s = scrollback_new(area, 4, 10);
	assert_true(scrollback_at_end(s));
	assert_int_equal(scrollback_scroll(s, -2), -2);
	assert_int_equal(scrollback_line(s, 0, g, &flags), 10);
	assert_int_equal(g[0].cps[0], 'b');
	assert_int_equal(scrollback_line(s, 2, g, &flags), 10);
	assert_int_equal(g[0].cps[0], 'r');
	push("new output", 0); /* does not move the picture */
	assert_int_equal(scrollback_line(s, 2, g, &flags), 10);
	assert_int_equal(g[0].cps[0], 'r');
	assert_int_equal(scrollback_scroll(s, -100), -1);
	assert_int_equal(scrollback_scroll(s, 100), 3);
	assert_true(scrollback_at_end(s));
	/* found upwards, selected to the right and down, joined where a line was wrapped */
	assert_true(scrollback_find(s, "GAMMA", true));
	scrollback_select(s, true);
	scrollback_move(s, 2, -3);
	text = scrollback_text(s, &n);
	assert_string_equal(text, "gamma delta\nrow");
	assert_true(scrollback_selected(s, s->cur_y, 0));
	assert_false(scrollback_selected(s, s->cur_y, 9));
	mem_free(text);
	scrollback_select(s, false);
	assert_false(scrollback_find(s, "nowhere", true));
	assert_true(scrollback_find(s, "row3", false));
	text = scrollback_text(s, &n);
	assert_string_equal(text, "row3");
	mem_free(text);
	scrollback_free(s);
}

/* The lines looked at are overwritten by a flood. */
static void test_look_back_lost(void **state)
{
	struct pane_glyph g[PANE_COLS_MAX];
	struct scrollback *s;
	unsigned flags;

	for (int i = 0; i < 50; i++)
		push("line", 0);
	s = scrollback_new(area, 4, 10);
	scrollback_scroll(s, -40);
	term()->ring_tail = term()->ring_head;
	assert_int_equal(scrollback_line(s, 0, g, &flags), 0);
	scrollback_scroll(s, 1);
	assert_true(scrollback_at_end(s));
	scrollback_free(s);
}

static void test_changed_rows(void **state)
{
	struct pane_screen s;

	term()->stamp = 7;
	term()->row_stamp[0] = 7;
	term()->row_stamp[1] = 8; /* written since */
	term()->row_stamp[2] = 6;
	assert_true(pane_grid_screen(area, &s));
	assert_int_equal(s.stamp, 7);
	assert_false(pane_grid_changed(area, 0, s.stamp));
	assert_true(pane_grid_changed(area, 1, s.stamp));
	assert_false(pane_grid_changed(area, 2, s.stamp));
	term()->row_stamp[0] = 1; /* the count goes round */
	assert_true(pane_grid_changed(area, 0, UINT32_MAX - 1));
	term()->row_stamp[0] = UINT32_MAX;
	assert_false(pane_grid_changed(area, 0, 3));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_sizes), T(test_code_points), T(test_wide), T(test_marks),
		T(test_colors_and_title), T(test_lines), T(test_hostile_ring), T(test_look_back),
		T(test_look_back_lost), T(test_changed_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
