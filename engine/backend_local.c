/*
 * The backend `local`: each call is one request to the runtime broker (broker_proto.h has the
 * order of the fields), readiness is an HTTP request to the container's address, traffic is the
 * edge's.  Paths and Docker's JSON are the broker's business.
 */
#include "engine/backend_local.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/ipc.h"
#include "base/mem.h"
#include "engine/broker/broker_proto.h"
#include "engine/edge.h"
#include "engine/local_file.h"
#include "engine/local_import.h"
#include "engine/local_link.h"
#include "engine/stacks.h"
#include "engine/local_repository.h"
#include "engine/repository.h"
#include "engine/local_save.h"

#define PROBE_MS 3000
#define PROBE_REPLY 4096
#define LOCAL_INSTANCES 20000

/* The last look at a container's processor time, to make a percentage of the next. */
struct sample {
	char name[80];
	int64_t cpu_ns, at_us;
};

struct local {
	struct local_link *link;
	pthread_mutex_t lock;
	struct sample *samples;
	size_t nsamples;
};

static struct local *of(struct backend *b)
{
	return b->ctx;
}

static int local_open(struct backend *b, struct cl_err *err)
{
	struct local *l = mem_alloc(sizeof(*l));

	l->link = local_link_new(config_str("runtime.broker_socket"));
	pthread_mutex_init(&l->lock, NULL);
	b->ctx = l;
	return 0;
}

static void local_close(struct backend *b)
{
	struct local *l = of(b);

	if (l == NULL)
		return;
	local_link_free(l->link);
	pthread_mutex_destroy(&l->lock);
	mem_free(l->samples);
	mem_free(l);
	b->ctx = NULL;
}

/* -- fields -- */

static void put_argv(struct ipc_out *m, char *const *argv)
{
	uint32_t n = 0;

	while (argv != NULL && argv[n] != NULL)
		n++;
	ipc_put_u32(m, n);
	for (uint32_t i = 0; i < n; i++)
		ipc_put_str(m, argv[i]);
}

static void put_vars(struct ipc_out *m, const struct backend_kv *kv, size_t n)
{
	ipc_put_u32(m, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		ipc_put_str(m, kv[i].name);
		ipc_put_str(m, kv[i].value);
	}
}

static void put_spec(struct ipc_out *m, const struct backend_spec *s)
{
	ipc_put_str(m, s->name);
	ipc_put_i64(m, s->project);
	ipc_put_str(m, s->env);
	ipc_put_str(m, s->tier);
	ipc_put_i32(m, s->n);
	ipc_put_i32(m, s->release);
	ipc_put_str(m, s->image);
	put_argv(m, s->argv);
	put_vars(m, s->env_vars, s->nenv);
	ipc_put_u32(m, (uint32_t)s->nmounts);
	for (size_t i = 0; i < s->nmounts; i++) {
		ipc_put_u32(m, (uint32_t)s->mounts[i].kind);
		ipc_put_str(m, s->mounts[i].source);
		ipc_put_str(m, s->mounts[i].target);
		ipc_put_u32(m, s->mounts[i].read_only);
	}
	ipc_put_str(m, s->network);
	ipc_put_str(m, s->alias);
	ipc_put_str(m, s->hostname);
	ipc_put_str(m, s->workdir);
	ipc_put_u32(m, s->uid);
	ipc_put_u32(m, s->gid);
	ipc_put_str(m, s->user_name);
	ipc_put_i64(m, s->memory);
	ipc_put_i32(m, s->cpu_milli);
	ipc_put_i32(m, s->pids);
	ipc_put_u32(m, s->read_only_root);
	ipc_put_i32(m, s->port);
	ipc_put_str(m, s->health);
	ipc_put_i32(m, s->stop_grace_s);
	ipc_put_i64(m, (int64_t)s->generation);
}

/* -- instances -- */

static int local_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_APPLY);

	put_spec(m, spec);
	return local_link_ask(of(b)->link, m, NULL, err);
}

static int local_remove(struct backend *b, const char *name, int grace_s, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_REMOVE);

	ipc_put_str(m, name);
	ipc_put_i32(m, grace_s);
	return local_link_ask(of(b)->link, m, NULL, err);
}

