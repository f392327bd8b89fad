/*
 * The life of operations.  The row in the store is the truth; op_live is what this engine knows of
 * one that is not over.  A new engine makes them again from the rows (op_resume), so each kind's
 * run() must find out by itself how far it came.
 */
#include "engine/op.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/event.h"
#include "engine/reconcile.h"

#define OP_HEAVY 2          /* builds at a time */
#define OP_STEP_MS 200      /* steps are not stored more often */
#define OP_LINE_MAX 2000    /* bytes of a log line */

struct op_book {
	struct op_live *live;
	int working;
};

struct op_post {
	int64_t id;
	char *line;
};

struct op_job {
	struct op_live *o;
	void (*work)(struct op_live *o, void *arg);
	void (*done)(struct op_live *o, void *arg);
	void *arg;
};

static struct op_live *op_make(struct engine *e, const struct store_op *row);
static void op_run(struct op_live *o);
static void op_pump(struct engine *e);
static bool op_must_wait(const struct op_live *o);
static const struct op_kind *op_kind(const char *name);
static void op_start_posted(struct engine *e, void *arg);
static void op_finish(struct engine *e, int64_t id, const char *state, const struct cl_err *why,
    const char *result);
static void op_unlink(struct op_live *o);
static void op_work_cb(struct engine *e, void *arg);
static void op_work_done(struct engine *e, void *arg);
static void op_line_posted(struct engine *e, void *arg);
static const char *op_env(const char *env);
static int op_resume_cb(void *arg, const struct store_op *row);

void op_open(struct engine *e)
{
	e->ops = mem_alloc(sizeof(struct op_book));
}

int64_t op_tick(struct engine *e)
{
	int64_t now = clock_ms(), soonest = INT64_MAX;

	for (struct op_live *o = e->ops->live; o != NULL; o = o->next) {
		if (o->retry_ms == 0 || o->working || op_must_wait(o))
			continue;
		if (o->retry_ms <= now) {
			o->retry_ms = 0;
			op_run(o);
			return 0; /* for the next: run() may have ended others of this list */
		}
		if (o->retry_ms < soonest)
			soonest = o->retry_ms;
	}
	return soonest;
}

int op_resume(struct engine *e, struct cl_err *err)
{
	if (store_op_each_open(e->store, op_resume_cb, e, err) != 0)
		return -1;
	op_pump(e);
	return 0;
}

void op_stop(struct engine *e)
{
	for (struct op_live *o = e->ops->live; o != NULL; o = o->next)
		atomic_store(&o->cancel, true);
}

bool op_working(const struct engine *e)
{
	return e->ops->working > 0;
}

void op_close(struct engine *e)
{
	struct op_book *b = e->ops;

	while (b->live != NULL && !op_working(e))
		op_unlink(b->live);
	mem_free(b);
	e->ops = NULL;
}

int op_begin(struct engine *e, struct request *r, struct reply *p, const char *kind,
    int64_t project, const char *env, json_t *payload, int64_t *id, struct cl_err *err)
{
	struct store_op row = { .project = project, .user = r->caller.id };
	int rc;

	(void)mem_copy_str(row.kind, sizeof(row.kind), kind);
	(void)mem_copy_str(row.env, sizeof(row.env), env != NULL ? env : "");
	(void)mem_copy_str(row.by, sizeof(row.by), r->caller.name);
	row.payload = payload != NULL ? json_dumps(payload, JSON_COMPACT) : mem_strdup("{}");
	json_decref(payload);
	/* a repeated request was answered before it came here: the key is only a second lock */
	rc = store_op_add(e->store, &row, r->idem, err);
	if (id != NULL)
		*id = row.id;
	if (rc == 0)
		engine_post(e, op_start_posted, mem_dup(&row.id, sizeof(row.id)));
	if (rc == 0 && p != NULL)
		reply_json(p, 202, op_json(&row));
	store_op_clear(&row);
	return rc;
}

int op_queue(struct engine *e, const char *kind, int64_t project, const char *by, json_t *payload,
    struct cl_err *err)
{
	struct store_op row = { .project = project };
	int rc;

