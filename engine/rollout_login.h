/*
 * Another password of a database, as part of a roll-out: the release that is wanted enters by another name than the
 * one that serves.  Both may until every instance is replaced; then the wanted one alone.
 *
 *   let ─ instances replaced one by one ─ keep ─► serving
 *    └──────── fails: taken back, the old password is as it was
 */
#ifndef ENGINE_ROLLOUT_LOGIN_H
#define ENGINE_ROLLOUT_LOGIN_H

#include "engine/rollout.h"

/* Does the wanted release enter its database otherwise than the one that serves? */
bool rollout_login_changes(const struct rollout *r);
/* On the worker's thread; may be repeated.  e: of an environment that is applied whole, else NULL. */
int rollout_login_let(struct rollout *r, const struct backend_env *e);
int rollout_login_keep(struct rollout *r, const struct backend_env *e);

#endif
