/* Keys, mouse and pastes as programs in terminals expect them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/pane.h"
#include "tui/pane_keys.h"

static void types(const char *name, uint32_t modes, const char *want)
{
	struct term_key k = {0};
	char out[PANE_KEYS_MAX];
	size_t n;

	assert_int_equal(key_parse(name, &k), 0);
	n = pane_keys_encode(&k, modes, out);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
}

static void test_keys(void **state)
{
	types("a", 0, "a");
	types("M-a", 0, "\033a");
	types("C-c", 0, "\003");
	types("C-]", 0, "\035");
	types("C-M-x", 0, "\033\030");
	types("Enter", 0, "\r");
	types("Enter", PANE_MODE_NEWLINE, "\r\n");
	types("Tab", 0, "\t");
	types("S-Tab", 0, "\033[Z");
	types("Backspace", 0, "\177");
	types("Esc", 0, "\033");
	types("Up", 0, "\033[A");
	types("Up", PANE_MODE_CURSOR_KEYS, "\033OA");
	types("C-Right", PANE_MODE_CURSOR_KEYS, "\033[1;5C");
	types("Home", 0, "\033[H");
	types("Del", 0, "\033[3~");
	types("C-M-Del", 0, "\033[3;7~");
	types("F1", 0, "\033OP");
	types("S-F1", 0, "\033[1;2P");
	types("F5", 0, "\033[15~");
	types("F12", 0, "\033[24~");
}

static void test_control_space(void **state)
{
	struct term_key k = {.code = ' ', .mods = KEY_MOD_CTRL};
	char out[PANE_KEYS_MAX];

	assert_int_equal(pane_keys_encode(&k, 0, out), 1);
	assert_int_equal(out[0], 0);
	k = (struct term_key){.code = 0xD55C, .utf8 = "\xED\x95\x9C"};
	assert_int_equal(pane_keys_encode(&k, 0, out), 3);
	assert_memory_equal(out, "\xED\x95\x9C", 3);
	k = (struct term_key){.code = 0x20000000};
	assert_int_equal(pane_keys_encode(&k, 0, out), 0);
}

static void test_mouse(void **state)
{
	struct term_mouse m = {.kind = MOUSE_PRESS, .y = 4, .x = 9, .button = 1};
	char out[PANE_KEYS_MAX];

	assert_int_equal(pane_keys_mouse(&m, 0, out), 0);
	out[pane_keys_mouse(&m, PANE_MODE_MOUSE_CLICK | PANE_MODE_MOUSE_SGR, out)] = '\0';
	assert_string_equal(out, "\033[<0;10;5M");
	m.kind = MOUSE_RELEASE;
	out[pane_keys_mouse(&m, PANE_MODE_MOUSE_CLICK | PANE_MODE_MOUSE_SGR, out)] = '\0';
	assert_string_equal(out, "\033[<0;10;5m");
	out[pane_keys_mouse(&m, PANE_MODE_MOUSE_CLICK, out)] = '\0';
	assert_string_equal(out, "\033[M#*%");
	m.kind = MOUSE_DRAG;
	assert_int_equal(pane_keys_mouse(&m, PANE_MODE_MOUSE_CLICK, out), 0);
	m.kind = MOUSE_WHEEL_DOWN;
	m.mods = KEY_MOD_CTRL;
	out[pane_keys_mouse(&m, PANE_MODE_MOUSE_MOVE | PANE_MODE_MOUSE_SGR, out)] = '\0';
	assert_string_equal(out, "\033[<81;10;5M");
	m.x = 500;
	assert_int_equal(pane_keys_mouse(&m, PANE_MODE_MOUSE_CLICK, out), 0);
}

static void pastes(const char *text, uint32_t modes, const char *want)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(pane_keys_paste(&b, text, strlen(text), modes), 0);
	assert_string_equal(b.data, want);
	buf_clear(&b);
}

/* D15: what is pasted cannot end the paste, nor press keys. */
static void test_paste(void **state)
{
	struct buf small;

	pastes("one\ntwo\tx", 0, "one\rtwo\tx");
	pastes("a\r\nb", 0, "a\rb");
	pastes("ls\n\033[201~rm -rf x\n", PANE_MODE_PASTE, "\033[200~ls\r[201~rm -rf x\r\033[201~");
	pastes("\003\004\177\x1a", PANE_MODE_PASTE, "\033[200~\033[201~");
	pastes("a\xC2\x9B" "201~b\xC2\xA3", 0, "a201~b\xC2\xA3");
	buf_init(&small, 8);
	assert_int_equal(pane_keys_paste(&small, "much more than that", 19, 0), -1);
	buf_clear(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys), cmocka_unit_test(test_control_space),
		cmocka_unit_test(test_mouse), cmocka_unit_test(test_paste),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
