/* Between serve.c (the table) and serve_long.c (verbs that stream and can be cancelled). */
#ifndef ENGINE_BROKER_SERVE_INTERNAL_H
#define ENGINE_BROKER_SERVE_INTERNAL_H

struct broker;
struct cl_err;
struct serve;

/* A handler returns 0 with results in s->out, -1 with err, or SERVE_DONE when the end was sent. */
#define SERVE_DONE 1

int serve_long_run(struct serve *s, struct cl_err *err);
int serve_long_logs(struct serve *s, struct cl_err *err);
int serve_long_build(struct serve *s, struct cl_err *err);
int serve_long_image_build(struct serve *s, struct cl_err *err);
int serve_long_import(struct serve *s, struct cl_err *err);
int serve_stage_begin(struct serve *s, struct cl_err *err);
int serve_stage_run(struct serve *s, struct cl_err *err);
int serve_stage_commit(struct serve *s, struct cl_err *err);
int serve_stage_end(struct serve *s, struct cl_err *err);
int serve_save_make(struct serve *s, struct cl_err *err);
int serve_save_load(struct serve *s, struct cl_err *err);
int serve_long_watch(struct serve *s, struct cl_err *err);
int serve_registry_push(struct serve *s, struct cl_err *err);
int serve_registry_pull(struct serve *s, struct cl_err *err);
int serve_registry_prune(struct serve *s, struct cl_err *err);
int serve_registry_collect(struct serve *s, struct cl_err *err);

/* body in a worker process, which sends the answer; clean (may be NULL) when it was cut. */
typedef int serve_body_fn(struct serve *s, void *arg, struct cl_err *err);
typedef void serve_clean_fn(const struct broker *b, void *arg);
int serve_long_worker(struct serve *s, serve_body_fn *body, serve_clean_fn *clean, void *arg,
    struct cl_err *err);

/* Send OK with s->out, or ERROR. */
int serve_end(struct serve *s, int rc, struct cl_err *err);
/* The request must end here; a leftover is the caller's fault and ends the connection. */
int serve_parsed(struct serve *s, struct cl_err *err);

#endif
