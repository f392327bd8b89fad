/*
 * Reconciling: every environment (and dev container) has an entry that remembers what was seen of it.
 * A pass runs when something else is wanted (reconcile_kick), when the backend tells of a change, and
 * every engine.reconcile_ms; one pass at a time for each entry.  All of it is derived from the store,
 * so an engine that was killed goes on where it was.  On the loop's thread, but for the passes.
 */
#ifndef ENGINE_RECONCILE_H
#define ENGINE_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "images/stack.h"

/* What others learn, on the loop's thread; set by operate.c. */
struct reconcile_hooks {
	/* The pass of this number came to its end: well, or with why. */
	void (*settled)(struct engine *e, int64_t project, const char *env, uint64_t pass,
	    const struct cl_err *why, const char *result);
	/* The runtime does not answer. */
	void (*waits)(struct engine *e, int64_t project, const char *env, const char *why);
	/* Where the start of something stands. */
	void (*says)(struct engine *e, int64_t project, const char *env, const char *what);
	/* The release of this operation was taken back. */
	void (*failed)(struct engine *e, int64_t op, const struct cl_err *why);
	void (*step)(struct engine *e, int64_t op, const char *text);
	void (*line)(struct engine *e, int64_t op, const char *text);
	/* At the moment that it gave last (clock_ms(), INT64_MAX = none), and after reconcile_wake(); it may
	 * come sooner, for the reconciler's own sake. */
	int64_t (*tick)(struct engine *e);
	void (*up)(struct engine *e);        /* the runtime answers (again) */
	void (*swept)(struct engine *e);     /* once: nothing of the engine before is left running */
};

/* After e->backend was opened and e->store and e->events are there: opens the stacks too
 * (stacks.h).  Sets e->reconcile. */
int reconcile_open(struct engine *e, const struct reconcile_hooks *hooks, struct cl_err *err);
/* Begins to watch and to make passes. */
int reconcile_start(struct engine *e, struct cl_err *err);
/* No new passes; those that run are asked to end. */
void reconcile_stop(struct engine *e);
bool reconcile_working(const struct engine *e);
void reconcile_close(struct engine *e);
/* The tick comes at once. */
void reconcile_wake(struct engine *e);
/* The dev container is to be made anew by its next pass. */
void reconcile_restart_dev(struct engine *e, int64_t project);
/* No passes over the dev container until it is let go (hold false); held, true once none runs. */
bool reconcile_hold_dev(struct engine *e, int64_t project, bool hold);
bool reconcile_dev_held(struct engine *e, int64_t project);
/* The dev container is not wanted any more, for a reason that its people are to read. */
void reconcile_dev_stop(struct engine *e, int64_t project, const char *why);
/* The first project after this one (by id) whose dev container is known to run; 0 = none. */
int64_t reconcile_dev_next(const struct engine *e, int64_t after);
/* The same as restart, unless it was made by its present spec. */
void reconcile_renew_dev(struct engine *e, int64_t project);

/* Something else is wanted in env "dev", "prod" or "ide" of a project.  Returns the pass's number
 * from which on it is seen to (reconcile_hooks.settled tells when).  Never fails. */
uint64_t reconcile_kick(struct engine *e, int64_t project, const char *env);
/* The project goes: passes for it stop.  true when none runs any more. */
bool reconcile_forget(struct engine *e, int64_t project);

/* One instance as it was seen last; name is borrowed. */
struct reconcile_seen {
	const char *tier;
	const char *container;
	const char *state;      /* starting, ready, draining, failed */
	int n, release, restarts;
	int64_t started_ms;
};
void reconcile_each_seen(struct engine *e, int64_t project, const char *env,
    void (*cb)(void *arg, const struct reconcile_seen *s), void *arg);
/* Is it the entry's newest knowledge that the dev container runs? */
bool reconcile_dev_running(struct engine *e, int64_t project);
/* Blocks until the dev container of this spec runs, starting it when it does not; workers only.
 * stop may be NULL. */
int reconcile_dev_up(struct engine *e, const struct backend_spec *spec, backend_cancel_cb *stop,
    void *arg, struct cl_err *err);
/* What a pass would do if this were wanted (counts by enum plan_tier_id), as far as is known. */
void reconcile_explain(struct engine *e, int64_t project, const char *env, const int want[3],
    bool new_release, struct buf *out);
/* The spec of a project's dev container, for the exec handler; manifest_clear() it. */
int reconcile_dev_spec(struct engine *e, int64_t project, struct backend_spec *spec,
    struct cl_err *err);

#endif
