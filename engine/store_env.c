/* Environments, their variables and releases; see store_env.h. */
#include "engine/store_env.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define LOAD_OF(column, kind) \
	" (SELECT " column " FROM autoscale a WHERE a.env = e.id AND a.kind = '" kind "'),"
#define ENV_COLUMNS \
	"SELECT e.id, e.project, e.name, e.slot, e.host, e.desired, e.serving, e.state, e.reason," \
	" e.db_password," \
	LOAD_OF("min", "was") LOAD_OF("max", "was") LOAD_OF("cpu", "was") \
	LOAD_OF("min", "web") LOAD_OF("max", "web") LOAD_OF("cpu", "web") \
	" (SELECT want FROM tier t WHERE t.env = e.id AND t.kind = 'db')," \
	" (SELECT want FROM tier t WHERE t.env = e.id AND t.kind = 'was')," \
	" (SELECT want FROM tier t WHERE t.env = e.id AND t.kind = 'web'), e.target FROM env e "
#define RELEASE_COLUMNS \
	"SELECT project, env, version, digest, by, at, result, reason, op, config FROM release "

static void store_env_read(struct store_row *r, struct store_env *e);
static int store_env_make(struct store *s, int64_t project, const char *name, const char *host,
    int slots, const char *db_password, struct cl_err *err);
static void store_env_read_release(struct store_row *r, struct store_release *out);

int store_env_get(struct store *s, int64_t project, const char *name, struct store_env *out,
    struct cl_err *err)
{
	struct store_row *r = store_query(s, ENV_COLUMNS "WHERE e.project = ? AND e.name = ?", "is",
	    project, name);
	bool found = store_next(r);

	if (found)
		store_env_read(r, out);
	if (store_end(r, err) != 0)
		return -1;
	if (found)
		return 0;
	err_set(err, CL_NOT_FOUND, "environment %s: nothing is deployed there", name);
	return err_hint(err, "Use deploy for dev, ship for prod");
}

int store_env_ensure(struct store *s, int64_t project, const char *name, const char *host,
    int slots, const char *db_password, struct store_env *out, struct cl_err *err)
{
	struct cl_err none = { 0 };

	if (store_env_get(s, project, name, out, &none) == 0)
		return 0;
	if (none.code != CL_NOT_FOUND)
		return err_set(err, none.code, "%s", none.message);
	if (store_env_make(s, project, name, host, slots, db_password, err) != 0)
		return -1;
	return store_env_get(s, project, name, out, err);
}

int store_env_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_env *e), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    ENV_COLUMNS "WHERE ?1 = 0 OR e.project = ?1 ORDER BY e.id", "i", project);
	struct store_env e;
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		store_env_read(r, &e);
		rc = cb(arg, &e);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

int store_env_set_want(struct store *s, int64_t env, const char *tier, int want, struct cl_err *err)
{
	return store_run(s, err, "INSERT INTO tier (env, kind, want) VALUES (?, ?, ?)"
	    " ON CONFLICT (env, kind) DO UPDATE SET want = excluded.want", "isi", env, tier,
	    (int64_t)want) < 0 ? -1 : 0;
}

int store_env_set_auto(struct store *s, int64_t env, const char *tier,
    const struct store_env_auto *by, struct cl_err *err)
{
	if (!by || by->max == 0)
		return store_run(s, err, "DELETE FROM autoscale WHERE env = ? AND kind = ?", "is", env,
		    tier) < 0 ? -1 : 0;
	return store_run(s, err, "INSERT INTO autoscale (env, kind, min, max, cpu) VALUES (?, ?, ?, ?, ?)"
	    " ON CONFLICT (env, kind) DO UPDATE SET min = excluded.min, max = excluded.max,"
	    " cpu = excluded.cpu", "isiii", env, tier, (int64_t)by->min, (int64_t)by->max,
	    (int64_t)by->cpu) < 0 ? -1 : 0;
}

int store_env_set_target(struct store *s, int64_t env, const char *target, struct cl_err *err)
{
	return store_run(s, err, "UPDATE env SET target = ? WHERE id = ?", "si", target, env) < 0 ? -1 : 0;
}

