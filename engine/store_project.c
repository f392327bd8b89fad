/* Projects and their members; see store_project.h. */
#include "engine/store_project.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define PROJECT_COLUMNS \
	"SELECT p.id, p.owner, p.name, u.name, p.stack, p.description, p.state, p.dev_want," \
	" p.dev_state, p.dev_reason, p.created, p.db," \
	" 1 + (SELECT count(*) FROM member m WHERE m.project = p.id)" \
	" FROM project p JOIN user u ON u.id = p.owner "

static int
not_found(struct cl_err *err)
{
	return err_set(err, CL_NOT_FOUND, "project: there is no such project");
}

static void
read_project(struct store_row *r, struct store_project *p)
{
	p->id = store_int(r, 0);
	p->owner = store_int(r, 1);
	store_copy(r, 2, p->name, sizeof p->name);
	store_copy(r, 3, p->owner_name, sizeof p->owner_name);
	store_copy(r, 4, p->stack, sizeof p->stack);
	store_copy(r, 5, p->description, sizeof p->description);
	store_copy(r, 6, p->state, sizeof p->state);
	p->dev_want = store_int(r, 7) != 0;
	store_copy(r, 8, p->dev_state, sizeof p->dev_state);
	store_copy(r, 9, p->dev_reason, sizeof p->dev_reason);
	p->created = store_int(r, 10);
	store_copy(r, 11, p->db, sizeof p->db);
	p->members = (int)store_int(r, 12);
}

int
store_project_get(struct store *s, int64_t id, struct store_project *out, struct cl_err *err)
{
	struct store_row *r = store_query(s, PROJECT_COLUMNS "WHERE p.id = ?", "i", id);
	bool found = store_next(r);

	if (found)
		read_project(r, out);
	if (store_end(r, err) < 0)
		return -1;
	return found ? 0 : not_found(err);
}

int
store_project_find(struct store *s, int64_t owner, const char *name, int64_t *id,
    struct cl_err *err)
{
	*id = store_number(s, 0, "SELECT id FROM project WHERE owner = ? AND name = ?", "is", owner,
	    name);
	return *id != 0 ? 0 : not_found(err);
}

/* The only row of a query of ids; several are a conflict. */
static int
only(struct store_row *r, int64_t *id, struct cl_err *err)
{
	int n = 0;

	while (store_next(r)) {
		*id = store_int(r, 0);
		n++;
	}
	if (store_end(r, err) < 0)
		return -1;
	if (n == 0)
		return not_found(err);
	if (n == 1)
		return 0;
	err_set(err, CL_CONFLICT, "project: several have this name");
	return err_hint(err, "say whose: OWNER.NAME");
}

static int
resolve_dotted(struct store *s, const char *text, const char *dot, int64_t *id,
    struct cl_err *err)
{
	cl_autofree char *owner = mem_strndup(text, (size_t)(dot - text));

	return only(store_query(s,
	    "SELECT p.id FROM project p JOIN user u ON u.id = p.owner WHERE u.name = ? AND p.name = ?",
	    "ss", owner, dot + 1), id, err);
}

int
store_project_resolve(struct store *s, int64_t user, const char *text, int64_t *id,
    struct cl_err *err)
{
	const char *dot = strchr(text, '.');
	char *end;

	*id = 0;
	if (text[0] >= '0' && text[0] <= '9') {
		*id = strtoll(text, &end, 10);
		if (*end != '\0' || *id <= 0 || strlen(text) > 15)
			return not_found(err);
		return only(store_query(s, "SELECT id FROM project WHERE id = ?", "i", *id), id, err);
	}
	if (dot != NULL)
		return resolve_dotted(s, text, dot, id, err);
	if (!name_valid(text))
		return not_found(err);
	if (user == 0)
		return only(store_query(s, "SELECT id FROM project WHERE name = ?", "s", text), id, err);
	if (store_project_find(s, user, text, id, NULL) == 0)
		return 0;
	return only(store_query(s,
	    "SELECT p.id FROM project p JOIN member m ON m.project = p.id"
	    " WHERE m.user = ? AND p.name = ?", "is", user, text), id, err);
}

enum policy_role
store_project_role(struct store *s, int64_t project, int64_t user)
{
	enum policy_role role = POLICY_NONE;
	struct store_row *r;

	if (user == 0)
		return POLICY_NONE;
	r = store_query(s,
	    "SELECT 'owner' FROM project WHERE id = ? AND owner = ? UNION ALL"
	    " SELECT role FROM member WHERE project = ? AND user = ? LIMIT 1", "iiii", project, user,
	    project, user);
	if (store_next(r))
		role = policy_role_parse(store_str(r, 0));
	return store_end(r, NULL) == 0 ? role : POLICY_NONE;
}

