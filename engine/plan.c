/*
 * How the tiers are brought from what is seen to what is wanted.  Each tier goes through the same
 * three passes, in the order db, was, web:
 *
 *   replace  what is dead is taken away (and, of an old release that still serves, started again)
 *   grow     what is missing of the wanted release is started, waited for, routed
 *   shrink   what is too many or old is drained and removed, highest number first
 *
 * All growing comes before all shrinking, over every tier.
 */
#include "engine/plan.h"

#include <string.h>
#include "base/mem.h"
#include "engine/manifest.h"

static const char *const plan_names[PLAN_TIERS] = { "db", "was", "web" };

static struct plan_step *plan_add(struct plan *p, enum plan_kind kind, enum plan_tier_id tier,
    const char *name, int n, int release);
static void plan_replace(const struct plan_want *w, enum plan_tier_id t,
    const struct plan_seen *seen, size_t nseen, struct plan *p);
static void plan_grow(const struct plan_want *w, enum plan_tier_id t, const struct plan_seen *seen,
    size_t nseen, struct plan *p);
static void plan_shrink(const struct plan_want *w, enum plan_tier_id t,
    const struct plan_seen *seen, size_t nseen, struct plan *p);
static void plan_start(const struct plan_want *w, enum plan_tier_id t, int n, int release,
    const struct plan_seen *i, bool soft, struct plan *p);
static const struct plan_seen *plan_find(const struct plan_seen *seen, size_t nseen,
    enum plan_tier_id t, int n, int release);
static bool plan_is_new(const struct plan_tier *t, const struct plan_seen *i);
static bool plan_up(const struct plan_seen *i);
static bool plan_held(const struct plan_tier *t, int n);

void plan_make(const struct plan_want *w, const struct plan_seen *seen, size_t nseen,
    struct plan *out)
{
	memset(out, 0, sizeof(*out));
	if (w->route)
		plan_add(out, PLAN_ROUTE, PLAN_WEB, "", 0, 0);
	for (int t = 0; t < PLAN_TIERS; t++)
		plan_replace(w, (enum plan_tier_id)t, seen, nseen, out);
	for (int t = 0; t < PLAN_TIERS; t++) {
		plan_grow(w, (enum plan_tier_id)t, seen, nseen, out);
		if (t == PLAN_DB && w->migrate)
			plan_add(out, PLAN_MIGRATE, PLAN_WAS, "", 0, w->tiers[PLAN_WAS].release);
	}
	for (int t = PLAN_TIERS - 1; t >= 0; t--)
		plan_shrink(w, (enum plan_tier_id)t, seen, nseen, out);
}

void plan_clear(struct plan *p)
{
	mem_free(p->steps);
	memset(p, 0, sizeof(*p));
}

void plan_print(const struct plan *p, struct buf *out)
{
	static const char *const words[] = { "set the host name", "start", "wait for",
		"migrate the database", "send requests to", "drain", "stop requests to", "remove" };

	if (p->n == 0)
		(void)buf_add_str(out, "nothing to do");
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_step *s = &p->steps[i];

		(void)buf_printf(out, "%s%s", i > 0 ? "; " : "", words[s->kind]);
		if (s->n > 0)
			(void)buf_printf(out, " %s-%d", plan_names[s->tier], s->n);
		if (s->n > 0 && s->tier == PLAN_WAS)
			(void)buf_printf(out, " (v%d)", s->release);
	}
}

const char *plan_tier_name(enum plan_tier_id t)
{
	return plan_names[t];
}

int plan_tier_parse(const char *s)
{
	for (int t = 0; t < PLAN_TIERS; t++)
		if (strcmp(plan_names[t], s) == 0)
			return t;
	return -1;
}

static struct plan_step *plan_add(struct plan *p, enum plan_kind kind, enum plan_tier_id tier,
    const char *name, int n, int release)
{
	struct plan_step *s;

	if (p->n % 16 == 0)
		p->steps = mem_resize(p->steps, p->n + 16, sizeof(*p->steps));
	s = &p->steps[p->n++];
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->tier = tier;
	s->n = n;
	s->release = release;
	(void)mem_copy_str(s->name, sizeof(s->name), name);
	return s;
}

