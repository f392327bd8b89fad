/*
 * Releases to and from JSON.  Reading checks as strictly as if a stranger had written the text: the
 * same parser serves the fuzz target that proves every accepted release gives harmless manifests.
 */
#include "engine/release.h"

#include <ctype.h>
#include <string.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "images/field.h"

static bool release_name_ok(const char *name);
static int release_parse_vars(struct release *r, const struct field_ctx *c, json_t *vars);
static int release_parse_login(struct release *r, const struct field_ctx *c, json_t *db);

void release_init(struct release *r)
{
	memset(r, 0, sizeof(*r));
}

void release_clear(struct release *r)
{
	for (size_t i = 0; i < r->nvars; i++) {
		mem_free(r->vars[i].name);
		if (r->vars[i].value != NULL)
			mem_wipe(r->vars[i].value, strlen(r->vars[i].value));
		mem_free(r->vars[i].value);
	}
	mem_free(r->vars);
	field_free_argv(r->migrate);
	mem_wipe(r->db_password, sizeof(r->db_password));
	release_init(r);
}

int release_set_var(struct release *r, const char *name, const char *value, struct cl_err *err)
{
	if (!release_name_ok(name) || strlen(value) > RELEASE_VALUE_MAX)
		return err_set(err, CL_USAGE, "variable %.64s: not a name and a value", name);
	for (size_t i = 0; i < r->nvars; i++) {
		if (strcmp(r->vars[i].name, name) != 0)
			continue;
		mem_free(r->vars[i].value);
		r->vars[i].value = mem_strdup(value);
		return 0;
	}
	if (r->nvars == RELEASE_VARS_MAX)
		return err_set(err, CL_QUOTA, "variables: at most %d", RELEASE_VARS_MAX);
	r->vars = mem_resize(r->vars, r->nvars + 1, sizeof(*r->vars));
	r->vars[r->nvars].name = mem_strdup(name);
	r->vars[r->nvars++].value = mem_strdup(value);
	return 0;
}

int release_check_var(const char *name, const char *value, struct cl_err *err)
{
	static const char *const ours[] = { "PORT", "DATABASE_URL", "HOME", NULL };
	bool reserved = strncmp(name, "CODINGLAB_", 10) == 0 || strncmp(name, "LD_", 3) == 0;

	if (!release_name_ok(name)) {
		err_set(err, CL_USAGE, "variable %.64s: not a variable's name", name);
		return err_hint(err, "Letters, digits and _, at most 128, not starting with a digit");
	}
	for (size_t i = 0; ours[i] != NULL; i++)
		reserved = reserved || strcmp(ours[i], name) == 0;
	if (reserved)
		return err_set(err, CL_USAGE, "variable %s: is set by the platform", name);
	if (value != NULL && (strlen(value) > RELEASE_VALUE_MAX ||
	    !utf8_valid(value, strlen(value))))
		return err_set(err, CL_USAGE, "variable %s: the value must be UTF-8 of at most %d "
		    "bytes", name, RELEASE_VALUE_MAX);
	return 0;
}

char *release_print(const struct release *r)
{
	json_t *o = json_object(), *vars = json_object(), *argv = json_array();
	char *text;

	for (size_t i = 0; r->migrate != NULL && r->migrate[i] != NULL; i++)
		json_array_append_new(argv, json_string(r->migrate[i]));
	for (size_t i = 0; i < r->nvars; i++)
		json_object_set_new(vars, r->vars[i].name, json_string(r->vars[i].value));
	json_object_set_new(o, "port", json_integer(r->port));
	json_object_set_new(o, "health", json_string(r->health));
	if (r->own)
		json_object_set_new(o, "own", json_true());
	json_object_set_new(o, "migrated", json_boolean(r->migrated));
	json_object_set_new(o, "migrate", r->migrate != NULL ? json_incref(argv) : json_null());
	json_object_set_new(o, "vars", vars);
	if (r->db_user[0] != '\0')
		json_object_set_new(o, "db", json_pack("{s:s, s:s}", "user", r->db_user, "password",
		    r->db_password));
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(argv);
	json_decref(o);
	return text;
}

int release_parse(struct release *r, const char *text, size_t len, struct cl_err *err)
{
	static const char *const known[] = { "port", "health", "own", "migrate", "migrated", "vars",
		"db", NULL };
	struct field_ctx c = { "release", err };
	json_error_t why;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why), *v;
	int64_t port = 0;
	int rc;

	if (o == NULL)
		return err_set(err, CL_USAGE, "release: %s", why.text);
	rc = field_check(&c, "a release", o, known);
	if (rc == 0)
		rc = field_int(&c, o, "port", false, 1, 65535, &port);
	if (rc == 0)
		rc = field_str(&c, o, "health", false, 0, r->health, sizeof(r->health));
	if (rc == 0 && r->health[0] != '\0' && r->health[0] != '/')
		rc = field_fail(&c, "health", "must start with /");
	v = json_object_get(o, "migrate");
	if (rc == 0 && v != NULL && !json_is_null(v))
		rc = field_argv(&c, v, "migrate", STACK_ARGV_MAX, STACK_WORD_MAX, &r->migrate);
	if (rc == 0)
		rc = release_parse_vars(r, &c, json_object_get(o, "vars"));
	if (rc == 0 && (v = json_object_get(o, "db")) != NULL)
		rc = release_parse_login(r, &c, v);
	r->port = (int)port;
	r->own = json_is_true(json_object_get(o, "own"));
	r->migrated = json_is_true(json_object_get(o, "migrated"));
	json_decref(o);
	return rc;
}

static int release_parse_vars(struct release *r, const struct field_ctx *c, json_t *vars)
{
	const char *name;
	json_t *v;

	if (vars != NULL && !json_is_object(vars))
		return field_fail(c, "vars", "must be an object");
	json_object_foreach(vars, name, v) {
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
			return field_fail(c, "vars", "must hold strings");
		if (release_set_var(r, name, json_string_value(v), c->err) != 0)
			return -1;
	}
	return 0;
}

static int release_parse_login(struct release *r, const struct field_ctx *c, json_t *db)
{
	static const char *const known[] = { "user", "password", NULL };

	if (field_check(c, "db", db, known) != 0 || field_str(c, db, "user", false, 1, r->db_user,
	    sizeof(r->db_user)) != 0 || field_str(c, db, "password", false, 1, r->db_password,
	    sizeof(r->db_password)) != 0)
		return -1;
	for (const char *p = r->db_user; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p))
			return field_fail(c, "db.user", "must be letters and digits");
	for (const char *p = r->db_password; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p))
			return field_fail(c, "db.password", "must be letters and digits");
	return 0;
}

static bool release_name_ok(const char *name)
{
	size_t n = 0;

	for (; name[n] != '\0'; n++)
		if (!isalnum((unsigned char)name[n]) && name[n] != '_')
			return false;
	return n >= 1 && n <= 128 && !isdigit((unsigned char)name[0]);
}
