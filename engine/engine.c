/* The engine's loop: hand-over from worker threads, host ids; see engine.h. */
#include "engine/engine.h"

#include "base/mem.h"

struct posted {
	struct posted *next;
	void (*fn)(struct engine *e, void *arg);
	void *arg;
};

struct engine_post {
	uv_async_t async;
	uv_mutex_t lock;
	struct posted *first, **last;
};

struct job {
	uv_work_t work;
	struct engine *engine;
	void (*fn)(struct engine *e, void *arg);
	void (*done)(struct engine *e, void *arg);
	void *arg;
};

static void
async_cb(uv_async_t *h)
{
	struct engine *e = h->data;
	struct engine_post *q = e->posted;
	struct posted *p, *next;

	uv_mutex_lock(&q->lock);
	p = q->first;
	q->first = NULL;
	q->last = &q->first;
	uv_mutex_unlock(&q->lock);
	for (; p != NULL; p = next) {
		next = p->next;
		p->fn(e, p->arg);
		mem_free(p);
	}
}

void
engine_open(struct engine *e, uv_loop_t *loop)
{
	struct engine_post *q = mem_alloc(sizeof *q);

	e->loop = loop;
	e->posted = q;
	q->last = &q->first;
	uv_mutex_init(&q->lock);
	uv_async_init(loop, &q->async, async_cb);
	q->async.data = e;
}

static void
closed_cb(uv_handle_t *h)
{
	struct engine *e = h->data;

	uv_mutex_destroy(&e->posted->lock);
	mem_free(e->posted);
	e->posted = NULL;
}

void
engine_close(struct engine *e)
{
	async_cb(&e->posted->async); /* what came last */
	uv_close((uv_handle_t *)&e->posted->async, closed_cb);
}

void
engine_post(struct engine *e, void (*fn)(struct engine *e, void *arg), void *arg)
{
	struct posted *p = mem_alloc(sizeof *p);
	struct engine_post *q = e->posted;

	p->fn = fn;
	p->arg = arg;
	uv_mutex_lock(&q->lock);
	*q->last = p;
	q->last = &p->next;
	uv_mutex_unlock(&q->lock);
	uv_async_send(&q->async);
}

static void
job_cb(uv_work_t *w)
{
	struct job *j = w->data;

	j->fn(j->engine, j->arg);
}

static void
job_done_cb(uv_work_t *w, int status)
{
	struct job *j = w->data;

	if (j->done != NULL)
		j->done(j->engine, j->arg);
	mem_free(j);
}

void
engine_work(struct engine *e, void (*work)(struct engine *e, void *arg),
    void (*done)(struct engine *e, void *arg), void *arg)
{
	struct job *j = mem_alloc(sizeof *j);

	j->work.data = j;
	j->engine = e;
	j->fn = work;
	j->done = done;
	j->arg = arg;
	uv_queue_work(e->loop, &j->work, job_cb, job_done_cb);
}

uid_t
engine_uid(const struct engine *e, int64_t user)
{
	return (uid_t)(e->uid_base + user);
}

gid_t
engine_gid(const struct engine *e, int64_t project)
{
	return (gid_t)(e->gid_base + project);
}