	(void)mem_copy_str(row.kind, sizeof(row.kind), kind);
	(void)mem_copy_str(row.by, sizeof(row.by), by);
	row.payload = json_dumps(payload, JSON_COMPACT);
	json_decref(payload);
	rc = store_op_add(e->store, &row, "", err);
	if (rc == 0)
		engine_post(e, op_start_posted, mem_dup(&row.id, sizeof(row.id)));
	store_op_clear(&row);
	return rc;
}

int op_check(struct engine *e, int64_t project, const char *env, struct cl_err *err)
{
	int64_t busy = store_op_busy(e->store, project, env);
	struct store_op row;

	if (busy == 0)
		return 0;
	if (store_op_get(e->store, busy, &row, err) != 0)
		return -1;
	err_set(err, CL_CONFLICT, "%s: operation %lld (%s by %s) is at work on %s", row.kind,
	    (long long)busy, row.kind, row.by[0] != '\0' ? row.by : "root",
	    row.env[0] != '\0' ? row.env : "the project");
	err_hint(err, "Wait for it, or: cancel %lld", (long long)busy);
	store_op_clear(&row);
	return -1;
}

void op_reply_dry(struct request *r, struct reply *p, const char *kind, const char *env,
    const char *plan)
{
	struct store_op row = { .project = r->project, .created = clock_unix_ms() };

	(void)mem_copy_str(row.kind, sizeof(row.kind), kind);
	(void)mem_copy_str(row.env, sizeof(row.env), env);
	(void)mem_copy_str(row.state, sizeof(row.state), "done");
	(void)mem_copy_str(row.step, sizeof(row.step), plan);
	(void)mem_copy_str(row.by, sizeof(row.by), r->caller.name);
	row.finished = row.created;
	reply_json(p, 200, op_json(&row));
}

int op_cancel(struct engine *e, int64_t id, struct cl_err *err)
{
	struct op_live *o = op_find(e, id);
	const struct op_kind *k;

	if (o == NULL)
		return err_set(err, CL_PRECONDITION, "operation %lld: it is over", (long long)id);
	if (strcmp(o->kind, "project rm") == 0 && o->started)
		return err_set(err, CL_PRECONDITION, "operation %lld: a removal is not stopped halfway",
		    (long long)id);
	if (strcmp(o->kind, "config rotate-db") == 0 && o->started) /* the old one may have ended already */
		return err_set(err, CL_PRECONDITION, "operation %lld: a change of password is not stopped halfway",
		    (long long)id);
	if (store_op_cancel(e->store, id, err) != 0)
		return -1;
	atomic_store(&o->cancel, true);
	if (o->working)
		return 0; /* its worker sees it */
	k = op_kind(o->kind);
	if (k->cancel != NULL)
		k->cancel(o);
	op_finish(e, id, "cancelled", NULL, NULL);
	return 0;
}

json_t *op_json(const struct store_op *o)
{
	char created[32], finished[32];
	json_t *j;

	clock_iso(o->created, created, sizeof(created));
	clock_iso(o->finished, finished, sizeof(finished));
	j = json_pack("{s:I, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "id",
	    (json_int_t)o->id, "kind", o->kind, "project", o->project > 0 ?
	    json_integer(o->project) : json_null(), "env", op_env(o->env) != NULL ?
	    json_string(o->env) : json_null(), "state", o->state, "step", o->step, "error",
	    o->error != CL_OK ? json_pack("{s:s, s:s, s:s}", "code", err_text(o->error), "message",
	    o->message, "hint", o->hint) : json_null(), "result", o->result[0] != '\0' ?
	    json_string(o->result) : json_null(), "by", o->by, "created", created, "finished",
	    o->finished > 0 ? json_string(finished) : json_null());
	return j;
}

struct op_live *op_find(struct engine *e, int64_t id)
{
	struct op_live *o;

	if (e->ops == NULL)
		return NULL;
	for (o = e->ops->live; o != NULL; o = o->next)
		if (o->id == id)
			return o;
	return NULL;
}

