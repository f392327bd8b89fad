/* The list of all images: see image_view.h.  The loop says what is known and needed, a worker looks. */
#include "engine/image_view.h"

#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/image.h"
#include "engine/repository.h"
#include "engine/store_image.h"

#define VIEW_USED_MAX 500

struct image_view {
	json_t *rows;        /* the stacks' images, then all others */
	json_t *needed;      /* {digest: "alice.shop prod v3, ..."} */
	struct backend_images local;
	struct backend_stored_list stored;
	char note[300];      /* why the repository could not be asked, or "" */
};

static int view_work(struct engine *e, void *arg, struct cl_err *err);
static int view_then(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err);
static int view_needed_cb(void *arg, const struct store_image *i);
static void view_local(struct image_view *v, const struct backend_image *m);
static void view_stored(struct image_view *v, const struct backend_stored *s);
static json_t *view_find(const struct image_view *v, const char *digest, const char *id,
    const char *tag);
static void view_use(json_t *row, const char *text);
static const char *view_kind(const char *id);
static void view_parents(struct image_view *v);

int image_view_begin(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct image_view *v = mem_alloc(sizeof(*v));
	json_t *known = image_json(e), *row;
	size_t i;

	(void)r;
	v->needed = json_object();
	if (store_image_each_kept(e->store, (int)config_int("images.keep"), view_needed_cb, v->needed,
	    err) != 0) {
		json_decref(known);
		json_decref(v->needed);
		mem_free(v);
		return -1;
	}
	v->rows = json_deep_copy(json_object_get(known, "images"));
	json_array_foreach(v->rows, i, row) {
		json_object_set_new(row, "kind", json_string("stack"));
		json_object_set_new(row, "tag", json_string("latest"));
		json_object_set_new(row, "used", json_string(""));
		json_object_set_new(row, "stored", json_null());
	}
	json_decref(known);
	reply_work(p, view_work, view_then, v);
	return 0;
}

static int view_needed_cb(void *arg, const struct store_image *i)
{
	json_t *all = arg;
	const char *before = json_string_value(json_object_get(all, i->digest));
	cl_autofree char *text = mem_printf("%s%s%s.%s %s v%d%s", before != NULL ? before : "",
	    before != NULL ? ", " : "", i->owner, i->name, i->env, i->version,
	    i->serving ? " (serving)" : "");

	if (before == NULL || strlen(before) < VIEW_USED_MAX / 2)
		json_object_set_new(all, i->digest, json_string(text));
	return 0;
}

static int view_work(struct engine *e, void *arg, struct cl_err *err)
{
	struct image_view *v = arg;
	struct cl_err why = { 0 };

	if (e->backend.ops->image_list(&e->backend, &v->local, err) != 0)
		return -1;
	if (repository_have() && e->backend.ops->stored_list(&e->backend, &v->stored, &why) != 0)
		(void)mem_copy_str(v->note, sizeof(v->note), why.message);
	return 0;
}

static int view_then(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct image_view *v = arg;
	int rc = err->code != CL_OK ? -1 : 0;

	(void)e;
	(void)r;
	for (size_t i = 0; i < v->local.n && rc == 0; i++)
		view_local(v, &v->local.items[i]);
	for (size_t i = 0; i < v->stored.n && rc == 0; i++)
		view_stored(v, &v->stored.items[i]);
	view_parents(v);
	if (rc == 0)
		reply_json(p, 200, json_pack("{s:O, s:s}", "images", v->rows, "note", v->note));
	backend_images_clear(&v->local);
	backend_stored_clear(&v->stored);
	json_decref(v->rows);
	json_decref(v->needed);
	mem_free(v);
	return rc;
}

/* --- rows ------------------------------------------------------------------------------------- */

static json_t *view_row(struct image_view *v, const char *id, const char *tag, const char *state,
    const char *digest, int64_t size, const char *parent, int64_t created_ms)
{
	json_t *row;
	char at[32];

	clock_iso(created_ms, at, sizeof(at));
	row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:n}", "id", id, "kind",
	    view_kind(id), "tag", tag, "state", state, "digest", digest, "size", (json_int_t)size,
	    "parent", parent[0] != '\0' ? json_string(parent) : json_null(), "created",
	    created_ms > 0 ? json_string(at) : json_null(), "used", "", "stored");
	if (json_is_string(json_object_get(v->needed, digest)))
		view_use(row, json_string_value(json_object_get(v->needed, digest)));
	json_array_append_new(v->rows, row);
	return row;
}

static void view_local(struct image_view *v, const struct backend_image *m)
{
	json_t *row = strchr(m->id, '/') == NULL ? view_find(v, m->digest, m->id, m->tag) : NULL;
	char text[64];

	if (row == NULL)
		row = view_row(v, m->id, m->tag, "ready", m->digest, m->size, m->parent, m->created_ms);
	if (m->containers == 0)
		return;
	(void)snprintf(text, sizeof(text), "%d container%s", m->containers,
	    m->containers == 1 ? "" : "s");
	view_use(row, text);
}

/* A tag whose image is here too is a property of that row. */
static void view_stored(struct image_view *v, const struct backend_stored *s)
{
	const char *id = strncmp(s->repository, "stack/", 6) == 0 ? s->repository + 6 : s->repository;
	json_t *row = view_find(v, s->image, id, s->tag);

	if (row == NULL)
		row = view_row(v, id, s->tag, "stored", s->image, s->size, s->parent, s->created_ms);
	json_object_set_new(row, "stored", json_integer(s->size));
	json_object_set_new(row, "manifest", json_string(s->digest));
}

static json_t *view_find(const struct image_view *v, const char *digest, const char *id,
    const char *tag)
{
	json_t *row;
	size_t i;

	json_array_foreach(v->rows, i, row) {
		const char *d = json_string_value(json_object_get(row, "digest"));

		if (d != NULL && strcmp(d, digest) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "id")), id) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "tag")), tag) == 0)
			return row;
	}
	return NULL;
}

static void view_use(json_t *row, const char *text)
{
	const char *before = json_string_value(json_object_get(row, "used"));
	cl_autofree char *all = mem_printf("%s%s%s", before, before[0] != '\0' ? ", " : "", text);

	if (strlen(all) < VIEW_USED_MAX)
		json_object_set_new(row, "used", json_string(all));
}

static const char *view_kind(const char *id)
{
	if (strncmp(id, "app/", 4) == 0)
		return "release";
	if (strncmp(id, "save/", 5) == 0 || strncmp(id, "work/", 5) == 0)
		return "save";
	return strchr(id, '/') == NULL ? "stack" : "other";
}

/* An image that others are built on is used by them. */
static void view_parents(struct image_view *v)
{
	json_t *row, *child;
	size_t i, j;

	json_array_foreach(v->rows, i, row) {
		const char *id = json_string_value(json_object_get(row, "id"));
		char text[96];
		int n = 0;

		if (strchr(id, '/') != NULL)
			continue;
		json_array_foreach(v->rows, j, child) {
			const char *parent = json_string_value(json_object_get(child, "parent"));

			n += parent != NULL && strcmp(parent, id) == 0;
		}
		if (n == 0)
			continue;
		(void)snprintf(text, sizeof(text), "%d image%s on it", n, n == 1 ? "" : "s");
		view_use(row, text);
	}
}
