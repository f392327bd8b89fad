/*
 * Operations: everything that takes longer than a request.  One is created in the transaction that
 * also writes what is wanted; it starts after the commit.  Each kind is a row of op_table (op_run.c).
 * On the loop's thread.
 *
 *   queued ──► running ──► done | failed | cancelled
 *                 work (a worker thread: build, remove ..), then maybe
 *                 settling: waits for the pass of reconcile.c that its change asked for
 */
#ifndef ENGINE_OP_H
#define ENGINE_OP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/err.h"
#include "engine/engine.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/store_op.h"

struct op_live {              /* an operation that is queued or running */
	struct op_live *next;
	struct engine *e;
	int64_t id, project;
	char kind[32], env[8], by[32];
	json_t *payload;          /* object; op_save() after changing it */
	atomic_bool cancel;
	bool started;
	bool working;             /* a worker has it */
	bool settling;
	uint64_t pass;            /* number of the pass awaited */
	int64_t retry_ms;         /* run it again then (clock_ms()); 0 = no */
	int attempts;
	int64_t step_ms;
	int lines;
};

struct op_kind {
	const char *name;
	bool heavy;               /* only a few of these at a time */
	/* Begin, or go on after a restart of the engine.  -1: it has failed. */
	int (*run)(struct op_live *o, struct cl_err *err);
	/* It was cancelled while settling; NULL = nothing to take back. */
	void (*cancel)(struct op_live *o);
};
extern const struct op_kind op_table[]; /* op_run.c; ends with name NULL */

void op_open(struct engine *e);
/* Runs what is due; when the next is (clock_ms(); INT64_MAX: nothing waits). */
int64_t op_tick(struct engine *e);
int op_resume(struct engine *e, struct cl_err *err);
void op_stop(struct engine *e);         /* asks workers to end; the rows stay for the next engine */
bool op_working(const struct engine *e);
void op_close(struct engine *e);

/* In a handler: make the row, which starts after the commit, and answer 202 with it.  payload (object
 * or NULL) is stolen; env, p and id may be NULL. */
int op_begin(struct engine *e, struct request *r, struct reply *p, const char *kind,
    int64_t project, const char *env, json_t *payload, int64_t *id, struct cl_err *err);
/* One of the engine's own accord, in the transaction under way; payload is stolen. */
int op_queue(struct engine *e, const char *kind, int64_t project, const char *by, json_t *payload,
    struct cl_err *err);
/* CL_CONFLICT with the operation's id when one holds this env. */
int op_check(struct engine *e, int64_t project, const char *env, struct cl_err *err);
/* A reply for ?dry_run: an Op with id 0 and the plan as its step. */
void op_reply_dry(struct request *r, struct reply *p, const char *kind, const char *env,
    const char *plan);
int op_cancel(struct engine *e, int64_t id, struct cl_err *err);
json_t *op_json(const struct store_op *o);

/* For op_run.c, deploy.c and reconcile. id 0 = nothing happens. */
struct op_live *op_find(struct engine *e, int64_t id);
void op_save(struct op_live *o);
void op_settle(struct op_live *o, uint64_t pass, const char *step);
void op_step(struct engine *e, int64_t id, const char *text);
void op_line(struct engine *e, int64_t id, const char *text);
/* Later, by retry_ms; says why in the step. */
void op_retry(struct op_live *o, int64_t pause_ms, const char *step);
/* Work on a thread; done on the loop, behind every line posted meanwhile.  arg stays the caller's. */
void op_work(struct op_live *o, void (*work)(struct op_live *o, void *arg),
    void (*done)(struct op_live *o, void *arg), void *arg);
/* Is one (but `except`) under way?  kind NULL: any that people wait for, of this project or, with
 * project 0, of any; else one of this kind that has a worker. */
bool op_at_work(const struct engine *e, int64_t project, const char *kind,
    const struct op_live *except);
bool op_is_cancelled(void *live);       /* backend_cancel_cb */
void op_line_cb(void *live, const char *line, size_t len); /* backend_line_cb */
/* Others of this project end as cancelled; true when none is left but `except`. */
bool op_clear_project(struct engine *e, int64_t project, int64_t except);
void op_done(struct engine *e, int64_t id, const char *result);
void op_failed(struct engine *e, int64_t id, const struct cl_err *why);
/* A pass of this number (and those before) ended: well, or with why. */
void op_settled(struct engine *e, int64_t project, const char *env, uint64_t pass,
    const struct cl_err *why, const char *result);
/* The runtime does not answer: say so in the steps of what waits for it. */
void op_waits(struct engine *e, int64_t project, const char *env, const char *why);
/* Where things stand, said in the same steps. */
void op_says(struct engine *e, int64_t project, const char *env, const char *what);

#endif
