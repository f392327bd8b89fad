/*
 * What lies over the panes: palette, menus and dialogs, driven by keys, drawn at every size from the
 * smallest window to the largest, and painted for doors of other sizes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/client/verb.h"
#include "tui/action.h"
#include "tui/dialog.h"
#include "tui/keymap.h"
#include "tui/menu.h"
#include "tui/palette.h"
#include "tui/term.h"
#include "tui/term_paint.h"

static const int sizes[][2] = { { 24, 80 }, { 10, 40 }, { 25, 81 }, { 30, 100 }, { 24, 200 },
	{ 60, 80 }, { 43, 132 }, { 60, 200 } };

static int open_screen(void **state)
{
	struct cl_err err = { 0 };

	return term_open(24, 80, &err);
}

static int close_screen(void **state)
{
	term_close();
	return 0;
}

static void begin(int rows, int cols)
{
	term_resize(rows, cols);
	term_frame_begin();
	term_clip(NULL, true);
	term_clear(term_theme(THEME_TEXT));
}

/*
 * What a door of this size shows afterwards: rows of text, each cell's bytes one after the other.
 * Bytes that would move the cursor outside, or any control but those that painting uses, fail.
 */
static char *shown(int rows, int cols, bool ascii, enum term_paint_colors colors)
{
	struct buf frame, paint, out;
	struct term_paint how = { .rows = rows, .cols = cols, .ascii = ascii, .colors = colors };
	char *text;

	buf_init(&frame, 1u << 22);
	buf_init(&paint, 1u << 22);
	buf_init(&out, 1u << 22);
	term_frame_end(&frame);
	term_paint_screen(&paint, &how);
	for (const char *p = paint.data; p && *p; p++) {
		int y = 0, x = 0, n = 0;

		if (*p != '\033') {
			assert_true((unsigned char)*p >= 0x20 || *p == '\r' || *p == '\n' || *p == '\x0f');
			if (ascii)
				assert_true((unsigned char)*p < 0x80);
			(void)buf_add(&out, p, 1);
			continue;
		}
		if (p[1] == '(' || p[1] == ')') {
			p += 2;
			continue;
		}
		if (p[1] != '[')
			continue;
		if (sscanf(p, "\033[%d;%dH%n", &y, &x, &n) == 2 && n > 0) {
			assert_in_range(y, 1, rows);
			assert_in_range(x, 1, cols);
			(void)buf_add_str(&out, "\n");
		}
		if (colors == PAINT_COLORS_NONE) {
			const char *m = p + strcspn(p, "mHJKhl");
			assert_true(*m != 'm' || (!strstr(p, "38;5") || strstr(p, "38;5") > m));
		}
		p += 2 + strcspn(p + 2, "ABCDEFGHJKLMPSTXdfghlmnrsu");
	}
	text = mem_strdup(out.data ? out.data : "");
	assert_true(utf8_valid(text, strlen(text)));
	buf_clear(&frame);
	buf_clear(&paint);
	buf_clear(&out);
	return text;
}

static struct term_key key(const char *name)
{
	struct term_key k;

	assert_int_equal(key_parse(name, &k), 0);
	if (strlen(name) == 1)
		k = key_of_char((uint32_t)(unsigned char)name[0], 0);
	return k;
}

/* ---- the palette ---- */

static enum palette_state press(struct palette *p, const char *name)
{
	struct term_key k = key(name);

	return palette_key(p, &k);
}

static void type(struct palette *p, const char *text)
{
	for (; *text; text++) {
		struct term_key k = key_of_char((uint32_t)(unsigned char)*text, 0);

		assert_int_equal(palette_key(p, &k), PALETTE_OPEN);
	}
}

/* Types it into a new palette and presses Enter: what runs, or "?" when it asks for more. */
static char *chosen(const char *context, bool project, const char *typed)
{
	struct palette *p = palette_new(context, project, "");
	char *text;

	type(p, typed);
	text = mem_strdup(press(p, "Enter") == PALETTE_RUN ? palette_text(p) : "?");
	palette_free(p);
	return text;
}

