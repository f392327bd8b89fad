/*
 * Output cut into lines and sent as BROKER_LINE: without newline, in pieces of BROKER_LINE_MAX; or
 * kept for ourselves.
 * stdout and stderr keep their own unfinished lines.
 */
#ifndef ENGINE_BROKER_LINE_H
#define ENGINE_BROKER_LINE_H

#include <stddef.h>

#include "engine/broker/broker_proto.h"

struct buf;

struct line {
	int sock;
	struct buf *keep; /* not NULL: lines go there, each with its newline, and to nobody else */
	size_t len[3];
	char part[3][BROKER_LINE_MAX];
};

void line_init(struct line *l, int sock);
void line_keep(struct line *l, struct buf *keep); /* instead of line_init() */
void line_add(void *l, int stream, const char *data, size_t n); /* a mux_cb; stream 0..2 */
void line_flush(struct line *l);
void line_text(int sock, const char *s, size_t n);              /* one line, now */

#endif
