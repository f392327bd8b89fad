/*
 * Keys and their names.  A name is modifiers (C- M- S-) and a base: a character, or one of the
 * words below.  "Space" and "C-Space" have a word since a blank is hard to see in a table.
 */
#include "tui/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	uint32_t code;
	const char *name;
} words[] = {
	{ KEYC_ENTER, "Enter" },
	{ KEYC_TAB, "Tab" },
	{ KEYC_BACKSPACE, "Backspace" },
	{ KEYC_ESC, "Esc" },
	{ KEYC_UP, "Up" },
	{ KEYC_DOWN, "Down" },
	{ KEYC_LEFT, "Left" },
	{ KEYC_RIGHT, "Right" },
	{ KEYC_HOME, "Home" },
	{ KEYC_END, "End" },
	{ KEYC_PGUP, "PgUp" },
	{ KEYC_PGDN, "PgDn" },
	{ KEYC_INS, "Ins" },
	{ KEYC_DEL, "Del" },
	{ ' ', "Space" },
};

static void base_name(uint32_t code, char *out, size_t size)
{
	char c[8] = "";

	for (size_t i = 0; i < CL_COUNT(words); i++)
		if (words[i].code == code) {
			snprintf(out, size, "%s", words[i].name);
			return;
		}
	if (code >= KEYC_F1 && code <= KEYC_F12) {
		snprintf(out, size, "F%d", (int)(code - KEYC_F1) + 1);
		return;
	}
	c[utf8_encode(code, c)] = 0;
	snprintf(out, size, "%s", c);
}

const char *key_label(const struct term_key *k, char *out, size_t size)
{
	char base[16];

	base_name(k->code, base, sizeof(base));
	snprintf(out, size, "%s%s%s%s", k->mods & KEY_MOD_CTRL ? "C-" : "",
	    k->mods & KEY_MOD_ALT ? "M-" : "", k->mods & KEY_MOD_SHIFT ? "S-" : "", base);
	return out;
}

static uint32_t base_parse(const char *s)
{
	size_t n = strlen(s);
	uint32_t cp = 0;

	for (size_t i = 0; i < CL_COUNT(words); i++)
		if (strcmp(words[i].name, s) == 0)
			return words[i].code;
	if (s[0] == 'F' && n > 1 && n < 4) {
		char *end;
		long f = strtol(s + 1, &end, 10);
		return *end == 0 && f >= 1 && f <= 12 ? KEYC_F1 + (uint32_t)f - 1 : 0;
	}
	if (n == 0 || utf8_decode(s, n, &cp) != n || cp == UTF8_BAD || cp < ' ')
		return 0;
	return cp;
}

int key_parse(const char *name, struct term_key *k)
{
	memset(k, 0, sizeof(*k));
	while (name[0] && name[1] == '-' && name[2]) {
		unsigned mod = name[0] == 'C'   ? KEY_MOD_CTRL
			       : name[0] == 'M' ? KEY_MOD_ALT
			       : name[0] == 'S' ? KEY_MOD_SHIFT
						: 0;
		if (!mod || (k->mods & mod))
			return -1;
		k->mods |= mod;
		name += 2;
	}
	k->code = base_parse(name);
	if (!k->code)
		return -1;
	if (k->code < KEYC_ENTER && !(k->mods & (KEY_MOD_CTRL | KEY_MOD_ALT)))
		k->utf8[utf8_encode(k->code, k->utf8)] = 0;
	return 0;
}

bool key_same(const struct term_key *a, const struct term_key *b)
{
	return a->code == b->code && a->mods == b->mods;
}

bool key_is(const struct term_key *k, const char *name)
{
	struct term_key other;

	return key_parse(name, &other) == 0 && key_same(k, &other);
}

bool key_is_text(const struct term_key *k)
{
	return k->code >= ' ' && k->code < KEYC_ENTER && !(k->mods & (KEY_MOD_CTRL | KEY_MOD_ALT));
}

struct term_key key_of_char(uint32_t cp, unsigned mods)
{
	struct term_key k = { .code = cp, .mods = mods };

	if (cp == '\r')
		k.code = KEYC_ENTER;
	else if (cp == '\t')
		k.code = KEYC_TAB;
	else if (cp == 0x7f)
		k.code = KEYC_BACKSPACE;
	else if (cp == 0x1b)
		k.code = KEYC_ESC;
	else if (cp == 0)
		k.code = ' ', k.mods |= KEY_MOD_CTRL;
	else if (cp < 0x1b)
		k.code = cp + 'a' - 1, k.mods |= KEY_MOD_CTRL;
	else if (cp < 0x20)
		k.code = cp + '@', k.mods |= KEY_MOD_CTRL; /* \ ] ^ _ */
	if (key_is_text(&k))
		k.utf8[utf8_encode(k.code, k.utf8)] = 0;
	return k;
}
