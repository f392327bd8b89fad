/* Saves in the backend `local`: each call is one request to the runtime broker (broker_proto.h). */
#include "engine/local_save.h"

#include <string.h>

#include "base/buf.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"

#define REPORT_MAX (4u << 20)

struct making {
	const struct backend_job *job;
	struct backend_saved *out;
	struct buf report;
};

static void report_cb(void *arg, struct ipc_in *m)
{
	struct making *k = arg;
	size_t n;
	const void *p = ipc_get_bytes(m, &n, IPC_DATA_MAX);

	if (m->type != BROKER_DATA || m->bad || buf_add(&k->report, p, n) < 0)
		m->bad = true;
}

static void made_cb(void *arg, struct ipc_in *m)
{
	struct making *k = arg;

	ipc_get_str(m, k->out->dev, sizeof(k->out->dev));
	ipc_get_str(m, k->out->work, sizeof(k->out->work));
}

static int ask(struct local_link *link, struct ipc_out *m, struct making *k, local_link_ok_cb *ok,
    struct cl_err *err)
{
	struct local_link_call call = {.part = report_cb, .ok = ok, .arg = k, .job = k->job};

	return local_link_ask(link, m, &call, err);
}

int local_save_make(struct local_link *link, const struct backend_save *s, const struct backend_job *job,
    struct backend_saved *out, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_SAVE);
	struct making k = {.job = job, .out = out};
	int rc;

	memset(out, 0, sizeof(*out));
	buf_init(&k.report, REPORT_MAX);
	ipc_put_i64(m, s->project);
	ipc_put_i64(m, s->op);
	ipc_put_u32(m, s->uid);
	ipc_put_u32(m, s->gid);
	ipc_put_str(m, s->name);
	ipc_put_str(m, s->container);
	ipc_put_str(m, s->image);
	ipc_put_str(m, s->base);
	ipc_put_str(m, s->parent);
	ipc_put_i64(m, s->max_bytes);
	ipc_put_i64(m, s->max_files);
	rc = ask(link, m, &k, made_cb, err);
	if (rc == 0)
		out->report = buf_take(&k.report, NULL);
	if (rc == 0 && out->report == NULL)
		rc = err_set(err, CL_FAILED, "save: the broker sent no report");
	buf_clear(&k.report);
	return rc;
}

static void put_load(struct ipc_out *m, const struct backend_load *l)
{
	ipc_put_i64(m, l->project);
	ipc_put_i64(m, l->op);
	ipc_put_u32(m, l->uid);
	ipc_put_u32(m, l->gid);
	ipc_put_str(m, l->work);
	ipc_put_str(m, l->dev);
	ipc_put_i64(m, l->max_bytes);
}

int local_save_copy(struct local_link *link, const struct backend_load *l, const char *name,
    struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_SAVE_COPY);

	put_load(m, l);
	ipc_put_str(m, name);
	return local_link_ask(link, m, NULL, err);
}

int local_save_load(struct local_link *link, const struct backend_load *l, const struct backend_job *job,
    struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_LOAD);
	struct making k = {.job = job};

	put_load(m, l);
	return ask(link, m, &k, NULL, err);
}

static int about(struct local_link *link, uint32_t verb, int64_t project, int64_t op, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(verb);

	ipc_put_i64(m, project);
	ipc_put_i64(m, op);
	return local_link_ask(link, m, NULL, err);
}

int local_save_swap(struct local_link *link, int64_t project, int64_t op, struct cl_err *err)
{
	return about(link, BROKER_LOAD_SWAP, project, op, err);
}

int local_save_drop(struct local_link *link, int64_t project, int64_t op, struct cl_err *err)
{
	return about(link, BROKER_LOAD_DROP, project, op, err);
}
