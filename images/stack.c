/*
 * Loading the stacks.  A folder is read file by file into a set; then the whole is checked: ids are
 * unique, parents and databases exist, the images' FROM chain has no cycle.  Nothing half loaded is
 * ever returned, so the rest of the engine need not check again.
 */
#include "images/stack.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/name.h"

static int stack_load_one(struct stack_set *set, const char *dir, const char *id,
    struct cl_err *err);
static int stack_check(const struct stack_set *set, struct cl_err *err);
static int stack_check_dbs(const struct stack_set *set, const struct stack *s, struct cl_err *err);
static int stack_check_image(const struct stack_set *set, const struct stack *s,
    const struct stack_image *i, struct cl_err *err);
static void stack_name_more(char *list, size_t size, const char *id);
static int stack_by_id(const void *a, const void *b);
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

int stack_add(struct stack_set *set, const char *dir, const char *id, struct cl_err *err)
{
	size_t before = set->n;

	if (stack_find(set, id) != NULL)
		return err_set(err, CL_CONFLICT, "stack %s: there is one of that name", id);
	if (stack_load_one(set, dir, id, err) != 0)
		return -1;
	if (set->n == before)
		return err_set(err, CL_NOT_FOUND, "%s/%s/stack.json: is not there", dir, id);
	set->items[before].added = true;
	qsort(set->items, set->n, sizeof(*set->items), stack_by_id);
	if (stack_check(set, err) == 0)
		return 0;
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(set->items[i].id, id) != 0)
			continue;
		stack_file_clear(&set->items[i]);
		set->n--;
		memmove(set->items + i, set->items + i + 1, (set->n - i) * sizeof(*set->items));
		break;
	}
	return -1;
}

void stack_clear(struct stack_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		stack_file_clear(&set->items[i]);
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
		if (set->items[i].kind <= STACK_FRAMEWORK && set->items[i].refused == NULL)
			stack_name_more(known, sizeof(known), set->items[i].id);
	}
	err_hint(err, "Choose one of: %s", known);
	return NULL;
}

const struct stack *stack_find_new(const struct stack_set *set, const char *id, struct cl_err *err)
{
	const struct stack *s = stack_find_choice(set, id, err);

	return s != NULL && stack_check_base(set, s, err) == 0 ? s : NULL;
}

int stack_check_base(const struct stack_set *set, const struct stack *s, struct cl_err *err)
{
	char can[200] = "";

	if (s->refused == NULL)
		return 0;
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i].refused == NULL && set->items[i].kind == s->kind)
			stack_name_more(can, sizeof(can), set->items[i].id);
	err_set(err, CL_PRECONDITION, "stack %s: %s", s->id, s->refused);
	return err_hint(err, "%s%s%sThe operator may choose another base (images.base)",
	    can[0] != '\0' ? "It has " : "", can, can[0] != '\0' ? ". " : "");
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

const struct stack *stack_find_db(const struct stack_set *set, const struct stack *s,
    const char *id, struct cl_err *err)
{
	char known[200] = "";

	if (id[0] == '\0')
		id = s->db;
	for (size_t i = 0; i < s->ndbs; i++) {
		size_t len = strlen(known);

		if (strcmp(s->dbs[i], id) == 0)
			return stack_find(set, id);
		(void)snprintf(known + len, sizeof(known) - len, "%s%s", len > 0 ? ", " : "",
		    s->dbs[i]);
	}
	if (s->ndbs == 0)
		err_set(err, CL_USAGE, "database %.40s: stack %s has no database", id, s->id);
	else
		err_set(err, CL_USAGE, "database %.40s: stack %s does not know it", id, s->id);
	if (s->ndbs > 0)
		err_hint(err, "Choose one of: %s", known);
	return NULL;
}

const struct stack *stack_db(const struct stack_set *set, const struct stack *s, const char *id)
{
	if (id[0] == '\0')
		id = s->db;
	return id[0] != '\0' ? stack_find(set, id) : NULL;
}

const char *stack_kind_name(enum stack_kind kind)
{
	return stack_file_kind(kind);
}

const char *stack_command_name(enum stack_command command)
{
	return stack_file_command(command);
}

/* ", id" to a list for people. */
static void stack_name_more(char *list, size_t size, const char *id)
{
	size_t len = strlen(list);

	(void)snprintf(list + len, size - len, "%s%s", len > 0 ? ", " : "", id);
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
	enum stack_file rc;
	struct stack s;

	if (set->n == STACK_MAX)
		return err_set(err, CL_USAGE, "stacks: %s holds more than %d", dir, STACK_MAX);
	rc = stack_file_load(&s, folder, id, err);
	if (rc != STACK_FILE_OK)
		return rc == STACK_FILE_NONE ? 0 : -1;
	set->items = mem_resize(set->items, set->n + 1, sizeof(*set->items));
	set->items[set->n++] = s;
	return 0;
}

static int stack_check(const struct stack_set *set, struct cl_err *err)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct stack *s = &set->items[i];

		if (s->parent[0] != '\0' && stack_find(set, s->parent) == NULL)
			return err_set(err, CL_USAGE, "stack %s: parent: there is no stack %s",
			    s->id, s->parent);
		if (stack_check_dbs(set, s, err) != 0 ||
		    stack_check_image(set, s, &s->dev, err) != 0 ||
		    stack_check_image(set, s, &s->run, err) != 0)
			return -1;
	}
	return 0;
}

/* A database is a service that says how it is reached. */
static int stack_check_dbs(const struct stack_set *set, const struct stack *s, struct cl_err *err)
{
	for (size_t i = 0; i < s->ndbs; i++) {
		const char *field = strcmp(s->dbs[i], s->db) == 0 ? "db" : "dbs";
		const struct stack *db = stack_find(set, s->dbs[i]);

		if (db == NULL || db->kind != STACK_SERVICE)
			return err_set(err, CL_USAGE, "stack %s: %s: there is no service %s", s->id,
			    field, s->dbs[i]);
		if (db->database.scheme[0] == '\0')
			return err_set(err, CL_USAGE, "stack %s: %s: service %s is no database: its "
			    "stack.json has no field database", s->id, field, db->id);
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
