/* Routes that change what an environment runs: deploy, ship, promote, scale, rollback, config. */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/deploy.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/op.h"
#include "engine/plan.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/status.h"
#include "engine/store_env.h"
#include "engine/store_project.h"
#include "engine/target.h"

/* Reply to a dry run: what would be done, by what is known now. */
static int env_dry(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, const int want[3], const char *first, bool release)
{
	struct buf text;

	buf_init(&text, 1000);
	(void)buf_printf(&text, "%s: %s", env, first);
	reconcile_explain(e, r->project, env, want, release, &text);
	op_reply_dry(r, p, kind, env, text.data != NULL ? text.data : "");
	buf_clear(&text);
	return 0;
}

static void env_wants(struct engine *e, int64_t project, const char *env, int want[3])
{
	struct store_env row;

	want[PLAN_WEB] = (int)config_int("deploy.web_default");
	want[PLAN_WAS] = (int)config_int("deploy.was_default");
	want[PLAN_DB] = 1;
	if (store_env_get(e->store, project, env, &row, NULL) == 0)
		memcpy(want, row.want, sizeof(row.want));
}

static int env_build(struct engine *e, struct request *r, struct reply *p, const char *kind,
    const char *env, struct cl_err *err)
{
	int want[3];

	if (!request_bool(r, "dry_run"))
		return deploy_begin_build(e, r, p, kind, env, err);
	env_wants(e, r->project, env, want);
	return env_dry(e, r, p, kind, env, want, "build the application; ", true);
}

static int deploy(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *env;

	if (request_env(r, &env, err) != 0)
		return -1;
	return env_build(e, r, p, "deploy", env[0] != '\0' ? env : "dev", err);
}

static int ship(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	return env_build(e, r, p, "ship", "prod", err);
}

static int promote(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_env dev;
	char first[64];
	int want[3];

	if (store_env_get(e->store, r->project, "dev", &dev, NULL) != 0 || dev.serving == 0) {
		err_set(err, CL_PRECONDITION, "promote: no release serves in dev");
		return err_hint(err, "deploy first, or ship");
	}
	if (!request_bool(r, "dry_run"))
		return target_choose(e, r->project, request_str(r, "target"), err) != 0 ? -1 :
		    deploy_begin_copy(e, r, p, "promote", "prod", "dev", dev.serving,
		    DEPLOY_FRESH | DEPLOY_MIGRATE, err);
	env_wants(e, r->project, "prod", want);
	(void)snprintf(first, sizeof(first), "take the image of dev v%d; ", dev.serving);
	return env_dry(e, r, p, "promote", "prod", want, first, true);
}

static int rollback(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_release to;
	struct store_env row;
	const char *env;
	int version;

	if (request_env(r, &env, err) != 0)
		return -1;
	env = status_env(e, r->project, env);
	if (store_env_get(e->store, r->project, env, &row, err) != 0)
		return -1;
	version = (int)request_int(r, "version", 0);
	if (version == 0)
		version = store_env_release_before(e->store, r->project, env,
		    row.serving > 0 ? row.serving : 1000000000);
	if (version == 0)
		return err_set(err, CL_PRECONDITION, "rollback: %s had no release before", env);
	if (version == row.serving)
		return err_set(err, CL_CONFLICT, "rollback: v%d serves in %s already", version, env);
	if (store_env_release_get(e->store, r->project, env, version, &to, NULL, err) != 0)
		return -1;
	if (strcmp(to.result, "superseded") != 0 && strcmp(to.result, "serving") != 0) {
		err_set(err, CL_PRECONDITION, "rollback: v%d never served (%s)", version, to.result);
		return err_hint(err, "releases shows which did");
	}
	return deploy_begin_copy(e, r, p, "rollback", env, env, version, 0, err);
}

/* --- scale ------------------------------------------------------------------------------------ */

static int scale_tier(struct engine *e, struct request *r, const struct store_env *row,
    enum plan_tier_id tier, int want[3], struct buf *words, struct cl_err *err)
{
	const char *name = plan_tier_name(tier);

	if (!request_has(r, name))
		return 0;
	want[tier] = (int)request_int(r, name, 0);
	if (row->load[tier].max > 0 && !request_bool(r, "pin")) {
		err_set(err, CL_CONFLICT, "scale: load decides the number of %s, from %d to %d", name,
		    row->load[tier].min, row->load[tier].max);
		return err_hint(err, "Pin it: scale %s=%d --pin. Other limits: autoscale %s --min N --max N",
		    name, want[tier], name);
	}
	(void)buf_printf(words, "%s%s %d to %d", words->len > 0 ? ", " : "", name, row->want[tier],
	    want[tier]);
	if (request_bool(r, "dry_run"))
		return 0;
	if (store_env_set_auto(e->store, row->id, name, NULL, err) != 0)
		return -1;
	return store_env_set_want(e->store, row->id, name, want[tier], err);
}

static int scale_begin(struct engine *e, struct request *r, struct reply *p,
    const struct store_env *row, const int want[3], const char *words, struct cl_err *err)
{
	char first[200];

	if (request_bool(r, "dry_run")) {
		(void)snprintf(first, sizeof(first), "%.150s; ", words);
		return env_dry(e, r, p, "scale", row->name, want, first, false);
	}
	if (op_begin(e, r, p, "scale", r->project, row->name, NULL, NULL, err) != 0)
		return -1;
	request_detail(r, "%s %s", row->name, words);
	event_publish(e, EVENT_SCALED, r->project, row->name, r->caller.name, json_pack(
	    "{s:i, s:i, s:{s:i, s:i}}", "web", want[PLAN_WEB], "was", want[PLAN_WAS], "from", "web",
	    row->want[PLAN_WEB], "was", row->want[PLAN_WAS]), "%s scaled %s", r->caller.name, words);
	return 0;
}

