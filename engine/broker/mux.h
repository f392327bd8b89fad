/*
 * The Docker API's way to carry stdout and stderr on one stream: frames of an 8-byte header
 * (stream number, three zeros, length big-endian) and that many bytes.  Fed in any pieces; a
 * header that is none makes the stream bad.
 */
#ifndef ENGINE_BROKER_MUX_H
#define ENGINE_BROKER_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mux {
	uint8_t head[8];
	size_t have;   /* bytes of head so far */
	uint32_t left; /* bytes of the frame still to come */
	bool bad;
};

/* stream: 1 stdout, 2 stderr. */
typedef void mux_cb(void *arg, int stream, const char *data, size_t n);

void mux_init(struct mux *m);
/* 0, or -1 once the stream is bad. */
int mux_feed(struct mux *m, const char *data, size_t n, mux_cb *cb, void *arg);

#endif
