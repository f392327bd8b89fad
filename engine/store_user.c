/* Users, their keys, invitations and quotas; see store_user.h. */
#include "engine/store_user.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DEFAULT_PROJECTS 50

#define USER_COLUMNS \
	"SELECT u.id, u.name, u.role, u.disabled, u.password IS NOT NULL, u.created," \
	" (SELECT count(*) FROM key k WHERE k.user = u.id) FROM user u "

static void
read_user(struct store_row *r, struct store_user *u)
{
	u->id = store_int(r, 0);
	store_copy(r, 1, u->name, sizeof u->name);
	store_copy(r, 2, u->role, sizeof u->role);
	u->disabled = store_int(r, 3) != 0;
	u->has_password = store_int(r, 4) != 0;
	u->created = store_int(r, 5);
	u->keys = (int)store_int(r, 6);
}

static int
one_user(struct store_row *r, struct store_user *out, struct cl_err *err)
{
	bool found = store_next(r);

	if (found)
		read_user(r, out);
	if (store_end(r, err) < 0)
		return -1;
	return found ? 0 : err_set(err, CL_NOT_FOUND, "user: there is no such user");
}

int
store_user_get(struct store *s, int64_t id, struct store_user *out, struct cl_err *err)
{
	return one_user(store_query(s, USER_COLUMNS "WHERE u.id = ?", "i", id), out, err);
}

int
store_user_find(struct store *s, const char *name, struct store_user *out, struct cl_err *err)
{
	return one_user(store_query(s, USER_COLUMNS "WHERE u.name = ?", "s", name), out, err);
}

int
store_user_each(struct store *s, int (*cb)(void *arg, const struct store_user *u), void *arg,
    struct cl_err *err)
{
	struct store_row *r = store_query(s, USER_COLUMNS "ORDER BY u.name", "");
	struct store_user u;