void op_save(struct op_live *o)
{
	cl_autofree char *text = json_dumps(o->payload, JSON_COMPACT);
	struct cl_err err = { 0 };

	if (store_op_payload(o->e->store, o->id, text, &err) != 0)
		log_error("operation %lld: %s", (long long)o->id, err.message);
}

void op_settle(struct op_live *o, uint64_t pass, const char *step)
{
	o->settling = true;
	o->pass = pass;
	o->step_ms = 0;
	op_step(o->e, o->id, step);
}

void op_retry(struct op_live *o, int64_t pause_ms, const char *step)
{
	o->retry_ms = clock_ms() + pause_ms;
	reconcile_wake(o->e); /* which asks when it is due */
	o->step_ms = 0; /* what it waits for is to be seen, however quickly that came */
	op_step(o->e, o->id, step);
}

void op_step(struct engine *e, int64_t id, const char *text)
{
	struct op_live *o = id != 0 ? op_find(e, id) : NULL;
	struct cl_err err = { 0 };
	int64_t now = clock_ms();

	if (o == NULL)
		return;
	event_publish(e, EVENT_OP_STEP, o->project, op_env(o->env), o->by, json_pack("{s:I, s:s, s:s}", "op",
	    (json_int_t)id, "kind", o->kind, "step", text), "%s: %s", o->kind, text);
	if (now - o->step_ms < OP_STEP_MS)
		return;
	o->step_ms = now;
	if (store_op_step(e->store, id, text, &err) != 0)
		log_error("operation %lld: %s", (long long)id, err.message);
}

void op_line(struct engine *e, int64_t id, const char *text)
{
	struct op_live *o = id != 0 ? op_find(e, id) : NULL;
	struct cl_err err = { 0 };
	int64_t seq = 0;

	if (o == NULL)
		return;
	if (store_op_log(e->store, id, text, &seq, &err) != 0)
		log_error("operation %lld: %s", (long long)id, err.message);
	else if (seq != 0)
		event_publish(e, EVENT_OP_LOG, o->project, op_env(o->env), o->by, json_pack(
		    "{s:I, s:I, s:s}", "op", (json_int_t)id, "seq", (json_int_t)seq, "line", text),
		    "%.900s", text);
}

void op_work(struct op_live *o, void (*work)(struct op_live *o, void *arg),
    void (*done)(struct op_live *o, void *arg), void *arg)
{
	struct op_job *j = mem_alloc(sizeof(*j));

	j->o = o;
	j->work = work;
	j->done = done;
	j->arg = arg;
	o->working = true;
	o->e->ops->working++;
	engine_work(o->e, op_work_cb, NULL, j);
}

bool op_at_work(const struct engine *e, int64_t project, const char *kind,
    const struct op_live *except)
{
	for (const struct op_live *o = e->ops->live; o != NULL; o = o->next) {
		if (o == except)
			continue;
		if (kind != NULL && strcmp(o->kind, kind) == 0 && o->working)
			return true;
		if (kind == NULL && (project == 0 || o->project == project) &&
		    strcmp(o->kind, "image push") != 0 && strcmp(o->kind, "image gc") != 0)
			return true;
	}
	return false;
}

bool op_is_cancelled(void *live)
{
	struct op_live *o = live;

	return atomic_load(&o->cancel);
}

/* On a worker's thread: bytes of anyone, made a valid line of bounded length. */
void op_line_cb(void *live, const char *line, size_t len)
{
	struct op_live *o = live;
	struct op_post *post = mem_alloc(sizeof(*post));
	size_t n = 0;

	if (len > OP_LINE_MAX)
		len = OP_LINE_MAX;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	post->id = o->id;
	post->line = mem_alloc(3 * len + 1);
	while (len > 0) {
		uint32_t cp;
		size_t used = utf8_decode(line, len, &cp);

		n += utf8_encode(cp == 0 ? UTF8_BAD : cp, post->line + n);
		line += used;
		len -= used;
	}
	engine_post(o->e, op_line_posted, post);
}

