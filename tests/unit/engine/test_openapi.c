/* The printed interface: every route and schema is in it, every reference leads somewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/openapi.h"
#include "engine/route.h"
#include "engine/schema.h"

static json_t *api, *schemas;

static int setup(void **state)
{
	(void)state;
	api = openapi_json("1.2.3");
	schemas = json_object_get(json_object_get(api, "components"), "schemas");
	return json_is_object(schemas) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(api);
	return 0;
}

static json_t *operation(const struct route *r)
{
	char method[8] = "";

	for (size_t i = 0; r->method[i] != '\0' && i < sizeof(method) - 1; i++)
		method[i] = (char)tolower((unsigned char)r->method[i]);
	return json_object_get(json_object_get(json_object_get(api, "paths"), r->path), method);
}

static void the_head_says_what_it_is(void **state)
{
	json_t *info = json_object_get(api, "info");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(api, "openapi")), "3.1.0");
	assert_string_equal(json_string_value(json_object_get(info, "version")), "1.2.3");
	assert_true(json_is_string(json_object_get(info, "title")));
}

/* Walks everything; references must be to schemas that are there. */
static int check_refs(const json_t *v)
{
	static const char head[] = "#/components/schemas/";
	const char *key;
	json_t *item;
	int n = 0;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach(v, i, item)
			n += check_refs(item);
		return n;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, item) {
		const char *to = json_string_value(item);

		if (strcmp(key, "$ref") != 0) {
			n += check_refs(item);
			continue;
		}
		assert_non_null(to);
		if (strncmp(to, head, sizeof(head) - 1) != 0 ||
		    json_object_get(schemas, to + sizeof(head) - 1) == NULL)
			fail_msg("%s leads nowhere", to);
		assert_int_equal(json_object_size(v), 1); /* nothing beside a reference */
		n++;
	}
	return n;
}

static void every_reference_leads_somewhere(void **state)
{
	(void)state;
	assert_true(check_refs(api) > ROUTE_COUNT);
}

static void every_route_is_there_once_with_its_name(void **state)
{
	json_t *paths = json_object_get(api, "paths"), *path;
	size_t n = 0;
	const char *key;

	(void)state;
	for (int i = 0; i < ROUTE_COUNT; i++) {
		json_t *o = operation(&route_table[i]);

		if (o == NULL)
			fail_msg("%s is missing", route_table[i].name);
		assert_string_equal(json_string_value(json_object_get(o, "operationId")),
		    route_table[i].name);
		assert_true(json_string_length(json_object_get(o, "summary")) > 5);
	}
	json_object_foreach(paths, key, path) {
		assert_int_equal(key[0], '/');
		n += json_object_size(path);
	}
	assert_int_equal(n, ROUTE_COUNT);
}

/* {x} in the path = a required parameter, and no other of that kind. */
static void path_parameters_are_declared(void **state)
{
	(void)state;
	for (int i = 0; i < ROUTE_COUNT; i++) {
		json_t *list = json_object_get(operation(&route_table[i]), "parameters"), *p;
		size_t k, in_path = 0, braces = 0;

		for (const char *c = route_table[i].path; *c != '\0'; c++)
			braces += *c == '{';
		json_array_foreach(list, k, p) {
			const char *name = json_string_value(json_object_get(p, "name"));
			const char *in = json_string_value(json_object_get(p, "in"));
			cl_autofree char *brace = mem_printf("{%s}", name);

			assert_true(json_is_object(json_object_get(p, "schema")));
			assert_string_not_equal(name, "");
			if (strcmp(in, "path") != 0) {
				assert_string_equal(in, "query");
				assert_true(json_is_false(json_object_get(p, "required")));
				continue;
			}
			in_path++;
			assert_true(json_is_true(json_object_get(p, "required")));
			if (strstr(route_table[i].path, brace) == NULL)
				fail_msg("%s has no %s", route_table[i].path, brace);
		}
		assert_int_equal(in_path, braces);
	}
}

static void query_parameters_come_from_the_summary(void **state)
{
	static const struct {
		enum route_id id;
		const char *names[5];
	} rows[] = {
		{ ROUTE_EVENTS, { "project", "op", "since", "presence" } }, { ROUTE_STATUS, { "env" } },
		{ ROUTE_LOGS, { "tier", "n", "env", "follow" } }, { ROUTE_CHAT_LS, { "limit", "before" } },
		{ ROUTE_OP_LS, { "project", "limit" } }, { ROUTE_USER_RM, { "force" } },
		{ ROUTE_INFO, { NULL } }, { ROUTE_AUDIT, { "limit", "user", "verb" } },
	};

	(void)state;
	for (size_t i = 0; i < CL_COUNT(rows); i++) {
		json_t *list = json_object_get(operation(&route_table[rows[i].id]), "parameters"), *p;
		size_t k, n = 0;

		json_array_foreach(list, k, p) {
			if (strcmp(json_string_value(json_object_get(p, "in")), "query") != 0)
				continue;
			assert_non_null(rows[i].names[n]);
			assert_string_equal(json_string_value(json_object_get(p, "name")),
			    rows[i].names[n]);
			n++;
		}
		assert_null(rows[i].names[n]);
	}
}

