/*
 * Passes over dev containers: one per project, wanted or not.  A container that runs is left alone
 * whatever its manifest would be today: people work in it.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/reconcile.h"
#include "engine/reconcile_internal.h"
#include "engine/save.h"
#include "engine/stacks.h"
#include "engine/store_project.h"
#include "engine/store_save.h"

#define DEV_START_MS 60000
#define DEV_STUCK_MS 1500     /* what does not start is told after so long: it may come right by itself */
#define DEV_POLL_MS 50
#define DEV_SLOW_POLL_MS 250  /* after the first second */
#define DEV_FETCH_S 900
#define DEV_LOCKS 16

struct dev_pass {
	struct reconcile_entry *x;
	struct backend_spec spec;
	struct store_save loaded; /* what it is made of; id 0 = the stack's image */
	bool want, restart, renew;
	bool running;           /* out */
	struct cl_err err;
};

static pthread_mutex_t dev_locks[DEV_LOCKS] = { [0 ... DEV_LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER };

static int dev_up_or_fetch(struct engine *e, struct dev_pass *p);
static void dev_work(struct engine *e, void *arg);
static int dev_look(struct engine *e, const struct backend_spec *spec, struct backend_instance *seen,
    struct cl_err *err);
static bool dev_interrupted(void *arg);
static void dev_done(struct engine *e, void *arg);
static void dev_write(struct engine *e, struct dev_pass *p, const struct store_project *was);

bool reconcile_dev_start(struct reconcile_entry *x)
{
	struct dev_pass *p = mem_alloc(sizeof(*p));
	struct store_project project;
	struct cl_err err = { 0 };

	p->x = x;
	if (store_project_get(x->e->store, x->project, &project, &err) != 0 ||
	    strcmp(project.state, "removing") == 0 ||
	    reconcile_dev_spec(x->e, x->project, &p->spec, &err) != 0) {
		if (err.code != CL_OK && err.code != CL_NOT_FOUND)
			log_error("dev container of project %lld: %s", (long long)x->project,
			    err.message);
		mem_free(p);
		return false;
	}
	p->want = project.dev_want;
	p->restart = x->restart;
	p->renew = x->renew;
	(void)store_save_get(x->e->store, store_save_loaded(x->e->store, x->project), &p->loaded,
	    NULL);
	if (p->want && strcmp(project.dev_state, "running") != 0 &&
	    strcmp(project.dev_state, "starting") != 0 && x->fails == 0) {
		(void)store_project_set_dev(x->e->store, x->project, true, "starting", "", &err);
		event_publish(x->e, EVENT_DEV_STATE, x->project, NULL, "", json_pack("{s:s, s:s}",
		    "state", "starting", "reason", ""), "dev container starting");
	}
	engine_work(x->e, dev_work, NULL, p);
	return true;
}

int reconcile_dev_spec(struct engine *e, int64_t project, struct backend_spec *spec,
    struct cl_err *err)
{
	struct store_project p;
	struct manifest m = { .project = project, .env = "dev" };
	struct store_save loaded;

	if (store_project_get(e->store, project, &p, err) != 0)
		return -1;
	m.stack = stack_find_choice(stacks_now(e), p.stack, err);
	if (m.stack == NULL)
		return -1;
	(void)mem_copy_str(m.name, sizeof(m.name), p.name);
	(void)mem_copy_str(m.owner, sizeof(m.owner), p.owner_name);
	m.uid = engine_uid(e, p.owner);
	m.gid = engine_gid(e, project);
	if (manifest_dev(&m, 0, spec, err) != 0)
		return -1;
	if (store_save_get(e->store, store_save_loaded(e->store, project), &loaded, NULL) == 0)
		(void)mem_copy_str(spec->image, sizeof(spec->image), loaded.dev);
	spec->memory = config_int("runtime.memory_mb") << 20;
	spec->pids = (int)config_int("runtime.pids");
	/* After each load another container: its workspace is another folder. */
	spec->generation = manifest_generation(spec) +
	    (uint64_t)store_save_loads(e->store, project) * UINT64_C(0x9E3779B97F4A7C15);
	return 0;
}

struct dev_news {
	int64_t project;
	char what[220];
};

static void dev_news_cb(struct engine *e, void *arg)
{
	struct dev_news *n = arg;
	struct cl_err err = { 0 };
	struct store_project p;

	if (!e->stopping && store_project_get(e->store, n->project, &p, &err) == 0 &&
	    strcmp(p.dev_state, "running") != 0) {
		(void)store_project_set_dev(e->store, n->project, p.dev_want, "starting", n->what, &err);
		event_publish(e, EVENT_DEV_STATE, n->project, NULL, "", json_pack("{s:s, s:s}", "state",
		    "starting", "reason", n->what), "dev container starting: %s", n->what);
		e->reconcile->hooks.says(e, n->project, "ide", n->what);
	}
	mem_free(n);
}

/* Where the start stands, from a worker. */
static void dev_say(struct engine *e, int64_t project, const char *what)
{
	struct dev_news *n = mem_alloc(sizeof(*n));

	n->project = project;
	(void)mem_copy_str(n->what, sizeof(n->what), what);
	engine_post(e, dev_news_cb, n);
}

/* A start that is being waited for. */
struct dev_wait {
	int64_t begun, until, stuck; /* clock_ms(); stuck 0 = it goes on */
	char why[220];
};

/* -1 when there is nothing more to wait for. */
static int dev_wait_more(struct engine *e, struct dev_wait *w, const struct backend_instance *seen,
    int64_t project, struct cl_err *err)
{
	int64_t now = clock_ms();

	if (seen->state == BACKEND_EXITED)
		return err_set(err, CL_FAILED, "dev container: ended with status %d%s%s", seen->exit_code,
		    seen->why[0] ? ": " : "", seen->why);
	if (seen->stuck && w->stuck != 0 && now - w->stuck > DEV_STUCK_MS)
		return err_set(err, CL_FAILED, "dev container: %s", seen->why);
	if (now > w->until)
		return err_set(err, CL_TIMEOUT, "dev container: not running after %lld s%s%s",
		    (long long)(now - w->begun) / 1000, seen->why[0] ? ": " : "", seen->why);
	w->stuck = !seen->stuck ? 0 : w->stuck != 0 ? w->stuck : now;
	if (strcmp(seen->why, w->why) != 0) { /* it goes on: a large image takes its time */
		(void)mem_copy_str(w->why, sizeof(w->why), seen->why);
		dev_say(e, project, w->why);
		w->until = now + (strstr(w->why, "pulling") ? DEV_FETCH_S * 1000 : DEV_START_MS);
	}
	return 0;
}

int reconcile_dev_up(struct engine *e, const struct backend_spec *spec, backend_cancel_cb *stop,
    void *arg, struct cl_err *err)
{
	pthread_mutex_t *lock = &dev_locks[spec->project % DEV_LOCKS];
	struct backend_instance seen;
	struct dev_wait w = { 0 };
	int rc, nap;

	/* several terminals may ask at once: one of them starts it */
	(void)pthread_mutex_lock(lock);
	rc = dev_look(e, spec, &seen, err);
	if (rc == 0 && seen.state != BACKEND_RUNNING)
		rc = e->backend.ops->apply(&e->backend, spec, err);
	w.begun = clock_ms();
	w.until = w.begun + DEV_START_MS;
	while (rc == 0 && seen.state != BACKEND_RUNNING) {
		rc = dev_look(e, spec, &seen, err);
		if (rc != 0 || seen.state == BACKEND_RUNNING)
			break;
		if (stop != NULL && stop(arg))
			rc = err_set(err, CL_FAILED, "dev container: interrupted");
		else
			rc = dev_wait_more(e, &w, &seen, spec->project, err);
		nap = clock_ms() - w.begun < 1000 ? DEV_POLL_MS : DEV_SLOW_POLL_MS;
		if (rc == 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = nap * 1000000L }, NULL);
	}
	(void)pthread_mutex_unlock(lock);
	return rc;
}

