/* The roll of live sessions: see roll.h. */
#include "engine/roll.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/door.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/api/auth_proto.h"
#include "engine/engine.h"
#include "engine/store_user.h"

#define WAIT_NS (6ll * 1000 * 1000 * 1000) /* more than the listener takes */
#define NAMED_MAX (3 * NAME_SIZE)

struct roll {
	struct roll *next;
	int64_t id;
	json_t *rows;          /* loop's thread only */
	uv_mutex_t lock;       /* over the rest */
	uv_cond_t ended;
	bool done;
	struct cl_err err;
};

static struct roll *open_rolls;

static struct roll *
begin(uint32_t type, struct ipc_out *m, struct cl_err *err)
{
	static int64_t last_id;
	struct roll *q;
	int n = 0;

	for (q = open_rolls; q != NULL; q = q->next)
		n++;
	if (n >= ROLL_AT_ONCE) {
		err_set(err, CL_UNAVAILABLE, "sessions: too much is asked at once");
		err_hint(err, "try again in a moment");
		return NULL;
	}
	q = mem_alloc(sizeof *q);
	q->rows = json_array();
	/* No answer to an engine before this one fits. */
	q->id = last_id = last_id == 0 ? clock_unix_ms() * 1000 : last_id + 1;
	uv_mutex_init(&q->lock);
	uv_cond_init(&q->ended);
	q->next = open_rolls;
	open_rolls = q;
	ipc_begin(m, type);
	ipc_put_i64(m, q->id);
	return q;
}

struct roll *
roll_ask(struct ipc_out *m, uid_t uid, struct cl_err *err)
{
	struct roll *q = begin(AUTH_ROLL, m, err);

	if (q != NULL)
		ipc_put_u32(m, uid);
	return q;
}

struct roll *
roll_kick(struct ipc_out *m, const struct roll_session *s, int door, const char *text,
    struct cl_err *err)
{
	struct roll *q = begin(AUTH_KICK, m, err);

	if (q == NULL)
		return NULL;
	ipc_put_u32(m, s->uid);
	ipc_put_str(m, s->owner);
	ipc_put_str(m, s->project);
	ipc_put_u32(m, door >= 0);
	ipc_put_u32(m, door > 0 ? (uint32_t)door : 0);
	ipc_put_str(m, text);
	return q;
}

int
roll_wait(struct roll *q, struct cl_err *err)
{
	int rc = 0;

	uv_mutex_lock(&q->lock);
	while (!q->done && rc == 0)
		rc = uv_cond_timedwait(&q->ended, &q->lock, WAIT_NS);
	if (!q->done) {
		err_set(err, CL_UNAVAILABLE, "the gateway does not answer");
		rc = err_hint(err, "try again in a moment");
	} else if (q->err.code != CL_OK) {
		*err = q->err;
		rc = -1;
	}
	uv_mutex_unlock(&q->lock);
	return rc < 0 ? -1 : 0;
}

json_t *
roll_take(struct roll *q)
{
	json_t *rows = q->rows;

	q->rows = NULL;
	return rows;
}

void
roll_free(struct roll *q)
{
	struct roll **at;

	if (q == NULL)
		return;
	for (at = &open_rolls; *at != q; at = &(*at)->next)
		;
	*at = q->next;
	json_decref(q->rows);
	uv_cond_destroy(&q->ended);
	uv_mutex_destroy(&q->lock);
	mem_free(q);
}

void
roll_name(const char *user, const char *owner, const char *project, char *out, size_t size)
{
	bool other = project[0] != '\0' && strcmp(owner, user) != 0;

	snprintf(out, size, "%s%s%s%s%s", user, project[0] != '\0' ? "+" : "", other ? owner : "",
	    other ? ":" : "", project);
}

static struct roll *
find(int64_t id)
{
	struct roll *q;

	for (q = open_rolls; q != NULL && q->id != id; q = q->next)
		;
	return q;
}

static int64_t
get_age(struct ipc_in *in)
{
	int64_t age = ipc_get_i64(in);

	if (age >= 0 && age <= DOOR_AGE_MAX)
		return age;
	in->bad = true;
	return 0;
}