static void plan_replace(const struct plan_want *w, enum plan_tier_id t,
    const struct plan_seen *seen, size_t nseen, struct plan *p)
{
	const struct plan_tier *tier = &w->tiers[t];

	for (size_t i = 0; i < w->nstale[t]; i++)
		plan_add(p, PLAN_DROP, t, w->stale_routes[t][i], 0, 0)->soft = true;
	for (size_t i = 0; i < nseen; i++) {
		const struct plan_seen *s = &seen[i];
		bool old = tier->old != 0 && s->release == tier->old && s->n <= tier->want;

		if (s->tier != t || s->state != BACKEND_EXITED)
			continue;
		if (s->routed)
			plan_add(p, PLAN_DROP, t, s->name, s->n, s->release)->soft = true;
		/* the database keeps its container: it is started again as it is */
		if (t == PLAN_DB)
			continue;
		plan_add(p, PLAN_REMOVE, t, s->name, s->n, s->release)->dead = true;
		if (old && !plan_is_new(tier, s) && !plan_held(tier, s->n))
			plan_start(w, t, s->n, s->release, NULL, true, p);
	}
}

static void plan_grow(const struct plan_want *w, enum plan_tier_id t, const struct plan_seen *seen,
    size_t nseen, struct plan *p)
{
	const struct plan_tier *tier = &w->tiers[t];

	for (int n = 1; n <= tier->want; n++) {
		const struct plan_seen *i = plan_find(seen, nseen, t, n, tier->release);
		char name[80];

		manifest_name(name, sizeof(name), w->project, w->env, plan_names[t], n,
		    tier->release);
		if (!plan_up(i) && !plan_held(tier, n))
			plan_add(p, PLAN_APPLY, t, name, n, tier->release);
	}
	for (int n = 1; n <= tier->want; n++) {
		const struct plan_seen *i = plan_find(seen, nseen, t, n, tier->release);

		if (plan_up(i) || !plan_held(tier, n))
			plan_start(w, t, n, tier->release, plan_up(i) ? i : NULL, false, p);
	}
}

/* The steps behind APPLY; with APPLY itself for an old one (soft), whose growing is not batched. */
static void plan_start(const struct plan_want *w, enum plan_tier_id t, int n, int release,
    const struct plan_seen *i, bool soft, struct plan *p)
{
	char name[80];

	manifest_name(name, sizeof(name), w->project, w->env, plan_names[t], n, release);
	if (soft)
		plan_add(p, PLAN_APPLY, t, name, n, release)->soft = true;
	if (i == NULL || !i->ready)
		plan_add(p, PLAN_PROBE, t, name, n, release)->soft = soft;
	if (w->tiers[t].routed && (i == NULL || !i->routed))
		plan_add(p, PLAN_ADD, t, name, n, release)->soft = soft;
}

static void plan_shrink(const struct plan_want *w, enum plan_tier_id t,
    const struct plan_seen *seen, size_t nseen, struct plan *p)
{
	const struct plan_tier *tier = &w->tiers[t];
	bool *done = mem_array(nseen + 1, sizeof(*done));
	bool waiting = false;

	/* with one of the new ones held back, the old ones go on serving */
	for (int n = 1; n <= tier->want; n++)
		waiting = waiting || (tier->old != 0 && plan_held(tier, n));
	while (!waiting) {
		const struct plan_seen *last = NULL;

		for (size_t i = 0; i < nseen; i++) {
			const struct plan_seen *s = &seen[i];

			if (done[i] || s->tier != t || s->state == BACKEND_EXITED ||
			    (plan_is_new(tier, s) && s->n <= tier->want))
				continue;
			if (last == NULL || s->n > last->n)
				last = s;
		}
		if (last == NULL)
			break;
		done[last - seen] = true;
		if (last->routed)
			plan_add(p, PLAN_DRAIN, t, last->name, last->n, last->release);
		plan_add(p, PLAN_REMOVE, t, last->name, last->n, last->release);
	}
	mem_free(done);
}

static const struct plan_seen *plan_find(const struct plan_seen *seen, size_t nseen,
    enum plan_tier_id t, int n, int release)
{
	for (size_t i = 0; i < nseen; i++)
		if (seen[i].tier == t && seen[i].n == n && seen[i].release == release)
			return &seen[i];
	return NULL;
}

static bool plan_is_new(const struct plan_tier *t, const struct plan_seen *i)
{
	return i->release == t->release;
}

static bool plan_up(const struct plan_seen *i)
{
	return i != NULL && (i->state == BACKEND_RUNNING || i->state == BACKEND_STARTING);
}

static bool plan_held(const struct plan_tier *t, int n)
{
	return n >= 0 && n <= PLAN_N_MAX && t->hold[n];
}
