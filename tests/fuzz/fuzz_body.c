/* link: cl_engine cl_images cl_base */
/*
 * Z8: every body of the REST interface.  Bodies are built from the schemas themselves, field by
 * field, with each value right, missing, null, of another type or just past a bound; what was built
 * knows whether it may pass, and the check must say the same, also of what it prints as JSON.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/schema.h"

#define LONG 5000 /* bytes of the longest string that is made */
#define NEST 4

struct in {
	const uint8_t *p;
	size_t n;
};

static unsigned pick(struct in *in, unsigned below)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++ % below;
}

static json_t *text_of(size_t n)
{
	cl_autofree char *s = mem_alloc(n + 1);

	memset(s, 'x', n);
	s[n] = '\0';
	return json_string(s);
}

/* What is none of the kinds that a field may be. */
static json_t *odd(struct in *in, const char *type)
{
	bool text = strcmp(type, "STR") == 0 || strcmp(type, "NAME") == 0 || strcmp(type, "TIME") == 0;
	json_t *o;

	switch (pick(in, 4)) {
	case 0:
		return text ? json_integer(7) : json_string("7");
	case 1:
		return strncmp(type, "LIST_", 5) == 0 ? json_object() : json_array();
	case 2:
		return strcmp(type, "BOOL") == 0 ? json_integer(1) : json_true();
	default:
		if (strncmp(type, "OBJ_", 4) != 0)
			return json_object();
		o = json_array();
		json_array_append_new(o, json_object());
		return o;
	}
}

/* A length or number at a bound, within it or one past it; *good is cleared where it is past. */
static double bounded(struct in *in, const struct schema_field *f, double floor, bool *good)
{
	const double tries[] = {f->min, f->max, (f->min + f->max) / 2, f->min - 1, f->max + 1, f->min + 1};
	double v = tries[pick(in, CL_COUNT(tries))];

	v = v < floor ? floor : v;
	v = (double)(int64_t)v;
	*good = *good && v >= f->min && v <= f->max;
	return v;
}

static json_t *make_name(struct in *in, bool *good)
{
	static const char *const names[] = {"a", "shop", "a-b-1", "abcdefghijklmnopqrstuvwxyz01234"};
	static const char *const bad[] = {"", "A", "1a", "-a", "a_b", "a.b", "../a", "a b", "a\n",
	    "abcdefghijklmnopqrstuvwxyz012345", "\xea\xb0\x80", "a'--"};

	if (pick(in, 4) > 0)
		return json_string(names[pick(in, CL_COUNT(names))]);
	*good = false;
	return json_string(bad[pick(in, CL_COUNT(bad))]);
}

static json_t *make_object(struct in *in, const struct schema *s, int nest, bool *good);

static json_t *make_list(struct in *in, const struct schema_field *f, int nest, bool *good)
{
	const struct schema *of = schema_find(f->type + 5);
	json_t *list = json_array();
	unsigned n = pick(in, 4);

	/* long lists are made of one thing */
	if (pick(in, 8) == 0 && f->max < 300)
		n = (unsigned)bounded(in, f, 0, good);
	*good = *good && n >= f->min && n <= f->max;
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, !of ? text_of(pick(in, 30))
		    : make_object(n > 4 ? &(struct in){NULL, 0} : in, of, nest + 1, good));
	return list;
}

static json_t *make_map(struct in *in, const struct schema_field *f, bool *good)
{
	json_t *o = json_object();

	for (unsigned n = pick(in, 4); n > 0; n--) {
		char key[3] = {(char)('A' + n), (char)('a' + pick(in, 20)), '\0'};

		json_object_set_new(o, key, pick(in, 3) ? text_of(pick(in, 200)) : json_null());
	}
	*good = *good && (double)json_object_size(o) <= f->max;
	if (pick(in, 6) == 0) {
		json_object_set_new(o, "odd", odd(in, "STR"));
		*good = false;
	}
	return o;
}

static json_t *make(struct in *in, const struct schema_field *f, int nest, bool *good)
{
	const char *t = f->type;
	bool fits = true;
	double v;

	switch (pick(in, 8)) {
	case 0:
		*good = *good && f->flag == SCHEMA_NUL;
		return json_null();
	case 1:
		*good = false;
		return odd(in, t);
	default:
		break;
	}
	if (strcmp(t, "NAME") == 0)
		return make_name(in, good);
	if (strcmp(t, "TIME") == 0)
		return json_string("2026-01-01T00:00:00Z");
	if (strcmp(t, "STR") == 0) {
		v = bounded(in, f, 0, &fits);
		v = v > LONG ? LONG : v;
		*good = *good && v >= f->min && v <= f->max;
		return text_of((size_t)v);
	}
	if (strcmp(t, "INT") == 0)
		return json_integer((json_int_t)bounded(in, f, -1e16, good));
	if (strcmp(t, "NUM") == 0)
		return json_real(bounded(in, f, -1e16, good));
	if (strcmp(t, "BOOL") == 0)
		return json_boolean(pick(in, 2));
	if (strcmp(t, "OBJ_KV") == 0)
		return make_map(in, f, good);
	if (strcmp(t, "OBJ_ANY") == 0)
		return json_object();
	if (strncmp(t, "LIST_", 5) == 0)
		return make_list(in, f, nest, good);
	return make_object(in, schema_find(t + 4), nest + 1, good);
}

static json_t *make_object(struct in *in, const struct schema *s, int nest, bool *good)
{
	json_t *o = json_object();

	if (nest > NEST) {
		*good = false;
		json_object_set_new(o, "deep", json_true());
		return o;
	}
	for (int i = 0; i < s->nfields; i++) {
		const struct schema_field *f = &s->fields[i];

		if (pick(in, 8) == 7 || (f->flag != SCHEMA_REQ && pick(in, 2))) {
			*good = *good && f->flag != SCHEMA_REQ;
			continue;
		}
		json_object_set_new(o, f->name, make(in, f, nest, good));
	}
	if (pick(in, 16) == 15) {
		json_object_set_new(o, "no_such_field", json_true());
		*good = false;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct in in = {data, size};
	const struct schema *s;
	bool good = true;
	json_t *body, *back;
	char *text;
	int count = 0;

	while (schema_at(count))
		count++;
	s = schema_at((int)pick(&in, (unsigned)count));
	body = make_object(&in, s, 0, &good);
	if ((schema_check(s->name, body, NULL) == 0) != good)
		abort();
	text = json_dumps(body, JSON_COMPACT);
	back = schema_parse(text, strlen(text), NULL);
	if (!back || !json_equal(body, back) || (schema_check(s->name, back, NULL) == 0) != good)
		abort();
	mem_free(text);
	json_decref(body);
	json_decref(back);
	return 0;
}
