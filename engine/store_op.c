/* Operations and their logs; see store_op.h. */
#include "engine/store_op.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define OP_COLUMNS \
	"SELECT id, kind, project, env, state, step, error_code, error_message, error_hint, result," \
	" user, by, payload, cancel, attempts, created, finished FROM op "

static void store_op_read(struct store_row *r, struct store_op *o);
static int store_op_rows(struct store_row *r, int (*cb)(void *arg, const struct store_op *o),
    void *arg, struct cl_err *err);

void store_op_clear(struct store_op *o)
{
	mem_free(o->payload);
	memset(o, 0, sizeof(*o));
}

int store_op_add(struct store *s, struct store_op *o, const char *idem, struct cl_err *err)
{
	o->created = clock_unix_ms();
	(void)mem_copy_str(o->state, sizeof(o->state), "queued");
	if (store_run(s, err, "INSERT INTO op (kind, project, env, user, by, payload, idem, created)"
	    " VALUES (?, nullif(?, 0), nullif(?, ''), nullif(?, 0), ?, ?, nullif(?, ''), ?)",
	    "sisisssi", o->kind, o->project, o->env, o->user, o->by,
	    o->payload != NULL ? o->payload : "{}", idem, o->created) < 0)
		return -1;
	o->id = store_last_id(s);
	return 0;
}

int store_op_get(struct store *s, int64_t id, struct store_op *out, struct cl_err *err)
{
	struct store_row *r = store_query(s, OP_COLUMNS "WHERE id = ?", "i", id);
	bool found = store_next(r);

	if (found)
		store_op_read(r, out);
	if (store_end(r, err) != 0) {
		if (found)
			store_op_clear(out);
		return -1;
	}
	return found ? 0 : err_set(err, CL_NOT_FOUND, "operation %lld: there is no such operation",
	    (long long)id);
}

int64_t store_op_busy(struct store *s, int64_t project, const char *env)
{
	return store_number(s, 0, "SELECT id FROM op WHERE project = ?"
	    " AND state IN ('queued', 'running')"
	    " AND kind NOT IN ('scale', 'up', 'stop', 'restart', 'image push')"
	    " AND (env = ? OR kind IN ('project rm', 'project import')) ORDER BY id LIMIT 1", "is",
	    project, env);
}

int store_op_each(struct store *s, int64_t project, int64_t user, int limit,
    int (*cb)(void *arg, const struct store_op *o), void *arg, struct cl_err *err)
{
	return store_op_rows(store_query(s, OP_COLUMNS "WHERE (?1 = 0 OR project = ?1) AND (?2 = 0"
	    " OR user = ?2 OR project IN (SELECT id FROM project WHERE owner = ?2 UNION"
	    " SELECT project FROM member WHERE user = ?2)) ORDER BY id DESC LIMIT ?3", "iii",
	    project, user, (int64_t)limit), cb, arg, err);
}

int store_op_each_open(struct store *s, int (*cb)(void *arg, const struct store_op *o), void *arg,
    struct cl_err *err)
{
	return store_op_rows(store_query(s,
	    OP_COLUMNS "WHERE state IN ('queued', 'running') ORDER BY id", ""), cb, arg, err);
}

int store_op_start(struct store *s, int64_t id, struct cl_err *err)
{
	return store_run(s, err, "UPDATE op SET state = 'running', attempts = attempts + 1,"
	    " started = coalesce(started, ?) WHERE id = ?", "ii", clock_unix_ms(), id) < 0 ? -1 : 0;
}

int store_op_step(struct store *s, int64_t id, const char *step, struct cl_err *err)
{
	return store_run(s, err, "UPDATE op SET step = ? WHERE id = ?", "si", step, id) < 0 ? -1 : 0;
}

int store_op_payload(struct store *s, int64_t id, const char *payload, struct cl_err *err)
{
	return store_run(s, err, "UPDATE op SET payload = ? WHERE id = ?", "si", payload,
	    id) < 0 ? -1 : 0;
}

