/* A mirror that follows a watch equals a fresh list: cuts, doubles, 410, nonsense, floods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/kube_mirror.h"

static int came, went;

static void changed(void *arg, const json_t *object, bool gone)
{
	came += !gone;
	went += gone;
}

static char *event(const char *type, const char *name, int version, const char *phase)
{
	return mem_printf("{\"type\":\"%s\",\"object\":{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\","
	    "\"resourceVersion\":\"%d\"},\"status\":{\"phase\":\"%s\"}}}\n", type, name, version, phase);
}

static const char *phase_of(struct kube_mirror *m, const char *key)
{
	const char *s = json_string_value(json_object_get(json_object_get(json_object_get(m->objects, key),
	    "status"), "phase"));

	return s ? s : "";
}

static void follows(void **state)
{
	struct kube_mirror m;
	json_t *items = json_pack("[{s:{s:s, s:s, s:s}}]", "metadata", "name", "a", "namespace", "ns",
	    "resourceVersion", "1");

	came = went = 0;
	kube_mirror_init(&m);
	m.changed = changed;
	kube_mirror_reset(&m, items, "5");
	assert_int_equal(came, 1);
	assert_string_equal(m.version, "5");
	for (int i = 0; i < 2; i++) { /* the second time nothing is new */
		cl_autofree char *one = event("ADDED", "b", 6, "Pending"), *two = event("MODIFIED", "b", 7,
		    "Running"), *three = event("BOOKMARK", "", 9, "");

		if (i == 0)
			assert_int_equal(kube_mirror_feed(&m, one, strlen(one)), KUBE_MIRROR_OK);
		assert_int_equal(kube_mirror_feed(&m, two, strlen(two)), KUBE_MIRROR_OK);
		assert_int_equal(kube_mirror_feed(&m, three, strlen(three)), KUBE_MIRROR_OK);
	}
	assert_int_equal(came, 3);
	assert_string_equal(m.version, "9");
	assert_string_equal(phase_of(&m, "ns/b"), "Running");
	{
		cl_autofree char *gone = event("DELETED", "b", 10, "Running");

		assert_int_equal(kube_mirror_feed(&m, gone, strlen(gone)), KUBE_MIRROR_OK);
		assert_int_equal(kube_mirror_feed(&m, gone, strlen(gone)), KUBE_MIRROR_OK);
	}
	assert_int_equal(went, 1);
	assert_int_equal(json_object_size(m.objects), 1);
	/* a list says of what went meanwhile */
	json_array_clear(items);
	kube_mirror_reset(&m, items, "20");
	assert_int_equal(went, 2);
	assert_int_equal(json_object_size(m.objects), 0);
	json_decref(items);
	kube_mirror_clear(&m);
}

/* Whatever the pieces in which a stream comes, the end is the same. */
static void pieces(void **state)
{
	cl_autofree char *a = event("ADDED", "a", 2, "Pending"), *b = event("ADDED", "b", 3, "Pending"),
	    *c = event("DELETED", "a", 4, "Failed"), *all = mem_printf("%s%s\n%s", a, b, c);

	for (size_t step = 1; step < strlen(all); step += 7) {
		struct kube_mirror m;

		kube_mirror_init(&m);
		for (size_t at = 0; at < strlen(all); at += step) {
			size_t n = strlen(all) - at < step ? strlen(all) - at : step;

			assert_int_equal(kube_mirror_feed(&m, all + at, n), KUBE_MIRROR_OK);
		}
		assert_int_equal(json_object_size(m.objects), 1);
		assert_string_equal(phase_of(&m, "ns/b"), "Pending");
		assert_string_equal(m.version, "4");
		kube_mirror_clear(&m);
	}
}

/* A cut line is forgotten, and the watch goes on from what was whole. */
static void cut(void **state)
{
	cl_autofree char *a = event("ADDED", "a", 2, "Pending"), *b = event("ADDED", "b", 3, "Pending");
	struct kube_mirror m;

	kube_mirror_init(&m);
	assert_int_equal(kube_mirror_feed(&m, a, strlen(a)), KUBE_MIRROR_OK);
	assert_int_equal(kube_mirror_feed(&m, b, strlen(b) / 2), KUBE_MIRROR_OK);
	kube_mirror_cut(&m);
	assert_string_equal(m.version, "2");
	assert_int_equal(kube_mirror_feed(&m, b, strlen(b)), KUBE_MIRROR_OK);
	assert_int_equal(json_object_size(m.objects), 2);
	kube_mirror_clear(&m);
}

static void list_again(void **state)
{
	static const char *const bad[] = {
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n",
		"{\"type\":\"ADDED\"\n", "[]\n", "{}\n", "\xff\xfe\n",
		"{\"type\":\"RENAMED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n",
	};

	for (size_t i = 0; i < CL_COUNT(bad); i++) {
		cl_autofree char *a = event("ADDED", "a", 2, "Running");
		struct kube_mirror m;

		kube_mirror_init(&m);
		assert_int_equal(kube_mirror_feed(&m, a, strlen(a)), KUBE_MIRROR_OK);
		assert_int_equal(kube_mirror_feed(&m, bad[i], strlen(bad[i])), KUBE_MIRROR_GONE);
		assert_string_equal(m.version, "");
		assert_string_equal(phase_of(&m, "ns/a"), "Running"); /* what was known stays */
		kube_mirror_clear(&m);
	}
}

/* An object without end does not fill the memory. */
static void flood(void **state)
{
	struct kube_mirror m;
	enum kube_mirror_result r = KUBE_MIRROR_OK;
	static char part[65536];
	size_t given = 0;

	memset(part, 'x', sizeof(part));
	kube_mirror_init(&m);
	while (r == KUBE_MIRROR_OK && given < 4 * (size_t)KUBE_MIRROR_LINE_MAX) {
		r = kube_mirror_feed(&m, part, sizeof(part));
		given += sizeof(part);
		assert_true(m.line.cap <= 2 * (size_t)KUBE_MIRROR_LINE_MAX);
	}
	assert_int_equal(r, KUBE_MIRROR_GONE);
	kube_mirror_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows), cmocka_unit_test(pieces), cmocka_unit_test(cut),
		cmocka_unit_test(list_again), cmocka_unit_test(flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