/* The image of a save may be in the repository alone: on another machine, or cleaned up here. */
static int dev_up_or_fetch(struct engine *e, struct dev_pass *p)
{
	struct backend_job job = { .cancelled = dev_interrupted, .arg = p->x, .timeout_s = DEV_FETCH_S };
	struct cl_err why = { 0 };

	if (reconcile_dev_up(e, &p->spec, dev_interrupted, p->x, &why) == 0)
		return 0;
	if (why.code != CL_PRECONDITION || p->loaded.dev_stored[0] == '\0') {
		p->err = why;
		return -1;
	}
	if (save_pull(&e->backend, &p->loaded, &job, &p->err) != 0)
		return -1;
	return reconcile_dev_up(e, &p->spec, dev_interrupted, p->x, &p->err);
}

static void dev_work(struct engine *e, void *arg)
{
	struct dev_pass *p = arg;
	struct backend_instance seen;
	int rc = dev_look(e, &p->spec, &seen, &p->err);

	if (rc == 0 && seen.name[0] != '\0' && (!p->want || p->restart ||
	    (p->renew && seen.generation != p->spec.generation)))
		rc = e->backend.ops->remove(&e->backend, p->spec.name, 2, &p->err);
	if (rc == 0 && p->want)
		rc = dev_up_or_fetch(e, p);
	p->running = rc == 0 && p->want;
	engine_post(e, dev_done, p);
}