static json_t *
time_ago(int64_t age)
{
	char at[32];

	clock_iso(clock_unix_ms() - age, at, sizeof at);
	return json_string(at);
}

static json_t *
read_door(struct ipc_in *in)
{
	static const char *const modes[] = {"owner", "pair", "view"};
	char user[NAME_SIZE], address[64];
	json_t *o = json_object();
	size_t mode;

	json_object_set_new(o, "door", json_integer(ipc_get_range(in, 1, DOOR_MOST)));
	ipc_get_str(in, user, sizeof user);
	mode = (size_t)ipc_get_range(in, DOOR_OWNER, DOOR_VIEW);
	ipc_get_str(in, address, sizeof address);
	if (!name_valid(user) || !utf8_valid(address, strlen(address)))
		in->bad = true;
	json_object_set_new(o, "user", json_string(user));
	json_object_set_new(o, "mode", json_string(modes[mode]));
	json_object_set_new(o, "from", json_string(address));
	json_object_set_new(o, "rows", json_integer(ipc_get_range(in, DOOR_ROWS_MIN, DOOR_ROWS_MAX)));
	json_object_set_new(o, "cols", json_integer(ipc_get_range(in, DOOR_COLS_MIN, DOOR_COLS_MAX)));
	json_object_set_new(o, "since", time_ago(get_age(in)));
	json_object_set_new(o, "idle", json_integer(get_age(in) / 1000));
	return o;
}

static json_t *
read_session(struct engine *e, struct ipc_in *in)
{
	int64_t user = (int64_t)ipc_get_u32(in) - e->uid_base, n;
	char owner[NAME_SIZE], project[NAME_SIZE], name[NAMED_MAX];
	json_t *o = json_object(), *doors = json_array();
	struct store_user u = {0};
	bool answers;

	ipc_get_str(in, owner, sizeof owner);
	ipc_get_str(in, project, sizeof project);
	/* An account that is gone: its session is about to be. */
	if (store_user_get(e->store, user, &u, NULL) < 0)
		snprintf(u.name, sizeof u.name, "gone-%" PRId64, user);
	roll_name(u.name, owner, project, name, sizeof name);
	answers = ipc_get_range(in, 0, 1) != 0;
	json_object_set_new(o, "id", json_string(name));
	json_object_set_new(o, "user", json_string(u.name));
	json_object_set_new(o, "owner", json_string(owner));
	json_object_set_new(o, "project", json_string(project));
	json_object_set_new(o, "answers", json_boolean(answers));
	json_object_set_new(o, "since", time_ago(get_age(in)));
	json_object_set_new(o, "idle", json_integer(get_age(in) / 1000));
	n = ipc_get_range(in, 0, DOOR_MOST);
	for (int64_t i = 0; i < n && !in->bad; i++)
		json_array_append_new(doors, read_door(in));
	json_object_set_new(o, "doors", doors);
	return o;
}

int
roll_row(struct engine *e, struct ipc_in *in)
{
	struct roll *q = find(ipc_get_i64(in));
	json_t *row = read_session(e, in);
	int rc = ipc_end(in);

	if (rc == 0 && q != NULL && q->rows != NULL)
		json_array_append_new(q->rows, row);
	else
		json_decref(row);
	return rc;
}

static void
end(struct roll *q, const struct cl_err *err)
{
	uv_mutex_lock(&q->lock);
	if (!q->done)
		q->err = *err;
	q->done = true;
	uv_cond_signal(&q->ended);
	uv_mutex_unlock(&q->lock);
}

int
roll_done(struct ipc_in *in)
{
	struct roll *q = find(ipc_get_i64(in));
	struct cl_err err = {0};

	if (ipc_get_range(in, 0, 1) != 0)
		ipc_get_u32(in);
	else
		ipc_get_err(in, &err);
	if (ipc_end(in) < 0)
		return -1;
	if (q != NULL)
		end(q, &err);
	return 0;
}

void
roll_lost(void)
{
	struct cl_err err = {0};

	err_set(&err, CL_UNAVAILABLE, "the gateway went away");
	err_hint(&err, "try again in a moment");
	for (struct roll *q = open_rolls; q != NULL; q = q->next)
		end(q, &err);
}