/* Percent of one core since the last look at this container; < 0 at the first. */
static double cpu_percent(struct local *l, const char *name, int64_t cpu_ns)
{
	int64_t now = clock_us();
	struct sample *s = NULL;
	double percent = -1;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; s == NULL && i < l->nsamples; i++)
		if (strcmp(l->samples[i].name, name) == 0)
			s = &l->samples[i];
	if (s == NULL) {
		l->samples = mem_resize(l->samples, l->nsamples + 1, sizeof(*s));
		s = &l->samples[l->nsamples++];
		mem_copy_str(s->name, sizeof(s->name), name);
	} else if (cpu_ns >= s->cpu_ns && now > s->at_us) {
		percent = (double)(cpu_ns - s->cpu_ns) / 10.0 / (double)(now - s->at_us);
	}
	s->cpu_ns = cpu_ns;
	s->at_us = now;
	pthread_mutex_unlock(&l->lock);
	return percent;
}

/* Samples of containers that were not seen for ten minutes go. */
static void forget_samples(struct local *l)
{
	int64_t old = clock_us() - 600LL * 1000000;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->nsamples;)
		if (l->samples[i].at_us < old)
			l->samples[i] = l->samples[--l->nsamples];
		else
			i++;
	pthread_mutex_unlock(&l->lock);
}

struct observed {
	struct local *local;
	struct backend_list *list;
};

static void instance_cb(void *arg, struct ipc_in *m)
{
	struct observed *o = arg;
	struct backend_instance *i;
	int64_t cpu_ns;

	if (m->type != BROKER_INSTANCE || o->list->n >= LOCAL_INSTANCES) {
		m->bad = true;
		return;
	}
	o->list->items = mem_resize(o->list->items, o->list->n + 1, sizeof(*i));
	i = &o->list->items[o->list->n++];
	memset(i, 0, sizeof(*i));
	ipc_get_str(m, i->name, sizeof(i->name));
	i->project = ipc_get_i64(m);
	ipc_get_str(m, i->env, sizeof(i->env));
	ipc_get_str(m, i->tier, sizeof(i->tier));
	i->n = ipc_get_i32(m);
	i->release = ipc_get_i32(m);
	i->generation = (uint64_t)ipc_get_i64(m);
	ipc_get_str(m, i->image, sizeof(i->image));
	i->state = (enum backend_state)ipc_get_u32(m);
	if (i->state > BACKEND_UNKNOWN)
		i->state = BACKEND_UNKNOWN;
	i->exit_code = ipc_get_i32(m);
	ipc_get_str(m, i->address, sizeof(i->address));
	i->started_ms = ipc_get_i64(m);
	cpu_ns = ipc_get_i64(m);
	i->memory = ipc_get_i64(m);
	i->cpu = cpu_ns < 0 ? -1 : cpu_percent(o->local, i->name, cpu_ns);
}

static int local_observe(struct backend *b, int64_t project, bool with_stats,
    struct backend_list *out, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_OBSERVE);
	struct observed o = {of(b), out};
	struct local_link_call call = {.part = instance_cb, .arg = &o};

	memset(out, 0, sizeof(*out));
	ipc_put_i64(m, project);
	ipc_put_u32(m, with_stats);
	if (with_stats)
		forget_samples(of(b));
	if (local_link_ask(of(b)->link, m, &call, err) == 0)
		return 0;
	backend_list_clear(out);
	return -1;
}

static int probe_http(const struct backend_instance *i, int port, const char *path,
    struct cl_err *err)
{
	cl_autofree char *url = mem_printf("http://%s:%d%s", i->address, port, path);
	struct fetch_request req = {.method = "GET", .url = url, .timeout_ms = PROBE_MS,
	    .connect_timeout_ms = PROBE_MS, .max_reply = 1024 * 1024};
	struct fetch_reply reply = {0};
	int status;

	if (fetch_run(&req, &reply, err) < 0)
		return -1;
	status = reply.status;
	if (status < 200 || status > 399)
		err_set(err, CL_FAILED, "%s answered %d: %.200s", path, status,
		    reply.body.data == NULL ? "" : reply.body.data);
	buf_clear(&reply.body);
	return status < 200 || status > 399 ? -1 : 0;
}

static int local_probe(struct backend *b, const struct backend_instance *i, int port,
    const char *path, struct cl_err *err)
{
	struct ipc_out *m;

	if (path != NULL && path[0] == '/' && port > 0) {
		if (i->address[0] == '\0')
			return err_set(err, CL_FAILED, "%s has no address yet", i->name);
		return probe_http(i, port, path, err);
	}
	m = local_link_begin(BROKER_PROBE);
	ipc_put_str(m, i->name);
	return local_link_ask(of(b)->link, m, NULL, err);
}

/* -- traffic: the edge's -- */

static int local_route_set(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	return edge_host_set(r->host, r->slot, err);
}

static int local_route_unset(struct backend *b, const struct backend_route *r, struct cl_err *err)
{
	return edge_host_unset(r->host, err);
}

