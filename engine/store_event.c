/* Stored events; see store_event.h. */
#include "engine/store_event.h"

#define EVENT_COLUMNS "id, at, type, project, env, op, actor, text, data"

static int
walk(struct store_row *r, int (*cb)(void *arg, const struct store_event *e), void *arg,
    struct cl_err *err)
{
	struct store_event e;

	while (store_next(r)) {
		e.id = store_int(r, 0);
		e.at = store_int(r, 1);
		e.type = store_str(r, 2);
		e.project = store_int(r, 3);
		e.env = store_str(r, 4);
		e.op = store_int(r, 5);
		e.actor = store_str(r, 6);
		e.text = store_str(r, 7);
		e.data = store_str(r, 8);
		if (cb(arg, &e) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_event_add(struct store *s, struct store_event *e, struct cl_err *err)
{
	const char *env = e->env != NULL && e->env[0] != '\0' ? e->env : NULL;

	if (store_run(s, err,
	    "INSERT INTO event (at, type, project, env, op, actor, text, data)"
	    " VALUES (?, ?, nullif(?, 0), ?, nullif(?, 0), ?, ?, ?)",
	    "isisisss", e->at, e->type, e->project, env, e->op, e->actor, e->text, e->data) < 0)
		return -1;
	e->id = store_last_id(s);
	return 0;
}

int
store_event_each(struct store *s, int64_t since, int64_t project, int64_t op, int limit,
    int (*cb)(void *arg, const struct store_event *e), void *arg, struct cl_err *err)
{
	return walk(store_query(s,
	    "SELECT " EVENT_COLUMNS " FROM event WHERE id > ? AND (? = 0 OR project = ?)"
	    " AND (? = 0 OR op = ?) ORDER BY id LIMIT ?",
	    "iiiiii", since, project, project, op, op, (int64_t)limit), cb, arg, err);
}

int
store_event_tail(struct store *s, int64_t project, int limit,
    int (*cb)(void *arg, const struct store_event *e), void *arg, struct cl_err *err)
{
	return walk(store_query(s,
	    "SELECT " EVENT_COLUMNS " FROM (SELECT * FROM event WHERE project = ?"
	    " ORDER BY id DESC LIMIT ?) ORDER BY id",
	    "ii", project, (int64_t)limit), cb, arg, err);
}

int64_t
store_event_newest(struct store *s)
{
	return store_number(s, 0, "SELECT max(id) FROM event", "");
}

int
store_event_prune(struct store *s, int64_t keep, struct cl_err *err)
{
	return store_run(s, err, "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", "i",
	           keep) < 0 ? -1 : 0;
}
