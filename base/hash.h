/*
 * Finding one of many: an index over structs that live elsewhere.  A struct that is to be found holds a node for each key
 * that it is found by; the index holds the nodes by the hash of the key, in the order in which they came.  What a hash
 * finds may be another of the same hash: who asks compares.
 *
 *   for (struct hash_node *n = hash_first(&by_name, hash_text(name)); n; n = hash_next(n)) {
 *           struct thing *t = HASH_OF(n, struct thing, by_name);
 *           if (strcmp(t->name, name) == 0) ...
 *
 * Not for keys that strangers choose: the function is no secret.  Not thread-safe.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **buckets; /* heap; NULL while empty */
	size_t size;                /* of them: a power of two */
	size_t n;
};

/* The struct that holds node as its member. */
#define HASH_OF(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

/* An index is empty when it is zeroed.  Clearing leaves the structs alone. */
void hash_clear(struct hash *h);
/* The node must not move or go while it is in. */
void hash_add(struct hash *h, struct hash_node *n, uint64_t key);
/* It must be in. */
void hash_remove(struct hash *h, struct hash_node *n);
/* Those added with this very key, the oldest first; NULL after the last. */
struct hash_node *hash_first(const struct hash *h, uint64_t key);
struct hash_node *hash_next(const struct hash_node *n);

/* Keys. */
uint64_t hash_text(const char *s);
uint64_t hash_number(uint64_t n);
uint64_t hash_both(uint64_t a, uint64_t b);

#endif