static void what_fits_best_is_first(void **state)
{
	static const struct {
		const char *typed, *runs;
	} rows[] = {
		{ "help", "help" }, { "hel", "help" }, { "HELP", "help" }, { "zoo", "zoom" },
		{ "oper", "operate" }, { "redr", "redraw" }, { "deta", "detach" },
		{ "shippro", "ship-project" }, { "runpro", "run-project" }, { "whoami", "whoami" },
		{ "stackls", "stack ls" }, { "stack ls", "stack ls" }, { "quit", "quit" },
		{ "nonsense words", "nonsense words" }, /* it says by itself that it is unknown */
	};

	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		cl_autofree char *got = chosen("editor", true, rows[i].typed);

		if (strcmp(got, rows[i].runs) != 0)
			fail_msg("%s runs %s, not %s", rows[i].typed, got, rows[i].runs);
	}
}

static void every_whole_name_finds_itself(void **state)
{
	for (const struct action *a = action_table; a->name; a++) {
		cl_autofree char *got = NULL;

		if (!a->palette)
			continue;
		got = chosen(a->context ? a->context : "editor", true, a->name);
		if (strcmp(got, a->name) != 0 && strcmp(got, "?") != 0)
			fail_msg("%s runs %s", a->name, got);
	}
	for (const struct verb *v = verb_table; v->name; v++) {
		cl_autofree char *got = NULL;

		if (v->flags & VERB_NO_IDE)
			continue;
		got = chosen("editor", true, v->name);
		if (strcmp(got, v->name) != 0 && strcmp(got, "?") != 0)
			fail_msg("%s runs %s", v->name, got);
	}
}

static void without_a_project_its_verbs_are_not_offered(void **state)
{
	for (const struct verb *v = verb_table; v->name; v++) {
		struct palette *p = palette_new("home", false, "");
		struct rect r = palette_rect(24, 80);
		cl_autofree char *screen = NULL, *row = mem_printf("\n\u2502 %s ", v->name);
		bool offered = !(v->flags & (VERB_PROJECT | VERB_NO_IDE));

		type(p, v->name);
		begin(24, 80);
		term_clip(&r, true);
		palette_draw(p);
		screen = shown(24, 80, false, PAINT_COLORS_256);
		if (!offered && strstr(screen, row))
			fail_msg("%s is offered", v->name);
		if (offered && !strstr(screen, v->name))
			fail_msg("%s is not offered", v->name);
		palette_free(p);
	}
}

static void arguments_keep_the_command_in_sight(void **state)
{
	struct palette *p = palette_new("editor", true, "");
	cl_autofree char *got = NULL;

	type(p, "scale was=4 web=2");
	assert_int_equal(press(p, "Enter"), PALETTE_RUN);
	assert_string_equal(palette_text(p), "scale was=4 web=2");
	palette_free(p);
	p = palette_new("editor", true, "scale ");
	type(p, "was=1");
	assert_int_equal(press(p, "Enter"), PALETTE_RUN);
	assert_string_equal(palette_text(p), "scale was=1");
	palette_free(p);
	got = chosen("editor", true, "cancel"); /* it needs arguments: it waits for them */
	assert_string_equal(got, "?");
}

static void moving_stops_at_both_ends(void **state)
{
	struct palette *p = palette_new("editor", true, "");
	static const char *const keys[] = { "Up", "PgUp", "C-p", "PgDn", "PgDn", "PgDn", "PgDn", "PgDn",
		"PgDn", "PgDn", "PgDn", "PgDn", "Down", "C-n", "Down", "Up", "PgUp" };
	cl_autofree char *screen = NULL;

	for (size_t i = 0; i < CL_COUNT(keys); i++)
		assert_int_equal(press(p, keys[i]), PALETTE_OPEN);
	for (size_t i = 0; i < CL_COUNT(sizes); i++) {
		struct rect r = palette_rect(sizes[i][0], sizes[i][1]);

		begin(sizes[i][0], sizes[i][1]);
		term_clip(&r, true);
		palette_draw(p);
		mem_free(screen);
		screen = shown(sizes[i][0], sizes[i][1], false, PAINT_COLORS_256);
		assert_non_null(strstr(screen, "Palette"));
	}
	palette_free(p);
}

