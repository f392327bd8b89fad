/* link: cl_engine cl_images cl_base */
/*
 * Z9: the events of a watch.  The input is streams, each ended by a byte 0, cut into pieces as its first byte
 * says.  Whatever comes: the mirror equals a model that takes whole lines in the plainest way, and what was
 * told of changes, put together, equals the mirror.  After nonsense or a 410 it is listed anew.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/kube_mirror.h"

struct model {
	json_t *objects;
	char version[KUBE_API_VERSION_MAX];
};

static void must(int ok)
{
	if (!ok)
		abort();
}

/* "" = it has no name */
static char *name_of(const json_t *o)
{
	const json_t *meta = json_object_get(o, "metadata");
	const char *ns = json_string_value(json_object_get(meta, "namespace"));
	const char *name = json_string_value(json_object_get(meta, "name"));

	return name && *name ? mem_printf("%s/%s", ns ? ns : "", name) : mem_strdup("");
}

static void told_cb(void *arg, const json_t *o, bool gone)
{
	json_t *told = arg;
	cl_autofree char *name = name_of(o);

	must(name[0] != '\0');
	if (gone) {
		must(json_object_get(told, name) != NULL);
		json_object_del(told, name);
	} else {
		must(!json_equal(json_object_get(told, name), o));
		json_object_set(told, name, (json_t *)o);
	}
}

/* false: a new list is needed */
static bool take_line(struct model *m, const char *line, size_t len)
{
	json_error_t je;
	json_t *event = json_loadb(line, len, 0, &je), *o = json_object_get(event, "object");
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *version = json_string_value(json_object_get(json_object_get(o, "metadata"),
	    "resourceVersion"));
	cl_autofree char *name = name_of(o);
	bool ok = type && version && strlen(version) < sizeof(m->version);

	if (ok && strcmp(type, "BOOKMARK") != 0) {
		ok = name[0] && (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED") || !strcmp(type, "DELETED"));
		if (ok && type[0] == 'D')
			json_object_del(m->objects, name);
		else if (ok)
			json_object_set(m->objects, name, o);
	}
	if (ok)
		(void)mem_copy_str(m->version, sizeof(m->version), version);
	json_decref(event);
	return ok;
}

static bool take_stream(struct model *m, const char *text, size_t len)
{
	const char *end;

	while ((end = memchr(text, '\n', len)) != NULL) {
		if (end > text && !take_line(m, text, (size_t)(end - text)))
			return false;
		len -= (size_t)(end - text) + 1;
		text = end + 1;
	}
	return true; /* half a line at the end is forgotten */
}

static void list_again(struct kube_mirror *m, struct model *model, bool empty)
{
	json_t *items = json_array(), *o;
	const char *name;

	if (empty)
		json_object_clear(model->objects);
	json_object_foreach(model->objects, name, o)
		json_array_append(items, o);
	kube_mirror_reset(m, items, "7");
	(void)mem_copy_str(model->version, sizeof(model->version), "7");
	json_decref(items);
}

static void one_stream(struct kube_mirror *m, struct model *model, const char *text, size_t len)
{
	size_t piece = len ? 1 + (unsigned char)text[0] % 64 : 1;
	enum kube_mirror_result r = KUBE_MIRROR_OK;
	bool ok = take_stream(model, text, len);

	for (size_t at = 0; r == KUBE_MIRROR_OK && at < len; at += piece)
		r = kube_mirror_feed(m, text + at, len - at < piece ? len - at : piece);
	must((r == KUBE_MIRROR_OK) == ok);
	kube_mirror_cut(m);
	if (ok) {
		must(strcmp(m->version, model->version) == 0);
	} else {
		must(m->version[0] == '\0');
		list_again(m, model, len % 3 == 0);
	}
	must(json_equal(m->objects, model->objects));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model model = { .objects = json_object(), .version = "1" };
	const char *text = (const char *)data;
	struct kube_mirror m;
	json_t *told = json_object();

	kube_mirror_init(&m);
	m.changed = told_cb;
	m.arg = told;
	(void)mem_copy_str(m.version, sizeof(m.version), "1");
	while (size > 0) {
		const char *end = memchr(text, '\0', size);
		size_t n = end ? (size_t)(end - text) : size;

		one_stream(&m, &model, text, n);
		must(json_equal(told, m.objects));
		size -= n + (end != NULL);
		text += n + (end != NULL);
	}
	kube_mirror_clear(&m);
	json_decref(told);
	json_decref(model.objects);
	return 0;
}
