/*
 * What a list and the watch after it say of a kind's objects: a mirror, by namespace and name.  Pure: bytes
 * go in as they come, in any pieces.  A mirror that followed the watch equals a fresh list.
 *
 *   list ─► kube_mirror_reset ─► kube_mirror_feed ... ─┬─ end of the stream: watch again from version
 *     ▲                                                 └─ KUBE_MIRROR_GONE (410, or nonsense): list again
 */
#ifndef ENGINE_KUBE_MIRROR_H
#define ENGINE_KUBE_MIRROR_H

#include <stddef.h>
#include <jansson.h>
#include "base/buf.h"
#include "base/err.h"
#include "engine/kube_api.h"

#define KUBE_MIRROR_LINE_MAX (8u << 20) /* bytes of one event */

enum kube_mirror_result { KUBE_MIRROR_OK = 0, KUBE_MIRROR_GONE = 1 };

struct kube_mirror {
	json_t *objects;         /* "namespace/name" -> object */
	char version[KUBE_API_VERSION_MAX]; /* where a watch goes on; "" = list first */
	struct buf line;
	/* Told of each object that came, changed or went (object as it was last); may be NULL. */
	void (*changed)(void *arg, const json_t *object, bool gone);
	void *arg;
};

void kube_mirror_init(struct kube_mirror *m);
void kube_mirror_clear(struct kube_mirror *m);
/* items as kube_api_list() gave them (borrowed).  What differs from before is told. */
void kube_mirror_reset(struct kube_mirror *m, const json_t *items, const char *version);
/* Part of a watch's stream. */
enum kube_mirror_result kube_mirror_feed(struct kube_mirror *m, const char *text, size_t len);
/* The stream ended: half a line is forgotten, the watch begins anew from version. */
void kube_mirror_cut(struct kube_mirror *m);

#endif
