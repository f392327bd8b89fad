/* The screen: clipping, hostile text, wide characters, painting other doors, keys from bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "tui/dialog.h"
#include "tui/field.h"
#include "tui/scroll.h"
#include "tui/term.h"
#include "tui/term_input.h"
#include "tui/term_paint.h"

static int open_screen(void **state)
{
	struct cl_err err = { 0 };

	return term_open(10, 40, &err);
}

static int close_screen(void **state)
{
	term_close();
	return 0;
}

static void begin(void)
{
	term_frame_begin();
	term_clip(NULL, true);
	term_clear(term_theme(THEME_TEXT));
}

/* The frame as a door without colours or UTF-8 state sees it: rows of plain text. */
static char *painted(int rows, int cols, bool ascii)
{
	struct buf frame, paint;
	struct term_paint how = { .rows = rows, .cols = cols, .ascii = ascii };
	char *out;

	buf_init(&frame, 1u << 20);
	buf_init(&paint, 1u << 20);
	term_frame_end(&frame);
	term_paint_screen(&paint, &how);
	out = mem_strndup(paint.data, paint.len);
	buf_clear(&frame);
	buf_clear(&paint);
	return out;
}

static void expect_painted(const char *wanted, bool there)
{
	cl_autofree char *p = painted(10, 40, false);

	if ((strstr(p, wanted) != NULL) != there)
		fail_msg("%s%s in %s", there ? "no " : "", wanted, p);
}

static void views_cannot_draw_outside(void **state)
{
	struct rect r = { 2, 10, 3, 8 };

	begin();
	term_clip(&r, false);
	assert_int_equal(term_height(), 3);
	assert_int_equal(term_width(), 8);
	assert_int_equal(term_text(0, 0, 1000, term_theme(THEME_TEXT), "0123456789abc", -1), 8);
	assert_int_equal(term_text(3, 0, 10, term_theme(THEME_TEXT), "below", -1), 0);
	assert_int_equal(term_text(-1, 0, 10, term_theme(THEME_TEXT), "above", -1), 0);
	term_fill(1, -5, 1000, term_theme(THEME_TEXT), 'x');
	term_cursor(50, 50);
	expect_painted("0123456\u2026", true);
	expect_painted("below", false);
	expect_painted("xxxxxxxx ", true);
	expect_painted("xxxxxxxxx", false);
	expect_painted("\033[?25h", false);
}

static void text_cannot_drive_the_terminal(void **state)
{
	begin();
	term_text(1, 0, 40, term_theme(THEME_TEXT), "a\033[2Jb\x9b\u202e!", -1);
	expect_painted("\033[2J", false);
	expect_painted("\u202e", false);
	expect_painted("a^[", true);
}

static void wide_characters_take_two_cells(void **state)
{
	const uint32_t han[] = { 0xc548 };

	begin();
	assert_int_equal(term_text(1, 0, 40, term_theme(THEME_TEXT), "\uc548\ub155!", -1), 5);
	/* half of one does not exist: three cells hold one and the mark */
	assert_int_equal(term_text(2, 0, 3, term_theme(THEME_TEXT), "\uc548\ub155", -1), 3);
	term_cell(3, 39, han, 1, 2, term_theme(THEME_TEXT));
	term_cell(4, 0, han, 1, 2, term_theme(THEME_TEXT));
	expect_painted("\uc548\ub155!", true);
	expect_painted("\033[3;1H\033[0m\uc548\u2026", true);
	expect_painted("\033[5;1H\033[0m\uc548", true);
}