bool op_clear_project(struct engine *e, int64_t project, int64_t except)
{
	bool none = true;

	for (struct op_live *o = e->ops->live, *next; o != NULL; o = next) {
		next = o->next;
		if (o->project != project || o->id == except)
			continue;
		atomic_store(&o->cancel, true);
		if (o->working)
			none = false;
		else
			op_finish(e, o->id, "cancelled", NULL, NULL);
	}
	return none;
}

void op_done(struct engine *e, int64_t id, const char *result)
{
	op_finish(e, id, "done", NULL, result);
}

void op_failed(struct engine *e, int64_t id, const struct cl_err *why)
{
	op_finish(e, id, "failed", why, NULL);
}

void op_settled(struct engine *e, int64_t project, const char *env, uint64_t pass,
    const struct cl_err *why, const char *result)
{
	for (struct op_live *o = e->ops->live, *next; o != NULL; o = next) {
		next = o->next;
		if (!o->settling || o->project != project || strcmp(o->env, env) != 0 ||
		    o->pass > pass)
			continue;
		if (why != NULL)
			op_failed(e, o->id, why);
		else
			op_done(e, o->id, result);
	}
}

void op_waits(struct engine *e, int64_t project, const char *env, const char *why)
{
	char step[600];

	if (strncmp(why, "kubernetes: ", 12) == 0)
		(void)snprintf(step, sizeof(step), "waiting for the cluster: %s", why + 12);
	else
		(void)snprintf(step, sizeof(step), "waiting for the container runtime: %s", why);
	op_says(e, project, env, step);
}

void op_says(struct engine *e, int64_t project, const char *env, const char *what)
{
	for (struct op_live *o = e->ops->live; o != NULL; o = o->next)
		if (o->settling && o->project == project && strcmp(o->env, env) == 0)
			op_step(e, o->id, what);
}

/* --- inside ----------------------------------------------------------------------------------- */

static struct op_live *op_make(struct engine *e, const struct store_op *row)
{
	struct op_book *b = e->ops;
	struct op_live *o = mem_alloc(sizeof(*o)), **at = &b->live;

	o->e = e;
	o->id = row->id;
	o->project = row->project;
	o->attempts = row->attempts;
	(void)mem_copy_str(o->kind, sizeof(o->kind), row->kind);
	(void)mem_copy_str(o->env, sizeof(o->env), row->env);
	(void)mem_copy_str(o->by, sizeof(o->by), row->by);
	o->payload = json_loads(row->payload, 0, NULL);
	if (!json_is_object(o->payload)) {
		json_decref(o->payload);
		o->payload = json_object();
	}
	atomic_store(&o->cancel, row->cancel);
	while (*at != NULL)
		at = &(*at)->next;
	*at = o;
	return o;
}

static int op_resume_cb(void *arg, const struct store_op *row)
{
	struct engine *e = arg;

	if (op_find(e, row->id) == NULL)
		(void)op_make(e, row);
	return 0;
}

static void op_start_posted(struct engine *e, void *arg)
{
	int64_t id = *(int64_t *)arg;
	struct store_op row;

	mem_free(arg);
	if (e->ops == NULL || e->stopping || op_find(e, id) != NULL ||
	    store_op_get(e->store, id, &row, NULL) != 0)
		return; /* rolled back, or the next engine's */
	if (strcmp(row.state, "queued") == 0)
		(void)op_make(e, &row);
	store_op_clear(&row);
	op_pump(e);
}

/* What is new is due at once: op_tick() runs it, outside of this walk. */
static void op_pump(struct engine *e)
{
	for (struct op_live *o = e->ops->live; o != NULL && !e->stopping; o = o->next) {
		if (o->started)
			continue;
		o->started = true;
		o->retry_ms = clock_ms();
		reconcile_wake(e);
	}
}

/* A build waits while enough others are at work; what has been built already does not. */
static bool op_must_wait(const struct op_live *o)
{
	const struct op_kind *k = op_kind(o->kind);
	int heavy = 0;

	if (k == NULL || !k->heavy || o->settling || o->pass != 0 || atomic_load(&o->cancel))
		return false;
	for (const struct op_live *p = o->e->ops->live; p != NULL; p = p->next) {
		const struct op_kind *other = p->working ? op_kind(p->kind) : NULL;

		heavy += other != NULL && other->heavy;
	}
	return heavy >= OP_HEAVY;
}

