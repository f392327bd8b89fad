/* The inner side of events: opening, subscribing, and events as JSON.  Publishing is event.h. */
#ifndef ENGINE_EVENT_HUB_H
#define ENGINE_EVENT_HUB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct store_event;
struct stream;

struct event_hub_filter {
	int64_t user;     /* who listens; 0 = root */
	bool admin;       /* sees all projects */
	int64_t project;  /* only this one; 0 = all that may be seen */
	int64_t op;       /* only this operation; 0 = all */
	int64_t since;    /* first what is above this id; -1 = from now on */
	bool presence;    /* counts as being in `project`, and is told how many are */
};

void event_hub_open(struct engine *e);  /* the store is open */
void event_hub_close(struct engine *e);
void event_hub_subscribe(struct engine *e, struct stream *stream,
    const struct event_hub_filter *f);
/* End the streams of a user whose rights have changed: it comes back with the new ones. */
void event_hub_drop(struct engine *e, int64_t user);
/* Is the user in that project now (has a stream with `presence`)? */
bool event_hub_present(const struct engine *e, int64_t project, int64_t user);
json_t *event_hub_json(const struct store_event *e); /* schema Event */

#endif
