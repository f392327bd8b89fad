/*
 * Events and who gets them; see event.h.
 *
 *   event_publish --> row in the store + pending --(commit)--> every subscriber that may see it
 *
 * A subscriber that asks for the past is fed from the store page by page, as fast as it reads; when
 * it has caught up, it is live.  All on the loop's thread, so nothing falls between.
 */
#include "engine/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/event_hub.h"
#include "engine/store_event.h"
#include "engine/store_project.h"
#include "engine/stream.h"

#define PAGE 200
#define QUEUE_ENOUGH 65536 /* bytes: a replay goes on when they were read */

struct pending {
	struct pending *next;
	const char *type;
	int64_t id, project, op;
	char *text;            /* the event as JSON */
	int64_t *audience;     /* user ids that may see it (a project's) */
	size_t naudience;
};

struct subscriber {
	struct subscriber *next;
	struct event_hub *hub;
	struct stream *stream;
	int64_t user, project, op;
	bool admin;
	bool presence;         /* of `user` in `project` */
	bool dropping;         /* ends with the transaction under way */
	bool replaying;
	int64_t next_after;    /* replay: ids above this are to come */
	int left;              /* of the page being sent */
	bool paused;           /* enough is queued for now */
};

struct event_hub {
	struct engine *engine;
	struct subscriber *subscribers;
	struct pending *first, **last;
	int64_t newest;
};

static const char *const names[EVENT_COUNT] = {
#define EVENT(sym, type, fields) type,
#include "engine/api/events.def"
#undef EVENT
};

static void flush(struct event_hub *h);
static void forget(struct event_hub *h);

const char *
event_text(enum event_type t)
{
	return names[t];
}

/* What was published during a transaction still reaches those whose rights end with it. */
static void
end_dropped(struct event_hub *h, bool committed)
{
	for (struct subscriber *s = h->subscribers; s != NULL; s = s->next) {
		if (s->dropping && committed)
			stream_end(s->stream);
		s->dropping = false;
	}
}

static void
store_cb(void *arg, bool committed)
{
	if (committed)
		flush(arg);
	else
		forget(arg);
	end_dropped(arg, committed);
}

void
event_hub_open(struct engine *e)
{
	struct event_hub *h = mem_alloc(sizeof *h);

	h->engine = e;
	h->last = &h->first;
	h->newest = store_event_newest(e->store);
	e->events = h;
	store_notify(e->store, store_cb, h);
}

void
event_hub_close(struct engine *e)
{
	struct event_hub *h = e->events;

	store_notify(e->store, NULL, NULL);
	forget(h);
	for (struct subscriber *s = h->subscribers; s != NULL; s = s->next)
		s->hub = NULL;
	mem_free(h);
	e->events = NULL;
}

/* -- publishing -- */

static void
free_pending(struct pending *p)
{
	mem_free(p->text);
	mem_free(p->audience);
	mem_free(p);
}

static void
forget(struct event_hub *h)
{
	struct pending *p;

	while ((p = h->first) != NULL) {
		h->first = p->next;
		free_pending(p);
	}
	h->last = &h->first;
}

static bool
may_see(const struct subscriber *s, const struct pending *p)
{
	bool of_all = p->project == 0 && strcmp(p->type, "backend.state") == 0; /* also on a project's screen */

	if (s->project != 0 && s->project != p->project && !of_all)
		return false;
	if (s->op != 0 && s->op != p->op)
		return false;
	if (p->project == 0 || s->admin)
		return true;
	for (size_t i = 0; i < p->naudience; i++)
		if (p->audience[i] == s->user)
			return true;
	return false;
}

static void
flush(struct event_hub *h)
{
	struct pending *p;

	while ((p = h->first) != NULL) {
		h->first = p->next;
		if (h->first == NULL)
			h->last = &h->first;
		if (p->id > h->newest)
			h->newest = p->id;
		for (struct subscriber *s = h->subscribers, *next; s != NULL; s = next) {
			next = s->next;
			if (!s->replaying && may_see(s, p))
				stream_send(s->stream, p->type, p->id, p->text);
		}
		free_pending(p);
	}
}