static void other_doors_get_their_part(void **state)
{
	cl_autofree char *small = NULL, *ascii = NULL;
	struct rect box = { 0, 0, 10, 40 };

	begin();
	term_box(&box, term_theme(THEME_BORDER), "Title", term_theme(THEME_TITLE));
	term_text(5, 1, 20, term_theme(THEME_TEXT), "middle \uac00", -1);
	term_cursor(5, 3);
	small = painted(4, 12, false);
	assert_non_null(strstr(small, "middle")); /* around the cursor */
	assert_null(strstr(small, "Title"));
	ascii = painted(10, 40, true);
	assert_non_null(strstr(ascii, "Title"));
	assert_non_null(strstr(ascii, "-----+"));
	assert_non_null(strstr(ascii, "middle ??"));
	for (const char *p = ascii; *p; p++)
		assert_true((unsigned char)*p < 0x80);
}

static void a_row_that_did_not_change_is_not_sent(void **state)
{
	struct buf frame, paint;
	uint64_t seen[10] = { 0 };
	struct term_paint how = { .rows = 10, .cols = 40, .seen = seen };

	buf_init(&frame, 1u << 20);
	buf_init(&paint, 1u << 20);
	begin();
	term_text(1, 0, 40, term_theme(THEME_TEXT), "one", -1);
	term_frame_end(&frame);
	term_paint_screen(&paint, &how);
	buf_clear(&paint);
	begin();
	term_text(1, 0, 40, term_theme(THEME_TEXT), "one", -1);
	term_text(2, 0, 40, term_theme(THEME_TEXT), "two", -1);
	term_frame_end(&frame);
	term_paint_screen(&paint, &how);
	assert_non_null(strstr(paint.data, "two"));
	assert_null(strstr(paint.data, "one"));
	buf_clear(&frame);
	buf_clear(&paint);
}

/* ---- input ---- */

static void feed(const char *bytes)
{
	assert_true(term_input_feed(bytes, strlen(bytes)));
}

static void expect_key(const char *name)
{
	struct term_event ev;
	char got[32];

	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_KEY);
	assert_string_equal(key_label(&ev.key, got, sizeof(got)), name);
}

static void expect_nothing(void)
{
	struct term_event ev;

	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_NOTHING);
}

static void bytes_become_keys(void **state)
{
	static const struct {
		const char *bytes, *name;
	} keys[] = {
		{ "a", "a" }, { "\r", "Enter" }, { "\n", "C-j" }, { "\t", "Tab" }, { "\x7f", "Backspace" },
		{ "\x13", "C-s" }, { "\x1d", "C-]" }, { "\033", "Esc" }, { "\033x", "M-x" },
		{ "\033[A", "Up" }, { "\033OA", "Up" }, { "\033[1;3D", "M-Left" },
		{ "\033[1;2B", "S-Down" }, { "\033[1;8C", "C-M-S-Right" }, { "\033OP", "F1" },
		{ "\033[[A", "F1" }, { "\033[15~", "F5" }, { "\033[24~", "F12" },
		{ "\033[5~", "PgUp" }, { "\033[3;5~", "C-Del" }, { "\033[Z", "S-Tab" },
		{ "\033[H", "Home" }, { "\033[4~", "End" }, { "\033\033[A", "M-Up" },
		{ "\xec\x95\x88", "\xec\x95\x88" },
	};

	for (size_t i = 0; i < CL_COUNT(keys); i++) {
		feed(keys[i].bytes);
		expect_key(keys[i].name);
		expect_nothing();
	}
}

/* What a terminal gets when one letter changed; the frame's bytes, or a failure. */
static size_t small_frame(int at)
{
	const uint32_t letter = 'a' + (uint32_t)at % 26;
	struct buf frame;
	size_t n;

	buf_init(&frame, 16u << 20);
	term_frame_begin();
	term_clip(NULL, true);
	term_cell(at % 10, at % 40, &letter, 1, 1, term_theme(THEME_TEXT));
	term_cursor(0, 0);
	term_frame_end(&frame);
	if (!frame.data || !memchr(frame.data, (int)letter, frame.len) || frame.len > 64)
		fail_msg("frame %d has %zu bytes: %.*s", at, frame.len, (int)frame.len, frame.data);
	n = frame.len;
	buf_clear(&frame);
	return n;
}

