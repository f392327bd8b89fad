/* A pass over an environment of a backend that looks after instances itself (struct backend_ops env_apply). */
#ifndef ENGINE_ROLLOUT_WHOLE_H
#define ENGINE_ROLLOUT_WHOLE_H

#include "engine/rollout.h"

/* Instead of rollout_run(): applied whole, then looked at until it serves, fails or something newer is
 * wanted. */
void rollout_whole_run(struct rollout *r);
/* Its tiers as they are wanted; rollout_whole_clear().  release NULL: none. */
int rollout_whole_env(struct manifest *m, const int want[PLAN_TIERS], struct backend_env *out,
    struct cl_err *err);
/* All of the environment that r describes: tiers, limits, host, route (r's own: r stays).  On any thread. */
int rollout_whole_wanted(struct rollout *r, struct backend_env *e, struct cl_err *err);
void rollout_whole_clear(struct backend_env *e);

#endif
