/*
 * Accounts: making and removing them; see account.h.
 *
 *   create: hash (worker) -> rows -> home folder (worker) -> reply; a failed home takes the rows back
 *   remove: no projects -> rows, then the home folder;  else disabled = 2 until its projects are gone
 */
#include "engine/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/auth.h"
#include "engine/engine.h"
#include "engine/event_hub.h"
#include "engine/password.h"
#include "engine/policy.h"
#include "engine/request.h"
#include "engine/sshkey.h"
#include "engine/store_project.h"

#define INVITE_HASH 32

struct creation {
	char name[NAME_SIZE], role[16];
	char *password;                 /* wiped and freed */
	char hash[PASSWORD_HASH_SIZE];
	struct sshkey key;
	unsigned char invite[INVITE_HASH];
	bool has_key, has_invite, reserved;
	int64_t id;
};

struct home {
	int64_t user;
	bool present;
	struct cl_err err;
};

json_t *
account_json(struct engine *e, const struct store_user *u, bool full)
{
	char at[32];
	json_t *o = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)u->id, "name", u->name, "role",
	    u->role);

	if (!full)
		return o;
	clock_iso(u->created, at, sizeof at);
	json_object_set_new(o, "uid", json_integer(engine_uid(e, u->id)));
	json_object_set_new(o, "created", json_string(at));
	json_object_set_new(o, "has_password", json_boolean(u->has_password));
	json_object_set_new(o, "keys", json_integer(u->keys));
	return o;
}

/* -- making -- */

static void
wipe_password(struct creation *c)
{
	if (c->password != NULL)
		mem_wipe(c->password, strlen(c->password));
	mem_free(c->password);
	c->password = NULL;
}

static void
free_creation(struct creation *c)
{
	if (c->reserved)
		password_release();
	wipe_password(c);
	mem_wipe(c, sizeof *c);
	mem_free(c);
}

static int
hash_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct creation *c = arg;
	int rc = 0;

	if (c->password != NULL)
		rc = password_hash(c->password, strlen(c->password), c->hash, err);
	wipe_password(c);
	return rc;
}

static int
home_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct creation *c = arg;

	return e->backend.ops->user_home(&e->backend, engine_uid(e, c->id), true, err);
}

static int
created_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	struct creation *c = arg;
	struct store_user u;
	int rc = -1;

	if (err->code != CL_OK) {
		store_user_remove(e->store, c->id, NULL);
		reply_keep(p);
	} else if (store_user_get(e->store, c->id, &u, err) == 0) {
		reply_json(p, 200, account_json(e, &u, true));
		rc = 0;
	}
	free_creation(c);
	return rc;
}

static int
insert(struct engine *e, struct creation *c, struct cl_err *err)
{
	char role[sizeof c->role];
	int64_t key;

	if (c->has_invite) {
		if (store_user_invite_use(e->store, c->invite, sizeof c->invite, role, sizeof role, err) <
		    0)
			return -1;
		mem_copy_str(c->role, sizeof c->role, role);
	}
	if (store_user_add(e->store, c->name, c->role, c->hash[0] ? c->hash : NULL, &c->id, err) < 0)
		return -1;
	return !c->has_key ? 0 : store_user_key_add(e->store, c->id, c->key.type, c->key.blob,
	    c->key.len, c->key.fingerprint, c->key.comment, &key, err);
}

static int
insert_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	struct creation *c = arg;

	if (c->reserved)
		password_release();
	c->reserved = false;
	if (err->code != CL_OK || insert(e, c, err) < 0) {
		free_creation(c);
		return -1;
	}
	reply_work(p, home_cb, created_cb, c);
	return 0;
}

int
account_create(struct reply *p, const char *name, const char *role, const char *password,
    const char *key, const unsigned char *invite, struct cl_err *err)
{
	struct creation *c = mem_alloc(sizeof *c);

	if (role == NULL)
		role = "developer";
	if (policy_account_parse(role) == POLICY_STRANGER) {
		err_set(err, CL_USAGE, "role: %s is none", role);
		err_hint(err, "student, developer, teacher, operator or admin");
		goto fail;
	}
	if (strcmp(name, "root") == 0) {
		err_set(err, CL_CONFLICT, "user root: the name is the built-in operator's");
		goto fail;
	}
	if (key != NULL && sshkey_parse(&c->key, key, err) < 0)
		goto fail;
	if (password != NULL && password_reserve(err) < 0)
		goto fail;
	c->reserved = password != NULL;
	c->has_key = key != NULL;
	mem_copy_str(c->name, sizeof c->name, name);
	mem_copy_str(c->role, sizeof c->role, role);
	c->password = mem_strdup(password);
	if (invite != NULL) {
		memcpy(c->invite, invite, sizeof c->invite);
		c->has_invite = true;
	}
	reply_work(p, hash_cb, insert_cb, c);
	return 0;
fail:
	free_creation(c);
	return -1;
}

/* -- removing -- */

int
account_check_last(struct engine *e, const struct request *r, const struct store_user *u,
    struct cl_err *err)
{
	if (r->caller.is_root || strcmp(u->role, "admin") != 0 || store_user_admins(e->store) > 1)
		return 0;
	err_set(err, CL_PRECONDITION, "user %s: it is the last admin", u->name);
	return err_hint(err, "make another admin first: user role NAME admin");
}

static void
home_work_cb(struct engine *e, void *arg)
{
	struct home *h = arg;

	e->backend.ops->user_home(&e->backend, engine_uid(e, h->user), h->present, &h->err);
}

static void
home_done_cb(struct engine *e, void *arg)
{
	struct home *h = arg;

	if (h->err.code != CL_OK)
		log_warn("home of user %lld: %s", (long long)h->user, h->err.message);
	mem_free(h);
}

static void
start_home(struct engine *e, int64_t user, bool present)
{
	struct home *h = mem_alloc(sizeof *h);

	h->user = user;
	h->present = present;
	engine_work(e, home_work_cb, home_done_cb, h);
}

int
account_remove(struct engine *e, const struct store_user *u, struct cl_err *err)
{
	if (store_project_count(e->store, u->id) > 0) {
		if (store_run(e->store, err, "UPDATE user SET disabled = 2 WHERE id = ?", "i", u->id) < 0)
			return -1;
	} else if (store_user_remove(e->store, u->id, err) < 0) {
		return -1;
	} else {
		start_home(e, u->id, false);
	}
	auth_revoke(e, u->id, "this account was removed", "");
	event_hub_drop(e, u->id);
	return 0;
}

static int
home_each_cb(void *arg, const struct store_user *u)
{
	start_home(arg, u->id, true);
	return 0;
}

void
account_sweep(struct engine *e, bool start)
{
	struct cl_err err = {0};
	struct store_user u;
	int64_t id;

	if (start && store_user_each(e->store, home_each_cb, e, &err) < 0)
		log_error("%s", err.message);
	while ((id = store_number(e->store, 0,
	    "SELECT id FROM user WHERE disabled = 2 AND NOT EXISTS"
	    " (SELECT 1 FROM project WHERE owner = user.id) LIMIT 1", "")) != 0) {
		if (store_user_get(e->store, id, &u, &err) < 0 || account_remove(e, &u, &err) < 0) {
			log_error("%s", err.message);
			return;
		}
		log_info("user %s is removed, its last project is gone", u.name);
	}
}