int store_env_set_release(struct store *s, int64_t env, int desired, int serving,
    struct cl_err *err)
{
	return store_run(s, err, "UPDATE env SET desired = nullif(?, 0), serving = nullif(?, 0)"
	    " WHERE id = ?", "iii", (int64_t)desired, (int64_t)serving, env) < 0 ? -1 : 0;
}

int store_env_set_state(struct store *s, int64_t env, const char *state, const char *reason,
    struct cl_err *err)
{
	return store_run(s, err, "UPDATE env SET state = ?, reason = ? WHERE id = ?", "ssi", state,
	    reason, env) < 0 ? -1 : 0;
}

int store_env_set_var(struct store *s, int64_t env, const char *name, const char *value,
    bool secret, struct cl_err *err)
{
	if (value == NULL)
		return store_run(s, err, "DELETE FROM variable WHERE env = ? AND name = ?", "is", env,
		    name) < 0 ? -1 : 0;
	return store_run(s, err, "INSERT INTO variable (env, name, value, secret)"
	    " VALUES (?, ?, ?, ?) ON CONFLICT (env, name) DO UPDATE SET value = excluded.value,"
	    " secret = max(secret, excluded.secret)", "issi", env, name, value,
	    (int64_t)secret) < 0 ? -1 : 0;
}

int store_env_each_var(struct store *s, int64_t env,
    int (*cb)(void *arg, const char *name, const char *value, bool secret), void *arg,
    struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT name, value, secret FROM variable WHERE env = ? ORDER BY name", "i", env);
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		cl_autofree char *name = mem_strdup(store_str(r, 0));
		cl_autofree char *value = mem_strdup(store_str(r, 1));

		rc = cb(arg, name, value, store_int(r, 2) != 0);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

int store_env_release_add(struct store *s, int64_t project, const char *env, const char *by,
    int64_t op, int *version, struct cl_err *err)
{
	int64_t next = store_number(s, 1, "SELECT 1 + max(version) FROM release"
	    " WHERE project = ? AND env = ? HAVING max(version) IS NOT NULL", "is", project, env);

	*version = (int)next;
	return store_run(s, err, "INSERT INTO release (project, env, version, by, at, result, op)"
	    " VALUES (?, ?, ?, ?, ?, 'building', ?)", "isisii", project, env, next, by,
	    clock_unix_ms(), op) < 0 ? -1 : 0;
}

int store_env_release_set(struct store *s, int64_t project, const char *env, int version,
    const char *result, const char *reason, const char *digest, const char *config,
    struct cl_err *err)
{
	return store_run(s, err, "UPDATE release SET result = ?, reason = ?,"
	    " digest = coalesce(?, digest), config = coalesce(?, config)"
	    " WHERE project = ? AND env = ? AND version = ?", "ssssisi", result, reason, digest,
	    config, project, env, (int64_t)version) < 0 ? -1 : 0;
}

int store_env_release_serve(struct store *s, int64_t project, const char *env, int version,
    struct cl_err *err)
{
	if (store_run(s, err, "UPDATE release SET result = 'superseded' WHERE project = ?"
	    " AND env = ? AND result = 'serving' AND version <> ?", "isi", project, env,
	    (int64_t)version) < 0)
		return -1;
	return store_env_release_set(s, project, env, version, "serving", NULL, NULL, NULL, err);
}

int store_env_release_get(struct store *s, int64_t project, const char *env, int version,
    struct store_release *out, struct release *rel, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    RELEASE_COLUMNS "WHERE project = ? AND env = ? AND version = ?", "isi", project, env,
	    (int64_t)version);
	cl_autofree char *config = NULL;
	struct store_release row;

	if (store_next(r)) {
		store_env_read_release(r, &row);
		config = mem_strdup(store_str(r, 9));
	}
	if (store_end(r, err) != 0)
		return -1;
	if (config == NULL)
		return err_set(err, CL_NOT_FOUND, "release v%d: there is none in %s", version, env);
	if (out != NULL)
		*out = row;
	if (rel == NULL)
		return 0;
	rel->version = version;
	(void)mem_copy_str(rel->digest, sizeof(rel->digest), row.digest);
	return release_parse(rel, config, strlen(config), err);
}

