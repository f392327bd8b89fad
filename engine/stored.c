/* Pushing and fetching: see stored.h. */
#include "engine/stored.h"

#include <stdio.h>
#include <string.h>
#include "base/config.h"
#include "base/mem.h"
#include "engine/repository.h"

#define STORED_PUSH_S 3600
#define STORED_TRIES 30        /* of pushing, while the registry is away: some 20 minutes */
#define STORED_PATIENCE 300    /* looks, two seconds apart, for the roll-out to be over */
#define STORED_PAUSE_MS 2000

struct stored_job {
	json_t *items;         /* borrowed from the payload, which nobody changes meanwhile */
	char digest[BACKEND_DIGEST];
	size_t done;
	struct cl_err err;
};

static bool stored_must_wait(struct op_live *o, const char **why);
static void stored_work(struct op_live *o, void *arg);
static void stored_done(struct op_live *o, void *arg);
static void stored_later(struct op_live *o, const struct cl_err *why);
static const char *stored_word(const json_t *item, const char *key);
static int stored_counter(struct op_live *o, const char *key, int add);

bool stored_wants_releases(void)
{
	return repository_have() && config_bool("registry.releases");
}

bool stored_wants_stacks(void)
{
	return repository_have() && config_bool("registry.stacks");
}

int stored_queue(struct engine *e, int64_t project, const char *by, const char *image,
    const char *repository, const char *tag, struct cl_err *err)
{
	if (!stored_wants_releases())
		return 0;
	return op_queue(e, "image push", project, by, json_pack("{s:[{s:s, s:s, s:s}]}", "items",
	    "image", image, "repository", repository, "tag", tag), err);
}

json_t *stored_payload_stacks(json_t *ids)
{
	json_t *items = json_array(), *id;
	char repository[96];
	size_t i;

	json_array_foreach(ids, i, id) {
		(void)snprintf(repository, sizeof(repository), "stack/%.80s", json_string_value(id));
		json_array_append_new(items, json_pack("{s:O, s:s, s:s}", "image", id, "repository",
		    repository, "tag", "latest"));
	}
	return json_pack("{s:o}", "items", items);
}

int stored_queue_stacks(struct engine *e, const char *by, json_t *ids, struct cl_err *err)
{
	if (!stored_wants_stacks() || json_array_size(ids) == 0)
		return 0;
	return op_queue(e, "image push", 0, by, stored_payload_stacks(ids), err);
}

int stored_run(struct op_live *o, struct cl_err *err)
{
	const char *why;
	struct stored_job *j;

	(void)err;
	if (stored_must_wait(o, &why)) {
		op_retry(o, STORED_PAUSE_MS, why);
		return 0;
	}
	j = mem_alloc(sizeof(*j));
	j->items = json_object_get(o->payload, "items");
	op_step(o->e, o->id, "pushing into the repository");
	op_work(o, stored_work, stored_done, j);
	return 0;
}

/* A roll-out is what people wait for; but not for ever, on a lab where there is always one. */
static bool stored_must_wait(struct op_live *o, const char **why)
{
	*why = "waiting for another push";
	if (op_at_work(o->e, 0, "image push", o) || op_at_work(o->e, 0, "image gc", o))
		return true;
	*why = "waiting for the roll-out to be over";
	return op_at_work(o->e, o->project, NULL, o) &&
	    stored_counter(o, "looks", 1) < STORED_PATIENCE;
}

/* A number kept with the operation; not written down: a new engine counts anew. */
static int stored_counter(struct op_live *o, const char *key, int add)
{
	json_int_t n = json_integer_value(json_object_get(o->payload, key)) + add;

	json_object_set_new(o->payload, key, json_integer(n));
	return (int)n;
}

static const char *stored_word(const json_t *item, const char *key)
{
	const char *s = json_string_value(json_object_get(item, key));

	return s != NULL ? s : "";
}

static void stored_work(struct op_live *o, void *arg)
{
	struct stored_job *j = arg;
	struct backend *be = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = STORED_PUSH_S };
	json_t *item;
	size_t i;

	json_array_foreach(j->items, i, item) {
		const char *repository = stored_word(item, "repository"), *tag = stored_word(item, "tag");
		char line[300];

		if (op_is_cancelled(o)) {
			(void)err_set(&j->err, CL_FAILED, "cancelled");
			return;
		}
		if (be->ops->image_push(be, stored_word(item, "image"), repository, tag, &job, j->digest,
		    sizeof(j->digest), &j->err) != 0)
			return;
		j->done++;
		(void)snprintf(line, sizeof(line), "stored %.120s:%.60s %.71s", repository, tag,
		    j->digest);
		op_line_cb(o, line, strlen(line));
	}
}

static void stored_done(struct op_live *o, void *arg)
{
	struct stored_job *j = arg;
	struct engine *e = o->e;

	if (e->stopping) { /* the next engine pushes what is missing: layers that are there are not sent */
		mem_free(j);
		return;
	}
	if (j->err.code == CL_UNAVAILABLE && !op_is_cancelled(o) &&
	    stored_counter(o, "tries", 1) < STORED_TRIES)
		stored_later(o, &j->err);
	else if (j->err.code != CL_OK)
		op_failed(e, o->id, &j->err);
	else
		op_done(e, o->id, j->digest);
	mem_free(j);
}

static void stored_later(struct op_live *o, const struct cl_err *why)
{
	int tries = stored_counter(o, "tries", 0);
	char step[600];

	(void)snprintf(step, sizeof(step), "tried again soon: %s", why->message);
	op_retry(o, tries < 6 ? 1000 << tries : 60000, step);
}

/* --- fetching --------------------------------------------------------------------------------- */

static int stored_have(struct backend *b, const char *image, bool *have, struct cl_err *err)
{
	struct backend_images l;

	if (b->ops->image_list(b, &l, err) != 0)
		return -1;
	*have = false;
	for (size_t i = 0; i < l.n && !*have; i++)
		*have = strcmp(l.items[i].digest, image) == 0;
	backend_images_clear(&l);
	return 0;
}

int stored_fetch(struct backend *b, int64_t project, const char *image,
    const struct backend_job *job, struct cl_err *err)
{
	struct backend_stored_list l;
	char id[64], got[BACKEND_DIGEST] = "";
	bool have;
	int rc = -1;

	if (stored_have(b, image, &have, err) != 0)
		return -1;
	if (have)
		return 0;
	if (!repository_have() || b->ops->stored_list(b, &l, err) != 0)
		return err_set(err, CL_PRECONDITION, "image %.19s: it is not on this machine", image);
	(void)snprintf(id, sizeof(id), "app/p%lld", (long long)project);
	for (size_t i = 0; i < l.n && rc != 0; i++)
		if (strcmp(l.items[i].image, image) == 0) {
			rc = b->ops->image_pull(b, l.items[i].repository, l.items[i].digest, id,
			    l.items[i].tag, job, got, sizeof(got), err);
			break;
		}
	backend_stored_clear(&l);
	if (rc != 0) {
		err_set(err, CL_PRECONDITION, "image %.19s: neither here nor in the repository", image);
		return err_hint(err, "Deploy it anew");
	}
	return strcmp(got, image) == 0 ? 0 : err_set(err, CL_FAILED,
	    "image %.19s: the repository gave another one (%.19s)", image, got);
}
