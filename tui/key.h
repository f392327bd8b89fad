/*
 * Keys and their text names, as key bindings write them: "a", "C-s", "M-1", "S-Tab", "F5",
 * "C-M-Left", "Enter", "Space", "C-Space", "C-]".  Pure: knows no screen.
 */
#ifndef TUI_KEY_H
#define TUI_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_mod { KEY_MOD_SHIFT = 1, KEY_MOD_ALT = 2, KEY_MOD_CTRL = 4 };

/* Codes above Unicode: keys that are no character. */
enum key_code {
	KEYC_NONE = 0,
	KEYC_ENTER = 0x110000,
	KEYC_TAB,
	KEYC_BACKSPACE,
	KEYC_ESC,
	KEYC_UP,
	KEYC_DOWN,
	KEYC_LEFT,
	KEYC_RIGHT,
	KEYC_HOME,
	KEYC_END,
	KEYC_PGUP,
	KEYC_PGDN,
	KEYC_INS,
	KEYC_DEL,
	KEYC_F1, /* F1..F12 are consecutive */
	KEYC_F12 = KEYC_F1 + 11,
};

struct term_key {
	uint32_t code;   /* a code point (lower case letter with KEY_MOD_CTRL), or enum key_code */
	unsigned mods;   /* enum key_mod; a shifted character is its own code, without SHIFT */
	char utf8[8];    /* the typed text for a plain character (NUL-terminated), else "" */
};

/* The name of a key ("C-s"); returns out. 32 bytes are enough. */
const char *key_label(const struct term_key *k, char *out, size_t size);
/* Back from a name: 0, or -1 where it names no key. */
int key_parse(const char *name, struct term_key *k);
bool key_same(const struct term_key *a, const struct term_key *b);
/* Is it exactly that key?  name as in key_parse(); for views that compare in code. */
bool key_is(const struct term_key *k, const char *name);
/* Is it a character that a text field would insert (no Ctrl, no Alt)? */
bool key_is_text(const struct term_key *k);
/* A key for code point cp as typed, with utf8 filled in. */
struct term_key key_of_char(uint32_t cp, unsigned mods);

/* ---- what term_input_read() gives, views get keys and mouse from it ---- */

enum term_mouse_kind { MOUSE_PRESS, MOUSE_RELEASE, MOUSE_DRAG, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };
struct term_mouse {
	enum term_mouse_kind kind;
	int y, x;      /* relative to the view's rectangle when a view gets it */
	int button;    /* 1 left, 2 middle, 3 right; 0 for a wheel */
	unsigned mods; /* enum key_mod */
};

enum term_event_kind { TERM_NOTHING, TERM_KEY, TERM_MOUSE, TERM_PASTE };
struct term_event {
	enum term_event_kind kind;
	struct term_key key;
	struct term_mouse mouse;
	const char *paste;   /* borrowed until the next term_read(); newlines are '\n' */
	size_t paste_len;
};

#endif
