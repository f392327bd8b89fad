/*
 * A stream of server-sent events to one client, on the loop's thread.  What a slow reader has not
 * taken is bounded (256 KiB): past it the stream is cut with a last "event: resync", and the client
 * comes back with Last-Event-ID.  Over HTTP a comment goes out every 15 s.
 */
#ifndef ENGINE_STREAM_H
#define ENGINE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

/* event "" or NULL = no name; id 0 = none; data may hold newlines.  -1: too slow, it is being cut. */
int stream_send(struct stream *s, const char *event, int64_t id, const char *data);
size_t stream_queued(const struct stream *s); /* bytes not yet taken */
/* Told whenever everything queued was taken. */
void stream_on_drain(struct stream *s, void (*drain_cb)(void *arg), void *arg);
void stream_end(struct stream *s); /* after what is queued; closed_cb follows later */
/* Told once, when the peer is gone or the stream has ended; s is invalid afterwards. */
void stream_on_close(struct stream *s, void (*closed_cb)(void *arg), void *arg);

#endif
