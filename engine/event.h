/*
 * Events: facts that go to everyone who may see them.  Published on the loop's thread (workers:
 * engine_post()), stored in the same transaction as the change they tell of, sent after its commit.
 * Who may see it is decided when it is published: project members and admins for a project's, all
 * accounts for the platform's (project 0).
 */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;

enum event_type {
#define EVENT(sym, type, fields) EVENT_##sym,
#include "engine/api/events.def"
#undef EVENT
	EVENT_COUNT
};

const char *event_text(enum event_type t); /* "op.started" */

/* project 0 = platform; env NULL or "" = none; actor "" = the engine; data (object or NULL) is
 * stolen; an integer "op" in it makes the event findable by ?op=.  text is for people.  STATS is sent
 * but not stored. */
void event_publish(struct engine *e, enum event_type type, int64_t project, const char *env,
    const char *actor, json_t *data, const char *fmt, ...) __attribute__((format(printf, 7, 8)));

/* Does anyone listen with ?project= this one?  (Statistics are gathered only then.) */
bool event_listened(struct engine *e, int64_t project);

#endif
