/* The engine's requests: see serve.h.  Each handler reads its fields, checks them, acts. */
#include "engine/broker/serve.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/broker/check.h"
#include "engine/broker/container.h"
#include "engine/broker/container_net.h"
#include "engine/broker/database_kept.h"
#include "engine/broker/disk.h"
#include "engine/broker/files.h"
#include "engine/broker/image.h"
#include "engine/broker/load.h"
#include "engine/broker/observe.h"
#include "engine/broker/probe.h"
#include "engine/broker/serve_internal.h"
#include "engine/broker/ticket.h"

#define READ_MAX (64 << 20)

static int refuse(struct cl_err *err, const char *what)
{
	return err_set(err, CL_USAGE, "request: %s: not allowed", what);
}

int serve_parsed(struct serve *s, struct cl_err *err)
{
	if (ipc_end(&s->in) == 0)
		return 0;
	s->in.bad = true;
	return refuse(err, "message");
}

static int get_name(struct serve *s, char out[80], struct cl_err *err)
{
	ipc_get_str(&s->in, out, 80);
	return check_name(out) ? 0 : refuse(err, "name");
}

static int do_ping(struct serve *s, struct cl_err *err)
{
	char runtime[128];

	if (serve_parsed(s, err) < 0 ||
	    docker_ping(&s->b->docker, runtime, sizeof(runtime), err) < 0)
		return -1;
	ipc_put_str(&s->out, runtime);
	return 0;
}

static int do_apply(struct serve *s, struct cl_err *err)
{
	struct spec c;
	int rc = spec_read(&c, &s->in, &s->b->place, err);

	if (rc == 0 && serve_parsed(s, err) < 0)
		rc = -1;
	/* A container of a project is called by it; jobs are named after their operation. */
	if (rc == 0 && !check_owned(c.name, c.project))
		rc = refuse(err, "name");
	if (rc == 0)
		rc = container_apply(s->b, &c, err);
	spec_clear(&c);
	return rc;
}

static int do_remove(struct serve *s, struct cl_err *err)
{
	char name[80];
	int grace;

	if (get_name(s, name, err) < 0)
		return -1;
	grace = (int)ipc_get_range(&s->in, 0, 3600);
	if (serve_parsed(s, err) < 0)
		return -1;
	return container_remove(s->b, name, grace, err);
}

static int do_observe(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 0, CHECK_ID_MAX);
	bool with_stats = ipc_get_range(&s->in, 0, 1);

	if (serve_parsed(s, err) < 0)
		return -1;
	return observe_send(s->b, s->sock, project, with_stats, err);
}

static int do_probe(struct serve *s, struct cl_err *err)
{
	char name[80];

	if (get_name(s, name, err) < 0 || serve_parsed(s, err) < 0)
		return -1;
	return probe_run(s->b, name, err);
}

/* A ticket that was read with this result: kept, its id the answer. */
static int keep_ticket(struct serve *s, struct ticket *t, int rc, struct cl_err *err)
{
	char id[TICKET_SIZE];

	if (rc == 0 && serve_parsed(s, err) < 0)
		rc = -1;
	if (rc == 0)
		rc = ticket_put(&s->b->place, t, id, err);
	if (rc == 0)
		ipc_put_str(&s->out, id);
	ticket_clear(t);
	return rc;
}

static int do_exec(struct serve *s, struct cl_err *err)
{
	struct ticket t;

	return keep_ticket(s, &t, ticket_read(&t, &s->in, err), err);
}

static int do_transfer(struct serve *s, struct cl_err *err)
{
	struct ticket t;

	return keep_ticket(s, &t, ticket_read_transfer(&t, &s->in, err), err);
}

static int do_image_list(struct serve *s, struct cl_err *err)
{
	return serve_parsed(s, err) < 0 ? -1 : image_list(s->b, s->sock, err);
}

static int do_image_remove(struct serve *s, struct cl_err *err)
{
	char id[256];

	ipc_get_str(&s->in, id, sizeof(id));
	if (serve_parsed(s, err) < 0)
		return -1;
	return check_image_ref(id) ? image_remove(s->b, id, err) : refuse(err, "image");
}

