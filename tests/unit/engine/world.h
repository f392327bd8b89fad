/*
 * A small engine in this process: store, events, operations and reconciling over the sim backend,
 * and handlers called as the router calls them (transaction around those that change things, work
 * done at once).  For tests of what a route answers.
 */
#ifndef TESTS_UNIT_ENGINE_WORLD_H
#define TESTS_UNIT_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/backend_sim.h"
#include "engine/event_hub.h"
#include "engine/image.h"
#include "engine/op.h"
#include "engine/operate.h"
#include "engine/reconcile.h"
#include "engine/reply_internal.h"
#include "engine/route.h"
#include "engine/store_env.h"
#include "engine/store_project.h"
#include "engine/store_user.h"

#define WORLD_WAIT_MS 20000

struct world {
	uv_loop_t loop;
	struct engine e;
	struct sim *sim;
	struct backend backend;
	char path[64];
	int64_t user, project;
	enum policy_role right;     /* of the caller of world_call() */
	int64_t project_asked;      /* 0: none in the path */
	int64_t op_asked;
	struct reply reply;         /* of the last call */
	struct cl_err err;
};

static inline void world_begin(struct world *w)
{
	struct cl_err err = { 0 };

	memset(&w->e, 0, sizeof(w->e));
	assert_int_equal(uv_loop_init(&w->loop), 0);
	engine_open(&w->e, &w->loop);
	w->e.uid_base = 200000;
	w->e.gid_base = 300000;
	w->e.backend = w->backend;
	w->e.store = store_open(w->path, &err);
	assert_non_null(w->e.store);
	event_hub_open(&w->e);
	if (operate_open(&w->e, &err) != 0)
		fail_msg("%s", err.message);
}

