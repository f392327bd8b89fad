/* Measuring projects' files in turn and stopping who fills the disk: see disk.h. */
#include "engine/disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <uv.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/reconcile.h"

#define DISK_TICK_MS 500
#define DISK_SHARE 20                     /* the pause is this many times what measuring took */
#define DISK_PAUSE_MS 30000
#define DISK_GREW (INT64_C(1) << 20)      /* less is no growth: a shell's history, a log's line */
#define DISK_FILLER (INT64_C(64) << 20)   /* between two looks, with the disk nearly full */
#define DISK_FELL (INT64_C(512) << 20)    /* of the disk's free room since the round began */
#define DISK_QUIET (INT64_C(4) << 20)     /* nobody wrote more than that since the round began */
#define DISK_REST_MS 3000                 /* so long is the least pause then */

struct disk_note {
	struct disk_note *next;
	int64_t project, used;
	bool stopped; /* since: what it wrote until then is no growth of the next container's */
};

struct disk {
	struct engine *e;
	uv_timer_t timer;
	struct disk_note *notes;
	int64_t limit, reserve;
	int64_t turn;        /* the project measured last */
	int64_t next_ms;     /* clock_ms() of the next turn */
	int64_t rest_ms;     /* the same while nobody writes */
	int64_t round_free;  /* free room when this round began */
	bool working, closed;
};

struct disk_job {
	int64_t project, took_ms, used, left;
	char container[80];
	struct cl_err err;
};

static void disk_tick_cb(uv_timer_t *t);
static void disk_closed_cb(uv_handle_t *h);
static void disk_work(struct engine *e, void *arg);
static void disk_done(struct engine *e, void *arg);

enum disk_verdict disk_judge(const struct disk_look *l)
{
	int64_t grew = l->before < 0 ? 0 : l->used - l->before;

	if (l->limit > 0 && l->used > l->limit && grew >= DISK_GREW)
		return DISK_OVER;
	if (l->reserve > 0 && l->left < l->reserve && grew >= DISK_FILLER)
		return DISK_FILLS;
	return DISK_FINE;
}

enum disk_pace disk_pace(int64_t room, int64_t before, int64_t reserve)
{
	if (room < reserve || before - room > DISK_FELL)
		return DISK_HURRIES;
	return before - room > DISK_QUIET ? DISK_MEASURES : DISK_RESTS;
}

int64_t disk_pause_ms(int64_t took_ms, bool hurry)
{
	int64_t pause = took_ms > DISK_PAUSE_MS ? DISK_PAUSE_MS : took_ms * (DISK_SHARE - 1);

	return hurry ? 0 : pause > DISK_PAUSE_MS ? DISK_PAUSE_MS : pause;
}

void disk_open(struct engine *e)
{
	struct disk *d = mem_alloc(sizeof(*d));

	d->e = e;
	d->limit = config_int("disk.project_mb") << 20;
	d->reserve = config_int("disk.reserve_mb") << 20;
	d->timer.data = d;
	(void)uv_timer_init(e->loop, &d->timer);
	if (e->backend.ops->disk_used != NULL && (d->limit > 0 || d->reserve > 0))
		(void)uv_timer_start(&d->timer, disk_tick_cb, DISK_TICK_MS, DISK_TICK_MS);
	e->disk = d;
}

void disk_stop(struct engine *e)
{
	(void)uv_timer_stop(&e->disk->timer);
	uv_close((uv_handle_t *)&e->disk->timer, disk_closed_cb);
}

bool disk_working(const struct engine *e)
{
	return e->disk->working || !e->disk->closed;
}

void disk_close(struct engine *e)
{
	while (e->disk->notes != NULL) {
		struct disk_note *n = e->disk->notes;

		e->disk->notes = n->next;
		mem_free(n);
	}
	mem_free(e->disk);
	e->disk = NULL;
}

static void disk_closed_cb(uv_handle_t *h)
{
	((struct disk *)h->data)->closed = true;
}

/* --- what was seen ---------------------------------------------------------------------------- */

static struct disk_note *disk_find(const struct disk *d, int64_t project)
{
	struct disk_note *n = d->notes;

	while (n != NULL && n->project != project)
		n = n->next;
	return n;
}

int64_t disk_used(const struct engine *e, int64_t project)
{
	const struct disk_note *n = e->disk != NULL ? disk_find(e->disk, project) : NULL;

	return n != NULL ? n->used : -1;
}

