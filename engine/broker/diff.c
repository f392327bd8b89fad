/* What changed: see diff.h. */
#include "engine/broker/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/screen.h"
#include "engine/broker/docker.h"

struct change {
	char what;  /* '+', '~', '-' */
	const char *path;
	int64_t size;
};

struct changes {
	struct change *items;
	size_t n, cap;
	int added, changed, removed;
};

static void note(struct changes *c, char what, const char *path, int64_t size)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->items = mem_resize(c->items, c->cap, sizeof(*c->items));
	}
	c->items[c->n++] = (struct change){what, path, size};
	c->added += what == '+';
	c->changed += what == '~';
	c->removed += what == '-';
}

static int by_size(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return strcmp(x->path, y->path);
}

static json_t *safe(const char *text)
{
	cl_autofree char *shown = screen_safe_dup(text, strnlen(text, 400), 0);

	return json_string(shown);
}

static const char *word(char what)
{
	return what == '+' ? "added" : what == '-' ? "removed" : "changed";
}

static json_t *changes_json(struct changes *c)
{
	json_t *top = json_array(), *j;

	if (c->n)
		qsort(c->items, c->n, sizeof(*c->items), by_size);
	for (size_t i = 0; i < c->n && i < DIFF_LIST; i++)
		json_array_append_new(top, json_pack("{s:s, s:o, s:I}", "what", word(c->items[i].what),
		    "path", safe(c->items[i].path), "size", (json_int_t)c->items[i].size));
	j = json_pack("{s:i, s:i, s:i, s:o}", "added", c->added, "changed", c->changed, "removed",
	    c->removed, "top", top);
	mem_free(c->items);
	return j;
}

/* "work/src/x" is src/x to people, "home/.local/bin/x" ~/.local/bin/x. */
static json_t *shown(const char *path)
{
	cl_autofree char *home = mem_printf("~%s", path + 4);

	return json_string(strncmp(path, "work/", 5) == 0 ? path + 5 : home);
}

json_t *diff_tree(const struct tree *was, const struct tree *now)
{
	struct changes c = {0};
	size_t i = 0, k = 0;
	json_t *j, *item;

	while (i < was->n || k < now->n) {
		const struct tree_entry *a = i < was->n ? &was->items[i] : NULL;
		const struct tree_entry *b = k < now->n ? &now->items[k] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);

		if (order < 0 && a->type != 'd')
			note(&c, '-', a->path, a->size);
		if (order > 0 && b->type != 'd')
			note(&c, '+', b->path, b->size);
		if (order == 0 && !(a->type == 'd' && b->type == 'd') && !tree_same(a, b))
			note(&c, '~', b->path, b->size);
		i += order <= 0;
		k += order >= 0;
	}
	j = changes_json(&c);
	json_array_foreach(json_object_get(j, "top"), i, item)
		json_object_set_new(item, "path", shown(docker_str(item, "path")));
	return j;
}

/* -- packages -- */

struct package {
	char *name, *version;
};

struct packages {
	struct package *items;
	size_t n, cap;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct package *)a)->name, ((const struct package *)b)->name);
}

/* The value of a field at the line's start, to the line's end; NULL when it is another field. */
static char *field(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || strncmp(line, name, n) != 0)
		return NULL;
	while (n < len && line[n] == ' ')
		n++;
	return mem_strndup(line + n, len - n < 200 ? len - n : 200);
}

static void end_paragraph(struct packages *p, char **name, char **version, bool *installed)
{
	if (*name && *version && *installed && p->n < 100000) {
		if (p->n == p->cap) {
			p->cap = p->cap ? p->cap * 2 : 512;
			p->items = mem_resize(p->items, p->cap, sizeof(*p->items));
		}
		p->items[p->n++] = (struct package){*name, *version};
	} else {
		mem_free(*name);
		mem_free(*version);
	}
	*name = *version = NULL;
	*installed = false;
}