static void it_closes_by_each_of_its_keys(void **state)
{
	static const char *const keys[] = { "Esc", "C-c", "C-q", "F2" };

	for (size_t i = 0; i < CL_COUNT(keys); i++) {
		struct palette *p = palette_new("editor", true, "");

		type(p, "sc");
		assert_int_equal(press(p, keys[i]), PALETTE_CLOSED);
		palette_free(p);
	}
	palette_free(NULL);
}

static void pasted_text_is_one_line(void **state)
{
	static const char evil[] = "say\nhello\r\n\033[2J\xff\t\xed\x95\x9c";
	struct palette *p = palette_new("editor", true, "");
	const char *text;

	palette_paste(p, evil, sizeof(evil) - 1);
	assert_int_equal(press(p, "Enter"), PALETTE_RUN);
	text = palette_text(p);
	assert_true(utf8_valid(text, strlen(text)));
	for (const char *c = text; *c; c++)
		assert_true((unsigned char)*c >= 0x20);
	assert_non_null(strstr(text, "\xed\x95\x9c"));
	palette_free(p);
}

/* ---- menus ---- */

static enum menu_state menu_press(struct menu *m, const char *name)
{
	struct term_key k = key(name);

	return menu_key(m, &k);
}

/* What an entry runs must exist: an action of the table, or a verb. */
static bool runs(const char *text)
{
	for (const struct action *a = action_table; a->name; a++) {
		size_t n = strlen(a->name);
		if (strncmp(a->name, text, n) == 0 && (text[n] == ' ' || !text[n]))
			return true;
	}
	for (const struct verb *v = verb_table; v->name; v++) {
		size_t n = strlen(v->name);
		if (strncmp(v->name, text, n) == 0 && (text[n] == ' ' || !text[n]))
			return true;
	}
	return false;
}

static void every_entry_runs_something_that_exists(void **state)
{
	for (int home = 0; home < 2; home++)
		for (int which = 0; which < 7; which++) {
			struct menu *m = menu_new(which, home);
			cl_autofree char *first = mem_strdup(menu_text(m));
			int n = 0;

			do {
				if (menu_text(m)[0] && !runs(menu_text(m)))
					fail_msg("menu %d: nothing is called %s", which, menu_text(m));
				assert_int_equal(menu_press(m, "Down"), MENU_OPEN);
			} while (++n < 50 && strcmp(menu_text(m), first) != 0);
			assert_true(n < 50); /* round and back */
			assert_int_equal(menu_press(m, "Up"), MENU_OPEN);
			assert_int_equal(menu_press(m, "Down"), MENU_OPEN);
			assert_string_equal(menu_text(m), first);
			menu_free(m);
		}
}

static void menus_go_round(void **state)
{
	struct menu *m = menu_new(0, false);
	cl_autofree char *first = mem_strdup(menu_text(m));

	for (int i = 0; i < 7; i++)
		assert_int_equal(menu_press(m, i % 2 ? "Tab" : "Right"), MENU_OPEN);
	assert_string_equal(menu_text(m), first);
	for (int i = 0; i < 7; i++)
		assert_int_equal(menu_press(m, "Left"), MENU_OPEN);
	assert_string_equal(menu_text(m), first);
	assert_int_equal(menu_press(m, "Enter"), MENU_CHOSEN);
	assert_int_equal(menu_press(m, "Esc"), MENU_CLOSED);
	assert_int_equal(menu_press(m, "F10"), MENU_CLOSED);
	menu_free(m);
}

