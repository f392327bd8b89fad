/*
 * Loading the stacks.  A folder is read file by file into a set; then the whole is checked: ids are
 * unique, parents and databases exist, the images' FROM chain has no cycle.  Nothing half loaded is
 * ever returned, so the rest of the engine need not check again.
 */
#include "images/stack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/name.h"
#include "images/field.h"

#define STACK_MAX 200

static const char *const stack_kinds[] = { "language", "framework", "service", "base", NULL };
static const char *const stack_commands[] = { "run", "serve", "build", "migrate", "test", NULL };
static const char *const stack_fields[] = { "id", "title", "kind", "summary", "parent", "images",
	"commands", "port", "health", "env", "secrets", "db", "template", "uid", "volume", "tmp",
	NULL };

static int stack_load_one(struct stack_set *set, const char *dir, const char *id,
    struct cl_err *err);
static json_t *stack_read(const char *path, bool *missing, struct cl_err *err);
static int stack_parse(const struct field_ctx *c, const json_t *o, const char *dir, struct stack *s);
static int stack_parse_head(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_images(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_image(const struct field_ctx *c, const json_t *o, const char *role,
    bool required, struct stack_image *out);
static int stack_parse_commands(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_env(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_secrets(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_parse_place(const struct field_ctx *c, const json_t *o, const char *dir,
    struct stack *s);
static int stack_parse_tmp(const struct field_ctx *c, const json_t *o, struct stack *s);
static int stack_check(const struct stack_set *set, struct cl_err *err);
static int stack_check_image(const struct stack_set *set, const struct stack *s,
    const struct stack_image *i, struct cl_err *err);
static int stack_by_id(const void *a, const void *b);
static void stack_clear_one(struct stack *s);
static bool stack_path_ok(const char *s);
static bool stack_var_ok(const char *s);
static void stack_add_step(const struct stack_set *set, const char *image,
    struct stack_step *steps, size_t *n);

int stack_load(struct stack_set *set, const char *dir, struct cl_err *err)
{
	struct dirent *e;
	DIR *d;
	int rc = 0;

	memset(set, 0, sizeof(*set));
	d = opendir(dir);
	if (d == NULL)
		return err_errno(err, CL_NOT_FOUND, "stacks: %s", dir);
	while (rc == 0 && (e = readdir(d)) != NULL)
		if (name_valid(e->d_name))
			rc = stack_load_one(set, dir, e->d_name, err);
	closedir(d);
	if (rc == 0 && set->n == 0)
		rc = err_set(err, CL_NOT_FOUND, "stacks: %s holds no stack.json", dir);
	if (rc == 0) {
		qsort(set->items, set->n, sizeof(*set->items), stack_by_id);
		rc = stack_check(set, err);
	}
	if (rc != 0)
		stack_clear(set);
	return rc;
}

void stack_clear(struct stack_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		stack_clear_one(&set->items[i]);
	mem_free(set->items);
	memset(set, 0, sizeof(*set));
}

const struct stack *stack_find(const struct stack_set *set, const char *id)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->items[i].id, id) == 0)
			return &set->items[i];
	return NULL;
}

const struct stack *stack_find_choice(const struct stack_set *set, const char *id, struct cl_err *err)
{
	const struct stack *s = stack_find(set, id);
	char known[200] = "";

	if (s != NULL && (s->kind == STACK_LANGUAGE || s->kind == STACK_FRAMEWORK))
		return s;
	err_set(err, CL_NOT_FOUND, "stack %.40s: there is no such stack", id);
	for (size_t i = 0; i < set->n; i++) {
		size_t len = strlen(known);

		if (set->items[i].kind > STACK_FRAMEWORK)
			continue;
		if (len > 0 && len + 2 < sizeof(known))
			memcpy(known + len, ", ", 3);
		len = strlen(known);
		(void)mem_copy_str(known + len, sizeof(known) - len, set->items[i].id);
	}
	err_hint(err, "Choose one of: %s", known);
	return NULL;
}

bool stack_find_image(const struct stack_set *set, const char *image, struct stack_step *out)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct stack *s = &set->items[i];
		const struct stack_image *both[2] = { &s->dev, &s->run };

		for (int k = 0; k < 2; k++) {
			if (both[k]->id[0] == '\0' || strcmp(both[k]->id, image) != 0)
				continue;
			*out = (struct stack_step){ .stack = s, .image = both[k] };
			return true;
		}
	}
	return false;
}

