/* What is known of each stack image, and the operation that builds them one after the other. */
#include "engine/image.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/reconcile.h"
#include "engine/registry.h"
#include "engine/schema.h"
#include "engine/stacks.h"
#include "engine/stored.h"

struct image_known {
	char id[64];
	enum image_state state;
	struct backend_image seen;  /* id "" = the store has none; its labels are below */
	json_t *labels;             /* owned; NULL = none are known */
	char reason[300];
};

struct image_book {
	struct image_known *items;
	size_t n;
	bool asking, learning;
	bool told_unknown; /* someone was answered before the first look: the look is news then */
};

struct image_news {
	char id[64];
	enum image_state state;
	char reason[300];
};

static int image_steps(const struct stack_set *set, const char *const *names, size_t n,
    struct stack_step **steps, struct cl_err *err);
static struct image_known *image_find(struct engine *e, const char *id);
static json_t *image_json_of(struct engine *e, const struct image_known *k);
static void image_set(struct engine *e, const char *id, enum image_state state,
    const char *reason);
static void image_ask(struct engine *e, void *arg);
static void image_asked(struct engine *e, void *arg);
static void image_registries(struct engine *e, void *arg);
static void image_registries_done(struct engine *e, void *arg);
static json_t *image_labels(const struct backend_image *i);
static void image_learn(struct engine *e, const struct backend_images *l);
static image_build_tell_cb image_tell;
static void image_told(struct engine *e, void *arg);
static void image_done(struct op_live *o, void *arg);

static const char *const image_texts[] = { "absent", "absent", "queued", "building", "ready",
	"failed" };

void image_open(struct engine *e)
{
	struct stack_step *steps = NULL;
	struct image_book *b = mem_alloc(sizeof(*b));
	int n = stack_order(stacks_now(e), NULL, 0, &steps, NULL);

	b->items = mem_array((size_t)(n > 0 ? n : 1), sizeof(*b->items));
	for (int i = 0; i < n; i++)
		(void)mem_copy_str(b->items[b->n++].id, sizeof(b->items[0].id), steps[i].image->id);
	mem_free(steps);
	e->images = b;
}

void image_reload(struct engine *e)
{
	struct image_book *old = e->images;

	image_open(e);
	e->images->asking = old->asking;
	e->images->learning = old->learning;
	e->images->told_unknown = old->told_unknown;
	for (size_t i = 0; i < old->n; i++) {
		struct image_known *k = image_find(e, old->items[i].id);

		if (k != NULL)
			*k = old->items[i];
		else
			json_decref(old->items[i].labels);
	}
	mem_free(old->items);
	mem_free(old);
	image_refresh(e);
}

void image_close(struct engine *e)
{
	for (size_t i = 0; i < e->images->n; i++)
		json_decref(e->images->items[i].labels);
	mem_free(e->images->items);
	mem_free(e->images);
	e->images = NULL;
}

void image_refresh(struct engine *e)
{
	if (e->images->asking || e->stopping)
		return;
	e->images->asking = true;
	engine_work(e, image_ask, NULL, mem_alloc(sizeof(struct image_job)));
}

bool image_asking(const struct engine *e)
{
	return e->images->asking || e->images->learning;
}

enum image_state image_get(struct engine *e, const char *id)
{
	const struct image_known *k = image_find(e, id);

	return k != NULL ? k->state : IMAGE_ABSENT;
}

const char *image_text(enum image_state s)
{
	return image_texts[s];
}

json_t *image_json(struct engine *e)
{
	struct image_book *b = e->images;
	json_t *list = json_array();

	for (size_t i = 0; i < b->n; i++)
		json_array_append_new(list, image_json_of(e, &b->items[i]));
	return json_pack("{s:o}", "images", list);
}

json_t *image_json_one(struct engine *e, const char *id)
{
	const struct image_known *k = image_find(e, id);

	return k != NULL ? image_json_of(e, k) : NULL;
}

