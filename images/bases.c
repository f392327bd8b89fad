/* The bases that images may stand on: see bases.h. */
#include "images/bases.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/path.h"
#include "images/field.h"

#define BASES_FILE "bases.json"
#define BASES_FILE_MAX 65536
#define BASES_STACKS 100

static int bases_row(const struct field_ctx *c, const json_t *o, struct base *b);
static bool bases_id_ok(const char *s);
static bool bases_word_ok(const char *s);
static bool bases_names(const struct base *base, const char *id);
static bool bases_supports(const struct base *base, const struct stack_set *set,
    const struct stack *s, int depth);
static int bases_check_url(const char *url, size_t n, struct cl_err *err);

int bases_load(struct bases *b, const char *dir, struct cl_err *err)
{
	cl_autofree char *file = mem_printf("%s/%s", dir, BASES_FILE);
	struct field_ctx c = { file, err };
	cl_autofree char *text = NULL;
	cl_autoclose int root = path_root(dir, err);
	json_error_t e;
	json_t *all, *list, *row;
	size_t len, i;
	int rc = 0;

	memset(b, 0, sizeof(*b));
	text = root < 0 ? NULL : path_read(root, BASES_FILE, BASES_FILE_MAX, &len, err);
	if (text == NULL)
		return -1;
	all = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	list = json_object_get(all, "bases");
	if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > BASES_MAX) {
		json_decref(all);
		return field_fail(&c, "bases", "must be a list of 1 to %d rows", BASES_MAX);
	}
	b->items = mem_array(json_array_size(list), sizeof(*b->items));
	json_array_foreach(list, i, row) {
		if (rc == 0)
			rc = bases_row(&c, row, &b->items[b->n++]);
		for (size_t k = 0; k + 1 < b->n && rc == 0; k++)
			if (strcmp(b->items[k].id, b->items[b->n - 1].id) == 0)
				rc = field_fail(&c, "id", "%s is there twice", b->items[k].id);
	}
	json_decref(all);
	if (rc != 0)
		bases_clear(b);
	return rc;
}

void bases_clear(struct bases *b)
{
	for (size_t i = 0; i < b->n; i++)
		field_free_argv(b->items[i].stacks);
	mem_free(b->items);
	memset(b, 0, sizeof(*b));
}

const struct base *bases_find(const struct bases *b, const char *id, struct cl_err *err)
{
	cl_autofree char *known = mem_strdup("");

	for (size_t i = 0; i < b->n; i++) {
		char *more;

		if (strcmp(b->items[i].id, id) == 0)
			return &b->items[i];
		more = mem_printf("%s%s%s", known, i > 0 ? ", " : "", b->items[i].id);
		mem_free(known);
		known = more;
	}
	err_set(err, CL_USAGE, "images.base: %.40s: there is no such base", id);
	err_hint(err, "Choose one of: %.200s", known);
	return NULL;
}

void bases_apply(const struct base *base, struct stack_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct stack *s = &set->items[i];

		mem_free(s->refused);
		s->refused = bases_supports(base, set, s, 0) ? NULL :
		    mem_printf("it does not build on %s%s%s", base->title,
		    base->why[0] != '\0' ? ": " : "", base->why);
	}
}

int bases_check(const struct base *base, const struct stack_set *set, struct cl_err *err)
{
	for (size_t i = 0; base->stacks[i] != NULL; i++) {
		const struct stack *s = stack_find(set, base->stacks[i]);

		if (strcmp(base->stacks[i], "*") == 0)
			continue;
		if (s == NULL)
			return err_set(err, CL_USAGE, "%s: base %s: there is no stack %s", BASES_FILE,
			    base->id, base->stacks[i]);
		for (int k = 0; k < 2; k++) {
			const struct stack_image *m = k == 0 ? &s->dev : &s->run;
			struct stack_step parent;

			if (m->parent[0] != '\0' && stack_find_image(set, m->parent, &parent) &&
			    !bases_names(base, parent.stack->id))
				return err_set(err, CL_USAGE, "%s: base %s: stack %s builds upon %s, which "
				    "is not named", BASES_FILE, base->id, s->id, parent.stack->id);
		}
	}
	return 0;
}

int bases_check_mirror(const struct base *base, const char *mirror, struct cl_err *err)
{
	const char *comma = strchr(mirror, ',');

	if (mirror[0] == '\0' && base->own_apt)
		return 0;
	if (mirror[0] == '\0') {
		err_set(err, CL_PRECONDITION, "images.mirror: it is not set, and this machine has no mirror "
		    "of %s", base->title);
		return err_hint(err, "Set it to the URL of one, or take an image: images.from");
	}
	if (comma != NULL && bases_check_url(comma + 1, strlen(comma + 1), err) != 0)
		return -1;
	return bases_check_url(mirror, comma != NULL ? (size_t)(comma - mirror) : strlen(mirror), err);
}

