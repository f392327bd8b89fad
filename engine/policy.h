/*
 * Policy: the one place that says yes.  Default deny.  A project that the caller may not see is
 * hidden: it answers as if it did not exist.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/name.h"

enum policy_role { /* in a project, ascending */
	POLICY_NONE, POLICY_VIEWER, POLICY_EDITOR, POLICY_OPERATOR, POLICY_OWNER
};

enum policy_account { /* of an account, ascending */
	POLICY_STRANGER, POLICY_STUDENT, POLICY_DEVELOPER, POLICY_TEACHER, POLICY_OPS, POLICY_ADMIN
};

struct caller {
	int64_t id;            /* user id; 0 = root or a stranger */
	char name[NAME_SIZE];  /* "root" for the built-in operator, "" for a stranger */
	enum policy_account role;
	uid_t uid;             /* of the peer */
	bool is_root;          /* uid 0 or the engine's own: admin rights, no account */
};

/* What a request is about. */
struct policy_object {
	bool has_project;         /* the path names a project, and it exists */
	enum policy_role right;   /* the caller's in it */
	bool has_user;            /* the path names a user (who may not exist) */
	bool self;                /* ... and it is the caller */
	bool has_op;              /* the path names an operation, and it exists */
	bool op_mine;             /* ... which the caller started */
	enum policy_role op_right;/* the caller's right in its project; POLICY_NONE without one */
	bool op_platform;         /* it concerns no project */
};

enum policy_verdict {
	POLICY_DENY,    /* 403 */
	POLICY_HIDE,    /* 404 */
	POLICY_LOGIN,   /* 401 */
	POLICY_ALLOW,
};

/* route: enum route_id (engine/route.h). */
enum policy_verdict policy_allowed(const struct caller *c, int route,
    const struct policy_object *o);

/* Right of a caller given what the store says (admins have all). */
enum policy_role policy_right(const struct caller *c, enum policy_role stored);

const char *policy_role_text(enum policy_role r);               /* "editor" */
enum policy_role policy_role_parse(const char *s);              /* POLICY_NONE if unknown */
const char *policy_account_text(enum policy_account r);         /* "developer" */
enum policy_account policy_account_parse(const char *s);        /* POLICY_STRANGER if unknown */

#endif
