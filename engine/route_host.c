/* Routes about the machines that instances run on. */
#include "base/config.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/reply.h"
#include "engine/request.h"
#include "engine/route.h"

struct host_work {
	json_t *hosts;
};

/* All of it on this machine: also when the container engine is away, which is then said. */
static int this_machine(struct engine *e, json_t **out)
{
	struct backend *b = &e->backend;
	struct cl_err why = { 0 }, ignored = { 0 };
	struct backend_list list = { 0 };
	int n = 0;

	if (b->ops->ping(b, &why) == 0 && b->ops->observe(b, 0, false, &list, &ignored) == 0)
		for (size_t i = 0; i < list.n; i++)
			n += list.items[i].state == BACKEND_STARTING || list.items[i].state == BACKEND_RUNNING;
	backend_list_clear(&list);
	*out = json_pack("[o]", host_here(config_str("state.dir"), n, config_int("disk.reserve_mb") << 20,
	    why.message));
	return 0;
}

static int host_work_cb(struct engine *e, void *arg, struct cl_err *err)
{
	struct host_work *w = arg;

	return e->backend.ops->hosts ? e->backend.ops->hosts(&e->backend, &w->hosts, err) :
	    this_machine(e, &w->hosts);
}

static int host_then_cb(struct engine *e, struct request *r, struct reply *p, void *arg,
    struct cl_err *err)
{
	struct host_work *w = arg;

	if (err->code == CL_OK)
		reply_json(p, 200, json_pack("{s:O}", "hosts", w->hosts));
	json_decref(w->hosts);
	mem_free(w);
	return err->code == CL_OK ? 0 : -1;
}

static int host_ls(struct engine *e, struct request *r, struct reply *p, struct cl_err *err)
{
	reply_work(p, host_work_cb, host_then_cb, mem_alloc(sizeof(struct host_work)));
	return 0;
}

const struct route_bind route_host_binds[] = {
	{ ROUTE_HOST_LS, host_ls },
	{ 0, NULL },
};
