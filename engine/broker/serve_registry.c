/* The repository's verbs: push, pull and cleaning up, each in a worker that can be cancelled. */
#include "engine/broker/serve_internal.h"

#include <string.h>

#include "base/mem.h"
#include "engine/broker/check.h"
#include "engine/broker/image_prune.h"
#include "engine/broker/registry.h"
#include "engine/broker/registry_store.h"
#include "engine/broker/serve.h"

struct transfer {
	char image[256], repository[128], tag[64], digest[REGISTRY_DIGEST];
	int timeout_s;
};

static int push_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct transfer *t = arg;

	line_init(out, s->sock);
	if (registry_push(s->b, t->image, t->repository, t->tag, out, t->timeout_s, t->digest, err) < 0)
		return -1;
	ipc_put_str(&s->out, t->digest);
	return 0;
}

static void push_clean(const struct broker *b, void *arg)
{
	const struct transfer *t = arg;

	registry_push_clean(b, t->image, t->repository, t->tag);
	registry_store_mend(b);
}

int serve_registry_push(struct serve *s, struct cl_err *err)
{
	struct transfer t = {0};

	ipc_get_str(&s->in, t.image, sizeof(t.image));
	ipc_get_str(&s->in, t.repository, sizeof(t.repository));
	ipc_get_str(&s->in, t.tag, sizeof(t.tag));
	t.timeout_s = (int)ipc_get_range(&s->in, 0, 86400);
	if (serve_parsed(s, err) < 0)
		return -1;
	if (!check_image_ref(t.image) || !check_image_id(t.repository) || !check_tag(t.tag))
		return err_set(err, CL_USAGE, "request: image, repository or tag: not allowed");
	return serve_long_worker(s, push_body, push_clean, &t, err);
}

static int pull_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct transfer *t = arg;
	char image[REGISTRY_DIGEST];

	line_init(out, s->sock);
	if (registry_pull(s->b, t->repository, t->digest, t->image, t->tag, out, t->timeout_s, image,
	    err) < 0)
		return -1;
	ipc_put_str(&s->out, image);
	return 0;
}

int serve_registry_pull(struct serve *s, struct cl_err *err)
{
	struct transfer t = {0};

	ipc_get_str(&s->in, t.repository, sizeof(t.repository));
	ipc_get_str(&s->in, t.digest, sizeof(t.digest));
	ipc_get_str(&s->in, t.image, sizeof(t.image));
	ipc_get_str(&s->in, t.tag, sizeof(t.tag));
	t.timeout_s = (int)ipc_get_range(&s->in, 0, 86400);
	if (serve_parsed(s, err) < 0)
		return -1;
	if (!check_image_id(t.repository) || !check_digest(t.digest) || !check_image_id(t.image) ||
	    (t.tag[0] && !check_tag(t.tag)))
		return err_set(err, CL_USAGE, "request: repository, digest, id or tag: not allowed");
	return serve_long_worker(s, pull_body, NULL, &t, err);
}

struct cleaning {
	bool dry;
	int timeout_s, min_age_s;
};

static int prune_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct cleaning *c = arg;
	int64_t count, bytes;

	line_init(out, s->sock);
	if (image_prune_run(s->b, c->dry, c->min_age_s, out, &count, &bytes, err) < 0)
		return -1;
	ipc_put_i64(&s->out, count);
	ipc_put_i64(&s->out, bytes);
	return 0;
}

int serve_registry_prune(struct serve *s, struct cl_err *err)
{
	struct cleaning c = {0};

	c.dry = ipc_get_range(&s->in, 0, 1);
	c.min_age_s = (int)ipc_get_range(&s->in, 0, 86400 * 365);
	if (serve_parsed(s, err) < 0)
		return -1;
	return serve_long_worker(s, prune_body, NULL, &c, err);
}

static int collect_body(struct serve *s, void *arg, struct cl_err *err)
{
	struct line *out = mem_alloc(sizeof(*out));
	struct cleaning *c = arg;
	int64_t freed;

	line_init(out, s->sock);
	if (registry_store_collect(s->b, c->dry, out, c->timeout_s, &freed, err) < 0)
		return -1;
	ipc_put_i64(&s->out, freed);
	return 0;
}

int serve_registry_collect(struct serve *s, struct cl_err *err)
{
	struct cleaning c;

	c.dry = ipc_get_range(&s->in, 0, 1);
	c.timeout_s = (int)ipc_get_range(&s->in, 1, 86400);
	if (serve_parsed(s, err) < 0)
		return -1;
	return serve_long_worker(s, collect_body, NULL, &c, err);
}
