/*
 * A mirror of objects: see kube_mirror.h.  Events may come twice and, after a watch began anew, again: an
 * object is replaced by what came last.  Versions are opaque, so they are kept and never compared.
 */
#include "engine/kube_mirror.h"

#include <string.h>

#include "base/mem.h"

static char *key_of(const json_t *object);
static enum kube_mirror_result take(struct kube_mirror *m, const char *text, size_t len);
static void put(struct kube_mirror *m, const char *key, json_t *object);

void kube_mirror_init(struct kube_mirror *m)
{
	memset(m, 0, sizeof(*m));
	m->objects = json_object();
	buf_init(&m->line, KUBE_MIRROR_LINE_MAX);
}

void kube_mirror_clear(struct kube_mirror *m)
{
	json_decref(m->objects);
	buf_clear(&m->line);
	memset(m, 0, sizeof(*m));
}

void kube_mirror_reset(struct kube_mirror *m, const json_t *items, const char *version)
{
	json_t *before = m->objects, *object;
	const char *name;
	size_t i;

	m->objects = json_object();
	json_array_foreach(items, i, object) {
		cl_autofree char *key = key_of(object);
		json_t *old = key ? json_object_get(before, key) : NULL;

		if (!key)
			continue;
		json_object_set(m->objects, key, object);
		if (m->changed && (!old || !json_equal(old, object)))
			m->changed(m->arg, object, false);
	}
	json_object_foreach(before, name, object)
		if (m->changed && !json_object_get(m->objects, name))
			m->changed(m->arg, object, true);
	json_decref(before);
	buf_drop(&m->line, m->line.len);
	if (mem_copy_str(m->version, sizeof(m->version), version) != 0)
		m->version[0] = '\0';
}

enum kube_mirror_result kube_mirror_feed(struct kube_mirror *m, const char *text, size_t len)
{
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		enum kube_mirror_result r;

		if (buf_add(&m->line, text, n) != 0) {
			kube_mirror_cut(m);
			m->version[0] = '\0';
			return KUBE_MIRROR_GONE;
		}
		if (!end)
			return KUBE_MIRROR_OK;
		r = m->line.len > 0 ? take(m, m->line.data, m->line.len) : KUBE_MIRROR_OK;
		buf_drop(&m->line, m->line.len);
		if (r != KUBE_MIRROR_OK) {
			m->version[0] = '\0';
			return r;
		}
		text += n + 1;
		len -= n + 1;
	}
	return KUBE_MIRROR_OK;
}

void kube_mirror_cut(struct kube_mirror *m)
{
	buf_clear(&m->line);
	buf_init(&m->line, KUBE_MIRROR_LINE_MAX);
}

/* One event: {"type": "ADDED", "object": {...}}.  What is none of those we know means: list again. */
static enum kube_mirror_result take(struct kube_mirror *m, const char *text, size_t len)
{
	json_error_t je;
	json_t *event = json_loadb(text, len, 0, &je), *object = json_object_get(event, "object");
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *version = json_string_value(json_object_get(json_object_get(object, "metadata"),
	    "resourceVersion"));
	cl_autofree char *key = key_of(object);
	enum kube_mirror_result r = KUBE_MIRROR_OK;

	if (!type || !version || mem_copy_str(m->version, sizeof(m->version), version) != 0) {
		r = KUBE_MIRROR_GONE; /* ERROR events carry a Status without a version */
	} else if (strcmp(type, "BOOKMARK") == 0) {
		;
	} else if (key && (strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0)) {
		put(m, key, object);
	} else if (key && strcmp(type, "DELETED") == 0) {
		if (json_object_get(m->objects, key) && m->changed)
			m->changed(m->arg, object, true);
		json_object_del(m->objects, key);
	} else {
		r = KUBE_MIRROR_GONE;
	}
	json_decref(event);
	return r;
}

static void put(struct kube_mirror *m, const char *key, json_t *object)
{
	json_t *old = json_object_get(m->objects, key);
	bool same = old && json_equal(old, object);

	json_object_set(m->objects, key, object);
	if (m->changed && !same)
		m->changed(m->arg, object, false);
}

/* NULL: it has no name. */
static char *key_of(const json_t *object)
{
	const json_t *meta = json_object_get(object, "metadata");
	const char *name = json_string_value(json_object_get(meta, "name"));
	const char *ns = json_string_value(json_object_get(meta, "namespace"));

	return name && name[0] ? mem_printf("%s/%s", ns ? ns : "", name) : NULL;
}