int bases_print(const struct base *base, const char *mirror, const char *keyring, FILE *f,
    struct cl_err *err)
{
	if (keyring[0] != '\0' && (keyring[0] != '/' || !bases_word_ok(keyring)))
		return err_set(err, CL_USAGE, "images.keyring: %s: it is the whole path of a file", keyring);
	fprintf(f, "BASE=%s\nFAMILY=%s\nSUITE=%s\nCOMPONENTS='%s'\nMIRROR=%s\nKEYRING='%s'\n", base->id,
	    base->family, base->suite, base->components, mirror,
	    keyring[0] != '\0' ? keyring : base->keyring);
	return 0;
}

static int bases_row(const struct field_ctx *c, const json_t *o, struct base *b)
{
	static const char *const known[] = { "id", "title", "family", "suite", "components", "keyring",
		"own_apt", "stacks", "why", "note", NULL };

	if (field_check(c, "a base", o, known) != 0 ||
	    field_str(c, o, "id", false, 1, b->id, sizeof(b->id)) != 0 ||
	    field_str(c, o, "title", false, 1, b->title, sizeof(b->title)) != 0 ||
	    field_str(c, o, "family", false, 1, b->family, sizeof(b->family)) != 0 ||
	    field_str(c, o, "suite", false, 1, b->suite, sizeof(b->suite)) != 0 ||
	    field_str(c, o, "components", false, 1, b->components, sizeof(b->components)) != 0 ||
	    field_str(c, o, "keyring", true, 0, b->keyring, sizeof(b->keyring)) != 0 ||
	    field_str(c, o, "why", true, 0, b->why, sizeof(b->why)) != 0 ||
	    field_str(c, o, "note", true, 0, b->note, sizeof(b->note)) != 0 ||
	    field_argv(c, json_object_get(o, "stacks"), "stacks", BASES_STACKS, 31, &b->stacks) != 0)
		return -1;
	b->own_apt = json_is_true(json_object_get(o, "own_apt"));
	if (!bases_id_ok(b->id))
		return field_fail(c, "id", "%s: must be ID-VERSION of its os-release", b->id);
	if (strcmp(b->family, "debian") != 0 && strcmp(b->family, "rpm") != 0)
		return field_fail(c, "family", "%s: must be debian or rpm", b->family);
	/* they become words of a shell */
	if (!bases_word_ok(b->suite) || !bases_word_ok(b->components) || !bases_word_ok(b->keyring))
		return field_fail(c, b->id, "suite, components and keyring are letters, digits, /._- and spaces");
	return 0;
}

static bool bases_id_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	return s[n] == '\0' && strchr(s, '-') != NULL && s[0] != '-' && s[0] != '.';
}

static bool bases_word_ok(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._- ")] == '\0';
}

static bool bases_names(const struct base *base, const char *id)
{
	for (size_t i = 0; base->stacks[i] != NULL; i++)
		if (strcmp(base->stacks[i], id) == 0 || strcmp(base->stacks[i], "*") == 0)
			return true;
	return false;
}

/* depth: an added stack's chain of parents is no longer than the set (stack_load checked it). */
static bool bases_supports(const struct base *base, const struct stack_set *set,
    const struct stack *s, int depth)
{
	const struct stack_image *both[2] = { &s->dev, &s->run };

	if (bases_names(base, s->id))
		return true;
	if (!s->added || depth > STACK_MAX)
		return false;
	for (int k = 0; k < 2; k++) {
		struct stack_step parent;

		if (both[k]->parent[0] != '\0' && stack_find_image(set, both[k]->parent, &parent) &&
		    parent.stack != s && !bases_supports(base, set, parent.stack, depth + 1))
			return false;
	}
	return true;
}

static int bases_check_url(const char *url, size_t n, struct cl_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    ":/._-~%[]+@";
	size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;

	if (scheme == 0 || n <= scheme || strspn(url, plain) < n)
		return err_set(err, CL_USAGE, "images.mirror: it is http(s)://HOST[/PATH], and after a comma "
		    "the same for security updates");
	if (memchr(url, '@', n) != NULL) {
		err_set(err, CL_USAGE, "images.mirror: it has a name or password in it, which would stand in "
		    "every image");
		return err_hint(err, "Give a mirror that needs none");
	}
	return 0;
}
