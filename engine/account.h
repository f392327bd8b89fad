/*
 * What several user routes share: the account's life (home folder, removal with its projects) and its
 * JSON forms.
 */
#ifndef ENGINE_ACCOUNT_H
#define ENGINE_ACCOUNT_H

#include <jansson.h>
#include <stdbool.h>
#include "engine/reply.h"
#include "engine/store_user.h"

/* Schema User; full: also uid, time, password, keys. */
json_t *account_json(struct engine *e, const struct store_user *u, bool full);

/* Make an account: checks, then password hash (worker), rows, home folder (worker), reply User.
 * invite: SHA-256 of an invitation code to take, or NULL.  Strings may be NULL where absent. */
int account_create(struct reply *p, const char *name, const char *role, const char *password,
    const char *key, const unsigned char *invite, struct cl_err *err);

/* May this user stop being an admin?  CL_PRECONDITION for the last one. */
int account_check_last(struct engine *e, const struct request *r, const struct store_user *u,
    struct cl_err *err);

/* Rows go at once when no project is left, else as soon as the last is gone. */
int account_remove(struct engine *e, const struct store_user *u, struct cl_err *err);
/* Removes accounts whose last project has gone; makes home folders that are missing (start only). */
void account_sweep(struct engine *e, bool start);

#endif
