/* Status of an environment for people: tiers, instances, measurements.  On the loop's thread. */
#ifndef ENGINE_STATUS_H
#define ENGINE_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/backend.h"
#include "engine/engine.h"

/* What a look at the backend measured; filled on a worker by status_measure(). */
struct status_sample {
	int64_t project;
	struct backend_route route;       /* slot < 0: no traffic to ask for */
	struct backend_list list;
	struct backend_traffic web, was;
	bool ok;
};

/* Somebody looked at this project's status: its feed goes on for some seconds. */
void status_wanted(struct engine *e, int64_t project);
void status_open(struct engine *e);   /* begins the feed of EVENT_STATS to whoever listens */
void status_stop(struct engine *e);
bool status_working(const struct engine *e);
void status_close(struct engine *e);

/* "" = prod once a release serves there, else dev.  Borrowed literal. */
const char *status_env(struct engine *e, int64_t project, const char *env);
void status_prepare(struct engine *e, int64_t project, const char *env, struct status_sample *s);
void status_measure(struct engine *e, struct status_sample *s);  /* blocks: workers only */
void status_clear(struct status_sample *s);
/* Schema Status; sample NULL = without measurements.  NULL with err when there is no project. */
json_t *status_json(struct engine *e, int64_t project, const char *env,
    const struct status_sample *s, struct cl_err *err);
json_t *status_release_json(struct engine *e, int64_t project, const char *env, int version);

#endif
