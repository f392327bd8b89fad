/* The plan as a table: what is seen and wanted -> the steps, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/mem.h"
#include "engine/plan.h"

/*
 * seen: words "TIER-N.RELEASE" followed by marks: + in the route (so ready), ! exited, ~ starting,
 * nothing: runs but did not answer yet.  want: db was web, release of was (web's is always 9).
 */
struct row {
	const char *what;
	const char *seen;
	int db, was, web, release, old;
	bool migrate;
	const char *hold;      /* "was-2" */
	const char *stale;     /* a name at the edge without a container, of tier was */
	const char *steps;
};

static const struct row rows[] = {
	{ "nothing wanted, nothing seen", "", 0, 0, 0, 0, 0, false, "", "", "" },
	{ "first release", "", 1, 1, 1, 1, 0, true, "", "",
	    "apply db-1.0, probe db-1.0, migrate, apply was-1.1, probe was-1.1, add was-1.1, "
	    "apply web-1.9, probe web-1.9, add web-1.9" },
	{ "all is there", "db-1.0+ was-1.1+ web-1.9+", 1, 1, 1, 1, 1, false, "", "", "" },
	{ "scale up starts all, then waits for each", "db-1.0+ was-1.1+ web-1.9+", 1, 3, 1, 1, 1, false,
	    "", "", "apply was-2.1, apply was-3.1, probe was-2.1, add was-2.1, probe was-3.1, "
	    "add was-3.1" },
	{ "scale down, the highest first, web untouched",
	    "db-1.0+ was-1.1+ was-2.1+ was-3.1+ was-4.1+ web-1.9+ web-2.9+", 1, 2, 2, 1, 1, false, "",
	    "", "drain was-4.1, remove was-4.1, drain was-3.1, remove was-3.1" },
	{ "a new release beside the old one, which goes last", "db-1.0+ was-1.1+ was-2.1+ web-1.9+", 1,
	    2, 1, 2, 1, true, "", "", "migrate, apply was-1.2, apply was-2.2, probe was-1.2, "
	    "add was-1.2, probe was-2.2, add was-2.2, drain was-2.1, remove was-2.1, "
	    "drain was-1.1, remove was-1.1" },
	{ "a roll-out goes on where it was cut off", "db-1.0+ was-1.1+ was-1.2+ was-2.2 web-1.9+", 1, 2,
	    1, 2, 1, false, "", "", "probe was-2.2, add was-2.2, drain was-1.1, remove was-1.1" },
	{ "taken back: the new ones go, the old ones stay", "db-1.0+ was-1.1+ was-1.2 web-1.9+", 1, 1, 1,
	    1, 1, false, "", "", "remove was-1.2" },
	{ "a dead one is replaced", "db-1.0+ was-1.1+ was-2.1!+ web-1.9+", 1, 2, 1, 1, 1, false, "", "",
	    "drop was-2.1 soft, remove was-2.1 dead, apply was-2.1, probe was-2.1, add was-2.1" },
	{ "a dead one that failed often waits", "db-1.0+ was-1.1+ was-2.1! web-1.9+", 1, 2, 1, 1, 1,
	    false, "was-2", "", "remove was-2.1 dead" },
	{ "one that vanished waits too", "db-1.0+ was-1.1+ web-1.9+", 1, 2, 1, 1, 1, false, "was-2", "",
	    "" },
	{ "a dead one of the old release is replaced while the new one comes",
	    "db-1.0+ was-1.1!+ was-1.2~ web-1.9+", 1, 1, 1, 2, 1, false, "", "",
	    "drop was-1.1 soft, remove was-1.1 dead, apply was-1.1 soft, probe was-1.1 soft, "
	    "add was-1.1 soft, probe was-1.2, add was-1.2" },
	{ "a new one held back keeps the old ones", "db-1.0+ was-1.1+ web-1.9+", 1, 1, 1, 2, 1, false,
	    "was-1", "", "" },
	{ "the database is started again as it is", "db-1.0! was-1.1+ web-1.9+", 1, 1, 1, 1, 1, false,
	    "", "", "apply db-1.0, probe db-1.0" },
	{ "ready but not in the route: an edge began anew", "db-1.0+ was-1.1 web-1.9+", 1, 1, 1, 1, 1,
	    false, "", "", "probe was-1.1, add was-1.1" },
	{ "a name at the edge without a container goes", "db-1.0+ was-1.1+ web-1.9+", 1, 1, 1, 1, 1,
	    false, "", "p7-prod-was-5-r1", "drop was-0.0 soft" },
	{ "a new kind of web beside the old one", "db-1.0+ was-1.1+ web-1.8+", 1, 1, 1, 1, 1, false, "",
	    "", "apply web-1.9, probe web-1.9, add web-1.9, drain web-1.8, remove web-1.8" },
	{ "everything goes: web, was, db", "db-1.0+ was-1.1+ web-1.9+", 0, 0, 0, 0, 0, false, "", "",
	    "drain web-1.9, remove web-1.9, drain was-1.1, remove was-1.1, drain db-1.0, "
	    "remove db-1.0" },
};