int stack_order(const struct stack_set *set, const char *const *ids, size_t n,
    struct stack_step **steps, struct cl_err *err)
{
	struct stack_step step;
	size_t count = 0;

	*steps = mem_array(set->n * 2 + 1, sizeof(**steps));
	for (size_t i = 0; i < (n == 0 ? set->n : n); i++) {
		const struct stack *s = n == 0 ? &set->items[i] : stack_find(set, ids[i]);

		if (s == NULL && !stack_find_image(set, ids[i], &step)) {
			mem_free(*steps);
			*steps = NULL;
			return err_set(err, CL_NOT_FOUND, "image %.60s: there is no such image",
			    ids[i]);
		}
		if (s == NULL) {
			stack_add_step(set, ids[i], *steps, &count);
			continue;
		}
		stack_add_step(set, s->dev.id, *steps, &count);
		stack_add_step(set, s->run.id, *steps, &count);
	}
	return (int)count;
}

const char *stack_kind_name(enum stack_kind kind)
{
	return stack_kinds[kind];
}

const char *stack_command_name(enum stack_command command)
{
	return stack_commands[command];
}

/* Parents first; what is there already is not added again. stack_check() excluded cycles. */
static void stack_add_step(const struct stack_set *set, const char *image,
    struct stack_step *steps, size_t *n)
{
	struct stack_step step;

	if (image[0] == '\0' || !stack_find_image(set, image, &step))
		return;
	stack_add_step(set, step.image->parent, steps, n);
	for (size_t i = 0; i < *n; i++)
		if (steps[i].image == step.image)
			return;
	steps[(*n)++] = step;
}

static int stack_load_one(struct stack_set *set, const char *dir, const char *id,
    struct cl_err *err)
{
	cl_autofree char *folder = mem_printf("%s/%s", dir, id);
	cl_autofree char *path = mem_printf("%s/stack.json", folder);
	struct field_ctx c = { path, err };
	bool missing = false;
	struct stack s;
	json_t *o;
	int rc;

	if (set->n == STACK_MAX)
		return field_fail(&c, "id", "more than %d stacks", STACK_MAX);
	o = stack_read(path, &missing, err);
	if (o == NULL)
		return missing ? 0 : -1;
	memset(&s, 0, sizeof(s));
	rc = stack_parse(&c, o, folder, &s);
	json_decref(o);
	if (rc == 0 && strcmp(s.id, id) != 0)
		rc = field_fail(&c, "id", "must be the folder's name, %s", id);
	if (rc != 0) {
		stack_clear_one(&s);
		return -1;
	}
	set->items = mem_resize(set->items, set->n + 1, sizeof(*set->items));
	set->items[set->n++] = s;
	return 0;
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
	bool choice;

	if (field_check(c, "a stack", o, stack_fields) != 0 || stack_parse_head(c, o, s) != 0 ||
	    stack_parse_images(c, o, s) != 0 || stack_parse_commands(c, o, s) != 0 ||
	    stack_parse_env(c, o, s) != 0 || stack_parse_secrets(c, o, s) != 0 ||
	    stack_parse_place(c, o, dir, s) != 0 || stack_parse_tmp(c, o, s) != 0)
		return -1;
	choice = s->kind == STACK_LANGUAGE || s->kind == STACK_FRAMEWORK;
	if (choice && (s->command[STACK_RUN] == NULL || s->command[STACK_SERVE] == NULL))
		return field_fail(c, "commands", "a %s has run and serve", stack_kind_name(s->kind));
	if (s->kind == STACK_SERVICE && s->uid == 0)
		return field_fail(c, "uid", "is missing: a service runs as a user of its own");
	return 0;
}

