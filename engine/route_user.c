/* Routes of accounts: list, add, remove, role, password, invitations. */
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/mem.h"
#include "engine/account.h"
#include "engine/auth.h"
#include "engine/engine.h"
#include "engine/event_hub.h"
#include "engine/password.h"
#include "engine/project.h"
#include "engine/request.h"
#include "engine/store_project.h"

#define CODE_LEN 20
#define DAY_MS (24ll * 3600 * 1000)

struct listing {
	struct engine *engine;
	json_t *list;
	bool full;
};

struct change {
	char *password; /* wiped and freed */
	char hash[PASSWORD_HASH_SIZE];
};

static int
list_cb(void *arg, const struct store_user *u)
{
	struct listing *l = arg;

	json_array_append_new(l->list, account_json(l->engine, u, l->full));
	return 0;
}

static int
user_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct listing l = {e, json_array(), r->caller.role == POLICY_ADMIN};
	int rc = store_user_each(e->store, list_cb, &l, err);

	reply_json(p, 200, json_pack("{s:o}", "users", l.list));
	return rc;
}

static int
user_add(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *name = request_str(r, "name");
	struct store_user u;

	mem_copy_str(r->object, sizeof r->object, name);
	if (store_user_find(e->store, name, &u, NULL) == 0)
		return err_set(err, CL_CONFLICT, "user %s: the name is taken", name);
	return account_create(p, name, request_str(r, "role"), request_str(r, "password"),
	    request_str(r, "key"), NULL, err);
}

static int
remove_project_cb(void *arg, const struct store_project *p)
{
	int64_t **at = arg;

	*(*at)++ = p->id;
	return 0;
}

/* Starts the removal of everything the user owns. */
static int
remove_projects(struct engine *e, struct request *r, struct reply *p,
    const struct store_user *u, struct cl_err *err)
{
	int n = store_project_count(e->store, 0);
	cl_autofree int64_t *ids = mem_array((size_t)n + 1, sizeof *ids);
	int64_t *end = ids;
	struct store_project project;

	if (store_project_each(e->store, u->id, remove_project_cb, &end, err) < 0)
		return -1;
	for (int64_t *id = ids; id < end; id++) {
		if (store_project_get(e->store, *id, &project, err) < 0)
			return -1;
		if (project.owner != u->id || strcmp(project.state, "removing") == 0)
			continue;
		if (project_remove(e, r, p, &project, err) < 0)
			return -1;
	}
	return 0;
}

static int
user_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct store_user u;
	bool force;
	int n;

	if (request_query_bool(r, "force", &force, err) < 0 ||
	    store_user_get(e->store, r->user, &u, err) < 0 || account_check_last(e, r, &u, err) < 0)
		return -1;
	n = store_project_count(e->store, u.id);
	if (n > 0 && !force) {
		err_set(err, CL_CONFLICT, "user %s: owns %d project%s", u.name, n, n == 1 ? "" : "s");
		return err_hint(err, "remove them first, or everything at once with --yes (?force=1)");
	}
	if ((n > 0 && remove_projects(e, r, p, &u, err) < 0) || account_remove(e, &u, err) < 0)
		return -1;
	reply_done(p);
	return 0;
}

static int
user_role(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *role = request_str(r, "role");
	struct store_user u;

	if (policy_account_parse(role) == POLICY_STRANGER) {
		err_set(err, CL_USAGE, "role: %.31s is none", role);
		return err_hint(err, "student, developer, teacher, operator or admin");
	}
	request_detail(r, "%s", role);
	if (store_user_get(e->store, r->user, &u, err) < 0)
		return -1;
	if (strcmp(role, "admin") != 0 && account_check_last(e, r, &u, err) < 0)
		return -1;
	if (store_user_set_role(e->store, u.id, role, err) < 0 ||
	    store_user_get(e->store, r->user, &u, err) < 0)
		return -1;
	event_hub_drop(e, u.id);
	reply_json(p, 200, account_json(e, &u, true));
	return 0;
}

static int
change_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct change *c = arg;

	return password_hash(c->password, strlen(c->password), c->hash, err);
}

