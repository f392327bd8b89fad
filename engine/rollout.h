/*
 * One pass over one environment, on a worker thread: look, plan, carry out.  It knows a backend and a
 * snapshot of what is wanted, neither store nor loop, so tests drive it with the sim backend alone.
 * reconcile.c makes the snapshots, starts passes and writes down what they found.
 */
#ifndef ENGINE_ROLLOUT_H
#define ENGINE_ROLLOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/backend.h"
#include "engine/manifest.h"
#include "engine/plan.h"
#include "engine/release.h"

enum rollout_result {
	ROLLOUT_OK,          /* what is wanted is there */
	ROLLOUT_AGAIN,       /* something newer is wanted: make another pass at once */
	ROLLOUT_FAILED,      /* err says why; the wanted release is to blame if release_failed */
	ROLLOUT_UNAVAILABLE, /* the runtime does not answer: nothing is to blame */
};

enum rollout_fact {
	ROLLOUT_STARTING, ROLLOUT_READY, ROLLOUT_DRAINING, ROLLOUT_GONE, ROLLOUT_STEP, ROLLOUT_LINE,
	ROLLOUT_MIGRATED,
};

/* Told as it happens, on the worker's thread. */
struct rollout_note {
	enum rollout_fact fact;
	char instance[24];   /* "was-2" */
	int release;
	int exit_code;       /* GONE; -1 unknown */
	bool expected;       /* GONE: we removed it */
	char text[512];      /* STEP, LINE */
};

/* What one number of a tier has been through; kept from pass to pass by the owner. */
struct rollout_slot {
	enum plan_tier_id tier;
	int n;
	int restarts;        /* replaced so often */
	int fails;           /* in a row */
	int64_t hold_ms;     /* not before this (clock_ms()) */
};

struct rollout_known {   /* a container */
	struct backend_instance seen;
	bool ours;           /* of a tier we know */
	bool routed, ready;
	int64_t waiting_ms;  /* probed since (clock_ms()), 0 = not yet */
};

struct rollout_memory {
	struct rollout_slot *slots;
	size_t nslots;
	struct rollout_known *known;
	size_t nknown;
	bool route_set;      /* the host name is at the edge */
};

struct rollout {
	/* in */
	struct backend *backend;
	struct manifest manifest;   /* its release is set by the pass */
	struct release wanted;      /* version 0 = nothing */
	struct release old;         /* what serves until then; version 0 = nothing */
	struct backend_route route;
	int want[PLAN_TIERS];
	char db_host[80];            /* of an environment that is applied whole */
	struct rollout_load {
		int min, max, cpu;   /* as in struct backend_tier */
	} load[PLAN_TIERS];
	bool gone;                  /* the environment is to disappear */
	int64_t op;                 /* names the migration */
	int health_timeout_ms, drain_timeout_s, poll_ms;
	atomic_bool *interrupt;     /* something newer is wanted */
	atomic_bool *news;          /* the backend told of a change: look now; or NULL */
	struct rollout_memory *memory;
	void (*note)(void *arg, const struct rollout_note *n);
	void *arg;
	/* out */
	enum rollout_result result;
	struct cl_err err;
	bool release_failed;
	/* own */
	int port[PLAN_TIERS];
	bool missed;                /* a ready one ended meanwhile */
};

void rollout_run(struct rollout *r);
/* The steps that a pass would take, for people. */
int rollout_explain(struct rollout *r, struct buf *out);
void rollout_clear(struct rollout *r);              /* not the memory */
void rollout_clear_memory(struct rollout_memory *m);

#endif