int store_env_release_each(struct store *s, int64_t project, const char *env, int limit,
    int (*cb)(void *arg, const struct store_release *r), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s, RELEASE_COLUMNS "WHERE project = ?1"
	    " AND (?2 = '' OR env = ?2) ORDER BY at DESC, version DESC LIMIT ?3", "isi", project,
	    env, (int64_t)limit);
	struct store_release row;
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		store_env_read_release(r, &row);
		rc = cb(arg, &row);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

int store_env_release_before(struct store *s, int64_t project, const char *env, int before)
{
	return (int)store_number(s, 0, "SELECT version FROM release WHERE project = ? AND env = ?"
	    " AND version < ? AND result IN ('serving', 'superseded') AND digest IS NOT NULL"
	    " ORDER BY version DESC LIMIT 1", "isi", project, env, (int64_t)before);
}

bool store_env_digest_used(struct store *s, const char *digest)
{
	return store_number(s, 0, "SELECT count(*) FROM release WHERE digest = ?"
	    " AND result IN ('serving', 'rolling', 'superseded')", "s", digest) > 0;
}

static int store_env_make(struct store *s, int64_t project, const char *name, const char *host,
    int slots, const char *db_password, struct cl_err *err)
{
	int64_t slot;

	if (store_number(s, 0, "SELECT count(*) FROM env WHERE host = ?", "s", host) > 0) {
		err_set(err, CL_CONFLICT, "host name %s: another environment has it", host);
		return err_hint(err, "A project named X-dev and the dev environment of X cannot both "
		    "be deployed");
	}
	/* the lowest number that nobody has */
	slot = store_number(s, -1, "SELECT min(n) FROM (SELECT 0 AS n UNION SELECT slot + 1 FROM env"
	    " WHERE slot IS NOT NULL) WHERE n NOT IN (SELECT slot FROM env"
	    " WHERE slot IS NOT NULL)", "");
	if (slot < 0 || slot >= slots) {
		err_set(err, CL_QUOTA, "edge: all %d slots are taken", slots);
		return err_hint(err, "Raise edge.slots, or remove a project");
	}
	return store_run(s, err, "INSERT INTO env (project, name, slot, host, db_password, created)"
	    " VALUES (?, ?, ?, ?, ?, ?)", "isissi", project, name, slot, host, db_password,
	    clock_unix_ms()) < 0 ? -1 : 0;
}

static void store_env_read(struct store_row *r, struct store_env *e)
{
	memset(e, 0, sizeof(*e));
	e->id = store_int(r, 0);
	e->project = store_int(r, 1);
	store_copy(r, 2, e->name, sizeof(e->name));
	e->slot = store_null(r, 3) ? -1 : (int)store_int(r, 3);
	store_copy(r, 4, e->host, sizeof(e->host));
	e->desired = (int)store_int(r, 5);
	e->serving = (int)store_int(r, 6);
	store_copy(r, 7, e->state, sizeof(e->state));
	store_copy(r, 8, e->reason, sizeof(e->reason));
	store_copy(r, 9, e->db_password, sizeof(e->db_password));
	for (int i = 1; i < 3; i++) {
		e->load[i].min = (int)store_int(r, 7 + 3 * i);
		e->load[i].max = (int)store_int(r, 8 + 3 * i);
		e->load[i].cpu = (int)store_int(r, 9 + 3 * i);
	}
	for (int i = 0; i < 3; i++)
		e->want[i] = (int)store_int(r, 16 + i);
	store_copy(r, 19, e->target, sizeof(e->target));
}

static void store_env_read_release(struct store_row *r, struct store_release *out)
{
	memset(out, 0, sizeof(*out));
	out->project = store_int(r, 0);
	store_copy(r, 1, out->env, sizeof(out->env));
	out->version = (int)store_int(r, 2);
	store_copy(r, 3, out->digest, sizeof(out->digest));
	store_copy(r, 4, out->by, sizeof(out->by));
	out->at = store_int(r, 5);
	store_copy(r, 6, out->result, sizeof(out->result));
	store_copy(r, 7, out->reason, sizeof(out->reason));
	out->op = store_int(r, 8);
}
