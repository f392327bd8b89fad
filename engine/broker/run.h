/* Programs in containers whose output is read by us: one-off jobs, logs, readiness checks. */
#ifndef ENGINE_BROKER_RUN_H
#define ENGINE_BROKER_RUN_H

#include "base/err.h"
#include "engine/broker/container.h"
#include "engine/broker/line.h"
#include "engine/broker/mux.h"

/* Create the spec's container, run it to its end, sending its lines; remove it.  Its exit status
 * in *status. */
int run_job(const struct broker *b, const struct spec *s, struct line *out, int timeout_s,
    int *status, struct cl_err *err);
/* The same for a container that is created already; it is left there, stopped. */
int run_created(const struct broker *b, const char *name, struct line *out, int timeout_s,
    int *status, struct cl_err *err);
/* The container's output so far (tail lines, < 0 all), then what comes while it lives. */
int run_logs(const struct broker *b, const char *name, int tail, bool follow, struct line *out,
    struct cl_err *err);
/* A shell command inside, its output dropped, 10 s at most. */
int run_check(const struct broker *b, const char *name, const char *command, int *status,
    struct cl_err *err);
/* A program inside, its lines to out: body is what POST /containers/NAME/exec takes (consumed).  CL_TIMEOUT
 * leaves it running. */
int run_exec(const struct broker *b, const char *name, json_t *body, struct line *out,
    int timeout_s, int *status, struct cl_err *err);
/* The same with every piece of its output told to cb. */
int run_exec_raw(const struct broker *b, const char *name, json_t *body, int timeout_s, mux_cb *cb,
    void *arg, int *status, struct cl_err *err);
/* Exit status of an exec whose stream has ended. */
int run_exit_status(const struct broker *b, const char *id, int *status, struct cl_err *err);

#endif
