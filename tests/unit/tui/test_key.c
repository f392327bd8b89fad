/* Keys: names there and back, typed characters, the layers of the keymap. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "engine/client/verb.h"
#include "tui/action.h"
#include "tui/key.h"
#include "tui/keymap.h"
#include "tui/view_table.h"

static void names_survive_the_round_trip(void **state)
{
	static const char *const names[] = { "a", "Z", "C-s", "M-1", "S-Tab", "F1", "F12", "C-M-Left",
		"Enter", "Space", "C-Space", "C-]", "M-S-Up", "PgUp", "?", "-", "C--", "\xec\x95\x88" };
	char out[32];
	struct term_key k;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(key_parse(names[i], &k), 0);
		assert_string_equal(key_label(&k, out, sizeof(out)), names[i]);
		assert_true(key_is(&k, names[i]));
	}
}

static void what_names_no_key_is_refused(void **state)
{
	static const char *const bad[] = { "", "C-", "F0", "F13", "F1x", "Enterr", "C-C-s", "ab", "\xff" };
	struct term_key k;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(key_parse(bad[i], &k), -1);
}

static void control_characters_are_keys(void **state)
{
	struct term_key k;

	k = key_of_char(19, 0);
	assert_true(key_is(&k, "C-s"));
	k = key_of_char(0, 0);
	assert_true(key_is(&k, "C-Space"));
	k = key_of_char(0x1d, 0);
	assert_true(key_is(&k, "C-]"));
	k = key_of_char('\r', 0);
	assert_int_equal(k.code, KEYC_ENTER);
	k = key_of_char(0x7f, 0);
	assert_int_equal(k.code, KEYC_BACKSPACE);
	assert_false(key_is_text(&k));
	k = key_of_char(0xc548, 0);
	assert_true(key_is_text(&k));
	assert_string_equal(k.utf8, "\xec\x95\x88");
}

static const char *find(const char *context, const char *name)
{
	struct term_key k;

	assert_int_equal(key_parse(name, &k), 0);
	return keymap_find(context, &k);
}

static void own_keys_hide_those_below(void **state)
{
	assert_string_equal(find("home", "F2"), "palette");
	assert_string_equal(find("home", "j"), "list-down");
	assert_string_equal(find("home", "r"), "reload");
	assert_string_equal(find("tree", "r"), "tree-rename");
	assert_null(find("editor", "j")); /* typed text is text */
	assert_null(find("chat", "q"));
	assert_string_equal(find("text", "q"), "close");
}

/* Every row must parse, and what it runs must exist: that is what makes bar and help true. */
static void every_row_is_real(void **state)
{
	struct term_key k, other;

	for (const struct keymap_row *r = keymap_table; r->context; r++) {
		char word[64];
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(r->text, " "), r->text);
		assert_int_equal(key_parse(r->key, &k), 0);
		if (!action_find(word, r->context) && !verb_find_line(r->text))
			fail_msg("%s %s runs %s, which is nothing", r->context, r->key, r->text);
		for (const struct keymap_row *s = r + 1; s->context; s++)
			if (strcmp(r->context, s->context) == 0 && key_parse(s->key, &other) == 0 &&
			    key_same(&k, &other))
				fail_msg("%s %s is bound twice", r->context, r->key);
	}
}

static void the_bar_shows_own_keys_first(void **state)
{
	const struct keymap_row *rows[24];
	int n = keymap_bar("ops", rows, 24);

	assert_true(n > 9);
	assert_string_equal(rows[0]->key, "+");
	assert_string_equal(rows[1]->key, "-");
	for (int i = 0; i < n; i++) /* nothing that another row hides */
		assert_string_equal(find("ops", rows[i]->key), rows[i]->text);
}

static void the_bar_follows_the_context(void **state)
{
	static const char *const contexts[] = { "ops", "terminal", "terminal", "home", "ops", "nothing", "editor" };
	const struct keymap_row *rows[64], *few[3];

	for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
		int n = keymap_bar(contexts[i], rows, 64);

		assert_true(n > 0);
		for (int r = 0; r < n; r++)
			assert_true(strcmp(rows[r]->context, contexts[i]) == 0 || strcmp(rows[r]->context, "global") == 0);
		assert_int_equal(keymap_bar(contexts[i], few, 3), n < 3 ? n : 3);
		assert_ptr_equal(few[0], rows[0]);
	}
}

static void views_have_what_they_must(void **state)
{
	for (int i = 0; view_table[i]; i++) {
		const struct view_ops *v = view_table[i];
		assert_non_null(v->create);
		assert_non_null(v->free);
		assert_non_null(v->draw);
		assert_non_null(v->help);
		assert_non_null(v->context);
		assert_ptr_equal(view_table_find(v->name), v);
	}
	assert_null(view_table_find("nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_survive_the_round_trip),
		cmocka_unit_test(what_names_no_key_is_refused),
		cmocka_unit_test(control_characters_are_keys),
		cmocka_unit_test(own_keys_hide_those_below),
		cmocka_unit_test(every_row_is_real),
		cmocka_unit_test(the_bar_shows_own_keys_first),
		cmocka_unit_test(the_bar_follows_the_context),
		cmocka_unit_test(views_have_what_they_must),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