/* Every cell with a colour of its own: far more than what stays of the memory between frames. */
static void large_frame(int shade)
{
	const uint32_t letter = 'X';
	struct buf frame;

	buf_init(&frame, 16u << 20);
	begin();
	for (int y = 0; y < term_height(); y++)
		for (int x = 0; x < term_width(); x++) {
			struct term_style st = { TERM_COLOR_INDEX((unsigned)(16 + (x + y + shade) % 200)), TERM_COLOR_DEFAULT, 0 };

			term_cell(y, x, &letter, 1, 1, &st);
		}
	term_frame_end(&frame);
	assert_true(frame.len > 200000);
	assert_false(frame.full);
	assert_null(memchr(frame.data, '\0', frame.len));
	buf_clear(&frame);
}

static void frames_hold_what_is_new_and_no_more(void **state)
{
	size_t sum = 0;

	begin();
	expect_painted("X", false);
	for (int i = 0; i < 6000; i++) /* past the end of what is kept, several times */
		sum += small_frame(i);
	assert_true(sum > 2 * 16384);
	term_resize(100, 200);
	for (int i = 0; i < 4; i++) {
		large_frame(i);
		for (int k = 0; k < 40; k++)
			small_frame(k);
	}
	term_resize(10, 40);
	begin();
	expect_painted("X", false);
}

static void a_cut_sequence_waits_for_its_rest(void **state)
{
	feed("\xec\x95");
	expect_nothing();
	feed("\x88");
	expect_key("\xec\x95\x88");
	feed("\xff\xfe");
	feed("z");
	expect_key("z");
	expect_nothing();
}

/* Letters need no decoding and pass ncurses by; whatever stands between them keeps its place. */
static void letters_keep_their_place(void **state)
{
	struct term_event ev;

	feed("ab\033[Ac ~\033x\033[<0;10;5Md\xec\x95\x88" "e\rf\033[200~p\033[201~g");
	expect_key("a");
	expect_key("b");
	expect_key("Up");
	expect_key("c");
	expect_key("Space");
	expect_key("~");
	expect_key("M-x");
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_MOUSE);
	expect_key("d");
	expect_key("\xec\x95\x88");
	expect_key("e");
	expect_key("Enter");
	expect_key("f");
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_PASTE);
	expect_key("g");
	expect_nothing();
	feed("h\033[<0;1");
	expect_key("h");
	expect_nothing();
	feed("0;5Mi"); /* digits of the mouse's are no letters */
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_MOUSE);
	assert_int_equal(ev.mouse.x, 9);
	expect_key("i");
	expect_nothing();
}

static void a_paste_is_one_thing(void **state)
{
	struct term_event ev;

	feed("a\033[200~one\r\ntwo\033[Athree\x03");
	expect_key("a");
	expect_nothing();
	feed("\033[201~b");
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_PASTE);
	assert_int_equal(ev.paste_len, strlen("one\ntwo\033[Athree\x03"));
	assert_string_equal(ev.paste, "one\ntwo\033[Athree\x03");
	expect_key("b");
	feed("\033[20");
	feed("0~x\033[201");
	expect_nothing();
	feed("~");
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_PASTE);
	assert_string_equal(ev.paste, "x");
}

static void mouse_actions_are_read(void **state)
{
	struct term_event ev;

	feed("\033[<0;10;5M");
	term_input_read(&ev);
	assert_int_equal(ev.kind, TERM_MOUSE);
	assert_int_equal(ev.mouse.kind, MOUSE_PRESS);
	assert_int_equal(ev.mouse.x, 9);
	assert_int_equal(ev.mouse.y, 4);
	feed("\033[<65;1;1M");
	term_input_read(&ev);
	assert_int_equal(ev.mouse.kind, MOUSE_WHEEL_DOWN);
	feed("\033[<0;;M\033[<x");
	for (int i = 0; i < 4; i++)
		term_input_read(&ev);
	feed("q");
	expect_key("q");
}

/* ---- widgets ---- */

