/*
 * What an execution in a pod says on the wire: pure functions.  The cluster's WebSocket carries channels,
 * the first byte of each message (v4.channel.k8s.io, v5.channel.k8s.io):
 *
 *   0 stdin   1 stdout   2 stderr   3 how it ended, a Status as JSON   4 {"Width":W,"Height":H}
 *   255 (v5)  the end of the channel in the next byte
 *
 * v4 knows no end of input, no protocol knows signals or hang-ups: where codinglab-pty was put into the
 * pod it is told them by frames of its own on channel 0 (engine/broker/pty/serve.h).
 */
#ifndef ENGINE_KUBE_FRAME_H
#define ENGINE_KUBE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"
#include "engine/backend.h"

#define KUBE_FRAME_IN 0
#define KUBE_FRAME_OUT 1
#define KUBE_FRAME_ERR 2
#define KUBE_FRAME_STATUS 3
#define KUBE_FRAME_RESIZE 4
#define KUBE_FRAME_CLOSE 255
#define KUBE_FRAME_PROTOCOLS "v5.channel.k8s.io,v4.channel.k8s.io"
#define KUBE_FRAME_PATH_MAX 1900 /* bytes of a request's path: libwebsockets cuts a longer one */

/* "/api/v1/namespaces/NS/pods/POD/exec?..."; the caller's, NULL with the error when it is too long. */
char *kube_frame_path(const char *ns, const char *pod, const char *container, char *const *argv,
    bool tty, struct cl_err *err);
/* What channel 3 said.  0: *status is the program's (0..255).  -1: it was not run, or nothing that can be
 * understood was said; never a status of 0 by guess. */
int kube_frame_status(const char *text, size_t len, int *status, struct cl_err *err);
/* Payload of channel 4. */
void kube_frame_resize(struct buf *out, int rows, int cols);

/* Frames of codinglab-pty. */
void kube_frame_start(struct buf *out, const struct backend_exec *e);
void kube_frame_put(struct buf *out, char type, const void *p, size_t n);
void kube_frame_window(struct buf *out, int rows, int cols);

#endif