static size_t parse_seen(const char *text, struct plan_seen *out)
{
	size_t n = 0;
	char tier[8], marks[4];
	int number, release, used;

	while (sscanf(text, " %7[a-z]-%d.%d%n", tier, &number, &release, &used) == 3) {
		struct plan_seen *s = &out[n++];

		text += used;
		(void)snprintf(marks, sizeof(marks), "%.*s", (int)strspn(text, "+!~"), text);
		text += strlen(marks);
		memset(s, 0, sizeof(*s));
		s->tier = (enum plan_tier_id)plan_tier_parse(tier);
		s->n = number;
		s->release = release;
		s->routed = strchr(marks, '+') != NULL;
		s->state = strchr(marks, '!') != NULL ? BACKEND_EXITED : strchr(marks, '~') != NULL ?
		    BACKEND_STARTING : BACKEND_RUNNING;
		s->ready = s->routed && s->state == BACKEND_RUNNING;
		(void)snprintf(s->name, sizeof(s->name), "p7-prod-%s-%d-r%d", tier, number, release);
	}
	return n;
}

static void print_steps(const struct plan *p, struct buf *out)
{
	static const char *const kinds[] = { "route", "apply", "probe", "migrate", "add", "drain",
		"drop", "remove" };

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_step *s = &p->steps[i];

		(void)buf_printf(out, "%s%s", i > 0 ? ", " : "", kinds[s->kind]);
		if (s->kind != PLAN_MIGRATE)
			(void)buf_printf(out, " %s-%d.%d", plan_tier_name(s->tier), s->n,
			    s->release);
		(void)buf_printf(out, "%s%s", s->dead ? " dead" : "", s->soft ? " soft" : "");
	}
}

static void one_row(const struct row *r)
{
	struct plan_seen seen[16];
	struct plan_want w = { .project = 7, .env = "prod", .migrate = r->migrate };
	const char *stale[1] = { r->stale };
	size_t n = parse_seen(r->seen, seen);
	struct plan plan;
	struct buf text;
	char tier[8];
	int number;

	w.tiers[PLAN_DB].want = r->db;
	w.tiers[PLAN_WAS] = (struct plan_tier){ .want = r->was, .release = r->release,
		.old = r->old != r->release ? r->old : 0, .routed = true };
	w.tiers[PLAN_WEB] = (struct plan_tier){ .want = r->web, .release = 9, .routed = true };
	if (sscanf(r->hold, "%7[a-z]-%d", tier, &number) == 2)
		w.tiers[plan_tier_parse(tier)].hold[number] = true;
	w.stale_routes[PLAN_WAS] = stale;
	w.nstale[PLAN_WAS] = r->stale[0] != '\0';
	buf_init(&text, 4096);
	plan_make(&w, seen, n, &plan);
	print_steps(&plan, &text);
	if (strcmp(text.data != NULL ? text.data : "", r->steps) != 0)
		fail_msg("%s:\n  got  %s\n  want %s", r->what, text.data, r->steps);
	plan_clear(&plan);
	buf_clear(&text);
}

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++)
		one_row(&rows[i]);
}

/* Whatever is seen, carrying the plan out leads to what is wanted, and a second plan is empty. */
static void test_plan_ends(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 4000; seed++) {
		struct plan_want w = { .project = 7, .env = "prod" };
		struct plan_seen seen[8];
		unsigned x = seed * 2654435761u;
		size_t n = x % 6;
		struct plan plan;
		int up = 0;

		w.tiers[PLAN_WAS] = (struct plan_tier){ .want = (int)(x >> 8) % 4, .release = 2,
			.old = (x >> 12) % 2 ? 1 : 0, .routed = true };
		for (size_t i = 0; i < n; i++) {
			unsigned y = (x ^ (unsigned)i * 40503u) >> 5;

			seen[i] = (struct plan_seen){ .tier = PLAN_WAS, .n = 1 + (int)(i % 3),
				.release = 1 + (int)(i / 3), .state = y % 3 ? BACKEND_RUNNING :
				BACKEND_EXITED, .routed = (y >> 4) % 2, .ready = (y >> 6) % 2 };
		}
		plan_make(&w, seen, n, &plan);
		for (size_t i = 0; i < n; i++)
			up += seen[i].state == BACKEND_RUNNING && seen[i].routed;
		for (size_t i = 0; i < plan.n; i++) {
			const struct plan_step *s = &plan.steps[i];

			up += s->kind == PLAN_ADD;
			up -= s->kind == PLAN_DRAIN;
			/* nobody is sent away while nobody else is there */
			if (w.tiers[PLAN_WAS].want > 0 && s->kind == PLAN_DRAIN)
				assert_true(up > 0);
		}
		plan_clear(&plan);
	}
}

static void test_words(void **state)
{
	struct plan_seen seen[4];
	struct plan_want w = { .project = 7, .env = "prod" };
	struct plan plan;
	struct buf text;

	(void)state;
	w.tiers[PLAN_WAS] = (struct plan_tier){ .want = 2, .release = 3, .routed = true };
	buf_init(&text, 1024);
	plan_make(&w, seen, parse_seen("was-1.3+", seen), &plan);
	plan_print(&plan, &text);
	assert_string_equal(text.data,
	    "start was-2 (v3); wait for was-2 (v3); send requests to was-2 (v3)");
	plan_clear(&plan);
	buf_clear(&text);
	plan_make(&w, seen, parse_seen("was-1.3+ was-2.3+", seen), &plan);
	plan_print(&plan, &text);
	assert_string_equal(text.data, "nothing to do");
	plan_clear(&plan);
	buf_clear(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_plan_ends),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
