/* Routes that look: status with measurements, logs of instances (also followed). */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/manifest.h"
#include "engine/plan.h"
#include "engine/reconcile.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/status.h"
#include "engine/store_project.h"
#include "engine/stream.h"

#define LOGS_INSTANCES 16      /* containers of one request */
#define LOGS_FOLLOWERS 12      /* threads that follow, over all requests */
#define LOGS_BYTES (4 << 20)
#define LOGS_LINE 16384
#define LOGS_LINES 10000

struct status_work {
	struct status_sample s;
	char env[8];
};

struct logs_source {
	char container[80];
	char instance[16];
};

struct logs_job {
	struct logs_source sources[LOGS_INSTANCES];
	int n;
	const char *tier;           /* while collecting: NULL = all */
	int tail;
	json_t *lines;
	size_t bytes;
	const struct logs_source *now;
};

/* One followed stream: shared by the loop and a thread for each source. */
struct logs_follow {
	struct engine *e;
	struct stream *stream;      /* NULL once it is closed; loop only */
	atomic_bool stop;
	int users;                  /* threads and the stream; loop only */
	struct logs_source sources[LOGS_INSTANCES];
	int tail;
};

struct logs_thread {
	struct logs_follow *f;
	const struct logs_source *source;
};

struct logs_line {
	struct logs_follow *f;
	const struct logs_source *source;
	char *text;
};

static int logs_followers; /* loop only */

static void status_work_free(struct status_work *w)
{
	status_clear(&w->s);
	mem_free(w);
}

static int status_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct status_work *w = arg;

	(void)err;
	status_measure(e, &w->s); /* a backend that does not answer: status without measurements */
	return 0;
}

static int status_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct status_work *w = arg;
	json_t *o = err->code == CL_OK ? status_json(e, r->project, w->env, &w->s, err) : NULL;

	status_work_free(w);
	if (o == NULL)
		return -1;
	reply_json(p, 200, o);
	return 0;
}

static int status(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct status_work *w;
	const char *env;

	if (request_query_env(r, &env, err) != 0)
		return -1;
	w = mem_alloc(sizeof(*w));
	(void)mem_copy_str(w->env, sizeof(w->env), status_env(e, r->project, env));
	status_wanted(e, r->project);
	status_prepare(e, r->project, w->env, &w->s);
	reply_work(p, status_work_cb, status_then_cb, w);
	return 0;
}

/* --- logs ------------------------------------------------------------------------------------- */

static void logs_source_cb(void *arg, const struct reconcile_seen *s)
{
	struct logs_job *j = arg;
	struct logs_source *to = &j->sources[j->n];

	if (j->n == LOGS_INSTANCES || (j->tier != NULL && strcmp(j->tier, s->tier) != 0))
		return;
	(void)mem_copy_str(to->container, sizeof(to->container), s->container);
	(void)snprintf(to->instance, sizeof(to->instance), "%.6s-%d", s->tier, s->n);
	j->n++;
}

/* Which containers?  tier "dev" is the dev container. */
static int logs_sources(struct engine *e, struct request *r, struct logs_job *j, struct cl_err *err)
{
	const char *tier = request_query(r, "tier"), *env;
	int64_t n;

	if (request_query_env(r, &env, err) != 0 ||
	    request_query_int(r, "n", 0, LOGS_LINES, 100, &n, err) != 0)
		return -1;
	j->tail = (int)n;
	j->tier = tier;
	if (tier != NULL && strcmp(tier, "dev") == 0) {
		(void)snprintf(j->sources[0].container, sizeof(j->sources[0].container), "p%lld-dev",
		    (long long)r->project);
		(void)mem_copy_str(j->sources[0].instance, sizeof(j->sources[0].instance), "dev");
		j->n = 1;
		return 0;
	}
	if (tier != NULL && plan_tier_parse(tier) < 0)
		return err_set(err, CL_USAGE, "tier: must be web, was, db or dev");
	reconcile_each_seen(e, r->project, status_env(e, r->project, env), logs_source_cb, j);
	return 0;
}

/* Bytes of anyone as valid UTF-8 of bounded length; the caller frees. */
static char *logs_text(const char *line, size_t len)
{
	char *text;
	size_t n = 0;

	if (len > LOGS_LINE / 4)
		len = LOGS_LINE / 4;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	text = mem_alloc(4 * len + 1);
	while (len > 0) {
		uint32_t cp;
		size_t used = utf8_decode(line, len, &cp);

		n += utf8_encode(cp == 0 ? UTF8_BAD : cp, text + n);
		line += used;
		len -= used;
	}
	return text;
}

static json_t *logs_json(const char *instance, const char *text)
{
	return json_pack("{s:s, s:n, s:s}", "instance", instance, "at", "text", text);
}