static int scale(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_project project;
	struct store_env row;
	struct buf words;
	const char *env;
	int want[3], rc;

	if (request_env(r, &env, err) != 0 ||
	    store_project_get(e->store, r->project, &project, err) != 0)
		return -1;
	if (strcmp(project.state, "ready") != 0)
		return err_set(err, CL_CONFLICT, "project %s: it is %s", project.name, project.state);
	if (!request_has(r, "web") && !request_has(r, "was")) {
		err_set(err, CL_USAGE, "scale: names no tier");
		return err_hint(err, "scale web=2 was=4");
	}
	if (store_env_get(e->store, r->project, status_env(e, r->project, env), &row, err) != 0)
		return -1;
	memcpy(want, row.want, sizeof(want));
	buf_init(&words, 160);
	rc = scale_tier(e, r, &row, PLAN_WEB, want, &words, err);
	if (rc == 0)
		rc = scale_tier(e, r, &row, PLAN_WAS, want, &words, err);
	if (rc == 0)
		rc = scale_begin(e, r, p, &row, want, words.data, err);
	buf_clear(&words);
	return rc;
}

/* --- releases and variables ------------------------------------------------------------------- */

struct release_list {
	struct engine *e;
	json_t *list;
};

static int releases_cb(void *arg, const struct store_release *row)
{
	struct release_list *l = arg;

	json_array_append_new(l->list, status_release_json(l->e, row->project, row->env,
	    row->version));
	return 0;
}

static int releases(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct release_list l = { e, NULL };
	const char *env;

	if (request_query_env(r, &env, err) != 0)
		return -1;
	l.list = json_array();
	if (store_env_release_each(e->store, r->project, env, 200, releases_cb, &l, err) != 0) {
		json_decref(l.list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "releases", l.list));
	return 0;
}

static int config_get_cb(void *arg, const char *name, const char *value, bool secret)
{
	json_array_append_new(arg, json_pack("{s:s, s:s, s:b}", "name", name, "value",
	    secret ? "***" : value, "secret", secret));
	return 0;
}

static int config_get(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_env row;
	const char *env;
	json_t *list;

	if (request_query_env(r, &env, err) != 0)
		return -1;
	list = json_array();
	if (store_env_get(e->store, r->project, status_env(e, r->project, env), &row, NULL) == 0 &&
	    store_env_each_var(e->store, row.id, config_get_cb, list, err) != 0) {
		json_decref(list);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "config", list));
	return 0;
}

static int config_apply(struct engine *e, struct request *r, int64_t env, struct cl_err *err)
{
	json_t *set = json_object_get(r->body, "set"), *v;
	bool secret = request_bool(r, "secret");
	const char *name;

	if (json_object_size(set) == 0)
		return err_set(err, CL_USAGE, "config set: names no variable");
	json_object_foreach(set, name, v)
		if (release_check_var(name, json_string_value(v), err) != 0 ||
		    store_env_set_var(e->store, env, name, json_string_value(v), secret, err) != 0)
			return -1;
	if (store_number(e->store, 0, "SELECT count(*) FROM variable WHERE env = ?", "i", env) >
	    RELEASE_VARS_MAX)
		return err_set(err, CL_QUOTA, "config set: more than %d variables",
		    RELEASE_VARS_MAX);
	return 0;
}

static int config_set(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_env row;
	const char *env;

	if (request_env(r, &env, err) != 0)
		return -1;
	env = status_env(e, r->project, env);
	if (op_check(e, r->project, env, err) != 0 ||
	    deploy_ensure_env(e, r->project, env, &row, err) != 0 ||
	    config_apply(e, r, row.id, err) != 0)
		return -1;
	if (row.serving > 0)
		return deploy_begin_copy(e, r, p, "config set", env, env, row.serving, DEPLOY_FRESH,
		    err);
	return op_begin(e, r, p, "config set", r->project, env, NULL, NULL, err);
}

/* Another password of the database, by a release that differs in nothing else. */
static int config_rotate(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_env row;
	const char *env;

	if (request_env(r, &env, err) != 0)
		return -1;
	env = status_env(e, r->project, env);
	if (store_env_get(e->store, r->project, env, &row, NULL) != 0 || row.serving == 0) {
		err_set(err, CL_PRECONDITION, "config rotate-db: nothing serves in %s", env);
		return err_hint(err, "The first deploy makes the database and its password");
	}
	if (row.want[PLAN_DB] == 0)
		return err_set(err, CL_PRECONDITION, "config rotate-db: %s has no database", env);
	if (request_bool(r, "dry_run"))
		return env_dry(e, r, p, "config rotate-db", env, row.want,
		    "another password beside the old one; when all have it, the old one ends; ", true);
	return deploy_begin_copy(e, r, p, "config rotate-db", env, env, row.serving, DEPLOY_LOGIN, err);
}

const struct route_bind route_env_binds[] = {
	{ ROUTE_DEPLOY, deploy },
	{ ROUTE_SHIP, ship },
	{ ROUTE_PROMOTE, promote },
	{ ROUTE_ROLLBACK, rollback },
	{ ROUTE_SCALE, scale },
	{ ROUTE_RELEASES, releases },
	{ ROUTE_CONFIG_GET, config_get },
	{ ROUTE_CONFIG_SET, config_set },
	{ ROUTE_CONFIG_ROTATE, config_rotate },
	{ 0, NULL },
};
