/* Routes of stacks: list, show, add and remove. */
#include <string.h>
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/stacks.h"
#include "engine/stacks_put.h"
#include "engine/store.h"

struct stack_change {
	const struct stack_set *now; /* taken */
	json_t *files;               /* owned, NULL = removal */
	struct stacks_put put;
};

static json_t *stack_argv(char *const *argv)
{
	json_t *list = json_array();

	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		json_array_append_new(list, json_string(argv[i]));
	return list;
}

static json_t *stack_commands(const struct stack *s)
{
	json_t *o = json_object();

	for (int i = 0; i < STACK_COMMANDS; i++)
		if (s->command[i] != NULL)
			json_object_set_new(o, stack_command_name((enum stack_command)i),
			    stack_argv(s->command[i]));
	return o;
}

static json_t *stack_json(struct engine *e, const struct stack *s)
{
	static const enum image_state order[] = { IMAGE_FAILED, IMAGE_BUILDING, IMAGE_QUEUED,
		IMAGE_ABSENT, IMAGE_UNKNOWN };
	const char *ids[] = { s->dev.id, s->run.id };
	enum image_state state = IMAGE_READY;
	json_t *images = json_array(), *dbs = json_array();

	for (size_t k = 0; k < CL_COUNT(ids); k++)
		if (ids[k][0] != '\0')
			json_array_append_new(images, image_json_one(e, ids[k]));
	for (size_t i = 0; i < CL_COUNT(order) && state == IMAGE_READY; i++)
		for (size_t k = 0; k < CL_COUNT(ids); k++)
			if (ids[k][0] != '\0' && image_get(e, ids[k]) == order[i])
				state = order[i];
	for (size_t i = 0; i < s->ndbs; i++)
		json_array_append_new(dbs, json_string(s->dbs[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:i, s:s, s:o, s:b, s:o, s:o, s:o, s:s*}",
	    "id", s->id, "title", s->title, "kind", stack_kind_name(s->kind), "summary", s->summary,
	    "ready", state == IMAGE_READY, "state",
	    s->refused != NULL && state == IMAGE_ABSENT ? "refused" : image_text(state), "run",
	    stack_argv(s->command[STACK_RUN]), "port", s->port, "health", s->health, "parent",
	    s->parent[0] != '\0' ? json_string(s->parent) : json_null(), "added", s->added, "dbs", dbs,
	    "commands", stack_commands(s), "images", images, "refused", s->refused);
}

static int stack_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const struct stack_set *set = stacks_now(e);
	json_t *list = json_array();

	(void)r;
	(void)err;
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i].kind == STACK_LANGUAGE || set->items[i].kind == STACK_FRAMEWORK)
			json_array_append_new(list, stack_json(e, &set->items[i]));
	reply_json(p, 200, json_pack("{s:o}", "stacks", list));
	return 0;
}

static int stack_show(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const struct stack *s = stack_find(stacks_now(e), request_param(r, "stack"));

	/* whoever mistypes gets what can be chosen as the hint */
	if (s == NULL && (s = stack_find_choice(stacks_now(e), request_param(r, "stack"), err)) == NULL)
		return -1;
	reply_json(p, 200, stack_json(e, s));
	return 0;
}

/* --- adding and removing ---------------------------------------------------------------------- */

static struct stack_change *stack_change_new(struct engine *e, struct cl_err *err)
{
	struct stack_change *c;

	if (e->stacks_changing) {
		err_set(err, CL_CONFLICT, "stacks: another one is being added or removed");
		err_hint(err, "Try again in a moment");
		return NULL;
	}
	e->stacks_changing = true;
	c = mem_alloc(sizeof(*c));
	c->now = c->put.now = stacks_take(e);
	return c;
}

static void stack_change_free(struct stack_change *c)
{
	stacks_give(c->now);
	json_decref(c->files);
	mem_free(c);
}