/* seen->name is "" when there is none. */
static int dev_look(struct engine *e, const struct backend_spec *spec, struct backend_instance *seen,
    struct cl_err *err)
{
	struct backend_list list = { 0 };

	memset(seen, 0, sizeof(*seen));
	seen->state = BACKEND_UNKNOWN;
	if (e->backend.ops->observe(&e->backend, spec->project, false, &list, err) != 0)
		return -1;
	for (size_t i = 0; i < list.n; i++)
		if (strcmp(list.items[i].name, spec->name) == 0)
			*seen = list.items[i];
	backend_list_clear(&list);
	return 0;
}

static bool dev_interrupted(void *arg)
{
	struct reconcile_entry *x = arg;

	return atomic_load(&x->interrupt);
}

static void dev_done(struct engine *e, void *arg)
{
	struct dev_pass *p = arg;
	struct reconcile_entry *x = p->x;
	struct store_project was;
	int64_t pause = reconcile_pause_ms(e->reconcile->reconcile_ms, p->err.code != CL_OK);
	bool newer = x->kicked != x->passing; /* what it found is not wanted any more */

	x->dev_running = p->running;
	if (p->running && !newer)
		x->why[0] = '\0';
	if (p->restart && p->err.code == CL_OK)
		x->restart = false;
	if (p->renew && p->err.code == CL_OK)
		x->renew = false;
	x->fails = p->err.code == CL_OK || newer ? 0 : x->fails + 1;
	for (int i = 1; i < x->fails && pause < 60000; i++)
		pause *= 2;
	if (!newer && !e->stopping && store_project_get(e->store, x->project, &was, NULL) == 0)
		dev_write(e, p, &was);
	reconcile_entry_done(x, pause);
	manifest_clear(&p->spec);
	mem_free(p);
}

void reconcile_dev_stop(struct engine *e, int64_t project, const char *why)
{
	struct reconcile_entry *x = reconcile_entry_find(e, project, "ide", true);
	struct store_project p;
	struct cl_err err = { 0 };

	if (store_project_get(e->store, project, &p, &err) != 0 ||
	    store_project_set_dev(e->store, project, false, p.dev_state, p.dev_reason, &err) != 0) {
		log_error("dev container of project %lld: %s", (long long)project, err.message);
		return;
	}
	(void)mem_copy_str(x->why, sizeof(x->why), why);
	(void)reconcile_kick(e, project, "ide");
}

int64_t reconcile_dev_next(const struct engine *e, int64_t after)
{
	int64_t best = 0;

	for (const struct reconcile_entry *x = e->reconcile->entries; x != NULL; x = x->next)
		if (x->dev_running && x->project > after && (best == 0 || x->project < best))
			best = x->project;
	return best;
}

static void dev_write(struct engine *e, struct dev_pass *p, const struct store_project *was)
{
	const char *why = p->err.code != CL_OK ? p->err.message : p->running ? "" : p->x->why;
	const char *state = p->running ? "running" : p->err.code != CL_OK ? "failed" :
	    strcmp(was->dev_state, "absent") == 0 ? "absent" : "stopped";
	struct cl_err err = { 0 };

	if (store_begin(e->store, &err) != 0)
		return;
	if (strcmp(state, was->dev_state) != 0 ||
	    (p->err.code != CL_OK && strcmp(p->err.message, was->dev_reason) != 0)) {
		(void)store_project_set_dev(e->store, p->x->project, p->want, state, why,
		    &err);
		event_publish(e, EVENT_DEV_STATE, p->x->project, NULL, "", json_pack("{s:s, s:s}",
		    "state", state, "reason", why), "dev container %s%s%.300s", state,
		    why[0] != '\0' ? ": " : "", why);
	}
	if (p->err.code == CL_UNAVAILABLE)
		e->reconcile->hooks.waits(e, p->x->project, "ide", p->err.message);
	else
		e->reconcile->hooks.settled(e, p->x->project, "ide", p->x->passing,
		    p->err.code != CL_OK ? &p->err : NULL, "");
	(void)store_commit(e->store, &err);
}
