/* Saves; see store_save.h. */
#include "engine/store_save.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define SAVE_COLUMNS \
	"SELECT id, project, name, message, by, at, state, undo, stack, base, dev, work, tree, files," \
	" bytes, written, depth, op, dev_stored, work_stored FROM save "

static void store_save_row(struct store_row *r, struct store_save *v);
static int store_save_one(struct store_row *r, struct store_save *out, struct cl_err *err);

int store_save_add(struct store *s, struct store_save *v, struct cl_err *err)
{
	struct cl_err why = { 0 };
	char name[STORE_SAVE_NAME];

	v->at = clock_unix_ms();
	(void)mem_copy_str(v->state, sizeof(v->state), "saving");
	if (v->name[0] == '\0') {
		int64_t next = store_number(s, 1, "SELECT seq + 1 FROM sqlite_sequence"
		    " WHERE name = 'save'", "");

		(void)snprintf(name, sizeof(name), "%s-%lld", v->undo ? "undo" : "save",
		    (long long)next);
		(void)mem_copy_str(v->name, sizeof(v->name), name);
	}
	if (store_run(s, &why, "INSERT INTO save (project, name, message, by, at, undo, stack, op)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "isssiisi", v->project, v->name, v->message, v->by,
	    v->at, (int64_t)v->undo, v->stack, v->op) < 0) {
		if (why.code == CL_CONFLICT) {
			err_set(err, CL_CONFLICT, "save %s: there is one of that name", v->name);
			return err_hint(err, "Choose another name, or: saves rm %s", v->name);
		}
		return err_set(err, why.code, "%s", why.message);
	}
	v->id = store_last_id(s);
	return 0;
}

int store_save_get(struct store *s, int64_t id, struct store_save *out, struct cl_err *err)
{
	return store_save_one(store_query(s, SAVE_COLUMNS "WHERE id = ?", "i", id), out, err);
}

int store_save_find(struct store *s, int64_t project, const char *name, struct store_save *out,
    struct cl_err *err)
{
	struct cl_err why = { 0 };

	if (store_save_one(store_query(s, SAVE_COLUMNS "WHERE project = ? AND name = ?", "is", project,
	    name), out, &why) == 0)
		return 0;
	if (why.code != CL_NOT_FOUND)
		return err_set(err, why.code, "%s", why.message);
	err_set(err, CL_NOT_FOUND, "save %.80s: there is none of that name", name);
	return err_hint(err, "saves lists them");
}

int store_save_nearest(struct store *s, int64_t project, struct store_save *out,
    struct cl_err *err)
{
	return store_save_one(store_query(s, SAVE_COLUMNS "WHERE project = ?1 AND state = 'ready'"
	    " ORDER BY id IS (SELECT nearest FROM project WHERE id = ?1) DESC, id DESC LIMIT 1", "i",
	    project), out, err);
}

int store_save_ready(struct store *s, const struct store_save *v, const char *diff,
    struct cl_err *err)
{
	return store_run(s, err, "UPDATE save SET state = 'ready', base = ?, dev = ?, work = ?,"
	    " tree = ?, files = ?, bytes = ?, written = ?, depth = ?, diff = ? WHERE id = ?",
	    "ssssiiiisi", v->base, v->dev, v->work, v->tree, v->files, v->bytes, v->written,
	    (int64_t)v->depth, diff, v->id) < 0 || store_run(s, err, "UPDATE project"
	    " SET nearest = ?1 WHERE id = (SELECT project FROM save WHERE id = ?1)", "i",
	    v->id) < 0 ? -1 : 0;
}

int store_save_stored(struct store *s, const struct store_save *v, struct cl_err *err)
{
	return store_run(s, err, "UPDATE save SET dev_stored = ?, work_stored = ? WHERE id = ?", "ssi",
	    v->dev_stored, v->work_stored, v->id) < 0 ? -1 : 0;
}

bool store_save_shares(struct store *s, const struct store_save *v, const char *stored)
{
	return store_number(s, 0, "SELECT count(*) FROM save WHERE project = ?1 AND id <> ?2"
	    " AND (dev_stored = ?3 OR work_stored = ?3)", "iis", v->project, v->id, stored) > 0;
}

