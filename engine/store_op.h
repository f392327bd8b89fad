/* Operations and their logs. */
#ifndef ENGINE_STORE_OP_H
#define ENGINE_STORE_OP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "engine/store.h"

#define STORE_OP_LINES 5000 /* log lines kept of one operation */

struct store_op {
	int64_t id;
	char kind[32];
	int64_t project;      /* 0 = none */
	char env[8];
	char state[16];       /* queued, running, done, failed, cancelled */
	char step[1025];
	enum cl_code error;   /* CL_OK = none */
	char message[601], hint[301];
	char result[1025];
	int64_t user;         /* 0 = root or the engine */
	char by[32];
	char *payload;        /* JSON; owned: store_op_clear() */
	bool cancel;
	int attempts;
	int64_t created, finished;
};

void store_op_clear(struct store_op *o);
/* kind, project, env, user, by, payload of o are stored; id and created are set. */
int store_op_add(struct store *s, struct store_op *o, const char *idem, struct cl_err *err);
int store_op_get(struct store *s, int64_t id, struct store_op *out, struct cl_err *err);
/* The op that runs or waits for this env (or the whole project), of a kind that excludes others;
 * 0 = none. */
int64_t store_op_busy(struct store *s, int64_t project, const char *env);
/* project 0: any; user 0: any, else those of projects that the user may see and its own. */
int store_op_each(struct store *s, int64_t project, int64_t user, int limit,
    int (*cb)(void *arg, const struct store_op *o), void *arg, struct cl_err *err);
/* Queued and running ones, oldest first. */
int store_op_each_open(struct store *s, int (*cb)(void *arg, const struct store_op *o), void *arg,
    struct cl_err *err);
int store_op_start(struct store *s, int64_t id, struct cl_err *err); /* attempts + 1 */
int store_op_step(struct store *s, int64_t id, const char *step, struct cl_err *err);
int store_op_payload(struct store *s, int64_t id, const char *payload, struct cl_err *err);
int store_op_cancel(struct store *s, int64_t id, struct cl_err *err);
/* why NULL or CL_OK: no error. */
int store_op_finish(struct store *s, int64_t id, const char *state, const struct cl_err *why,
    const char *result, struct cl_err *err);
/* Lines past STORE_OP_LINES are dropped (*seq 0). */
int store_op_log(struct store *s, int64_t id, const char *text, int64_t *seq, struct cl_err *err);
int store_op_log_each(struct store *s, int64_t id, int64_t since, int limit,
    int (*cb)(void *arg, int64_t seq, const char *text), void *arg, struct cl_err *err);
/* The last n lines, joined by newlines, into out. */
void store_op_log_tail(struct store *s, int64_t id, int n, char *out, size_t size);

#endif