static void a_menu_without_entries_only_closes(void **state)
{
	struct menu *m = menu_new(1, true); /* Edit makes no sense at home */

	assert_string_equal(menu_text(m), "");
	assert_int_equal(menu_press(m, "Down"), MENU_OPEN);
	assert_int_equal(menu_press(m, "Up"), MENU_OPEN);
	assert_int_equal(menu_press(m, "Enter"), MENU_CLOSED);
	menu_free(m);
}

static void a_click_finds_what_is_drawn_there(void **state)
{
	int seen = -1;

	for (int x = 0; x < 80; x++) {
		int at = menu_at(x);

		assert_true(at == -1 || at == seen || at == seen + 1);
		seen = at > seen ? at : seen;
	}
	assert_int_equal(seen, 6);
	for (int x = 0; x < 80; x++) {
		struct menu *m = menu_new(0, false);
		int at = menu_at(x);

		assert_int_equal(menu_mouse(m, 0, x), at > 0 ? MENU_OPEN : MENU_CLOSED);
		assert_int_equal(menu_mouse(m, 23, x), MENU_CLOSED);
		menu_free(m);
	}
}

static void menus_are_whole_at_every_size(void **state)
{
	for (size_t i = 0; i < CL_COUNT(sizes); i++)
		for (int which = 0; which < 7; which++) {
			struct menu *m = menu_new(which, false);
			cl_autofree char *screen = NULL;

			begin(sizes[i][0], sizes[i][1]);
			menu_draw_line(m);
			menu_draw(m);
			screen = shown(sizes[i][0], sizes[i][1], false, PAINT_COLORS_16);
			assert_non_null(strstr(screen, "CodingLab"));
			if (sizes[i][1] >= 80)
				assert_non_null(strstr(screen, "Help"));
			menu_free(m);
		}
}

/* ---- dialogs ---- */

static enum dialog_state dialog_press(struct dialog *d, const char *name)
{
	struct term_key k = key(name);

	return dialog_key(d, &k);
}

static void dialog_type(struct dialog *d, const char *text)
{
	for (; *text; text++) {
		struct term_key k = key_of_char((uint32_t)(unsigned char)*text, 0);

		assert_int_equal(dialog_key(d, &k), DIALOG_OPEN);
	}
}

static const char *no_dots(const char *value)
{
	return strchr(value, '.') ? "No dots, please." : NULL;
}

static const char *const stacks[] = { "django", "python", "spring", "svelte" };
static const char *const notes[] = { "ready", "ready", "absent", "absent" };
static const char *const buttons[] = { "&Create", "Ca&ncel" };

static struct dialog *form(void)
{
	const struct dialog_field_spec fields[] = {
		{ .label = "Name", .hint = "a-z", .check = no_dots },
		{ .label = "Stack", .choices = stacks, .notes = notes, .nchoices = 4, .initial = "python" },
		{ .label = "\uc124\uba85", .initial = "old" },
	};

	return dialog_new("New project", "What shall it be?", fields, 3, buttons, 2);
}

static void a_form_is_filled_in_with_the_keyboard(void **state)
{
	struct dialog *d = form();

	dialog_type(d, "shop");
	assert_int_equal(dialog_press(d, "Enter"), DIALOG_OPEN);
	assert_string_equal(dialog_value(d, 1), "python");
	assert_int_equal(dialog_press(d, "Right"), DIALOG_OPEN);
	assert_string_equal(dialog_value(d, 1), "spring");
	dialog_type(d, "s");
	assert_string_equal(dialog_value(d, 1), "svelte");
	assert_int_equal(dialog_press(d, "Right"), DIALOG_OPEN);
	assert_string_equal(dialog_value(d, 1), "django");
	assert_int_equal(dialog_press(d, "Left"), DIALOG_OPEN);
	assert_string_equal(dialog_value(d, 1), "svelte");
	assert_int_equal(dialog_press(d, "Tab"), DIALOG_OPEN);
	assert_int_equal(dialog_press(d, "C-u"), DIALOG_OPEN);
	dialog_type(d, "new c"); /* letters of buttons are text here */
	assert_int_equal(dialog_press(d, "Enter"), DIALOG_DONE);
	assert_int_equal(dialog_button(d), 0);
	assert_string_equal(dialog_value(d, 0), "shop");
	assert_string_equal(dialog_value(d, 2), "new c");
	assert_string_equal(dialog_value(d, 3), "");
	assert_string_equal(dialog_value(d, -1), "");
	dialog_free(d);
}

