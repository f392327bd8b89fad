/* What pods use, as the metrics API says it: quantities, sums, what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/kube_metrics.h"

static bool near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

static void quantities_have_units(void **state)
{
	static const struct {
		const char *text;
		double is;
	} cases[] = { { "0", 0 }, { "2", 2 }, { "250m", 0.25 }, { "12345678n", 0.012345678 }, { "1500u", 0.0015 },
		{ "64Ki", 65536 }, { "10Mi", 10485760 }, { "1G", 1e9 }, { "1e3", 1000 }, { "0.5", 0.5 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(near(kube_metrics_quantity(cases[i].text), cases[i].is));
}

static void what_is_no_quantity_is_refused(void **state)
{
	static const char *const texts[] = { "", "m", "-1", "1x", "1 Mi", "nan", "inf", "1e999", "Mi", "+5" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(kube_metrics_quantity(texts[i]) < 0);
	assert_true(kube_metrics_quantity(NULL) < 0);
}

static json_t *read_list(const char *text)
{
	json_t *list = json_loads(text, 0, NULL), *out = kube_metrics_read(list);

	json_decref(list);
	return out;
}

static void containers_are_added_up(void **state)
{
	json_t *m = read_list("{\"items\":[{\"metadata\":{\"namespace\":\"ns\",\"name\":\"was-1\"},\"containers\":["
	    "{\"usage\":{\"cpu\":\"250m\",\"memory\":\"10Mi\"}},{\"usage\":{\"cpu\":\"500m\",\"memory\":\"6Mi\"}}]}]}");
	struct backend_instance i = { .cpu = -1, .memory = -1 };

	kube_metrics_give(m, "ns", "was-1", &i);
	assert_true(near(i.cpu, 75));
	assert_int_equal(i.memory, 16 << 20);
	json_decref(m);
}

static void the_unknown_stays_unknown(void **state)
{
	json_t *m = read_list("{\"items\":[{\"metadata\":{\"namespace\":\"ns\",\"name\":\"new\"},\"containers\":[]},"
	    "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"odd\"},\"containers\":[{\"usage\":{\"cpu\":\"x\"}}]},7]}");
	struct backend_instance i = { .cpu = -1, .memory = -1 };

	kube_metrics_give(m, "ns", "new", &i);
	kube_metrics_give(m, "ns", "odd", &i);
	kube_metrics_give(m, "other", "was-1", &i);
	kube_metrics_give(NULL, "ns", "new", &i);
	assert_true(i.cpu < 0);
	assert_int_equal(i.memory, -1);
	json_decref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_have_units),
		cmocka_unit_test(what_is_no_quantity_is_refused),
		cmocka_unit_test(containers_are_added_up),
		cmocka_unit_test(the_unknown_stays_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
