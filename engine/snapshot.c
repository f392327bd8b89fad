/* What an environment is to be: see snapshot.h. */
#include "engine/snapshot.h"

#include <string.h>

#include "base/config.h"
#include "base/mem.h"

static int read_stacks(struct snapshot *s, struct cl_err *err)
{
	struct manifest *m = &s->r.manifest;

	m->stack = stack_find(s->stacks, s->project.stack);
	m->web = stack_find(s->stacks, "web");
	if (m->stack == NULL || m->web == NULL)
		return err_set(err, CL_FAILED, "stack %s: is not there any more", s->project.stack);
	m->db = stack_db(s->stacks, m->stack, s->project.db);
	if (m->db == NULL && s->project.db[0] != '\0')
		return err_set(err, CL_FAILED, "database service %s: is not there any more",
		    s->project.db);
	return 0;
}

static void read_numbers(struct snapshot *s)
{
	struct rollout *r = &s->r;

	for (int t = 0; t < PLAN_TIERS; t++) {
		r->want[t] = s->row.want[t];
		r->load[t] = (struct rollout_load){ s->row.load[t].min, s->row.load[t].max,
			s->row.load[t].cpu };
	}
	r->health_timeout_ms = (int)config_int("deploy.health_timeout_s") * 1000;
	r->drain_timeout_s = (int)config_int("deploy.drain_timeout_s");
}

int snapshot_take(struct engine *e, int64_t project, const char *env, struct snapshot *s,
    struct cl_err *err)
{
	struct rollout *r = &s->r;
	struct manifest *m = &r->manifest;
	struct store_release row;

	memset(s, 0, sizeof(*s));
	s->stacks = stacks_take(e);
	if (store_project_get(e->store, project, &s->project, err) != 0 ||
	    store_env_get(e->store, project, env, &s->row, err) != 0)
		return -1;
	if (strcmp(s->project.state, "removing") == 0)
		return err_set(err, CL_NOT_FOUND, "the project is being removed");
	if (read_stacks(s, err) != 0)
		return -1;
	m->project = project;
	(void)mem_copy_str(m->name, sizeof(m->name), s->project.name);
	(void)mem_copy_str(m->owner, sizeof(m->owner), s->project.owner_name);
	(void)mem_copy_str(m->env, sizeof(m->env), env);
	m->db_password = s->row.db_password;
	m->slot = s->row.slot;
	if (s->row.desired > 0) {
		if (store_env_release_get(e->store, project, env, s->row.desired, &row, &r->wanted,
		    err) != 0)
			return -1;
		s->op = row.op;
	}
	if (s->row.serving > 0 && store_env_release_get(e->store, project, env, s->row.serving, NULL,
	    &r->old, err) != 0)
		return -1;
	r->backend = &e->backend;
	r->route.project = project;
	r->route.slot = s->row.slot;
	(void)mem_copy_str(r->route.env, sizeof(r->route.env), env);
	(void)mem_copy_str(r->route.host, sizeof(r->route.host), s->row.host);
	(void)mem_copy_str(r->route.target, sizeof(r->route.target), s->row.target);
	r->op = s->op;
	read_numbers(s);
	return 0;
}

void snapshot_clear(struct snapshot *s)
{
	rollout_clear(&s->r);
	stacks_give(s->stacks);
	s->stacks = NULL;
}
