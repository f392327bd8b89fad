/* Shared by reconcile*.c: the entries.  Include engine/reconcile.h before it. */
#ifndef ENGINE_RECONCILE_INTERNAL_H
#define ENGINE_RECONCILE_INTERNAL_H

#include "base/hash.h"
#include "engine/rollout.h"

struct reconcile_item {        /* one instance as shown */
	char tier[8];
	char container[80];
	char state[16];
	int n, release, restarts;
	int64_t started_ms;
};

struct reconcile_entry {
	struct reconcile_entry *next;
	struct hash_node by_project;
	struct engine *e;
	int64_t project;
	char env[8];             /* dev, prod, ide */
	bool running;            /* a pass runs: memory is the worker's */
	bool round;              /* nobody asked for it */
	bool again;              /* something happened meanwhile */
	bool forgotten;
	uint64_t kicked;         /* number of the pass asked for last */
	uint64_t passing;        /* number of the pass that runs */
	int64_t wake_ms;         /* next pass, clock_ms() */
	int fails;               /* passes in a row */
	atomic_bool interrupt;
	atomic_bool news;        /* of the backend, while a pass runs: it takes them by itself */
	struct rollout_memory memory;
	struct reconcile_item *items;
	size_t nitems;
	bool dev_running;        /* env ide */
	char why[200];           /* env ide: it was stopped for this */
	bool restart;            /* env ide: remove it first */
	bool held;               /* env ide: no passes for now */
	bool renew;              /* env ide: remove it first, if it is of another generation */
};

struct reconcile {
	struct engine *e;
	struct reconcile_hooks hooks;
	struct reconcile_entry *entries;
	struct hash by_project;  /* of entries */
	int64_t envs;            /* entries that are environments */
	uv_timer_t tick;
	int64_t due_ms;          /* clock_ms() when it comes, INT64_MAX = it rests */
	uv_thread_t watcher;
	bool watching;
	atomic_bool stop;
	int running;             /* passes on worker threads */
	int rounds;              /* of these: that nobody asked for */
	int reconcile_ms;
	int open_handles;
};

/* Start a pass; false when there is nothing to do for the entry any more. */
bool reconcile_env_start(struct reconcile_entry *x);
bool reconcile_dev_start(struct reconcile_entry *x);
/* A pass ended: when to look again (ms from now), counted from here on. */
void reconcile_entry_done(struct reconcile_entry *x, int64_t pause_ms);
struct reconcile_item *reconcile_entry_item(struct reconcile_entry *x, const char *tier, int n,
    int release, bool make);
/* How long until an environment that is as wanted is looked at again: engine.reconcile_ms, longer where there are so many
 * that looking at all of them would keep the backend busy. */
int64_t reconcile_round_ms(const struct reconcile *rc);
struct reconcile_entry *reconcile_entry_find(struct engine *e, int64_t project, const char *env,
    bool make);

/* How long until a thing is looked at again: soon after a failure. */
#define RECONCILE_RETRY_MS 2000
static inline int64_t reconcile_pause_ms(int reconcile_ms, bool failed)
{
	return failed && reconcile_ms > RECONCILE_RETRY_MS ? RECONCILE_RETRY_MS : reconcile_ms;
}

#endif
