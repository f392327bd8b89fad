/*
 * Penalties: a source that fails to log in, says nothing or crashes its connection process is
 * refused for a while.  Penalties add up; below `least` they only wait to be added to, and none
 * is longer than `most`.  The table is bounded; when it is full the oldest entry goes.
 */
#ifndef SSHD_PENALTY_H
#define SSHD_PENALTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sshd/addr.h"

enum penalty_kind { PENALTY_AUTH_FAILED, PENALTY_TRIES, PENALTY_NO_AUTH, PENALTY_GRACE, PENALTY_CRASH };
#define PENALTY_LEAST_MS 15000
#define PENALTY_MOST_MS 600000
#define PENALTY_SOURCES 65536

struct penalty_table;

struct penalty_table *penalty_new(size_t max);
void penalty_free(struct penalty_table *t);
size_t penalty_count(const struct penalty_table *t);
/* Milliseconds that one act of this kind costs. */
int64_t penalty_cost(enum penalty_kind kind);
/* Returns how long the source is refused from now on, in ms; 0 = not (yet). */
int64_t penalty_add(struct penalty_table *t, const struct addr *a, enum penalty_kind kind,
    int64_t now_ms);
struct penalty_record { /* of one source, for handing over */
	uint8_t key[16];
	int64_t until; /* monotonic ms */
	bool active;
};
/* The i-th, in no particular order; false: there are no more. */
bool penalty_record(const struct penalty_table *t, size_t i, struct penalty_record *out);
/* Put one back, as the newest; a source that is there already is left alone. */
void penalty_restore(struct penalty_table *t, const struct penalty_record *r);
/* What is not served yet, also while it is too little to refuse anybody. */
int64_t penalty_pending(const struct penalty_table *t, const struct addr *a, int64_t now_ms);
/* How long the source is refused from now on. */
int64_t penalty_left(const struct penalty_table *t, const struct addr *a, int64_t now_ms);

#endif
