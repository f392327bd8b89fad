/* The interface as OpenAPI 3.1; see openapi.h. */
#include "engine/openapi.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/route.h"
#include "engine/schema.h"

static const char *const roles[] = {"none", "user", "teacher", "admin"};
static const char *const scopes[] = {"any", "self", "view", "edit", "operate", "own"};

static json_t *
ref(const char *schema)
{
	char path[128];

	snprintf(path, sizeof path, "#/components/schemas/%s", schema);
	return json_pack("{s:s}", "$ref", path);
}

static json_t *
word_type(void)
{
	return json_pack("{s:s}", "type", "string");
}

static json_t *
list_type(const struct schema_field *f)
{
	const char *of = f->type + strlen("LIST_");

	return json_pack("{s:s, s:o, s:I, s:I}", "type", "array", "items",
	    strcmp(of, "STR") == 0 ? word_type() : ref(of), "minItems", (json_int_t)f->min, "maxItems",
	    (json_int_t)f->max);
}

static json_t *
field_type(const struct schema_field *f)
{
	if (strcmp(f->type, "NAME") == 0)
		return json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", "^[a-z][a-z0-9-]{0,30}$",
		    "maxLength", 31);
	if (strcmp(f->type, "TIME") == 0)
		return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	if (strcmp(f->type, "STR") == 0)
		return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength", (json_int_t)f->min,
		    "maxLength", (json_int_t)f->max);
	if (strcmp(f->type, "INT") == 0)
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)f->min,
		    "maximum", (json_int_t)f->max);
	if (strcmp(f->type, "NUM") == 0)
		return json_pack("{s:s, s:f, s:f}", "type", "number", "minimum", f->min, "maximum", f->max);
	if (strcmp(f->type, "BOOL") == 0)
		return json_pack("{s:s}", "type", "boolean");
	if (strcmp(f->type, "OBJ_KV") == 0)
		return json_pack("{s:s, s:I, s:{s:[s,s]}}", "type", "object", "maxProperties",
		    (json_int_t)f->max, "additionalProperties", "type", "string", "null");
	if (strcmp(f->type, "OBJ_ANY") == 0)
		return json_pack("{s:s}", "type", "object");
	if (strncmp(f->type, "LIST_", 5) == 0)
		return list_type(f);
	return ref(f->type + strlen("OBJ_"));
}

static json_t *
field_json(const struct schema_field *f)
{
	json_t *t = field_type(f);

	if (f->flag == SCHEMA_NUL)
		t = json_pack("{s:[o, {s:s}]}", "anyOf", t, "type", "null");
	if (f->help[0] != '\0' && json_object_get(t, "$ref") == NULL)
		json_object_set_new(t, "description", json_string(f->help));
	return t;
}

static json_t *
schema_json(const struct schema *s)
{
	json_t *properties = json_object(), *required = json_array();

	for (int i = 0; i < s->nfields; i++) {
		json_object_set_new(properties, s->fields[i].name, field_json(&s->fields[i]));
		if (s->fields[i].flag == SCHEMA_REQ)
			json_array_append_new(required, json_string(s->fields[i].name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
	    required, "additionalProperties", 0);
}

static json_t *
content(json_t *schema)
{
	return json_pack("{s:{s:o}}", "application/json", "schema", schema);
}

/* {name} in the path, ?name= in the summary */
static json_t *
parameters(const struct route *r)
{
	json_t *list = json_array();
	char name[32];
	size_t n;

	for (const char *p = r->path; (p = strchr(p, '{')) != NULL; p += n) {
		n = strcspn(++p, "}");
		snprintf(name, sizeof name, "%.*s", (int)n, p);
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o}", "name", name, "in", "path",
		    "required", 1, "schema", word_type()));
	}
	for (const char *p = r->summary; (p = strchr(p, '?')) != NULL; p += n) {
		n = strspn(++p, "abcdefghijklmnopqrstuvwxyz_");
		if (n == 0 || p[n] != '=')
			continue;
		snprintf(name, sizeof name, "%.*s", (int)n, p);
		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o}", "name", name, "in", "query",
		    "required", 0, "schema", word_type()));
	}
	return list;
}

static json_t *
reply_json_of(const struct route *r)
{
	if (r->id == ROUTE_EVENTS)
		return json_pack("{s:s, s:{s:{s:o}}}", "description", "events", "content",
		    "text/event-stream", "schema", word_type());
	return json_pack("{s:s, s:o}", "description", "done", "content",
	    content(r->reply[0] != '\0' ? ref(r->reply) : json_pack("{s:s}", "type", "object")));
}

static json_t *
operation(const struct route *r)
{
	bool starts_work = strcmp(r->reply, "Op") == 0 && strcmp(r->method, "GET") != 0;
	json_t *replies = json_object(), *o;

	if (starts_work)
		json_object_set_new(replies, "202", reply_json_of(r));
	if (!starts_work || r->id == ROUTE_OP_CANCEL || strcmp(r->method, "DELETE") != 0)
		json_object_set_new(replies, "200", reply_json_of(r));
	json_object_set_new(replies, "default",
	    json_pack("{s:s, s:o}", "description", "error", "content", content(ref("Error"))));
	o = json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "operationId", r->name, "summary",
	    r->summary, "parameters", parameters(r), "responses", replies, "x-role", roles[r->role],
	    "x-scope", scopes[r->scope], "x-verb", r->verb);
	if (r->body[0] != '\0')
		json_object_set_new(o, "requestBody",
		    json_pack("{s:o}", "content", content(ref(r->body))));
	return o;
}

static json_t *
paths(void)
{
	json_t *all = json_object(), *path;

	for (int i = 0; i < ROUTE_COUNT; i++) {
		const struct route *r = &route_table[i];
		char method[8] = "";

		for (size_t k = 0; r->method[k] != '\0' && k < sizeof method - 1; k++)
			method[k] = (char)tolower((unsigned char)r->method[k]);
		if ((path = json_object_get(all, r->path)) == NULL) {
			path = json_object();
			json_object_set_new(all, r->path, path);
		}
		json_object_set_new(path, method, operation(r));
	}
	return all;
}

json_t *
openapi_json(const char *version)
{
	json_t *schemas = json_object();
	const struct schema *s;

	for (int i = 0; (s = schema_at(i)) != NULL; i++)
		json_object_set_new(schemas, s->name, schema_json(s));
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o}}", "openapi", "3.1.0", "info", "title",
	    "CodingLab", "version", version, "summary",
	    "The engine on its unix socket; the caller is known by the socket's credentials", "paths",
	    paths(), "components", "schemas", schemas);
}