/* Image */
static json_t *image_json_of(struct engine *e, const struct image_known *k)
{
	bool there = k->seen.id[0] != '\0';
	struct stack_step step;
	const char *parent = stack_find_image(stacks_now(e), k->id, &step) ? step.image->parent : "";
	char at[32];

	e->images->told_unknown |= k->state == IMAGE_UNKNOWN;
	clock_iso(k->seen.created_ms, at, sizeof(at));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:O*}", "id", k->id, "state",
	    image_text(k->state), "digest", there ? json_string(k->seen.digest) : json_null(),
	    "size", there ? json_integer(k->seen.size) : json_null(), "parent",
	    parent[0] != '\0' ? json_string(parent) : json_null(), "created",
	    there && k->seen.created_ms > 0 ? json_string(at) : json_null(), "labels", k->labels);
}

void image_each(struct engine *e, void (*cb)(void *arg, const char *id), void *arg)
{
	for (size_t i = 0; i < e->images->n; i++)
		cb(arg, e->images->items[i].id);
}

int image_begin(struct engine *e, struct request *r, struct reply *p, const json_t *ids, bool force,
    struct cl_err *err)
{
	const char *names[100];
	struct stack_step *steps = NULL;
	size_t n = json_array_size(ids);
	json_t *payload;
	int count;

	for (size_t i = 0; i < n && i < CL_COUNT(names); i++)
		names[i] = json_string_value(json_array_get(ids, i));
	count = image_steps(stacks_now(e), names, n, &steps, err);
	payload = json_pack("{s:b}", "force", force);
	if (n > 0)
		json_object_set_new(payload, "ids", json_deep_copy(ids));
	if (count < 0)
		json_decref(payload);
	if (count < 0 || op_begin(e, r, p, "image build", 0, NULL, payload, NULL, err) != 0) {
		mem_free(steps);
		return -1;
	}
	for (int i = 0; i < count; i++)
		if (image_get(e, steps[i].image->id) != IMAGE_READY)
			image_set(e, steps[i].image->id, IMAGE_QUEUED, "");
	mem_free(steps);
	return 0;
}

int image_run(struct op_live *o, struct cl_err *err)
{
	const json_t *ids = json_object_get(o->payload, "ids");
	struct image_job *j = mem_alloc(sizeof(*j));
	const char *names[100];
	size_t n = json_array_size(ids);

	for (size_t i = 0; i < n && i < CL_COUNT(names); i++)
		names[i] = json_string_value(json_array_get(ids, i));
	j->stacks = stacks_take(o->e);
	j->built = json_array();
	j->force = json_is_true(json_object_get(o->payload, "force"));
	j->n = image_steps(j->stacks, names, n, &j->steps, err);
	if (j->n < 0) {
		stacks_give(j->stacks);
		json_decref(j->built);
		mem_free(j);
		return -1;
	}
	j->tell = image_tell;
	op_work(o, image_build_work, image_done, j);
	return 0;
}

/* As stack_order(), without what the lab's base refuses; asked for by name, that is an error. */
static int image_steps(const struct stack_set *set, const char *const *names, size_t n,
    struct stack_step **steps, struct cl_err *err)
{
	int count = stack_order(set, names, n, steps, err), kept = 0;

	for (int i = 0; i < count; i++) {
		const struct stack *s = (*steps)[i].stack;

		if (n > 0 && stack_check_base(set, s, err) != 0) {
			mem_free(*steps);
			*steps = NULL;
			return -1;
		}
		if (s->refused == NULL)
			(*steps)[kept++] = (*steps)[i];
	}
	return count < 0 ? count : kept;
}

static struct image_known *image_find(struct engine *e, const char *id)
{
	struct image_book *b = e->images;

	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->items[i].id, id) == 0)
			return &b->items[i];
	return NULL;
}

static void image_set(struct engine *e, const char *id, enum image_state state, const char *reason)
{
	struct image_known *k = image_find(e, id);

	if (k == NULL || k->state == state)
		return;
	k->state = state;
	(void)mem_copy_str(k->reason, sizeof(k->reason), reason);
	event_publish(e, EVENT_IMAGE_STATE, 0, NULL, "", json_pack("{s:s, s:s, s:s}", "image", id,
	    "state", image_text(state), "reason", reason), "image %s %s%s%.200s", id,
	    image_text(state), reason[0] != '\0' ? ": " : "", reason);
}

/* --- asking the backend ----------------------------------------------------------------------- */

static void image_ask(struct engine *e, void *arg)
{
	struct image_job *j = arg;

	(void)e->backend.ops->image_list(&e->backend, &j->there, &j->err);
	engine_post(e, image_asked, j);
}