static int local_route_add(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, const char *address, int port, struct cl_err *err)
{
	return edge_server_add(r->slot, tier, name, address, port, err);
}

static int local_route_drain(struct backend *b, const struct backend_route *r, const char *tier,
    const char *name, int timeout_s, struct cl_err *err)
{
	return edge_server_drain(r->slot, tier, name, timeout_s, err);
}

static int local_route_list(struct backend *b, const struct backend_route *r, const char *tier,
    struct buf *out, struct cl_err *err)
{
	return edge_server_list(r->slot, tier, out, err);
}

static int local_route_stats(struct backend *b, const struct backend_route *r, const char *tier,
    struct backend_traffic *out, struct cl_err *err)
{
	struct edge_traffic t;

	if (edge_traffic(r->slot, tier, &t, err) < 0)
		return -1;
	*out = (struct backend_traffic){.rps = t.rps, .active = t.active, .errors = t.errors};
	return 0;
}

/* -- long requests: lines, then a result -- */

struct job {
	const struct backend_job *job;
	int32_t status;
	char *text;
	size_t size;
};

static void status_cb(void *arg, struct ipc_in *m)
{
	((struct job *)arg)->status = ipc_get_i32(m);
}

static void text_cb(void *arg, struct ipc_in *m)
{
	struct job *j = arg;

	ipc_get_str(m, j->text, j->size);
}

static int ask_job(struct backend *b, struct ipc_out *m, struct job *j, local_link_ok_cb *ok,
    struct cl_err *err)
{
	struct local_link_call call = {.ok = ok, .arg = j, .job = j->job};

	return local_link_ask(of(b)->link, m, &call, err);
}

static int local_ping(struct backend *b, struct cl_err *err)
{
	char runtime[128];
	struct job j = {.text = runtime, .size = sizeof(runtime)};

	return ask_job(b, local_link_begin(BROKER_PING), &j, text_cb, err);
}

static int local_run(struct backend *b, const struct backend_spec *spec,
    const struct backend_job *job, int *status, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_RUN);
	struct job j = {.job = job};

	put_spec(m, spec);
	ipc_put_i32(m, job->timeout_s);
	if (ask_job(b, m, &j, status_cb, err) < 0)
		return -1;
	*status = j.status;
	return 0;
}

static int local_logs(struct backend *b, const char *name, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_LOGS);
	struct job j = {.job = job};

	ipc_put_str(m, name);
	ipc_put_i32(m, tail);
	ipc_put_u32(m, follow);
	return ask_job(b, m, &j, NULL, err);
}

static int local_build(struct backend *b, const struct backend_build *s,
    const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_BUILD);
	struct job j = {.job = job, .text = digest, .size = size};

	ipc_put_str(m, s->id);
	ipc_put_i64(m, s->project);
	ipc_put_i64(m, s->op);
	ipc_put_str(m, s->from);
	ipc_put_str(m, s->onto);
	put_argv(m, s->build);
	put_argv(m, s->cmd);
	ipc_put_u32(m, s->uid);
	ipc_put_u32(m, s->gid);
	put_vars(m, s->labels, s->nlabels);
	ipc_put_i64(m, s->memory);
	ipc_put_i32(m, job->timeout_s);
	return ask_job(b, m, &j, text_cb, err);
}

static int local_build_file(struct backend *b, const struct backend_file *s,
    const struct backend_job *job, struct backend_file_made *out, struct cl_err *err)
{
	return local_file_build(of(b)->link, s, job, out, err);
}

static int local_image_build(struct backend *b, const char *folder, const char *file,
    const char *id, const struct backend_job *job, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_IMAGE_BUILD);
	char digest[128];
	struct job j = {.job = job, .text = digest, .size = sizeof(digest)};

	ipc_put_str(m, folder);
	ipc_put_str(m, file);
	ipc_put_str(m, id);
	ipc_put_i32(m, job->timeout_s);
	return ask_job(b, m, &j, text_cb, err);
}

/* -- executions -- */

static int local_exec(struct backend *b, const struct backend_exec *e, char *ticket, size_t size,
    struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_EXEC);
	struct job j = {.text = ticket, .size = size};

	ipc_put_str(m, e->name);
	put_argv(m, e->argv);
	put_vars(m, e->env_vars, e->nenv);
	ipc_put_str(m, e->workdir);
	ipc_put_u32(m, e->uid);
	ipc_put_u32(m, e->gid);
	ipc_put_u32(m, e->tty);
	ipc_put_i32(m, e->rows);
	ipc_put_i32(m, e->cols);
	ipc_put_u32(m, e->peer_uid);
	return ask_job(b, m, &j, text_cb, err);
}