static int stack_add_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct stack_change *c = arg;

	(void)e;
	return stacks_put_add(&c->put, err);
}

static int stack_add_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct stack_change *c = arg;

	e->stacks_changing = false;
	(void)mem_copy_str(r->object, sizeof(r->object), c->put.id);
	if (err->code == CL_OK) {
		stacks_swap(e, c->put.made);
		image_reload(e);
		reply_json(p, 200, stack_json(e, stack_find(stacks_now(e), c->put.id)));
	}
	stack_change_free(c);
	return err->code == CL_OK ? 0 : -1;
}

static int stack_add_route(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct stack_change *c = stack_change_new(e, err);

	if (c == NULL)
		return -1;
	c->files = json_incref(json_object_get(r->body, "files"));
	c->put.files = c->files;
	c->put.force = request_bool(r, "force");
	request_detail(r, "%zu files%s", json_array_size(c->files), c->put.force ? ", force" : "");
	reply_work(p, stack_add_work_cb, stack_add_then_cb, c);
	return 0;
}

static int stack_unused(struct engine *e, const char *id, struct cl_err *err)
{
	int64_t n = store_number(e->store, 0, "SELECT count(*) FROM project WHERE stack = ? OR db = ?",
	    "ss", id, id);

	return n == 0 ? 0 : err_set(err, CL_CONFLICT, "stack %s: %lld project%s it", id, (long long)n,
	    n == 1 ? " uses" : "s use");
}

static int stack_rm_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct stack_change *c = arg;

	(void)e;
	return stacks_put_remove(&c->put, err);
}

/* On a worker: its images, child before parent, and the folder.  An image in use stays: gc's. */
static void stack_gone(struct engine *e, void *arg)
{
	struct stack_change *c = arg;
	const struct stack *s = stack_find(c->now, c->put.id);
	const char *ids[] = { s->dev.id, s->run.id };

	for (size_t i = 0; i < CL_COUNT(ids); i++)
		if (ids[i][0] != '\0')
			(void)e->backend.ops->image_remove(&e->backend, ids[i], NULL);
	stacks_put_sweep();
}

static void stack_gone_done(struct engine *e, void *arg)
{
	e->stacks_changing = false;
	stack_change_free(arg);
	if (!e->stopping)
		image_refresh(e);
}

static int stack_rm_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct stack_change *c = arg;

	(void)r;
	/* a project may have been made from it meanwhile */
	if (err->code == CL_OK && stack_unused(e, c->put.id, err) != 0) {
		stacks_give(c->put.made);
		(void)stacks_put_take_back(&c->put, err);
	}
	if (err->code != CL_OK) {
		e->stacks_changing = false;
		stack_change_free(c);
		return -1;
	}
	stacks_swap(e, c->put.made);
	image_reload(e);
	reply_done(p);
	engine_work(e, stack_gone, stack_gone_done, c);
	return 0;
}

static int stack_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *id = request_param(r, "stack");
	const struct stack *s = stack_find(stacks_now(e), id);
	struct stack_change *c;

	(void)mem_copy_str(r->object, sizeof(r->object), id);
	if (s == NULL)
		return err_set(err, CL_NOT_FOUND, "stack %.40s: there is no such stack", id);
	if (!s->added)
		return err_set(err, CL_FORBIDDEN, "stack %s: it came with the platform", id);
	if (stack_unused(e, id, err) != 0 || (c = stack_change_new(e, err)) == NULL)
		return -1;
	(void)mem_copy_str(c->put.id, sizeof(c->put.id), id);
	reply_work(p, stack_rm_work_cb, stack_rm_then_cb, c);
	return 0;
}

const struct route_bind route_stack_binds[] = {
	{ ROUTE_STACK_LS, stack_ls },
	{ ROUTE_STACK_SHOW, stack_show },
	{ ROUTE_STACK_ADD, stack_add_route },
	{ ROUTE_STACK_RM, stack_rm },
	{ 0, NULL },
};