static void bodies_and_replies_name_their_schema(void **state)
{
	(void)state;
	for (int i = 0; i < ROUTE_COUNT; i++) {
		const struct route *r = &route_table[i];
		json_t *o = operation(r), *replies = json_object_get(o, "responses"), *reply;
		const char *status;

		assert_int_equal(json_object_get(o, "requestBody") != NULL, r->body[0] != '\0');
		if (strcmp(r->method, "GET") == 0)
			assert_null(json_object_get(o, "requestBody"));
		assert_non_null(json_object_get(replies, "default"));
		assert_true(json_object_size(replies) >= 2);
		json_object_foreach(replies, status, reply) {
			assert_true(strcmp(status, "200") == 0 || strcmp(status, "202") == 0 ||
			    strcmp(status, "default") == 0);
			assert_true(json_is_string(json_object_get(reply, "description")));
			assert_int_equal(json_object_size(json_object_get(reply, "content")), 1);
		}
		assert_int_equal(json_object_get(replies, "202") != NULL,
		    strcmp(r->reply, "Op") == 0 && strcmp(r->method, "GET") != 0);
	}
}

static void every_schema_is_an_object_of_described_fields(void **state)
{
	const struct schema *s;
	int n = 0;

	(void)state;
	for (; (s = schema_at(n)) != NULL; n++) {
		json_t *o = json_object_get(schemas, s->name), *required, *name;
		size_t i;

		assert_non_null(o);
		assert_true(json_is_false(json_object_get(o, "additionalProperties")));
		assert_int_equal(json_object_size(json_object_get(o, "properties")), s->nfields);
		required = json_object_get(o, "required");
		json_array_foreach(required, i, name)
			assert_non_null(json_object_get(json_object_get(o, "properties"),
			    json_string_value(name)));
	}
	assert_int_equal(json_object_size(schemas), n);
}

/* A type is a known word, a list says of what, a range is not turned round. */
static void check_type(const char *schema, const char *field, json_t *t)
{
	static const char *const types[] = { "string", "integer", "number", "boolean", "object", "array",
		"null" };
	static const char *const ranges[][2] = { { "minimum", "maximum" }, { "minLength", "maxLength" },
		{ "minItems", "maxItems" } };
	json_t *any = json_object_get(t, "anyOf"), *one;
	const char *type = json_string_value(json_object_get(t, "type"));
	bool known = json_object_get(t, "$ref") != NULL || any != NULL;
	size_t i;

	json_array_foreach(any, i, one)
		check_type(schema, field, one);
	for (i = 0; i < CL_COUNT(types); i++)
		known = known || (type != NULL && strcmp(type, types[i]) == 0);
	if (!known)
		fail_msg("%s.%s has no type", schema, field);
	if (type != NULL && strcmp(type, "array") == 0)
		check_type(schema, field, json_object_get(t, "items"));
	for (i = 0; i < CL_COUNT(ranges); i++) {
		json_t *lo = json_object_get(t, ranges[i][0]), *hi = json_object_get(t, ranges[i][1]);

		if (lo != NULL && hi != NULL && json_number_value(lo) > json_number_value(hi))
			fail_msg("%s.%s: its range is empty", schema, field);
	}
}

static void every_field_has_a_type_and_a_possible_range(void **state)
{
	const char *name, *field;
	json_t *s, *t;

	(void)state;
	json_object_foreach(schemas, name, s)
		json_object_foreach(json_object_get(s, "properties"), field, t)
			check_type(name, field, t);
}

static void it_survives_being_printed_and_read(void **state)
{
	cl_autofree char *text = json_dumps(api, JSON_COMPACT);
	json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	(void)state;
	assert_true(json_equal(api, again));
	json_decref(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_says_what_it_is),
		cmocka_unit_test(every_reference_leads_somewhere),
		cmocka_unit_test(every_route_is_there_once_with_its_name),
		cmocka_unit_test(path_parameters_are_declared),
		cmocka_unit_test(query_parameters_come_from_the_summary),
		cmocka_unit_test(bodies_and_replies_name_their_schema),
		cmocka_unit_test(every_schema_is_an_object_of_described_fields),
		cmocka_unit_test(every_field_has_a_type_and_a_possible_range),
		cmocka_unit_test(it_survives_being_printed_and_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