static void a_choice_is_offered_with_those_that_leave_it(void **state)
{
	static const char *const dbs[] = { "default", "mariadb", "postgresql", "mongodb" };
	static const uint64_t with[] = { 0, 1u << 0, 1u << 0 | 1u << 2, 1u << 3 };
	const struct dialog_field_spec fields[] = {
		{ .label = "Stack", .choices = stacks, .nchoices = 4 },
		{ .label = "Database", .choices = dbs, .nchoices = 4, .with = with },
	};
	struct dialog *d = dialog_new("New", "", fields, 2, buttons, 2);

	dialog_press(d, "Tab"); /* django: mariadb and postgresql */
	dialog_press(d, "Left");
	assert_string_equal(dialog_value(d, 1), "postgresql");
	dialog_press(d, "Right");
	assert_string_equal(dialog_value(d, 1), "default");
	dialog_type(d, "m"); /* not mongodb */
	assert_string_equal(dialog_value(d, 1), "mariadb");
	dialog_type(d, "m");
	assert_string_equal(dialog_value(d, 1), "mariadb");
	dialog_press(d, "Up");
	dialog_press(d, "Right"); /* python leaves no choice: the default again */
	assert_string_equal(dialog_value(d, 0), "python");
	assert_string_equal(dialog_value(d, 1), "default");
	dialog_press(d, "Tab");
	dialog_press(d, "Space");
	assert_string_equal(dialog_value(d, 1), "default");
	dialog_press(d, "Up");
	dialog_press(d, "Right"); /* spring: postgresql alone */
	dialog_press(d, "Tab");
	dialog_press(d, "Right");
	assert_string_equal(dialog_value(d, 1), "postgresql");
	dialog_free(d);
}

static void a_wrong_field_keeps_it_open_but_never_holds_one_back(void **state)
{
	struct dialog *d = form();

	dialog_type(d, "a.b");
	assert_int_equal(dialog_press(d, "S-Tab"), DIALOG_OPEN); /* to the last button: Cancel */
	assert_int_equal(dialog_press(d, "Left"), DIALOG_OPEN);
	assert_int_equal(dialog_press(d, "Enter"), DIALOG_OPEN); /* Create: the name is wrong */
	dialog_type(d, "c"); /* and the focus is there again */
	assert_string_equal(dialog_value(d, 0), "a.bc");
	assert_int_equal(dialog_press(d, "S-Tab"), DIALOG_OPEN);
	assert_int_equal(dialog_press(d, "n"), DIALOG_DONE); /* Cancel works all the same */
	assert_int_equal(dialog_button(d), 1);
	dialog_free(d);
	d = form();
	assert_int_equal(dialog_press(d, "Esc"), DIALOG_CANCELLED);
	dialog_free(d);
	dialog_free(NULL);
}

static void pastes_go_into_text_fields_only(void **state)
{
	struct dialog *d = form();

	dialog_paste(d, "one\ntwo\033[A", 11);
	assert_string_equal(dialog_value(d, 0), "one two[A");
	assert_int_equal(dialog_press(d, "Tab"), DIALOG_OPEN);
	dialog_paste(d, "zzz", 3);
	assert_string_equal(dialog_value(d, 1), "python");
	for (int i = 0; i < 2; i++)
		assert_int_equal(dialog_press(d, "Tab"), DIALOG_OPEN);
	dialog_paste(d, "zzz", 3); /* on a button */
	assert_string_equal(dialog_value(d, 2), "old");
	dialog_free(d);
}

