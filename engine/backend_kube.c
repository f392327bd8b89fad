/*
 * The backends `kube` and `kube-sim`: see backend_kube.h.  Their calls are those of `local` and `sim` but for environments,
 * which are applied to the cluster whole and looked at there, and for the logs of instances.
 */
#include "engine/backend_kube.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/backend_local.h"
#include "engine/backend_sim.h"
#include "engine/kube_cluster.h"
#include "engine/kube_dev.h"
#include "engine/kube_env.h"
#include "engine/kube_host.h"
#include "engine/kube_log.h"
#include "engine/kube_metrics.h"
#include "engine/kube_target.h"
#include "engine/kube_ticket.h"
#include "engine/repository.h"

#define CONF_MAX 65536
#define ROUND_MS 250             /* an environment is some 25 requests: 100 a second */

static int kube_open(struct backend *b, struct cl_err *err);

static int kube_sim_open(struct backend *b, struct cl_err *err);

struct backend_ops backend_kube_ops = { .name = "kube", .open = kube_open };
struct backend_ops backend_kube_sim_ops = { .name = "kube-sim", .open = kube_sim_open };

static struct kube_cluster *of(struct backend *b)
{
	return b->cluster;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int config_take(struct kube_config *c, struct cl_err *err)
{
	const char *path = config_str("kube.config"), *env = getenv("KUBECONFIG");

	if (path[0] == '\0' && env && !strchr(env, ':'))
		path = env;
	if (path[0] != '\0')
		return kube_config_load(c, path, config_str("kube.context"), err);
	return kube_config_in_cluster(c, NULL, err);
}

static char *file_take(const char *path, struct cl_err *err)
{
	cl_autofclose FILE *f = fopen(path, "re");
	char *text = mem_alloc(CONF_MAX + 1);
	size_t n = f ? fread(text, 1, CONF_MAX, f) : 0;

	if (n > 0 && n < CONF_MAX && strlen(text) == n)
		return text;
	mem_free(text);
	err_set(err, CL_PRECONDITION, "%s: it cannot be read", path);
	return NULL;
}

static void registry_take(struct kube_cluster *c)
{
	const char *given = config_str("kube.registry"), *url = config_str("registry.url");

	if (given[0])
		(void)mem_copy_str(c->registry, sizeof(c->registry), given);
	else if (url[0])
		(void)mem_copy_str(c->registry, sizeof(c->registry), strstr(url, "://") ?
		    strstr(url, "://") + 3 : url);
	else
		(void)snprintf(c->registry, sizeof(c->registry), "127.0.0.1:%lld",
		    (long long)config_int("registry.port"));
}

static int cluster_open(struct kube_cluster *c, struct cl_err *err)
{
	cl_autofree char *conf = mem_printf("%s/web/nginx.conf", config_str("images.dir"));
	cl_autofree char *helper = mem_printf("%s/codinglab-pty", config_str("bin.dir"));
	struct kube_config config;

	c->nginx_conf = file_take(conf, err);
	if (!c->nginx_conf || config_take(&config, err) != 0)
		return -1;
	log_info("kubernetes: %s, context %s", config.server, config.context);
	c->api = kube_api_new(&config);
	if (repository_have()) {
		c->password = file_take(config_str("registry.password_file"), err);
		if (!c->password)
			return -1;
		c->password[strcspn(c->password, "\r\n")] = '\0';
	}
	registry_take(c);
	c->exec = kube_exec_new(config_str("kube.exec_socket"), helper, &c->exec_error);
	if (!c->exec)
		log_error("programs in pods: %s", c->exec_error.message);
	return 0;
}

static void complete_ops(struct backend_ops *ops, const struct backend_ops *under);

static int open_over(struct backend *b, struct backend_ops *ops, const struct backend_ops *under,
    struct cl_err *err)
{
	struct kube_cluster *c = kube_cluster_new(b->lab);

	complete_ops(ops, under);
	c->under = under;
	b->cluster = c;
	if (under->open(b, err) != 0)
		return -1;
	b->ops = ops;
	return cluster_open(c, err);
}

static int kube_open(struct backend *b, struct cl_err *err)
{
	return open_over(b, &backend_kube_ops, &backend_local_ops, err);
}

static int kube_sim_open(struct backend *b, struct cl_err *err)
{
	return open_over(b, &backend_kube_sim_ops, &backend_sim_ops, err);
}

static void kube_close(struct backend *b)
{
	struct kube_cluster *next = of(b);

	kube_cluster_under(b)->close(b);
	for (struct kube_cluster *c = next; c; c = next) {
		next = c->next;
		kube_exec_free(c->exec);
		kube_cluster_free(c);
	}
	b->cluster = NULL;
}

/* Instances as they were seen last: asking for a dev container must not wait for a cluster. */
static void observe_in(struct kube_cluster *c, int64_t project, const json_t *used, struct backend_list *out)
{
	pthread_mutex_lock(&c->lock);
	out->items = mem_resize(out->items, out->n + c->state.n + 1, sizeof(*out->items));
	for (size_t i = 0; i < c->state.n; i++) {
		const struct kube_state_pod *p = &c->state.pods[i];

		if (project != 0 && p->seen.project != project)
			continue;
		out->items[out->n] = p->seen;
		kube_metrics_give(used, p->ns, p->pod, &out->items[out->n++]);
	}
	pthread_mutex_unlock(&c->lock);
}

static int kube_observe(struct backend *b, int64_t project, bool with_stats,
    struct backend_list *out, struct cl_err *err)
{
	struct kube_cluster *c = of(b);
	json_t *used;

