/* Routes of the project's chat: history and saying something, at most five times a second. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/event.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/store_chat.h"

#define PER_SECOND 5
#define SPEAKERS 256 /* remembered; by then the oldest has been silent for a while */

/* The last times somebody spoke. */
static struct {
	int64_t user, at[PER_SECOND];
	int next;
} speakers[SPEAKERS];

static bool
too_fast(int64_t user)
{
	int64_t now = clock_ms();
	int at = 0;

	for (int i = 0; i < SPEAKERS; i++) {
		if (speakers[i].user == user && speakers[i].at[0] != 0) {
			at = i;
			break;
		}
		/* Otherwise the place of whoever has been silent longest. */
		if (speakers[i].at[speakers[i].next] < speakers[at].at[speakers[at].next])
			at = i;
	}
	if (speakers[at].user != user) {
		memset(&speakers[at], 0, sizeof speakers[at]);
		speakers[at].user = user;
	}
	if (speakers[at].at[speakers[at].next] != 0 &&
	    now - speakers[at].at[speakers[at].next] < 1000)
		return true;
	speakers[at].at[speakers[at].next] = now;
	speakers[at].next = (speakers[at].next + 1) % PER_SECOND;
	return false;
}

static json_t *
to_json(int64_t id, int64_t at, const char *user, const char *text)
{
	char iso[32];

	clock_iso(at, iso, sizeof iso);
	return json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)id, "at", iso, "user", user, "text",
	    text);
}

static int
list_cb(void *arg, const struct store_message *m)
{
	json_array_append_new(arg, to_json(m->id, m->at, m->user, m->text));
	return 0;
}

static int
chat_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	int64_t limit, before;
	json_t *list;
	int rc;

	if (request_query_int(r, "limit", 1, 500, 100, &limit, err) < 0 ||
	    request_query_int(r, "before", 1, INT64_MAX, 0, &before, err) < 0)
		return -1;
	list = json_array();
	rc = store_chat_each(e->store, r->project, before, (int)limit, list_cb, list, err);
	reply_json(p, 200, json_pack("{s:o}", "messages", list));
	return rc;
}

static int
chat_say(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	const char *text = request_str(r, "text");
	int64_t id, at = clock_unix_ms();

	if (too_fast(r->caller.id)) {
		err_set(err, CL_QUOTA, "chat: more than %d messages in a second", PER_SECOND);
		return err_hint(err, "wait a moment");
	}
	if (store_chat_add(e->store, r->project, r->caller.id, r->caller.name, text, at, &id, err) < 0)
		return -1;
	event_publish(e, EVENT_CHAT, r->project, NULL, r->caller.name,
	    json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "user", r->caller.name, "text", text),
	    "%s: %s", r->caller.name, text);
	reply_json(p, 200, to_json(id, at, r->caller.name, text));
	return 0;
}

const struct route_bind route_chat_binds[] = {
    {ROUTE_CHAT_LS, chat_ls},
    {ROUTE_CHAT_SAY, chat_say},
    {0, NULL},
};