static void image_asked(struct engine *e, void *arg)
{
	struct image_job *j = arg;

	e->images->asking = false;
	if (j->err.code == CL_OK)
		image_learn(e, &j->there);
	if (j->err.code == CL_OK && !e->images->learning && !e->stopping) {
		e->images->learning = true;
		j->stacks = stacks_take(e);
		engine_work(e, image_registries, image_registries_done, j);
		return;
	}
	backend_images_clear(&j->there);
	mem_free(j);
}

static bool image_is_over(void *arg)
{
	return ((struct engine *)arg)->stopping;
}

static void image_registries(struct engine *e, void *arg)
{
	struct image_job *j = arg;

	registry_learn(&e->backend, j->stacks, &j->there, image_is_over, e);
}

static void image_registries_done(struct engine *e, void *arg)
{
	struct image_job *j = arg;

	if (e->images != NULL)
		e->images->learning = false;
	stacks_give(j->stacks);
	backend_images_clear(&j->there);
	mem_free(j);
}

/* Strings alone, as the interface promises; the backend read them from images. */
static json_t *image_labels(const struct backend_image *i)
{
	json_t *o = i->labels != NULL ? schema_parse(i->labels, strlen(i->labels), NULL) : NULL, *value;
	const char *key;

	json_object_foreach(o, key, value)
		if (!json_is_string(value)) {
			json_decref(o);
			return NULL;
		}
	return o;
}

static void image_learn(struct engine *e, const struct backend_images *l)
{
	struct image_book *b = e->images;

	for (size_t i = 0; i < b->n; i++) {
		struct image_known *k = &b->items[i];
		bool there = false;

		memset(&k->seen, 0, sizeof(k->seen));
		json_decref(k->labels);
		k->labels = NULL;
		for (size_t n = 0; n < l->n && !there; n++)
			if (strcmp(l->items[n].id, k->id) == 0) {
				k->seen = l->items[n];
				k->seen.labels = NULL;
				k->labels = image_labels(&l->items[n]);
				there = true;
			}
		if (k->state == IMAGE_QUEUED || k->state == IMAGE_BUILDING)
			continue;
		if (k->state == IMAGE_UNKNOWN && !b->told_unknown) /* no news, the first look */
			k->state = there ? IMAGE_READY : IMAGE_ABSENT;
		else if (there)
			image_set(e, k->id, IMAGE_READY, "");
		else if (k->state != IMAGE_FAILED)
			image_set(e, k->id, IMAGE_ABSENT, "");
	}
}

/* --- building --------------------------------------------------------------------------------- */

static void image_tell(struct op_live *o, const char *id, enum image_state state,
    const char *reason)
{
	struct image_news *n = mem_alloc(sizeof(*n));

	(void)mem_copy_str(n->id, sizeof(n->id), id);
	(void)mem_copy_str(n->reason, sizeof(n->reason), reason);
	n->state = state;
	engine_post(o->e, image_told, n);
}

static void image_told(struct engine *e, void *arg)
{
	struct image_news *n = arg;

	if (e->images != NULL)
		image_set(e, n->id, n->state, n->reason);
	mem_free(n);
}

static void image_done(struct op_live *o, void *arg)
{
	struct image_job *j = arg;
	struct engine *e = o->e;
	struct cl_err err = { 0 };

	for (int i = 0; i < j->n && j->err.code != CL_OK; i++) {
		const struct image_known *k = image_find(e, j->steps[i].image->id);

		if (k != NULL && (k->state == IMAGE_QUEUED || k->state == IMAGE_BUILDING))
			image_set(e, k->id, IMAGE_ABSENT, "");
	}
	/* what was built goes into the repository, whatever became of the rest */
	if (!e->stopping && stored_queue_stacks(e, o->by, j->built, &err) != 0)
		log_error("image push: %s", err.message);
	if (!e->stopping && j->err.code == CL_UNAVAILABLE)
		op_retry(o, 3000, "waiting for the container runtime");
	else if (!e->stopping && j->err.code != CL_OK)
		op_failed(e, o->id, &j->err);
	else if (!e->stopping)
		op_done(e, o->id, "");
	image_refresh(e);
	json_decref(j->built);
	backend_images_clear(&j->there);
	mem_free(j->steps);
	stacks_give(j->stacks);
	mem_free(j);
}
