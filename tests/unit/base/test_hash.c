/* An index over structs: what was put in is found, in its order, through growth and removal, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"

#define MANY 5000

struct thing {
	char name[16];
	int group;
	struct hash_node by_name, by_group;
};

static struct thing *find(const struct hash *h, const char *name)
{
	for (struct hash_node *n = hash_first(h, hash_text(name)); n != NULL; n = hash_next(n)) {
		struct thing *t = HASH_OF(n, struct thing, by_name);

		if (strcmp(t->name, name) == 0)
			return t;
	}
	return NULL;
}

static int group_size(const struct hash *h, int group)
{
	int size = 0;

	for (struct hash_node *n = hash_first(h, hash_number((uint64_t)group)); n != NULL; n = hash_next(n)) {
		assert_int_equal(HASH_OF(n, struct thing, by_group)->group, group);
		size++;
	}
	return size;
}

static void an_empty_one_finds_nothing(void **state)
{
	struct hash h = { 0 };

	assert_null(hash_first(&h, 0));
	assert_null(hash_first(&h, hash_text("a")));
	hash_clear(&h);
	hash_clear(&h);
}

static void many_are_found_by_each_key(void **state)
{
	struct thing *things = mem_array(MANY, sizeof(*things));
	struct hash by_name = { 0 }, by_group = { 0 };

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(things[i].name, sizeof(things[i].name), "p%d", i);
		things[i].group = i % 10;
		hash_add(&by_name, &things[i].by_name, hash_text(things[i].name));
		hash_add(&by_group, &things[i].by_group, hash_number((uint64_t)things[i].group));
	}
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(find(&by_name, things[i].name), &things[i]);
	assert_null(find(&by_name, "p5000"));
	assert_null(find(&by_name, ""));
	assert_int_equal(group_size(&by_group, 3), MANY / 10);
	assert_int_equal(group_size(&by_group, 10), 0);
	for (int i = 0; i < MANY; i += 2) {
		hash_remove(&by_name, &things[i].by_name);
		hash_remove(&by_group, &things[i].by_group);
	}
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(find(&by_name, things[i].name), i % 2 == 0 ? NULL : &things[i]);
	assert_int_equal(group_size(&by_group, 3), MANY / 10);
	assert_int_equal(group_size(&by_group, 4), 0);
	assert_int_equal(by_name.n, MANY / 2);
	hash_clear(&by_name);
	hash_clear(&by_group);
	mem_free(things);
}

/* Also while the index grows around them. */
static void those_of_one_key_stay_in_order(void **state)
{
	struct thing *things = mem_array(MANY, sizeof(*things));
	struct hash h = { 0 };
	int at = 0;

	for (int i = 0; i < MANY; i++)
		hash_add(&h, &things[i].by_group, i % 100 == 0 ? hash_number(7) : hash_number((uint64_t)i + 100));
	hash_remove(&h, &things[200].by_group);
	for (struct hash_node *n = hash_first(&h, hash_number(7)); n != NULL; n = hash_next(n), at += 100) {
		at += at == 200 ? 100 : 0;
		assert_ptr_equal(HASH_OF(n, struct thing, by_group), &things[at]);
	}
	assert_int_equal(at, MANY);
	hash_clear(&h);
	mem_free(things);
}

/* Two keys in one bucket, and two that are the same number: only the asked one's are given. */
static void what_shares_a_bucket_is_told_apart(void **state)
{
	struct thing a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };
	struct hash h = { 0 };

	hash_add(&h, &a.by_name, 1);
	hash_add(&h, &b.by_name, 17);
	hash_add(&h, &c.by_name, 1);
	assert_int_equal(h.size, 16);
	assert_ptr_equal(hash_first(&h, 1), &a.by_name);
	assert_ptr_equal(hash_next(&a.by_name), &c.by_name);
	assert_null(hash_next(&c.by_name));
	assert_ptr_equal(hash_first(&h, 17), &b.by_name);
	assert_null(hash_next(&b.by_name));
	assert_null(hash_first(&h, 33));
	hash_remove(&h, &a.by_name);
	assert_ptr_equal(hash_first(&h, 1), &c.by_name);
	hash_add(&h, &a.by_name, 1); /* now the youngest */
	assert_ptr_equal(hash_next(&c.by_name), &a.by_name);
	hash_clear(&h);
}

/* Names that count up, as ours do, fall into different buckets. */
static void like_names_spread(void **state)
{
	int used[1024] = { 0 }, most = 0;
	char name[32];

	for (int i = 0; i < 1024; i++) {
		(void)snprintf(name, sizeof(name), "p%d-prod-was-1-r1", i);
		if (++used[hash_text(name) & 1023] > most)
			most = used[hash_text(name) & 1023];
	}
	assert_true(most < 12);
	assert_true(hash_both(1, 2) != hash_both(2, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_finds_nothing),
		cmocka_unit_test(many_are_found_by_each_key),
		cmocka_unit_test(those_of_one_key_stay_in_order),
		cmocka_unit_test(what_shares_a_bucket_is_told_apart),
		cmocka_unit_test(like_names_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