static int do_volume_remove(struct serve *s, struct cl_err *err)
{
	char name[80];

	if (get_name(s, name, err) < 0 || serve_parsed(s, err) < 0)
		return -1;
	if (container_net_remove_volume(s->b, name, err) < 0)
		return -1;
	database_kept_forget(s->b, name);
	return 0;
}

static int do_network_remove(struct serve *s, struct cl_err *err)
{
	char name[80];

	if (get_name(s, name, err) < 0 || serve_parsed(s, err) < 0)
		return -1;
	return container_net_remove(s->b, name, err);
}

static int check_substs(const struct spec_vars *v, struct cl_err *err)
{
	for (size_t i = 0; i < v->n; i++)
		if (!check_subst(v->items[i].name) || !check_text(v->items[i].value))
			return refuse(err, "substitution");
	return 0;
}

static int do_workspace_create(struct serve *s, struct cl_err *err)
{
	struct spec_vars subst = {0};
	char template[128];
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX);
	uint32_t uid = (uint32_t)ipc_get_range(&s->in, CHECK_UID_MIN, CHECK_UID_MAX);
	uint32_t gid = (uint32_t)ipc_get_range(&s->in, CHECK_UID_MIN, CHECK_UID_MAX);
	int rc;

	ipc_get_str(&s->in, template, sizeof(template));
	rc = spec_read_vars(&subst, BROKER_SUBSTS, &s->in, err);
	if (rc == 0 && serve_parsed(s, err) < 0)
		rc = -1;
	if (rc == 0 && template[0] && !check_template(template))
		rc = refuse(err, "template");
	if (rc == 0)
		rc = check_substs(&subst, err);
	if (rc == 0)
		rc = files_create(s->b, project, uid, gid, template, &subst, err);
	spec_clear_vars(&subst);
	return rc;
}

static int do_workspace_remove(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX);

	ipc_get_range(&s->in, CHECK_UID_MIN, CHECK_UID_MAX);
	return serve_parsed(s, err) < 0 ? -1 : files_remove(s->b, project, err);
}

static int do_workspace_read(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX), max;
	uint32_t uid = (uint32_t)ipc_get_range(&s->in, CHECK_UID_MIN, CHECK_UID_MAX);
	char name[4096];

	ipc_get_str(&s->in, name, sizeof(name));
	max = spec_read_wide(&s->in, 0, READ_MAX);
	if (serve_parsed(s, err) < 0)
		return -1;
	return files_read(s->b, s->sock, project, uid, name, (size_t)max, err);
}

static int do_user_home(struct serve *s, struct cl_err *err)
{
	uint32_t uid = (uint32_t)ipc_get_range(&s->in, CHECK_UID_MIN, CHECK_UID_MAX);
	bool present = ipc_get_range(&s->in, 0, 1);

	return serve_parsed(s, err) < 0 ? -1 : files_user(s->b, uid, present, err);
}

static int do_disk(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX), used, left;
	char name[80];

	if (get_name(s, name, err) < 0 || serve_parsed(s, err) < 0)
		return -1;
	if (!check_owned(name, project))
		return refuse(err, "name");
	if (disk_measure(s->b, project, name, &used, &left, err) < 0)
		return -1;
	ipc_put_i64(&s->out, used);
	ipc_put_i64(&s->out, left);
	return 0;
}

static int do_save_copy(struct serve *s, struct cl_err *err)
{
	struct load l;
	char name[80];

	if (load_read(&l, &s->in, err) < 0 || get_name(s, name, err) < 0 || serve_parsed(s, err) < 0)
		return -1;
	return load_copy(s->b, &l, name, err);
}

static int do_load_swap(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX);
	int64_t op = spec_read_wide(&s->in, 1, INT32_MAX);

	return serve_parsed(s, err) < 0 ? -1 : load_swap(s->b, project, op, err);
}