/* -- images, volumes, networks -- */

static int local_image_list(struct backend *b, struct backend_images *out, struct cl_err *err)
{
	return local_repository_images(of(b)->link, out, err);
}

static int local_image_push(struct backend *b, const char *image, const char *repository,
    const char *tag, const struct backend_job *job, char *digest, size_t size, struct cl_err *err)
{
	return local_repository_push(of(b)->link, image, repository, tag, job, digest, size, err);
}

static int local_image_pull(struct backend *b, const char *repository, const char *digest,
    const char *id, const char *tag, const struct backend_job *job, char *image, size_t size,
    struct cl_err *err)
{
	return local_repository_pull(of(b)->link, repository, digest, id, tag, job, image, size, err);
}

static int local_image_prune(struct backend *b, bool dry, int min_age_s,
    const struct backend_job *job, int64_t *count, int64_t *bytes, struct cl_err *err)
{
	return local_repository_prune(of(b)->link, dry, min_age_s, job, count, bytes, err);
}

static int local_stored_gc(struct backend *b, bool dry, const struct backend_job *job,
    int64_t *freed, struct cl_err *err)
{
	return local_repository_collect(of(b)->link, dry, job, freed, err);
}

static int local_stored_list(struct backend *b, struct backend_stored_list *out,
    struct cl_err *err)
{
	return repository_list(out, err);
}

static int local_stored_remove(struct backend *b, const char *repository, const char *digest,
    struct cl_err *err)
{
	return repository_remove(repository, digest, err);
}

static int remove_named(struct backend *b, uint32_t verb, const char *name, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(verb);

	ipc_put_str(m, name);
	return local_link_ask(of(b)->link, m, NULL, err);
}

static int local_image_remove(struct backend *b, const char *id, struct cl_err *err)
{
	return remove_named(b, BROKER_IMAGE_REMOVE, id, err);
}

static int local_volume_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return remove_named(b, BROKER_VOLUME_REMOVE, name, err);
}

static int local_network_remove(struct backend *b, const char *name, struct cl_err *err)
{
	return remove_named(b, BROKER_NETWORK_REMOVE, name, err);
}

/* -- files -- */

static int local_workspace_create(struct backend *b, int64_t project, uint32_t uid, uint32_t gid,
    const char *template_dir, const struct backend_kv *subst, size_t nsubst, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_WORKSPACE_CREATE);
	cl_autofree char *added = stacks_dir();
	const char *const dirs[] = { config_str("images.dir"), added };

	/* the broker knows the folders of the stacks; a request names what is beneath them */
	for (size_t i = 0; template_dir != NULL && i < CL_COUNT(dirs); i++) {
		size_t n = strlen(dirs[i]);

		if (strncmp(template_dir, dirs[i], n) == 0 && template_dir[n] == '/')
			template_dir += n + strspn(template_dir + n, "/");
	}
	ipc_put_i64(m, project);
	ipc_put_u32(m, uid);
	ipc_put_u32(m, gid);
	ipc_put_str(m, template_dir);
	put_vars(m, subst, nsubst);
	return local_link_ask(of(b)->link, m, NULL, err);
}

static int local_workspace_remove(struct backend *b, int64_t project, uint32_t uid,
    struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_WORKSPACE_REMOVE);

	ipc_put_i64(m, project);
	ipc_put_u32(m, uid);
	return local_link_ask(of(b)->link, m, NULL, err);
}

static void data_cb(void *arg, struct ipc_in *m)
{
	size_t n;
	const void *p = ipc_get_bytes(m, &n, IPC_DATA_MAX);

	if (m->type != BROKER_DATA || (!m->bad && buf_add(arg, p, n) < 0))
		m->bad = true;
}

static int local_workspace_read(struct backend *b, int64_t project, uint32_t uid, const char *name,
    size_t max, struct buf *out, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_WORKSPACE_READ);
	struct local_link_call call = {.part = data_cb, .arg = out};

	ipc_put_i64(m, project);
	ipc_put_u32(m, uid);
	ipc_put_str(m, name);
	ipc_put_i64(m, (int64_t)max);
	return local_link_ask(of(b)->link, m, &call, err);
}

static int local_user_home(struct backend *b, uint32_t uid, bool present, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_USER_HOME);

	ipc_put_u32(m, uid);
	ipc_put_u32(m, present);
	return local_link_ask(of(b)->link, m, NULL, err);
}

