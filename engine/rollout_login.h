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

/* A pass, by rollout_run() or rollout_whole_run() as the backend is, and what has to be done around it.  On the
 * worker's thread; may be repeated. */
void rollout_login_run(struct rollout *r);

#endif