static void dialogs_are_whole_at_every_size(void **state)
{
	for (size_t i = 0; i < CL_COUNT(sizes); i++)
		for (int ascii = 0; ascii < 2; ascii++) {
			struct dialog *d = form();
			struct rect r = dialog_rect(d, sizes[i][0], sizes[i][1]);
			cl_autofree char *screen = NULL;

			assert_true(r.y >= 0 && r.x >= 0 && r.y + r.h <= sizes[i][0] &&
				    r.x + r.w <= sizes[i][1]);
			begin(sizes[i][0], sizes[i][1]);
			term_clip(&r, true);
			dialog_draw(d);
			screen = shown(sizes[i][0], sizes[i][1], ascii, PAINT_COLORS_NONE);
			assert_non_null(strstr(screen, "New project"));
			assert_non_null(strstr(screen, "Create"));
			assert_non_null(strstr(screen, "Cancel"));
			assert_null(strstr(screen, "&"));
			dialog_free(d);
		}
}

static void a_click_presses_the_button_that_is_there(void **state)
{
	struct dialog *d = form();
	struct rect r = dialog_rect(d, 24, 80);
	int hits[2] = { 0, 0 };

	begin(24, 80);
	term_clip(&r, true);
	dialog_draw(d);
	for (int y = 0; y < r.h; y++)
		for (int x = 0; x < r.w; x++)
			if (dialog_mouse(d, y, x) == DIALOG_DONE)
				hits[dialog_button(d)]++;
	assert_int_equal(hits[0], 10); /* [ Create ] */
	assert_int_equal(hits[1], 10); /* [ Cancel ] */
	dialog_free(d);
}

static void other_doors_are_painted_their_part_of_it(void **state)
{
	static const int doors[][2] = { { 24, 80 }, { 10, 40 }, { 5, 20 }, { 1, 1 }, { 60, 200 },
		{ 24, 41 }, { 100, 300 } };

	for (size_t i = 0; i < CL_COUNT(doors); i++)
		for (int colors = PAINT_COLORS_NONE; colors <= PAINT_COLORS_256; colors++) {
			struct dialog *d = form();
			struct rect r = dialog_rect(d, 24, 80);
			cl_autofree char *screen = NULL;

			begin(24, 80);
			term_clip(&r, true);
			dialog_draw(d);
			screen = shown(doors[i][0], doors[i][1], colors == PAINT_COLORS_NONE,
			    (enum term_paint_colors)colors);
			if (doors[i][0] >= 24 && doors[i][1] >= 80)
				assert_non_null(strstr(screen, "New project"));
			dialog_free(d);
		}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_screen, close_screen)
	const struct CMUnitTest tests[] = {
		T(what_fits_best_is_first),
		T(every_whole_name_finds_itself),
		T(without_a_project_its_verbs_are_not_offered),
		T(arguments_keep_the_command_in_sight),
		T(moving_stops_at_both_ends),
		T(it_closes_by_each_of_its_keys),
		T(pasted_text_is_one_line),
		T(every_entry_runs_something_that_exists),
		T(menus_go_round),
		T(a_menu_without_entries_only_closes),
		T(a_click_finds_what_is_drawn_there),
		T(menus_are_whole_at_every_size),
		T(a_form_is_filled_in_with_the_keyboard),
		T(a_choice_is_offered_with_those_that_leave_it),
		T(a_wrong_field_keeps_it_open_but_never_holds_one_back),
		T(pastes_go_into_text_fields_only),
		T(dialogs_are_whole_at_every_size),
		T(a_click_presses_the_button_that_is_there),
		T(other_doors_are_painted_their_part_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