int
store_project_each(struct store *s, int64_t user,
    int (*cb)(void *arg, const struct store_project *p), void *arg, struct cl_err *err)
{
	struct store_project p;
	struct store_row *r = user == 0 ?
	    store_query(s, PROJECT_COLUMNS "ORDER BY u.name, p.name", "") :
	    store_query(s, PROJECT_COLUMNS "WHERE p.owner = ? OR p.id IN"
	        " (SELECT project FROM member WHERE user = ?)"
	        " ORDER BY p.owner <> ?, u.name, p.name", "iii", user, user, user);

	while (store_next(r)) {
		read_project(r, &p);
		if (cb(arg, &p) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_project_count(struct store *s, int64_t owner)
{
	return (int)store_number(s, 0, "SELECT count(*) FROM project WHERE ? = 0 OR owner = ?", "ii",
	    owner, owner);
}

int
store_project_add(struct store *s, int64_t owner, const char *name, const char *stack,
    const char *description, int64_t *id, struct cl_err *err)
{
	struct cl_err why = {0};

	if (store_run(s, &why,
	    "INSERT INTO project (owner, name, stack, description, created) VALUES (?,?,?,?,?)",
	    "isssi", owner, name, stack, description, clock_unix_ms()) < 0) {
		if (why.code == CL_CONFLICT)
			return err_set(err, CL_CONFLICT, "project %s: you have one of that name", name);
		return store_pass(err, &why);
	}
	*id = store_last_id(s);
	return 0;
}

static int
changed(int n, struct cl_err *err)
{
	if (n < 0)
		return -1;
	return n > 0 ? 0 : not_found(err);
}

int
store_project_set_db(struct store *s, int64_t id, const char *db, struct cl_err *err)
{
	return changed(store_run(s, err, "UPDATE project SET db = ? WHERE id = ?", "si", db, id), err);
}

int
store_project_set_state(struct store *s, int64_t id, const char *state, struct cl_err *err)
{
	return changed(
	    store_run(s, err, "UPDATE project SET state = ? WHERE id = ?", "si", state, id), err);
}

int
store_project_set_stack(struct store *s, int64_t id, const char *stack, struct cl_err *err)
{
	return changed(
	    store_run(s, err, "UPDATE project SET stack = ? WHERE id = ?", "si", stack, id), err);
}

int
store_project_set_dev(struct store *s, int64_t id, bool want, const char *state,
    const char *reason, struct cl_err *err)
{
	return changed(store_run(s, err,
	    "UPDATE project SET dev_want = ?, dev_state = ?, dev_reason = ? WHERE id = ?", "issi",
	    (int64_t)want, state, reason, id), err);
}

int
store_project_remove(struct store *s, int64_t id, struct cl_err *err)
{
	return changed(store_run(s, err, "DELETE FROM project WHERE id = ?", "i", id), err);
}

/* -- members -- */

int
store_project_member_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_member *m), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT u.id, u.name, 'owner' FROM project p JOIN user u ON u.id = p.owner WHERE p.id = ?"
	    " UNION ALL SELECT * FROM (SELECT u.id, u.name, m.role FROM member m"
	    " JOIN user u ON u.id = m.user WHERE m.project = ? ORDER BY u.name)", "ii", project, project);
	struct store_member m;

	while (store_next(r)) {
		m.user = store_int(r, 0);
		store_copy(r, 1, m.name, sizeof m.name);
		m.role = policy_role_parse(store_str(r, 2));
		if (cb(arg, &m) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_project_member_put(struct store *s, int64_t project, int64_t user,
    enum policy_role role, struct cl_err *err)
{
	return store_run(s, err,
	           "INSERT INTO member (project, user, role, created) VALUES (?,?,?,?)"
	           " ON CONFLICT (project, user) DO UPDATE SET role = excluded.role",
	           "iisi", project, user, policy_role_text(role), clock_unix_ms()) < 0 ? -1 : 0;
}

int
store_project_member_remove(struct store *s, int64_t project, int64_t user,
    struct cl_err *err)
{
	int n = store_run(s, err, "DELETE FROM member WHERE project = ? AND user = ?", "ii", project,
	    user);

	if (n < 0)
		return -1;
	return n > 0 ? 0 : err_set(err, CL_NOT_FOUND, "member: they are not a member");
}