static int stack_parse_head(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	char kind[16] = "";
	int64_t port = 0;
	int k;

	if (field_str(c, o, "id", false, 1, s->id, sizeof(s->id)) != 0 ||
	    field_str(c, o, "title", false, 1, s->title, sizeof(s->title)) != 0 ||
	    field_str(c, o, "kind", false, 1, kind, sizeof(kind)) != 0 ||
	    field_str(c, o, "summary", false, 0, s->summary, sizeof(s->summary)) != 0 ||
	    field_str(c, o, "parent", false, 0, s->parent, sizeof(s->parent)) != 0 ||
	    field_str(c, o, "health", false, 0, s->health, sizeof(s->health)) != 0 ||
	    field_str(c, o, "db", true, 0, s->db, sizeof(s->db)) != 0 ||
	    field_int(c, o, "port", false, 1, 65535, &port) != 0)
		return -1;
	s->port = (int)port;
	if (!name_valid(s->id))
		return field_fail(c, "id", "must be [a-z][a-z0-9-]{0,30}");
	for (k = 0; stack_kinds[k] != NULL; k++)
		if (strcmp(stack_kinds[k], kind) == 0)
			break;
	if (stack_kinds[k] == NULL)
		return field_fail(c, "kind", "must be language, framework, service or base");
	s->kind = (enum stack_kind)k;
	if (s->health[0] != '\0' && s->health[0] != '/')
		return field_fail(c, "health", "must start with /");
	return 0;
}

static int stack_parse_images(const struct field_ctx *c, const json_t *o, struct stack *s)
{
	static const char *const known[] = { "dev", "run", NULL };
	const json_t *v = json_object_get(o, "images");
	bool choice = s->kind == STACK_LANGUAGE || s->kind == STACK_FRAMEWORK;

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

	if (v == NULL)
		return field_fail(c, "commands", "is missing");
	if (field_check(c, "commands", v, stack_commands) != 0)
		return -1;
	for (int i = 0; i < STACK_COMMANDS; i++) {
		const json_t *a = json_object_get(v, stack_commands[i]);

		if (a != NULL && field_argv(c, a, stack_commands[i], STACK_ARGV_MAX,
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

static int stack_check(const struct stack_set *set, struct cl_err *err)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct stack *s = &set->items[i], *db;

		if (s->parent[0] != '\0' && stack_find(set, s->parent) == NULL)
			return err_set(err, CL_USAGE, "stack %s: parent: there is no stack %s",
			    s->id, s->parent);
		db = s->db[0] != '\0' ? stack_find(set, s->db) : NULL;
		if (s->db[0] != '\0' && (db == NULL || db->kind != STACK_SERVICE))
			return err_set(err, CL_USAGE, "stack %s: db: there is no service %s",
			    s->id, s->db);
		if (stack_check_image(set, s, &s->dev, err) != 0 ||
		    stack_check_image(set, s, &s->run, err) != 0)
			return -1;
	}
	return 0;
}

/* Its id is the only one of that name, and following FROM ends at an image without a parent. */
static int stack_check_image(const struct stack_set *set, const struct stack *s,
    const struct stack_image *i, struct cl_err *err)
{
	struct stack_step step = { s, i };

	if (i->id[0] == '\0')
		return 0;
	if (!stack_find_image(set, i->id, &step) || step.image != i)
		return err_set(err, CL_USAGE, "stack %s: images: %s is made by stack %s too",
		    s->id, i->id, step.stack->id);
	for (size_t depth = 0; step.image->parent[0] != '\0'; depth++) {
		const char *parent = step.image->parent;

		if (depth > 2 * set->n)
			return err_set(err, CL_USAGE, "stack %s: images: %s builds upon itself",
			    s->id, i->id);
		if (!stack_find_image(set, parent, &step))
			return err_set(err, CL_USAGE, "stack %s: images: there is no image %s",
			    s->id, parent);
	}
	return 0;
}

static int stack_by_id(const void *a, const void *b)
{
	return strcmp(((const struct stack *)a)->id, ((const struct stack *)b)->id);
}

static void stack_clear_one(struct stack *s)
{
	for (int i = 0; i < STACK_COMMANDS; i++)
		field_free_argv(s->command[i]);
	for (size_t i = 0; i < s->nenv; i++) {
		mem_free(s->env[i].name);
		mem_free(s->env[i].value);
	}
	mem_free(s->env);
	field_free_argv(s->secrets);
	mem_free(s->template_dir);
	memset(s, 0, sizeof(*s));
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
