/*
 * The in-memory cluster.  One lock around everything; calls that would take time on a real backend
 * return at once, but instances need a look or more to become running, as real ones do.  Instances are
 * found by name and by project, routes by slot: a call costs the same with thousands of projects.
 */
#include "engine/backend_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "engine/backend_sim_internal.h"

static int sim_rule_parse(struct sim *s, const char *rule, size_t n, struct cl_err *err);
static struct sim_instance *sim_find_part(struct sim *s, const char *part);
static void sim_check_routes(struct sim *s);
static bool sim_runs(struct sim *s, const char *name);

struct sim *backend_sim_new(struct backend *b, const char *script)
{
	struct sim *s = mem_alloc(sizeof(*s));
	struct cl_err err = { 0 };

	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	buf_init(&s->trace, (size_t)4 << 20);
	s->kept = true;
	(void)backend_sim_script(s, script != NULL ? script : "", &err);
	b->ops = &backend_sim_ops;
	b->ctx = s;
	return s;
}

void backend_sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->nfiles; i++) {
		mem_free(s->files[i].name);
		mem_free(s->files[i].text);
	}
	mem_free(s->files);
	while (s->n > 0)
		backend_sim_drop(s, s->items[s->n - 1]);
	mem_free(s->items);
	hash_clear(&s->by_name);
	hash_clear(&s->by_project);
	for (int slot = 0; slot < SIM_SLOTS; slot++)
		backend_sim_route_clear(s, slot);
	hash_clear(&s->routes);
	mem_free(s->images);
	backend_stored_clear(&s->stored);
	buf_clear(&s->trace);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	mem_free(s);
}

int backend_sim_script(struct sim *s, const char *script, struct cl_err *err)
{
	int rc = 0;

	(void)pthread_mutex_lock(&s->lock);
	s->nrules = 0;
	s->down = false;
	s->slow = 1;
	s->job_status = 0;
	while (*script != '\0' && rc == 0) {
		size_t n = strcspn(script, ";");

		rc = sim_rule_parse(s, script, n, err);
		script += n + (script[n] == ';');
	}
	return backend_sim_end(s, rc);
}

int backend_sim_kill(struct sim *s, const char *part, int exit_code)
{
	struct sim_instance *i;

	(void)pthread_mutex_lock(&s->lock);
	i = sim_find_part(s, part);
	if (i != NULL) {
		i->seen.state = BACKEND_EXITED;
		i->seen.exit_code = exit_code;
		backend_sim_change(s, i->seen.name, "die", exit_code);
	}
	return backend_sim_end(s, i != NULL ? 0 : -1);
}

int backend_sim_vanish(struct sim *s, const char *part)
{
	struct sim_instance *i;

	(void)pthread_mutex_lock(&s->lock);
	i = sim_find_part(s, part);
	if (i != NULL) {
		backend_sim_change(s, i->seen.name, "remove", 137);
		backend_sim_drop(s, i);
	}
	return backend_sim_end(s, i != NULL ? 0 : -1);
}

void backend_sim_put_file(struct sim *s, int64_t project, const char *name, const char *text)
{
	(void)pthread_mutex_lock(&s->lock);
	s->files = mem_resize(s->files, s->nfiles + 1, sizeof(*s->files));
	s->files[s->nfiles++] = (struct sim_file){ project, mem_strdup(name), mem_strdup(text) };
	(void)backend_sim_end(s, 0);
}

int backend_sim_count(struct sim *s, const char *part)
{
	int n = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i]->seen.state == BACKEND_RUNNING &&
		    strstr(s->items[i]->seen.name, part) != NULL)
			n++;
	return backend_sim_end(s, n);
}

int backend_sim_routed(struct sim *s, int slot, const char *tier)
{
	int n = 0;

	(void)pthread_mutex_lock(&s->lock);
	for (const struct sim_route *r = backend_sim_route_first(s, slot); r != NULL;
	     r = backend_sim_route_next(r))
		n += strcmp(r->tier, tier) == 0 && sim_runs(s, r->name);
	return backend_sim_end(s, n);
}

int backend_sim_outages(struct sim *s)
{
	int n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->outages;
	return backend_sim_end(s, n);
}

char *backend_sim_trace(struct sim *s)
{
	char *text;

	(void)pthread_mutex_lock(&s->lock);
	text = mem_strndup(s->trace.data != NULL ? s->trace.data : "", s->trace.len);
	(void)backend_sim_end(s, 0);
	return text;
}

void backend_sim_forget(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	buf_drop(&s->trace, s->trace.len);
	s->outages = 0;
	(void)backend_sim_end(s, 0);
}