static void op_run(struct op_live *o)
{
	const struct op_kind *k = op_kind(o->kind);
	struct engine *e = o->e;
	struct cl_err err = { 0 };
	int64_t id = o->id;
	bool first = o->attempts == 0;

	if (store_begin(e->store, &err) != 0)
		return op_failed(e, id, &err);
	if (o->pass == 0 && !o->settling) {
		o->attempts++;
		(void)store_op_start(e->store, id, &err);
		if (first)
			event_publish(e, EVENT_OP_STARTED, o->project, op_env(o->env), o->by, json_pack(
			    "{s:I, s:s}", "op", (json_int_t)id, "kind", o->kind), "%s started by %s",
			    o->kind, o->by[0] != '\0' ? o->by : "root");
	}
	if (k == NULL)
		(void)err_set(&err, CL_NOT_IMPLEMENTED, "operation %s: unknown kind", o->kind);
	else if (atomic_load(&o->cancel))
		(void)err_set(&err, CL_FAILED, "cancelled");
	else if (k->run(o, &err) == 0)
		err_clear(&err);
	if (err.code == CL_OK && store_commit(e->store, &err) == 0)
		return;
	if (store_busy(e->store))
		store_rollback(e->store);
	if (op_find(e, id) != NULL)
		op_failed(e, id, &err);
}

static const struct op_kind *op_kind(const char *name)
{
	for (const struct op_kind *k = op_table; k->name != NULL; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static void op_finish(struct engine *e, int64_t id, const char *state, const struct cl_err *why,
    const char *result)
{
	struct op_live *o = id != 0 ? op_find(e, id) : NULL;
	struct cl_err err = { 0 };
	bool failed = why != NULL;

	if (o == NULL)
		return;
	if (failed && atomic_load(&o->cancel) && strstr(why->message, "cancelled") != NULL)
		state = "cancelled";
	if (store_begin(e->store, &err) == 0) {
		(void)store_op_finish(e->store, id, state, why, result, &err);
		event_publish(e, EVENT_OP_DONE, o->project, op_env(o->env), o->by, json_pack(
		    "{s:I, s:s, s:s, s:o, s:o}", "op", (json_int_t)id, "kind", o->kind, "state",
		    state, "result", result != NULL && *result != '\0' ? json_string(result) :
		    json_null(), "error", failed ? json_pack("{s:s, s:s, s:s}", "code",
		    err_text(why->code), "message", why->message, "hint", why->hint) :
		    json_null()), "%s %s%s%.700s", o->kind, state, failed ? ": " : "",
		    failed ? why->message : "");
		(void)store_commit(e->store, &err);
	}
	if (err.code != CL_OK)
		log_error("operation %lld: %s", (long long)id, err.message);
	op_unlink(o);
	op_pump(e);
}

static void op_unlink(struct op_live *o)
{
	struct op_live **at = &o->e->ops->live;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	json_decref(o->payload);
	mem_free(o);
}

static void op_work_cb(struct engine *e, void *arg)
{
	struct op_job *j = arg;

	j->work(j->o, j->arg);
	engine_post(e, op_work_done, j); /* behind its lines */
}

static void op_work_done(struct engine *e, void *arg)
{
	struct op_job *j = arg;

	if (e->ops == NULL)
		return; /* too late: the engine gave up waiting for it */
	j->o->working = false;
	e->ops->working--;
	j->done(j->o, j->arg);
	mem_free(j);
	reconcile_wake(e); /* for those that waited */
}

static void op_line_posted(struct engine *e, void *arg)
{
	struct op_post *post = arg;

	op_line(e, post->id, post->line);
	mem_free(post->line);
	mem_free(post);
}

/* As people know it: the dev container's is none. */
static const char *op_env(const char *env)
{
	return env[0] == '\0' || strcmp(env, "ide") == 0 ? NULL : env;
}
