/*
 *   handler            worker              loop               reconcile
 *   row "building" ──► build ──► digest ──► row "rolling" ──► pass ──► "serving"
 *         │               └─ fails ─────────► "failed"          └────► "failed", the old one stays
 *         └ copies have their digest: ──────► row "rolling"
 *
 * Where a killed engine goes on is the row's result.
 */
#include "engine/deploy.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/event.h"
#include "engine/deploy_file.h"
#include "engine/image.h"
#include "engine/manifest.h"
#include "engine/plan.h"
#include "engine/reconcile.h"
#include "engine/registry.h"
#include "engine/repository.h"
#include "engine/stacks.h"
#include "engine/store_image.h"
#include "engine/store_project.h"
#include "engine/stored.h"
#include "images/appfile.h"

#define DEPLOY_ATTEMPTS 3
#define DEPLOY_FETCH_S 1800

struct deploy_build {
	struct backend_build spec;
	const struct stack_set *stacks; /* taken, for stack */
	const struct stack *stack;
	struct appfile app;
	char id[64], digest[128];
	struct deploy_file file;
	struct cl_err err;
};

static int deploy_secrets(struct engine *e, const struct stack *stack, int64_t env,
    struct cl_err *err);
static void deploy_random(char *hex, size_t bytes);
static int deploy_vars_cb(void *arg, const char *name, const char *value, bool secret);
static int deploy_login(struct engine *e, const struct store_env *row, bool other, struct release *to,
    struct cl_err *err);
static int deploy_op(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, int *version, struct cl_err *err);
static int deploy_build_start(struct op_live *o, int version, struct cl_err *err);
static int deploy_images_ready(struct op_live *o, const struct stack *stack, const char *database,
    struct cl_err *err);
static void deploy_build_work(struct op_live *o, void *arg);
static int deploy_read(struct op_live *o, struct deploy_build *b, const char *name,
    int (*add)(struct appfile *a, const char *text, size_t len, struct cl_err *err));
static void deploy_build_done(struct op_live *o, void *arg);
static int deploy_built(struct op_live *o, const struct deploy_build *b, int version,
    struct cl_err *err);
static void deploy_build_failed(struct op_live *o, struct cl_err *why, int version);
static void deploy_build_free(struct deploy_build *b);
static int deploy_roll(struct op_live *o, int version, struct cl_err *err);
static int deploy_fetch(struct op_live *o, const char *digest);
static int deploy_version(const struct op_live *o);

int deploy_ensure_env(struct engine *e, int64_t project, const char *env, struct store_env *out,
    struct cl_err *err)
{
	struct store_project p;
	const struct stack *stack;
	char host[254], password[49];
	bool fresh;

