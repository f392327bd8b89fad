/* Routes of live sessions: who is where, and kicking a session or a door of it. */
#include <stdio.h>
#include <string.h>

#include "base/door.h"
#include "base/mem.h"
#include "base/name.h"
#include "engine/auth.h"
#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/roll.h"
#include "engine/store_user.h"

/* Worker's thread. */
static int
wait_cb(struct engine *e, void *arg, struct cl_err *err)
{
	return roll_wait(arg, err);
}

static int
send_and_wait(struct engine *e, struct reply *p, struct roll *q, const struct ipc_out *m,
    reply_then_cb *then, struct cl_err *err)
{
	if (q == NULL || auth_tell(e, m, err) < 0) {
		roll_free(q);
		return -1;
	}
	reply_work(p, wait_cb, then, q);
	return 0;
}

static int
listed_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	if (err->code == CL_OK)
		reply_json(p, 200, json_pack("{s:o}", "sessions", roll_take(arg)));
	roll_free(arg);
	return err->code == CL_OK ? 0 : -1;
}

static int
session_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	bool all = r->caller.role == POLICY_ADMIN;
	struct ipc_out m;
	struct roll *q = roll_ask(&m, all ? 0 : engine_uid(e, r->caller.id), err);

	return send_and_wait(e, p, q, &m, listed_cb, err);
}

static int
kicked_cb(struct engine *e, struct request *r, struct reply *p, void *arg, struct cl_err *err)
{
	roll_free(arg);
	if (err->code != CL_OK)
		return -1;
	reply_done(p);
	return 0;
}

/* "alice", "alice+shop" or "alice+bob:shop", of the caller or, for an admin, anyone's.  What may not
 * be kicked does not exist. */
static int
find_session(struct engine *e, const struct request *r, struct roll_session *s, struct cl_err *err)
{
	const char *text = request_param(r, "session");
	struct name_target t;
	struct store_user u;

	if (name_parse_target(&t, text) < 0 || t.tier[0] != '\0' ||
	    store_user_find(e->store, t.user, &u, NULL) < 0 ||
	    (r->caller.role != POLICY_ADMIN && u.id != r->caller.id)) {
		err_set(err, CL_NOT_FOUND, "%s: there is no such session", text);
		return err_hint(err, "session ls shows yours");
	}
	s->uid = engine_uid(e, u.id);
	if (t.project[0] != '\0')
		mem_copy_str(s->owner, sizeof s->owner, t.owner[0] != '\0' ? t.owner : u.name);
	mem_copy_str(s->project, sizeof s->project, t.project);
	return 0;
}

static int
session_kick(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct roll_session s = {0};
	int64_t door;
	bool doors;
	char text[160];
	struct ipc_out m;

	if (request_query_int(r, "door", 1, DOOR_MOST, -1, &door, err) < 0 ||
	    request_query_bool(r, "doors", &doors, err) < 0 || find_session(e, r, &s, err) < 0)
		return -1;
	mem_copy_str(r->object, sizeof r->object, request_param(r, "session"));
	if (doors && door < 0)
		door = 0;
	if (door >= 0)
		request_detail(r, door > 0 ? "door %d" : "all doors", (int)door);
	snprintf(text, sizeof text, "codinglab: %s closed this window (session kick)", r->caller.name);
	return send_and_wait(e, p, roll_kick(&m, &s, (int)door, text, err), &m, kicked_cb, err);
}

const struct route_bind route_session_binds[] = {
    {ROUTE_SESSION_LS, session_ls},
    {ROUTE_SESSION_KICK, session_kick},
    {0, NULL},
};