static void disk_remember(struct disk *d, int64_t project, int64_t used)
{
	struct disk_note *n = disk_find(d, project);

	if (n == NULL) {
		n = mem_alloc(sizeof(*n));
		n->project = project;
		n->next = d->notes;
		d->notes = n;
	}
	n->used = used;
	n->stopped = false;
}

static void disk_forget(struct disk *d, int64_t project)
{
	for (struct disk_note **p = &d->notes; *p != NULL; p = &(*p)->next)
		if ((*p)->project == project) {
			struct disk_note *n = *p;

			*p = n->next;
			mem_free(n);
			return;
		}
}

/* --- whose turn it is ------------------------------------------------------------------------- */

static int64_t disk_free(void)
{
	struct statvfs s;

	if (statvfs(config_str("state.dir"), &s) != 0)
		return INT64_MAX;
	return (int64_t)s.f_bavail * (int64_t)s.f_frsize;
}

static enum disk_pace disk_pace_now(const struct disk *d)
{
	return disk_pace(disk_free(), d->round_free, d->reserve);
}

static bool disk_is_due(const struct disk *d)
{
	enum disk_pace pace = disk_pace_now(d);

	return pace == DISK_HURRIES || clock_ms() >= (pace == DISK_RESTS ? d->rest_ms : d->next_ms);
}

static void disk_tick_cb(uv_timer_t *t)
{
	struct disk *d = t->data;
	struct disk_job *j;
	int64_t project;

	if (d->working || d->e->stopping || !disk_is_due(d))
		return;
	project = reconcile_dev_next(d->e, d->turn);
	if (project == 0) { /* a round is over */
		d->turn = 0;
		d->round_free = disk_free();
		project = reconcile_dev_next(d->e, 0);
	}
	if (project == 0)
		return;
	j = mem_alloc(sizeof(*j));
	j->project = d->turn = project;
	(void)snprintf(j->container, sizeof(j->container), "p%" PRId64 "-dev", project);
	d->working = true;
	engine_work(d->e, disk_work, disk_done, j);
}

static void disk_work(struct engine *e, void *arg)
{
	struct disk_job *j = arg;
	int64_t began = clock_ms();

	(void)e->backend.ops->disk_used(&e->backend, j->project, j->container, &j->used, &j->left,
	    &j->err);
	j->took_ms = clock_ms() - began;
}

/* --- and what follows ------------------------------------------------------------------------- */

static void disk_act(struct disk *d, const struct disk_job *j, const struct disk_look *l)
{
	char why[200];

	switch (disk_judge(l)) {
	case DISK_FINE:
		return;
	case DISK_OVER:
		(void)snprintf(why, sizeof(why), "disk: its files take %" PRId64 " MB of the %" PRId64
		    " MB that a project may have. Start it again and remove some", j->used >> 20,
		    d->limit >> 20);
		break;
	case DISK_FILLS:
		(void)snprintf(why, sizeof(why), "disk: it wrote %" PRId64 " MB while the lab has only %"
		    PRId64 " MB left. Start it again and remove what is not needed",
		    (l->used - l->before) >> 20, j->left >> 20);
		break;
	}
	log_warn("project %" PRId64 ": dev container stopped: %s", j->project, why);
	disk_find(d, j->project)->stopped = true;
	reconcile_dev_stop(d->e, j->project, why);
}

static void disk_done(struct engine *e, void *arg)
{
	struct disk *d = e->disk;
	struct disk_job *j = arg;

	d->working = false;
	d->next_ms = clock_ms() + disk_pause_ms(j->took_ms, disk_pace_now(d) == DISK_HURRIES);
	d->rest_ms = clock_ms() + DISK_REST_MS;
	if (j->err.code != CL_OK) {
		disk_forget(d, j->project); /* it may be gone; what was known is old */
		log_debug("disk of project %" PRId64 ": %s", j->project, j->err.message);
	} else if (!e->stopping) {
		const struct disk_note *n = disk_find(d, j->project);
		struct disk_look l = { .limit = d->limit, .reserve = d->reserve, .used = j->used,
			.before = n == NULL || n->stopped ? -1 : n->used, .left = j->left };

		disk_remember(d, j->project, j->used);
		disk_act(d, j, &l);
	}
	mem_free(j);
}