	if (store_project_get(e->store, project, &p, err) != 0)
		return -1;
	if (strcmp(p.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", p.name, p.state);
	stack = stack_find_choice(stacks_now(e), p.stack, err);
	if (stack == NULL)
		return -1;
	if (manifest_host(host, sizeof(host), p.name, p.owner_name, env,
	    config_str("edge.domain")) != 0)
		return err_set(err, CL_USAGE, "host name: %s.%s is too long", p.name, p.owner_name);
	deploy_random(password, 24);
	fresh = store_env_get(e->store, project, env, out, NULL) != 0;
	if (store_env_ensure(e->store, project, env, host, (int)config_int("edge.slots"), password,
	    out, err) != 0)
		return -1;
	if (!fresh)
		return 0;
	if (store_env_set_want(e->store, out->id, "web", (int)config_int("deploy.web_default"),
	    err) != 0 || store_env_set_want(e->store, out->id, "was",
	    (int)config_int("deploy.was_default"), err) != 0 ||
	    store_env_set_want(e->store, out->id, "db",
	    stack_db(stacks_now(e), stack, p.db) != NULL, err) != 0 ||
	    deploy_secrets(e, stack, out->id, err) != 0)
		return -1;
	return store_env_get(e->store, project, env, out, err);
}

int deploy_begin_build(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, struct cl_err *err)
{
	struct store_env row;
	int version;

	if (op_check(e, r->project, env, err) != 0 ||
	    deploy_ensure_env(e, r->project, env, &row, err) != 0 ||
	    deploy_op(e, r, p, kind, env, &version, err) != 0)
		return -1;
	request_detail(r, "%s v%d", env, version);
	if (row.serving > 0)
		return 0;
	return store_env_set_state(e->store, row.id, "deploying", "", err);
}

int deploy_begin_copy(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, const char *from_env, int from_version, unsigned how,
    struct cl_err *err)
{
	struct release rel;
	struct store_release from;
	struct store_env row;
	cl_autofree char *config = NULL;
	int version, rc;

	release_init(&rel);
	rc = op_check(e, r->project, env, err);
	if (rc == 0)
		rc = deploy_ensure_env(e, r->project, env, &row, err);
	if (rc == 0)
		rc = store_env_release_get(e->store, r->project, from_env, from_version, &from, &rel,
		    err);
	if (rc == 0 && from.digest[0] == '\0')
		rc = err_set(err, CL_PRECONDITION, "release v%d: it was never built", from_version);
	if (rc == 0 && store_image_gone(e->store, from.digest)) {
		rc = err_set(err, CL_PRECONDITION, "release v%d: its image was removed by image gc",
		    from_version);
		(void)err_hint(err, "images.keep says how many are kept");
	}
	while (rc == 0 && (how & DEPLOY_FRESH) && rel.nvars > 0) {
		mem_free(rel.vars[--rel.nvars].name);
		mem_free(rel.vars[rel.nvars].value);
	}
	if (rc == 0 && (how & DEPLOY_FRESH))
		rc = store_env_each_var(e->store, row.id, deploy_vars_cb, &rel, err);
	if (rc == 0)
		rc = deploy_login(e, &row, (how & DEPLOY_LOGIN) != 0, &rel, err);
	rel.migrated = !(how & DEPLOY_MIGRATE);
	config = rc == 0 ? release_print(&rel) : NULL;
	release_clear(&rel);
	if (rc != 0 || deploy_op(e, r, p, kind, env, &version, err) != 0)
		return -1;
	request_detail(r, "%s v%d from %s v%d", env, version, from_env, from_version);
	return store_env_release_set(e->store, r->project, env, version, "rolling", NULL, from.digest,
	    config, err);
}

int deploy_run(struct op_live *o, struct cl_err *err)
{
	int version = deploy_version(o);
	struct store_release row;

	if (version == 0) { /* config set where nothing is deployed */
		op_done(o->e, o->id, "");
		return 0;
	}
	if (store_env_release_get(o->e->store, o->project, o->env, version, &row, NULL, err) != 0)
		return -1;
	if (strcmp(row.result, "building") == 0)
		return deploy_build_start(o, version, err);
	if (strcmp(row.result, "rolling") == 0)
		return repository_have() ? deploy_fetch(o, row.digest) : deploy_roll(o, version, err);
	if (strcmp(row.result, "failed") == 0)
		return err_set(err, CL_FAILED, "%s", row.reason);
	op_done(o->e, o->id, "");
	return 0;
}

/* While it is rolled out: back to what serves. */
void deploy_cancel(struct op_live *o)
{
	struct cl_err err = { 0 };
	struct store_env row;
	int version = deploy_version(o);

	if (version == 0)
		return;
	if (store_env_get(o->e->store, o->project, o->env, &row, &err) != 0 ||
	    store_env_release_set(o->e->store, o->project, o->env, version, "failed", "cancelled",
	    NULL, NULL, &err) != 0 || (row.desired == version && row.serving != version &&
	    store_env_set_release(o->e->store, row.id, row.serving, row.serving, &err) != 0))
		log_error("operation %lld: %s", (long long)o->id, err.message);
	(void)reconcile_kick(o->e, o->project, o->env);
}

/* How a new release enters the database: as what serves does, or by the other name with a new password. */
static int deploy_login(struct engine *e, const struct store_env *row, bool other, struct release *to,
    struct cl_err *err)
{
	struct store_release serves;
	struct release now;
	int rc = 0;

	release_init(&now);
	if (row->serving > 0)
		rc = store_env_release_get(e->store, row->project, row->name, row->serving, &serves, &now,
		    err);
	(void)mem_copy_str(to->db_user, sizeof(to->db_user), now.db_user);
	(void)mem_copy_str(to->db_password, sizeof(to->db_password), now.db_password);
	if (other) {
		(void)mem_copy_str(to->db_user, sizeof(to->db_user), strcmp(manifest_db_user(&now),
		    MANIFEST_DB_USER) == 0 ? MANIFEST_DB_OTHER : MANIFEST_DB_USER);
		deploy_random(to->db_password, 24);
	}
	release_clear(&now);
	return rc;
}

static int deploy_op(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, int *version, struct cl_err *err)
{
	cl_autofree char *payload = NULL;
	int64_t op = 0;

	if (op_begin(e, r, p, kind, r->project, env, NULL, &op, err) != 0 ||
	    store_env_release_add(e->store, r->project, env, r->caller.name, op, version, err) != 0)
		return -1;
	payload = mem_printf("{\"version\":%d}", *version);
	return store_op_payload(e->store, op, payload, err);
}

static int deploy_secrets(struct engine *e, const struct stack *stack, int64_t env,
    struct cl_err *err)
{
	for (size_t i = 0; stack->secrets != NULL && stack->secrets[i] != NULL; i++) {
		char value[65];

		deploy_random(value, 32);
		if (store_env_set_var(e->store, env, stack->secrets[i], value, true, err) != 0)
			return -1;
	}
	return 0;
}

static void deploy_random(char *hex, size_t bytes)
{
	unsigned char raw[32];

	if (bytes > sizeof(raw) || getrandom(raw, bytes, 0) != (ssize_t)bytes)
		log_fatal("no random bytes");
	for (size_t i = 0; i < bytes; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	mem_wipe(raw, sizeof(raw));
}

static int deploy_vars_cb(void *arg, const char *name, const char *value, bool secret)
{
	(void)secret;
	return release_set_var(arg, name, value, NULL);
}

static int deploy_version(const struct op_live *o)
{
	return (int)json_integer_value(json_object_get(o->payload, "version"));
}

/* --- building --------------------------------------------------------------------------------- */

static int deploy_build_start(struct op_live *o, int version, struct cl_err *err)
{
	struct engine *e = o->e;
	struct deploy_build *b;
	struct store_project p;
	const struct stack *stack;
	int rc;

	if (store_project_get(e->store, o->project, &p, err) != 0 ||
	    (stack = stack_find_choice(stacks_now(e), p.stack, err)) == NULL)
		return -1;
	if (o->attempts > DEPLOY_ATTEMPTS)
		rc = err_set(err, CL_FAILED, "build: the engine was restarted during it %d times",
		    DEPLOY_ATTEMPTS);
	else
		rc = deploy_images_ready(o, stack, p.db, err);
	if (rc < 0) {
		deploy_build_failed(o, err, version);
		return -1;
	}
	if (rc == 1) { /* waits; this was no attempt */
		o->attempts--;
		return 0;
	}
	b = mem_alloc(sizeof(*b));
	b->stacks = stacks_take(e);
	b->stack = stack;
	appfile_init(&b->app);
	(void)snprintf(b->spec.id, sizeof(b->spec.id), "app/p%lld", (long long)o->project);
	(void)mem_copy_str(b->spec.from, sizeof(b->spec.from), stack->dev.id);
	(void)mem_copy_str(b->spec.onto, sizeof(b->spec.onto), stack->run.id);
	b->spec.project = o->project;
	b->spec.op = o->id;
	b->spec.uid = engine_uid(e, p.owner);
	b->spec.gid = engine_gid(e, o->project);
	b->spec.memory = config_int("build.memory_mb") << 20;
	op_step(e, o->id, "building the application image");
	op_work(o, deploy_build_work, deploy_build_done, b);
	return 0;
}

/* 0 they are there, 1 they are being built: tried again soon, -1 they are not to be had. */
static int deploy_images_ready(struct op_live *o, const struct stack *stack, const char *database,
    struct cl_err *err)
{
	const struct stack *db = stack_db(stacks_now(o->e), stack, database);
	const char *need[] = { stack->dev.id, stack->run.id, "web", db != NULL ? db->run.id : "web" };
	char step[128];

	for (size_t i = 0; i < CL_COUNT(need); i++) {
		enum image_state state = image_get(o->e, need[i]);

		if (state == IMAGE_READY || state == IMAGE_UNKNOWN)
			continue;
		if (state == IMAGE_QUEUED || state == IMAGE_BUILDING) {
			(void)snprintf(step, sizeof(step), "waiting for image %s to be built",
			    need[i]);
			op_retry(o, 1000, step);
			return 1;
		}
		err_set(err, CL_PRECONDITION, "image %s: it %s", need[i], state == IMAGE_FAILED ?
		    "could not be built" : "is not built");
		return err_hint(err, "An admin builds it: image build %s", need[i]);
	}
	/* A lab that has just been started: the proxy would refuse the build its own registries. */
	if (image_asking(o->e) && registry_is_missing(stack)) {
		op_retry(o, 1000, "waiting for the package registries of the stack to be known");
		return 1;
	}
	return 0;
}

static void deploy_build_work(struct op_live *o, void *arg)
{
	struct deploy_build *b = arg;
	struct backend *be = &o->e->backend;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = (int)config_int("build.timeout_s") };

	if (deploy_read(o, b, ".codinglab.json", appfile_add_json) != 0 ||
	    deploy_read(o, b, "Procfile", appfile_add_procfile) != 0)
		return;
	if (deploy_file_find(&b->file, be, o->project, b->spec.uid, &b->app, &b->err) != 0)
		return;
	if (b->file.name[0] != '\0') {
		(void)deploy_file_build(&b->file, be, b->stacks, &b->spec, &job, b->digest,
		    sizeof(b->digest), &b->err);
		return;
	}
	b->spec.build = (char **)(uintptr_t)appfile_get(&b->app, b->stack, STACK_BUILD);
	b->spec.cmd = (char **)(uintptr_t)appfile_get(&b->app, b->stack, STACK_SERVE);
	(void)be->ops->build(be, &b->spec, &job, b->digest, sizeof(b->digest), &b->err);
}

/* A file of the workspace, which the project may have or not. */
static int deploy_read(struct op_live *o, struct deploy_build *b, const char *name,
    int (*add)(struct appfile *a, const char *text, size_t len, struct cl_err *err))
{
	struct backend *be = &o->e->backend;
	struct cl_err why = { 0 };
	struct buf text;
	int rc;

	buf_init(&text, APPFILE_MAX);
	rc = be->ops->workspace_read(be, o->project, b->spec.uid, name, APPFILE_MAX, &text, &why);
	if (rc == 0)
		rc = add(&b->app, text.data != NULL ? text.data : "", text.len, &b->err);
	else if (why.code == CL_NOT_FOUND)
		rc = 0;
	else
		b->err = why;
	buf_clear(&text);
	return rc;
}

static void deploy_build_done(struct op_live *o, void *arg)
{
	struct deploy_build *b = arg;
	struct engine *e = o->e;
	int version = deploy_version(o);
	struct cl_err err = { 0 };
	int64_t id = o->id;

	if (e->stopping) { /* the next engine builds anew */
		deploy_build_free(b);
		return;
	}
	if (b->err.code == CL_OK && atomic_load(&o->cancel))
		(void)err_set(&b->err, CL_FAILED, "cancelled");
	if (b->err.code == CL_UNAVAILABLE) {
		op_retry(o, 3000, "waiting for the container runtime");
		o->attempts--;
		deploy_build_free(b);
		return;
	}
	if (store_begin(e->store, &err) != 0) {
		op_failed(e, id, &err);
		deploy_build_free(b);
		return;
	}
	if (b->err.code != CL_OK) {
		deploy_build_failed(o, &b->err, version);
		op_failed(e, id, &b->err);
	} else if (deploy_built(o, b, version, &err) != 0 || deploy_roll(o, version, &err) != 0) {
		store_rollback(e->store);
		op_failed(e, id, &err);
		deploy_build_free(b);
		return;
	}
	if (store_commit(e->store, &err) != 0)
		op_failed(e, id, &err);
	deploy_build_free(b);
}

static int deploy_built(struct op_live *o, const struct deploy_build *b, int version,
    struct cl_err *err)
{
	bool own = b->file.name[0] != '\0';
	char *const *migrate = own ? b->app.command[STACK_MIGRATE]
	    : appfile_get(&b->app, b->stack, STACK_MIGRATE);
	cl_autofree char *config = NULL;
	char tag[32], image[128];
	struct store_env row;
	struct release r;
	int rc;

	release_init(&r);
	r.own = own;
	r.port = b->app.port > 0 ? b->app.port : b->file.port > 0 ? b->file.port : b->stack->port;
	(void)mem_copy_str(r.health, sizeof(r.health), b->app.health[0] != '\0' ? b->app.health :
	    own ? DEPLOY_FILE_HEALTH : b->stack->health);
	r.migrate = (char **)(uintptr_t)migrate; /* borrowed for the printing */
	r.migrated = migrate == NULL;
	rc = store_env_get(o->e->store, o->project, o->env, &row, err);
	if (rc == 0)
		rc = store_env_each_var(o->e->store, row.id, deploy_vars_cb, &r, err);
	if (rc == 0)
		rc = deploy_login(o->e, &row, false, &r, err);
	config = release_print(&r);
	r.migrate = NULL;
	release_clear(&r);
	if (rc != 0)
		return -1;
	if (store_env_release_set(o->e->store, o->project, o->env, version, "rolling", NULL,
	    b->digest, config, err) != 0)
		return -1;
	(void)snprintf(tag, sizeof(tag), "op%lld", (long long)o->id);
	(void)snprintf(image, sizeof(image), "%s:%s", b->spec.id, tag);
	return stored_queue(o->e, o->project, o->by, image, b->spec.id, tag, err);
}

/* Writes down why; the message gets the last lines of the build, which say more than we can. */
static void deploy_build_failed(struct op_live *o, struct cl_err *why, int version)
{
	struct engine *e = o->e;
	struct cl_err err = { 0 };
	struct store_env row;
	char tail[256];

	store_op_log_tail(e->store, o->id, 3, tail, sizeof(tail));
	for (char *p = tail; *p != '\0'; p++)
		if (*p == '\n')
			*p = '|';
	if (tail[0] != '\0' && strstr(why->message, "cancelled") == NULL) {
		char whole[sizeof(why->message)];

		(void)snprintf(whole, sizeof(whole), "%.200s. The log ends: %.250s", why->message, tail);
		(void)mem_copy_str(why->message, sizeof(why->message), whole);
		err_hint(why, "The whole log: events, or GET /v1/ops/%lld/log", (long long)o->id);
	}
	(void)store_env_release_set(e->store, o->project, o->env, version, "failed", why->message,
	    NULL, NULL, &err);
	if (store_env_get(e->store, o->project, o->env, &row, &err) == 0 && row.serving == 0)
		(void)store_env_set_state(e->store, row.id, "failed", why->message, &err);
	event_publish(e, EVENT_RELEASE_FAILED, o->project, o->env, o->by, json_pack("{s:i, s:s}",
	    "version", version, "reason", why->message), "release v%d failed: %.400s", version,
	    why->message);
}

static void deploy_build_free(struct deploy_build *b)
{
	deploy_file_clear(&b->file);
	appfile_clear(&b->app);
	stacks_give(b->stacks);
	mem_free(b);
}

/* --- an image that was made before ------------------------------------------------------------- */

struct deploy_image {
	char digest[128];
	struct cl_err err;
};

static void deploy_fetch_work(struct op_live *o, void *arg)
{
	struct deploy_image *d = arg;
	struct backend_job job = { .line = op_line_cb, .cancelled = op_is_cancelled, .arg = o,
		.timeout_s = DEPLOY_FETCH_S };

	(void)stored_fetch(&o->e->backend, o->project, d->digest, &job, &d->err);
}

static void deploy_fetch_done(struct op_live *o, void *arg)
{
	struct deploy_image *d = arg;
	struct engine *e = o->e;
	struct cl_err err = d->err;
	int64_t id = o->id;
	int version = deploy_version(o);

	mem_free(d);
	if (e->stopping)
		return;
	if (err.code == CL_UNAVAILABLE) {
		op_retry(o, 3000, "waiting for the container runtime");
		return;
	}
	if (err.code == CL_OK && atomic_load(&o->cancel))
		(void)err_set(&err, CL_FAILED, "cancelled");
	if (err.code != CL_OK) {
		deploy_cancel(o);
		op_failed(e, id, &err);
	} else if (store_begin(e->store, &err) != 0) {
		op_failed(e, id, &err);
	} else if (deploy_roll(o, version, &err) != 0) {
		store_rollback(e->store);
		op_failed(e, id, &err);
	} else if (store_commit(e->store, &err) != 0) {
		op_failed(e, id, &err);
	}
}

/* On another machine, or after a clean-up by hand, it comes out of the repository. */
static int deploy_fetch(struct op_live *o, const char *digest)
{
	struct deploy_image *d = mem_alloc(sizeof(*d));

	(void)mem_copy_str(d->digest, sizeof(d->digest), digest);
	op_work(o, deploy_fetch_work, deploy_fetch_done, d);
	return 0;
}

/* The release is wanted from now on; its pass ends the operation. */
static int deploy_roll(struct op_live *o, int version, struct cl_err *err)
{
	struct store_env row;

	if (store_env_get(o->e->store, o->project, o->env, &row, err) != 0 ||
	    store_env_set_release(o->e->store, row.id, version, row.serving, err) != 0 ||
	    (row.serving == 0 && store_env_set_state(o->e->store, row.id, "deploying", "", err) != 0))
		return -1;
	op_settle(o, reconcile_kick(o->e, o->project, o->env), "rolling out");
	return 0;
}