	while (store_next(r)) {
		read_user(r, &u);
		if (cb(arg, &u) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_user_count(struct store *s)
{
	return (int)store_number(s, 0, "SELECT count(*) FROM user", "");
}

int
store_user_admins(struct store *s)
{
	return (int)store_number(s, 0,
	    "SELECT count(*) FROM user WHERE role = 'admin' AND disabled = 0", "");
}

int
store_user_add(struct store *s, const char *name, const char *role, const char *password,
    int64_t *id, struct cl_err *err)
{
	struct cl_err why = {0};

	if (store_run(s, &why, "INSERT INTO user (name, role, password, created) VALUES (?, ?, ?, ?)",
	    "sssi", name, role, password, clock_unix_ms()) < 0) {
		if (why.code == CL_CONFLICT)
			return err_set(err, CL_CONFLICT, "user %s: the name is taken", name);
		return store_pass(err, &why);
	}
	*id = store_last_id(s);
	return 0;
}

/* 0 if exactly this row was there */
static int
changed(int n, struct cl_err *err)
{
	if (n < 0)
		return -1;
	return n > 0 ? 0 : err_set(err, CL_NOT_FOUND, "user: there is no such user");
}

int
store_user_remove(struct store *s, int64_t id, struct cl_err *err)
{
	return changed(store_run(s, err, "DELETE FROM user WHERE id = ?", "i", id), err);
}

int
store_user_set_role(struct store *s, int64_t id, const char *role, struct cl_err *err)
{
	return changed(store_run(s, err, "UPDATE user SET role = ? WHERE id = ?", "si", role, id), err);
}

int
store_user_set_password(struct store *s, int64_t id, const char *hash, struct cl_err *err)
{
	return changed(
	    store_run(s, err, "UPDATE user SET password = ? WHERE id = ?", "si", hash, id), err);
}

int
store_user_password(struct store *s, int64_t id, char *out, size_t size, struct cl_err *err)
{
	struct store_row *r = store_query(s, "SELECT password FROM user WHERE id = ?", "i", id);

	out[0] = '\0';
	if (store_next(r))
		store_copy(r, 0, out, size);
	return store_end(r, err);
}

/* -- keys -- */

int
store_user_key_add(struct store *s, int64_t user, const char *type, const void *blob, size_t n,
    const char *fingerprint, const char *comment, int64_t *id, struct cl_err *err)
{
	struct cl_err why = {0};
	int64_t owner;

	if (store_run(s, &why,
	    "INSERT INTO key (user, type, blob, fingerprint, comment, created) VALUES (?,?,?,?,?,?)",
	    "isbssi", user, type, blob, n, fingerprint, comment, clock_unix_ms()) >= 0) {
		*id = store_last_id(s);
		return 0;
	}
	if (why.code != CL_CONFLICT)
		return store_pass(err, &why);
	err_clear(&why);
	if (store_user_key_owner(s, blob, n, &owner, &why) == 0 && owner == user)
		return err_set(err, CL_CONFLICT, "key %s: you have it already", fingerprint);
	err_set(err, CL_CONFLICT, "key %s: it belongs to another account", fingerprint);
	return err_hint(err, "a key names one person: make a new pair with ssh-keygen");
}

int
store_user_key_owner(struct store *s, const void *blob, size_t n, int64_t *user,
    struct cl_err *err)
{
	*user = store_number(s, 0, "SELECT user FROM key WHERE blob = ?", "b", blob, n);
	return *user != 0 ? 0 : err_set(err, CL_NOT_FOUND, "key: nobody has it");
}

int
store_user_key_each(struct store *s, int64_t user,
    int (*cb)(void *arg, const struct store_key *k), void *arg, struct cl_err *err)
{
	struct store_row *r = store_query(s,
	    "SELECT id, user, type, fingerprint, comment, created FROM key WHERE user = ? ORDER BY id",
	    "i", user);
	struct store_key k;

	while (store_next(r)) {
		k.id = store_int(r, 0);
		k.user = store_int(r, 1);
		store_copy(r, 2, k.type, sizeof k.type);
		store_copy(r, 3, k.fingerprint, sizeof k.fingerprint);
		store_copy(r, 4, k.comment, sizeof k.comment);
		k.created = store_int(r, 5);
		if (cb(arg, &k) != 0)
			break;
	}
	return store_end(r, err);
}

int
store_user_key_remove(struct store *s, int64_t user, const char *which, struct cl_err *err)
{
	char *end;
	int64_t id = strtoll(which, &end, 10);
	int n;

	if (*end != '\0' || which[0] < '0' || which[0] > '9')
		id = 0;
	n = store_run(s, err, "DELETE FROM key WHERE user = ? AND (id = ? OR fingerprint = ?)", "iis",
	    user, id, which);
	if (n < 0)
		return -1;
	if (n > 0)
		return 0;
	err_set(err, CL_NOT_FOUND, "key %.100s: there is no such key", which);
	return err_hint(err, "key ls shows ids and fingerprints");
}

/* -- invitations and quotas -- */

int
store_user_invite_add(struct store *s, const void *hash, size_t n, const char *role, int uses,
    int64_t expires, const char *by, struct cl_err *err)
{
	return store_run(s, err,
	           "INSERT INTO invite (hash, role, uses, uses_left, expires, by, created)"
	           " VALUES (?,?,?,?,?,?,?)",
	           "bsiiisi", hash, n, role, (int64_t)uses, (int64_t)uses, expires, by,
	           clock_unix_ms()) < 0 ? -1 : 0;
}

int
store_user_invite_use(struct store *s, const void *hash, size_t n, char *role, size_t size,
    struct cl_err *err)
{
	struct store_row *r;
	int taken = store_run(s, err,
	    "UPDATE invite SET uses_left = uses_left - 1"
	    " WHERE hash = ? AND uses_left > 0 AND expires > ?",
	    "bi", hash, n, clock_unix_ms());

	role[0] = '\0';
	if (taken < 0)
		return -1;
	if (taken == 0) {
		err_set(err, CL_FORBIDDEN, "register: this code is not valid any more, or never was");
		return err_hint(err, "ask an admin for a new invitation");
	}
	r = store_query(s, "SELECT role FROM invite WHERE hash = ?", "b", hash, n);
	if (store_next(r))
		store_copy(r, 0, role, size);
	return store_end(r, err);
}

int
store_user_quota_projects(struct store *s, int64_t user)
{
	return (int)store_number(s, DEFAULT_PROJECTS, "SELECT projects FROM quota WHERE user = ?", "i",
	    user);
}
