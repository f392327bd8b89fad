/* Building images on worker threads: see image_build.h. */
#include "engine/image_build.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"

#define JOBS_MAX 16

enum step_state { STEP_WAITS, STEP_BUILDS, STEP_DONE, STEP_FAILED };

/* What the threads of one operation share. */
struct crew {
	struct op_live *o;
	struct image_job *job;
	enum step_state *states; /* one per step */
	bool *built;             /* one per step: anew, here */
	int building;
	uv_mutex_t lock;
	uv_cond_t changed;
};

/* One image under way: its lines carry its name, since several talk at a time. */
struct voice {
	struct op_live *o;
	const char *id;
};

static void line_cb(void *arg, const char *line, size_t len)
{
	struct voice *v = arg;
	cl_autofree char *text = mem_printf("%s: %.*s", v->id, (int)(len > 4096 ? 4096 : len), line);

	op_line_cb(v->o, text, strlen(text));
}

static bool cancelled_cb(void *arg)
{
	struct voice *v = arg;

	return op_is_cancelled(v->o);
}

static void say(struct op_live *o, const char *id, const char *what)
{
	cl_autofree char *text = mem_printf("== %s: %s", id, what);

	op_line_cb(o, text, strlen(text));
}

static bool is_there(const struct backend_images *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].id, id) == 0)
			return l->items[i].current;
	return false;
}

/* Was it asked for, by itself or with its stack?  (Parents are built only when they are missing.) */
static bool is_named(const struct op_live *o, const struct stack_step *s)
{
	const json_t *ids = json_object_get(o->payload, "ids");

	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (strcmp(id, s->image->id) == 0 || strcmp(id, s->stack->id) == 0)
			return true;
	}
	return json_array_size(ids) == 0;
}

/* The step of this image, or -1. */
static int step_of(const struct image_job *j, const char *id)
{
	for (int i = 0; i < j->n; i++)
		if (strcmp(j->steps[i].image->id, id) == 0)
			return i;
	return -1;
}

/* The next that may begin, -1 = none now.  What is FROM something that failed has failed with it.
 * Under the lock. */
static int next_step(struct crew *c)
{
	struct image_job *j = c->job;

	for (int i = 0; i < j->n; i++) {
		int parent = step_of(j, j->steps[i].image->parent);

		if (c->states[i] != STEP_WAITS)
			continue;
		if (parent < 0 || c->states[parent] == STEP_DONE)
			return i;
		if (c->states[parent] == STEP_FAILED)
			c->states[i] = STEP_FAILED;
	}
	return -1;
}

static int build_one(struct crew *c, const struct stack_step *s, struct cl_err *err)
{
	struct backend *be = &c->o->e->backend;
	struct voice v = { c->o, s->image->id };
	struct backend_job job = { .line = line_cb, .cancelled = cancelled_cb, .arg = &v,
		.timeout_s = (int)config_int("images.build_timeout_s") };
	int64_t start = clock_ms();
	char text[64];

	c->job->tell(c->o, s->image->id, IMAGE_BUILDING, "");
	say(c->o, s->image->id, "building");
	if (be->ops->image_build(be, s->stack->id, s->image->file, s->image->id, &job, err) != 0) {
		c->job->tell(c->o, s->image->id, IMAGE_FAILED, err->message);
		say(c->o, s->image->id, "failed");
		return -1;
	}
	(void)snprintf(text, sizeof(text), "built in %.1f s", (double)(clock_ms() - start) / 1000);
	say(c->o, s->image->id, text);
	return 0;
}

/* What is there is built again when it was named with force, or when its parent was just built. */
static bool is_wanted(struct crew *c, const struct stack_step *s)
{
	int parent = step_of(c->job, s->image->parent);

	return (c->job->force && is_named(c->o, s)) || (parent >= 0 && c->built[parent]) ||
	    !is_there(&c->job->there, s->image->id);
}

static void take_step(struct crew *c, int i)
{
	const struct stack_step *s = &c->job->steps[i];
	bool wanted = is_wanted(c, s);
	struct cl_err err = { 0 };
	int rc = 0;

	c->states[i] = STEP_BUILDS;
	c->building++;
	uv_mutex_unlock(&c->lock);
	if (op_is_cancelled(c->o))
		rc = err_set(&err, CL_FAILED, "cancelled");
	else if (wanted)
		rc = build_one(c, s, &err);
	if (rc == 0)
		c->job->tell(c->o, s->image->id, IMAGE_READY, "");
	uv_mutex_lock(&c->lock);
	c->building--;
	c->states[i] = rc == 0 ? STEP_DONE : STEP_FAILED;
	c->built[i] = wanted;
	if (rc == 0 && wanted)
		json_array_append_new(c->job->built, json_string(s->image->id));
	if (rc != 0 && c->job->err.code == CL_OK)
		c->job->err = err;
	uv_cond_broadcast(&c->changed);
}

static void crew_cb(void *arg)
{
	struct crew *c = arg;

	uv_mutex_lock(&c->lock);
	for (;;) {
		int i = next_step(c);

		if (i >= 0)
			take_step(c, i);
		else if (c->building > 0)
			uv_cond_wait(&c->changed, &c->lock);
		else
			break;
	}
	uv_mutex_unlock(&c->lock);
}

static int jobs_wanted(int steps)
{
	int n = (int)config_int("images.build_jobs");

	if (n == 0)
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (n > JOBS_MAX)
		n = JOBS_MAX;
	return n > steps ? steps : n;
}

void image_build_work(struct op_live *o, void *arg)
{
	struct image_job *j = arg;
	struct backend *be = &o->e->backend;
	struct crew c = { .o = o, .job = j };
	uv_thread_t helpers[JOBS_MAX];
	int n = jobs_wanted(j->n), started = 0;

	if (be->ops->image_list(be, &j->there, &j->err) != 0)
		return;
	c.states = mem_array((size_t)(j->n > 0 ? j->n : 1), sizeof(*c.states));
	c.built = mem_array((size_t)(j->n > 0 ? j->n : 1), sizeof(*c.built));
	uv_mutex_init(&c.lock);
	uv_cond_init(&c.changed);
	while (started + 1 < n && uv_thread_create(&helpers[started], crew_cb, &c) == 0)
		started++;
	crew_cb(&c);
	while (started > 0)
		uv_thread_join(&helpers[--started]);
	uv_cond_destroy(&c.changed);
	uv_mutex_destroy(&c.lock);
	mem_free(c.built);
	mem_free(c.states);
}