/* Takes the lock, notes the call, applies the scripted failures.  backend_sim_end() in any case. */
int backend_sim_begin(struct sim *s, const char *call, const char *name, struct cl_err *err)
{
	(void)pthread_mutex_lock(&s->lock);
	/* a lab's own is not asked what it did */
	if (s->kept && call[0] != '\0' && strcmp(call, "observe") != 0 && strcmp(call, "ping") != 0)
		(void)buf_printf(&s->trace, "%s %s\n", call, name);
	if (s->down) {
		err_set(err, CL_UNAVAILABLE, "sim: scripted to be down");
		return err_hint(err, "Take `down` out of the script");
	}
	if (call[0] != '\0' && backend_sim_rule_hits(s, SIM_FAIL, call, name))
		return err_set(err, CL_FAILED, "sim: %s %s: scripted to fail", call, name);
	return 0;
}

int backend_sim_end(struct sim *s, int rc)
{
	sim_check_routes(s);
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

bool backend_sim_rule_hits(struct sim *s, enum sim_what what, const char *call, const char *name)
{
	for (size_t i = 0; i < s->nrules; i++) {
		struct sim_rule *r = &s->rules[i];

		if (r->what != what || r->count == 0 || strstr(name, r->word) == NULL ||
		    (what == SIM_FAIL && strcmp(r->call, call) != 0))
			continue;
		if (r->count > 0)
			r->count--;
		return true;
	}
	return false;
}

static int sim_rule_parse(struct sim *s, const char *rule, size_t n, struct cl_err *err)
{
	char words[4][80] = { "" };
	int nwords = 0, count;
	struct sim_rule *r;

	while (n > 0 && nwords < 4) {
		size_t skip = strspn(rule, " "), len = strcspn(rule + skip, " ;");

		if (skip >= n)
			break;
		if (len > 79)
			len = 79;
		memcpy(words[nwords++], rule + skip, len);
		rule += skip + len;
		n -= skip + len < n ? skip + len : n;
	}
	if (nwords == 0)
		return 0;
	if (strcmp(words[0], "down") == 0) {
		s->down = true;
		return 0;
	}
	if (strcmp(words[0], "slow") == 0 || strcmp(words[0], "job") == 0) {
		*(words[0][0] == 's' ? &s->slow : &s->job_status) =
		    (int)strtol(words[1], NULL, 10);
		return 0;
	}
	if (s->nrules == SIM_RULES)
		return err_set(err, CL_USAGE, "sim: more than %d rules", SIM_RULES);
	r = &s->rules[s->nrules];
	memset(r, 0, sizeof(*r));
	if (strcmp(words[0], "fail") == 0) {
		r->what = SIM_FAIL;
		(void)mem_copy_str(r->call, sizeof(r->call), words[1]);
		(void)mem_copy_str(r->word, sizeof(r->word), words[2]);
		count = (int)strtol(words[3], NULL, 10);
	} else if (strcmp(words[0], "crash") == 0 || strcmp(words[0], "unready") == 0) {
		r->what = words[0][0] == 'c' ? SIM_CRASH : SIM_UNREADY;
		(void)mem_copy_str(r->word, sizeof(r->word), words[1]);
		count = (int)strtol(words[2], NULL, 10);
	} else {
		return err_set(err, CL_USAGE, "sim: %s: there is no such rule", words[0]);
	}
	r->count = count > 0 ? count : -1;
	s->nrules++;
	return 0;
}

struct sim_instance *backend_sim_find(struct sim *s, const char *name)
{
	for (struct hash_node *n = hash_first(&s->by_name, hash_text(name)); n != NULL; n = hash_next(n)) {
		struct sim_instance *i = HASH_OF(n, struct sim_instance, by_name);

		if (strcmp(i->seen.name, name) == 0)
			return i;
	}
	return NULL;
}

struct sim_instance *backend_sim_put(struct sim *s, const char *name, int64_t project)
{
	struct sim_instance *i = mem_alloc(sizeof(*i));

	s->items = mem_resize(s->items, s->n + 1, sizeof(struct sim_instance *));
	i->at = s->n;
	s->items[s->n++] = i;
	(void)mem_copy_str(i->seen.name, sizeof(i->seen.name), name);
	i->seen.project = project;
	hash_add(&s->by_name, &i->by_name, hash_text(i->seen.name));
	hash_add(&s->by_project, &i->by_project, hash_number((uint64_t)project));
	return i;
}

static struct sim_instance *sim_find_part(struct sim *s, const char *part)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i]->seen.state != BACKEND_EXITED &&
		    strstr(s->items[i]->seen.name, part) != NULL)
			return s->items[i];
	return NULL;
}

void backend_sim_drop(struct sim *s, struct sim_instance *i)
{
	s->items[i->at] = s->items[--s->n];
	s->items[i->at]->at = i->at;
	hash_remove(&s->by_name, &i->by_name);
	hash_remove(&s->by_project, &i->by_project);
	mem_free(i);
}

