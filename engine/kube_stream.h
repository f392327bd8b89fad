/*
 * Executions in pods as WebSockets (libwebsockets), on a loop of their own: channels in messages, as
 * kube_frame.h says.  Everything here is called on the loop's thread.
 */
#ifndef ENGINE_KUBE_STREAM_H
#define ENGINE_KUBE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "base/err.h"
#include "engine/kube_api.h"

struct kube_streams;             /* the library on one loop */
struct kube_stream;              /* one connection */

struct kube_stream_hooks {
	void (*opened)(void *arg, bool v5);
	/* Part of a message of a channel. */
	void (*data)(void *arg, int channel, const char *p, size_t n);
	/* All that was sent is on its way. */
	void (*drained)(void *arg);
	/* It is over: told once, unless kube_stream_close() came before.  err says why. */
	void (*closed)(void *arg, const struct cl_err *err);
};

struct kube_streams *kube_stream_begin(uv_loop_t *loop, struct cl_err *err);
/* Ends all connections without telling anybody; run the loop once more afterwards. */
void kube_stream_end(struct kube_streams *l);

/* NULL with the error: it could not even be tried. */
struct kube_stream *kube_stream_open(struct kube_streams *l, const struct kube_api_who *who,
    const char *path, const struct kube_stream_hooks *hooks, void *arg, struct cl_err *err);
/* One message; kept until it can be sent. */
void kube_stream_send(struct kube_stream *s, int channel, const void *p, size_t n);
size_t kube_stream_waiting(const struct kube_stream *s); /* bytes that are kept */
void kube_stream_hold(struct kube_stream *s, bool held); /* no more data for now */
/* Cut, if it is not over; frees s. */
void kube_stream_close(struct kube_stream *s);

#endif
