/*
 * Reading a stack.json.  Every field has a type and a range here; what one file cannot know (other
 * stacks, other images) is checked by stack.c when the set is whole.
 */
#include "images/stack_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/name.h"
#include "images/field.h"

#define STACK_VERSIONS 32
#define STACK_REGISTRIES 8

static const char *const stack_kinds[] = { "language", "framework", "service", "base", NULL };
static const char *const stack_commands[] = { "run", "serve", "build", "migrate", "test",
	"repl", "debug", "lsp", NULL };
static const char *const stack_fields[] = { "id", "title", "kind", "summary", "parent", "images",
	"commands", "port", "health", "env", "secrets", "db", "dbs", "database", "template", "uid",
	"volume", "tmp", "versions", "registries", NULL };

static json_t *stack_read(const char *path, bool *missing, struct cl_err *err);
static int stack_parse(const struct field_ctx *c, const json_t *o, const char *dir, struct stack *s);
static int stack_parse_head(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_images(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_image(const struct field_ctx *c, const json_t *o, const char *role,
    bool required, struct stack_image *out);
static int stack_parse_commands(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_env(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_secrets(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_dbs(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_database(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_place(const struct field_ctx *c, const json_t *o, const char *dir,
    struct stack *s);
static int stack_parse_tmp(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_versions(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_registries(const struct field_ctx *c, const json_t *o, struct stack *s);
static bool stack_choice(const struct stack *s);
static bool stack_path_ok(const char *s);
static bool stack_var_ok(const char *s);
static bool stack_version_ok(const char *s);

enum stack_file stack_file_load(struct stack *s, const char *folder, const char *id,
    struct cl_err *err)
{
	cl_autofree char *path = mem_printf("%s/stack.json", folder);
	struct field_ctx c = { path, err };
	bool missing = false;
	json_t *o;
	int rc;

	memset(s, 0, sizeof(*s));
	o = stack_read(path, &missing, err);
	if (o == NULL)
		return missing ? STACK_FILE_NONE : STACK_FILE_BAD;
	rc = stack_parse(&c, o, folder, s);
	json_decref(o);
	if (rc == 0 && strcmp(s->id, id) != 0)
		rc = field_fail(&c, "id", "must be the folder's name, %s", id);
	if (rc == 0)
		return STACK_FILE_OK;
	stack_file_clear(s);
	return STACK_FILE_BAD;
}

void stack_file_clear(struct stack *s)
{
	mem_free(s->refused);
	for (int i = 0; i < STACK_COMMANDS; i++)
		field_free_argv(s->command[i]);
	for (size_t i = 0; i < s->nenv; i++) {
		mem_free(s->env[i].name);
		mem_free(s->env[i].value);
	}
	mem_free(s->env);
	for (size_t i = 0; i < s->nversions; i++) {
		mem_free(s->versions[i].name);
		field_free_argv(s->versions[i].argv);
	}
	mem_free(s->versions);
	for (size_t i = 0; i < s->nregistries; i++)
		field_free_argv(s->registries[i]);
	mem_free(s->registries);
	field_free_argv(s->secrets);
	mem_free(s->template_dir);
	memset(s, 0, sizeof(*s));
}

const char *stack_file_kind(enum stack_kind kind)
{
	return stack_kinds[kind];
}

const char *stack_file_command(enum stack_command command)
{
	return stack_commands[command];
}

/* A folder without the file is no stack: *missing, and no error. */
static json_t *stack_read(const char *path, bool *missing, struct cl_err *err)
{
	cl_autofree char *text = mem_alloc(STACK_FILE_MAX + 1);
	cl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	json_error_t why;
	size_t len = 0;
	ssize_t n = 1;
	json_t *o;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*missing = true;
		return NULL;
	}
	if (fd < 0) {
		err_errno(err, CL_FAILED, "%s", path);
		return NULL;
	}
	while (len <= STACK_FILE_MAX && n > 0) {
		n = read(fd, text + len, STACK_FILE_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0) {
		err_errno(err, CL_FAILED, "%s", path);
		return NULL;
	}
	if (len > STACK_FILE_MAX) {
		err_set(err, CL_TOO_LARGE, "%s: larger than %d bytes", path, STACK_FILE_MAX);
		return NULL;
	}
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (o == NULL)
		err_set(err, CL_USAGE, "%s: line %d: %s", path, why.line, why.text);
	return o;
}

static int stack_parse(const struct field_ctx *c, const json_t *o, const char *dir, struct stack *s)
{
	static int (*const parts[])(const struct field_ctx *, const json_t *, struct stack *) = {
		stack_parse_head, stack_parse_images, stack_parse_commands, stack_parse_env,
		stack_parse_secrets, stack_parse_dbs, stack_parse_database, stack_parse_tmp,
		stack_parse_versions, stack_parse_registries };

	if (field_check(c, "a stack", o, stack_fields) != 0)
		return -1;
	for (size_t i = 0; i < CL_COUNT(parts); i++)
		if (parts[i](c, o, s) != 0)
			return -1;
	if (stack_parse_place(c, o, dir, s) != 0)
		return -1;
	if (stack_choice(s) && (s->command[STACK_RUN] == NULL || s->command[STACK_SERVE] == NULL))
		return field_fail(c, "commands", "a %s has run and serve", stack_file_kind(s->kind));
	if (s->kind == STACK_SERVICE && s->uid == 0)
		return field_fail(c, "uid", "is missing: a service runs as a user of its own");
	return 0;
}

static int stack_parse_head(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	char kind[16] = "";
	int64_t port = 0;
	enum stack_kind k;

	if (field_str(c, o, "id", false, 1, s->id, sizeof(s->id)) != 0 ||
	    field_str(c, o, "title", false, 1, s->title, sizeof(s->title)) != 0 ||
	    field_str(c, o, "kind", false, 1, kind, sizeof(kind)) != 0 ||
	    field_str(c, o, "summary", false, 0, s->summary, sizeof(s->summary)) != 0 ||
	    field_str(c, o, "parent", false, 0, s->parent, sizeof(s->parent)) != 0 ||
	    field_str(c, o, "health", false, 0, s->health, sizeof(s->health)) != 0 ||
	    field_int(c, o, "port", false, 1, 65535, &port) != 0)
		return -1;
	s->port = (int)port;
	if (!name_valid(s->id))
		return field_fail(c, "id", "must be [a-z][a-z0-9-]{0,30}");
	for (k = STACK_LANGUAGE; k <= STACK_BASE; k++)
		if (strcmp(stack_file_kind(k), kind) == 0)
			break;
	if (k > STACK_BASE)
		return field_fail(c, "kind", "must be language, framework, service or base");
	s->kind = k;
	if (s->health[0] != '\0' && s->health[0] != '/')
		return field_fail(c, "health", "must start with /");
	return 0;
}

static int stack_parse_images(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	static const char *const known[] = { "dev", "run", NULL };
	const json_t *v = json_object_get(o, "images");
	bool choice = stack_choice(s);

	if (v == NULL)
		return field_fail(c, "images", "is missing");
	if (field_check(c, "images", v, known) != 0)
		return -1;
	if (!choice && json_object_get(v, "dev") != NULL)
		return field_fail(c, "images.dev", "only a language or framework has one");
	if (stack_parse_image(c, v, "dev", choice, &s->dev) != 0)
		return -1;
	return stack_parse_image(c, v, "run", true, &s->run);
}

static int stack_parse_image(const struct field_ctx *c, const json_t *o, const char *role,
    bool required, struct stack_image *out)
{
	static const char *const known[] = { "id", "file", "parent", NULL };
	const json_t *v = json_object_get(o, role);

	if (v == NULL && !required)
		return 0;
	if (v == NULL)
		return field_fail(c, "images", "%s is missing", role);
	if (field_check(c, "an image", v, known) != 0 ||
	    field_str(c, v, "id", false, 1, out->id, sizeof(out->id)) != 0 ||
	    field_str(c, v, "file", false, 1, out->file, sizeof(out->file)) != 0 ||
	    field_str(c, v, "parent", false, 0, out->parent, sizeof(out->parent)) != 0)
		return -1;
	if (!name_valid(out->id))
		return field_fail(c, "images.id", "must be [a-z][a-z0-9-]{0,30}");
	if (strchr(out->file, '/') != NULL || out->file[0] == '.')
		return field_fail(c, "images.file", "must be a plain file name");
	return 0;
}

static int stack_parse_commands(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	const json_t *v = json_object_get(o, "commands");
	const char *known[STACK_COMMANDS + 1] = { NULL };

	if (v == NULL)
		return field_fail(c, "commands", "is missing");
	for (int i = 0; i < STACK_COMMANDS; i++)
		known[i] = stack_file_command((enum stack_command)i);
	if (field_check(c, "commands", v, known) != 0)
		return -1;
	for (int i = 0; i < STACK_COMMANDS; i++) {
		const json_t *a = json_object_get(v, known[i]);

		if (a != NULL && field_argv(c, a, known[i], STACK_ARGV_MAX,
		    STACK_WORD_MAX, &s->command[i]) != 0)
			return -1;
	}
	return 0;
}

static int stack_parse_env(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	json_t *v = json_object_get(o, "env"), *item;
	const char *key;

	if (v == NULL)
		return 0;
	if (!json_is_object(v) || json_object_size(v) > 64)
		return field_fail(c, "env", "must be an object of at most 64 strings");
	s->env = mem_array(json_object_size(v) + 1, sizeof(*s->env));
	json_object_foreach(v, key, item) {
		if (!stack_var_ok(key) || !json_is_string(item) ||
		    strlen(json_string_value(item)) != json_string_length(item))
			return field_fail(c, "env", "%.40s: must be a variable's name and a "
			    "string", key);
		s->env[s->nenv].name = mem_strdup(key);
		s->env[s->nenv++].value = mem_strdup(json_string_value(item));
	}
	return 0;
}

static int stack_parse_secrets(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	const json_t *v = json_object_get(o, "secrets");

	if (v == NULL)
		return 0;
	if (field_argv(c, v, "secrets", 8, 64, &s->secrets) != 0)
		return -1;
	for (size_t i = 0; s->secrets[i] != NULL; i++)
		if (!stack_var_ok(s->secrets[i]))
			return field_fail(c, "secrets", "%s: is no variable's name", s->secrets[i]);
	return 0;
}

/* Where things are: the template on the host, user and volume in the container. */
static int stack_parse_place(const struct field_ctx *c, const json_t *o, const char *dir,
    struct stack *s)
{
	char folder[64] = "";
	struct stat st;
	int64_t uid = 0;

	if (field_str(c, o, "template", true, 0, folder, sizeof(folder)) != 0 ||
	    field_str(c, o, "volume", true, 1, s->volume, sizeof(s->volume)) != 0 ||
	    field_int(c, o, "uid", true, 1000, 65533, &uid) != 0)
		return -1;
	s->uid = (uint32_t)uid;
	if (s->volume[0] != '\0' && !stack_path_ok(s->volume))
		return field_fail(c, "volume", "must be an absolute path");
	if (folder[0] == '\0')
		return 0;
	if (strchr(folder, '/') != NULL || folder[0] == '.')
		return field_fail(c, "template", "must be a folder beside stack.json");
	s->template_dir = mem_printf("%s/%s", dir, folder);
	if (stat(s->template_dir, &st) != 0 || !S_ISDIR(st.st_mode))
		return field_fail(c, "template", "%s is no folder", s->template_dir);
	return 0;
}

static int stack_parse_tmp(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	const json_t *v = json_object_get(o, "tmp");
	char **paths = NULL;
	int rc = 0;

	if (v == NULL)
		return 0;
	if (field_argv(c, v, "tmp", STACK_TMPS, sizeof(s->tmp[0]) - 1, &paths) != 0)
		return -1;
	for (size_t i = 0; paths[i] != NULL && rc == 0; i++) {
		if (!stack_path_ok(paths[i]))
			rc = field_fail(c, "tmp", "%s: must be an absolute path", paths[i]);
		else
			rc = mem_copy_str(s->tmp[s->ntmp++], sizeof(s->tmp[0]), paths[i]);
	}
	field_free_argv(paths);
	return rc;
}

/* db alone, dbs alone, or both with the same first one: dbs is then the whole list. */
static int stack_parse_dbs(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	const json_t *v = json_object_get(o, "dbs");
	char **ids = NULL;
	int rc = 0;

	if (field_str(c, o, "db", true, 0, s->db, sizeof(s->db)) != 0)
		return -1;
	if (v == NULL) {
		if (s->db[0] != '\0')
			(void)mem_copy_str(s->dbs[s->ndbs++], sizeof(s->dbs[0]), s->db);
		return 0;
	}
	if (field_argv(c, v, "dbs", STACK_DBS, sizeof(s->dbs[0]) - 1, &ids) != 0)
		return -1;
	for (size_t i = 0; ids[i] != NULL && rc == 0; i++) {
		for (size_t k = 0; k < s->ndbs && rc == 0; k++)
			if (strcmp(s->dbs[k], ids[i]) == 0)
				rc = field_fail(c, "dbs", "%s stands there twice", ids[i]);
		(void)mem_copy_str(s->dbs[s->ndbs++], sizeof(s->dbs[0]), ids[i]);
	}
	field_free_argv(ids);
	if (rc == 0 && s->db[0] != '\0' && strcmp(s->db, s->dbs[0]) != 0)
		rc = field_fail(c, "db", "must be the first of dbs, %s", s->dbs[0]);
	(void)mem_copy_str(s->db, sizeof(s->db), s->dbs[0]);
	return rc;
}

/* How applications reach it: makes a service one that a project can have as its database. */
static int stack_parse_database(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	static const char *const known[] = { "scheme", "port", NULL };
	const json_t *v = json_object_get(o, "database");
	int64_t port = 0;

	if (v == NULL)
		return 0;
	if (s->kind != STACK_SERVICE)
		return field_fail(c, "database", "only a service has one");
	if (field_check(c, "database", v, known) != 0 ||
	    field_str(c, v, "scheme", false, 1, s->database.scheme,
	    sizeof(s->database.scheme)) != 0 || field_int(c, v, "port", false, 1, 65535, &port) != 0)
		return -1;
	s->database.port = (int)port;
	if (strcmp(s->database.scheme, "postgres") != 0 && strcmp(s->database.scheme, "mysql") != 0)
		return field_fail(c, "database.scheme", "must be postgres or mysql");
	if (json_object_get(o, "volume") == NULL)
		return field_fail(c, "volume", "is missing: a database keeps its data on one");
	return 0;
}

/* Names and the commands that print their versions; run in the built image, never on the host. */
static int stack_parse_versions(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	json_t *v = json_object_get(o, "versions"), *item;
	const char *key;

	if (v == NULL)
		return 0;
	if (!json_is_object(v) || json_object_size(v) > STACK_VERSIONS)
		return field_fail(c, "versions", "must be an object of at most %d commands",
		    STACK_VERSIONS);
	s->versions = mem_array(json_object_size(v) + 1, sizeof(*s->versions));
	json_object_foreach(v, key, item) {
		struct stack_version *one = &s->versions[s->nversions];

		if (!stack_version_ok(key))
			return field_fail(c, "versions", "%.40s: a name is [a-z0-9][a-z0-9.+-]{0,31}",
			    key);
		if (field_argv(c, item, "versions", STACK_ARGV_MAX, STACK_WORD_MAX, &one->argv) != 0)
			return -1;
		one->name = mem_strdup(key);
		s->nversions++;
	}
	return 0;
}

/* Commands of the dev image that print where its package tools fetch from. */
static int stack_parse_registries(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	const json_t *v = json_object_get(o, "registries");
	size_t n = json_array_size(v);

	if (v == NULL)
		return 0;
	if (!json_is_array(v) || n < 1 || n > STACK_REGISTRIES)
		return field_fail(c, "registries", "must be a list of 1 to %d commands",
		    STACK_REGISTRIES);
	if (!stack_choice(s))
		return field_fail(c, "registries", "only a language or framework has them");
	s->registries = mem_array(n + 1, sizeof(*s->registries));
	for (size_t i = 0; i < n; i++) {
		if (field_argv(c, json_array_get(v, i), "registries", STACK_ARGV_MAX, STACK_WORD_MAX,
		    &s->registries[i]) != 0)
			return -1;
		s->nregistries++;
	}
	return 0;
}

static bool stack_choice(const struct stack *s)
{
	return s->kind == STACK_LANGUAGE || s->kind == STACK_FRAMEWORK;
}

static bool stack_path_ok(const char *s)
{
	return s[0] == '/' && s[1] != '\0' && strstr(s, "..") == NULL && strchr(s, ':') == NULL;
}

/* A variable's name as a shell takes it. */
static bool stack_var_ok(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return s[0] != '\0' && !(s[0] >= '0' && s[0] <= '9') && s[n] == '\0' && n <= 64;
}

static bool stack_version_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.+-");

	return n > 0 && n <= 32 && s[n] == '\0' && strchr(".+-", s[0]) == NULL;
}