static int
audience_cb(void *arg, const struct store_member *m)
{
	struct pending *p = arg;

	p->audience = mem_resize(p->audience, p->naudience + 1, sizeof *p->audience);
	p->audience[p->naudience++] = m->user;
	return 0;
}

json_t *
event_hub_json(const struct store_event *e)
{
	char at[32];
	json_t *o, *data = json_loads(e->data, 0, NULL);

	clock_iso(e->at, at, sizeof at);
	o = json_pack("{s:I, s:s, s:s, s:o, s:o, s:s, s:s, s:o}", "id", (json_int_t)e->id, "at", at,
	    "type", e->type, "project", e->project != 0 ? json_integer(e->project) : json_null(), "env",
	    e->env != NULL && e->env[0] != '\0' ? json_string(e->env) : json_null(), "actor", e->actor,
	    "text", e->text, "data", data != NULL ? data : json_object());
	return o;
}

static void
queue(struct event_hub *h, const struct store_event *e)
{
	struct pending *p = mem_alloc(sizeof *p);
	json_t *o;

	p->type = e->type;
	p->id = e->id;
	p->project = e->project;
	p->op = e->op;
	if (e->project != 0)
		store_project_member_each(h->engine->store, e->project, audience_cb, p, NULL);
	o = event_hub_json(e);
	if (e->id == 0) /* not stored: it is as new as the newest */
		json_object_set_new(o, "id", json_integer(h->newest));
	p->text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	*h->last = p;
	h->last = &p->next;
	if (!store_busy(h->engine->store))
		flush(h);
}

void
event_publish(struct engine *e, enum event_type type, int64_t project, const char *env,
    const char *actor, json_t *data, const char *fmt, ...)
{
	char text[1025];
	cl_autofree char *dump = NULL;
	struct cl_err err = {0};
	struct store_event ev = {.at = clock_unix_ms(), .type = names[type], .project = project,
	    .env = env == NULL ? "" : env, .actor = actor, .text = text};
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	n = utf8_whole(text, strlen(text));
	text[n] = '\0';
	if (!utf8_valid(text, n))
		text[0] = '\0';
	ev.op = json_integer_value(json_object_get(data, "op"));
	dump = data == NULL ? NULL : json_dumps(data, JSON_COMPACT);
	json_decref(data);
	ev.data = dump == NULL ? "{}" : dump;
	if (type == EVENT_STATS)
		ev.id = 0;
	else if (store_event_add(e->store, &ev, &err) < 0)
		log_error("event %s: %s", names[type], err.message);
	if (e->events != NULL)
		queue(e->events, &ev);
}

bool
event_listened(struct engine *e, int64_t project)
{
	if (e->events == NULL)
		return false;
	for (struct subscriber *s = e->events->subscribers; s != NULL; s = s->next)
		if (s->project == project)
			return true;
	return false;
}

/* -- subscribing -- */

static bool
past_visible(const struct subscriber *s, int64_t project)
{
	if (project == 0 || s->admin)
		return true;
	return store_project_role(s->hub->engine->store, project, s->user) >= POLICY_VIEWER;
}

static int
past_cb(void *arg, const struct store_event *e)
{
	struct subscriber *s = arg;
	cl_autofree char *text = NULL;
	json_t *o;

	s->left--;
	s->next_after = e->id;
	if (!past_visible(s, e->project))
		return 0;
	o = event_hub_json(e);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (stream_send(s->stream, e->type, e->id, text) < 0)
		return -1;
	s->paused = stream_queued(s->stream) > QUEUE_ENOUGH;
	return s->paused;
}

