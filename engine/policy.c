/*
 * Policy; see policy.h.  The route's row says the least account role and the right it asks of the
 * project or user in its path; this is where the row is judged.
 */
#include "engine/policy.h"

#include <string.h>

#include "base/mem.h"
#include "engine/route.h"

static const char *const role_names[] = {"none", "viewer", "editor", "operator", "owner"};
static const char *const account_names[] = {
    "stranger", "student", "developer", "teacher", "operator", "admin"};

static bool
is_admin(const struct caller *c)
{
	return c->is_root || c->role == POLICY_ADMIN;
}

static bool
is_known(const struct caller *c)
{
	return c->is_root || c->role > POLICY_STRANGER;
}

static enum policy_verdict
project_verdict(const struct policy_object *o, enum policy_role needed)
{
	if (!o->has_project || o->right < POLICY_VIEWER)
		return POLICY_HIDE;
	return o->right >= needed ? POLICY_ALLOW : POLICY_DENY;
}

/* Operations: seen by who may see their project (or started them), ended by who started them. */
static enum policy_verdict
op_verdict(const struct caller *c, int route, const struct policy_object *o)
{
	bool seen = o->op_mine || o->op_right >= POLICY_VIEWER || is_admin(c);

	if (!o->has_op || !seen)
		return POLICY_HIDE;
	if (route == ROUTE_OP_CANCEL)
		return o->op_mine || is_admin(c) ? POLICY_ALLOW : POLICY_DENY;
	return POLICY_ALLOW;
}

static enum policy_verdict
scope_verdict(const struct caller *c, int route, const struct policy_object *o)
{
	switch (route_table[route].scope) {
	case ROUTE_SCOPE_ANY:
		if (route == ROUTE_OP_SHOW || route == ROUTE_OP_LOG || route == ROUTE_OP_CANCEL)
			return op_verdict(c, route, o);
		return POLICY_ALLOW;
	case ROUTE_SCOPE_SELF:
		return o->has_user && (o->self || is_admin(c)) ? POLICY_ALLOW : POLICY_DENY;
	case ROUTE_SCOPE_VIEW:
		return project_verdict(o, POLICY_VIEWER);
	case ROUTE_SCOPE_EDIT:
		return project_verdict(o, POLICY_EDITOR);
	case ROUTE_SCOPE_OPERATE:
		return project_verdict(o, POLICY_OPERATOR);
	case ROUTE_SCOPE_OWN:
		return project_verdict(o, POLICY_OWNER);
	}
	return POLICY_DENY;
}

enum policy_verdict
policy_allowed(const struct caller *c, int route, const struct policy_object *o)
{
	if (route < 0 || route >= ROUTE_COUNT)
		return POLICY_DENY;
	switch (route_table[route].role) {
	case ROUTE_ROLE_NONE:
		break;
	case ROUTE_ROLE_USER:
		if (!is_known(c))
			return POLICY_LOGIN;
		break;
	case ROUTE_ROLE_TEACHER:
		if (!is_known(c))
			return POLICY_LOGIN;
		if (!is_admin(c) && c->role < POLICY_TEACHER)
			return POLICY_DENY;
		break;
	case ROUTE_ROLE_ADMIN:
		if (!is_known(c))
			return POLICY_LOGIN;
		if (!is_admin(c))
			return POLICY_DENY;
		break;
	default:
		return POLICY_DENY;
	}
	return scope_verdict(c, route, o);
}

enum policy_role
policy_right(const struct caller *c, enum policy_role stored)
{
	return is_admin(c) ? POLICY_OWNER : stored;
}

const char *
policy_role_text(enum policy_role r)
{
	return (size_t)r < CL_COUNT(role_names) ? role_names[r] : "none";
}

enum policy_role
policy_role_parse(const char *s)
{
	for (size_t i = POLICY_VIEWER; i < CL_COUNT(role_names); i++)
		if (strcmp(s, role_names[i]) == 0)
			return (enum policy_role)i;
	return POLICY_NONE;
}

const char *
policy_account_text(enum policy_account r)
{
	return (size_t)r < CL_COUNT(account_names) ? account_names[r] : "stranger";
}

enum policy_account
policy_account_parse(const char *s)
{
	for (size_t i = POLICY_STUDENT; i < CL_COUNT(account_names); i++)
		if (strcmp(s, account_names[i]) == 0)
			return (enum policy_account)i;
	return POLICY_STRANGER;
}
