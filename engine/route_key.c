/* Routes of public keys. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/auth.h"
#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/sshkey.h"
#include "engine/store_user.h"

#define KEYS_MAX 100

static json_t *
to_json(const struct store_key *k)
{
	char at[32];

	clock_iso(k->created, at, sizeof at);
	return json_pack("{s:I, s:s, s:s, s:s, s:s}", "id", (json_int_t)k->id, "type", k->type,
	    "fingerprint", k->fingerprint, "comment", k->comment, "created", at);
}

static int
list_cb(void *arg, const struct store_key *k)
{
	json_array_append_new(arg, to_json(k));
	return 0;
}

static int
key_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	json_t *list = json_array();
	int rc = store_user_key_each(e->store, r->user, list_cb, list, err);

	reply_json(p, 200, json_pack("{s:o}", "keys", list));
	return rc;
}

static int
key_add(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct sshkey k;
	struct store_key row = {.user = r->user};
	struct store_user u;

	if (sshkey_parse(&k, request_str(r, "key"), err) < 0 ||
	    store_user_get(e->store, r->user, &u, err) < 0)
		return -1;
	request_detail(r, "%s", k.fingerprint);
	if (u.keys >= KEYS_MAX) {
		err_set(err, CL_QUOTA, "key: %s has %d keys", u.name, u.keys);
		return err_hint(err, "remove one first: key rm ID");
	}
	if (store_user_key_add(e->store, r->user, k.type, k.blob, k.len, k.fingerprint, k.comment,
	    &row.id, err) < 0)
		return -1;
	mem_copy_str(row.type, sizeof row.type, k.type);
	mem_copy_str(row.fingerprint, sizeof row.fingerprint, k.fingerprint);
	mem_copy_str(row.comment, sizeof row.comment, k.comment);
	row.created = clock_unix_ms();
	reply_json(p, 200, to_json(&row));
	return 0;
}

struct wanted {
	const char *which; /* a decimal id or a fingerprint */
	char fingerprint[64];
};

static int
fingerprint_cb(void *arg, const struct store_key *k)
{
	struct wanted *w = arg;
	char id[32];

	snprintf(id, sizeof id, "%lld", (long long)k->id);
	if (strcmp(w->which, id) == 0 || strcmp(w->which, k->fingerprint) == 0)
		mem_copy_str(w->fingerprint, sizeof w->fingerprint, k->fingerprint);
	return 0;
}

static int
key_rm(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *which = request_param(r, "key");
	struct wanted w = {.which = which};

	request_detail(r, "%s", which);
	if (store_user_key_each(e->store, r->user, fingerprint_cb, &w, err) < 0 ||
	    store_user_key_remove(e->store, r->user, which, err) < 0)
		return -1;
	auth_revoke(e, r->user, "the key that opened this connection was removed", w.fingerprint);
	reply_done(p);
	return 0;
}

const struct route_bind route_key_binds[] = {
    {ROUTE_KEY_LS, key_ls},
    {ROUTE_KEY_ADD, key_add},
    {ROUTE_KEY_RM, key_rm},
    {0, NULL},
};
