/* Requests to the broker about the repository: see local_repository.h. */
#include "engine/local_repository.h"

#include <string.h>

#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/repository.h"

#define LOCAL_IMAGES 20000
#define LOCAL_LABELS 20000

struct asking {
	const struct backend_job *job;
	char text[128];
	int64_t number, bytes;
};

static void text_cb(void *arg, struct ipc_in *m)
{
	struct asking *a = arg;

	ipc_get_str(m, a->text, sizeof(a->text));
}

static void number_cb(void *arg, struct ipc_in *m)
{
	((struct asking *)arg)->number = ipc_get_i64(m);
}

static void numbers_cb(void *arg, struct ipc_in *m)
{
	struct asking *a = arg;

	a->number = ipc_get_i64(m);
	a->bytes = ipc_get_i64(m);
}

static int ask(struct local_link *l, struct ipc_out *m, struct asking *a, local_link_ok_cb *ok,
    struct cl_err *err)
{
	struct local_link_call call = {.ok = ok, .arg = a, .job = a->job};

	return local_link_ask(l, m, &call, err);
}

int local_repository_push(struct local_link *l, const char *image, const char *repository,
    const char *tag, const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_PUSH);
	struct asking a = {.job = job};

	ipc_put_str(m, image);
	ipc_put_str(m, repository);
	ipc_put_str(m, tag);
	ipc_put_i32(m, job->timeout_s);
	if (ask(l, m, &a, text_cb, err) < 0)
		return -1;
	return repository_check(repository, tag, a.text, digest, size, err);
}

int local_repository_pull(struct local_link *l, const char *repository, const char *digest,
    const char *id, const char *tag, const struct backend_job *job, char *image, size_t size,
    struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_PULL);
	struct asking a = {.job = job};

	ipc_put_str(m, repository);
	ipc_put_str(m, digest);
	ipc_put_str(m, id);
	ipc_put_str(m, tag);
	ipc_put_i32(m, job->timeout_s);
	if (ask(l, m, &a, text_cb, err) < 0)
		return -1;
	return mem_copy_str(image, size, a.text) == 0 ? 0
	    : err_set(err, CL_FAILED, "pull: a digest that is too long");
}

int local_repository_prune(struct local_link *l, bool dry, int min_age_s,
    const struct backend_job *job, int64_t *count, int64_t *bytes, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_IMAGE_PRUNE);
	struct asking a = {.job = job};

	ipc_put_u32(m, dry);
	ipc_put_i32(m, min_age_s);
	if (ask(l, m, &a, numbers_cb, err) < 0)
		return -1;
	*count = a.number;
	*bytes = a.bytes;
	return 0;
}

int local_repository_collect(struct local_link *l, bool dry, const struct backend_job *job,
    int64_t *freed, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_REPOSITORY_GC);
	struct asking a = {.job = job};

	ipc_put_u32(m, dry);
	ipc_put_i32(m, job->timeout_s);
	if (ask(l, m, &a, number_cb, err) < 0)
		return -1;
	*freed = a.number;
	return 0;
}

static void image_cb(void *arg, struct ipc_in *m)
{
	struct backend_images *l = arg;
	char labels[LOCAL_LABELS];
	struct backend_image *i;

	if (m->type != BROKER_IMAGE || l->n >= LOCAL_IMAGES) {
		m->bad = true;
		return;
	}
	l->items = mem_resize(l->items, l->n + 1, sizeof(*i));
	i = &l->items[l->n++];
	memset(i, 0, sizeof(*i));
	ipc_get_str(m, i->id, sizeof(i->id));
	ipc_get_str(m, i->tag, sizeof(i->tag));
	ipc_get_str(m, i->digest, sizeof(i->digest));
	ipc_get_str(m, i->parent, sizeof(i->parent));
	i->size = ipc_get_i64(m);
	i->created_ms = ipc_get_i64(m);
	i->containers = ipc_get_i32(m);
	i->current = ipc_get_range(m, 0, 1) != 0;
	ipc_get_str(m, labels, sizeof(labels));
	if (labels[0])
		i->labels = mem_strdup(labels);
}

int local_repository_images(struct local_link *l, struct backend_images *out, struct cl_err *err)
{
	struct local_link_call call = {.part = image_cb, .arg = out};

	memset(out, 0, sizeof(*out));
	if (local_link_ask(l, local_link_begin(BROKER_IMAGE_LIST), &call, err) == 0)
		return 0;
	backend_images_clear(out);
	return -1;
}
