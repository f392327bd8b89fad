/*
 * The engine: one process, one loop.  Store, router and events live on the loop's thread; what blocks
 * runs on libuv's worker threads and comes back by engine_post().
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "base/err.h"
#include "engine/backend.h"
#include "engine/store.h"

struct event_hub;    /* event.c */
struct server;       /* server.c */
struct auth;         /* auth.c */
struct reconcile;    /* reconcile.c */
struct stack_set;    /* stacks.c */

struct engine {
	uv_loop_t *loop;
	struct store *store;
	struct backend backend;      /* ops are thread-safe and block: workers only */
	char backend_state[16];      /* "ready", "degraded", "down" */
	char backend_error[512];     /* why, or "" */
	struct event_hub *events;
	struct server *server;
	struct auth *auth;
	struct reconcile *reconcile;
	const struct stack_set *stacks; /* stacks.h */
	bool stacks_changing;        /* one is being added or removed */
	bool stopping;               /* no new work is begun */
	int64_t uid_base, gid_base;
	struct engine_post *posted;  /* hand-over from workers, engine.c */
	struct op_book *ops;         /* op.c */
	struct image_book *images;   /* image.c */
	struct status_feed *status;  /* status.c */
	struct disk *disk;           /* disk.c */
};

void engine_open(struct engine *e, uv_loop_t *loop);
void engine_close(struct engine *e); /* run the loop once more afterwards */

/* Run fn(e, arg) on the loop's thread soon.  From any thread, in order per thread. */
void engine_post(struct engine *e, void (*fn)(struct engine *e, void *arg), void *arg);
/* Run work on a worker thread, then done on the loop (done may be NULL). */
void engine_work(struct engine *e, void (*work)(struct engine *e, void *arg),
    void (*done)(struct engine *e, void *arg), void *arg);

uid_t engine_uid(const struct engine *e, int64_t user);    /* on the host */
gid_t engine_gid(const struct engine *e, int64_t project);

#endif