static int
change_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct change *c = arg;
	int rc;

	password_release();
	rc = err->code != CL_OK ? -1 : store_user_set_password(e->store, r->user, c->hash, err);

	mem_wipe(c->password, strlen(c->password));
	mem_free(c->password);
	mem_wipe(c, sizeof *c);
	mem_free(c);
	if (rc == 0)
		reply_done(p);
	return rc;
}

static int
user_passwd(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct change *c;

	if (password_reserve(err) < 0)
		return -1;
	c = mem_alloc(sizeof *c);
	c->password = mem_strdup(request_str(r, "password"));
	reply_work(p, change_work_cb, change_then_cb, c);
	return 0;
}

/* -- invitations -- */

/* Case and dashes do not matter when it is typed. */
static void
hash_code(const char *code, unsigned char hash[crypto_hash_sha256_BYTES])
{
	char plain[65];
	size_t n = 0;

	for (; *code != '\0' && n < sizeof plain - 1; code++)
		if (*code != '-' && *code != ' ')
			plain[n++] = *code >= 'A' && *code <= 'Z' ? (char)(*code - 'A' + 'a') : *code;
	crypto_hash_sha256(hash, (const unsigned char *)plain, n);
}

/* 100 random bits in four groups, from letters and digits that look different. */
static void
make_code(char out[CODE_LEN + 4])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	size_t n = 0;

	for (int i = 0; i < CODE_LEN; i++) {
		if (i > 0 && i % 5 == 0)
			out[n++] = '-';
		out[n++] = letters[randombytes_uniform(sizeof letters - 1)];
	}
	out[n] = '\0';
}

static int
invite(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	const char *role = request_str(r, "role");
	int64_t uses = request_int(r, "uses", 1), days = request_int(r, "days", 7);
	int64_t expires = clock_unix_ms() + days * DAY_MS;
	char code[CODE_LEN + 4], at[32];

	if (role == NULL)
		role = "developer";
	if (policy_account_parse(role) == POLICY_STRANGER)
		return err_set(err, CL_USAGE, "role: %.31s is none", role);
	make_code(code);
	hash_code(code, hash);
	if (store_user_invite_add(e->store, hash, sizeof hash, role, (int)uses, expires,
	    r->caller.name, err) < 0)
		return -1;
	request_detail(r, "%s, %lld uses, %lld days", role, (long long)uses, (long long)days);
	clock_iso(expires, at, sizeof at);
	reply_json(p, 200, json_pack("{s:s, s:s, s:I, s:s}", "code", code, "role", role, "uses",
	    (json_int_t)uses, "expires", at));
	mem_wipe(code, sizeof code);
	return 0;
}

static int
register_user(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	const char *name = request_str(r, "name");
	struct store_user u;
	char role[16];

	mem_copy_str(r->object, sizeof r->object, name);
	if (!config_bool("user.register")) {
		err_set(err, CL_FORBIDDEN, "register: this platform takes no registrations");
		return err_hint(err, "ask an admin for an account");
	}
	hash_code(request_str(r, "code"), hash);
	if (!request_has(r, "key") && !request_has(r, "password"))
		return err_set(err, CL_USAGE, "register: a key or a password is needed");
	/* Looked at before the costly hash; taken for good when the row is made. */
	if (store_user_invite_use(e->store, hash, sizeof hash, role, sizeof role, err) < 0)
		return -1;
	if (store_run(e->store, err, "UPDATE invite SET uses_left = uses_left + 1 WHERE hash = ?", "b",
	    hash, sizeof hash) < 0)
		return -1;
	if (store_user_find(e->store, name, &u, NULL) == 0)
		return err_set(err, CL_CONFLICT, "user %s: the name is taken", name);
	return account_create(p, name, role, request_str(r, "password"), request_str(r, "key"), hash,
	    err);
}

const struct route_bind route_user_binds[] = {
    {ROUTE_USER_LS, user_ls},
    {ROUTE_USER_ADD, user_add},
    {ROUTE_USER_RM, user_rm},
    {ROUTE_USER_ROLE, user_role},
    {ROUTE_USER_PASSWD, user_passwd},
    {ROUTE_INVITE, invite},
    {ROUTE_REGISTER, register_user},
    {0, NULL},
};