static void disk_cb(void *arg, struct ipc_in *m)
{
	int64_t *n = arg;

	n[0] = ipc_get_i64(m);
	n[1] = ipc_get_i64(m);
}

static int local_disk(struct backend *b, int64_t project, const char *container, int64_t *used,
    int64_t *left, struct cl_err *err)
{
	struct ipc_out *m = local_link_begin(BROKER_DISK);
	int64_t n[2] = {0, 0};
	struct local_link_call call = {.ok = disk_cb, .arg = n};

	ipc_put_i64(m, project);
	ipc_put_str(m, container);
	if (local_link_ask(of(b)->link, m, &call, err) < 0)
		return -1;
	*used = n[0];
	*left = n[1];
	return 0;
}

static int local_import(struct backend *b, const struct backend_import *i,
    const struct backend_job *job, struct backend_imported *out, struct cl_err *err)
{
	return local_import_run(of(b)->link, i, job, out, err);
}

static int local_transfer(struct backend *b, const struct backend_transfer *t, char *ticket,
    size_t size, struct cl_err *err)
{
	return local_import_ticket(of(b)->link, t, ticket, size, err);
}

/* -- saves -- */

static int local_save(struct backend *b, const struct backend_save *s, const struct backend_job *job,
    struct backend_saved *out, struct cl_err *err)
{
	return local_save_make(of(b)->link, s, job, out, err);
}

static int local_copy(struct backend *b, const struct backend_load *l, const char *name,
    struct cl_err *err)
{
	return local_save_copy(of(b)->link, l, name, err);
}

static int local_load(struct backend *b, const struct backend_load *l, const struct backend_job *job,
    struct cl_err *err)
{
	return local_save_load(of(b)->link, l, job, err);
}

static int local_swap(struct backend *b, int64_t project, int64_t op, struct cl_err *err)
{
	return local_save_swap(of(b)->link, project, op, err);
}

static int local_drop(struct backend *b, int64_t project, int64_t op, struct cl_err *err)
{
	return local_save_drop(of(b)->link, project, op, err);
}

/* -- changes -- */

struct watch {
	void (*cb)(void *arg, const struct backend_change *c);
	backend_cancel_cb *cancelled;
	void *arg;
};

static void change_cb(void *arg, struct ipc_in *m)
{
	struct watch *w = arg;
	struct backend_change c = {0};

	if (m->type != BROKER_CHANGE) {
		m->bad = true;
		return;
	}
	ipc_get_str(m, c.name, sizeof(c.name));
	ipc_get_str(m, c.what, sizeof(c.what));
	c.exit_code = ipc_get_i32(m);
	if (!m->bad)
		w->cb(w->arg, &c);
}

static int local_watch(struct backend *b, void (*cb)(void *arg, const struct backend_change *c),
    backend_cancel_cb *cancelled, void *arg, struct cl_err *err)
{
	struct watch w = {cb, cancelled, arg};
	const struct backend_job job = {.cancelled = cancelled, .arg = arg};
	struct local_link_call call = {.part = change_cb, .arg = &w, .job = &job, .rests = true};

	return local_link_ask(of(b)->link, local_link_begin(BROKER_WATCH), &call, err);
}

static void local_watch_wake(struct backend *b)
{
	local_link_wake(of(b)->link);
}

const struct backend_ops backend_local_ops = {
	.name = "local", .open = local_open, .close = local_close, .ping = local_ping,
	.apply = local_apply, .remove = local_remove, .observe = local_observe,
	.probe = local_probe, .route_set = local_route_set, .route_unset = local_route_unset,
	.route_add = local_route_add, .route_drain = local_route_drain,
	.route_list = local_route_list, .route_stats = local_route_stats, .run = local_run,
	.logs = local_logs, .exec = local_exec, .build = local_build,
	.build_file = local_build_file,
	.image_build = local_image_build, .image_list = local_image_list,
	.image_remove = local_image_remove,
	.image_push = local_image_push, .image_pull = local_image_pull,
	.image_prune = local_image_prune, .stored_list = local_stored_list,
	.stored_remove = local_stored_remove, .stored_gc = local_stored_gc, .volume_remove = local_volume_remove,
	.network_remove = local_network_remove, .workspace_create = local_workspace_create,
	.workspace_remove = local_workspace_remove, .workspace_read = local_workspace_read,
	.disk_used = local_disk, .import = local_import, .transfer = local_transfer,
	.user_home = local_user_home, .save = local_save, .save_copy = local_copy,
	.load = local_load, .load_swap = local_swap, .load_drop = local_drop,
	.watch = local_watch, .watch_wake = local_watch_wake,
};