static void set(char **to, char *value)
{
	if (!value)
		return;
	mem_free(*to);
	*to = value;
}

/* Paragraphs of "Package:", "Status:" and "Version:" lines, empty lines between them. */
static void read_packages(struct packages *p, const char *text)
{
	char *name = NULL, *version = NULL;
	bool installed = false;

	memset(p, 0, sizeof(*p));
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len == 0)
			end_paragraph(p, &name, &version, &installed);
		set(&name, field(text, len, "Package:"));
		set(&version, field(text, len, "Version:"));
		if (len > 7 && strncmp(text, "Status:", 7) == 0)
			installed = len > 10 && strncmp(text + len - 10, " installed", 10) == 0;
		text += len + (text[len] == '\n');
	}
	end_paragraph(p, &name, &version, &installed);
	if (p->n > 1)
		qsort(p->items, p->n, sizeof(*p->items), by_name);
}

static void free_packages(struct packages *p)
{
	for (size_t i = 0; i < p->n; i++) {
		mem_free(p->items[i].name);
		mem_free(p->items[i].version);
	}
	mem_free(p->items);
}

static void add_package(json_t *list, const struct package *from, const struct package *to)
{
	json_t *j = json_pack("{s:o}", "name", safe(from ? from->name : to->name));

	if (from)
		json_object_set_new(j, "from", safe(from->version));
	if (to)
		json_object_set_new(j, "to", safe(to->version));
	if (json_array_size(list) < DIFF_PACKAGES)
		json_array_append(list, j);
	json_decref(j);
}

json_t *diff_packages(const char *was, const char *now)
{
	json_t *added = json_array(), *removed = json_array(), *changed = json_array();
	struct packages a, b;
	size_t i = 0, k = 0, total;

	read_packages(&a, was);
	read_packages(&b, now);
	total = b.n;
	while (i < a.n || k < b.n) {
		const struct package *x = i < a.n ? &a.items[i] : NULL, *y = k < b.n ? &b.items[k] : NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);

		if (order < 0)
			add_package(removed, x, NULL);
		else if (order > 0)
			add_package(added, NULL, y);
		else if (strcmp(x->version, y->version) != 0)
			add_package(changed, x, y);
		i += order <= 0;
		k += order >= 0;
	}
	free_packages(&a);
	free_packages(&b);
	return json_pack("{s:o, s:o, s:o, s:I}", "added", added, "removed", removed, "changed", changed,
	    "total", (json_int_t)total);
}

/* -- the system's files -- */

/* Mount points and what is written when a container starts; what is temporary is not kept count of. */
static bool noise(const char *path)
{
	static const char *const exact[] = {"/etc", "/home", "/var", "/usr", "/run", "/tmp", "/var/tmp",
	    "/var/lib", "/var/cache", "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/hostname",
	    "/etc/resolv.conf", "/etc/mtab", "/workspace", "/home/dev", "/proc", "/sys", "/dev",
	    "/etc/ssl", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/java",
	    "/etc/ssl/certs/java/cacerts"};
	static const char *const beneath[] = {"/run/", "/tmp/", "/var/tmp/", "/home/dev/", "/workspace/",
	    "/proc/", "/sys/", "/dev/"};

	for (size_t i = 0; i < CL_COUNT(exact); i++)
		if (strcmp(path, exact[i]) == 0)
			return true;
	for (size_t i = 0; i < CL_COUNT(beneath); i++)
		if (strncmp(path, beneath[i], strlen(beneath[i])) == 0)
			return true;
	return false;
}

json_t *diff_system(const json_t *changes)
{
	struct changes c = {0};
	const json_t *item;
	size_t i;

	json_array_foreach(changes, i, item) {
		const char *path = docker_str(item, "Path");
		json_int_t kind = docker_int(item, "Kind");

		if (path[0] == '/' && !noise(path))
			note(&c, kind == 1 ? '+' : kind == 2 ? '-' : '~', path, 0);
	}
	return changes_json(&c);
}