char *store_save_diff(struct store *s, int64_t id)
{
	struct store_row *r = store_query(s, "SELECT diff FROM save WHERE id = ?", "i", id);
	char *text = mem_strdup(store_next(r) ? store_str(r, 0) : "{}");

	(void)store_end(r, NULL);
	return text;
}

int store_save_remove(struct store *s, int64_t id, struct cl_err *err)
{
	return store_run(s, err, "DELETE FROM save WHERE id = ?", "i", id) < 0 ? -1 : 0;
}

int store_save_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_save *v), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s, SAVE_COLUMNS "WHERE ?1 = 0 OR project = ?1"
	    " ORDER BY id DESC", "i", project);
	struct store_save v;
	int rc = 0;

	while (rc == 0 && store_next(r)) {
		store_save_row(r, &v);
		rc = cb(arg, &v);
	}
	return store_end(r, err) != 0 ? -1 : rc;
}

int store_save_count(struct store *s, int64_t project, bool undo)
{
	return (int)store_number(s, 0, "SELECT count(*) FROM save WHERE project = ? AND undo = ?", "ii",
	    project, (int64_t)undo);
}

int64_t store_save_old_undo(struct store *s, int64_t project, int keep)
{
	return store_number(s, 0, "SELECT id FROM save WHERE project = ?1 AND undo = 1"
	    " AND state = 'ready' AND id IS NOT (SELECT loaded FROM project WHERE id = ?1)"
	    " ORDER BY id DESC LIMIT 1 OFFSET ?2", "ii", project, (int64_t)keep);
}

bool store_save_image_used(struct store *s, const char *digest)
{
	return store_number(s, 0, "SELECT count(*) FROM save WHERE dev = ?1 OR work = ?1 OR base = ?1",
	    "s", digest) > 0;
}

int64_t store_save_loaded(struct store *s, int64_t project)
{
	return store_number(s, 0, "SELECT loaded FROM project WHERE id = ?", "i", project);
}

int store_save_set_loaded(struct store *s, int64_t project, int64_t save, struct cl_err *err)
{
	return store_run(s, err, "UPDATE project SET loaded = nullif(?1, 0),"
	    " nearest = coalesce(nullif(?1, 0), nearest), loads = loads + 1 WHERE id = ?2", "ii", save, project) < 0 ?
	    -1 : 0;
}

int64_t store_save_loads(struct store *s, int64_t project)
{
	return store_number(s, 0, "SELECT loads FROM project WHERE id = ?", "i", project);
}

static void store_save_row(struct store_row *r, struct store_save *v)
{
	memset(v, 0, sizeof(*v));
	v->id = store_int(r, 0);
	v->project = store_int(r, 1);
	store_copy(r, 2, v->name, sizeof(v->name));
	store_copy(r, 3, v->message, sizeof(v->message));
	store_copy(r, 4, v->by, sizeof(v->by));
	v->at = store_int(r, 5);
	store_copy(r, 6, v->state, sizeof(v->state));
	v->undo = store_int(r, 7) != 0;
	store_copy(r, 8, v->stack, sizeof(v->stack));
	store_copy(r, 9, v->base, sizeof(v->base));
	store_copy(r, 10, v->dev, sizeof(v->dev));
	store_copy(r, 11, v->work, sizeof(v->work));
	store_copy(r, 12, v->tree, sizeof(v->tree));
	v->files = store_int(r, 13);
	v->bytes = store_int(r, 14);
	v->written = store_int(r, 15);
	v->depth = (int)store_int(r, 16);
	v->op = store_int(r, 17);
	store_copy(r, 18, v->dev_stored, sizeof(v->dev_stored));
	store_copy(r, 19, v->work_stored, sizeof(v->work_stored));
}

static int store_save_one(struct store_row *r, struct store_save *out, struct cl_err *err)
{
	bool found = store_next(r);

	if (found)
		store_save_row(r, out);
	if (store_end(r, err) != 0)
		return -1;
	return found ? 0 : err_set(err, CL_NOT_FOUND, "save: there is none");
}