void backend_sim_change(struct sim *s, const char *name, const char *what, int exit_code)
{
	struct backend_change *c = &s->changes[s->nchanges++ % SIM_CHANGES];

	(void)mem_copy_str(c->name, sizeof(c->name), name);
	(void)mem_copy_str(c->what, sizeof(c->what), what);
	c->exit_code = exit_code;
	(void)pthread_cond_broadcast(&s->changed);
}

/* One observation brings a starting instance nearer to running. */
void backend_sim_look(struct sim *s, struct sim_instance *i)
{
	if (i->seen.state != BACKEND_STARTING || i->looks-- > 1)
		return;
	if (backend_sim_rule_hits(s, SIM_CRASH, "", i->seen.name)) {
		i->seen.state = BACKEND_EXITED;
		i->seen.exit_code = 3;
		backend_sim_change(s, i->seen.name, "die", 3);
		return;
	}
	i->seen.state = BACKEND_RUNNING;
}

struct sim_route *backend_sim_route_first(const struct sim *s, int slot)
{
	struct hash_node *n = hash_first(&s->routes, hash_number((uint64_t)slot));

	return n != NULL ? HASH_OF(n, struct sim_route, by_slot) : NULL; /* no two slots have one hash */
}

struct sim_route *backend_sim_route_next(const struct sim_route *r)
{
	struct hash_node *n = hash_next(&r->by_slot);

	return n != NULL ? HASH_OF(n, struct sim_route, by_slot) : NULL;
}

void backend_sim_route_put(struct sim *s, int slot, const char *tier, const char *name)
{
	struct sim_route *r = mem_alloc(sizeof(*r));

	r->slot = slot;
	(void)mem_copy_str(r->tier, sizeof(r->tier), tier);
	(void)mem_copy_str(r->name, sizeof(r->name), name);
	hash_add(&s->routes, &r->by_slot, hash_number((uint64_t)slot));
}

void backend_sim_route_drop(struct sim *s, struct sim_route *r)
{
	hash_remove(&s->routes, &r->by_slot);
	mem_free(r);
}

void backend_sim_route_clear(struct sim *s, int slot)
{
	struct sim_route *r;

	while ((r = backend_sim_route_first(s, slot)) != NULL)
		backend_sim_route_drop(s, r);
}

static bool sim_runs(struct sim *s, const char *name)
{
	const struct sim_instance *x = backend_sim_find(s, name);

	return x != NULL && x->seen.state == BACKEND_RUNNING;
}

/* Counts each time when a route that had a running instance is left without. */
static void sim_check_routes(struct sim *s)
{
	bool now[SIM_SLOTS][3];

	if (!s->kept) /* nobody asks, and with thousands of slots it takes long */
		return;
	memset(now, 0, sizeof(now));
	for (int slot = 0; slot < SIM_SLOTS; slot++)
		for (const struct sim_route *r = backend_sim_route_first(s, slot); r != NULL;
		     r = backend_sim_route_next(r))
			if (sim_runs(s, r->name))
				now[slot][backend_sim_tier(r->tier)] = true;
	for (int slot = 0; slot < SIM_SLOTS; slot++)
		for (int t = 0; t < 3; t++) {
			if (s->served[slot][t] && !now[slot][t] && !s->out[slot][t])
				s->outages++;
			s->out[slot][t] = s->served[slot][t] && !now[slot][t];
			s->served[slot][t] = s->served[slot][t] || now[slot][t];
		}
}

int backend_sim_tier(const char *tier)
{
	if (strcmp(tier, "web") == 0)
		return 0;
	return strcmp(tier, "was") == 0 ? 1 : -1;
}

void backend_sim_image_add(struct sim *s, const char *id, const char *tag, const char *digest,
    const char *parent)
{
	struct backend_image *im = NULL;

	for (size_t i = 0; i < s->nimages; i++)
		if (strcmp(s->images[i].id, id) == 0 && strcmp(s->images[i].tag, tag) == 0)
			im = &s->images[i];
	if (im == NULL) {
		s->images = mem_resize(s->images, s->nimages + 1, sizeof(*s->images));
		im = &s->images[s->nimages++];
	}
	memset(im, 0, sizeof(*im));
	(void)mem_copy_str(im->id, sizeof(im->id), id);
	(void)mem_copy_str(im->parent, sizeof(im->parent), parent);
	(void)mem_copy_str(im->tag, sizeof(im->tag), tag);
	(void)mem_copy_str(im->digest, sizeof(im->digest), digest);
	im->size = 1 << 20;
	im->created_ms = clock_unix_ms();
}
