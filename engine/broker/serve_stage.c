/* The verbs of stages (stage.h): each in a worker that can be cancelled; a build that is cut leaves nothing. */
#include <string.h>

#include "base/mem.h"
#include "engine/broker/serve.h"
#include "engine/broker/serve_internal.h"
#include "engine/broker/stage.h"

static void put_list(struct ipc_out *m, const json_t *list)
{
	size_t n = json_array_size(list);

	n = n > BROKER_ARGS ? BROKER_ARGS : n;
	ipc_put_u32(m, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		ipc_put_str(m, json_string_value(json_array_get(list, i)));
}

static int first_port(const json_t *config)
{
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(config, "ExposedPorts"), name, v) {
		int port = 0;

		for (const char *p = name; *p >= '0' && *p <= '9' && port <= 65535; p++)
			port = port * 10 + (*p - '0');
		if (port > 0 && port <= 65535)
			return port;
	}
	return 0;
}

static int begin_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	json_t *config = NULL;

	line_init(out, s->sock);
	if (stage_begin(s->b, arg, out, &config, err) < 0)
		return -1;
	put_list(&s->out, json_object_get(config, "Env"));
	put_list(&s->out, json_object_get(config, "Entrypoint"));
	put_list(&s->out, json_object_get(config, "Cmd"));
	ipc_put_str(&s->out, docker_str(config, "User"));
	ipc_put_str(&s->out, docker_str(config, "WorkingDir"));
	ipc_put_i32(&s->out, first_port(config));
	return 0;
}

static void clean(const struct broker *b, void *arg)
{
	const struct stage *s = arg;

	stage_clean(b, s->project, s->op);
}

static int run_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	int status = 0;

	line_init(out, s->sock);
	if (stage_run(s->b, arg, out, &status, err) < 0)
		return -1;
	ipc_put_i32(&s->out, status);
	return 0;
}

static int commit_body(struct serve *s, void *arg, struct cl_err *err)
{
	char digest[128];

	if (stage_commit(s->b, arg, digest, sizeof(digest), err) < 0)
		return -1;
	ipc_put_str(&s->out, digest);
	return 0;
}

static int long_stage(struct serve *s, int rc, struct stage *a, serve_body_fn *body, struct cl_err *err)
{
	if (rc == 0)
		rc = serve_parsed(s, err);
	if (rc == 0)
		rc = serve_long_worker(s, body, clean, a, err);
	stage_clear(a);
	mem_free(a);
	return rc;
}

int serve_stage_begin(struct serve *s, struct cl_err *err)
{
	struct stage *a = mem_alloc(sizeof(*a));

	return long_stage(s, stage_read_begin(a, &s->in, err), a, begin_body, err);
}

int serve_stage_run(struct serve *s, struct cl_err *err)
{
	struct stage *a = mem_alloc(sizeof(*a));

	return long_stage(s, stage_read_run(a, &s->in, err), a, run_body, err);
}

int serve_stage_commit(struct serve *s, struct cl_err *err)
{
	struct stage_commit *c = mem_alloc(sizeof(*c));
	int rc = stage_read_commit(c, &s->in, err);

	if (rc == 0)
		rc = serve_parsed(s, err);
	if (rc == 0)
		rc = serve_long_worker(s, commit_body, NULL, c, err);
	stage_clear_commit(c);
	mem_free(c);
	return rc;
}

int serve_stage_end(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, 1000000), op = spec_read_wide(&s->in, 1, INT32_MAX);

	if (serve_parsed(s, err) < 0)
		return -1;
	stage_clean(s->b, project, op);
	return 0;
}
