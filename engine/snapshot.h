/*
 * What an environment is to be, read from the store at one time, for work on another thread: its release, tiers,
 * password, route.
 */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H

#include "engine/engine.h"
#include "engine/rollout.h"
#include "engine/stacks.h"
#include "engine/store_env.h"
#include "engine/store_project.h"

struct snapshot {
	struct rollout r;               /* but for poll_ms, interrupt, memory, note and arg */
	struct store_project project;
	struct store_env row;
	const struct stack_set *stacks; /* taken: r.manifest points into it */
	int64_t op;                     /* that made the release */
};

/* On the loop's thread; s stays where it is, r points into it.  To be cleared also after -1: CL_NOT_FOUND when
 * there is no such environment, or the project is being removed. */
int snapshot_take(struct engine *e, int64_t project, const char *env, struct snapshot *s,
    struct cl_err *err);
void snapshot_clear(struct snapshot *s);

#endif
