/* The decision what goes: see gc_plan.h. */
#include "engine/gc_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static char **gc_plan_add(char **list, size_t *n, const char *text)
{
	list = mem_resize(list, *n + 1, sizeof(*list));
	list[(*n)++] = mem_strdup(text);
	return list;
}

static void gc_plan_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(list[i]);
	mem_free(list);
}

void gc_plan_clear(struct gc_plan *p)
{
	backend_images_clear(&p->local);
	backend_stored_clear(&p->stored);
	mem_free(p->local_goes);
	mem_free(p->stored_goes);
	gc_plan_free(p->needed, p->nneeded);
	gc_plan_free(p->stacks, p->nstacks);
	mem_free(p->open_ops);
	memset(p, 0, sizeof(*p));
}

void gc_plan_need(struct gc_plan *p, const char *digest)
{
	p->needed = gc_plan_add(p->needed, &p->nneeded, digest);
}

void gc_plan_stack(struct gc_plan *p, const char *id)
{
	p->stacks = gc_plan_add(p->stacks, &p->nstacks, id);
}

void gc_plan_open(struct gc_plan *p, int64_t op)
{
	p->open_ops = mem_resize(p->open_ops, p->nopen + 1, sizeof(*p->open_ops));
	p->open_ops[p->nopen++] = op;
}

static bool gc_plan_has(char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

bool gc_plan_needed(const struct gc_plan *p, const char *digest)
{
	if (gc_plan_has(p->needed, p->nneeded, digest))
		return true;
	for (size_t i = 0; i < p->local.n; i++)
		if (p->local.items[i].containers > 0 && strcmp(p->local.items[i].digest, digest) == 0)
			return true;
	return false;
}

bool gc_plan_under_way(const struct gc_plan *p, const char *tag)
{
	char *end;
	long long op = strncmp(tag, "op", 2) == 0 ? strtoll(tag + 2, &end, 10) : 0;

	if (op <= 0 || *end != '\0')
		return false;
	if (op > p->newest_op)
		return true;
	for (size_t i = 0; i < p->nopen; i++)
		if (p->open_ops[i] == op)
			return true;
	return false;
}

static bool gc_plan_local_goes(const struct gc_plan *p, const struct backend_image *i)
{
	return strncmp(i->id, "app/", 4) == 0 && !gc_plan_needed(p, i->digest) &&
	    !gc_plan_under_way(p, i->tag);
}

static bool gc_plan_tag_goes(const struct gc_plan *p, const struct backend_stored *s)
{
	if (gc_plan_needed(p, s->image))
		return false;
	if (strncmp(s->repository, "stack/", 6) == 0)
		return p->nstacks > 0 && !gc_plan_has(p->stacks, p->nstacks, s->repository + 6);
	return strncmp(s->repository, "app/", 4) == 0 && !gc_plan_under_way(p, s->tag);
}

/* A manifest goes with all of its tags, so all of them must be free to go. */
static bool gc_plan_manifest_goes(const struct gc_plan *p, const struct backend_stored *s)
{
	for (size_t i = 0; i < p->stored.n; i++) {
		const struct backend_stored *t = &p->stored.items[i];

		if (strcmp(t->repository, s->repository) == 0 && strcmp(t->digest, s->digest) == 0 &&
		    !gc_plan_tag_goes(p, t))
			return false;
	}
	return true;
}

static void gc_plan_room(struct gc_plan *p)
{
	mem_free(p->local_goes);
	mem_free(p->stored_goes);
	p->local_goes = mem_array(p->local.n + 1, sizeof(bool));
	p->stored_goes = mem_array(p->stored.n + 1, sizeof(bool));
}

void gc_plan_decide(struct gc_plan *p)
{
	gc_plan_room(p);
	for (size_t i = 0; i < p->local.n; i++)
		p->local_goes[i] = gc_plan_local_goes(p, &p->local.items[i]);
	for (size_t i = 0; i < p->stored.n; i++)
		p->stored_goes[i] = gc_plan_manifest_goes(p, &p->stored.items[i]);
}

/* Is "ID", "ID:TAG" or a digest what is called so? */
static bool gc_plan_is(const char *id, const char *name, const char *tag, const char *digest)
{
	size_t n = strlen(name);

	if (strcmp(id, digest) == 0)
		return true;
	return strncmp(id, name, n) == 0 && (id[n] == '\0' || (id[n] == ':' &&
	    strcmp(id + n + 1, tag) == 0));
}

size_t gc_plan_pick(struct gc_plan *p, const char *id, const char **used)
{
	size_t found = 0;

	*used = NULL;
	gc_plan_room(p);
	for (size_t i = 0; i < p->local.n; i++) {
		const struct backend_image *m = &p->local.items[i];

		p->local_goes[i] = gc_plan_is(id, m->id, m->tag, m->digest);
		found += p->local_goes[i];
		if (p->local_goes[i] && (gc_plan_needed(p, m->digest) || gc_plan_under_way(p, m->tag)))
			*used = m->digest;
	}
	for (size_t i = 0; i < p->stored.n; i++) {
		const struct backend_stored *s = &p->stored.items[i];
		const char *name = strncmp(s->repository, "stack/", 6) == 0 ? s->repository + 6 :
		    s->repository;

		p->stored_goes[i] = gc_plan_is(id, name, s->tag, s->image);
		found += p->stored_goes[i];
		if (p->stored_goes[i] && (gc_plan_needed(p, s->image) || gc_plan_under_way(p, s->tag)))
			*used = s->image;
	}
	return found;
}
