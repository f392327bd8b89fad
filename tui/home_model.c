/* The home screen's model. */
#include "tui/home_model.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void clear_projects(struct home_model *m)
{
	for (int i = 0; i < m->nprojects; i++) {
		mem_free(m->projects[i].url);
		mem_free(m->projects[i].about);
	}
	mem_free(m->projects);
	m->projects = NULL;
	m->nprojects = 0;
}

static void read_project(struct home_model_project *p, json_t *o)
{
	p->id = json_integer_value(json_object_get(o, "id"));
	mem_copy_str(p->name, sizeof(p->name), str(o, "name"));
	mem_copy_str(p->owner, sizeof(p->owner), str(o, "owner"));
	mem_copy_str(p->stack, sizeof(p->stack), str(o, "stack"));
	mem_copy_str(p->dev, sizeof(p->dev), str(o, "dev"));
	mem_copy_str(p->role, sizeof(p->role), str(o, "role"));
	p->url = mem_strdup(str(o, "running"));
	p->about = mem_strdup(str(o, "description"));
}

static int compare(const void *a, const void *b, void *user)
{
	const struct home_model_project *x = a, *y = b;
	bool own_x = strcmp(x->owner, user) == 0, own_y = strcmp(y->owner, user) == 0;
	int by;

	if (own_x != own_y)
		return own_x ? -1 : 1;
	by = strcmp(x->name, y->name);
	return by ? by : strcmp(x->owner, y->owner);
}

void home_model_projects(struct home_model *m, json_t *reply, const char *user)
{
	const struct home_model_project *now = home_model_chosen(m);
	int64_t chosen = now ? now->id : 0;
	json_t *list = json_object_get(reply, "projects"), *o;
	size_t i, n = json_array_size(list);

	if (!json_is_array(list))
		return;
	clear_projects(m);
	if (n > HOME_PROJECTS_MAX)
		n = HOME_PROJECTS_MAX;
	m->projects = mem_array(n + 1, sizeof(*m->projects));
	json_array_foreach(list, i, o) if (m->nprojects < (int)n)
		read_project(&m->projects[m->nprojects++], o);
	qsort_r(m->projects, (size_t)m->nprojects, sizeof(*m->projects), compare, (void *)user);
	home_model_choose(m, m->chosen);
	for (int p = 0; p < m->nprojects; p++)
		if (m->projects[p].id == chosen)
			m->chosen = p;
}

static int db_index(struct home_model *m, const char *id)
{
	for (int i = 0; i < m->ndbs; i++)
		if (strcmp(m->dbs[i], id) == 0)
			return i;
	if (m->ndbs == HOME_DBS_MAX)
		return -1;
	mem_copy_str(m->dbs[m->ndbs], sizeof(m->dbs[0]), id);
	return m->ndbs++;
}

/* The databases that a stack leaves a choice of: one alone is none. */
static uint32_t read_dbs(struct home_model *m, const json_t *dbs)
{
	uint32_t set = 0;
	json_t *id;
	size_t i;
	int at;

	if (json_array_size(dbs) < 2)
		return 0;
	json_array_foreach(dbs, i, id)
	{
		at = json_is_string(id) ? db_index(m, json_string_value(id)) : -1;
		if (at >= 0)
			set |= 1u << at;
	}
	return set;
}

void home_model_stacks(struct home_model *m, json_t *reply)
{
	json_t *o;
	size_t i;

	m->nstacks = m->ndbs = 0;
	json_array_foreach(json_object_get(reply, "stacks"), i, o)
	{
		struct home_model_stack *s = &m->stacks[m->nstacks];
		if (m->nstacks == HOME_STACKS_MAX)
			break;
		mem_copy_str(s->id, sizeof(s->id), str(o, "id"));
		mem_copy_str(s->title, sizeof(s->title), str(o, "title"));
		mem_copy_str(s->state, sizeof(s->state), str(o, "state"));
		s->ready = json_is_true(json_object_get(o, "ready"));
		s->dbs = read_dbs(m, json_object_get(o, "dbs"));
		m->nstacks++;
	}
}

void home_model_images(struct home_model *m, json_t *reply)
{
	json_t *o;
	size_t i;

	m->nimages = 0;
	json_array_foreach(json_object_get(reply, "images"), i, o)
		home_model_image_state(m, str(o, "id"), str(o, "state"));
}

void home_model_image_state(struct home_model *m, const char *image, const char *state)
{
	struct home_model_image *at = NULL;

	for (int i = 0; i < m->nimages; i++)
		if (strcmp(m->images[i].id, image) == 0)
			at = &m->images[i];
	if (!at && m->nimages < HOME_IMAGES_MAX && *image) {
		at = &m->images[m->nimages++];
		mem_copy_str(at->id, sizeof(at->id), image);
	}
	if (at)
		mem_copy_str(at->state, sizeof(at->state), state);
}

void home_model_choose(struct home_model *m, int index)
{
	if (index >= m->nprojects)
		index = m->nprojects - 1;
	m->chosen = index < 0 ? 0 : index;
}

void home_model_choose_name(struct home_model *m, const char *owner, const char *name)
{
	for (int i = 0; i < m->nprojects; i++)
		if (strcmp(m->projects[i].owner, owner) == 0 &&
		    strcmp(m->projects[i].name, name) == 0)
			m->chosen = i;
}

const struct home_model_project *home_model_chosen(const struct home_model *m)
{
	return m->chosen < m->nprojects ? &m->projects[m->chosen] : NULL;
}

void home_model_clear(struct home_model *m)
{
	clear_projects(m);
	memset(m, 0, sizeof(*m));
}
