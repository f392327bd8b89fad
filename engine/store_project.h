/* Projects and members.  Environments, releases and operations are store_env, store_op. */
#ifndef ENGINE_STORE_PROJECT_H
#define ENGINE_STORE_PROJECT_H

#include <stdint.h>
#include "base/err.h"
#include "base/name.h"
#include "engine/policy.h"
#include "engine/store.h"

struct store_project {
	int64_t id, owner;
	char name[NAME_SIZE];
	char owner_name[NAME_SIZE];
	char stack[32];
	char db[32];        /* database service, or "" */
	char description[513];
	char state[16];     /* creating, ready, removing */
	bool dev_want;
	char dev_state[16]; /* absent, starting, running, stopped, failed */
	char dev_reason[256];
	int64_t created;
	int members;        /* with the owner */
};

struct store_member {
	int64_t user;
	char name[NAME_SIZE];
	enum policy_role role;
};

int store_project_get(struct store *s, int64_t id, struct store_project *out, struct cl_err *err);
/* owner's own project of that name, whatever its state. */
int store_project_find(struct store *s, int64_t owner, const char *name, int64_t *id,
    struct cl_err *err);
/* What {project} names for this user: "12", "name" or "owner.name".  user 0 (root): by id or
 * "owner.name", or a name that only one project has.  CL_NOT_FOUND, or CL_CONFLICT when two are
 * shared under that name.  Does not check rights: see store_project_role(). */
int store_project_resolve(struct store *s, int64_t user, const char *text, int64_t *id,
    struct cl_err *err);
/* The right that a user has in a project by owning it or being a member; POLICY_NONE if neither. */
enum policy_role store_project_role(struct store *s, int64_t project, int64_t user);
/* user 0: all.  Own first, then shared, by name. */
int store_project_each(struct store *s, int64_t user,
    int (*cb)(void *arg, const struct store_project *p), void *arg, struct cl_err *err);
int store_project_count(struct store *s, int64_t owner); /* 0: of everybody */
int store_project_add(struct store *s, int64_t owner, const char *name, const char *stack,
    const char *description, int64_t *id, struct cl_err *err);
/* The database service of a new project; it has none until this is said. */
int store_project_set_db(struct store *s, int64_t id, const char *db, struct cl_err *err);
int store_project_set_state(struct store *s, int64_t id, const char *state, struct cl_err *err);
int store_project_set_stack(struct store *s, int64_t id, const char *stack, struct cl_err *err);
int store_project_set_dev(struct store *s, int64_t id, bool want, const char *state,
    const char *reason, struct cl_err *err);
/* The row and everything that hangs on it. */
int store_project_remove(struct store *s, int64_t id, struct cl_err *err);

int store_project_member_each(struct store *s, int64_t project,
    int (*cb)(void *arg, const struct store_member *m), void *arg, struct cl_err *err);
int store_project_member_put(struct store *s, int64_t project, int64_t user,
    enum policy_role role, struct cl_err *err);
int store_project_member_remove(struct store *s, int64_t project, int64_t user,
    struct cl_err *err);

#endif