static int do_load_drop(struct serve *s, struct cl_err *err)
{
	int64_t project = spec_read_wide(&s->in, 1, CHECK_ID_MAX);
	int64_t op = spec_read_wide(&s->in, 1, INT32_MAX);

	return serve_parsed(s, err) < 0 ? -1 : load_drop(s->b, project, op, err);
}

static int do_cancel(struct serve *s, struct cl_err *err)
{
	/* It came after the end of what it meant; nobody waits for an answer. */
	return serve_parsed(s, err) < 0 ? -1 : SERVE_DONE;
}

static const struct verb {
	uint32_t type;
	int (*handle)(struct serve *s, struct cl_err *err);
} verbs[] = {
    {BROKER_PING, do_ping},
    {BROKER_APPLY, do_apply},
    {BROKER_REMOVE, do_remove},
    {BROKER_OBSERVE, do_observe},
    {BROKER_PROBE, do_probe},
    {BROKER_RUN, serve_long_run},
    {BROKER_LOGS, serve_long_logs},
    {BROKER_EXEC, do_exec},
    {BROKER_BUILD, serve_long_build},
    {BROKER_STAGE_BEGIN, serve_stage_begin},
    {BROKER_STAGE_RUN, serve_stage_run},
    {BROKER_STAGE_COMMIT, serve_stage_commit},
    {BROKER_STAGE_END, serve_stage_end},
    {BROKER_IMAGE_BUILD, serve_long_image_build},
    {BROKER_IMAGE_LIST, do_image_list},
    {BROKER_IMAGE_REMOVE, do_image_remove},
    {BROKER_VOLUME_REMOVE, do_volume_remove},
    {BROKER_NETWORK_REMOVE, do_network_remove},
    {BROKER_WORKSPACE_CREATE, do_workspace_create},
    {BROKER_WORKSPACE_REMOVE, do_workspace_remove},
    {BROKER_WORKSPACE_READ, do_workspace_read},
    {BROKER_USER_HOME, do_user_home},
    {BROKER_SAVE, serve_save_make},
    {BROKER_SAVE_COPY, do_save_copy},
    {BROKER_LOAD, serve_save_load},
    {BROKER_LOAD_SWAP, do_load_swap},
    {BROKER_LOAD_DROP, do_load_drop},
    {BROKER_WATCH, serve_long_watch},
    {BROKER_PUSH, serve_registry_push},
    {BROKER_PULL, serve_registry_pull},
    {BROKER_IMAGE_PRUNE, serve_registry_prune},
    {BROKER_REPOSITORY_GC, serve_registry_collect},
    {BROKER_IMPORT, serve_long_import},
    {BROKER_TRANSFER, do_transfer},
    {BROKER_DISK, do_disk},
    {BROKER_CANCEL, do_cancel},
};

int serve_end(struct serve *s, int rc, struct cl_err *err)
{
	if (rc == 0)
		return ipc_send(s->sock, &s->out);
	if (!err->code)
		err_set(err, CL_FAILED, "the broker failed without a reason");
	ipc_begin(&s->out, BROKER_ERROR);
	ipc_put_err(&s->out, err);
	return ipc_send(s->sock, &s->out);
}

int serve_request(struct serve *s)
{
	struct cl_err err = {0};
	int rc;

	for (size_t i = 0; i < CL_COUNT(verbs); i++) {
		if (verbs[i].type != s->in.type)
			continue;
		ipc_begin(&s->out, BROKER_OK);
		rc = verbs[i].handle(s, &err);
		if (s->in.bad) {
			log_warn("malformed request %#x: connection ended", (unsigned)s->in.type);
			return -1;
		}
		ipc_close_fds(&s->in);
		return rc == SERVE_DONE ? 0 : serve_end(s, rc, &err);
	}
	log_warn("unknown request %#x: connection ended", (unsigned)s->in.type);
	return -1;
}

void serve_run(const struct broker *b, int sock)
{
	struct serve *s = mem_alloc(sizeof(*s));

	s->b = b;
	s->sock = sock;
	while (ipc_recv(sock, &s->in) == 1)
		if (serve_request(s) < 0)
			break;
	ipc_close_fds(&s->in);
	mem_free(s);
}
