/* What handlers ask of a request, and answers kept for a repeated Idempotency-Key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "engine/idem.h"
#include "engine/request.h"
#include "engine/store.h"

static struct request
with_query(const char *name, const char *value)
{
	struct request r = {.query = json_object()};

	json_object_set_new(r.query, name, json_string(value));
	return r;
}

static void
numbers_in_the_query_have_a_range(void **state)
{
	static const struct {
		const char *text;
		int rc;
		int64_t value;
	} cases[] = {{"1", 0, 1}, {"1000", 0, 1000}, {"007", 0, 7}, {"0", -1, 0}, {"1001", -1, 0},
	    {"-1", -1, 0}, {"+1", -1, 0}, {" 1", -1, 0}, {"1 ", -1, 0}, {"1e2", -1, 0}, {"", -1, 0},
	    {"0x10", -1, 0}, {"99999999999999999999999", -1, 0}};

	for (size_t i = 0; i < CL_COUNT(cases); i++) {
		struct request r = with_query("limit", cases[i].text);
		struct cl_err err = {0};
		int64_t n;

		assert_int_equal(request_query_int(&r, "limit", 1, 1000, 50, &n, &err), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(n, cases[i].value);
		else
			assert_int_equal(err.code, CL_USAGE);
		assert_int_equal(request_query_int(&r, "other", 1, 1000, 50, &n, NULL), 0);
		assert_int_equal(n, 50);
		json_decref(r.query);
	}
}

static void
switches_and_environments_in_the_query(void **state)
{
	struct request r = with_query("force", "1"), bad = with_query("force", "yes");
	struct request prod = with_query("env", "prod"), stage = with_query("env", "stage");
	const char *env;
	bool on;

	assert_int_equal(request_query_bool(&r, "force", &on, NULL), 0);
	assert_true(on);
	assert_int_equal(request_query_bool(&r, "other", &on, NULL), 0);
	assert_false(on);
	assert_int_equal(request_query_bool(&bad, "force", &on, NULL), -1);
	assert_int_equal(request_query_env(&prod, &env, NULL), 0);
	assert_string_equal(env, "prod");
	assert_int_equal(request_query_env(&r, &env, NULL), 0);
	assert_string_equal(env, "");
	assert_int_equal(request_query_env(&stage, &env, NULL), -1);
	json_decref(r.query);
	json_decref(bad.query);
	json_decref(prod.query);
	json_decref(stage.query);
}

static void
fields_of_the_body_may_be_absent(void **state)
{
	struct request r = {.body = json_pack("{s:s, s:i, s:b, s:n}", "name", "shop", "was", 3, "dry_run",
	    1, "gone")};
	struct request empty = {0};

	assert_string_equal(request_str(&r, "name"), "shop");
	assert_null(request_str(&r, "was"));
	assert_int_equal(request_int(&r, "was", 9), 3);
	assert_int_equal(request_int(&r, "web", 9), 9);
	assert_true(request_bool(&r, "dry_run"));
	assert_true(request_has(&r, "was"));
	assert_false(request_has(&r, "gone"));
	assert_false(request_has(&r, "web"));
	assert_null(request_str(&empty, "name"));
	assert_int_equal(request_int(&empty, "was", 4), 4);
	assert_false(request_bool(&empty, "dry_run"));
	assert_string_equal(request_param(&empty, "project"), "");
	json_decref(r.body);
}

static struct request
keyed(enum route_id id, int64_t user, const char *key, const char *hash)
{
	struct request r = {.route = &route_table[id], .caller = {.id = user}};

	mem_copy_str(r.idem, sizeof r.idem, key);
	mem_copy_str(r.hash, sizeof r.hash, hash);
	return r;
}

static void
an_answer_is_given_again(void **state)
{
	struct store *s = store_open(":memory:", NULL);
	struct request r = keyed(ROUTE_PROJECT_CREATE, 5, "k1", "aa");
	struct request other_user = keyed(ROUTE_PROJECT_CREATE, 6, "k1", "aa");
	struct request other_body = keyed(ROUTE_PROJECT_CREATE, 5, "k1", "bb");
	json_t *body = json_pack("{s:i}", "id", 7);
	struct cl_err err = {0};
	char *text = NULL;
	int status = 0;

	assert_int_equal(idem_find(s, &r, &status, &text, NULL), 0);
	assert_int_equal(idem_save(s, &r, 200, body, NULL), 0);
	assert_int_equal(idem_find(s, &r, &status, &text, NULL), 1);
	assert_int_equal(status, 200);
	assert_string_equal(text, "{\"id\":7}");
	mem_free(text);
	text = NULL;
	assert_int_equal(idem_find(s, &other_user, &status, &text, NULL), 0);
	assert_int_equal(idem_find(s, &other_body, &status, &text, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	mem_free(text);
	json_decref(body);
	store_close(s);
}

static void
secrets_are_not_kept(void **state)
{
	struct store *s = store_open(":memory:", NULL);
	struct request r = keyed(ROUTE_INVITE, 5, "k1", "aa");
	json_t *body = json_pack("{s:s}", "code", "secret");
	struct cl_err err = {0};
	char *text = NULL;
	int status;

	assert_int_equal(idem_save(s, &r, 200, body, NULL), 0);
	assert_int_equal(store_number(s, -1,
	    "SELECT count(*) FROM idempotency WHERE reply LIKE '%secret%'", ""), 0);
	assert_int_equal(idem_find(s, &r, &status, &text, &err), -1);
	assert_int_equal(err.code, CL_CONFLICT);
	mem_free(text);
	json_decref(body);
	store_close(s);
}

static void
old_answers_go(void **state)
{
	struct store *s = store_open(":memory:", NULL);
	struct request r = keyed(ROUTE_PROJECT_CREATE, 5, "k1", "aa"), none = keyed(ROUTE_SHIP, 5, "", "");
	json_t *body = json_object();

	assert_int_equal(idem_save(s, &r, 200, body, NULL), 0);
	assert_int_equal(idem_save(s, &none, 200, body, NULL), 0);
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM idempotency", ""), 1);
	assert_int_equal(idem_prune(s, NULL), 0);
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM idempotency", ""), 1);
	assert_int_equal(store_run(s, NULL, "UPDATE idempotency SET created = 1", ""), 1);
	assert_int_equal(idem_prune(s, NULL), 0);
	assert_int_equal(store_number(s, 0, "SELECT count(*) FROM idempotency", ""), 0);
	json_decref(body);
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_in_the_query_have_a_range),
	    cmocka_unit_test(switches_and_environments_in_the_query),
	    cmocka_unit_test(fields_of_the_body_may_be_absent),
	    cmocka_unit_test(an_answer_is_given_again),
	    cmocka_unit_test(secrets_are_not_kept),
	    cmocka_unit_test(old_answers_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
