/* Keys for programs in terminals: see pane_keys.h. */
#include "tui/pane_keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/pane.h"
#include "base/utf8.h"

/* CSI x, or SS3 x in application mode (arrows, Home, End) or always (F1 to F4). */
static const struct {
	uint32_t code;
	char final;
	bool ss3;
} letters[] = {
	{KEYC_UP, 'A', false}, {KEYC_DOWN, 'B', false}, {KEYC_RIGHT, 'C', false},
	{KEYC_LEFT, 'D', false}, {KEYC_HOME, 'H', false}, {KEYC_END, 'F', false},
	{KEYC_F1, 'P', true}, {KEYC_F1 + 1, 'Q', true}, {KEYC_F1 + 2, 'R', true},
	{KEYC_F1 + 3, 'S', true},
};

/* CSI n ~ */
static const struct {
	uint32_t code;
	int num;
} numbers[] = {
	{KEYC_INS, 2}, {KEYC_DEL, 3}, {KEYC_PGUP, 5}, {KEYC_PGDN, 6},
	{KEYC_F1 + 4, 15}, {KEYC_F1 + 5, 17}, {KEYC_F1 + 6, 18}, {KEYC_F1 + 7, 19},
	{KEYC_F1 + 8, 20}, {KEYC_F1 + 9, 21}, {KEYC_F1 + 10, 23}, {KEYC_F12, 24},
};

static int modifier(unsigned mods)
{
	return 1 + (mods & KEY_MOD_SHIFT ? 1 : 0) + (mods & KEY_MOD_ALT ? 2 : 0) +
	       (mods & KEY_MOD_CTRL ? 4 : 0);
}

static size_t function_key(const struct term_key *k, uint32_t modes, char *out)
{
	int m = modifier(k->mods), n = 0;

	for (size_t i = 0; i < CL_COUNT(letters); i++) {
		bool ss3 = letters[i].ss3 || modes & PANE_MODE_CURSOR_KEYS;

		if (letters[i].code != k->code)
			continue;
		if (m > 1)
			n = snprintf(out, PANE_KEYS_MAX, "\033[1;%d%c", m, letters[i].final);
		else
			n = snprintf(out, PANE_KEYS_MAX, "\033%c%c", ss3 ? 'O' : '[', letters[i].final);
	}
	for (size_t i = 0; i < CL_COUNT(numbers); i++) {
		if (numbers[i].code != k->code)
			continue;
		if (m > 1)
			n = snprintf(out, PANE_KEYS_MAX, "\033[%d;%d~", numbers[i].num, m);
		else
			n = snprintf(out, PANE_KEYS_MAX, "\033[%d~", numbers[i].num);
	}
	return (size_t)n;
}

/* The byte that Ctrl makes of a character, or -1. */
static int control_byte(uint32_t c)
{
	if (c >= 'a' && c <= 'z')
		return (int)(c - 'a' + 1);
	if (c >= '@' && c <= '_')
		return (int)(c - '@');
	switch (c) {
	case ' ': case '2':
		return 0;
	case '3':
		return 0x1b;
	case '4':
		return 0x1c;
	case '5':
		return 0x1d;
	case '6':
		return 0x1e;
	case '7': case '/':
		return 0x1f;
	case '8': case '?':
		return 0x7f;
	default:
		return -1;
	}
}

/* Enter, Tab, Backspace, Esc and characters, without Alt. */
static size_t plain_key(const struct term_key *k, uint32_t modes, char *out)
{
	int c;

	switch (k->code) {
	case KEYC_ENTER:
		out[0] = '\r';
		out[1] = '\n';
		return modes & PANE_MODE_NEWLINE ? 2 : 1;
	case KEYC_TAB:
		if (k->mods & KEY_MOD_SHIFT) {
			memcpy(out, "\033[Z", 3);
			return 3;
		}
		out[0] = '\t';
		return 1;
	case KEYC_BACKSPACE:
		out[0] = k->mods & KEY_MOD_CTRL ? 0x08 : 0x7f;
		return 1;
	case KEYC_ESC:
		out[0] = 0x1b;
		return 1;
	default:
		break;
	}
	if (k->code > 0x10FFFF || k->code == KEYC_NONE)
		return 0;
	if (!(k->mods & KEY_MOD_CTRL))
		return utf8_encode(k->code, out);
	c = control_byte(k->code);
	out[0] = (char)c;
	return c >= 0 ? 1 : 0;
}

size_t pane_keys_encode(const struct term_key *k, uint32_t modes, char out[PANE_KEYS_MAX])
{
	size_t n = function_key(k, modes, out);
	bool alt = k->mods & KEY_MOD_ALT;

	if (n > 0)
		return n;
	n = plain_key(k, modes, out + alt);
	if (n == 0 || !alt)
		return n;
	out[0] = 0x1b;
	return n + 1;
}

static bool wants(const struct term_mouse *m, uint32_t modes)
{
	if (m->kind == MOUSE_DRAG)
		return modes & (PANE_MODE_MOUSE_DRAG | PANE_MODE_MOUSE_MOVE);
	return modes & (PANE_MODE_MOUSE_CLICK | PANE_MODE_MOUSE_DRAG | PANE_MODE_MOUSE_MOVE);
}

size_t pane_keys_mouse(const struct term_mouse *m, uint32_t modes, char out[PANE_KEYS_MAX])
{
	int b = m->button > 0 && m->button < 4 ? m->button - 1 : 0;

	if (!wants(m, modes) || m->x < 0 || m->y < 0)
		return 0;
	if (m->kind == MOUSE_WHEEL_UP || m->kind == MOUSE_WHEEL_DOWN)
		b = m->kind == MOUSE_WHEEL_UP ? 64 : 65;
	if (m->kind == MOUSE_DRAG)
		b += 32;
	b += (m->mods & KEY_MOD_SHIFT ? 4 : 0) + (m->mods & KEY_MOD_ALT ? 8 : 0) +
	     (m->mods & KEY_MOD_CTRL ? 16 : 0);
	if (modes & PANE_MODE_MOUSE_SGR)
		return (size_t)snprintf(out, PANE_KEYS_MAX, "\033[<%d;%d;%d%c", b, m->x + 1, m->y + 1,
		    m->kind == MOUSE_RELEASE ? 'm' : 'M');
	if (m->x > 222 || m->y > 222)
		return 0;
	if (m->kind == MOUSE_RELEASE)
		b = (b & ~3) | 3;
	return (size_t)snprintf(out, PANE_KEYS_MAX, "\033[M%c%c%c", 32 + b, 33 + m->x, 33 + m->y);
}

int pane_keys_paste(struct buf *out, const char *text, size_t n, uint32_t modes)
{
	bool bracketed = modes & PANE_MODE_PASTE;
	char *to;
	size_t len = 0;

	if (n > out->max || !(to = buf_space(out, n + 16)))
		return -1;
	if (bracketed) {
		memcpy(to, "\033[200~", 6);
		len = 6;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		/* C1 controls too, which are two bytes in UTF-8 */
		if (c == 0xC2 && i + 1 < n && (unsigned char)text[i + 1] < 0xA0) {
			i++;
			continue;
		}
		if (c == '\r' && i + 1 < n && text[i + 1] == '\n')
			continue;
		if (c == '\n' || c == '\r')
			to[len++] = '\r';
		else if ((c >= 0x20 && c != 0x7f) || c == '\t')
			to[len++] = (char)c;
	}
	if (bracketed) {
		memcpy(to + len, "\033[201~", 6);
		len += 6;
	}
	buf_used(out, len);
	return 0;
}
