/* Chains in buckets, as many buckets as nodes; see hash.h. */
#include "base/hash.h"

#include "base/mem.h"

#define HASH_FEWEST 16

static void hash_grow(struct hash *h);
static void hash_append(struct hash *h, struct hash_node *n);

void hash_clear(struct hash *h)
{
	mem_free(h->buckets);
	*h = (struct hash){ 0 };
}

void hash_add(struct hash *h, struct hash_node *n, uint64_t key)
{
	if (h->n >= h->size)
		hash_grow(h);
	n->hash = key;
	hash_append(h, n);
	h->n++;
}

void hash_remove(struct hash *h, struct hash_node *n)
{
	struct hash_node **at = &h->buckets[n->hash & (h->size - 1)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->next = NULL;
	h->n--;
}

struct hash_node *hash_first(const struct hash *h, uint64_t key)
{
	struct hash_node *n = h->size > 0 ? h->buckets[key & (h->size - 1)] : NULL;

	while (n != NULL && n->hash != key)
		n = n->next;
	return n;
}

struct hash_node *hash_next(const struct hash_node *n)
{
	struct hash_node *next = n->next;

	while (next != NULL && next->hash != n->hash)
		next = next->next;
	return next;
}

/* FNV-1a, whose low bits are mixed once more. */
uint64_t hash_text(const char *s)
{
	uint64_t h = 14695981039346656037u;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return hash_number(h);
}

/* The finisher of MurmurHash3. */
uint64_t hash_number(uint64_t n)
{
	n = (n ^ (n >> 33)) * 0xff51afd7ed558ccdu;
	n = (n ^ (n >> 33)) * 0xc4ceb9fe1a85ec53u;
	return n ^ (n >> 33);
}

uint64_t hash_both(uint64_t a, uint64_t b)
{
	return hash_number(a * 31 + b);
}

static void hash_grow(struct hash *h)
{
	struct hash old = *h;

	h->size = old.size > 0 ? old.size * 2 : HASH_FEWEST;
	h->buckets = mem_array(h->size, sizeof(*h->buckets));
	for (size_t i = 0; i < old.size; i++)
		for (struct hash_node *n = old.buckets[i], *next; n != NULL; n = next) {
			next = n->next;
			hash_append(h, n);
		}
	mem_free(old.buckets);
}

/* At the end of its bucket: those of one key stay in their order. */
static void hash_append(struct hash *h, struct hash_node *n)
{
	struct hash_node **at = &h->buckets[n->hash & (h->size - 1)];

	while (*at != NULL)
		at = &(*at)->next;
	*at = n;
	n->next = NULL;
}
