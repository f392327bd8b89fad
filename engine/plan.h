/*
 * The plan: from what is wanted and what is seen to ordered steps.  Pure, so it is tested by tables.
 *
 *            db             was                                   web
 *   apply -> ready -> migrate -> apply new -> ready -> in route -> (the same)
 *                                    then, once all new are in:   old out of route -> remove
 *
 * A step depends on those before it: whoever carries it out stops at the first that fails and asks
 * for a new plan.  An instance of another number than the tier's `release` is old; it is removed only
 * behind all steps that bring the new ones into the route, so a failure leaves it serving.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/buf.h"
#include "engine/backend.h"

#define PLAN_N_MAX 99 /* highest instance number */

enum plan_tier_id { PLAN_DB, PLAN_WAS, PLAN_WEB, PLAN_TIERS };

struct plan_tier {
	int want;
	int release;    /* number that the instances wanted carry */
	int old;        /* release that serves until then: its dead are replaced too; 0 = none */
	bool routed;    /* gets traffic: web, was */
	bool hold[PLAN_N_MAX + 1]; /* number n failed lately: do not start it yet */
};

/* One observed container of this environment. */
struct plan_seen {
	enum plan_tier_id tier;
	char name[80];
	int n, release;
	enum backend_state state;
	bool routed;    /* the edge sends it requests */
	bool ready;     /* answered its probe since it started, or is routed */
};

struct plan_want {
	int64_t project;
	char env[8];
	bool route;     /* the host name must be set */
	bool migrate;   /* the release's migration has not run */
	struct plan_tier tiers[PLAN_TIERS];
	/* names that the edge knows but no container has */
	const char *const *stale_routes[PLAN_TIERS];
	size_t nstale[PLAN_TIERS];
};

enum plan_kind {
	PLAN_ROUTE,     /* host name of the slot */
	PLAN_APPLY,     /* create or start n of release */
	PLAN_PROBE,     /* wait until it is ready */
	PLAN_MIGRATE,
	PLAN_ADD,       /* into the route */
	PLAN_DRAIN,     /* out of the route, after the requests in flight */
	PLAN_DROP,      /* out of the route at once: it is dead */
	PLAN_REMOVE,
};

struct plan_step {
	enum plan_kind kind;
	enum plan_tier_id tier;
	char name[80];
	int n, release;
	bool dead;      /* REMOVE: of an instance that ended by itself */
	bool soft;      /* its failure does not stop the plan */
};

struct plan {
	struct plan_step *steps; /* owned; plan_clear() */
	size_t n;
};

void plan_make(const struct plan_want *want, const struct plan_seen *seen, size_t nseen,
    struct plan *out);
void plan_clear(struct plan *p);
/* For people: "start was-2, wait for it, send it requests; ..." */
void plan_print(const struct plan *p, struct buf *out);

const char *plan_tier_name(enum plan_tier_id t);       /* "was" */
int plan_tier_parse(const char *s);                    /* -1 = none of ours */

#endif
