/*
 * Answers to what a program asks its terminal: every one is a fixed text or numbers of our own
 * state.  It answers as libvterm would (DA2 says version 100, which vim knows).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tui/pane/emu.h"
#include "tui/pane/emu_internal.h"

static void say(struct emu *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A program that asks faster than it reads loses answers, whole ones. */
static void say(struct emu *t, const char *fmt, ...)
{
	va_list ap;
	size_t room = sizeof(t->reply) - t->reply_n;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->reply + t->reply_n, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < room)
		t->reply_n += (size_t)n;
}

static void say_mode(struct emu *t, int num)
{
	static const struct {
		int num;
		uint32_t bit;
	} modes[] = {
		{1, PANE_MODE_CURSOR_KEYS}, {5, PANE_MODE_REVERSE}, {12, PANE_MODE_CURSOR_BLINK},
		{25, PANE_MODE_CURSOR_HIDDEN}, {47, PANE_MODE_ALT}, {1000, PANE_MODE_MOUSE_CLICK},
		{1002, PANE_MODE_MOUSE_DRAG}, {1003, PANE_MODE_MOUSE_MOVE}, {1004, PANE_MODE_FOCUS},
		{1006, PANE_MODE_MOUSE_SGR}, {1047, PANE_MODE_ALT}, {1049, PANE_MODE_ALT},
		{2004, PANE_MODE_PASTE},
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		bool on = (t->modes & modes[i].bit) != 0;

		if (modes[i].num == num)
			say(t, "\033[?%d;%d$y", modes[i].num, on != (num == 25) ? 1 : 2);
	}
}

static void say_cursor(struct emu *t, const char *mark)
{
	int row, col;

	emu_cursor(t, &row, &col);
	say(t, "\033[%s%d;%dR", mark, row + 1, col + 1);
}

void emu_reply_query(struct emu *t, int query)
{
	switch (query) {
	case FILTER_Q_DA1:
		say(t, "\033[?1;2c");
		break;
	case FILTER_Q_DA2:
		say(t, "\033[>0;100;0c");
		break;
	case FILTER_Q_STATUS:
		say(t, "\033[0n");
		break;
	case FILTER_Q_CURSOR:
		say_cursor(t, "");
		break;
	case FILTER_Q_XCURSOR:
		say_cursor(t, "?");
		break;
	case FILTER_Q_SIZE:
		say(t, "\033[8;%d;%dt", t->grid->rows, t->grid->cols);
		break;
	case FILTER_Q_FG:
		say(t, "\033]10;rgb:e5e5/e5e5/e5e5\033\\");
		break;
	case FILTER_Q_BG:
		say(t, "\033]11;rgb:0000/0000/0000\033\\");
		break;
	case FILTER_Q_DECRQSS:
		say(t, "\033P0$r\033\\");
		break;
	default:
		say_mode(t, query - FILTER_Q_MODE);
		break;
	}
}
