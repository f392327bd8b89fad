/* Users, keys, invitations, quotas.  Rights are checked before (policy.c); names are valid. */
#ifndef ENGINE_STORE_USER_H
#define ENGINE_STORE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/name.h"
#include "engine/store.h"

struct store_user {
	int64_t id;
	char name[NAME_SIZE];
	char role[16];
	bool disabled, has_password;
	int64_t created;
	int keys;
};

struct store_key {
	int64_t id, user;
	char type[64];
	char fingerprint[64]; /* "SHA256:..." */
	char comment[257];
	int64_t created;
};

/* 0 found, -1: CL_NOT_FOUND or worse. */
int store_user_get(struct store *s, int64_t id, struct store_user *out, struct cl_err *err);
int store_user_find(struct store *s, const char *name, struct store_user *out, struct cl_err *err);
int store_user_each(struct store *s, int (*cb)(void *arg, const struct store_user *u), void *arg,
    struct cl_err *err);
int store_user_count(struct store *s);
int store_user_admins(struct store *s);
/* password: argon2id string or NULL. *id gets the new id; a taken name is CL_CONFLICT. */
int store_user_add(struct store *s, const char *name, const char *role, const char *password,
    int64_t *id, struct cl_err *err);
int store_user_remove(struct store *s, int64_t id, struct cl_err *err);
int store_user_set_role(struct store *s, int64_t id, const char *role, struct cl_err *err);
int store_user_set_password(struct store *s, int64_t id, const char *hash, struct cl_err *err);
/* The argon2id string into out; "" when there is none. */
int store_user_password(struct store *s, int64_t id, char *out, size_t size, struct cl_err *err);

/* A key that somebody has already is CL_CONFLICT. */
int store_user_key_add(struct store *s, int64_t user, const char *type, const void *blob, size_t n,
    const char *fingerprint, const char *comment, int64_t *id, struct cl_err *err);
/* Whose key is this?  CL_NOT_FOUND if nobody's. */
int store_user_key_owner(struct store *s, const void *blob, size_t n, int64_t *user,
    struct cl_err *err);
int store_user_key_each(struct store *s, int64_t user,
    int (*cb)(void *arg, const struct store_key *k), void *arg, struct cl_err *err);
/* which: a decimal id or a fingerprint. */
int store_user_key_remove(struct store *s, int64_t user, const char *which, struct cl_err *err);

int store_user_invite_add(struct store *s, const void *hash, size_t n, const char *role, int uses,
    int64_t expires, const char *by, struct cl_err *err);
/* Takes one use; CL_FORBIDDEN when unknown, used up or expired (always the same words). */
int store_user_invite_use(struct store *s, const void *hash, size_t n, char *role, size_t size,
    struct cl_err *err);

/* How many projects this user may own. */
int store_user_quota_projects(struct store *s, int64_t user);

#endif
