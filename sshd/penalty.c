/*
 * The table of penalties: a hash over an array of entries, which are also in a list from the
 * oldest to the one touched last.  Entries refer to each other by index, so the array can grow.
 */
#include "sshd/penalty.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

#define PENALTY_BUCKETS 4096 /* 2 to the 12, see bucket() */
#define PENALTY_NONE UINT32_MAX

struct entry {
	uint8_t key[16];
	int64_t until; /* monotonic ms at which all of it is served */
	uint32_t next; /* in the bucket */
	uint32_t older, newer;
	bool active;   /* it reached PENALTY_LEAST_MS, and is served to its end */
};

struct penalty_table {
	size_t count, cap, max;
	uint64_t seed; /* so that nobody can choose addresses that share a bucket */
	uint32_t oldest, newest;
	struct entry *entries;
	uint32_t buckets[PENALTY_BUCKETS];
};

struct penalty_table *penalty_new(size_t max)
{
	struct penalty_table *t = mem_alloc(sizeof(*t));

	t->max = max;
	t->oldest = t->newest = PENALTY_NONE;
	memset(t->buckets, 0xff, sizeof(t->buckets));
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		t->seed = (uint64_t)(uintptr_t)t;
	return t;
}

void penalty_free(struct penalty_table *t)
{
	if (t)
		mem_free(t->entries);
	mem_free(t);
}

size_t penalty_count(const struct penalty_table *t)
{
	return t->count;
}

int64_t penalty_cost(enum penalty_kind kind)
{
	static const int64_t cost[] = {
	    [PENALTY_AUTH_FAILED] = 5000, [PENALTY_TRIES] = 15000, [PENALTY_NO_AUTH] = 1000,
	    [PENALTY_GRACE] = 10000,      [PENALTY_CRASH] = 90000,
	};
	return cost[kind];
}

static uint32_t *bucket(const struct penalty_table *t, const uint8_t key[16])
{
	uint64_t h = t->seed, part;

	for (int i = 0; i < 16; i += 8) {
		memcpy(&part, key + i, 8);
		h = (h ^ part) * 0x9e3779b97f4a7c15ULL;
		h = (h ^ h >> 32) * 0xd6e8feb86659fd93ULL; /* the last bytes differ most */
	}
	return (uint32_t *)&t->buckets[h >> 52];
}

static uint32_t find(const struct penalty_table *t, const uint8_t key[16])
{
	uint32_t i = *bucket(t, key);

	while (i != PENALTY_NONE && memcmp(t->entries[i].key, key, 16) != 0)
		i = t->entries[i].next;
	return i;
}

static void list_out(struct penalty_table *t, uint32_t i)
{
	struct entry *e = &t->entries[i];

	if (e->older == PENALTY_NONE)
		t->oldest = e->newer;
	else
		t->entries[e->older].newer = e->newer;
	if (e->newer == PENALTY_NONE)
		t->newest = e->older;
	else
		t->entries[e->newer].older = e->older;
}

static void list_newest(struct penalty_table *t, uint32_t i)
{
	t->entries[i].older = t->newest;
	t->entries[i].newer = PENALTY_NONE;
	if (t->newest != PENALTY_NONE)
		t->entries[t->newest].newer = i;
	else
		t->oldest = i;
	t->newest = i;
}

/* An entry to fill: a new one, or the oldest, taken out of its bucket. */
static uint32_t take(struct penalty_table *t)
{
	uint32_t i, *link;

	if (t->count < t->max) {
		if (t->count == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 64;
			t->entries = mem_resize(t->entries, t->cap, sizeof(*t->entries));
		}
		return (uint32_t)t->count++;
	}
	i = t->oldest;
	list_out(t, i);
	for (link = bucket(t, t->entries[i].key); *link != i; link = &t->entries[*link].next)
		;
	*link = t->entries[i].next;
	return i;
}

/* A new entry for this source, as the newest. */
static uint32_t put_in(struct penalty_table *t, const uint8_t key[16])
{
	uint32_t i = take(t), *head = bucket(t, key);
	struct entry *e = &t->entries[i];

	memset(e, 0, sizeof(*e));
	memcpy(e->key, key, sizeof(e->key));
	e->next = *head;
	*head = i;
	list_newest(t, i);
	return i;
}

bool penalty_record(const struct penalty_table *t, size_t i, struct penalty_record *out)
{
	if (i >= t->count)
		return false;
	memcpy(out->key, t->entries[i].key, sizeof(out->key));
	out->until = t->entries[i].until;
	out->active = t->entries[i].active;
	return true;
}

void penalty_restore(struct penalty_table *t, const struct penalty_record *r)
{
	uint32_t i;

	if (find(t, r->key) != PENALTY_NONE)
		return;
	i = put_in(t, r->key);
	t->entries[i].until = r->until;
	t->entries[i].active = r->active;
}

int64_t penalty_add(struct penalty_table *t, const struct addr *a, enum penalty_kind kind,
    int64_t now_ms)
{
	uint32_t i = find(t, a->key);
	struct entry *e;

	if (i == PENALTY_NONE) {
		i = put_in(t, a->key);
	} else {
		list_out(t, i);
		list_newest(t, i);
	}
	e = &t->entries[i];
	if (e->until <= now_ms) {
		e->until = now_ms;
		e->active = false;
	}
	e->until += penalty_cost(kind);
	if (e->until > now_ms + PENALTY_MOST_MS)
		e->until = now_ms + PENALTY_MOST_MS;
	if (e->until - now_ms >= PENALTY_LEAST_MS)
		e->active = true;
	return e->active ? e->until - now_ms : 0;
}

int64_t penalty_left(const struct penalty_table *t, const struct addr *a, int64_t now_ms)
{
	uint32_t i = find(t, a->key);

	if (i == PENALTY_NONE || !t->entries[i].active || t->entries[i].until <= now_ms)
		return 0;
	return t->entries[i].until - now_ms;
}

int64_t penalty_pending(const struct penalty_table *t, const struct addr *a, int64_t now_ms)
{
	uint32_t i = find(t, a->key);

	return i == PENALTY_NONE || t->entries[i].until <= now_ms ? 0 : t->entries[i].until - now_ms;
}
