/* The layout: panes tile their area with shared borders, hide, grow and know their neighbours. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tui/layout.h"

enum { TREE, MAIN, TERM, CHAT, PLACES };

static struct layout *ide(void)
{
	struct layout *l = layout_new(MAIN);

	assert_int_equal(layout_split(l, MAIN, LAYOUT_LEFT, TREE, 20), 0);
	assert_int_equal(layout_split(l, MAIN, LAYOUT_RIGHT, CHAT, 30), 0);
	assert_int_equal(layout_split(l, MAIN, LAYOUT_DOWN, TERM, 9), 0);
	return l;
}

static void show(struct layout *l, int h, int w, bool tree, bool term, bool chat)
{
	struct rect area = { 1, 0, h, w };
	bool shown[PLACES] = { [TREE] = tree, [MAIN] = true, [TERM] = term, [CHAT] = chat };

	layout_arrange(l, &area, shown);
}

static void expect(struct layout *l, int place, int y, int x, int h, int w)
{
	struct rect r = layout_rect(l, place);

	assert_int_equal(r.y, y);
	assert_int_equal(r.x, x);
	assert_int_equal(r.h, h);
	assert_int_equal(r.w, w);
}

static void four_panes_share_their_borders(void **state)
{
	struct layout *l = ide();

	show(l, 22, 100, true, true, true);
	expect(l, TREE, 1, 0, 22, 20);
	expect(l, MAIN, 1, 19, 14, 52);
	expect(l, TERM, 14, 19, 9, 52);
	expect(l, CHAT, 1, 70, 22, 30);
	layout_free(l);
}

static void a_hidden_pane_gives_its_room_away(void **state)
{
	struct layout *l = ide();

	show(l, 22, 100, false, true, false);
	expect(l, TREE, 0, 0, 0, 0);
	expect(l, MAIN, 1, 0, 14, 100);
	show(l, 22, 100, false, false, false);
	expect(l, MAIN, 1, 0, 22, 100);
	layout_free(l);
}

static void nothing_leaves_the_area(void **state)
{
	struct layout *l = ide();

	for (int h = 6; h < 80; h += 3)
		for (int w = 31; w < 250; w += 7) {
			show(l, h, w, true, true, true);
			for (int p = 0; p < PLACES; p++) {
				struct rect r = layout_rect(l, p);
				assert_true(r.y >= 1 && r.x >= 0 && r.h >= LAYOUT_MIN_ROWS &&
					    r.w >= LAYOUT_MIN_COLS);
				assert_true(r.y + r.h <= 1 + h && r.x + r.w <= w);
			}
		}
	layout_free(l);
}

static void every_cell_belongs_to_a_pane(void **state)
{
	struct layout *l = ide();

	show(l, 22, 80, true, true, true);
	for (int y = 1; y < 23; y++)
		for (int x = 0; x < 80; x++)
			assert_true(layout_at(l, y, x) >= 0);
	assert_int_equal(layout_at(l, 0, 0), -1);
	assert_int_equal(layout_at(l, 23, 0), -1);
	assert_int_equal(layout_at(l, 5, 2), TREE);
	assert_int_equal(layout_at(l, 20, 30), TERM);
	layout_free(l);
}

static void neighbours_are_what_one_sees(void **state)
{
	struct layout *l = ide();

	show(l, 22, 100, true, true, true);
	assert_int_equal(layout_next(l, MAIN, LAYOUT_LEFT), TREE);
	assert_int_equal(layout_next(l, MAIN, LAYOUT_RIGHT), CHAT);
	assert_int_equal(layout_next(l, MAIN, LAYOUT_DOWN), TERM);
	assert_int_equal(layout_next(l, TERM, LAYOUT_UP), MAIN);
	assert_int_equal(layout_next(l, TREE, LAYOUT_LEFT), -1);
	show(l, 22, 100, true, false, true);
	assert_int_equal(layout_next(l, MAIN, LAYOUT_DOWN), -1);
	assert_int_equal(layout_next(l, TERM, LAYOUT_UP), -1);
	layout_free(l);
}

static void borders_move_and_stop(void **state)
{
	struct layout *l = ide();

	show(l, 22, 100, true, true, true);
	assert_true(layout_grow(l, TREE, LAYOUT_RIGHT, 5));
	show(l, 22, 100, true, true, true);
	expect(l, TREE, 1, 0, 22, 25);
	assert_true(layout_grow(l, TERM, LAYOUT_UP, 2));
	show(l, 22, 100, true, true, true);
	assert_int_equal(layout_rect(l, TERM).h, 11);
	for (int i = 0; i < 100; i++)
		layout_grow(l, TREE, LAYOUT_LEFT, 5);
	show(l, 22, 100, true, true, true);
	assert_int_equal(layout_rect(l, TREE).w, LAYOUT_MIN_COLS);
	assert_false(layout_grow(l, CHAT, LAYOUT_UP, 1));
	layout_free(l);
}

static void wrong_places_are_refused(void **state)
{
	struct layout *l = ide();

	assert_int_equal(layout_split(l, 99, LAYOUT_LEFT, 7, 5), -1);
	assert_int_equal(layout_split(l, MAIN, LAYOUT_LEFT, TREE, 5), -1);
	layout_free(l);
	layout_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_panes_share_their_borders),
		cmocka_unit_test(a_hidden_pane_gives_its_room_away),
		cmocka_unit_test(nothing_leaves_the_area),
		cmocka_unit_test(every_cell_belongs_to_a_pane),
		cmocka_unit_test(neighbours_are_what_one_sees),
		cmocka_unit_test(borders_move_and_stop),
		cmocka_unit_test(wrong_places_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