int store_op_cancel(struct store *s, int64_t id, struct cl_err *err)
{
	return store_run(s, err, "UPDATE op SET cancel = 1 WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

int store_op_finish(struct store *s, int64_t id, const char *state, const struct cl_err *why,
    const char *result, struct cl_err *err)
{
	bool failed = why != NULL && why->code != CL_OK;

	return store_run(s, err, "UPDATE op SET state = ?, error_code = ?, error_message = ?,"
	    " error_hint = ?, result = ?, finished = ? WHERE id = ?", "sssssii", state,
	    failed ? err_text(why->code) : NULL, failed ? why->message : NULL,
	    failed ? why->hint : NULL, result, clock_unix_ms(), id) < 0 ? -1 : 0;
}

int store_op_log(struct store *s, int64_t id, const char *text, int64_t *seq, struct cl_err *err)
{
	*seq = store_number(s, 1, "SELECT 1 + max(seq) FROM op_log WHERE op = ?"
	    " HAVING max(seq) IS NOT NULL", "i", id);
	if (*seq > STORE_OP_LINES) {
		*seq = 0;
		return 0;
	}
	return store_run(s, err, "INSERT INTO op_log (op, seq, text) VALUES (?, ?, ?)", "iis", id,
	    *seq, text) < 0 ? -1 : 0;
}

int store_op_log_each(struct store *s, int64_t id, int64_t since, int limit,
    int (*cb)(void *arg, int64_t seq, const char *text), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s, "SELECT seq, text FROM op_log WHERE op = ? AND seq > ?"
	    " ORDER BY seq LIMIT ?", "iii", id, since, (int64_t)limit);
	int rc = 0;

	while (rc == 0 && store_next(r))
		rc = cb(arg, store_int(r, 0), store_str(r, 1));
	return store_end(r, err) != 0 ? -1 : rc;
}

void store_op_log_tail(struct store *s, int64_t id, int n, char *out, size_t size)
{
	struct store_row *r = store_query(s, "SELECT text FROM (SELECT seq, text FROM op_log"
	    " WHERE op = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq", "ii", id, (int64_t)n);
	size_t len = 0;

	out[0] = '\0';
	while (store_next(r)) {
		if (len > 0 && len + 1 < size)
			out[len++] = '\n';
		(void)mem_copy_str(out + len, size - len, store_str(r, 0));
		len += strlen(out + len);
	}
	(void)store_end(r, NULL);
}

static int store_op_rows(struct store_row *r, int (*cb)(void *arg, const struct store_op *o),
    void *arg, struct cl_err *err)
{
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		struct store_op o;

		store_op_read(r, &o);
		rc = cb(arg, &o);
		store_op_clear(&o);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

static void store_op_read(struct store_row *r, struct store_op *o)
{
	memset(o, 0, sizeof(*o));
	o->id = store_int(r, 0);
	store_copy(r, 1, o->kind, sizeof(o->kind));
	o->project = store_int(r, 2);
	store_copy(r, 3, o->env, sizeof(o->env));
	store_copy(r, 4, o->state, sizeof(o->state));
	store_copy(r, 5, o->step, sizeof(o->step));
	o->error = store_null(r, 6) ? CL_OK : err_parse(store_str(r, 6));
	store_copy(r, 7, o->message, sizeof(o->message));
	store_copy(r, 8, o->hint, sizeof(o->hint));
	store_copy(r, 9, o->result, sizeof(o->result));
	o->user = store_int(r, 10);
	store_copy(r, 11, o->by, sizeof(o->by));
	o->payload = mem_strdup(store_str(r, 12));
	o->cancel = store_int(r, 13) != 0;
	o->attempts = (int)store_int(r, 14);
	o->created = store_int(r, 15);
	o->finished = store_int(r, 16);
}
