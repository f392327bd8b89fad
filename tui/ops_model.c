/* The operations screen's model. */
#include "tui/ops_model.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define INSTANCES_MAX 20 /* the engine's range for web and was */

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static double num(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : -1;
}

static int integer(json_t *o, const char *key, int most)
{
	double v = num(o, key);

	return v < 0 ? 0 : v > most ? most : (int)v;
}

static void read_instances(struct ops_model_tier *t, json_t *list)
{
	json_t *o;
	size_t i;

	t->ninstances = 0;
	json_array_foreach(list, i, o)
	{
		struct ops_model_instance *n = &t->instances[t->ninstances];
		if (t->ninstances == OPS_INSTANCES_MAX)
			break;
		mem_copy_str(n->name, sizeof(n->name), str(o, "name"));
		mem_copy_str(n->state, sizeof(n->state), str(o, "state"));
		n->release = integer(o, "release", 1000000000);
		n->restarts = integer(o, "restarts", 1000000000);
		n->cpu = num(o, "cpu");
		n->memory = (int64_t)num(o, "memory");
		t->ninstances++;
	}
}

static struct ops_model_tier *tier_named(struct ops_model *m, const char *name)
{
	struct ops_model_tier *t;

	for (int i = 0; i < m->ntiers; i++)
		if (strcmp(m->tiers[i].name, name) == 0)
			return &m->tiers[i];
	if (m->ntiers == OPS_TIERS_MAX || !*name)
		return NULL;
	t = &m->tiers[m->ntiers++];
	memset(t, 0, sizeof(*t));
	t->asked = -1;
	mem_copy_str(t->name, sizeof(t->name), name);
	return t;
}

/* "shop@9c41…": whose image, and as much of its digest as tells two apart. */
static void short_image(struct ops_model_tier *t, const char *project, const char *image)
{
	const char *digest = strstr(image, "sha256:"), *name = t->name;

	if (!digest) {
		mem_copy_str(t->image, sizeof(t->image), image);
		return;
	}
	if (strcmp(t->name, "was") == 0 && project[0])
		name = project;
	else if (strcmp(t->name, "db") == 0)
		name = "pg";
	snprintf(t->image, sizeof(t->image), "%s@%.4s\u2026", name, digest + 7);
}

static void read_load(struct ops_model_tier *t, json_t *by)
{
	t->min = integer(by, "min", 99);
	t->max = integer(by, "max", 99);
	t->load = integer(by, "cpu", 1000);
}

static void read_tier(const struct ops_model *m, struct ops_model_tier *t, json_t *o)
{
	t->want = integer(o, "want", 99);
	t->ready = integer(o, "ready", 99);
	if (json_object_get(o, "autoscale"))
		read_load(t, json_object_get(o, "autoscale"));
	if (t->asked == t->want)
		t->asked = -1;
	short_image(t, m->project, str(o, "image"));
	t->cpu = num(o, "cpu");
	t->rps = num(o, "rps");
	t->memory = (int64_t)num(o, "memory");
	if (t->cpu >= 0)
		spark_add(&t->cpu_history, t->cpu);
	if (t->memory >= 0)
		spark_add(&t->memory_history, (double)t->memory);
	if (json_is_array(json_object_get(o, "instances")))
		read_instances(t, json_object_get(o, "instances"));
}

static void read_tiers(struct ops_model *m, json_t *tiers)
{
	json_t *o;
	size_t i;

	json_array_foreach(tiers, i, o)
	{
		struct ops_model_tier *t = tier_named(m, str(o, "tier"));
		if (t)
			read_tier(m, t, o);
	}
}

static void read_release(struct ops_model *m, json_t *r)
{
	const char *at = str(r, "at"), *digest = str(r, "digest");

	m->release[0] = 0;
	if (!json_is_object(r))
		return;
	if (strncmp(digest, "sha256:", 7) == 0)
		digest += 7;
	snprintf(m->release, sizeof(m->release), "v%d %.7s by %s %.5s",
	    integer(r, "version", 1000000000), digest, str(r, "by"), strlen(at) >= 16 ? at + 11 : "");
}

void ops_model_status(struct ops_model *m, json_t *status)
{
	if (strcmp(m->env, str(status, "env")) != 0)
		m->ntiers = m->chosen = 0; /* another environment's history says nothing here */
	mem_copy_str(m->env, sizeof(m->env), str(status, "env"));
	mem_copy_str(m->project, sizeof(m->project), str(status, "project"));
	mem_copy_str(m->url, sizeof(m->url), str(status, "url"));
	mem_copy_str(m->state, sizeof(m->state), str(status, "state"));
	mem_copy_str(m->step, sizeof(m->step), str(json_object_get(status, "op"), "step"));
	read_release(m, json_object_get(status, "release"));
	read_tiers(m, json_object_get(status, "tiers"));
	m->known = true;
}

void ops_model_stats(struct ops_model *m, json_t *data, const char *env)
{
	if (m->known && (!*env || strcmp(env, m->env) == 0))
		read_tiers(m, json_object_get(data, "tiers"));
}

struct ops_model_tier *ops_model_chosen(struct ops_model *m)
{
	return m->chosen < m->ntiers ? &m->tiers[m->chosen] : NULL;
}

void ops_model_choose(struct ops_model *m, int index)
{
	if (index >= m->ntiers)
		index = m->ntiers - 1;
	m->chosen = index < 0 ? 0 : index;
}

int ops_model_ask(struct ops_model *m, int by)
{
	struct ops_model_tier *t = ops_model_chosen(m);
	int n;

	if (!t || strcmp(t->name, "db") == 0)
		return -1;
	n = (t->asked >= 0 ? t->asked : t->want) + by;
	if (n < 0 || n > INSTANCES_MAX)
		return -1;
	return t->asked = n;
}

bool ops_model_by_load(const struct ops_model_tier *t)
{
	return t->max > 0;
}

void ops_model_size(int64_t bytes, char *out, size_t size)
{
	if (bytes < 0)
		snprintf(out, size, "\u2014");
	else if (bytes < 10000000000)
		snprintf(out, size, "%lld MB", (long long)((bytes + 500000) / 1000000));
	else
		snprintf(out, size, "%.1f GB", (double)bytes / 1e9);
}