static void logs_line_cb(void *arg, const char *line, size_t len)
{
	struct logs_job *j = arg;
	cl_autofree char *text = logs_text(line, len);

	j->bytes += strlen(text) + 64;
	if (j->bytes > LOGS_BYTES || json_array_size(j->lines) >= LOGS_LINES)
		return;
	json_array_append_new(j->lines, logs_json(j->now->instance, text));
}

static int logs_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct logs_job *j = arg;
	struct backend *b = &e->backend;
	struct backend_job job = { .line = logs_line_cb, .arg = j, .timeout_s = 20 };

	for (int i = 0; i < j->n; i++) {
		struct cl_err why = { 0 };

		j->now = &j->sources[i];
		if (b->ops->logs(b, j->now->container, j->tail, false, &job, &why) != 0 &&
		    why.code != CL_NOT_FOUND) { /* it went meanwhile: the others speak */
			*err = why;
			return -1;
		}
	}
	return 0;
}

static int logs_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct logs_job *j = arg;
	json_t *lines = j->lines;

	(void)e;
	(void)r;
	mem_free(j);
	if (err->code != CL_OK) {
		json_decref(lines);
		return -1;
	}
	reply_json(p, 200, json_pack("{s:o}", "lines", lines));
	return 0;
}

/* --- following -------------------------------------------------------------------------------- */

static void follow_release(struct logs_follow *f)
{
	if (--f->users == 0)
		mem_free(f);
}

static void follow_closed_cb(void *arg)
{
	struct logs_follow *f = arg;

	f->stream = NULL;
	atomic_store(&f->stop, true);
	follow_release(f);
}

static bool follow_stopped(void *arg)
{
	struct logs_thread *t = arg;

	return atomic_load(&t->f->stop) || t->f->e->stopping;
}

static void follow_send(struct engine *e, void *arg)
{
	struct logs_line *l = arg;

	(void)e;
	if (l->f->stream != NULL) {
		json_t *o = logs_json(l->source->instance, l->text);
		cl_autofree char *data = json_dumps(o, JSON_COMPACT);

		json_decref(o);
		if (stream_send(l->f->stream, "log", 0, data) != 0)
			atomic_store(&l->f->stop, true);
	}
	mem_free(l->text);
	mem_free(l);
}

static void follow_line_cb(void *arg, const char *line, size_t len)
{
	struct logs_thread *t = arg;
	struct logs_line *l;

	if (follow_stopped(t))
		return;
	l = mem_alloc(sizeof(*l));
	l->f = t->f;
	l->source = t->source;
	l->text = logs_text(line, len);
	engine_post(t->f->e, follow_send, l);
}

static void follow_done(struct engine *e, void *arg)
{
	struct logs_thread *t = arg;
	struct logs_follow *f = t->f;

	(void)e;
	logs_followers--;
	mem_free(t);
	if (f->users == 2 && f->stream != NULL) /* the last source has ended */
		stream_end(f->stream);
	follow_release(f);
}

static void follow_work(struct engine *e, void *arg)
{
	struct logs_thread *t = arg;
	struct backend_job job = { .line = follow_line_cb, .cancelled = follow_stopped, .arg = t };
	struct cl_err err = { 0 };

	(void)e->backend.ops->logs(&e->backend, t->source->container, t->f->tail, true, &job, &err);
	engine_post(e, follow_done, t); /* behind its lines */
}

static int follow_begin(struct engine *e, struct reply *p, const struct logs_job *j,
    struct cl_err *err)
{
	struct logs_follow *f;

	if (j->n == 0)
		return err_set(err, CL_NOT_FOUND, "logs: no instance runs there");
	if (logs_followers + j->n > LOGS_FOLLOWERS) {
		err_set(err, CL_UNAVAILABLE, "logs: too many are being followed");
		return err_hint(err, "Name one tier, or try again later");
	}
	f = mem_alloc(sizeof(*f));
	f->e = e;
	f->tail = j->tail;
	f->users = 1 + j->n;
	memcpy(f->sources, j->sources, sizeof(f->sources));
	f->stream = reply_stream(p);
	stream_on_close(f->stream, follow_closed_cb, f);
	for (int i = 0; i < j->n; i++) {
		struct logs_thread *t = mem_alloc(sizeof(*t));

		t->f = f;
		t->source = &f->sources[i];
		logs_followers++;
		engine_work(e, follow_work, NULL, t);
	}
	return 0;
}

static int logs(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	struct logs_job *j = mem_alloc(sizeof(*j));
	bool follow = false;
	int rc = request_query_bool(r, "follow", &follow, err);

	if (rc == 0)
		rc = logs_sources(e, r, j, err);
	if (rc != 0 || follow) {
		if (rc == 0)
			rc = follow_begin(e, p, j, err);
		mem_free(j);
		return rc;
	}
	j->lines = json_array();
	reply_work(p, logs_work_cb, logs_then_cb, j);
	return 0;
}

const struct route_bind route_status_binds[] = {
	{ ROUTE_STATUS, status },
	{ ROUTE_LOGS, logs },
	{ 0, NULL },
};
