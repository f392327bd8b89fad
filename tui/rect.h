/* A rectangle of screen cells: rows y..y+h-1, columns x..x+w-1. h or w of 0 means hidden. */
#ifndef TUI_RECT_H
#define TUI_RECT_H

#include <stdbool.h>

struct rect {
	int y, x, h, w;
};

static inline bool rect_has(const struct rect *r, int y, int x)
{
	return y >= r->y && y < r->y + r->h && x >= r->x && x < r->x + r->w;
}

#endif