static void
drain_cb(void *arg)
{
	struct subscriber *s = arg;
	struct cl_err err = {0};

	while (s->hub != NULL && s->replaying) {
		s->left = PAGE;
		s->paused = false;
		if (store_event_each(s->hub->engine->store, s->next_after, s->project, s->op, PAGE, past_cb, s,
		    &err) < 0) {
			log_error("%s", err.message);
			stream_end(s->stream);
			return;
		}
		if (s->left > 0 && !s->paused)
			s->replaying = false;
		if (stream_queued(s->stream) > 0)
			return; /* the rest when this has been read */
	}
}

/* -- who is there -- */

/* Is s the first of its user's streams in that project? */
static bool
counts(const struct event_hub *h, const struct subscriber *s, int64_t project)
{
	if (!s->presence || s->project != project)
		return false;
	for (const struct subscriber *o = h->subscribers; o != s; o = o->next)
		if (o->presence && o->project == project && o->user == s->user)
			return false;
	return true;
}

/* Not stored and without an id: it is true only now. */
static void
tell_presence(struct event_hub *h, int64_t project)
{
	struct store_event ev = {.id = h->newest, .at = clock_unix_ms(), .type = names[EVENT_ONLINE],
	    .project = project, .env = "", .actor = "", .text = ""};
	char data[48];
	cl_autofree char *text = NULL;
	json_t *o;
	int n = 0;

	for (struct subscriber *s = h->subscribers; s != NULL; s = s->next)
		n += counts(h, s, project);
	snprintf(data, sizeof data, "{\"online\":%d}", n);
	ev.data = data;
	o = event_hub_json(&ev);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	for (struct subscriber *s = h->subscribers, *next; s != NULL; s = next) {
		next = s->next;
		if (s->presence && s->project == project)
			stream_send(s->stream, ev.type, 0, text);
	}
}

bool
event_hub_present(const struct engine *e, int64_t project, int64_t user)
{
	if (e->events == NULL)
		return false;
	for (const struct subscriber *s = e->events->subscribers; s != NULL; s = s->next)
		if (s->presence && s->project == project && s->user == user)
			return true;
	return false;
}

static void
closed_cb(void *arg)
{
	struct subscriber *s = arg, **at;
	struct event_hub *h = s->hub;

	if (h != NULL) {
		for (at = &h->subscribers; *at != s; at = &(*at)->next)
			;
		*at = s->next;
		if (s->presence)
			tell_presence(h, s->project);
	}
	mem_free(s);
}

void
event_hub_subscribe(struct engine *e, struct stream *stream, const struct event_hub_filter *f)
{
	struct event_hub *h = e->events;
	struct subscriber *s = mem_alloc(sizeof *s);
	int64_t oldest = store_number(e->store, 0, "SELECT min(id) FROM event", "");

	s->hub = h;
	s->stream = stream;
	s->user = f->user;
	s->admin = f->admin;
	s->project = f->project;
	s->op = f->op;
	s->presence = f->presence && f->project != 0 && f->user != 0;
	s->next = h->subscribers;
	h->subscribers = s;
	stream_on_close(stream, closed_cb, s);
	stream_on_drain(stream, drain_cb, s);
	if (s->presence)
		tell_presence(h, s->project);
	if (f->since < 0) {
		if (h->newest > 0)
			stream_send(stream, NULL, h->newest, NULL); /* where a return would begin */
		return;
	}
	if (f->since > h->newest || (f->since > 0 && oldest > 0 && f->since < oldest - 1))
		stream_send(stream, "resync", 0, "{}"); /* what it missed is gone */
	s->replaying = true;
	s->next_after = f->since > h->newest ? h->newest : f->since;
	drain_cb(s);
}

void
event_hub_drop(struct engine *e, int64_t user)
{
	if (e->events == NULL)
		return;
	for (struct subscriber *s = e->events->subscribers; s != NULL; s = s->next)
		s->dropping = s->dropping || (s->user == user && user != 0);
	if (!store_busy(e->store))
		end_dropped(e->events, true);
}