/* The engine ends without writing anything more, as one that was killed. */
static inline void world_cut(struct world *w)
{
	w->e.stopping = true;
	operate_close(&w->e);
	event_hub_close(&w->e);
	store_close(w->e.store);
	engine_close(&w->e);
	while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
		;
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static inline void world_turn(struct world *w)
{
	if (uv_run(&w->loop, UV_RUN_NOWAIT) != 0)
		(void)usleep(500);
}

static inline void world_script(struct world *w, const char *text)
{
	struct cl_err err = { 0 };

	assert_int_equal(backend_sim_script(w->sim, text, &err), 0);
}

/* Runs the loop until the operation is in this state. */
static inline void world_until(struct world *w, int64_t op, const char *state)
{
	int64_t until = clock_ms() + WORLD_WAIT_MS;

	for (;;) {
		struct store_op row;
		bool over, there;

		assert_int_equal(store_op_get(w->e.store, op, &row, NULL), 0);
		there = strcmp(row.state, state) == 0;
		over = strcmp(row.state, "queued") != 0 && strcmp(row.state, "running") != 0;
		if (!there && (over || clock_ms() > until))
			fail_msg("%s is %s, not %s: %s %s", row.kind, row.state, state, row.step,
			    row.message);
		store_op_clear(&row);
		if (there)
			return;
		world_turn(w);
	}
}

static inline void world_forget_reply(struct world *w)
{
	if (w->reply.stream != NULL)
		stream_free(w->reply.stream);
	json_decref(w->reply.req.query);
	json_decref(w->reply.req.body);
	json_decref(w->reply.body);
	memset(&w->reply, 0, sizeof(w->reply));
}

/* "a=1&b=2" */
static inline json_t *world_query(const char *text)
{
	json_t *o = json_object();
	char copy[256], *rest = copy, *word;

	(void)mem_copy_str(copy, sizeof(copy), text);
	while ((word = strsep(&rest, "&")) != NULL) {
		char *eq = strchr(word, '=');

		if (eq == NULL)
			continue;
		*eq = '\0';
		json_object_set_new(o, word, json_string(eq + 1));
	}
	return o;
}

static inline int world_finish_work(struct world *w)
{
	struct reply *p = &w->reply;
	struct cl_err why = { 0 };
	int rc = p->work(&w->e, p->arg, &why);

	if (rc != 0 && why.code == CL_OK)
		fail_msg("work failed without a reason");
	w->err = why;
	return p->then(&w->e, &p->req, p, p->arg, &w->err);
}

/* Status of the answer, as the router would send it. body: JSON or NULL. */
static inline int world_call(struct world *w, enum route_id id, const char *query, const char *body)
{
	struct reply *p = &w->reply;
	struct request *r = &p->req;
	bool change = route_table[id].verb[0] != '\0';
	int rc;

	world_forget_reply(w);
	err_clear(&w->err);
	p->engine = &w->e;
	r->route = &route_table[id];
	r->query = world_query(query);
	r->body = body != NULL ? json_loads(body, 0, NULL) : NULL;
	assert_true(body == NULL || r->body != NULL);
	r->project = w->project_asked;
	r->op = w->op_asked;
	r->right = w->right;
	r->caller.id = w->user;
	r->caller.uid = 200000 + (uid_t)w->user;
	r->caller.role = POLICY_DEVELOPER;
	(void)mem_copy_str(r->caller.name, sizeof(r->caller.name), "alice");
	if (change)
		assert_int_equal(store_begin(w->e.store, NULL), 0);
	rc = route_bind_find(id)(&w->e, r, p, &w->err);
	if (rc == 0 && p->work != NULL)
		rc = world_finish_work(w);
	if (change && rc == 0)
		assert_int_equal(store_commit(w->e.store, NULL), 0);
	else if (change)
		store_rollback(w->e.store);
	if (rc == 0)
		return p->status;
	if (w->err.code == CL_OK || w->err.message[0] == '\0')
		fail_msg("%s failed without saying why", route_table[id].name);
	return err_http(w->err.code);
}

/* The call must fail so, and say this. */
static inline void world_refused(struct world *w, enum route_id id, const char *query,
    const char *body, enum cl_code code, const char *says)
{
	int status = world_call(w, id, query, body);

	if (status < 400)
		fail_msg("%s %s %s: %d", route_table[id].name, query, body != NULL ? body : "",
		    status);
	if (w->err.code != code || strstr(w->err.message, says) == NULL)
		fail_msg("%s %s %s: %s (%s), not %s (%s)", route_table[id].name, query,
		    body != NULL ? body : "", err_text(w->err.code), w->err.message, err_text(code),
		    says);
}

/* The id of the operation that the call began. */
static inline int64_t world_op(struct world *w, enum route_id id, const char *body)
{
	if (world_call(w, id, "", body) != 202)
		fail_msg("%s: %d %s", route_table[id].name, w->reply.status, w->err.message);
	return json_integer_value(json_object_get(w->reply.body, "id"));
}

static inline void world_done(struct world *w, enum route_id id, const char *body)
{
	world_until(w, world_op(w, id, body), "done");
}

static inline const char *world_str(struct world *w, const char *field)
{
	const char *s = json_string_value(json_object_get(w->reply.body, field));

	return s != NULL ? s : "";
}

static inline struct store_env world_env(struct world *w, const char *env)
{
	struct store_env row;

	assert_int_equal(store_env_get(w->e.store, w->project, env, &row, NULL), 0);
	return row;
}

static inline int world_setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct request r = { 0 };
	struct cl_err err = { 0 };
	int64_t op;

	(void)snprintf(w->path, sizeof(w->path), "/tmp/cl-world-%d.db", (int)getpid());
	(void)unlink(w->path);
	w->sim = backend_sim_new(&w->backend, "");
	world_begin(w);
	assert_int_equal(store_user_add(w->e.store, "alice", "developer", NULL, &w->user, &err), 0);
	assert_int_equal(store_project_add(w->e.store, w->user, "shop", "django", "", &w->project,
	    &err), 0);
	assert_int_equal(store_project_set_state(w->e.store, w->project, "ready", &err), 0);
	w->project_asked = w->project;
	w->right = POLICY_OWNER;
	assert_int_equal(op_begin(&w->e, &r, NULL, "image build", 0, NULL, NULL, &op, &err), 0);
	world_until(w, op, "done");
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	static const char *const files[] = { "", "-wal", "-shm" };
	struct world *w = *state;
	char path[80];

	world_forget_reply(w);
	world_cut(w);
	for (size_t i = 0; i < CL_COUNT(files); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", w->path, files[i]);
		(void)unlink(path);
	}
	backend_sim_free(w->sim);
	mem_free(w);
	return 0;
}

/* Options for a test: the stacks of this source tree, quick reconciling. */
static inline int world_config(const char *source)
{
	char images[512], *argv[] = { (char *)(uintptr_t)"test", NULL };
	struct cl_err err = { 0 };
	int argc = 1;

	(void)snprintf(images, sizeof(images), "%s/images", source);
	(void)setenv("CODINGLAB_IMAGES_DIR", images, 1);
	(void)setenv("CODINGLAB_ENGINE_RECONCILE_MS", "50", 1);
	/* no package proxy is up: builds would wait for it to know their registries */
	(void)setenv("CODINGLAB_PROXY_ENABLED", "no", 1);
	(void)setenv("CODINGLAB_CONF", "/dev/null", 1);
	if (config_load(NULL, &argc, argv, &err) == 0)
		return 0;
	err_print(&err);
	return -1;
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