	if (kube_cluster_under(b)->observe(b, project, with_stats, out, err) != 0)
		return -1;
	used = with_stats && c->api ? kube_metrics_take(c->api, c->lab, project) : NULL;
	if (kube_dev_used() && kube_dev_observe(b, project, used, out, err) != 0) {
		json_decref(used);
		backend_list_clear(out);
		return -1;
	}
	observe_in(c, project, used, out);
	json_decref(used);
	for (c = kube_cluster_next(b, c); c; c = kube_cluster_next(b, c)) {
		used = with_stats ? kube_metrics_take(c->api, c->lab, project) : NULL;
		observe_in(c, project, used, out);
		json_decref(used);
	}
	return 0;
}

/* --- output ----------------------------------------------------------------------------------- */

/* Which cluster has it?  NULL: none. */
static struct kube_cluster *pod_of(struct backend *b, const char *name, struct kube_state_pod *out)
{
	for (struct kube_cluster *c = of(b); c; c = kube_cluster_next(b, c)) {
		const struct kube_state_pod *p;

		pthread_mutex_lock(&c->lock);
		p = kube_state_find(&c->state, name);
		if (p)
			*out = *p;
		pthread_mutex_unlock(&c->lock);
		if (p)
			return c;
	}
	return NULL;
}

static int kube_logs(struct backend *b, const char *name, int tail, bool follow,
    const struct backend_job *job, struct cl_err *err)
{
	struct kube_state_pod p;
	struct kube_cluster *c = pod_of(b, name, &p);

	if (!c)
		return kube_cluster_under(b)->logs(b, name, tail, follow, job, err);
	return kube_log_read(c->api, p.ns, p.pod, tail, follow, job, err);
}

static int exec_in(struct backend *b, struct kube_cluster *c, const struct kube_exec_pod *pod,
    const struct backend_exec *e, char *ticket, size_t size, struct cl_err *err)
{
	if (kube_cluster_there(c, err) != 0)
		return -1;
	if (of(b)->exec)
		return kube_ticket_make(of(b)->exec, c->api, pod, e, ticket, size, err);
	return err_set(err, CL_UNAVAILABLE, "programs in pods: %s", of(b)->exec_error.message);
}

static int kube_exec(struct backend *b, const struct backend_exec *e, char *ticket, size_t size,
    struct cl_err *err)
{
	struct kube_exec_pod pod = { 0 };
	struct kube_state_pod p;
	struct kube_cluster *c;
	int64_t project;

	if (kube_dev_name(e->name, &project))
		return kube_dev_pod(b, project, &pod, err) == 0 ? exec_in(b, of(b), &pod, e, ticket, size,
		    err) : -1;
	c = pod_of(b, e->name, &p);
	if (!c)
		return kube_cluster_under(b)->exec(b, e, ticket, size, err);
	(void)mem_copy_str(pod.ns, sizeof(pod.ns), p.ns);
	(void)mem_copy_str(pod.pod, sizeof(pod.pod), p.pod);
	(void)mem_copy_str(pod.uid, sizeof(pod.uid), p.uid);
	(void)mem_copy_str(pod.container, sizeof(pod.container), p.seen.tier);
	return exec_in(b, c, &pod, e, ticket, size, err);
}

/* --- dev containers --------------------------------------------------------------------------- */

static int kube_apply(struct backend *b, const struct backend_spec *spec, struct cl_err *err)
{
	return kube_dev_used() && strcmp(spec->env, "ide") == 0 ? kube_dev_apply(b, spec, err) :
	    kube_cluster_under(b)->apply(b, spec, err);
}

static int kube_remove(struct backend *b, const char *name, int grace_s, struct cl_err *err)
{
	int64_t project;

	/* one of this machine may be left from before pods were chosen */
	if (kube_dev_name(name, &project) && kube_dev_remove(b, project, grace_s, err) != 0)
		return -1;
	return kube_cluster_under(b)->remove(b, name, grace_s, err);
}

static int kube_workspace_remove(struct backend *b, int64_t project, uint32_t uid, struct cl_err *err)
{
	if (kube_dev_used() && kube_dev_forget(b, project, err) != 0)
		return -1;
	return kube_cluster_under(b)->workspace_remove(b, project, uid, err);
}

/* What is not an environment's is this machine's. */
static void complete_ops(struct backend_ops *ops, const struct backend_ops *under)
{
	struct backend_ops all = *under;

	all.name = ops->name;
	all.open = ops->open;
	all.round_ms = ROUND_MS;
	all.close = kube_close;
	all.observe = kube_observe;
	all.apply = kube_apply;
	all.remove = kube_remove;
	all.workspace_remove = kube_workspace_remove;
	all.logs = kube_logs;
	all.exec = kube_exec;
	all.env_apply = kube_env_apply;
	all.env_manifest = kube_env_show;
	all.env_look = kube_env_look;
	all.env_ready = kube_env_ready;
	all.env_run = kube_env_run;
	all.env_remove = kube_env_remove;
	all.target_add = kube_target_add;
	all.target_drop = kube_target_drop;
	all.hosts = kube_host_list;
	all.watch_begin = kube_target_watch;
	all.watch_end = kube_target_unwatch;
	*ops = all;
}