static void press(struct field *f, const char *name)
{
	struct term_key k;

	assert_int_equal(key_parse(name, &k), 0);
	field_key(f, &k);
}

static void a_field_edits_by_graphemes(void **state)
{
	struct field f;

	field_init(&f, "ab");
	press(&f, "\uc548");
	press(&f, "Left");
	press(&f, "x");
	assert_string_equal(f.text, "abx\uc548");
	press(&f, "End");
	press(&f, "Backspace");
	assert_string_equal(f.text, "abx");
	press(&f, "Home");
	press(&f, "Del");
	assert_string_equal(f.text, "bx");
	field_paste(&f, "1\n2\x1b\x80", 5);
	assert_string_equal(f.text, "1 2bx");
	press(&f, "C-w");
	assert_string_equal(f.text, "1 bx");
	for (int i = 0; i < FIELD_MAX; i++)
		press(&f, "y");
	assert_true(f.len < FIELD_MAX);
	field_clear(&f);
}

static enum dialog_state type(struct dialog *d, const char *name)
{
	struct term_key k;

	assert_int_equal(key_parse(name, &k), 0);
	return dialog_key(d, &k);
}

static void a_dialog_asks_until_it_is_right(void **state)
{
	static const char *const buttons[] = { "&Yes", "&No" };
	struct dialog_field_spec field = { .label = "Name" };
	struct dialog *d = dialog_new("Remove", "sure?", &field, 1, buttons, 2);

	dialog_must_type(d, "ab");
	assert_int_equal(type(d, "a"), DIALOG_OPEN);
	assert_int_equal(type(d, "Enter"), DIALOG_OPEN);
	assert_int_equal(type(d, "b"), DIALOG_OPEN);
	assert_int_equal(type(d, "Enter"), DIALOG_DONE);
	assert_int_equal(dialog_button(d), 0);
	assert_int_equal(type(d, "Esc"), DIALOG_CANCELLED);
	dialog_free(d);
	d = dialog_new("Ask", "", NULL, 0, buttons, 2);
	assert_int_equal(type(d, "n"), DIALOG_DONE);
	assert_int_equal(dialog_button(d), 1);
	dialog_free(d);
}

static void scrolling_keeps_the_place(void **state)
{
	struct scroll s;
	char line[32];

	scroll_init(&s, 100);
	for (int i = 0; i < 150; i++) {
		snprintf(line, sizeof(line), "line %d", i);
		scroll_add(&s, THEME_TEXT, line, strlen(line));
	}
	assert_int_equal(s.n, 100);
	begin();
	scroll_draw(&s, 0, 0, 5, 40);
	expect_painted("line 149", true);
	scroll_move(&s, "page-up");
	scroll_add(&s, THEME_TEXT, "new", 3);
	begin();
	scroll_draw(&s, 0, 0, 5, 40);
	expect_painted("line 144", true);
	expect_painted("new", false);
	scroll_move(&s, "bottom");
	begin();
	scroll_draw(&s, 0, 0, 5, 40);
	expect_painted("new", true);
	scroll_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_cannot_draw_outside),
		cmocka_unit_test(text_cannot_drive_the_terminal),
		cmocka_unit_test(wide_characters_take_two_cells),
		cmocka_unit_test(other_doors_get_their_part),
		cmocka_unit_test(a_row_that_did_not_change_is_not_sent),
		cmocka_unit_test(bytes_become_keys),
		cmocka_unit_test(frames_hold_what_is_new_and_no_more),
		cmocka_unit_test(a_cut_sequence_waits_for_its_rest),
		cmocka_unit_test(a_paste_is_one_thing),
		cmocka_unit_test(letters_keep_their_place),
		cmocka_unit_test(mouse_actions_are_read),
		cmocka_unit_test(a_field_edits_by_graphemes),
		cmocka_unit_test(a_dialog_asks_until_it_is_right),
		cmocka_unit_test(scrolling_keeps_the_place),
	};
	return cmocka_run_group_tests(tests, open_screen, close_screen);
}
